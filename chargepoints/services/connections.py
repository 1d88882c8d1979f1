"""Who may connect, who is connected where, and who was refused."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from accounts.choices import OnboardingMode
from chargepoints.choices import RefusalReason, RegistrationStatus, SecurityProfile
from chargepoints.keys import hash_key, verify_key
from chargepoints.models import ChargePoint, Connection
from chargepoints.models.sites import is_strict, keeps_repairs
from chargepoints.services.batch import Act, StationBatch
from chargepoints.services.presence import ConnectionRow, Presence, RefusedRow, Station
from csms_project.common import bulk
from csms_project.common.events import EventRow, event

MAX_WAITING_CHARGE_POINTS = 500


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
    keeps_repairs: bool = True
    replaced: tuple[uuid.UUID, uuid.UUID] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The handshake failed; `http_status` is the answer."""

    reason: RefusalReason
    http_status: int
    detail: str = ""


def want_connect(request: Connect, batch: StationBatch) -> None:
    """A handshake needs its charge point, and the socket that speaks for it now."""
    batch.part(Presence).want_identity(request.identity)


def decide_connect(request: Connect, batch: StationBatch) -> Connected | Refused:
    """Authenticate, then let the newest socket of an identity win, on any node.

    Spec: OCPP-J 1.6 §3.2, §6.2; OCPP 1.6 security whitepaper A00.
    """
    presence = batch.part(Presence)
    station = presence.find(request.identity)
    if station is None:
        station = _onboard(request, batch)
    refused = _check(request, station)
    if refused is not None:
        row = _refused_row(request.identity, refused, station, request.received_at)
        presence.refuse(
            row._replace(remote_address=request.remote_address[:64], user_agent=request.user_agent[:200])
        )
        return refused
    assert station is not None
    return _take_over(request, _settle_key(request, station, presence), batch)


def _check(request: Connect, station: Station | None) -> Refused | None:
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


def _check_key(request: Connect, station: Station) -> Refused | None:
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


def _settle_key(request: Connect, station: Station, presence: Presence) -> Station:
    """The first login after an unconfirmed key change decides which key stays (security whitepaper A01)."""
    if not station.pending_key_hash or request.password is None:
        return station
    proven = verify_key(request.password, station.pending_key_hash)
    key_hash = station.pending_key_hash if proven else station.key_hash
    rows = ChargePoint.objects.filter(pk=station.id, pending_key_hash=station.pending_key_hash)
    rows.update(key_hash=key_hash, pending_key_hash="", updated_at=request.received_at)
    station = station._replace(key_hash=key_hash, pending_key_hash="")
    presence.know(station)
    return station


def _onboard(request: Connect, batch: StationBatch) -> Station | None:
    """Register an unknown charger where the default tenant says so; its key is taken on first use."""
    presence = batch.part(Presence)
    tenant = presence.host()
    if tenant is None or tenant.onboarding_mode == OnboardingMode.CLOSED:
        return None
    waits = tenant.onboarding_mode == OnboardingMode.PENDING
    unknown = ChargePoint.objects.filter(tenant=tenant, registration_status=RegistrationStatus.PENDING)
    if waits and unknown.count() >= MAX_WAITING_CHARGE_POINTS:
        return None
    row = ChargePoint.objects.create(
        tenant=tenant,
        identity=request.identity,
        security_profile=SecurityProfile.BASIC if request.password else SecurityProfile.NONE,
        key_hash=hash_key(request.password.hex()) if request.password else "",
        registration_status=RegistrationStatus.PENDING if waits else RegistrationStatus.ACCEPTED,
        note=f"Registered itself from {request.remote_address}.",
    )
    station = Station._make(getattr(row, name) for name in Station._fields)
    presence.know(station)
    data = {"mode": tenant.onboarding_mode, "address": request.remote_address}
    batch.add(station_event("charge_point.onboarded", station, request.received_at, data))
    return station


def _take_over(request: Connect, station: Station, batch: StationBatch) -> Connected:
    token = uuid.uuid4()
    presence = batch.part(Presence)
    old = presence.live(station.id)
    presence.take(
        ConnectionRow(
            charge_point_id=station.id,
            tenant_id=station.tenant_id,
            node_id=request.node_id,
            token=token,
            ocpp_version=request.ocpp_version,
            security_profile=station.security_profile,
            remote_address=request.remote_address[:64],
            connected_at=request.received_at,
            last_frame_at=request.received_at,
        )
    )
    batch.add(station_event("charge_point.connected", station, request.received_at))
    return Connected(
        charge_point_id=station.id,
        tenant_id=station.tenant_id,
        identity=station.identity,
        token=token,
        registration=RegistrationStatus(station.registration_status),
        was_accepted=station.accepted_at is not None,
        strict_schema=is_strict(station.strict_schema, station.profile_flags),
        keeps_repairs=keeps_repairs(station.profile_flags),
        replaced=(old.node_id, old.token) if old is not None else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """A socket has ended; its row goes only while it is still its own."""

    charge_point_id: int
    token: uuid.UUID
    at: datetime
    close_code: int | None = None


def want_disconnect(request: Disconnect, batch: StationBatch) -> None:
    """An end needs to know whose socket speaks for the charge point."""
    batch.part(Presence).want_socket(request.charge_point_id)


def decide_disconnect(request: Disconnect, batch: StationBatch) -> bool:
    """Forget a connection; false when a newer socket has taken its place."""
    presence = batch.part(Presence)
    if not presence.end(request.charge_point_id, request.token, request.at):
        return False
    station = presence.get(request.charge_point_id)
    if station is not None:
        data = {"code": request.close_code}
        batch.add(station_event("charge_point.disconnected", station, request.at, data))
    return True


def station_event(
    kind: str, station: Station | ChargePoint, at: datetime, data: Mapping[str, object] | None = None
) -> EventRow:
    """A row for the outbox about a charge point."""
    return event(
        kind,
        tenant_id=station.tenant_id,
        object_type="charge_point",
        object_id=station.id,
        charge_point=station.identity,
        data=dict(data or {}),
        at=at,
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


def want_refusal(request: Refusal, batch: StationBatch) -> None:
    """Whose charger it may be."""
    if request.identity:
        batch.part(Presence).want_identity(request.identity)


def decide_refusal(request: Refusal, batch: StationBatch) -> None:
    """List it for the operator."""
    presence = batch.part(Presence)
    station = presence.find(request.identity) if request.identity else None
    row = _refused_row(request.identity, request.refused, station, request.at)
    presence.refuse(
        row._replace(
            remote_address=request.remote_address[:64],
            user_agent=request.user_agent[:200],
            subprotocols=request.subprotocols[:200],
        )
    )


def _refused_row(identity: str, refused: Refused, station: Station | None, at: datetime) -> RefusedRow:
    return RefusedRow(
        identity=identity[:100],
        reason=refused.reason,
        charge_point_id=station.id if station is not None else None,
        tenant_id=station.tenant_id if station is not None else None,
        first_at=at,
        last_at=at,
        count=1,
        detail=refused.detail[:255],
        remote_address="",
        user_agent="",
        subprotocols="",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Signs of life since the last flush: charge point → (token, last frame, clock offset in s or None)."""

    charge_points: dict[int, tuple[uuid.UUID, datetime, int | None]]


def decide_seen(request: Seen, batch: StationBatch) -> None:
    """Write last-seen times with three statements for all chargers of a node."""
    seen = sorted(request.charge_points.items())
    bulk.write(
        Connection,
        ("charge_point_id", "token"),
        ("last_frame_at",),
        [(pk, token, at) for pk, (token, at, _) in seen],
    )
    bulk.write(ChargePoint, ("id",), ("last_seen_at",), [(pk, at) for pk, (_, at, _) in seen])
    offsets = [(pk, offset) for pk, (_, _, offset) in seen if offset is not None]
    bulk.write(ChargePoint, ("id",), ("clock_offset_s",), offsets)


CONNECT: Act[Connect, StationBatch] = Act(decide_connect, want_connect)
DISCONNECT: Act[Disconnect, StationBatch] = Act(decide_disconnect, want_disconnect)
REFUSAL: Act[Refusal, StationBatch] = Act(decide_refusal, want_refusal)
SEEN: Act[Seen, StationBatch] = Act(decide_seen)
