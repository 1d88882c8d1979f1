"""Plug & Charge over OCPP 1.6: both directions, inner payloads checked against the schemas of OCPP 2.0.1."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Tenant
from chargepoints import plug_and_charge
from chargepoints.choices import CertificateKind, CommandStatus
from chargepoints.command_specs import clean
from chargepoints.models import (
    Certificate,
    CertificateRequest,
    ChargePoint,
    Command,
    FrameAnomaly,
    InstalledCertificate,
    SecurityEvent,
)
from chargepoints.pki import reading
from chargepoints.plug_and_charge import Contract, ContractStatus, FixedProvider, ProviderError
from chargepoints.services import signing
from chargepoints.services.certificates import find_valid_certificate
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.v16.answers import read_answer
from ocpp_gateway.v16.commands import asked_message, to_call
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V201
from tests import factories
from tests.chargepoints.certs import csr_pem, rsa_key
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload

VENDOR = "org.openchargealliance.iso15118pnc"
EMAID = "DEABCC123ABC56"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "65df",
    "issuerKeyHash": "d503",
    "serialNumber": "12345",
    "responderURL": "https://ocsp.example.com",
}


class Provider(FixedProvider):
    """Answers as a test wants, and remembers what it was asked."""

    status: ContractStatus | Exception = ContractStatus.VALID
    asked: list[Any] = []

    def contract_status(self, contract: Contract) -> ContractStatus:
        self.asked.append(contract)
        if isinstance(self.status, Exception):
            raise self.status
        return self.status

    def ocsp_response(self, request: plug_and_charge.OcspRequest) -> str:
        self.asked.append(request)
        return super().ocsp_response(request)


@pytest.fixture
def provider(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> type[Provider]:
    settings.PLUG_AND_CHARGE_PROVIDER = "tests.ocpp_gateway.v16.test_plug_and_charge.Provider"
    monkeypatch.setattr(Provider, "asked", [])
    monkeypatch.setattr(Provider, "status", ContractStatus.VALID)
    return Provider


def say(csms: Csms, charge_point: ChargePoint, message_id: str, fields: Any) -> Payload:
    """Send a message of the charger; its answer must be valid by 2.0.1, and is returned unwrapped."""
    payload = {"vendorId": VENDOR, "messageId": message_id, "data": json.dumps(fields)}
    answer = csms.send(charge_point, "DataTransfer", payload)
    assert answer["status"] == "Accepted", answer
    inner: Payload = json.loads(answer["data"])
    assert schemas.check_response(V201, message_id, inner, strict=True) is None
    return inner


def authorize(**more: Any) -> Payload:
    fields = {
        "idToken": {"idToken": EMAID, "type": "eMAID"},
        "iso15118CertificateHashData": [HASHES],
        **more,
    }
    return {name: value for name, value in fields.items() if value is not None}


# --- Authorize ---


def test_contract_of_a_known_driver_may_charge(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, provider: type[Provider]
) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, name="FLEET")
    until = T0 + timedelta(days=9)
    factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID", group=group, expires_at=until)
    assert schemas.check_request(V201, "Authorize", authorize(certificate=PEM), strict=True) is None

    answer = say(csms, charge_point, "Authorize", authorize(certificate=PEM))

    assert answer == {
        "idTokenInfo": {
            "status": "Accepted",
            "cacheExpiryDateTime": "2026-03-11T10:00:00Z",
            "groupIdToken": {"idToken": "FLEET", "type": "Central"},
        },
        "certificateStatus": "Accepted",
    }
    (asked,) = provider.asked
    assert (asked.emaid, asked.certificate, asked.hashes[0].serial_number) == (EMAID, PEM, "12345")


@pytest.mark.parametrize(("status", "said"), [("Blocked", "Blocked"), (None, "Unknown")])
def test_valid_certificate_of_a_contract_that_may_not_charge_is_a_cancelled_contract(
    csms: Csms,
    charge_point: ChargePoint,
    tenant: Tenant,
    provider: type[Provider],
    status: str | None,
    said: str,
) -> None:
    if status is not None:
        factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID", status=status)

    assert say(csms, charge_point, "Authorize", authorize()) == {
        "idTokenInfo": {"status": said},
        "certificateStatus": "ContractCancelled",
    }


@pytest.mark.parametrize(
    ("status", "token", "certificate"),
    [
        (ContractStatus.EXPIRED, "Expired", "CertificateExpired"),
        (ContractStatus.REVOKED, "Invalid", "CertificateRevoked"),
        (ContractStatus.UNVERIFIABLE, "Invalid", "CertChainError"),
        (ProviderError("No answer."), "Invalid", "CertChainError"),
        (OSError("down"), "Invalid", "CertChainError"),
    ],
)
def test_bad_certificate_lets_nobody_charge(
    csms: Csms,
    charge_point: ChargePoint,
    tenant: Tenant,
    provider: type[Provider],
    status: Any,
    token: str,
    certificate: str,
) -> None:
    factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID")
    provider.status = status

    assert say(csms, charge_point, "Authorize", authorize()) == {
        "idTokenInfo": {"status": token},
        "certificateStatus": certificate,
    }


def test_without_a_provider_no_contract_can_be_verified(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID")

    answer = say(csms, charge_point, "Authorize", authorize())

    assert answer["certificateStatus"] == "CertChainError"
    assert "No Plug & Charge provider" in FrameAnomaly.objects.get().problem


def test_contract_without_certificate_and_hashes_is_not_believed(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, provider: type[Provider]
) -> None:
    factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID")

    answer = say(csms, charge_point, "Authorize", authorize(iso15118CertificateHashData=None))

    assert (answer["certificateStatus"], provider.asked) == ("NoCertificateAvailable", [])


def test_emaid_as_plain_text_is_read_too(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, provider: type[Provider]
) -> None:
    factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID")

    answer = say(csms, charge_point, "Authorize", authorize(idToken=EMAID.lower()))

    assert answer["idTokenInfo"]["status"] == "Accepted"


def test_contract_of_another_tenants_driver_is_unknown(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant, provider: type[Provider]
) -> None:
    factories.IdTokenFactory(tenant=other_tenant, value=EMAID, type="eMAID")

    assert say(csms, charge_point, "Authorize", authorize())["idTokenInfo"]["status"] == "Unknown"


# --- certificates ---


def test_status_of_a_certificate_is_handed_over(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider]
) -> None:
    request = {"ocspRequestData": HASHES}
    assert schemas.check_request(V201, "GetCertificateStatus", request, strict=True) is None

    answer = say(csms, charge_point, "GetCertificateStatus", request)

    assert answer == {"status": "Accepted", "ocspResult": FixedProvider.OCSP}
    assert provider.asked[0].responder_url == "https://ocsp.example.com"


def test_vehicle_gets_its_contract_certificate(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider]
) -> None:
    request = {
        "iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef",
        "action": "Install",
        "exiRequest": "AAAA",
    }
    assert schemas.check_request(V201, "Get15118EVCertificate", request, strict=True) is None

    answer = say(csms, charge_point, "Get15118EVCertificate", request)

    assert answer == {"status": "Accepted", "exiResponse": FixedProvider.EXI}


@pytest.mark.parametrize(
    ("message_id", "fields", "answer"),
    [
        ("GetCertificateStatus", {"ocspRequestData": HASHES}, {"status": "Failed"}),
        (
            "Get15118EVCertificate",
            {"iso15118SchemaVersion": "v", "action": "Update", "exiRequest": "AAAA"},
            {"status": "Failed", "exiResponse": ""},
        ),
        ("SignCertificate", {"csr": "x", "certificateType": "V2GCertificate"}, {"status": "Rejected"}),
    ],
)
def test_without_a_provider_the_refusal_is_the_specifications(
    csms: Csms, charge_point: ChargePoint, message_id: str, fields: Payload, answer: Payload
) -> None:
    assert say(csms, charge_point, message_id, fields) == answer
    assert not Command.objects.exists()


def test_signed_certificate_for_vehicles_is_delivered_in_a_message_of_ours(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider]
) -> None:
    csr = csr_pem(common_name="SECC-1", organization=None)
    answer = say(csms, charge_point, "SignCertificate", {"csr": csr, "certificateType": "V2GCertificate"})

    assert answer == {"status": "Accepted"}
    signing.process_due(csms.now)
    command = Command.objects.get()
    action, payload = to_call(command.action, command.payload)
    assert (action, payload["messageId"]) == ("DataTransfer", "CertificateSigned")
    inner = json.loads(payload["data"])
    assert inner["certificateType"] == "V2GCertificate"
    (own,) = reading.load_all(inner["certificateChain"])  # the root itself is known to vehicles
    assert "Trial V2G Root" in own.issuer.rfc4514_string()
    row = Certificate.objects.get()
    assert (row.kind, row.common_name, row.charge_point) == (CertificateKind.V2G, "SECC-1", charge_point)


def test_certificate_for_vehicles_lets_nobody_in(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider]
) -> None:
    say(csms, charge_point, "SignCertificate", {"csr": csr_pem(), "certificateType": "V2GCertificate"})
    signing.process_due(csms.now)

    assert find_valid_certificate(fingerprint=Certificate.objects.get().fingerprint) is None


def test_rsa_key_is_none_for_vehicles(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider]
) -> None:
    answer = say(
        csms,
        charge_point,
        "SignCertificate",
        {"csr": csr_pem(rsa_key()), "certificateType": "V2GCertificate"},
    )

    assert answer == {"status": "Rejected"}
    assert "ECDSA" in SecurityEvent.objects.get().tech_info


def test_request_for_the_certificate_of_the_connection_goes_to_our_authority(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider]
) -> None:
    answer = say(
        csms,
        charge_point,
        "SignCertificate",
        {"csr": "no request", "certificateType": "ChargingStationCertificate"},
    )

    assert answer == {"status": "Rejected"}  # it is no PKCS#10
    assert not CertificateRequest.objects.exists()


UNREADABLE = [
    ("Authorize", {}),
    ("Authorize", authorize(iso15118CertificateHashData=[{}])),
    ("Authorize", authorize(iso15118CertificateHashData=[HASHES] * 5)),
    ("Authorize", authorize(idToken={"idToken": ""})),
    ("GetCertificateStatus", {}),
    ("GetCertificateStatus", {"ocspRequestData": "x"}),
    ("Get15118EVCertificate", {"iso15118SchemaVersion": "v", "action": "Steal", "exiRequest": "A"}),
    ("Get15118EVCertificate", {"iso15118SchemaVersion": "v", "action": "Install", "exiRequest": "A" * 5_601}),
    ("SignCertificate", {}),
    ("SignCertificate", []),
]


@pytest.mark.parametrize(("message_id", "fields"), UNREADABLE)
def test_message_that_lacks_something_is_rejected_and_kept(
    csms: Csms, charge_point: ChargePoint, provider: type[Provider], message_id: str, fields: Any
) -> None:
    payload = {"vendorId": VENDOR, "messageId": message_id, "data": json.dumps(fields)}

    assert csms.send(charge_point, "DataTransfer", payload) == {"status": "Rejected"}
    assert FrameAnomaly.objects.count() == 1


# --- orders ---

SENT: list[tuple[str, Payload, str, Payload]] = [
    (
        "install_certificate",
        {"certificate_type": "V2GRootCertificate", "certificate": PEM},
        "InstallCertificate",
        {"certificateType": "V2GRootCertificate", "certificate": PEM},
    ),
    (
        "get_installed_certificate_ids",
        {"certificate_type": "MORootCertificate"},
        "GetInstalledCertificateIds",
        {"certificateType": ["MORootCertificate"]},
    ),
    (
        "delete_certificate",
        {
            "hash_algorithm": "SHA256",
            "issuer_name_hash": "65df",
            "issuer_key_hash": "d503",
            "serial_number": "12345",
            "scope": "plug_and_charge",
        },
        "DeleteCertificate",
        {"certificateHashData": {name: HASHES[name] for name in HASHES if name != "responderURL"}},
    ),
    (
        "certificate_signed",
        {"certificate_chain": PEM, "scope": "plug_and_charge"},
        "CertificateSigned",
        {"certificateChain": PEM, "certificateType": "V2GCertificate"},
    ),
    (
        "trigger_message",
        {"message": "SignV2GCertificate"},
        "TriggerMessage",
        {"requestedMessage": "SignV2GCertificate"},
    ),
]


@pytest.mark.parametrize(("action", "given", "message_id", "inner"), SENT)
def test_order_about_plug_and_charge_travels_in_a_vendor_message(
    action: str, given: Payload, message_id: str, inner: Payload
) -> None:
    name, payload = to_call(action, clean(action, given))

    assert (name, payload["vendorId"], payload["messageId"]) == ("DataTransfer", VENDOR, message_id)
    assert json.loads(payload["data"]) == inner
    assert schemas.check_request(V201, message_id, inner, strict=True) is None


def test_order_about_the_connection_stays_a_message_of_its_own() -> None:
    given = {"certificate_type": "CentralSystemRootCertificate", "certificate": PEM}

    assert to_call("install_certificate", given)[0] == "InstallCertificate"
    chain = {"certificate_chain": PEM, "scope": "connection"}
    assert to_call("certificate_signed", chain) == ("CertificateSigned", {"certificateChain": PEM})


def test_order_that_does_not_fit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(CannotSend, match="Plug & Charge"):
        to_call("certificate_signed", {"certificate_chain": "x" * 10_001, "scope": "plug_and_charge"})


def test_pending_charger_may_answer_a_trigger_with_a_vendor_message() -> None:
    _, payload = to_call("trigger_message", {"message": "SignV2GCertificate"})

    assert asked_message("DataTransfer", payload) == "DataTransfer"
    assert asked_message("DataTransfer", {"vendorId": "com.example"}) is None


def answered(message_id: str, data: Any, status: str = "Accepted") -> Any:
    response = {"status": status} | ({} if data is None else {"data": data})
    return read_answer("DataTransfer", {"vendorId": VENDOR, "messageId": message_id}, response)


@pytest.mark.parametrize(
    ("message_id", "data", "status", "words"),
    [
        ("CertificateSigned", '{"status": "Accepted"}', CommandStatus.ACCEPTED, ""),
        ("CertificateSigned", {"status": "Rejected"}, CommandStatus.REJECTED, "finds the certificate wrong"),
        ("InstallCertificate", '{"status": "Failed"}', CommandStatus.REJECTED, "could not install"),
        ("DeleteCertificate", '{"status": "NotFound"}', CommandStatus.REJECTED, "no such certificate"),
        ("TriggerMessage", '{"status": "NotImplemented"}', CommandStatus.NOT_SUPPORTED, "on request"),
        ("GetInstalledCertificateIds", '{"status": "NotFound"}', CommandStatus.REJECTED, "no certificate"),
    ],
)
def test_answer_inside_decides(message_id: str, data: Any, status: CommandStatus, words: str) -> None:
    outcome = answered(message_id, data)

    assert outcome.status == status
    assert words in outcome.summary


def test_installed_certificates_are_told() -> None:
    hashes = {name: HASHES[name] for name in HASHES if name != "responderURL"}
    chain = {"certificateType": "MORootCertificate", "certificateHashData": hashes}
    data = {"status": "Accepted", "certificateHashDataChain": [chain]}
    assert schemas.check_response(V201, "GetInstalledCertificateIds", data, strict=True) is None

    outcome = answered("GetInstalledCertificateIds", json.dumps(data))

    assert outcome.summary == (
        "MORootCertificate: serial number 12345, SHA256, issuer name 65df, issuer key d503."
    )


def test_installed_certificates_are_kept_as_those_of_2x(csms: Csms, charge_point: ChargePoint) -> None:
    """A root that vehicles or contracts are known by stands in the same list as the others."""
    hashes = {name: HASHES[name] for name in HASHES if name != "responderURL"}
    chain = {"certificateType": "MORootCertificate", "certificateHashData": hashes}
    order = csms.order(
        charge_point, "get_installed_certificate_ids", {"certificate_type": "MORootCertificate"}
    )
    answer = {"status": "Accepted", "certificateHashDataChain": [chain]}
    done = order.answer({"status": "Accepted", "data": json.dumps(answer)})

    assert done.status == CommandStatus.ACCEPTED
    held = InstalledCertificate.objects.get()
    assert (held.use, held.serial_number) == ("MORootCertificate", "12345")
    again = csms.order(charge_point, "delete_certificate", {**held.order, "scope": "plug_and_charge"})
    again.answer({"status": "Accepted", "data": json.dumps({"status": "Accepted"})})
    assert not InstalledCertificate.objects.exists()


@pytest.mark.parametrize(
    ("action", "given", "words"),
    [
        ("get_installed_certificate_ids", {}, "choose one"),
        ("get_installed_certificate_ids", {"certificate_types": ["MORootCertificate"]}, "choose one"),
        ("certificate_signed", {"certificate_chain": PEM, "request_number": 3}, "no numbers"),
        ("certificate_signed", {"certificate_chain": PEM, "scope": "plug_and_charge_20"}, "15118-20"),
    ],
)
def test_what_only_2x_can_say_is_not_sent_to_a_charger_of_16(action: str, given: Payload, words: str) -> None:
    with pytest.raises(CannotSend, match=words):
        to_call(action, clean(action, given))


@pytest.mark.parametrize("data", [None, "no json", "[]", '{"other": 1}', '{"status": 7}'])
def test_answer_that_holds_nothing_has_failed(data: Any) -> None:
    outcome = answered("CertificateSigned", data)

    assert (outcome.status, outcome.error["code"]) == (CommandStatus.FAILED, "InvalidAnswer")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Rejected", CommandStatus.REJECTED), ("UnknownVendorId", CommandStatus.NOT_SUPPORTED)],
)
def test_charger_without_plug_and_charge_says_so_outside(status: str, expected: CommandStatus) -> None:
    assert answered("CertificateSigned", None, status).status == expected
