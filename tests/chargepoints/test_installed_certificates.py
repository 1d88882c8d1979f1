"""Roots in chargers: as they list them, take them and delete them (whitepaper M03–M05)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import errors
from chargepoints.choices import CommandStatus
from chargepoints.models import (
    CertificateAuthority,
    ChargePoint,
    Command,
    Connection,
    InstalledCertificate,
    Variable,
)
from chargepoints.pki import reading
from chargepoints.pki.reading import HashData
from chargepoints.services import authorities, certificates, installed_certificates
from ocpp_gateway.v16.answers import read_answer
from tests import factories
from tests.chargepoints.certs import ADMIN, make_authority, self_signed
from tests.factories import T0

pytestmark = pytest.mark.django_db
OURS, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
STRANGE = HashData(algorithm="SHA256", issuer_name_hash="AB", issuer_key_hash="CD", serial_number="1F")


@pytest.fixture
def root() -> CertificateAuthority:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    found = make_authority().parent
    assert found is not None
    return found


def held(charge_point: ChargePoint) -> list[tuple[str, str, bool]]:
    """Use, serial number and whether the charger has listed it."""
    rows = InstalledCertificate.objects.filter(charge_point=charge_point)
    return [(row.use, row.serial_number, row.is_reported) for row in rows]


def wire(name: HashData) -> dict[str, str]:
    """How a charger says it."""
    return {
        "hashAlgorithm": name.algorithm,
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
    }


def answer(charge_point: ChargePoint, action: str, request: Any, response: Any) -> None:
    """A charger's answer to a call of ours, with its effects."""
    outcome = read_answer(action, request, response)
    command = factories.CommandFactory(charge_point=charge_point, status=CommandStatus.SENT)
    for effect in outcome.effects:
        effect(command)


# ---------------------------------------------------------------- what chargers say
def test_list_replaces_what_was_known_of_that_use_alone(charge_point: ChargePoint) -> None:
    for use, serial in ((OURS, "A1"), (OURS, "A2"), (MAKER, "B1")):
        factories.InstalledCertificateFactory(charge_point=charge_point, use=use, serial_number=serial)
    response = {"status": "Accepted", "certificateHashData": [wire(STRANGE)]}
    answer(charge_point, "GetInstalledCertificateIds", {"certificateType": OURS}, response)
    assert sorted(held(charge_point)) == [(OURS, "1F", True), (MAKER, "B1", True)]


def test_charger_that_finds_none_has_none(charge_point: ChargePoint) -> None:
    factories.InstalledCertificateFactory(charge_point=charge_point, use=OURS)
    answer(charge_point, "GetInstalledCertificateIds", {"certificateType": OURS}, {"status": "NotFound"})
    assert held(charge_point) == []


def test_root_listed_twice_in_two_spellings_is_one(charge_point: ChargePoint) -> None:
    again = replace(STRANGE, issuer_name_hash="ab", serial_number="001f")
    response = {"status": "Accepted", "certificateHashData": [wire(STRANGE), wire(again)]}
    answer(charge_point, "GetInstalledCertificateIds", {"certificateType": OURS}, response)
    assert len(held(charge_point)) == 1


def test_list_for_an_unknown_use_or_charger_changes_nothing(charge_point: ChargePoint) -> None:
    assert installed_certificates.listed(charge_point.pk, "CafeRootCertificate", [STRANGE], at=T0) == 0
    assert installed_certificates.listed(0, OURS, [STRANGE], at=T0) == 0
    assert held(charge_point) == []


def test_root_that_was_taken_is_known_before_the_next_list(
    root: CertificateAuthority, charge_point: ChargePoint
) -> None:
    request = {"certificateType": OURS, "certificate": root.pem}
    for _ in range(2):
        answer(charge_point, "InstallCertificate", request, {"status": "Accepted"})
    assert held(charge_point) == [(OURS, root.serial_number, False)]
    (item,) = installed_certificates.held_by(charge_point)
    assert (item.known, item.is_last) == (root, True)


@pytest.mark.parametrize("status", ["Rejected", "Failed"])
def test_root_that_was_not_taken_is_not_known(
    root: CertificateAuthority, charge_point: ChargePoint, status: str
) -> None:
    request = {"certificateType": OURS, "certificate": root.pem}
    answer(charge_point, "InstallCertificate", request, {"status": status})
    assert held(charge_point) == []


def test_taken_text_that_nobody_can_read_is_left_to_the_next_list(charge_point: ChargePoint) -> None:
    for pem in ("-----BEGIN CERTIFICATE-----\nMII=\n", ""):
        answer(
            charge_point,
            "InstallCertificate",
            {"certificateType": OURS, "certificate": pem},
            {"status": "Accepted"},
        )
    assert held(charge_point) == []


@pytest.mark.parametrize(("status", "is_gone"), [("Accepted", True), ("NotFound", True), ("Failed", False)])
def test_deleted_root_is_gone_whatever_the_spelling(
    charge_point: ChargePoint, status: str, is_gone: bool
) -> None:
    installed_certificates.listed(charge_point.pk, OURS, [STRANGE], at=T0)
    named = replace(STRANGE, issuer_key_hash="cd", serial_number="01f")
    answer(charge_point, "DeleteCertificate", {"certificateHashData": wire(named)}, {"status": status})
    assert (held(charge_point) == []) is is_gone


# ---------------------------------------------------------------- what that is to us
@pytest.mark.parametrize("position", [0, 1, 2])
def test_root_is_recognised_by_each_hash(
    root: CertificateAuthority, charge_point: ChargePoint, position: int
) -> None:
    installed_certificates.listed(charge_point.pk, OURS, [root.names()[position], STRANGE], at=T0)
    found = {item.row.serial_number: item for item in installed_certificates.held_by(charge_point)}
    assert found[root.serial_number].known == root
    assert found["1F"].known is None
    assert not found["1F"].is_last


def test_new_root_that_the_old_one_vouches_for_is_recognised(
    root: CertificateAuthority, charge_point: ChargePoint
) -> None:
    new = authorities.replace_root(actor=ADMIN)
    made = reading.load(new.cross_signed_pem)
    name = reading.hash_data(made, reading.load(root.pem))
    installed_certificates.listed(charge_point.pk, OURS, [name], at=T0)
    (item,) = installed_certificates.held_by(charge_point)
    assert item.known == new


def test_root_of_another_organisation_is_not_named(charge_point: ChargePoint, other_tenant: Tenant) -> None:
    pem = self_signed()
    theirs = certificates.add_root(actor=ADMIN, tenant=other_tenant, kind="manufacturer_root", pem=pem)
    installed_certificates.listed(charge_point.pk, MAKER, [theirs.names()[0]], at=T0)
    (item,) = installed_certificates.held_by(charge_point)
    assert item.known is None
    assert installed_certificates.offers_for(charge_point) == []


# ---------------------------------------------------------------- orders
def test_charger_that_checks_new_roots_gets_the_one_that_the_old_one_has_signed(
    root: CertificateAuthority, charge_point: ChargePoint, connection: Connection
) -> None:
    new = authorities.replace_root(actor=ADMIN)
    offers = {item.key: item.pem for item in installed_certificates.offers_for(charge_point)}
    assert offers == {f"ca-{new.pk}": new.pem, f"ca-{root.pk}": root.pem}
    Variable.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        name="AdditionalRootCertificateCheck",
        name_key="additionalrootcertificatecheck",
        value="True",
        updated_at=timezone.now(),
    )
    command = installed_certificates.install(actor=ADMIN, charge_point=charge_point, offer=f"ca-{new.pk}")
    assert command.payload["certificate"] == new.cross_signed_pem


def test_root_that_is_not_offered_is_not_installed(charge_point: ChargePoint, connection: Connection) -> None:
    with pytest.raises(errors.Invalid):
        installed_certificates.install(actor=ADMIN, charge_point=charge_point, offer="ca-1")


def test_orders_need_the_right_and_a_charger_that_is_there(
    root: CertificateAuthority, charge_point: ChargePoint, support: Actor, technician: Actor
) -> None:
    row = factories.InstalledCertificateFactory(charge_point=charge_point)
    with pytest.raises(PermissionRefused):
        installed_certificates.delete(actor=support, installed=row)
    with pytest.raises(errors.ChargePointOffline):
        installed_certificates.delete(actor=technician, installed=row)
    waiting = installed_certificates.delete(actor=technician, installed=row, expires_in=60)
    assert waiting.payload == {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": row.issuer_name_hash,
        "issuer_key_hash": row.issuer_key_hash,
        "serial_number": row.serial_number,
    }
    assert Command.objects.count() == 1
