"""Who may connect, who is connected where, and who was refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F

from accounts.choices import OnboardingMode
from accounts.models import Tenant
from chargepoints.choices import RefusalReason, RegistrationStatus, SecurityProfile
from chargepoints.commands import fail_sent_on_closed, fail_sent_on_replaced
from chargepoints.keys import hash_key, verify_key
from chargepoints.models import ChargePoint, Connection, RefusedConnection
from chargepoints.services.batch import Act, StationBatch
from csms_project.common.events import EventRow, event

MAX_WAITING_CHARGE_POINTS = 500
MAX_REFUSED_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A handshake: somebody asks to speak for an identity.

    password  the Basic password as sent, None when there was no usable Authorization header
    username  the Basic user name; must equal the identity (OCPP security whitepaper A00.FR.204)
    """

    identity: str
    received_at: datetime
    node_id: uuid.UUID
    ocpp_version: str
    username: bytes | None = None
    password: bytes | None = None
    is_secure: bool = False
    remote_address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The handshake succeeded. `replaced` names the socket that it displaces: (node, token)."""

    charge_point_id: int
    tenant_id: int
    identity: str
    token: uuid.UUID
    registration: RegistrationStatus
    was_accepted: bool
    strict_schema: bool
    replaced: tuple[uuid.UUID, uuid.UUID] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The handshake failed; `http_status` is the answer."""

    reason: RefusalReason
    http_status: int
    detail: str = ""


def decide_connect(request: Connect, batch: StationBatch) -> Connected | Refused:
    """Authenticate, then let the newest socket of an identity win, on any node.

    Spec: OCPP-J 1.6 §3.2, §6.2; OCPP 1.6 security whitepaper A00.
    """
    station = _find(request.identity)
    if station is None:
        station = _onboard(request, batch)
    refused = _check(request, station)
    if refused is not None:
        note_refusal(
            identity=request.identity,
            refused=refused,
            charge_point=station,
            at=request.received_at,
            remote_address=request.remote_address,
            user_agent=request.user_agent,
        )
        return refused
    assert station is not None
    _settle_key(request, station)
    return _take_over(request, station, batch)


def _find(identity: str) -> ChargePoint | None:
    return ChargePoint.objects.filter(identity_key=identity.casefold()).select_related("tenant").first()


def _check(request: Connect, station: ChargePoint | None) -> Refused | None:
    if station is None:
        return Refused(reason=RefusalReason.UNKNOWN_IDENTITY, http_status=404)
    if station.archived_at is not None:
        return Refused(reason=RefusalReason.ARCHIVED, http_status=404)
    if station.security_profile >= SecurityProfile.TLS_BASIC and not request.is_secure:
        return Refused(
            reason=RefusalReason.SECURITY_PROFILE,
            http_status=403,
            detail=f"set to profile {station.security_profile}, came without TLS",
        )
    if station.security_profile == SecurityProfile.TLS_CERTIFICATE:
        return Refused(
            reason=RefusalReason.SECURITY_PROFILE, http_status=403, detail="came without a client certificate"
        )
    if station.security_profile == SecurityProfile.NONE:
        return None
    return _check_key(request, station)


def _check_key(request: Connect, station: ChargePoint) -> Refused | None:
    if request.password is None or request.username is None:
        return Refused(reason=RefusalReason.NO_CREDENTIALS, http_status=401)
    if not station.key_hash:
        return Refused(reason=RefusalReason.NO_KEY_SET, http_status=401)
    try:
        same_name = request.username.decode().casefold() == station.identity_key
    except UnicodeDecodeError:
        same_name = False
    if not same_name:
        return Refused(
            reason=RefusalReason.WRONG_KEY, http_status=401, detail="user name is not the identity"
        )
    hashes = [value for value in (station.key_hash, station.pending_key_hash) if value]
    if not any(verify_key(request.password, value) for value in hashes):
        return Refused(reason=RefusalReason.WRONG_KEY, http_status=401)
    return None


def _settle_key(request: Connect, station: ChargePoint) -> None:
    """The first login after an unconfirmed key change decides which key stays (security whitepaper A01)."""
    if not station.pending_key_hash or request.password is None:
        return
    if verify_key(request.password, station.pending_key_hash):
        station.key_hash = station.pending_key_hash
    station.pending_key_hash = ""
    station.save(update_fields=["key_hash", "pending_key_hash", "updated_at"])


def _onboard(request: Connect, batch: StationBatch) -> ChargePoint | None:
    """Register an unknown charger where the default tenant says so; its key is taken on first use."""
    tenant = Tenant.objects.filter(slug=settings.DEFAULT_TENANT).first()
    if tenant is None or tenant.onboarding_mode == OnboardingMode.CLOSED:
        return None
    waits = tenant.onboarding_mode == OnboardingMode.PENDING
    unknown = ChargePoint.objects.filter(tenant=tenant, registration_status=RegistrationStatus.PENDING)
    if waits and unknown.count() >= MAX_WAITING_CHARGE_POINTS:
        return None
    station = ChargePoint.objects.create(
        tenant=tenant,
        identity=request.identity,
        security_profile=SecurityProfile.BASIC if request.password else SecurityProfile.NONE,
        key_hash=hash_key(request.password.hex()) if request.password else "",
        registration_status=RegistrationStatus.PENDING if waits else RegistrationStatus.ACCEPTED,
        note=f"Registered itself from {request.remote_address}.",
    )
    batch.add(
        event(
            "charge_point.onboarded",
            tenant_id=tenant.pk,
            object_type="charge_point",
            object_id=station.pk,
            charge_point=station.identity,
            data={"mode": tenant.onboarding_mode, "address": request.remote_address},
            at=request.received_at,
        )
    )
    return station


def _take_over(request: Connect, station: ChargePoint, batch: StationBatch) -> Connected:
    token = uuid.uuid4()
    old = Connection.objects.select_for_update(no_key=True).filter(charge_point=station).first()
    Connection.objects.update_or_create(
        charge_point=station,
        defaults={
            "tenant_id": station.tenant_id,
            "node_id": request.node_id,
            "token": token,
            "ocpp_version": request.ocpp_version,
            "security_profile": station.security_profile,
            "remote_address": request.remote_address[:64],
            "connected_at": request.received_at,
            "last_frame_at": request.received_at,
        },
    )
    # Also without an old row: that of a dead node is removed, what was sent on it is still outstanding.
    fail_sent_on_replaced(station.pk, token)
    batch.add(station_event("charge_point.connected", station, request.received_at))
    return Connected(
        charge_point_id=station.pk,
        tenant_id=station.tenant_id,
        identity=station.identity,
        token=token,
        registration=RegistrationStatus(station.registration_status),
        was_accepted=station.accepted_at is not None,
        strict_schema=station.strict_schema,
        replaced=(old.node_id, old.token) if old is not None else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """A socket has ended; its row goes only while it is still its own."""

    charge_point_id: int
    token: uuid.UUID
    at: datetime
    close_code: int | None = None


def decide_disconnect(request: Disconnect, batch: StationBatch) -> bool:
    """Forget a connection; false when a newer socket has taken its place."""
    fail_sent_on_closed({request.charge_point_id: request.token})
    rows = Connection.objects.filter(charge_point_id=request.charge_point_id, token=request.token)
    if not rows.delete()[0]:
        return False
    station = ChargePoint.objects.filter(pk=request.charge_point_id).first()
    if station is None:
        return True
    ChargePoint.objects.filter(pk=station.pk).update(last_seen_at=request.at)
    batch.add(station_event("charge_point.disconnected", station, request.at, {"code": request.close_code}))
    return True


def station_event(
    kind: str, station: ChargePoint, at: datetime, data: dict[str, object] | None = None
) -> EventRow:
    """A row for the outbox about a charge point."""
    return event(
        kind,
        tenant_id=station.tenant_id,
        object_type="charge_point",
        object_id=station.pk,
        charge_point=station.identity,
        data=data,
        at=at,
    )


def note_refusal(
    *,
    identity: str,
    refused: Refused,
    charge_point: ChargePoint | None,
    at: datetime,
    remote_address: str = "",
    user_agent: str = "",
    subprotocols: str = "",
) -> None:
    """Count a refused handshake per identity and reason; strangers cannot fill the table."""
    identity = identity[:100]
    text = {
        "detail": refused.detail[:255],
        "remote_address": remote_address[:64],
        "user_agent": user_agent[:200],
        "subprotocols": subprotocols[:200],
        "last_at": at,
    }
    rows = RefusedConnection.objects.filter(identity=identity, reason=refused.reason)
    if rows.update(count=F("count") + 1, **text):
        return
    if RefusedConnection.objects.count() >= MAX_REFUSED_ROWS:
        oldest = RefusedConnection.objects.order_by("last_at").values("pk")[: MAX_REFUSED_ROWS // 10]
        RefusedConnection.objects.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()
    RefusedConnection.objects.create(
        identity=identity,
        reason=refused.reason,
        charge_point=charge_point,
        tenant_id=charge_point.tenant_id if charge_point is not None else None,
        first_at=at,
        **text,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A handshake that failed before anybody was identified."""

    identity: str
    refused: Refused
    at: datetime
    remote_address: str = ""
    user_agent: str = ""
    subprotocols: str = ""


def decide_refusal(request: Refusal, batch: StationBatch) -> None:
    """List it for the operator."""
    station = _find(request.identity) if request.identity else None
    note_refusal(
        identity=request.identity,
        refused=request.refused,
        charge_point=station,
        at=request.at,
        remote_address=request.remote_address,
        user_agent=request.user_agent,
        subprotocols=request.subprotocols,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Signs of life since the last flush: charge point → (token, last frame, clock offset in s or None)."""

    charge_points: dict[int, tuple[uuid.UUID, datetime, int | None]]


def decide_seen(request: Seen, batch: StationBatch) -> None:
    """Write last-seen times with few statements for all chargers of a node."""
    by_time: dict[datetime, list[int]] = {}
    for charge_point_id, (_token, at, offset) in request.charge_points.items():
        by_time.setdefault(at.replace(microsecond=0), []).append(charge_point_id)
        if offset is not None:
            ChargePoint.objects.filter(pk=charge_point_id).exclude(clock_offset_s=offset).update(
                clock_offset_s=offset
            )
    for at, ids in by_time.items():
        tokens = [request.charge_points[pk][0] for pk in ids]
        Connection.objects.filter(charge_point_id__in=ids, token__in=tokens).update(last_frame_at=at)
        ChargePoint.objects.filter(pk__in=ids).update(last_seen_at=at)


CONNECT: Act[Connect, StationBatch] = Act(decide_connect)
DISCONNECT: Act[Disconnect, StationBatch] = Act(decide_disconnect)
REFUSAL: Act[Refusal, StationBatch] = Act(decide_refusal)
SEEN: Act[Seen, StationBatch] = Act(decide_seen)
