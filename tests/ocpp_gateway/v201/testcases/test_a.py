"""Official test cases of functional block A (security), as a charging station plays them.

Those that need a real TLS handshake are in tests/e2e/test_security_201.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from accounts.models import Tenant
from chargepoints.choices import (
    CertificateKind,
    CertificatePurpose,
    CertificateRequestState,
    CertificateState,
    CommandStatus,
    RefusalReason,
)
from chargepoints.client_certificates import ClientCertificate
from chargepoints.keys import hash_key
from chargepoints.models import (
    Certificate,
    CertificateRequest,
    ChargePoint,
    Command,
    GatewayNode,
    SecurityEvent,
    Variable,
)
from chargepoints.pki import reading
from chargepoints.services import signing
from chargepoints.services.connections import Refused
from tests import factories
from tests.chargepoints.certs import csr_pem, ec_key, make_authority, rsa_key
from tests.chargepoints.handshakes import accepted, connect
from tests.factories import T0
from tests.ocpp_gateway.csms import Order
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Payload, boot, clock

case = pytest.mark.testcase
PASSWORD = "Correct-Horse_Battery.Staple:2026*x"
TEXT: dict[str, Any] = {"ocpp_version": "ocpp2.0.1", "password_is_text": True}


WITHOUT_KEY: dict[str, Any] = {
    "is_secure": True,
    "username": None,
    "password": None,
    "ocpp_version": "ocpp2.0.1",
}


@pytest.fixture
def authority(tenant: Tenant) -> None:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    make_authority()


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(lease_until=T0 + timedelta(minutes=1))
    return row


@pytest.fixture
def keyed(charge_point: ChargePoint) -> ChargePoint:
    """A charging station with a password of 2.x."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(key_hash=hash_key(PASSWORD))
    return charge_point


# ---------------------------------------------------------------- A00: Basic authentication
@case("TC_A_01_CSMS")
def test_tc_a_01_valid_username_and_password(csms: Csms, node: GatewayNode, keyed: ChargePoint) -> None:
    """Basic Authentication - Valid username/password combination (A00.FR.204, B01.FR.02)"""
    accepted(connect(node, password=PASSWORD.encode(), **TEXT))
    assert csms.send(keyed, "BootNotification", boot())["status"] == "Accepted"


@case("TC_A_02_CSMS")
def test_tc_a_02_username_is_not_the_identity(node: GatewayNode, keyed: ChargePoint) -> None:
    """Basic Authentication - Username does not equal ChargingStationId (A00.FR.204)"""
    outcome = connect(node, username=b"CP-A-Invalid", password=PASSWORD.encode(), **TEXT)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.http_status) == (RefusalReason.WRONG_KEY, 401)


@case("TC_A_03_CSMS")
@pytest.mark.parametrize(
    "password",
    [
        pytest.param(b"another-password-of-2x", id="another"),
        pytest.param(PASSWORD.swapcase().encode(), id="other-case"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe" * 10, id="no-text"),
    ],
)
def test_tc_a_03_invalid_password(node: GatewayNode, keyed: ChargePoint, password: bytes) -> None:
    """Basic Authentication - Invalid password (A00.FR.204, .205)"""
    outcome = connect(node, password=password, **TEXT)
    assert isinstance(outcome, Refused)
    assert outcome.http_status == 401


def test_bytes_that_a_password_spells_are_none_in_2x(node: GatewayNode, charge_point: ChargePoint) -> None:
    """A00.FR.205: text, not octets; a charger that was set up with 1.6 sends the text of its key after the update."""
    key = factories.CHARGER_KEY
    assert isinstance(connect(node, password=bytes.fromhex(key), **TEXT), Refused)
    accepted(connect(node, password=key.encode(), **TEXT))


# ---------------------------------------------------------------- A00: profile 3
@pytest.fixture
def secured(charge_point: ChargePoint) -> ChargePoint:
    ChargePoint.objects.filter(pk=charge_point.pk).update(security_profile=3, serial_number="SN-7")
    charge_point.refresh_from_db()
    return charge_point


def by_certificate(node: GatewayNode, *, common_name: str = "SN-7", problem: str = "", **more: Any) -> Any:
    certificate = ClientCertificate(
        common_names=(common_name,), organisations=("Acme",), fingerprint="ab" * 32, problem=problem
    )
    return connect(node, certificate=certificate, **WITHOUT_KEY | more)


@case("TC_A_07_CSMS")
def test_tc_a_07_valid_client_certificate(csms: Csms, node: GatewayNode, secured: ChargePoint) -> None:
    """TLS - Client-side certificate - valid certificate (A00.FR.404, .405; B01.FR.11)"""
    done = accepted(by_certificate(node))
    assert done.certificate_names == ("SN-7",)
    csms.socket(secured)._certificate_names = done.certificate_names
    assert csms.send(secured, "BootNotification", boot(serialNumber="SN-7"))["status"] == "Accepted"


@case("TC_A_08_CSMS")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"problem": "its certificate expired on 2026-02-01"}, "expired", id="expired"),
        pytest.param({"common_name": "SN-8"}, "“SN-8”", id="other-serial-number"),
    ],
)
def test_tc_a_08_invalid_client_certificate(
    csms: Csms, node: GatewayNode, secured: ChargePoint, fields: Any, words: str
) -> None:
    """TLS - Client-side certificate - Invalid certificate (A00.FR.405, .407); one of an unknown authority: e2e"""
    outcome = by_certificate(node, **fields)
    assert isinstance(outcome, Refused)
    assert outcome.http_status == 403
    assert words in outcome.detail
    accepted(by_certificate(node))
    assert csms.send(secured, "BootNotification", boot(serialNumber="SN-7"))["status"] == "Accepted"


class Closing:
    """Notes why a socket is closed."""

    def __init__(self, csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch) -> None:
        self.why: list[tuple[int, str]] = []
        socket = csms.socket(charge_point)
        monkeypatch.setattr(socket, "close_soon", lambda code, reason: self.why.append((code, reason)))
        socket._certificate_names = ("SN-7",)


def test_boot_of_another_serial_number_ends_the_connection(
    csms: Csms, secured: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B01.FR.11, .12: and nothing of what it says of itself is believed."""
    closing = Closing(csms, secured, monkeypatch)
    answer = csms.send(secured, "BootNotification", boot(serialNumber="SN-8", firmwareVersion="9"))
    assert answer["status"] == "Rejected"
    assert closing.why == [(1008, "the certificate is that of another charger")]
    secured.refresh_from_db()
    assert (secured.serial_number, secured.firmware_version) == ("SN-7", "")
    event = SecurityEvent.objects.get()
    assert (event.type, event.severity) == ("CertificateOfAnotherCharger", "critical")
    assert "“SN-7”" in event.tech_info


@pytest.mark.parametrize(("serial", "name"), [("sn-7", ""), (None, ""), ("SN-8", "SN-7")])
def test_boot_that_fits_its_certificate_is_served(
    csms: Csms, secured: ChargePoint, monkeypatch: pytest.MonkeyPatch, serial: str | None, name: str
) -> None:
    """B01.FR.11: or that names no serial number, or whose certificate may carry another name by a human decision."""
    ChargePoint.objects.filter(pk=secured.pk).update(certificate_name=name)
    closing = Closing(csms, secured, monkeypatch)
    station = {"serialNumber": serial} if serial else {}
    assert csms.send(secured, "BootNotification", boot(**station))["status"] == "Accepted"
    assert not closing.why


# ---------------------------------------------------------------- A02, A03: certificates of the charger
def sign(csms: Csms | Csms21, row: ChargePoint, csr: str, kind: str | None = None, **more: Any) -> str:
    csms.connect(row)
    payload = {"csr": csr, **({"certificateType": kind} if kind else {}), **more}
    return str(csms.send(row, "SignCertificate", payload)["status"])


def delivered(csms: Csms | Csms21, row: ChargePoint) -> Order:
    """What the job does, and the message that the charger gets for it."""
    signing.process_due(csms.now)
    command = CertificateRequest.objects.latest("pk").command
    assert command is not None
    ((message_id, action, payload),) = csms.due(row)
    return Order(csms, row, command, message_id, action, payload)


@case("TC_A_11_CSMS")
@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("family", ["ec", "rsa"])
def test_tc_a_11_update_of_the_charging_station_certificate(
    csms: Csms, node: GatewayNode, charge_point: ChargePoint, family: str
) -> None:
    """Update Charging Station Certificate by request of CSMS - Success - Charging Station Certificate

    A02.FR.11, .14; afterwards the charger connects with the new one (errata 6.3.1, 6.3.2).
    """
    ChargePoint.objects.filter(pk=charge_point.pk).update(security_profile=3)
    kind = "ChargingStationCertificate"
    csr = csr_pem(ec_key() if family == "ec" else rsa_key())
    assert sign(csms, charge_point, csr, kind) == "Accepted"
    order = delivered(csms, charge_point)
    assert (order.action, order.payload["certificateType"]) == ("CertificateSigned", kind)
    made = reading.load(order.payload["certificateChain"])
    assert made.not_valid_before_utc < T0, "clocks of chargers may be slow"
    order.answer(status="Accepted")
    row = Certificate.objects.get()
    assert row.state == CertificateState.DELIVERED
    certificate = ClientCertificate(
        common_names=("CP-A",), organisations=("Acme",), fingerprint=row.fingerprint
    )
    accepted(connect(node, certificate=certificate, **WITHOUT_KEY))
    row.refresh_from_db()
    assert row.state == CertificateState.INSTALLED


@case("TC_A_12_CSMS")
@pytest.mark.usefixtures("authority")
def test_tc_a_12_update_of_the_certificate_for_vehicles(
    csms: Csms, charge_point: ChargePoint, settings: Settings
) -> None:
    """Update Charging Station Certificate by request of CSMS - Success - V2G Certificate (A02.FR.11, .14)"""
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.services.builtin_contracts.BuiltinPlugAndCharge"
    csr = csr_pem(common_name="SECC-1", organization="Somebody")
    assert sign(csms, charge_point, csr, "V2GCertificate") == "Accepted"
    order = delivered(csms, charge_point)
    assert order.payload["certificateType"] == "V2GCertificate"
    own, above = reading.load_all(order.payload["certificateChain"])
    assert reading.is_issued_by(own, above)
    order.answer(status="Accepted")
    row = Certificate.objects.get()
    assert (row.kind, row.state) == (CertificateKind.V2G, CertificateState.DELIVERED)


@case("TC_A_13_CSMS")
@pytest.mark.usefixtures("authority")
def test_tc_a_13_certificate_for_both(csms: Csms, charge_point: ChargePoint) -> None:
    """Update Charging Station Certificate by request of CSMS - Success - Combined Certificate

    No longer part of the certification (errata 5.20); a request that names no type gets an answer that names none.
    """
    assert sign(csms, charge_point, csr_pem()) == "Accepted"
    order = delivered(csms, charge_point)
    assert set(order.payload) == {"certificateChain"}
    made = reading.load(order.payload["certificateChain"])
    assert reading.facts_of(made).common_name == "CP-A"


@case("TC_A_14_CSMS")
@pytest.mark.usefixtures("authority")
def test_tc_a_14_charger_finds_the_certificate_invalid(csms: Csms, charge_point: ChargePoint) -> None:
    """Update Charging Station Certificate by request of CSMS - Invalid certificate (errata 6.3.3)"""
    assert sign(csms, charge_point, csr_pem(), "ChargingStationCertificate") == "Accepted"
    done = delivered(csms, charge_point).answer(status="Rejected")
    assert "finds the certificate wrong" in done.summary
    report = {"type": "InvalidChargingStationCertificate", "timestamp": clock()}
    assert csms.send(charge_point, "SecurityEventNotification", report) == {}
    event = SecurityEvent.objects.get()
    assert (event.type, event.severity) == ("InvalidChargingStationCertificate", "critical")
    assert CertificateRequest.objects.get().state == CertificateRequestState.SIGNED, "it is tried again"
    assert Certificate.objects.get().state == CertificateState.ISSUED


# ---------------------------------------------------------------- around A02, A03
@pytest.mark.usefixtures("authority")
def test_request_that_is_repeated_has_the_effect_of_one(csms: Csms, charge_point: ChargePoint) -> None:
    """A02.FR.17: the charger sends it again while it waits."""
    csr = csr_pem()
    for _ in range(3):
        assert sign(csms, charge_point, csr, "ChargingStationCertificate") == "Accepted"
    assert CertificateRequest.objects.count() == 1


@pytest.mark.usefixtures("authority")
def test_requests_for_two_purposes_do_not_disturb_each_other(
    csms: Csms, charge_point: ChargePoint, settings: Settings
) -> None:
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.services.builtin_contracts.BuiltinPlugAndCharge"
    csr = csr_pem()
    assert sign(csms, charge_point, csr, "ChargingStationCertificate") == "Accepted"
    assert sign(csms, charge_point, csr, "V2GCertificate") == "Accepted"
    signing.process_due(csms.now)
    rows = CertificateRequest.objects.order_by("pk")
    assert [row.state for row in rows] == [CertificateRequestState.SIGNED] * 2
    assert [row.purpose for row in rows] == [CertificatePurpose.CONNECTION, CertificatePurpose.V2G]
    waiting = Command.objects.filter(status=CommandStatus.QUEUED).order_by("pk")
    assert [command.payload["scope"] for command in waiting] == ["connection", "plug_and_charge"]


def test_without_an_authority_nothing_is_signed(csms: Csms, charge_point: ChargePoint) -> None:
    """A02.FR.12: and the charger is told why."""
    answer = csms.send(charge_point, "SignCertificate", {"csr": csr_pem()})
    assert answer["status"] == "Rejected"
    assert "no certificate authority" in answer["statusInfo"]["additionalInfo"]


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize(("limit", "count"), [("100", 0), ("2000", 2), ("750", 1), ("nonsense", 2), ("0", 2)])
def test_chain_is_not_longer_than_the_charger_takes(
    csms: Csms, charge_point: ChargePoint, limit: str, count: int
) -> None:
    """A02.FR.16: SecurityCtrlr.MaxCertificateChainSize; the authorities above are left out first."""
    Variable.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        component="SecurityCtrlr",
        name="MaxCertificateChainSize",
        name_key="maxcertificatechainsize",
        value=limit,
        updated_at=T0,
    )
    sign(csms, charge_point, csr_pem(), "ChargingStationCertificate")
    signing.process_due(csms.now)
    row = CertificateRequest.objects.get()
    if not count:
        assert row.state == CertificateRequestState.FAILED
        assert "MaxCertificateChainSize" in row.problem
        return
    assert row.command is not None
    assert len(reading.load_all(row.command.payload["certificate_chain"])) == count


@pytest.mark.usefixtures("authority")
def test_number_of_a_request_comes_back_with_its_certificate(
    csms21: Csms21, charge_point: ChargePoint, settings: Settings
) -> None:
    """2.1 A02.FR.25; a repeat of the request may have another number."""
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.plug_and_charge.FixedProvider"
    csr = csr_pem(common_name="SECC-1")
    root: Payload = {
        "hashAlgorithm": "SHA256", "issuerNameHash": "ab", "issuerKeyHash": "cd", "serialNumber": "1F",
    }  # fmt: skip
    more = {"hashRootCertificate": root}
    assert sign(csms21, charge_point, csr, "V2G20Certificate", requestId=6, **more) == "Accepted"
    assert sign(csms21, charge_point, csr, "V2G20Certificate", requestId=7, **more) == "Accepted"
    row = CertificateRequest.objects.get()
    assert (row.purpose, row.wanted_root["serial_number"]) == (CertificatePurpose.V2G_20, "1F")
    order = delivered(csms21, charge_point)
    assert (order.payload["certificateType"], order.payload["requestId"]) == ("V2G20Certificate", 7)


# ---------------------------------------------------------------- A04
def test_security_events_are_stored_as_they_come(csms: Csms, charge_point: ChargePoint) -> None:
    """A04.FR.01: every type is confirmed, those of a vendor as well."""
    for kind in ("MaintenanceLoginFailed", "FailedToAuthenticateAtCsms", "CafeOfAVendor"):
        report = {"type": kind, "timestamp": clock(), "techInfo": "{'user': 'x'}"}
        assert csms.send(charge_point, "SecurityEventNotification", report) == {}
    rows = SecurityEvent.objects.order_by("id")
    assert [(row.type, row.severity) for row in rows] == [
        ("MaintenanceLoginFailed", "critical"),
        ("FailedToAuthenticateAtCsms", "normal"),
        ("CafeOfAVendor", "critical"),
    ]


# ---------------------------------------------------------------- A01: the password
NEW = "Another-Horse_Battery.Staple:2026*y"


def change_password(csms: Csms, row: ChargePoint) -> Order:
    payload = {"key": "SecurityCtrlr/BasicAuthPassword", "value": NEW}
    order = csms.order(row, "change_configuration", payload)
    assert order.action == "SetVariables"
    (data,) = order.payload["setVariableData"]
    assert (data["component"]["name"], data["variable"]["name"]) == ("SecurityCtrlr", "BasicAuthPassword")
    assert data["attributeValue"] == NEW
    return order


def result(status: str) -> Payload:
    entry = {
        "attributeStatus": status,
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
    }
    return {"setVariableResult": [entry]}


@case("TC_A_09_CSMS")
def test_tc_a_09_new_password_accepted(csms: Csms, node: GatewayNode, keyed: ChargePoint) -> None:
    """Update Charging Station Password for HTTP Basic Authentication - Accepted (A01.FR.02, .03)"""
    done = change_password(csms, keyed).answer(result("Accepted"))
    assert NEW not in str(done.payload) + str(done.request) + str(done.response)
    accepted(connect(node, password=NEW.encode(), **TEXT))
    assert csms.send(keyed, "BootNotification", boot())["status"] == "Accepted"
    assert isinstance(connect(node, password=PASSWORD.encode(), **TEXT), Refused)


@case("TC_A_10_CSMS")
def test_tc_a_10_new_password_rejected(csms: Csms, node: GatewayNode, keyed: ChargePoint) -> None:
    """Update Charging Station Password for HTTP Basic Authentication - Rejected (A01.FR.02, .04, .05)"""
    change_password(csms, keyed).answer(result("Rejected"))
    accepted(connect(node, password=PASSWORD.encode(), **TEXT))
    assert csms.send(keyed, "BootNotification", boot())["status"] == "Accepted"
    assert isinstance(connect(node, password=NEW.encode(), **TEXT), Refused)
