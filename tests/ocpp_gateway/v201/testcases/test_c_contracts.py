"""Official test cases of C07: authorization by contract certificates, as a charging station plays them."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import IdToken, Tenant
from chargepoints import plug_and_charge
from chargepoints.models import ChargePoint, FrameAnomaly
from chargepoints.pki.ocsp import Fate
from tests import factories
from tests.chargepoints.contracts import BUILT_IN, EMAID, Mobility
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Payload, event, token

case = pytest.mark.testcase


@pytest.fixture
def mobility(settings: Settings, monkeypatch: pytest.MonkeyPatch, db: None) -> Mobility:
    """A mobility operator whose responder may be asked; nothing is remembered of what it said before."""
    settings.PLUG_AND_CHARGE_PROVIDER = BUILT_IN
    plug_and_charge._load.cache_clear()
    found = Mobility.build()
    found.serve(monkeypatch)
    return found


@pytest.fixture
def contract(tenant: Tenant) -> IdToken:
    row: IdToken = factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID")
    return row


def ask(csms: Csms | Csms21, charge_point: ChargePoint, **more: Any) -> tuple[str, str | None]:
    """Status of the token and of the certificate."""
    payload: Payload = {"idToken": token(EMAID, "eMAID"), **more}
    answer = csms.send(charge_point, "Authorize", payload)
    return answer["idTokenInfo"]["status"], answer.get("certificateStatus")


def begin(csms: Csms, charge_point: ChargePoint) -> str:
    payload = event("Started", 0, trigger="Authorized", evse=1, idToken=token(EMAID, "eMAID"))
    return str(csms.send(charge_point, "TransactionEvent", payload)["idTokenInfo"]["status"])


@case("TC_C_50_CSMS")
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_tc_c_50_local_contract_validation_accepted(
    csms: Csms, charge_point: ChargePoint, contract: IdToken, mobility: Mobility, algorithm: str
) -> None:
    """Authorization using Contract Certificates 15118 - Online - Local contract certificate validation - Accepted

    C07.FR.04, .05, .14: the responder that the charger names is asked about each certificate.
    """
    hashes = mobility.hashes(algorithm)
    assert ask(csms, charge_point, iso15118CertificateHashData=hashes) == ("Accepted", "Accepted")
    assert mobility.asked == [(int(item["serialNumber"], 16), item["responderURL"]) for item in hashes]
    assert begin(csms, charge_point) == "Accepted"


@case("TC_C_51_CSMS")
def test_tc_c_51_local_contract_validation_rejected(
    csms: Csms, charge_point: ChargePoint, contract: IdToken, mobility: Mobility
) -> None:
    """Authorization using Contract Certificates 15118 - Online - Local contract certificate validation - Rejected

    C07.FR.16: a certificate that is revoked.
    """
    mobility.revoke(mobility.contract)
    answer = ask(csms, charge_point, iso15118CertificateHashData=mobility.hashes())
    assert answer == ("Invalid", "CertificateRevoked")


@case("TC_C_52_CSMS")
def test_tc_c_52_central_contract_validation_accepted(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, contract: IdToken, mobility: Mobility
) -> None:
    """Authorization using Contract Certificates 15118 - Online - Central contract certificate validation - Accepted

    C07.FR.04, .05: below a root that is kept here; the addresses of the responders stand in the certificates.
    """
    mobility.keep_root(tenant)
    assert ask(csms, charge_point, certificate=mobility.chain) == ("Accepted", "Accepted")
    serials = [pair.certificate.serial_number for pair in (mobility.contract, mobility.sub)]
    assert [serial for serial, _ in mobility.asked] == serials
    assert begin(csms, charge_point) == "Accepted"


# ---------------------------------------------------------------- the rest of the table of C07
@pytest.mark.parametrize("status", ["Blocked", None])
def test_contract_that_may_not_charge_is_cancelled(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, mobility: Mobility, status: str | None
) -> None:
    """C07.FR.13"""
    if status is not None:
        factories.IdTokenFactory(tenant=tenant, value=EMAID, type="eMAID", status=status)
    given, certificate = ask(csms, charge_point, iso15118CertificateHashData=mobility.hashes())
    assert given in ({status} if status else {"Unknown", "Invalid"})
    assert certificate == "ContractCancelled"


def test_expired_chain(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.15"""
    old = Mobility.build(days=5)
    old.keep_root(tenant)
    assert ask(csms, charge_point, certificate=old.chain) == ("Expired", "CertificateExpired")


def test_chain_below_a_root_that_nobody_knows(
    csms: Csms, charge_point: ChargePoint, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.17"""
    assert ask(csms, charge_point, certificate=mobility.chain) == ("Invalid", "CertChainError")
    assert not mobility.asked


def test_certificate_of_another_contract(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.17: the certificate names whose it is."""
    other = Mobility.build(emaid="DEXYZC999999")
    other.keep_root(tenant)
    assert ask(csms, charge_point, certificate=other.chain) == ("Invalid", "CertChainError")


def test_chain_with_a_gap(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.17"""
    mobility.keep_root(tenant)
    assert ask(csms, charge_point, certificate=mobility.contract.pem) == ("Invalid", "CertChainError")


def test_responder_that_does_not_know_the_certificate(
    csms: Csms, charge_point: ChargePoint, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.17"""
    mobility.fates[mobility.sub.certificate.serial_number] = Fate(is_known=False)
    answer = ask(csms, charge_point, iso15118CertificateHashData=mobility.hashes())
    assert answer == ("Invalid", "CertChainError")


def test_answer_that_somebody_else_has_signed_proves_nothing(
    csms: Csms, charge_point: ChargePoint, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.17: and people are told what is missing."""
    mobility.signer = Mobility.build().root
    answer = ask(csms, charge_point, iso15118CertificateHashData=mobility.hashes())
    assert answer == ("Invalid", "CertChainError")
    assert "cannot be checked" in FrameAnomaly.objects.get().problem


def test_answers_are_remembered_while_they_are_good(
    csms: Csms, charge_point: ChargePoint, contract: IdToken, mobility: Mobility
) -> None:
    """C07.FR.05: real-time or cached OCSP data."""
    for _ in range(3):
        ask(csms, charge_point, iso15118CertificateHashData=mobility.hashes())
    assert len(mobility.asked) == 2


def test_without_a_provider_no_contract_can_be_verified(
    csms: Csms, charge_point: ChargePoint, contract: IdToken
) -> None:
    """C07.FR.17"""
    hashes = Mobility.build().hashes()
    assert ask(csms, charge_point, iso15118CertificateHashData=hashes) == ("Invalid", "CertChainError")
    assert "No Plug & Charge provider" in FrameAnomaly.objects.get().problem


def test_emaid_without_a_certificate_is_a_token_like_others(
    csms: Csms, charge_point: ChargePoint, contract: IdToken
) -> None:
    """C08: an EV driver that identifies by other means than his certificate."""
    assert ask(csms, charge_point) == ("Accepted", None)


def test_contract_of_another_organisation_may_not_charge(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant, mobility: Mobility
) -> None:
    factories.IdTokenFactory(tenant=other_tenant, value=EMAID, type="eMAID")
    _, certificate = ask(csms, charge_point, iso15118CertificateHashData=mobility.hashes())
    assert certificate == "ContractCancelled"


def test_contracts_are_the_same_in_21(
    csms21: Csms21, charge_point: ChargePoint, contract: IdToken, mobility: Mobility
) -> None:
    assert ask(csms21, charge_point, iso15118CertificateHashData=mobility.hashes()) == (
        "Accepted",
        "Accepted",
    )
