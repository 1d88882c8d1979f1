"""SignCertificate (security whitepaper A02, A03): what is taken in, what is refused and why, and what follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.certificate_providers import Order
from chargepoints.choices import CertificateRequestState as State
from chargepoints.choices import CertificateState, CommandStatus, SecurityProfile
from chargepoints.models import (
    Certificate,
    CertificateRequest,
    ChargePoint,
    Command,
    SecurityEvent,
    Variable,
)
from chargepoints.pki import reading
from chargepoints.services import certificate_requests, signing
from chargepoints.services.certificates import find_valid_certificate
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.certs import (
    OutsideProvider,
    csr_pem,
    ec_key,
    make_authority,
    rsa_key,
    sign_outside,
)
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, clock

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def authority(csms: Csms, tenant: Tenant) -> None:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    make_authority()


@pytest.fixture
def outside(settings: Settings, csms: Csms) -> type[OutsideProvider]:
    kind = OutsideProvider
    kind.down = kind.crashes = False
    kind.refuses, kind.answer, kind.orders, kind.revoked, kind.problem_text = "", None, [], [], ""
    settings.CERTIFICATE_PROVIDER = "tests.chargepoints.certs.OutsideProvider"
    return kind


def ask(csms: Csms, charge_point: ChargePoint, csr: str | None = None, **since: float) -> Any:
    csms.now = T0 + timedelta(**since)
    return csms.send(charge_point, "SignCertificate", {"csr": csr if csr is not None else csr_pem()})


def refusal(csms: Csms, charge_point: ChargePoint, csr: str) -> str:
    """A request that must be refused; the reason that people see."""
    assert ask(csms, charge_point, csr) == REJECTED
    event = SecurityEvent.objects.get()
    assert event.type == "SignCertificateRefused"
    assert not CertificateRequest.objects.exists()
    return event.tech_info


def work(csms: Csms, **since: float) -> None:
    """What the job does at a moment."""
    csms.now = T0 + timedelta(**since)
    signing.process_due(csms.now)


def request() -> CertificateRequest:
    """The newest one."""
    found = CertificateRequest.objects.order_by("-pk").first()
    assert found is not None
    return found


def delivery() -> Command:
    found = Command.objects.filter(action="certificate_signed").order_by("-pk").first()
    assert found is not None
    return found


def answer(command: Command, status: CommandStatus, summary: str = "") -> None:
    commands.complete(command.pk, status=status, summary=summary)


# ---------------------------------------------------------------- the message
@pytest.mark.usefixtures("authority")
def test_good_request_is_accepted_and_nothing_is_signed_yet(csms: Csms, charge_point: ChargePoint) -> None:
    assert ask(csms, charge_point) == ACCEPTED
    row = request()
    assert (row.state, row.charge_point, row.common_name) == (State.RECEIVED, charge_point, "CP-A")
    assert not Certificate.objects.exists()
    assert not Command.objects.exists()


@pytest.mark.usefixtures("authority")
def test_request_may_name_the_serial_number_of_the_boot(csms: Csms, charge_point: ChargePoint) -> None:
    boot = {"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "SN-77"}
    csms.send(charge_point, "BootNotification", boot)
    assert ask(csms, charge_point, csr_pem(common_name="SN-77")) == ACCEPTED


@pytest.mark.parametrize("csr", ["adsad", "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END", ""])
@pytest.mark.usefixtures("authority")
def test_garbage_is_rejected(csms: Csms, charge_point: ChargePoint, csr: str) -> None:
    assert "no certificate request in PEM" in refusal(csms, charge_point, csr)


@pytest.mark.usefixtures("authority")
def test_request_for_another_charger_is_rejected(csms: Csms, charge_point: ChargePoint) -> None:
    assert "must be “CP-A”" in refusal(csms, charge_point, csr_pem(common_name="CP-B"))


@pytest.mark.usefixtures("authority")
def test_request_of_another_operator_is_rejected(csms: Csms, charge_point: ChargePoint) -> None:
    assert "key CpoName" in refusal(csms, charge_point, csr_pem(organization="Rival"))


@pytest.mark.usefixtures("authority")
def test_name_that_no_database_takes_is_rejected_and_kept(csms: Csms, charge_point: ChargePoint) -> None:
    assert "“CP\ufffd-A”" in refusal(csms, charge_point, csr_pem(common_name="CP\0-A"))


@pytest.mark.usefixtures("authority")
def test_weak_key_is_rejected(csms: Csms, charge_point: ChargePoint) -> None:
    assert "1024 bits" in refusal(csms, charge_point, csr_pem(rsa_key(1024)))


def test_request_without_an_authority_is_rejected(csms: Csms, charge_point: ChargePoint) -> None:
    assert "no certificate authority" in refusal(csms, charge_point, csr_pem())


@pytest.mark.usefixtures("authority")
def test_organisation_that_never_signs_rejects(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(signing_policy="never")
    assert "signs no certificates" in refusal(csms, charge_point, csr_pem())


@pytest.mark.usefixtures("authority")
def test_same_request_again_is_accepted_and_one(csms: Csms, charge_point: ChargePoint) -> None:
    csr = csr_pem()
    for seconds in range(10):
        assert ask(csms, charge_point, csr, seconds=seconds) == ACCEPTED
    assert CertificateRequest.objects.count() == 1


@pytest.mark.usefixtures("authority")
def test_two_requests_in_one_batch_leave_the_newer_one(csms: Csms, charge_point: ChargePoint) -> None:
    first, second = csr_pem(), csr_pem()
    call = charge_point, "SignCertificate"
    assert csms.batch([(*call, {"csr": first}), (*call, {"csr": second})]) == [ACCEPTED] * 2
    states = {row.csr: row.state for row in CertificateRequest.objects.all()}
    assert states == {first: State.SUPERSEDED, second: State.RECEIVED}


@pytest.mark.usefixtures("authority")
def test_more_than_a_few_requests_an_hour_are_rejected(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint, settings: Settings
) -> None:
    settings.PKI_REQUESTS_PER_HOUR = 2
    key = ec_key()
    answers = [ask(csms, charge_point, csr_pem(key), minutes=minute) for minute in (0, 1, 2)]
    assert answers == [ACCEPTED, ACCEPTED, REJECTED]
    assert "within an hour" in SecurityEvent.objects.get().tech_info
    theirs = csr_pem(common_name="CP-B", organization="Rival")
    assert ask(csms, other_charge_point, theirs, minutes=3) == ACCEPTED
    assert ask(csms, charge_point, minutes=62) == ACCEPTED


# ---------------------------------------------------------------- signing and delivering
@pytest.mark.usefixtures("authority")
def test_request_is_signed_delivered_and_good(csms: Csms, charge_point: ChargePoint) -> None:
    key = ec_key()
    ask(csms, charge_point, csr_pem(key))
    work(csms, seconds=2)
    row, command = request(), delivery()
    assert (row.state, row.command) == (State.SIGNED, command)
    chain = reading.load_all(command.payload["certificate_chain"])
    assert [reading.facts_of(item).common_name for item in chain] == ["CP-A", "Acme Group ECDSA Issuing CA 1"]
    assert reading.public_bytes(chain[0].public_key()) == reading.public_bytes(key.public_key())
    assert command.requested_via == "job"

    answer(command, CommandStatus.ACCEPTED)
    row, made = request(), Certificate.objects.get()
    assert (row.state, made.state, made.delivered_at) == (
        State.DELIVERED,
        CertificateState.DELIVERED,
        csms.now,
    )
    assert find_valid_certificate(fingerprint=made.fingerprint) == made
    kinds = list(Event.objects.filter(kind__startswith="certificate.").values_list("kind", flat=True))
    assert sorted(kinds) == ["certificate.delivered", "certificate.issued"]


@pytest.mark.usefixtures("authority")
def test_job_has_nothing_to_do_twice(csms: Csms, charge_point: ChargePoint) -> None:
    ask(csms, charge_point)
    for seconds in (2, 7, 12):
        work(csms, seconds=seconds)
    assert Command.objects.count() == Certificate.objects.count() == 1


@pytest.mark.usefixtures("authority")
def test_charger_that_refuses_is_asked_again_and_then_given_up(csms: Csms, charge_point: ChargePoint) -> None:
    ask(csms, charge_point)
    work(csms, seconds=2)
    for attempt, early, late in ((1, 4, 6), (2, 15, 17)):
        answer(delivery(), CommandStatus.REJECTED, "The charger finds the certificate wrong.")
        assert (request().state, request().attempts) == (State.SIGNED, attempt)
        assert request().problem == "The charger finds the certificate wrong."
        work(csms, minutes=early)
        assert Command.objects.count() == attempt
        work(csms, minutes=late)
        assert Command.objects.count() == attempt + 1
    answer(delivery(), CommandStatus.REJECTED, "The charger finds the certificate wrong.")
    made = Certificate.objects.get()
    assert (request().state, made.state) == (State.FAILED, CertificateState.REJECTED)
    assert find_valid_certificate(fingerprint=made.fingerprint) is None
    assert Event.objects.filter(kind="certificate.not_delivered").count() == 1


@pytest.mark.parametrize("status", [CommandStatus.EXPIRED, CommandStatus.TIMED_OUT, CommandStatus.FAILED])
@pytest.mark.usefixtures("authority")
def test_charger_that_is_missed_gets_it_later(
    csms: Csms, charge_point: ChargePoint, status: CommandStatus
) -> None:
    ask(csms, charge_point)
    work(csms, seconds=2)
    first = delivery()
    assert first.waits_for_connection
    answer(first, status)
    work(csms, minutes=6)
    second = delivery()
    assert second != first
    answer(second, CommandStatus.ACCEPTED)
    assert request().state == State.DELIVERED


@pytest.mark.usefixtures("authority")
def test_charger_that_is_always_missed_is_given_up_in_the_end(csms: Csms, charge_point: ChargePoint) -> None:
    ask(csms, charge_point)
    for day in range(9):
        work(csms, days=day, seconds=2)
        if request().state == State.SIGNED:
            answer(delivery(), CommandStatus.EXPIRED)
    assert Command.objects.count() == 8
    assert (request().state, request().problem) == (State.FAILED, "The order ended as “Expired”.")
    # It was never seen by the charger: a later delivery by hand is good.
    assert Certificate.objects.get().state == CertificateState.ISSUED


@pytest.mark.usefixtures("authority")
def test_charger_that_knows_no_certificates_is_not_asked_again(csms: Csms, charge_point: ChargePoint) -> None:
    ask(csms, charge_point)
    work(csms, seconds=2)
    answer(delivery(), CommandStatus.NOT_SUPPORTED)
    assert (request().state, Certificate.objects.get().state) == (State.FAILED, CertificateState.REJECTED)


@pytest.mark.usefixtures("authority")
def test_delivery_that_somebody_calls_off_ends_the_request(
    csms: Csms, charge_point: ChargePoint, operator: Actor
) -> None:
    ask(csms, charge_point)
    work(csms, seconds=2)
    commands.cancel(actor=operator, command=delivery())
    assert (request().state, request().problem) == (State.FAILED, "The delivery was called off.")


@pytest.mark.usefixtures("authority")
def test_newest_request_wins_also_over_what_waits_to_be_delivered(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ask(csms, charge_point)
    work(csms, seconds=2)
    old_command, old_certificate = delivery(), Certificate.objects.get()
    ask(csms, charge_point, csr_pem(), minutes=1)
    work(csms, minutes=1, seconds=2)
    old_command.refresh_from_db()
    old_certificate.refresh_from_db()
    assert old_command.status == CommandStatus.CANCELLED
    assert old_certificate.state == CertificateState.SUPERSEDED
    first, second = CertificateRequest.objects.order_by("pk")
    assert (first.state, second.state) == (State.SUPERSEDED, State.SIGNED)
    assert Certificate.objects.count() == 2


@pytest.mark.usefixtures("authority")
def test_archived_charger_is_tried_again_later(csms: Csms, charge_point: ChargePoint) -> None:
    ask(csms, charge_point)
    ChargePoint.objects.filter(pk=charge_point.pk).update(archived_at=T0)
    work(csms, seconds=2)
    assert (request().state, request().problem) == (State.SIGNED, "The charge point is archived.")
    ChargePoint.objects.filter(pk=charge_point.pk).update(archived_at=None)
    work(csms, minutes=6)
    assert request().command is not None


def _limit(charge_point: ChargePoint, value: str) -> None:
    Variable.objects.create(
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        name="CertificateSignedMaxChainSize",
        name_key="certificatesignedmaxchainsize",
        value=value,
        updated_at=T0,
    )


@pytest.mark.parametrize(("limit", "length"), [("1400", 1), ("10000", 2), ("0", 2), ("many", 2)])
@pytest.mark.usefixtures("authority")
def test_chain_is_as_long_as_the_charger_takes(
    csms: Csms, charge_point: ChargePoint, limit: str, length: int
) -> None:
    _limit(charge_point, limit)
    ask(csms, charge_point)
    work(csms, seconds=2)
    assert len(reading.load_all(delivery().payload["certificate_chain"])) == length


@pytest.mark.usefixtures("authority")
def test_charger_that_has_no_room_for_its_certificate_is_told_of(
    csms: Csms, charge_point: ChargePoint
) -> None:
    _limit(charge_point, "100")
    ask(csms, charge_point)
    work(csms, seconds=2)
    assert request().state == State.FAILED
    assert "CertificateSignedMaxChainSize" in request().problem


@pytest.mark.usefixtures("authority")
def test_certificate_revoked_before_its_delivery_is_not_delivered(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ask(csms, charge_point)
    work(csms, seconds=2)
    answer(delivery(), CommandStatus.EXPIRED)
    Certificate.objects.update(state=CertificateState.REVOKED)
    work(csms, minutes=10)
    assert request().state == State.FAILED
    assert Command.objects.count() == 1


# ---------------------------------------------------------------- approval by a person
@pytest.mark.usefixtures("authority")
def test_request_waits_for_a_person_where_the_organisation_wants_one(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, operator: Actor
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(signing_policy="approval")
    assert ask(csms, charge_point) == ACCEPTED
    work(csms, seconds=2)
    row = request()
    assert (row.state, row.next_attempt_at) == (State.WAITING, None)
    assert Event.objects.filter(kind="certificate.request_waiting", charge_point="CP-A").exists()
    certificate_requests.approve(actor=operator, request=row)
    assert (row.state, row.decided_by_name) == (State.RECEIVED, operator.name)
    assert AuditEntry.objects.filter(action="certificates.approve_request").exists()
    work(csms, seconds=3)
    assert request().state == State.SIGNED
    with pytest.raises(errors.RequestDecided):
        certificate_requests.refuse(actor=operator, request=row)


@pytest.mark.usefixtures("authority")
def test_refused_request_ends_with_its_reason(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, operator: Actor
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(signing_policy="approval")
    ask(csms, charge_point)
    work(csms, seconds=2)
    certificate_requests.refuse(actor=operator, request=request(), reason="Not ours.")
    assert (request().state, request().problem) == (State.REFUSED, "Not ours.")
    work(csms, minutes=10)
    assert not Certificate.objects.exists()


@pytest.mark.usefixtures("authority")
def test_charger_without_a_key_always_waits_for_a_person(csms: Csms, charge_point: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(security_profile=SecurityProfile.NONE)
    ask(csms, charge_point)
    work(csms, seconds=2)
    assert (request().state, request().problem) == (
        State.WAITING,
        "The charger connects without a key: anybody could have sent this.",
    )


def test_deciding_needs_the_right_in_the_right_tenant(
    charge_point: ChargePoint, technician: Actor, stranger: Actor
) -> None:
    row = factories.CertificateRequestFactory(charge_point=charge_point)
    for actor in (technician, stranger):
        for act in (certificate_requests.approve, certificate_requests.refuse):
            with pytest.raises(PermissionRefused):
                act(actor=actor, request=row)


# ---------------------------------------------------------------- an outside authority
def test_outside_authority_that_is_down_is_asked_again(
    csms: Csms, charge_point: ChargePoint, outside: type[OutsideProvider]
) -> None:
    outside.down = True
    assert ask(csms, charge_point) == ACCEPTED
    work(csms, seconds=2)
    assert (request().state, request().problem) == (State.RECEIVED, "The authority does not answer.")
    outside.down = False
    work(csms, minutes=4)
    assert request().state == State.RECEIVED
    work(csms, minutes=6)
    assert (request().state, request().problem) == (State.SIGNED, "")
    assert len({order.reference for order in outside.orders}) == 1


def test_outside_authority_that_stays_down_fails_the_request_which_may_be_tried_again(
    csms: Csms, charge_point: ChargePoint, outside: type[OutsideProvider], operator: Actor
) -> None:
    outside.down = True
    ask(csms, charge_point)
    for day in range(13):
        work(csms, days=day, seconds=2)
    assert request().state == State.FAILED
    assert request().problem == "The authority does not answer. Given up after 12 attempts."
    assert Event.objects.filter(kind="certificate.request_failed").count() == 1
    outside.down = False
    certificate_requests.try_again(actor=operator, request=request())
    work(csms, days=14)
    assert request().state == State.SIGNED


def test_outside_authority_that_refuses_is_final(
    csms: Csms, charge_point: ChargePoint, outside: type[OutsideProvider]
) -> None:
    outside.refuses = "Unknown customer."
    ask(csms, charge_point)
    work(csms, seconds=2)
    assert (request().state, request().problem) == (State.FAILED, "Unknown customer.")


def test_bug_of_an_outside_authority_holds_up_nobody(
    csms: Csms,
    charge_point: ChargePoint,
    outside: type[OutsideProvider],
    caplog: pytest.LogCaptureFixture,
) -> None:
    outside.crashes = True
    ask(csms, charge_point)
    work(csms, seconds=2)
    assert (request().state, request().problem) == (
        State.RECEIVED,
        "The certificate authority failed: RuntimeError.",
    )
    assert "certificate.provider_failed" in caplog.text


def test_wrong_key_from_an_outside_authority_is_shown_and_not_delivered(
    csms: Csms, charge_point: ChargePoint, outside: type[OutsideProvider]
) -> None:
    ask(csms, charge_point)
    order = Order(reference="x", csr=request().csr, common_name="CP-A", organization="Acme", valid_days=9)
    outside.answer = sign_outside(order, key=ec.generate_private_key(ec.SECP256R1()))
    work(csms, seconds=2)
    assert request().problem == "The authority has signed another key than the charger's."
    assert not Certificate.objects.exists()
    assert not Command.objects.exists()


def test_outside_authority_that_cannot_sign_at_all_lets_requests_be_rejected(
    csms: Csms, charge_point: ChargePoint, outside: type[OutsideProvider]
) -> None:
    outside.problem_text = "The contract has ended."
    assert refusal(csms, charge_point, csr_pem()) == "The contract has ended."


# ---------------------------------------------------------------- security events
def _report(csms: Csms, charge_point: ChargePoint, kind: str) -> SecurityEvent:
    payload = {"type": kind, "timestamp": clock(), "techInfo": "why"}
    csms.send(charge_point, "SecurityEventNotification", payload)
    return SecurityEvent.objects.order_by("-pk")[0]


@pytest.mark.parametrize(
    ("kind", "severity", "is_alert"),
    [
        ("TamperDetectionActivated", "critical", True),
        ("StartupOfTheDevice", "critical", False),
        ("InvalidFirmwareSignature", "normal", True),
        ("InvalidMessages", "normal", False),
        ("VendorHasSeenAGhost", "critical", True),
    ],
)
def test_security_event_is_an_alert_by_the_usual_rule(
    csms: Csms, charge_point: ChargePoint, kind: str, severity: str, is_alert: bool
) -> None:
    row = _report(csms, charge_point, kind)
    assert (row.severity, row.is_alert) == (severity, is_alert)
    alerts = Event.objects.filter(kind="security.alert", charge_point="CP-A")
    expected = [{"type": kind, "severity": severity, "tech_info": "why"}] if is_alert else []
    assert [event.data for event in alerts] == expected


def test_organisation_says_itself_what_is_an_alert(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(
        alert_severity="none", alert_types="invalidmessages", quiet_types=""
    )
    assert _report(csms, charge_point, "InvalidMessages").is_alert
    assert not _report(csms, charge_point, "TamperDetectionActivated").is_alert
    Tenant.objects.filter(pk=tenant.pk).update(alert_severity="all", quiet_types="InvalidMessages")
    assert not _report(csms, charge_point, "InvalidMessages").is_alert
    assert _report(csms, charge_point, "InvalidTLSVersion").is_alert


def test_alert_costs_no_statement_of_its_own(csms: Csms, charge_point: ChargePoint) -> None:
    def statements(kind: str) -> int:
        csms.socket(charge_point)
        with CaptureQueriesContext(connection) as queries:
            _report(csms, charge_point, kind)
        return len(queries)

    statements("Heartbeat")
    assert statements("TamperDetectionActivated") == statements("InvalidMessages")
