"""What 2.1 changes about certificates: the status of chains (M07), contracts of ISO 15118-20 (M01), longer answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from django.conf import settings as django_settings
from pytest_django import Settings

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import plug_and_charge, responders
from chargepoints.choices import CertificateKind
from chargepoints.models import Certificate, CertificateAuthority, ChargePoint, InstalledCertificate
from chargepoints.pki import reading
from chargepoints.plug_and_charge import EvAnswer, EvRequest, FixedProvider, ProviderError, StatusQuestion
from chargepoints.services import certificates, signing
from tests import factories
from tests.chargepoints.certs import csr_pem, make_authority, self_signed
from tests.chargepoints.contracts import BUILT_IN, URL, Mobility, on_the_wire
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms21, Payload

CRL = "http://crl.example.com/mo.crl"


@pytest.fixture
def mobility(settings: Settings, monkeypatch: pytest.MonkeyPatch, tenant: Tenant) -> Mobility:
    settings.PLUG_AND_CHARGE_PROVIDER = BUILT_IN
    plug_and_charge._load.cache_clear()
    found = Mobility.build()
    found.serve(monkeypatch)
    found.keep_root(tenant)
    return found


def question(mobility: Mobility, source: str = "OCSP", *, of_sub: bool = False) -> Payload:
    names = mobility.hashes()
    data = {key: value for key, value in names[1 if of_sub else 0].items() if key != "responderURL"}
    return {"certificateHashData": data, "source": source, "urls": [URL if source == "OCSP" else CRL]}


def ask(csms: Csms21, charge_point: ChargePoint, *questions: Payload) -> list[Payload]:
    payload = {"certificateStatusRequests": list(questions)}
    answer: list[Payload] = csms.send(charge_point, "GetCertificateChainStatus", payload)["certificateStatus"]
    assert [item["certificateHashData"] for item in answer] == [
        item["certificateHashData"] for item in questions
    ]
    assert [item["source"] for item in answer] == [item["source"] for item in questions]
    return answer


def test_status_of_a_chain_by_ocsp(csms: Csms21, charge_point: ChargePoint, mobility: Mobility) -> None:
    """M07.FR.01, .03, .08"""
    mobility.revoke(mobility.contract)
    answer = ask(csms, charge_point, question(mobility), question(mobility, of_sub=True))
    assert [item["status"] for item in answer] == ["Revoked", "Good"]
    assert answer[0]["nextUpdate"] == "2026-03-03T10:00:00.000Z"


def test_certificate_about_which_nobody_answers_fails_alone(
    csms: Csms21, charge_point: ChargePoint, mobility: Mobility, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M07.FR.02"""

    def respond(url: str, request: bytes) -> bytes:
        if url != URL:
            raise responders.NotAsked
        return mobility.respond(url, request)

    monkeypatch.setattr(responders, "ask_ocsp", respond)
    lost = {**question(mobility), "urls": ["http://nowhere.example.com"]}
    answer = ask(csms, charge_point, lost, question(mobility, of_sub=True))
    assert [item["status"] for item in answer] == ["Failed", "Good"]
    assert answer[0]["nextUpdate"] > "2026-03-02T10:00"
    second = {**lost, "urls": ["http://nowhere.example.com", URL]}
    assert ask(csms, charge_point, second)[0]["status"] == "Good"


def revocation_list(mobility: Mobility, *serials: int, days: int = 7, signer: Any = None) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(mobility.root.certificate.subject)
        .last_update(T0 - timedelta(days=30))
        .next_update(T0 + timedelta(days=days))
    )
    for serial in serials:
        line = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(T0)
        builder = builder.add_revoked_certificate(line.build())
    made = builder.sign(signer or mobility.root.key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("is_listed", "days", "is_forged", "status"),
    [
        (False, 7, False, "Good"),
        (True, 7, False, "Revoked"),
        (True, -1, False, "Failed"),
        (False, 7, True, "Failed"),
    ],
)
def test_status_by_a_revocation_list(
    csms: Csms21,
    charge_point: ChargePoint,
    mobility: Mobility,
    monkeypatch: pytest.MonkeyPatch,
    is_listed: bool,
    days: int,
    is_forged: bool,
    status: str,
) -> None:
    """M07.FR.04–07: one that the issuer has signed, and that is not out of date."""
    serials = [mobility.sub.certificate.serial_number] if is_listed else [1]
    signer = mobility.contract.key if is_forged else None
    data = revocation_list(mobility, *serials, days=days, signer=signer)
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return data

    monkeypatch.setattr(responders, "fetch_crl", fetch)
    (answer,) = ask(csms, charge_point, question(mobility, "CRL", of_sub=True))
    assert (answer["status"], asked) == (status, [CRL])


def test_without_a_provider_every_status_has_failed(csms: Csms21, charge_point: ChargePoint) -> None:
    """M07.FR.02, .05"""
    found = Mobility.build()
    answer = ask(csms, charge_point, question(found), question(found, "CRL"))
    assert [item["status"] for item in answer] == ["Failed", "Failed"]


def test_whole_question_that_nobody_answers_in_time_has_failed(
    csms: Csms21, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csms.node, "ask_aside", lambda asking, then: then(TimeoutError()))
    found = Mobility.build()
    answer = ask(csms, charge_point, question(found), question(found, of_sub=True))
    assert [item["status"] for item in answer] == ["Failed", "Failed"]


def test_revoked_certificate_of_ours_is_revoked_in_ocsp(
    csms: Csms21, charge_point: ChargePoint, mobility: Mobility
) -> None:
    """The built-in authority answers for itself; no other address is asked."""
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    authority: CertificateAuthority = make_authority()
    csms.connect(charge_point)
    payload = {"csr": csr_pem(common_name="SECC-1"), "certificateType": "V2GCertificate"}
    assert csms.send(charge_point, "SignCertificate", payload)["status"] == "Accepted"
    signing.process_due(csms.now)
    row = Certificate.objects.get(kind=CertificateKind.V2G)
    name = reading.hash_data(reading.load(row.pem), reading.load(authority.pem))
    entry: Payload = {"certificateHashData": on_the_wire(name), "source": "OCSP", "urls": [URL]}
    assert ask(csms, charge_point, entry)[0]["status"] == "Good"
    certificates.revoke(actor=Actor.system("test"), certificate=row, reason="keyCompromise")
    assert ask(csms, charge_point, entry)[0]["status"] == "Revoked"
    unknown = {**entry, "certificateHashData": {**entry["certificateHashData"], "serialNumber": "2A"}}
    assert ask(csms, charge_point, unknown)[0]["status"] == "Unknown"
    assert not mobility.asked


class Pool(FixedProvider):
    """A contract pool with three contracts."""

    asked: list[EvRequest] = []

    def ev_answer(self, request: EvRequest) -> EvAnswer:
        Pool.asked.append(request)
        return EvAnswer(exi="A" * 16_000, remaining=3 - len(Pool.asked))

    def certificate_state(self, question: StatusQuestion) -> Any:
        raise ProviderError


def test_contracts_of_15118_20_come_one_after_the_other(
    csms: Csms21, charge_point: ChargePoint, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M01.FR.04, .07; exiResponse has 17000 characters in 2.1."""
    settings.PLUG_AND_CHARGE_PROVIDER = "tests.ocpp_gateway.v21.test_security.Pool"
    monkeypatch.setattr(Pool, "asked", [])
    request = {
        "iso15118SchemaVersion": "urn:iso:std:iso:15118:-20:CommonMessages",
        "action": "Install",
        "exiRequest": "AAAA",
        "maximumContractCertificateChains": 3,
        "prioritizedEMAIDs": ["DEABCC123ABC56"],
    }
    remaining = [
        csms.send(charge_point, "Get15118EVCertificate", request)["remainingContracts"] for _ in range(3)
    ]
    assert remaining == [2, 1, 0]
    assert (Pool.asked[0].maximum_chains, Pool.asked[0].emaids) == (3, ("DEABCC123ABC56",))


def test_vehicle_of_15118_2_is_told_no_remaining_contracts(
    csms: Csms21, charge_point: ChargePoint, settings: Settings
) -> None:
    """M01.FR.02"""
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.plug_and_charge.FixedProvider"
    request = {"iso15118SchemaVersion": "v", "action": "Update", "exiRequest": "AAAA"}
    answer = csms.send(charge_point, "Get15118EVCertificate", request)
    assert answer == {"status": "Accepted", "exiResponse": FixedProvider.EXI}


def test_root_of_a_vehicle_maker_is_installed_in_21_only(csms: Csms21, charge_point: ChargePoint) -> None:
    payload = {"certificate_type": "OEMRootCertificate", "certificate": self_signed("OEM")}
    order = csms.order(charge_point, "install_certificate", payload)
    assert order.payload["certificateType"] == "OEMRootCertificate"
    order.answer(status="Accepted")
    assert InstalledCertificate.objects.get().use == "OEMRootCertificate"
