"""Certificates of chargers: who gets in, what is revoked, what expires and is renewed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import errors
from chargepoints.certificate_providers import Order, ProviderError, Signed
from chargepoints.choices import CertificateKind, CertificateState, CommandStatus
from chargepoints.models import Certificate, CertificateAuthority, ChargePoint, Command
from chargepoints.services import (
    certificate_expiry,
    certificate_requests,
    certificates,
    stations,
)
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.certs import (
    ADMIN,
    OutsideProvider,
    csr_pem,
    ec_key,
    make_authority,
    self_signed,
    sign_outside,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def authority() -> CertificateAuthority:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    return make_authority()


@pytest.fixture
def outside(settings: Settings) -> type[OutsideProvider]:
    """An authority elsewhere."""
    kind = OutsideProvider
    kind.down = kind.crashes = False
    kind.refuses, kind.answer, kind.orders, kind.revoked, kind.problem_text = "", None, [], [], ""
    settings.CERTIFICATE_PROVIDER = "tests.chargepoints.certs.OutsideProvider"
    return kind


@pytest.fixture
def certificate(charge_point: ChargePoint) -> Certificate:
    return signed(charge_point)


def signed(charge_point: ChargePoint) -> Certificate:
    csr = csr_pem(common_name=charge_point.identity, organization=charge_point.tenant.name)
    return certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)


def valid(row: Certificate) -> bool:
    return certificates.find_valid_certificate(fingerprint=row.fingerprint) == row


def test_certificate_is_found_by_its_fingerprint_as_programs_write_it(certificate: Certificate) -> None:
    colons = ":".join(certificate.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    found = certificates.find_valid_certificate(fingerprint=colons)
    assert found == certificate
    assert found.charge_point == certificate.charge_point


def test_certificate_is_found_by_serial_number_only_for_its_charger(
    certificate: Certificate, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    number = f"0{certificate.serial_number.lower()}"
    find = certificates.find_valid_certificate
    assert find(serial_number=number, charge_point=charge_point) == certificate
    assert find(serial_number=number, charge_point=other_charge_point) is None
    assert find(serial_number=number) is None
    assert find() is None
    assert find(fingerprint=certificate.fingerprint, charge_point=other_charge_point) is None


@pytest.mark.parametrize(
    ("state", "is_valid"),
    [
        (CertificateState.ISSUED, True),
        (CertificateState.DELIVERED, True),
        (CertificateState.INSTALLED, True),
        (CertificateState.REJECTED, False),
        (CertificateState.REVOKED, False),
        (CertificateState.EXPIRED, False),
    ],
)
def test_state_decides_who_gets_in(certificate: Certificate, state: str, is_valid: bool) -> None:
    Certificate.objects.filter(pk=certificate.pk).update(state=state)
    assert valid(certificate) is is_valid


def test_time_decides_who_gets_in(certificate: Certificate) -> None:
    now = timezone.now()
    rows = Certificate.objects.filter(pk=certificate.pk)
    rows.update(not_after=now)
    assert not valid(certificate)
    rows.update(not_before=now + timedelta(hours=1), not_after=now + timedelta(days=2))
    assert not valid(certificate)


def test_superseded_certificate_gets_in_for_a_month(certificate: Certificate) -> None:
    now = timezone.now()
    rows = Certificate.objects.filter(pk=certificate.pk)
    rows.update(state=CertificateState.SUPERSEDED, superseded_at=now - timedelta(days=30))
    assert valid(certificate)
    rows.update(superseded_at=now - timedelta(days=32))
    assert not valid(certificate)


def test_server_certificate_is_no_charger() -> None:
    made = certificates.issue_server(actor=ADMIN, hosts=["csms.example"])
    assert certificates.find_valid_certificate(fingerprint=made.row.fingerprint) is None
    assert certificates.find_certificate(made.row.fingerprint) == made.row


def test_certificate_of_a_deleted_charger_gets_nobody_in(certificate: Certificate) -> None:
    assert certificate.charge_point is not None
    certificate.charge_point.delete()
    assert not valid(certificate)


def test_certificates_of_a_charger_end_with_it(certificate: Certificate, operator: Actor) -> None:
    assert certificate.charge_point is not None
    stations.delete_charge_point(actor=operator, charge_point=certificate.charge_point)
    certificate.refresh_from_db()
    assert (certificate.state, certificate.revocation_reason) == ("revoked", "cessationOfOperation")
    assert certificate.authority is not None
    crl = x509.load_der_x509_crl(bytes(certificate.authority.crl))
    assert crl.get_revoked_certificate_by_serial_number(int(certificate.serial_number, 16)) is not None


def test_first_use_supersedes_the_certificate_before(
    certificate: Certificate, charge_point: ChargePoint
) -> None:
    certificates.mark_used(certificate)
    newer = signed(charge_point)
    certificates.mark_used(newer)
    certificate.refresh_from_db()
    newer.refresh_from_db()
    assert (certificate.state, newer.state) == (CertificateState.SUPERSEDED, CertificateState.INSTALLED)
    assert newer.last_used_at is not None
    assert Event.objects.filter(kind="certificate.in_use").count() == 2


def test_use_of_the_old_certificate_changes_no_newer_one(
    certificate: Certificate, charge_point: ChargePoint
) -> None:
    newer = signed(charge_point)
    Certificate.objects.filter(pk=newer.pk).update(not_before=timezone.now())
    certificates.mark_used(certificate)
    newer.refresh_from_db()
    assert newer.state == CertificateState.ISSUED


def test_use_is_noted_once_an_hour(
    certificate: Certificate, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    certificates.mark_used(certificate)
    with django_assert_num_queries(2):  # type: ignore[operator]  # savepoint and its release
        certificates.mark_used(certificate)


# ---------------------------------------------------------------- revoking
def test_revoked_certificate_is_refused_and_the_trail_says_why(
    certificate: Certificate, operator: Actor
) -> None:
    assert valid(certificate)
    certificates.revoke(actor=operator, certificate=certificate, reason="keyCompromise")
    assert not valid(certificate)
    assert certificate.state == CertificateState.REVOKED
    entry = AuditEntry.objects.get(action="certificates.revoke")
    assert entry.changes == {"state": ["issued", "revoked"], "reason": [None, "keyCompromise"]}
    assert Event.objects.get(kind="certificate.revoked").data["reason"] == "keyCompromise"
    with pytest.raises(errors.AlreadyRevoked):
        certificates.revoke(actor=operator, certificate=certificate)


def test_revoking_needs_the_right_in_the_right_tenant(
    certificate: Certificate, technician: Actor, stranger: Actor
) -> None:
    for actor in (technician, stranger):
        with pytest.raises(PermissionRefused):
            certificates.revoke(actor=actor, certificate=certificate)
    assert valid(certificate)


def test_server_certificate_is_revoked_by_administrators_only(owner: Actor) -> None:
    made = certificates.issue_server(actor=ADMIN, hosts=["csms.example"]).row
    with pytest.raises(PermissionRefused):
        certificates.revoke(actor=owner, certificate=made)
    certificates.revoke(actor=ADMIN, certificate=made)
    assert made.state == CertificateState.REVOKED


def test_revoking_for_an_unknown_reason_or_a_root_is_refused(
    certificate: Certificate, tenant: Tenant
) -> None:
    with pytest.raises(errors.Invalid):
        certificates.revoke(actor=ADMIN, certificate=certificate, reason="boredom")
    root = certificates.add_root(actor=ADMIN, tenant=tenant, kind="manufacturer_root", pem=self_signed())
    with pytest.raises(errors.NotRevocable):
        certificates.revoke(actor=ADMIN, certificate=root)


# ---------------------------------------------------------------- outside authority
def test_outside_authority_signs_and_is_told_of_revocations(
    outside: type[OutsideProvider], charge_point: ChargePoint
) -> None:
    made = signed(charge_point)
    assert (made.provider, made.authority, made.chain) == ("outside", None, "")
    assert valid(made)
    assert OutsideProvider().trusted_pem() in certificates.client_ca_bundle()
    certificates.revoke(actor=ADMIN, certificate=made, reason="superseded")
    assert outside.revoked == ["superseded"]


def test_revocation_holds_although_the_outside_authority_cannot_be_told(
    outside: type[OutsideProvider], charge_point: ChargePoint
) -> None:
    made = signed(charge_point)
    outside.down = True
    certificates.revoke(actor=ADMIN, certificate=made)
    assert not valid(made)
    assert "does not answer" in Event.objects.get(kind="certificate.revocation_not_told").data["problem"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"certificate": "nonsense"}, "no certificate"),
        ({"issuer": self_signed("Other")}, "does not lead to"),
        ({"issuer": "", "chain": ""}, "does not lead to"),
    ],
)
def test_wrong_answer_of_an_outside_authority_is_not_kept(
    outside: type[OutsideProvider], charge_point: ChargePoint, change: dict[str, str], problem: str
) -> None:
    csr = csr_pem()
    good = sign_outside(_order(csr))
    fields = {"certificate": good.certificate, "chain": good.chain, "issuer": good.issuer}
    outside.answer = Signed(**(fields | change))  # type: ignore[arg-type]
    with pytest.raises(ProviderError, match=problem):
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)
    assert not Certificate.objects.filter(charge_point=charge_point).exists()


def test_outside_authority_that_signs_another_key_is_not_believed(
    outside: type[OutsideProvider], charge_point: ChargePoint
) -> None:
    csr = csr_pem()
    outside.answer = sign_outside(_order(csr), key=ec_key())
    with pytest.raises(ProviderError, match="another key"):
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)


def test_certificate_given_twice_is_an_error_of_the_authority(
    outside: type[OutsideProvider], charge_point: ChargePoint
) -> None:
    csr = csr_pem()
    outside.answer = sign_outside(_order(csr))
    certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)
    with pytest.raises(ProviderError, match="gave before"):
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)


def _order(csr: str) -> Order:
    return Order(reference="x", csr=csr, common_name="CP-A", organization="Acme", valid_days=30)


# ---------------------------------------------------------------- signing a file
@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"common_name": "CP-B"}, "common name"),
        ({"organization": "Rival"}, "organisation"),
    ],
)
def test_file_that_is_not_of_this_charger_is_not_signed(
    charge_point: ChargePoint, parts: dict[str, Any], problem: str
) -> None:
    with pytest.raises(errors.BadCertificateRequest, match=problem):
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem(**parts))


def test_name_in_certificates_may_differ_from_that_of_the_organisation(
    charge_point: ChargePoint, tenant: Tenant
) -> None:
    tenant.cpo_name = "Acme Charging GmbH"
    tenant.save()
    charge_point.refresh_from_db()
    csr = csr_pem(organization="acme charging gmbh")
    made = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)
    assert made.organization == "acme charging gmbh"


def test_name_that_was_set_for_its_certificate_is_right(charge_point: ChargePoint) -> None:
    charge_point.certificate_name = "Made-by-Maker-7"
    csr = csr_pem(common_name="made-by-maker-7")
    made = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)
    assert made.common_name == "made-by-maker-7"


def test_authority_is_missing(charge_point: ChargePoint) -> None:
    CertificateAuthority.objects.update(state="retired")
    with pytest.raises(errors.NoAuthority):
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())


# ---------------------------------------------------------------- foreign roots
def test_root_of_a_manufacturer_is_kept(tenant: Tenant, operator: Actor) -> None:
    pem = self_signed()
    row = certificates.add_root(actor=operator, tenant=tenant, kind="manufacturer_root", pem=pem)
    assert (row.tenant, row.kind, row.common_name) == (
        tenant,
        CertificateKind.MANUFACTURER_ROOT,
        "Maker Root",
    )
    with pytest.raises(errors.Invalid, match="known already"):
        certificates.add_root(actor=operator, tenant=tenant, kind="manufacturer_root", pem=pem)


def test_what_is_no_root_is_not_kept(tenant: Tenant, operator: Actor, certificate: Certificate) -> None:
    assert certificate.authority is not None
    for pem, problem in (
        ("nonsense", "PEM"),
        (certificate.pem, "signed by itself"),
        (self_signed() + self_signed(), "one root"),
        ("-----BEGIN PRIVATE KEY-----\n", "private key"),
    ):
        with pytest.raises(errors.Invalid, match=problem):
            certificates.add_root(actor=operator, tenant=tenant, kind="manufacturer_root", pem=pem)
    with pytest.raises(errors.Invalid, match="kind"):
        certificates.add_root(actor=operator, tenant=tenant, kind="charger", pem=self_signed())


# ---------------------------------------------------------------- the end
def test_expired_certificate_is_noted_and_told(certificate: Certificate) -> None:
    at = certificate.not_after
    assert certificate_expiry.watch(at) == 1
    certificate.refresh_from_db()
    assert certificate.state == CertificateState.EXPIRED
    assert Event.objects.filter(kind="certificate.expired", charge_point="CP-A").count() == 1
    assert certificate_expiry.watch(at) == 0


def test_charger_is_asked_to_renew_a_month_before_the_end_and_daily_until_it_does(
    certificate: Certificate, charge_point: ChargePoint
) -> None:
    before = certificate.not_after - timedelta(days=31)
    assert certificate_expiry.watch(before) == 0
    near = certificate.not_after - timedelta(days=29)
    assert certificate_expiry.watch(near) == 2  # told, and asked
    assert certificate_expiry.watch(near + timedelta(hours=1)) == 0
    assert certificate_expiry.watch(near + timedelta(days=1)) == 1
    asked = Command.objects.filter(charge_point=charge_point, action="trigger_message")
    assert [row.payload for row in asked] == [{"message": "SignCertificate"}] * 2
    assert Event.objects.filter(kind="certificate.expiring").count() == 1


def test_charger_is_not_asked_once_it_has_a_newer_one(
    certificate: Certificate, charge_point: ChargePoint
) -> None:
    Certificate.objects.filter(pk=signed(charge_point).pk).update(
        not_after=certificate.not_after + timedelta(days=300)
    )
    certificate_expiry.watch(certificate.not_after - timedelta(days=29))
    assert not Command.objects.exists()


def test_charger_is_not_asked_while_its_request_is_worked_on(
    certificate: Certificate, charge_point: ChargePoint
) -> None:
    factories.CertificateRequestFactory(charge_point=charge_point)
    certificate_expiry.watch(certificate.not_after - timedelta(days=29))
    assert not Command.objects.exists()


def test_organisation_may_leave_renewal_to_the_chargers(certificate: Certificate, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(renew_certificate_days=None)
    certificate_expiry.watch(certificate.not_after - timedelta(days=29))
    assert not Command.objects.exists()
    assert Event.objects.filter(kind="certificate.expiring").exists()


def test_archived_charger_is_not_asked(certificate: Certificate, charge_point: ChargePoint) -> None:
    charge_point.archived_at = timezone.now()
    charge_point.save()
    assert certificate_expiry.watch(certificate.not_after - timedelta(days=29)) == 1
    assert not Command.objects.exists()


def test_short_lived_certificate_is_not_near_its_end_from_the_start() -> None:
    made = certificates.issue_server(actor=ADMIN, hosts=["csms.example"], valid_for=timedelta(hours=24)).row
    assert not certificate_expiry.is_near(made, timezone.now())
    assert certificate_expiry.is_near(made, made.not_after - timedelta(hours=2))


def test_end_of_an_authority_is_told_a_year_ahead(authority: CertificateAuthority) -> None:
    near = authority.not_after - timedelta(days=364)
    certificate_expiry.watch(near)
    certificate_expiry.watch(near)
    assert Event.objects.filter(kind="authority.expiring").count() == 1


def test_delivery_by_hand_is_noted(certificate: Certificate, charge_point: ChargePoint) -> None:
    from chargepoints import commands

    command = commands.queue(
        actor=ADMIN,
        charge_point=charge_point,
        action="certificate_signed",
        payload={"certificate_chain": certificate.full_chain},
        expires_in=60,
    )
    commands.complete(command.pk, status=CommandStatus.ACCEPTED)
    certificate.refresh_from_db()
    assert certificate.state == CertificateState.DELIVERED
    assert certificate.delivered_at is not None
