"""Starts of sessions, each taken once however often it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, token_key
from chargepoints.choices import ConnectorStatus, ReservationStatus
from chargepoints.models import Reservation
from chargepoints.selectors import profile_of
from chargepoints.services.batch import Act, FromCharger
from csms_project.common import bulk
from transactions.choices import EndKind, Flag, LedgerKind, TransactionState
from transactions.corrections import Correction
from transactions.models import CostDisplay, Transaction
from transactions.rows import LedgerRow
from transactions.services.batch import SessionBatch, digest_of
from transactions.services.cost_display import is_fresh, price_command
from transactions.services.sessions import (
    FUTURE_TOLERANCE,
    OFFLINE_AFTER,
    authorize_token,
    corrected,
    end_transaction,
    is_plausible,
    tell,
)
from transactions.services.settling import known_end
from transactions.services.tariffs import choose


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(FromCharger):
    """A charger says that a session has begun.

    started_at      charger's clock, None when unreadable; days in the past after an offline period
    meter_start_wh  register in Wh, not a difference; None when it cannot be used (see meter_start_raw)
    """

    connector_number: int
    id_token: str
    started_at: datetime | None
    meter_start_wh: Decimal | None
    meter_start_raw: str
    token_type: str = TokenType.ISO14443
    reservation_number: int | None = None
    #: Equal for the same start sent again; message ids differ then.
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        at = self.started_at.isoformat() if self.started_at else ""
        parts = (self.connector_number, at, self.meter_start_raw, self.id_token.casefold())
        object.__setattr__(self, "digest", digest_of("start", *parts))  # the class is frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Answer to a start: the id on the wire, and whether energy may flow."""

    ocpp_id: str
    authorization: Authorization


def want_start(request: Start, batch: SessionBatch) -> None:
    """A start reads charger, connector and token and looks for itself and for open sessions."""
    batch.want_charge_point(request.charge_point_id)
    batch.want_connectors(request.charge_point_id)
    batch.want_token(token_key(request.tenant_id, request.id_token))
    batch.want_start(request.charge_point_id, request.digest)


def decide_start(request: Start, batch: SessionBatch) -> Started:
    """Open a session and say whether energy may flow.

    A start that arrives again (lost answer, other message id, other socket, after its stop) gets the answer of the
    first time. A refused token opens a session as well: the charger needs an id to stop with.
    Spec: OCPP 1.6 §4.8, errata 3.54
    """
    authorization = authorize_token(request, request.id_token, request.token_type, batch)
    digest = request.digest
    known = _find_repeat(request, digest, batch)
    if known is not None:
        status = AuthorizationStatus(known.authorization_status)
        return Started(ocpp_id=known.ocpp_id, authorization=_with_status(authorization, status))
    if authorization.is_accepted and _has_too_many(authorization, request, batch):
        authorization = _with_status(authorization, AuthorizationStatus.CONCURRENT_TX)
    row = _open(request, digest, authorization, batch)
    _supersede_older(row, request, batch)
    _connect_reservation(row, request, batch)
    batch.add_transaction(row)
    if batch.charge_point(row.charge_point_id).shows_cost:
        _show_price(row, request, authorization, batch)
    _explain_start(row, request, batch)
    return Started(ocpp_id=row.ocpp_id, authorization=authorization)


def _find_repeat(request: Start, digest: str, batch: SessionBatch) -> Transaction | None:
    """The session that this very start has opened already.

    With a dead or unreadable clock every session starts at the same time and register: there only a session that is
    still open counts as the same, and of several the one that came last.
    """
    known = batch.transaction_by_digest(request.charge_point_id, digest)
    if known is not None and (known.is_active or is_plausible(request.started_at)):
        return known
    running = batch.open_transactions(request.charge_point_id)
    if not running:
        return None
    later = _later_digest(digest, "")
    same = [row for row in running if row.start_digest.startswith(later)]
    return max(same, key=lambda row: row.start_received_at, default=None)


def _later_digest(digest: str, ocpp_id: str) -> str:
    """The digest of a session whose start equals that of one that has ended: the same basis and its own id."""
    return f"{digest[:28]}-{ocpp_id}"


def _with_status(authorization: Authorization, status: AuthorizationStatus) -> Authorization:
    return Authorization(
        status=status,
        token=authorization.token,
        expires_at=authorization.expires_at if status is authorization.status else None,
        group_name=authorization.group_name,
    )


def _has_too_many(authorization: Authorization, request: Start, batch: SessionBatch) -> bool:
    """Whether the token is used up by sessions elsewhere; those on a connector that is free do not count."""
    token = authorization.token
    if token is None:
        return False
    tenant = batch.charge_point(request.charge_point_id).tenant
    limit = token.max_active_sessions if token.max_active_sessions is not None else tenant.max_active_sessions
    if limit is None:
        return False
    here = (request.charge_point_id, request.connector_number)
    stored = (
        Transaction.objects.filter(id_token=token, state=TransactionState.ACTIVE)
        .exclude(connector__status=ConnectorStatus.AVAILABLE)
        .exclude(charge_point_id=here[0], connector_number=here[1])
        .values_list("pk", flat=True)
    )
    running = sum(1 for pk in stored if not batch.has_ended(pk))
    fresh = sum(
        1
        for row in batch.added(Transaction)
        if row.id_token_id == token.pk
        and row.is_active
        and (row.charge_point_id, row.connector_number) != here
    )
    return running + fresh >= limit


def _open(request: Start, digest: str, authorization: Authorization, batch: SessionBatch) -> Transaction:
    station = batch.charge_point(request.charge_point_id)
    tenant, location = station.tenant, station.location  # each look at a related row costs a microsecond
    connector = batch.connector(request.charge_point_id, request.connector_number)
    chosen = choose(tenant=tenant, charge_point=station, location=location, id_token=authorization.token)
    zone = (location.time_zone if location else "") or tenant.time_zone
    duplicate = batch.transaction_by_digest(request.charge_point_id, digest)
    ocpp_id = batch.unused_ocpp16_id()
    correction = Correction.of(profile_of(station))
    row = bulk.make(
        Transaction,
        id=batch.unused_key(),
        tenant_id=station.tenant_id,
        charge_point_id=station.pk,
        evse_id=connector.evse_id if connector else None,
        connector_id=connector.pk if connector else None,
        connector_number=request.connector_number,
        ocpp_version=request.ocpp_version,
        ocpp_id=ocpp_id,
        start_digest=digest if duplicate is None else _later_digest(digest, ocpp_id),
        id_token_id=authorization.token.pk if authorization.token else None,
        id_token_value=request.id_token,
        group_name=authorization.group_name,
        authorization_status=authorization.status,
        reservation_number=request.reservation_number,
        remote_start_id=_remote_start(request, batch),
        started_at=request.started_at or request.received_at,
        start_received_at=request.received_at,
        meter_start_wh=correction.start_or_stop(request.meter_start_wh),
        meter_correction=correction.as_json(),
        meter_start_raw=request.meter_start_raw[:64],
        energy_wh=Decimal(0),
        tariff_id=chosen.tariff.pk if chosen.tariff else None,
        tariff_snapshot=chosen.snapshot,
        currency=chosen.currency,
        is_free=chosen.is_free,
        time_zone=zone,
    )
    _flag_start(row, request, authorization, duplicate is not None)
    return row


def _flag_start(row: Transaction, request: Start, authorization: Authorization, is_duplicate: bool) -> None:
    plausible = is_plausible(request.started_at)
    if is_duplicate:
        row.add_flag(Flag.POSSIBLE_DUPLICATE)
    if not plausible or row.started_at > request.received_at + FUTURE_TOLERANCE:
        row.add_flag(Flag.CLOCK_ANOMALY)
    if plausible and request.received_at - row.started_at > OFFLINE_AFTER:
        row.add_flag(Flag.OFFLINE)
    if not authorization.is_accepted:
        row.add_flag(Flag.REFUSED_TOKEN)
    if request.repairs:
        row.add_flag(Flag.REPAIRED)
    if row.meter_start_wh is None:
        row.add_flag(Flag.METER_UNREADABLE)


def _remote_start(request: Start, batch: SessionBatch) -> int | None:
    """The remote start that asked for this session: same token, same or any connector (OCPP 1.6 errata 3.32)."""
    commands = batch.remote_starts(request.charge_point_id)
    for command in commands:
        data: dict[str, Any] = command.payload
        token = str(data.get("id_token") or data.get("idTag") or "")
        connector = data.get("connector") or data.get("connectorId")
        if token.casefold() == request.id_token.casefold() and connector in (None, request.connector_number):
            commands.remove(command)
            return command.pk
    return None


def _supersede_older(row: Transaction, request: Start, batch: SessionBatch) -> None:
    """Close what is still open on the connector and began earlier; its real stop, if one comes, will win.

    The end is found as when a session is closed by hand; the gap before the next start is never charged.
    """
    for older in batch.open_transactions(row.charge_point_id):
        if older.connector_number != row.connector_number or older.started_at > row.started_at:
            continue
        ended_at, basis = known_end(
            older,
            [reading.at for reading in batch.readings(older)],
            latest=row.started_at,
            otherwise="the next start, because its samples go on after it",
        )
        older.end_note = (
            f"The next session started on the connector and no stop had come. The end is {basis}."
        )
        end_transaction(
            older,
            kind=EndKind.SUPERSEDED,
            ended_at=ended_at,
            at=request.received_at,
            batch=batch,
        )


def _connect_reservation(row: Transaction, request: Start, batch: SessionBatch) -> None:
    if request.reservation_number is None:
        return
    reservation = Reservation.objects.filter(
        charge_point_id=row.charge_point_id, reservation_id=request.reservation_number
    ).first()
    if reservation is None:
        return
    row.reservation = reservation
    if reservation.status in (ReservationStatus.ACTIVE, ReservationStatus.REQUESTED):
        reservation.status = ReservationStatus.USED
        reservation.ended_at = request.received_at
        reservation.end_reason = ""
        batch.change(reservation, "status", "ended_at", "end_reason")


def _show_price(row: Transaction, request: Start, authorization: Authorization, batch: SessionBatch) -> None:
    """Tell the charger's display the driver's price, and from now on what the session costs."""
    station = batch.charge_point(row.charge_point_id)
    batch.add(
        CostDisplay(tenant_id=row.tenant_id, charge_point_id=row.charge_point_id, transaction_id=row.pk)
    )
    if is_fresh(row.started_at, request.received_at):
        command = price_command(station, authorization, request.id_token, request.received_at)
        if command is not None:
            batch.add(command)


def _explain_start(row: Transaction, request: Start, batch: SessionBatch) -> None:
    tenant_id, pk, at, message = row.tenant_id, row.pk, request.received_at, request.message_id

    def note(kind: LedgerKind, text: str, data: dict[str, Any]) -> None:
        batch.add(LedgerRow(tenant_id, pk, kind.value, text[:400], data, message, at))

    note(
        LedgerKind.START,
        f"Started on connector {row.connector_number} at register {request.meter_start_raw} Wh. "
        f"Token {row.id_token_value}: {row.authorization_status}.",
        {"meter_start": request.meter_start_raw, "started_at": row.started_at, "received_at": at},
    )
    if row.meter_correction:
        correction = Correction.from_json(row.meter_correction)
        note(LedgerKind.NOTE, correction.in_words(), row.meter_correction)
        if request.meter_start_wh != row.meter_start_wh:
            note(LedgerKind.NOTE, corrected("Start", request.meter_start_raw, row.meter_start_wh), {})
    name = "free of charge" if row.is_free else (row.tariff_snapshot or {}).get("name", "")
    # The prices stand in the session itself, and never change.
    note(LedgerKind.TARIFF, f"Tariff: {name}.", {"tariff": row.tariff_id})
    for repair in request.repairs:
        note(LedgerKind.ANOMALY, f"StartTransaction: {repair}", {})
    for value in row.flags:
        note(LedgerKind.ANOMALY, str(Flag(value).label), {})
    tell(row, "transaction.started", at=at, batch=batch)


START: Act[Start, SessionBatch] = Act(decide_start, want_start)
