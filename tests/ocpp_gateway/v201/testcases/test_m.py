"""Official test cases of functional block M (certificates), as a charging station plays them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.x509 import ocsp
from django.conf import settings as django_settings
from pytest_django import Settings

from accounts.models import Tenant
from chargepoints.choices import CommandStatus
from chargepoints.models import CertificateAuthority, ChargePoint, FrameAnomaly, InstalledCertificate
from chargepoints.pki import reading
from chargepoints.plug_and_charge import FixedProvider
from tests import factories
from tests.chargepoints.certs import make_authority, self_signed
from tests.ocpp_gateway.v201.helpers import Csms, Payload

case = pytest.mark.testcase
KINDS = {
    "CentralSystemRootCertificate": "CSMSRootCertificate",
    "ManufacturerRootCertificate": "ManufacturerRootCertificate",
    "V2GRootCertificate": "V2GRootCertificate",
    "MORootCertificate": "MORootCertificate",
}


@pytest.fixture
def authority(db: None) -> CertificateAuthority:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    return make_authority()


def named(serial: str = "1F", algorithm: str = "SHA256", **more: Any) -> Payload:
    """CertificateHashDataType"""
    names = {"issuerNameHash": "ab" * 8, "issuerKeyHash": "cd" * 8, **more}
    return {"hashAlgorithm": algorithm, "serialNumber": serial, **names}


def chain(kind: str = "CSMSRootCertificate", *above: Payload, **more: Any) -> Payload:
    """CertificateHashDataChainType"""
    entry = {"certificateType": kind, "certificateHashData": named(**more)}
    return {**entry, "childCertificateHashData": list(above)} if above else entry


def held(charge_point: ChargePoint) -> set[tuple[str, str]]:
    rows = InstalledCertificate.objects.filter(charge_point=charge_point)
    return set(rows.values_list("use", "hash_algorithm"))


@pytest.mark.parametrize(
    "ours",
    [
        pytest.param("CentralSystemRootCertificate", marks=case("TC_M_01_CSMS"), id="tc_m_01"),
        pytest.param("ManufacturerRootCertificate", marks=case("TC_M_02_CSMS"), id="tc_m_02"),
        pytest.param("V2GRootCertificate", marks=case("TC_M_03_CSMS"), id="tc_m_03"),
        pytest.param("MORootCertificate", marks=case("TC_M_04_CSMS"), id="tc_m_04"),
    ],
)
def test_tc_m_01_to_04_install_ca_certificate(csms: Csms, charge_point: ChargePoint, ours: str) -> None:
    """Install CA certificate (M05.FR.01): what the charger has taken is known here."""
    pem = self_signed()
    order = csms.order(charge_point, "install_certificate", {"certificate_type": ours, "certificate": pem})
    assert order.action == "InstallCertificate"
    assert order.payload == {"certificateType": KINDS[ours], "certificate": pem}
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    row = InstalledCertificate.objects.get(charge_point=charge_point)
    assert (row.use, row.serial_number) == (ours, reading.serial_of(reading.load(pem)))


@case("TC_M_05_CSMS")
def test_tc_m_05_install_ca_certificate_failed(csms: Csms, charge_point: ChargePoint) -> None:
    """Install CA certificate - Failed"""
    payload = {"certificate_type": "CentralSystemRootCertificate", "certificate": self_signed()}
    order = csms.order(charge_point, "install_certificate", payload)
    done = order.answer(status="Failed", statusInfo={"reasonCode": "OutOfStorage"})
    assert done.status == CommandStatus.REJECTED
    assert "could not install it" in done.summary
    assert "OutOfStorage" in done.summary
    assert not held(charge_point)


@pytest.mark.parametrize(
    ("ours", "algorithm"),
    [
        *[
            pytest.param(
                "CentralSystemRootCertificate", name, marks=case("TC_M_12_CSMS"), id=f"tc_m_12-{name}"
            )
            for name in ("SHA256", "SHA384", "SHA512")
        ],
        pytest.param("ManufacturerRootCertificate", "SHA256", marks=case("TC_M_13_CSMS"), id="tc_m_13"),
        pytest.param("V2GRootCertificate", "SHA256", marks=case("TC_M_14_CSMS"), id="tc_m_14"),
        pytest.param("MORootCertificate", "SHA256", marks=case("TC_M_16_CSMS"), id="tc_m_16"),
    ],
)
def test_tc_m_12_to_16_retrieve_certificates(
    csms: Csms, charge_point: ChargePoint, ours: str, algorithm: str
) -> None:
    """Retrieve certificates from Charging Station, of one kind (M03.FR.01–04)"""
    order = csms.order(charge_point, "get_installed_certificate_ids", {"certificate_type": ours})
    assert order.action == "GetInstalledCertificateIds"
    assert order.payload == {"certificateType": [KINDS[ours]]}
    done = order.answer(status="Accepted", certificateHashDataChain=[chain(KINDS[ours], algorithm=algorithm)])
    assert done.status == CommandStatus.ACCEPTED
    assert algorithm in done.summary
    assert held(charge_point) == {(ours, algorithm)}


@case("TC_M_15_CSMS")
def test_tc_m_15_retrieve_the_chain_for_vehicles(csms: Csms, charge_point: ChargePoint) -> None:
    """Retrieve certificates from Charging Station - V2GCertificateChain (M03.FR.05)"""
    kind = "V2GCertificateChain"
    order = csms.order(charge_point, "get_installed_certificate_ids", {"certificate_type": kind})
    assert order.payload == {"certificateType": [kind]}
    order.answer(status="Accepted", certificateHashDataChain=[chain(kind, named("2A"), named("2B"))])
    row = InstalledCertificate.objects.get(charge_point=charge_point)
    assert row.use == kind
    assert [item["serial_number"] for item in row.chain] == ["2A", "2B"]


@case("TC_M_17_CSMS")
def test_tc_m_17_retrieve_certificates_of_two_kinds(csms: Csms, charge_point: ChargePoint) -> None:
    """Retrieve certificates from Charging Station - CSMSRootCertificate & ManufacturerRootCertificate"""
    kinds = ["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
    order = csms.order(charge_point, "get_installed_certificate_ids", {"certificate_types": kinds})
    assert order.payload == {"certificateType": ["CSMSRootCertificate", "ManufacturerRootCertificate"]}
    found = [chain("CSMSRootCertificate"), chain("ManufacturerRootCertificate", serial="2F")]
    order.answer(status="Accepted", certificateHashDataChain=found)
    assert held(charge_point) == {(kind, "SHA256") for kind in kinds}


@case("TC_M_18_CSMS")
def test_tc_m_18_retrieve_all_certificates(csms: Csms, charge_point: ChargePoint) -> None:
    """Retrieve certificates from Charging Station - All certificateTypes"""
    factories.InstalledCertificateFactory(charge_point=charge_point)
    order = csms.order(charge_point, "get_installed_certificate_ids")
    assert order.payload == {}
    order.answer(status="Accepted", certificateHashDataChain=[chain("MORootCertificate")])
    assert held(charge_point) == {("MORootCertificate", "SHA256")}


@case("TC_M_19_CSMS")
def test_tc_m_19_no_matching_certificate(csms: Csms, charge_point: ChargePoint) -> None:
    """Retrieve certificates from Charging Station - No matching certificate found (M03.FR.02)"""
    kind = "ManufacturerRootCertificate"
    factories.InstalledCertificateFactory(charge_point=charge_point, use=kind)
    factories.InstalledCertificateFactory(charge_point=charge_point, use="CentralSystemRootCertificate")
    order = csms.order(charge_point, "get_installed_certificate_ids", {"certificate_type": kind})
    done = order.answer(status="NotFound")
    assert "holds no certificate of this kind" in done.summary
    assert {use for use, _ in held(charge_point)} == {"CentralSystemRootCertificate"}


@case("TC_M_20_CSMS")
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_tc_m_20_delete_a_certificate(csms: Csms, charge_point: ChargePoint, algorithm: str) -> None:
    """Delete a certificate from a Charging Station - Success: by the hashes as reported (M04.FR.07)"""
    listing = csms.order(charge_point, "get_installed_certificate_ids")
    listing.answer(status="Accepted", certificateHashDataChain=[chain(algorithm=algorithm)])
    row = InstalledCertificate.objects.get(charge_point=charge_point)
    order = csms.order(charge_point, "delete_certificate", row.order)
    assert order.action == "DeleteCertificate"
    assert order.payload == {"certificateHashData": named(algorithm=algorithm)}
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    assert not held(charge_point)


@case("TC_M_21_CSMS")
def test_tc_m_21_delete_a_certificate_failed(csms: Csms, charge_point: ChargePoint) -> None:
    """Delete a certificate from a Charging Station - Failed: it still is there"""
    listing = csms.order(charge_point, "get_installed_certificate_ids")
    listing.answer(status="Accepted", certificateHashDataChain=[chain()])
    row = InstalledCertificate.objects.get(charge_point=charge_point)
    done = csms.order(charge_point, "delete_certificate", row.order).answer(status="Failed")
    assert done.status == CommandStatus.REJECTED
    assert "needs it itself" in done.summary
    assert held(charge_point)


@case("TC_M_24_CSMS")
def test_tc_m_24_get_certificate_status(
    csms: Csms, charge_point: ChargePoint, authority: CertificateAuthority, settings: Settings
) -> None:
    """Get Charging Station Certificate status - Success (M06.FR.01–03, .08, .09): of a sub-authority of ours"""
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.services.builtin_contracts.BuiltinPlugAndCharge"
    name = authority.names()[0]
    data = {
        "hashAlgorithm": name.algorithm,
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
        "responderURL": "http://ocsp.example.com",
    }
    answer = csms.send(charge_point, "GetCertificateStatus", {"ocspRequestData": data})
    assert answer["status"] == "Accepted"
    response = ocsp.load_der_ocsp_response(base64.b64decode(answer["ocspResult"]))
    assert response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert response.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert response.serial_number == int(name.serial_number, 16)


@pytest.mark.parametrize(
    "action",
    [
        pytest.param("Install", marks=case("TC_M_26_CSMS"), id="tc_m_26"),
        pytest.param("Update", marks=case("TC_M_28_CSMS"), id="tc_m_28"),
    ],
)
def test_tc_m_26_and_28_certificate_for_a_vehicle(
    csms: Csms, charge_point: ChargePoint, settings: Settings, action: str
) -> None:
    """Certificate Installation EV, Certificate Update EV - Success (M01.FR.01, M02.FR.01)"""
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.plug_and_charge.FixedProvider"
    request = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": action, "exiRequest": "AAAA"}
    answer = csms.send(charge_point, "Get15118EVCertificate", request)
    assert answer == {"status": "Accepted", "exiResponse": FixedProvider.EXI}


# ---------------------------------------------------------------- around the cases
def test_without_a_provider_the_status_has_failed_and_people_know_why(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    """M06.FR.04"""
    data = {**named(), "responderURL": "http://ocsp.example.com"}
    answer = csms.send(charge_point, "GetCertificateStatus", {"ocspRequestData": data})
    assert answer["status"] == "Failed"
    assert "No Plug & Charge provider" in answer["statusInfo"]["additionalInfo"]
    trouble = FrameAnomaly.objects.get(charge_point=charge_point)
    assert (trouble.action, trouble.tenant) == ("GetCertificateStatus", tenant)
    request = {"iso15118SchemaVersion": "v", "action": "Install", "exiRequest": "AAAA"}
    failed = csms.send(charge_point, "Get15118EVCertificate", request)
    assert (failed["status"], failed["exiResponse"]) == ("Failed", "")


def test_answer_that_does_not_fit_into_the_message_is_a_failure(
    csms: Csms, charge_point: ChargePoint, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M06.FR.04: ocspResult has 5500 characters at most, exiResponse 7500."""
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.plug_and_charge.FixedProvider"
    monkeypatch.setattr(FixedProvider, "OCSP", "A" * 5501)
    monkeypatch.setattr(FixedProvider, "EXI", "A" * 7501)
    data = {**named(), "responderURL": "http://ocsp.example.com"}
    assert csms.send(charge_point, "GetCertificateStatus", {"ocspRequestData": data})["status"] == "Failed"
    request = {"iso15118SchemaVersion": "v", "action": "Install", "exiRequest": "AAAA"}
    assert csms.send(charge_point, "Get15118EVCertificate", request)["status"] == "Failed"
