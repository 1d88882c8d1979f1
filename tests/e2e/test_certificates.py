"""From a charger's request to its certificate over real sockets, and in with it (whitepaper A02, M03–M05)."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store
from django.core.management import call_command
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.choices import CertificateRequestState, CertificateState, CommandStatus, SecurityProfile
from chargepoints.models import (
    Certificate,
    CertificateAuthority,
    CertificateRequest,
    ChargePoint,
    InstalledCertificate,
    SecurityEvent,
)
from chargepoints.pki import keys, reading
from chargepoints.services import authorities, certificates, installed_certificates
from csms_project.common.models import Event
from ocpp_gateway import simulator
from tests import factories
from tests.chargepoints.certs import csr_pem, ec_key
from tests.e2e.conftest import MakeProduct, default_tenant, order, register, wait_ended, wait_offline
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import Charger
from tests.factories import CHARGER_KEY

pytestmark = pytest.mark.server

SYSTEM = Actor.system("tests", via="cli")
ROOT = "CentralSystemRootCertificate"


@pytest.fixture
def authority(product: Product) -> CertificateAuthority:
    """That of the shared server, which is made by the first test that needs it."""
    return make_authority()


def make_authority() -> CertificateAuthority:
    found = authorities.find_issuing("ec")
    return found or authorities.create(actor=SYSTEM, name="Operators")


@pytest.fixture
def operator(product: Product, request: pytest.FixtureRequest) -> Tenant:
    """An organisation that no other test has."""
    found: Tenant = factories.TenantFactory(slug=f"pki-{abs(hash(request.node.name))}", name="Volt & Söhne")
    return found


@contextmanager
def simulated(product: Product, identity: str) -> Iterator[Any]:
    """A connected charge point of the simulator, in a thread of its own."""
    station = simulator.Station(url=product.url, identity=identity, key=CHARGER_KEY)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(40)

    async def connect() -> simulator.ChargePoint16:
        made = simulator.ChargePoint16(station)
        await made.connect()
        await made.boot()
        return made

    try:
        charger = do(connect())
        try:
            yield charger
        finally:
            do(charger.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def request_of(identity: str) -> CertificateRequest:
    found = CertificateRequest.objects.filter(charge_point__identity=identity).order_by("-pk").first()
    assert found is not None
    return found


def wait_state(identity: str, state: CertificateRequestState) -> CertificateRequest:
    wait_until(lambda: request_of(identity).state == state, f"the request of {identity} is {state}")
    return request_of(identity)


def ended(identity: str, action: str, **payload: Any) -> CommandStatus:
    return CommandStatus(wait_ended(order(identity, action, **payload)).status)


# ---------------------------------------------------------------- the usual way
@pytest.mark.usefixtures("authority")
def test_charger_asks_when_told_to_and_gets_its_certificate(product: Product, operator: Tenant) -> None:
    register("CERT-SIM", tenant=operator)
    with simulated(product, "CERT-SIM") as charger:
        assert ended("CERT-SIM", "change_configuration", key="CpoName", value=operator.name) == "accepted"
        assert ended("CERT-SIM", "trigger_message", message="SignCertificate") == "accepted"
        wait_until(lambda: charger.certificates.own is not None, "the charger has its certificate")
        own, key = charger.certificates.own, charger.certificates.own_key
        assert own.public_key() == key.public_key()
        facts = reading.facts_of(own)
        assert (facts.common_name, facts.organization) == ("CERT-SIM", "Volt & Söhne")
        chain = reading.load_all(charger.certificates.chain)[1:]
        assert reading.is_issued_by(own, chain[0])
        row = wait_state("CERT-SIM", CertificateRequestState.DELIVERED)
        assert row.certificate is not None
        assert row.certificate.fingerprint == facts.fingerprint
        assert row.certificate.state == CertificateState.DELIVERED
        assert certificates.find_valid_certificate(fingerprint=facts.fingerprint) == row.certificate
        kinds = Event.objects.filter(charge_point="CERT-SIM", kind__startswith="certificate.")
        assert set(kinds.values_list("kind", flat=True)) == {"certificate.issued", "certificate.delivered"}


@pytest.mark.usefixtures("authority")
def test_charger_with_another_operators_name_is_told_no_and_people_why(
    product: Product, operator: Tenant
) -> None:
    register("CERT-WRONG", tenant=operator)
    with simulated(product, "CERT-WRONG") as charger:
        assert ended("CERT-WRONG", "trigger_message", message="SignCertificate") == "accepted"
        refused = SecurityEvent.objects.filter(charge_point__identity="CERT-WRONG")
        wait_until(refused.exists, "the refusal is in the books")
        assert "Set the charger's key CpoName to that" in refused.get().tech_info
        assert not CertificateRequest.objects.filter(charge_point__identity="CERT-WRONG").exists()
        assert charger.certificates.own is None


@pytest.mark.usefixtures("authority")
def test_root_is_installed_listed_and_deleted(product: Product, operator: Tenant) -> None:
    register("CERT-ROOT", tenant=operator)
    station = ChargePoint.objects.get(identity="CERT-ROOT")
    root = authorities.trusted("root").first()
    assert root is not None
    with simulated(product, "CERT-ROOT"):
        act = installed_certificates.install
        command = act(actor=SYSTEM, charge_point=station, offer=f"ca-{root.pk}", expires_in=60)
        assert wait_ended(command).status == CommandStatus.ACCEPTED
        (held,) = installed_certificates.held_by(station)
        assert (held.known, held.row.is_reported, held.is_last) == (root, False, True)

        for command in installed_certificates.ask(actor=SYSTEM, charge_point=station, expires_in=60):
            wait_ended(command)
        (held,) = installed_certificates.held_by(station)
        assert (held.known, held.row.is_reported) == (root, True)

        command = installed_certificates.delete(actor=SYSTEM, installed=held.row, expires_in=60)
        assert wait_ended(command).status == CommandStatus.ACCEPTED
        assert not InstalledCertificate.objects.filter(charge_point=station).exists()


# ---------------------------------------------------------------- unusual ways
@pytest.mark.usefixtures("authority")
def test_charger_that_leaves_gets_its_certificate_when_it_comes_back(product: Product) -> None:
    register("CERT-LEAVES")
    key = ec_key()
    csr = csr_pem(key, common_name="CERT-LEAVES", organization=default_tenant().name)
    with Charger(product.url, "CERT-LEAVES") as charger:
        charger.boot()
        assert charger.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
    wait_offline("CERT-LEAVES")
    row = wait_state("CERT-LEAVES", CertificateRequestState.SIGNED)
    wait_until(lambda: request_of("CERT-LEAVES").command is not None, "the delivery waits")
    with Charger(product.url, "CERT-LEAVES") as charger:
        call = charger.receive()
        assert call[2] == "CertificateSigned"
        own = reading.load(call[3]["certificateChain"])
        assert reading.public_bytes(own.public_key()) == reading.public_bytes(key.public_key())
        charger.send([3, call[1], {"status": "Accepted"}])
        wait_state("CERT-LEAVES", CertificateRequestState.DELIVERED)
    assert request_of("CERT-LEAVES") == row


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ([3, {"status": "Rejected"}], "The charger finds the certificate wrong."),
        ([3, {"status": "Perhaps"}], "status"),
        ([4, "InternalError", "no space left", {}], "no space left"),
    ],
)
@pytest.mark.usefixtures("authority")
def test_charger_that_does_not_take_it_is_shown_and_tried_again(
    product: Product, request: pytest.FixtureRequest, answer: list[Any], problem: str
) -> None:
    identity = f"CERT-NO-{request.node.callspec.indices['answer']}"
    register(identity)
    with Charger(product.url, identity) as charger:
        charger.boot()
        csr = csr_pem(common_name=identity, organization=default_tenant().name)
        assert charger.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
        call = charger.receive()
        charger.send([answer[0], call[1], *answer[1:]])
        wait_until(lambda: request_of(identity).problem, "the problem is shown")
    row = request_of(identity)
    assert problem in row.problem
    assert (row.state, row.attempts) == (CertificateRequestState.SIGNED, 1)
    assert row.next_attempt_at is not None
    assert row.next_attempt_at > timezone.now()


# ---------------------------------------------------------------- into the gateway with it
def test_certificate_lets_its_charger_in_until_it_is_revoked(
    make_product: MakeProduct, tmp_path: Path
) -> None:
    """Server and charger have certificates of the built-in authority, and nobody else was asked."""
    product = make_product("manage.py", "up", "--port", "{port}", *tls_files(tmp_path))
    url = product.url.replace("ws://", "wss://")
    register("CERT-TLS", security_profile=SecurityProfile.TLS_CERTIFICATE, key_hash="")
    key = ec_key()
    (tmp_path / "cp.csr").write_text(csr_pem(key, common_name="CERT-TLS", organization=default_tenant().name))
    files = ("--csr", str(tmp_path / "cp.csr"), "--out", str(tmp_path / "cp.pem"))
    call_command("issue_cert", "--charger", "CERT-TLS", *files)
    row = Certificate.objects.get(charge_point__identity="CERT-TLS")
    context = trust(tmp_path, (tmp_path / "cp.pem").read_text(), key)
    with Charger(url, "CERT-TLS", ssl=context) as charger:
        assert charger.boot()["status"] == "Accepted"
    row.refresh_from_db()
    assert (row.state, row.last_used_at is None) == (CertificateState.INSTALLED, False)

    certificates.revoke(actor=SYSTEM, certificate=row, reason="keyCompromise")
    with pytest.raises(InvalidStatus) as refused:
        Charger(url, "CERT-TLS", ssl=context)
    assert refused.value.response.status_code in (401, 403)


def tls_files(folder: Path) -> list[str]:
    """A server certificate of our own authority, made on the command line."""
    call_command("ca", "create", "--name", "Operators")
    call_command("issue_cert", "--server", "127.0.0.1", "localhost", "--out", str(folder))
    server = reading.load_all((folder / "server.pem").read_text())
    roots = reading.load_all((folder / "roots.pem").read_text())
    verifier = (
        PolicyBuilder().store(Store(roots)).build_server_verifier(x509.IPAddress(ip_address("127.0.0.1")))
    )
    assert verifier.verify(server[0], server[1:])
    return ["--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]


def trust(folder: Path, chain: str, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """A charger that knows our root and shows its certificate."""
    context = ssl.create_default_context(cafile=str(folder / "roots.pem"))
    with tempfile.TemporaryDirectory() as own:
        Path(own, "cp.pem").write_text(chain)
        Path(own, "cp.key").write_text(keys.to_pem(key))
        context.load_cert_chain(Path(own, "cp.pem"), Path(own, "cp.key"))
    return context
