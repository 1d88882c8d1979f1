"""Signing the requests that were taken in, and delivering what was signed: a background job.

Nobody waits for it. What fails is tried again after a while, and shown with the request meanwhile.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.transaction import atomic

from accounts.choices import SigningPolicy
from accounts.permissions import Actor
from chargepoints import certifying, commands, errors, plug_and_charge
from chargepoints.certificate_providers import Order, ProviderError, Signed, SigningRefused, get_provider
from chargepoints.choices import (
    CertificateKind,
    CertificatePurpose,
    CertificateState,
    CommandStatus,
    SecurityProfile,
    Via,
)
from chargepoints.choices import CertificateRequestState as State
from chargepoints.models import CertificateRequest, ChargePoint, Command, Variable
from chargepoints.pki import reading, requests
from chargepoints.pki.reading import HashData
from chargepoints.services import certificates
from chargepoints.services.certificate_requests import FOR_VEHICLES
from csms_project.common import events

logger = logging.getLogger(__name__)

#: CertificateSigned of the whitepaper (§5.1), unless the charger's configuration says less: as 1.6 and 2.x call it.
MAX_CHAIN = 10_000
_CHAIN_LIMITS = (("", "certificatesignedmaxchainsize"), ("SecurityCtrlr", "maxcertificatechainsize"))
#: What a request is for → the argument of the delivery that says so.
_SCOPES = {
    CertificatePurpose.CONNECTION: "connection",
    CertificatePurpose.V2G: "plug_and_charge",
    CertificatePurpose.V2G_20: "plug_and_charge_20",
}
MAX_SIGNING_ATTEMPTS = 12
#: A delivery waits so long for a charger that is offline, and is then given anew.
DELIVERY_WAIT = timedelta(days=1)
BATCH = 50


def process_due(now: datetime) -> int:
    """Sign and deliver what is due; returns how many requests were touched."""
    due = CertificateRequest.objects.filter(next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
    done = 0
    for pk in list(due.filter(state=State.RECEIVED).values_list("pk", flat=True)[:BATCH]):
        done += _sign(pk, now)
    for pk in list(due.filter(state=State.SIGNED).values_list("pk", flat=True)[:BATCH]):
        done += _deliver(pk, now)
    return done


def _sign(pk: int, now: datetime) -> int:
    row = _find(pk, State.RECEIVED)
    if row is None:
        return 0
    station = row.charge_point
    if row.decided_at is None and (reason := _needs_a_person(station)):
        _hold(row, reason)
        return 1
    is_for_vehicles = row.purpose in FOR_VEHICLES
    try:
        # No transaction is open while somebody else is asked.
        signed = _ask_vehicles_provider(row) if is_for_vehicles else _ask_authority(row)
        with atomic():
            locked = _find(pk, State.RECEIVED, lock=True)
            if locked is None:  # superseded or refused meanwhile
                return 1
            key = reading.public_bytes(requests.read(row.csr).csr.public_key())
            locked.certificate = certificates.keep_signed(
                signed,
                charge_point=station,
                provider=_PLUG_AND_CHARGE if is_for_vehicles else get_provider().name,
                csr_key=key,
                kind=CertificateKind.V2G if is_for_vehicles else CertificateKind.CHARGER,
            )
            locked.state, locked.problem, locked.attempts = State.SIGNED, "", 0
            locked.next_attempt_at = now
            locked.save()
    except SigningRefused as error:
        _fail(row, str(error), now)
    except (ProviderError, plug_and_charge.ProviderError) as error:
        _try_again(row, str(error), now)
    except Exception as error:  # an outside provider may raise anything; its requests must not hold up others
        logger.exception("certificate.provider_failed", extra={"request": pk})
        _try_again(row, f"The certificate authority failed: {type(error).__name__}.", now)
    return 1


_PLUG_AND_CHARGE = "Plug & Charge provider"


def _ask_authority(row: CertificateRequest) -> Signed:
    order = Order(
        reference=f"request-{row.pk}",
        csr=row.csr,
        common_name=row.common_name,
        organization=row.organization,
        valid_days=row.charge_point.tenant.certificate_days,
    )
    return get_provider().sign(order)


def _ask_vehicles_provider(row: CertificateRequest) -> Signed:
    order = plug_and_charge.SigningOrder(
        csr=row.csr,
        reference=f"request-{row.pk}",
        purpose=row.purpose,
        root=HashData(**row.wanted_root) if row.wanted_root else None,
    )
    text = plug_and_charge.get_provider().sign_order(order)
    try:
        own, *above = [reading.to_pem(item) for item in reading.load_all(text)]
    except reading.UnreadableCertificate as error:
        raise ProviderError("The provider has answered with something that is no certificate.") from error
    return Signed(certificate=own, chain="".join(above), issuer=above[0] if above else "")


def _find(pk: int, state: State, *, lock: bool = False) -> CertificateRequest | None:
    rows = CertificateRequest.objects.select_related("charge_point__tenant", "certificate")
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    found: CertificateRequest | None = rows.filter(pk=pk, state=state).first()
    return found


def _needs_a_person(station: ChargePoint) -> str:
    """Why nobody signs by itself; "" when it may be."""
    if station.security_profile == SecurityProfile.NONE:
        return "The charger connects without a key: anybody could have sent this."
    if station.tenant.signing_policy == SigningPolicy.AUTOMATIC:
        return ""
    return "The organisation wants a person to approve."


def _hold(row: CertificateRequest, reason: str) -> None:
    row.state, row.problem, row.next_attempt_at = State.WAITING, reason, None
    row.save(update_fields=["state", "problem", "next_attempt_at", "updated_at"])
    _tell("certificate.request_waiting", row)


def _try_again(row: CertificateRequest, problem: str, now: datetime) -> None:
    attempts = row.attempts + 1
    if attempts >= MAX_SIGNING_ATTEMPTS:
        _fail(row, f"{problem} Given up after {attempts} attempts.", now)
        return
    CertificateRequest.objects.filter(pk=row.pk, state=row.state).update(
        attempts=attempts,
        problem=problem[:500],
        next_attempt_at=now + certifying.wait_before(attempts),
        updated_at=now,
    )


@atomic
def _fail(row: CertificateRequest, problem: str, now: datetime) -> None:
    locked = _find(row.pk, State(row.state), lock=True)
    if locked is not None:
        certifying.end(locked, State.FAILED, problem, now)
        _tell("certificate.request_failed", locked, problem=problem[:200])


# ---------------------------------------------------------------- delivery
def _deliver(pk: int, now: datetime) -> int:
    row = _find(pk, State.SIGNED)
    if row is None or row.certificate is None:
        return 0
    if row.certificate.state in (CertificateState.REVOKED, CertificateState.EXPIRED):
        _fail(row, "The certificate ended before it could be delivered.", now)
        return 1
    station, actor = row.charge_point, Actor.system("certificates", via=Via.JOB)
    chain = fitting_chain(row.certificate.full_chain, limit=chain_limit(station))
    if not chain:
        names = "CertificateSignedMaxChainSize, MaxCertificateChainSize"
        _fail(row, f"The charger takes no certificate of this size ({names}).", now)
        return 1
    payload = {"certificate_chain": chain, **_scope(row)}
    if row.ocpp_request_id is not None:
        payload["request_number"] = row.ocpp_request_id
    _withdraw_older(station, payload.get("scope"), actor)
    try:
        with atomic():
            command = commands.queue(
                actor=actor,
                charge_point=station,
                action="certificate_signed",
                payload=payload,
                expires_in=int(DELIVERY_WAIT.total_seconds()),
            )
            CertificateRequest.objects.filter(pk=pk, state=State.SIGNED).update(
                command=command, attempts=row.attempts + 1, next_attempt_at=None, updated_at=now
            )
    except errors.ChargePointsError as error:
        _try_again(row, str(error), now)
    return 1


def _scope(row: CertificateRequest) -> dict[str, Any]:
    """What the certificate is for, as the charger has said (2.0.1 A02.FR.14)."""
    return {"scope": _SCOPES[CertificatePurpose(row.purpose)]} if row.purpose else {}


def _withdraw_older(station: ChargePoint, scope: object, actor: Actor) -> None:
    """A delivery that still waits would bring a certificate that is out of date."""
    rows = Command.objects.select_related("charge_point").filter(
        charge_point=station, action="certificate_signed", status=CommandStatus.QUEUED
    )
    for command in rows:
        if command.payload.get("scope") != scope:
            continue
        try:
            commands.cancel(actor=actor, command=command)
        except errors.CommandNotCancellable:
            continue  # it has just been sent


def chain_limit(station: ChargePoint) -> int:
    """Characters that the charger takes, as it has told us."""
    names = Q()
    for component, name in _CHAIN_LIMITS:
        names |= Q(component__iexact=component, name_key=name)
    rows = Variable.objects.filter(names, charge_point=station, attribute="Actual").order_by("-updated_at")
    text = (rows.values_list("value", flat=True).first() or "").strip()
    return min(int(text), MAX_CHAIN) if text.isdecimal() and 0 < len(text) < 10 and int(text) else MAX_CHAIN


def fitting_chain(full: str, *, limit: int) -> str:
    """The certificate and as many of its authorities as fit, the nearest first; "" when not even it does."""
    chain = ""
    for certificate in reading.load_all(full):
        longer = chain + reading.to_pem(certificate)
        if len(longer) > limit:
            break
        chain = longer
    return chain


def _tell(kind: str, row: CertificateRequest, **data: str) -> None:
    events.record(
        kind,
        tenant_id=row.tenant_id,
        object_type="certificate_request",
        object_id=row.pk,
        charge_point=row.charge_point.identity,
        data={"common_name": row.common_name, **data},
    )
