"""Firmware management and the security extension of OCPP 1.6: messages from the charge point."""

from __future__ import annotations

from typing import Any

from chargepoints.choices import StatusReportKind
from chargepoints.services.certificate_requests import SigningAnswer, SigningRequest
from chargepoints.services.reports import Progress, SecurityReport
from ocpp_gateway.link import Link
from ocpp_gateway.v16 import mapping

Payload = dict[str, Any]
MAX_CSR = 5500  # whitepaper §5.17


def _progress(link: Link, payload: Payload, kind: StatusReportKind) -> Progress:
    request_id = payload.get("requestId")
    return Progress(
        **link.facts(),
        kind=kind,
        status=mapping.text(payload, "status", 40),
        request_id=None if request_id is None else mapping.whole(request_id, -1),
    )


def firmware_in(link: Link, payload: Payload) -> Progress:
    return _progress(link, payload, StatusReportKind.FIRMWARE)


def diagnostics_in(link: Link, payload: Payload) -> Progress:
    return _progress(link, payload, StatusReportKind.DIAGNOSTICS)


def log_in(link: Link, payload: Payload) -> Progress:
    return _progress(link, payload, StatusReportKind.LOG)


def signed_firmware_in(link: Link, payload: Payload) -> Progress:
    return _progress(link, payload, StatusReportKind.SIGNED_FIRMWARE)


def security_event_in(link: Link, payload: Payload) -> SecurityReport:
    return SecurityReport(
        **link.facts(),
        type=mapping.text(payload, "type", 50),
        at=mapping.status_timestamp(payload.get("timestamp")),
        tech_info=mapping.text(payload, "techInfo"),
    )


def sign_certificate_in(link: Link, payload: Payload) -> SigningRequest:
    return SigningRequest(**link.facts(), csr=mapping.text(payload, "csr", MAX_CSR))


def sign_certificate_out(done: SigningAnswer) -> Payload:
    # The certificate follows later, in a call of ours (whitepaper A02.FR.11).
    return {"status": "Accepted" if done.is_accepted else "Rejected"}
