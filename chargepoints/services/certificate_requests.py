"""Requests of chargers for a certificate (whitepaper and 2.0.1 A02, A03): taken in, approved or refused by people.

The charger is answered after a look at its request; a background job (`signing`) asks the authority and delivers. The
newest request of a charger for a purpose counts: those before it are superseded.  What it shows to vehicles is signed
by the Plug & Charge provider, the rest by the authority of the connection.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.choices import SigningPolicy
from accounts.permissions import Actor
from chargepoints import errors, plug_and_charge, security_events
from chargepoints.certificate_providers import Order, get_provider
from chargepoints.choices import CertificatePurpose, CertificateState
from chargepoints.choices import CertificateRequestState as State
from chargepoints.models import Certificate, CertificateRequest, ChargePoint
from chargepoints.pki import keys, reading, requests
from chargepoints.pki.reading import HashData
from chargepoints.services import certificates, reports
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common import audit, jobs

CHANGE = "certificates.change"
JOB = "chargepoints.sign_certificates"
FOR_VEHICLES = (CertificatePurpose.V2G, CertificatePurpose.V2G_20)
_OPEN = (State.RECEIVED, State.WAITING, State.SIGNED)
_HOUR = timedelta(hours=1)


# ---------------------------------------------------------------- the message
@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest(FromCharger):
    """A charger wants its public key signed.

    purpose     of CertificatePurpose; "": it did not say
    request_id  its own number of the request, which comes back with the certificate (2.1 A02.FR.25)
    root        below which root, where it says so
    """

    csr: str
    purpose: str = ""
    request_id: int | None = None
    root: HashData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningAnswer:
    """Whether it will be tried, or why not (whitepaper A02.FR.11, A02.FR.12)."""

    is_accepted: bool
    problem: str = ""


def decide_request(request: SigningRequest, batch: StationBatch) -> SigningAnswer:
    """Take a request in, or refuse it with a security event that says why."""
    station = batch.charge_point(request.charge_point_id)
    try:
        _take_in(request, station)
    except requests.BadRequest as error:
        report = reports.SecurityReport(
            **{name: getattr(request, name) for name in _FACTS},
            type=security_events.SIGNING_REFUSED,
            at=None,
            tech_info=str(error)[:255],
        )
        reports.decide_security_event(report, batch)
        return SigningAnswer(is_accepted=False, problem=str(error))
    return SigningAnswer(is_accepted=True)


_FACTS = ("charge_point_id", "tenant_id", "received_at", "message_id", "ocpp_version", "repairs")


def _take_in(request: SigningRequest, station: ChargePoint) -> None:
    """Store a good request; raises BadRequest."""
    if station.tenant.signing_policy == SigningPolicy.NEVER:
        raise requests.BadRequest("The organisation signs no certificates of chargers.")
    is_for_vehicles = request.purpose in FOR_VEHICLES
    provider = plug_and_charge.get_provider() if is_for_vehicles else get_provider()
    if problem := provider.problem():
        raise requests.BadRequest(problem)
    read = _check_for_vehicles(request.csr) if is_for_vehicles else check(request.csr, station)
    earlier = CertificateRequest.objects.filter(charge_point_id=station.pk)
    same = earlier.filter(digest=read.digest, purpose=request.purpose, state__in=_OPEN)
    if _is_under_way(same, request):
        return  # our answer was lost: it is being worked on
    if earlier.filter(received_at__gt=request.received_at - _HOUR).count() >= settings.PKI_REQUESTS_PER_HOUR:
        raise requests.BadRequest(
            f"More than {settings.PKI_REQUESTS_PER_HOUR} certificate requests within an hour."
        )
    _supersede(station.pk, request.purpose, request.received_at)
    CertificateRequest.objects.create(
        tenant_id=station.tenant_id,
        charge_point_id=station.pk,
        purpose=request.purpose,
        ocpp_request_id=request.request_id,
        wanted_root=asdict(request.root) if request.root is not None else None,
        received_at=request.received_at,
        csr=read.pem,
        digest=read.digest,
        subject=read.subject[:500],
        common_name=read.common_name[:200],
        organization=read.organization[:200],
        key=read.key[:40],
        next_attempt_at=request.received_at,
    )


def _is_under_way(same: QuerySet[CertificateRequest], request: SigningRequest) -> bool:
    """Whether a repeat is being worked on; the charger may have given it another number meanwhile."""
    row = same.order_by("-pk").first()
    if row is not None and row.ocpp_request_id != request.request_id:
        same.filter(pk=row.pk).update(ocpp_request_id=request.request_id, updated_at=request.received_at)
    return row is not None


def _check_for_vehicles(csr: str) -> requests.Request:
    """Vehicles of ISO 15118 check ECDSA only; whose it must be is for the provider to say.  Raises BadRequest."""
    read = requests.read(csr)
    if read.family != keys.KeyFamily.EC:
        raise requests.BadRequest(f"The key is {read.key}; a certificate for vehicles needs an ECDSA key.")
    return read


def check(csr: str, station: ChargePoint) -> requests.Request:
    """A request that is well-formed, strong enough, and of this charger and its operator.

    Raises  BadRequest
    """
    read = requests.read(csr)
    names = (
        station.certificate_name,
        station.serial_number,
        station.box_serial_number,
        station.identity,
    )
    requests.check_owner(read, names=names, organization=station.tenant.certificate_organization)
    return read


def _supersede(charge_point_id: int, purpose: str, now: datetime) -> None:
    """The newest request counts: what was signed for those before it and not delivered is of no use."""
    older = CertificateRequest.objects.filter(
        charge_point_id=charge_point_id, purpose=purpose, state__in=_OPEN
    )
    Certificate.objects.filter(request__in=older, state=CertificateState.ISSUED).update(
        state=CertificateState.SUPERSEDED, superseded_at=now, updated_at=now
    )
    older.update(
        state=State.SUPERSEDED,
        problem="The charger has sent a newer request.",
        ended_at=now,
        next_attempt_at=None,
        updated_at=now,
    )


def _want(request: SigningRequest, batch: StationBatch) -> None:
    batch.want_charge_point(request.charge_point_id, whole=True)


SIGN: Act[SigningRequest, StationBatch] = Act(decide_request, _want)


# ---------------------------------------------------------------- people
@atomic
def approve(*, actor: Actor, request: CertificateRequest) -> CertificateRequest:
    """Let a request that waits be signed.

    Raises  PermissionRefused, RequestDecided
    """
    return _decide(actor, request, State.RECEIVED, "", "certificates.approve_request")


@atomic
def refuse(*, actor: Actor, request: CertificateRequest, reason: str = "") -> CertificateRequest:
    """Turn a request away that waits; the charger is told nothing (whitepaper A02, error handling).

    Raises  PermissionRefused, RequestDecided
    """
    problem = reason.strip() or "Refused by a person."
    return _decide(actor, request, State.REFUSED, problem, "certificates.refuse_request")


def _decide(
    actor: Actor, request: CertificateRequest, state: State, problem: str, act: str
) -> CertificateRequest:
    require(actor, CHANGE, request)
    now = timezone.now()
    is_end = state == State.REFUSED
    changed = CertificateRequest.objects.filter(pk=request.pk, state=State.WAITING).update(
        state=state,
        problem=problem[:500],
        decided_by_name=actor.name[:150],
        decided_at=now,
        next_attempt_at=None if is_end else now,
        ended_at=now if is_end else None,
        updated_at=now,
    )
    if not changed:
        raise errors.RequestDecided
    request.refresh_from_db()
    audit.record(actor, act, request, changes={"state": ["waiting", state]})
    if not is_end:
        jobs.enqueue(JOB)
    return request


@atomic
def try_again(*, actor: Actor, request: CertificateRequest) -> CertificateRequest:
    """Give a request that has failed another go, from where it stood.

    Raises  PermissionRefused, RequestDecided
    """
    require(actor, CHANGE, request)
    rows = CertificateRequest.objects.select_related("charge_point", "certificate")
    rows = rows.select_for_update(of=("self",), no_key=True)
    row: CertificateRequest | None = rows.filter(pk=request.pk, state=State.FAILED).first()
    newer = CertificateRequest.objects.filter(
        charge_point_id=request.charge_point_id, purpose=request.purpose, pk__gt=request.pk
    )
    if row is None or newer.exists():
        raise errors.RequestDecided(
            "Only the newest request of a charger can be tried again, after it failed."
        )
    now = timezone.now()
    if row.certificate is not None and row.certificate.state == CertificateState.REJECTED:
        Certificate.objects.filter(pk=row.certificate.pk).update(
            state=CertificateState.ISSUED, updated_at=now
        )
    row.state = State.RECEIVED if row.certificate is None else State.SIGNED
    row.attempts, row.ended_at, row.next_attempt_at = 0, None, now
    row.decided_at, row.decided_by_name = now, actor.name[:150]
    row.save()
    audit.record(actor, "certificates.retry_request", row, changes={"state": ["failed", row.state]})
    jobs.enqueue(JOB)
    return row


def sign_for(*, actor: Actor, charge_point: ChargePoint, csr: str) -> Certificate:
    """Sign a request that came by another way than OCPP, such as a file; nothing is sent to the charger.

    Raises  PermissionRefused, BadCertificateRequest, NoAuthority, ProviderError
    """
    require(actor, CHANGE, charge_point)
    try:
        read = check(csr, charge_point)
    except requests.BadRequest as error:
        raise errors.BadCertificateRequest(str(error)) from error
    provider = get_provider()
    if problem := provider.problem():
        raise errors.NoAuthority(problem)
    signed = provider.sign(
        Order(
            reference=f"file-{read.digest[:32]}",
            csr=read.pem,
            common_name=read.common_name,
            organization=read.organization,
            valid_days=charge_point.tenant.certificate_days,
        )
    )
    with atomic():
        made = certificates.keep_signed(
            signed,
            charge_point=charge_point,
            provider=provider.name,
            csr_key=reading.public_bytes(read.csr.public_key()),
        )
        audit.record(actor, "certificates.sign", made, changes={"fingerprint": [None, made.fingerprint]})
    return made
