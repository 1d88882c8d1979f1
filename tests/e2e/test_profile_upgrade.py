"""A charger is led from security profile 1 to 3 over OCPP, with certificates of the built-in authority (A02, A05)."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from accounts.permissions import Actor
from chargepoints.choices import CertificateState, SecurityProfile
from chargepoints.models import Certificate, ChargePoint, Connection, SecurityProfileUpgrade
from chargepoints.services import authorities, certificates, profile_upgrades
from tests.certificates import Authority
from tests.e2e.conftest import MakeProduct, order, register, wait_ended
from tests.e2e.product import ROOT, Product, wait_until
from tests.e2e.sockets import Charger
from tests.factories import CHARGER_KEY

pytestmark = pytest.mark.server

SERVERS = Authority.root("Servers")
ADMIN = Actor.system("tests", via="cli")


@pytest.fixture
def product(make_product: MakeProduct, tmp_path: Path) -> Product:
    """A server whose port speaks TLS and plain, as chargers that keep their address need it."""
    certificate, key = SERVERS.server().write(tmp_path, "server")
    (tmp_path / "servers.pem").write_bytes(SERVERS.pem)
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--tls-allow-plain")
    command = ("manage.py", "up", "--port", "{port}", *options)
    return make_product(*command, OCPP_HANDSHAKE_TIMEOUT_S="3")


@contextmanager
def simulated(product: Product, directory: Path, identity: str) -> Iterator[None]:
    """A simulated charger that trusts the server, and nothing else of TLS."""
    (directory / "keys.csv").write_text(f"{identity},{CHARGER_KEY}\n")
    command = [
        "simulate",
        product.url,
        "--keys",
        "keys.csv",
        "--arrival-rate",
        "0",
        "--tls-ca",
        "servers.pem",
    ]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *command, "--tolerate-outages", "--until-stdin-closes"],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


def comes_with(identity: str, profile: int) -> None:
    rows = Connection.objects.filter(charge_point__identity=identity, security_profile=profile)
    wait_until(rows.exists, f"{identity} comes with profile {profile}")


def raise_to(charge_point: ChargePoint, profile: int) -> SecurityProfileUpgrade:
    profile_upgrades.start(actor=ADMIN, charge_point=charge_point, target_profile=profile)
    comes_with(charge_point.identity, profile)
    upgrade = SecurityProfileUpgrade.objects.first()
    assert upgrade is not None
    return upgrade


def test_charger_is_led_from_profile_1_to_3(product: Product, tmp_path: Path) -> None:
    authorities.create(actor=ADMIN, name="Volta", key_kind="ec-p256")
    wait_until(lambda: "tls.reloaded" in product.log, "the gateway knows the authority")
    charge_point = register("WAY-UP")
    with simulated(product, tmp_path, "WAY-UP"):
        comes_with("WAY-UP", 1)
        assert raise_to(charge_point, 2).status == "done"

        name = charge_point.tenant.certificate_organization
        assert (
            wait_ended(order("WAY-UP", "change_configuration", key="CpoName", value=name)).status
            == "accepted"
        )
        trigger = order("WAY-UP", "trigger_message", message="SignCertificate")
        assert wait_ended(trigger).status == "accepted"
        delivered = Certificate.objects.filter(charge_point=charge_point, state=CertificateState.DELIVERED)
        wait_until(delivered.exists, "the certificate is delivered")

        assert raise_to(charge_point, 3).status == "done"
        own = Certificate.objects.get(charge_point=charge_point)
        assert own.state == CertificateState.INSTALLED

        # Never again with less, and not with a certificate that was revoked.
        for url in (product.url, product.url.replace("ws:", "wss:")):
            options: dict[str, Any] = {} if url == product.url else {"ssl": _trust()}
            with pytest.raises(InvalidStatus, match="403"):
                Charger(url, "WAY-UP", **options)
        certificates.revoke(actor=ADMIN, certificate=own)
        order("WAY-UP", "reset", kind="Hard")
        rows = charge_point.refusals.filter(detail__contains="was revoked")
        wait_until(rows.exists, "the revoked certificate is refused")


def test_charger_that_cannot_use_the_new_profile_falls_back(product: Product, tmp_path: Path) -> None:
    charge_point = register("FALLS-BACK")
    (tmp_path / "servers.pem").write_bytes(Authority.root("Somebody else").pem)
    with simulated(product, tmp_path, "FALLS-BACK"):
        comes_with("FALLS-BACK", 1)
        profile_upgrades.start(actor=ADMIN, charge_point=charge_point, target_profile=2)
        rows = SecurityProfileUpgrade.objects.filter(status="fell_back")
        wait_until(rows.exists, "it has come back with profile 1")
    charge_point.refresh_from_db()
    assert charge_point.security_profile == SecurityProfile.BASIC
    profile_upgrades.cancel(actor=ADMIN, charge_point=charge_point)
    charge_point.refresh_from_db()
    assert charge_point.pending_security_profile is None


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=SERVERS.pem.decode())
