"""Who may connect, who is connected where, and who was refused."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from accounts.choices import OnboardingMode
from accounts.models import Tenant
from chargepoints import profile_changes
from chargepoints.admission import Evidence, Terms, Verdict, judge
from chargepoints.choices import RefusalReason, RegistrationStatus, SecurityProfile
from chargepoints.client_certificates import ClientCertificate, find_fault
from chargepoints.keys import hash_key, is_text, verify_key
from chargepoints.models import ChargePoint, Connection
from chargepoints.models.sites import is_strict, keeps_repairs
from chargepoints.services.batch import Act, StationBatch
from chargepoints.services.presence import ConnectionRow, Presence, RefusedRow, Station
from chargepoints.services.shown_certificates import ShownCertificates
from csms_project.common import bulk
from csms_project.common.events import EventRow, event

MAX_WAITING_CHARGE_POINTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A handshake: somebody asks to speak for an identity.

    password     the Basic password as sent, None when there was no usable Authorization header
    password_is_text  in this version of OCPP it is text, and not the bytes that a text may spell (2.0.1 A00.FR.205)
    username     the Basic user name; must equal the identity (OCPP security whitepaper A00.FR.204)
    certificate  the client certificate, whose signatures and path were checked
    """

    identity: str
    received_at: datetime
    node_id: uuid.UUID
    ocpp_version: str
    username: bytes | None = None
    password: bytes | None = None
    password_is_text: bool = False
    is_secure: bool = False
    certificate: ClientCertificate | None = None
    remote_address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The handshake succeeded. `replaced` names the socket that it displaces: (node, token).

    certificate_names  the common names of the certificate by which it was let in; empty: by none
    """

    charge_point_id: int
    tenant_id: int
    identity: str
    token: uuid.UUID
    registration: RegistrationStatus
    was_accepted: bool
    strict_schema: bool
    keeps_repairs: bool = True
    certificate_names: tuple[str, ...] = ()
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
    if request.certificate is not None:
        batch.part(ShownCertificates).want(request.certificate)


def decide_connect(request: Connect, batch: StationBatch) -> Connected | Refused:
    """Authenticate, then let the newest socket of an identity win, on any node.

    Spec: OCPP-J 1.6 §3.2, §6.2; OCPP 1.6 security whitepaper A00.
    """
    presence = batch.part(Presence)
    station = presence.find(request.identity)
    if station is None:
        station = _onboard(request, batch)
    if station is not None and station.pending_security_profile is not None:
        station = presence.lock(station)
    if station is not None and request.certificate is not None:
        judged = batch.part(ShownCertificates).judged(request.certificate, station.id)
        request = replace(request, certificate=judged)
    verdict = _check(request, station, presence)
    if verdict.reason is not None:
        refused = Refused(reason=verdict.reason, http_status=verdict.http_status, detail=verdict.detail)
        row = _refused_row(request.identity, refused, station, request.received_at)
        presence.refuse(
            row._replace(remote_address=request.remote_address[:64], user_agent=request.user_agent[:200])
        )
        return refused
    assert station is not None
    if verdict.profile == SecurityProfile.TLS_CERTIFICATE and request.certificate is not None:
        batch.part(ShownCertificates).used(request.certificate, request.received_at)
    station = _settle_profile(request, station, verdict, presence, batch)
    done = _take_over(request, _settle_key(request, station, presence), verdict.profile, batch)
    if verdict.profile == SecurityProfile.TLS_CERTIFICATE and request.certificate is not None:
        done = replace(done, certificate_names=request.certificate.common_names)
    return done


def _check(request: Connect, station: Station | None, presence: Presence) -> Verdict:
    if station is None:
        return Verdict(profile=0, reason=RefusalReason.UNKNOWN_IDENTITY, http_status=404)
    if station.archived_at is not None:
        return Verdict(profile=0, reason=RefusalReason.ARCHIVED, http_status=404)
    evidence = Evidence(
        is_secure=request.is_secure,
        username=request.username,
        password=request.password,
        is_text=request.password_is_text,
        certificate=request.certificate,
    )
    return judge(evidence, _terms(station, presence))


def _terms(station: Station, presence: Presence) -> Terms:
    serial_numbers = (station.serial_number, station.box_serial_number)
    named = (station.certificate_name,) if station.certificate_name else (station.identity, *serial_numbers)
    wants_certificate = SecurityProfile.TLS_CERTIFICATE in (
        station.security_profile,
        station.pending_security_profile,
    )
    own = {presence.organisation(station.tenant_id)} if wants_certificate else set()
    return Terms(
        identity_key=station.identity_key,
        profile=station.security_profile,
        pending_profile=station.pending_security_profile,
        key_hashes=tuple(value for value in (station.key_hash, station.pending_key_hash) if value),
        names=named,
        organisations=frozenset(own | set(settings.TLS_CLIENT_ORGANISATIONS)),
        accept_higher=settings.OCPP_ACCEPT_HIGHER_PROFILE,
    )


def _settle_profile(
    request: Connect, station: Station, verdict: Verdict, presence: Presence, batch: StationBatch
) -> Station:
    """The first success with the profile of an upgrade ends the old one; the old one again is noted (A05)."""
    target = station.pending_security_profile
    if target is None:
        return station
    at, came = request.received_at, verdict.profile
    if came != target:
        if profile_changes.came_back(
            station.id, verdict.profile, _why_not(request, target, presence, station)
        ):
            data = {"profile": came, "target": target}
            batch.add(station_event("charge_point.profile_fell_back", station, at, data))
        return station
    profile_changes.succeeded(station.id, target, at)
    data = {"from": station.security_profile, "to": target}
    batch.add(station_event("charge_point.profile_upgraded", station, at, data))
    station = station._replace(security_profile=target, pending_security_profile=None)
    presence.know(station)
    return station


def _why_not(request: Connect, target: int, presence: Presence, station: Station) -> str:
    """What was wrong with a certificate that came along with the old profile."""
    if target != SecurityProfile.TLS_CERTIFICATE or request.certificate is None:
        return ""
    terms = _terms(station, presence)
    return find_fault(request.certificate, names=terms.names, organisations=terms.organisations)


def _settle_key(request: Connect, station: Station, presence: Presence) -> Station:
    """The first login after an unconfirmed key change decides which key stays (security whitepaper A01)."""
    if not station.pending_key_hash or request.password is None:
        return station
    proven = verify_key(request.password, station.pending_key_hash, text_only=request.password_is_text)
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
    if request.password and request.password_is_text and not is_text(request.password):
        return None  # it could never sign in with it again
    waits = tenant.onboarding_mode == OnboardingMode.PENDING
    unknown = ChargePoint.objects.filter(tenant=tenant, registration_status=RegistrationStatus.PENDING)
    if waits and unknown.count() >= MAX_WAITING_CHARGE_POINTS:
        return None
    profile = _first_profile(request, tenant)
    by_certificate = profile == SecurityProfile.TLS_CERTIFICATE
    row = ChargePoint.objects.create(
        tenant=tenant,
        identity=request.identity,
        security_profile=profile,
        certificate_name=_certificate_name(request) if by_certificate else "",
        key_hash=hash_key(request.password.hex()) if request.password else "",
        registration_status=RegistrationStatus.PENDING if waits else RegistrationStatus.ACCEPTED,
        note=f"Registered itself from {request.remote_address}.",
    )
    station = Station._make(getattr(row, name) for name in Station._fields)
    presence.know(station)
    data = {"mode": tenant.onboarding_mode, "address": request.remote_address}
    batch.add(station_event("charge_point.onboarded", station, request.received_at, data))
    return station


def _first_profile(request: Connect, tenant: Tenant) -> SecurityProfile:
    """The profile that a stranger keeps: the one it comes with."""
    if request.password:
        return SecurityProfile.TLS_BASIC if request.is_secure else SecurityProfile.BASIC
    if request.is_secure and request.certificate is not None:
        organisations = {tenant.certificate_organization, *settings.TLS_CLIENT_ORGANISATIONS}
        names = request.certificate.common_names
        if not find_fault(request.certificate, names=names, organisations=organisations):
            return SecurityProfile.TLS_CERTIFICATE
    return SecurityProfile.NONE


def _certificate_name(request: Connect) -> str:
    names = request.certificate.common_names if request.certificate is not None else ()
    return "" if request.identity in names else names[0][:64]


def _take_over(request: Connect, station: Station, profile: int, batch: StationBatch) -> Connected:
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
            security_profile=profile,
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
