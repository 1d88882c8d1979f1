"""What the end of an order to take a certificate means for the certificate and for the request that it answers.

signed → delivered when the charger accepts; otherwise the order is given again after a while, until it has been refused
or missed too often.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from chargepoints.choices import (
    CertificateKind,
    CertificateRequestState,
    CertificateState,
    CommandStatus,
)
from chargepoints.models import Certificate, CertificateRequest, Command
from chargepoints.pki import reading
from csms_project.common import events

_DELIVER = {"certificate_signed": "certificate_chain", "CertificateSigned": "certificateChain"}
#: How often a charger may refuse what it gets, and how often it may be missed.
MAX_REFUSALS = 3
MAX_ATTEMPTS = 8
_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=6)


def wait_before(attempt: int) -> timedelta:
    """How long to wait after this many attempts."""
    doublings = max(0, min(attempt, 10) - 1)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


def answered(command: Command) -> None:
    """The order has ended as its status says."""
    if command.action not in _DELIVER:
        return
    rows = CertificateRequest.objects.select_for_update(of=("self",), no_key=True)
    request = rows.filter(command=command, state=CertificateRequestState.SIGNED).first()
    now = timezone.now()
    if request is not None:
        _settle(request, command, now)
    elif command.status == CommandStatus.ACCEPTED:
        _mark_delivered(_certificate_in(command), command, now)


def _settle(request: CertificateRequest, command: Command, now: datetime) -> None:
    certificate = request.certificate
    status = CommandStatus(command.status)
    if status == CommandStatus.ACCEPTED:
        _mark_delivered(certificate, command, now)
        end(request, CertificateRequestState.DELIVERED, "", now)
        return
    problem = command.summary or _error_of(command) or f"The order ended as “{status.label}”."
    refused = status == CommandStatus.REJECTED and request.attempts >= MAX_REFUSALS
    if status == CommandStatus.CANCELLED:
        end(request, CertificateRequestState.FAILED, "The delivery was called off.", now)
    elif status == CommandStatus.NOT_SUPPORTED or refused or request.attempts >= MAX_ATTEMPTS:
        if certificate is not None and status in (CommandStatus.REJECTED, CommandStatus.NOT_SUPPORTED):
            Certificate.objects.filter(pk=certificate.pk, state=CertificateState.ISSUED).update(
                state=CertificateState.REJECTED, updated_at=now
            )
        end(request, CertificateRequestState.FAILED, problem, now)
        _tell("certificate.not_delivered", command, certificate, problem=problem[:200])
    else:
        request.problem = problem[:500]
        request.next_attempt_at = now + wait_before(request.attempts)
        request.save(update_fields=["problem", "next_attempt_at", "updated_at"])


def end(request: CertificateRequest, state: CertificateRequestState, problem: str, now: datetime) -> None:
    """Bring a request to its final state."""
    request.state, request.problem, request.ended_at = state, problem[:500], now
    request.next_attempt_at = None
    request.save(update_fields=["state", "problem", "ended_at", "next_attempt_at", "updated_at"])


def _mark_delivered(certificate: Certificate | None, command: Command, now: datetime) -> None:
    if certificate is None:
        return
    rows = Certificate.objects.filter(pk=certificate.pk, state=CertificateState.ISSUED)
    if rows.update(state=CertificateState.DELIVERED, delivered_at=now, updated_at=now):
        if certificate.kind == CertificateKind.V2G:
            _supersede_for_vehicles(certificate, now)
        _tell("certificate.delivered", command, certificate)


def _supersede_for_vehicles(certificate: Certificate, now: datetime) -> None:
    """Nobody sees a charger's certificate for vehicles at work: it uses the newest (2.0.1 A02.FR.15)."""
    older = Certificate.objects.filter(
        charge_point_id=certificate.charge_point_id,
        kind=CertificateKind.V2G,
        state__in=(CertificateState.ISSUED, CertificateState.DELIVERED),
        not_before__lte=certificate.not_before,
        issuer=certificate.issuer,
    ).exclude(pk=certificate.pk)
    older.update(state=CertificateState.SUPERSEDED, superseded_at=now, updated_at=now)


def _certificate_in(command: Command) -> Certificate | None:
    """One of ours that somebody has sent by hand."""
    text = command.payload.get(_DELIVER[command.action])
    try:
        fingerprint = reading.fingerprint_of(reading.load(str(text)))
    except reading.UnreadableCertificate:
        return None
    found: Certificate | None = Certificate.objects.filter(
        fingerprint=fingerprint, charge_point_id=command.charge_point_id
    ).first()
    return found


def _error_of(command: Command) -> str:
    error = command.error if isinstance(command.error, dict) else {}
    return str(error.get("description") or error.get("code") or "")


def _tell(kind: str, command: Command, certificate: Certificate | None, **data: str) -> None:
    events.record(
        kind,
        tenant_id=command.tenant_id,
        object_type="certificate",
        object_id=certificate.pk if certificate is not None else "",
        charge_point=command.charge_point.identity,
        data={"serial_number": certificate.serial_number if certificate is not None else "", **data},
    )
