"""Functional block A: certificates of the charger itself, and what it notices about its security."""

from __future__ import annotations

from typing import Any

from chargepoints.choices import CertificatePurpose
from chargepoints.services import certificate_requests, reports
from chargepoints.services.certificate_requests import SigningAnswer, SigningRequest
from chargepoints.services.reports import SecurityReport
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]

MAX_CSR = 5500
#: What a delivery is for → what the charger calls it.
SCOPES = {
    "connection": CertificatePurpose.CONNECTION.value,
    "plug_and_charge": CertificatePurpose.V2G.value,
    "plug_and_charge_20": CertificatePurpose.V2G_20.value,
}


# ---------------------------------------------------------------- from the charger
def security_event_in(link: Link, payload: Payload) -> SecurityReport:
    return SecurityReport(
        **link.facts(),
        type=mapping.text(payload, "type", 50),
        at=mapping.status_timestamp(payload.get("timestamp")),
        tech_info=mapping.text(payload, "techInfo"),
    )


def nothing_out(done: object) -> Payload:
    return {}


def sign_in(link: Link, payload: Payload) -> SigningRequest:
    purpose = mapping.text(payload, "certificateType", 26)
    return SigningRequest(
        **link.facts(),
        csr=mapping.text(payload, "csr", MAX_CSR),
        purpose=purpose if purpose in CertificatePurpose.values else "",
    )


def sign_out(done: SigningAnswer) -> Payload:
    # The certificate follows later, in a call of ours (A02.FR.11).
    if done.is_accepted:
        return {"status": "Accepted"}
    return mapping.without_none(status="Rejected", statusInfo=mapping.status_info(done.problem))


# ---------------------------------------------------------------- to the charger
def certificate_signed(payload: Payload) -> Payload:
    """A02.FR.14: with the type that the charger has named, and without one where it named none."""
    if "request_number" in payload:
        raise CannotSend("OCPP 2.0.1 has no numbers for certificate requests.")
    if payload.get("scope") == "plug_and_charge_20":
        raise CannotSend("OCPP 2.0.1 has no certificates of ISO 15118-20.")
    return signed_call(payload)


def signed_call(payload: Payload) -> Payload:
    """CertificateSigned, but for what only later versions have."""
    call = mapping.copied(payload, certificate_chain="certificateChain")
    if scope := payload.get("scope"):
        call["certificateType"] = SCOPES[scope]
    return call


BLOCK = Block(
    actions={
        "SecurityEventNotification": Action(security_event_in, reports.SECURITY_EVENT, nothing_out),
        "SignCertificate": Action(sign_in, certificate_requests.SIGN, sign_out),
    },
    calls={"certificate_signed": sent_as("CertificateSigned", certificate_signed)},
)
