"""Sessions as chargers report them: starts and stops, each taken once however often it arrives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, authorize, token_key
from chargepoints.choices import ConnectorStatus, ReservationStatus
from chargepoints.models import ChargePoint, Command, Reservation
from chargepoints.services.batch import Act, FromCharger
from csms_project.common.events import event
from transactions.choices import EndKind, Flag, LedgerKind, TransactionState
from transactions.energy import MAX_REGISTER_WH, session_energy
from transactions.models import Transaction
from transactions.services.batch import Moment, SessionBatch, digest_of
from transactions.services.metering import note_anomalies, store_moment
from transactions.services.tariffs import choose, price_transaction

EARLIEST_YEAR = 2015  # a clock before that was never set
FUTURE_TOLERANCE = timedelta(minutes=5)
OFFLINE_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorize(FromCharger):
    """May this token charge?  Spec: OCPP 1.6 §4.1"""

    id_token: str
    token_type: str = TokenType.ISO14443


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

    @property
    def digest(self) -> str:
        """Equal for the same start sent again; message ids differ then."""
        at = self.started_at.isoformat() if self.started_at else ""
        return digest_of("start", self.connector_number, at, self.meter_start_raw, self.id_token.casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Answer to a start: the id on the wire, and whether energy may flow."""

    ocpp_id: str
    authorization: Authorization


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(FromCharger):
    """A charger says that a session has ended; it cannot be refused (OCPP 1.6 §4.10)."""

    ocpp_id: str
    ended_at: datetime | None
    meter_stop_wh: Decimal | None
    meter_stop_raw: str
    reason: str
    id_token: str | None = None
    token_type: str = TokenType.ISO14443
    moments: tuple[Moment, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for the same stop sent again."""
        at = self.ended_at.isoformat() if self.ended_at else ""
        token = (self.id_token or "").casefold()
        return digest_of("stop", self.ocpp_id, at, self.meter_stop_raw, self.reason, token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Answer to a stop; the token's status only if the request named one."""

    authorization: Authorization | None
    transaction: Transaction


# ------------------------------------------------------------------ authorize


def want_authorize(request: Authorize, batch: SessionBatch) -> None:
    """The token and the charger's mode."""
    batch.want_charge_point(request.charge_point_id)
    batch.want_token(token_key(request.tenant_id, request.id_token))


def decide_authorize(request: Authorize, batch: SessionBatch) -> Authorization:
    """Decide about a token; never ConcurrentTx, else nobody could stop his own session (OCPP 1.6 §7.2)."""
    return _authorize(request, request.id_token, request.token_type, batch)


def _authorize(request: FromCharger, value: str, type: str, batch: SessionBatch) -> Authorization:
    station = batch.charge_point(request.charge_point_id)
    return authorize(
        tenant=station.tenant,
        mode=station.authorization_mode or station.tenant.authorization_mode,
        candidates=batch.tokens(token_key(request.tenant_id, value)),
        now=request.received_at,
        type=type,
    )


# ------------------------------------------------------------------ start


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
    authorization = _authorize(request, request.id_token, request.token_type, batch)
    known = _find_repeat(request, batch)
    if known is not None:
        status = AuthorizationStatus(known.authorization_status)
        return Started(ocpp_id=known.ocpp_id, authorization=_with_status(authorization, status))
    if authorization.is_accepted and _has_too_many(authorization, request, batch):
        authorization = _with_status(authorization, AuthorizationStatus.CONCURRENT_TX)
    row = _open(request, authorization, batch)
    _supersede_older(row, request, batch)
    _connect_reservation(row, request, batch)
    batch.add_transaction(row)
    _explain_start(row, request, batch)
    return Started(ocpp_id=row.ocpp_id, authorization=authorization)


def _find_repeat(request: Start, batch: SessionBatch) -> Transaction | None:
    """The session that this very start has opened already.

    With a dead clock every session starts in 1970 at the same register: there only a session that is still open
    counts as the same.
    """
    known = batch.transaction_by_digest(request.charge_point_id, request.digest)
    if known is not None and (known.is_active or _is_plausible(request.started_at)):
        return known
    for row in batch.open_transactions(request.charge_point_id):
        same_start = row.connector_number == request.connector_number and row.started_at == request.started_at
        if same_start and row.meter_start_raw == request.meter_start_raw and _same_token(row, request):
            return row
    return None


def _same_token(row: Transaction, request: Start) -> bool:
    return row.id_token_value.casefold() == request.id_token.casefold()


def _is_plausible(at: datetime | None) -> bool:
    return at is not None and at.year >= EARLIEST_YEAR


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


def _open(request: Start, authorization: Authorization, batch: SessionBatch) -> Transaction:
    station = batch.charge_point(request.charge_point_id)
    connector = batch.connector(request.charge_point_id, request.connector_number)
    chosen = choose(
        tenant=station.tenant, charge_point=station, location=station.location, id_token=authorization.token
    )
    zone = (station.location.time_zone if station.location else "") or station.tenant.time_zone
    duplicate = batch.transaction_by_digest(request.charge_point_id, request.digest)
    row = Transaction(
        tenant_id=station.tenant_id,
        charge_point=station,
        evse=connector.evse if connector else None,
        connector=connector,
        connector_number=request.connector_number,
        ocpp_version=request.ocpp_version,
        ocpp_id=batch.unused_ocpp16_id(),
        start_digest="" if duplicate is not None else request.digest,
        id_token=authorization.token,
        id_token_value=request.id_token,
        group_name=authorization.group_name,
        authorization_status=authorization.status,
        reservation_number=request.reservation_number,
        remote_start=_remote_start(request, batch),
        started_at=request.started_at or request.received_at,
        start_received_at=request.received_at,
        meter_start_wh=request.meter_start_wh,
        meter_start_raw=request.meter_start_raw[:64],
        energy_wh=Decimal(0),
        tariff=chosen.tariff,
        tariff_snapshot=chosen.snapshot,
        currency=chosen.currency,
        is_free=chosen.is_free,
        time_zone=zone,
    )
    _flag_start(row, request, authorization, duplicate is not None)
    return row


def _flag_start(row: Transaction, request: Start, authorization: Authorization, is_duplicate: bool) -> None:
    flags = {
        Flag.POSSIBLE_DUPLICATE: is_duplicate,
        Flag.CLOCK_ANOMALY: not _is_plausible(request.started_at)
        or row.started_at > request.received_at + FUTURE_TOLERANCE,
        Flag.OFFLINE: _is_plausible(request.started_at)
        and request.received_at - row.started_at > OFFLINE_AFTER,
        Flag.REFUSED_TOKEN: not authorization.is_accepted,
        Flag.REPAIRED: bool(request.repairs),
        Flag.METER_UNREADABLE: request.meter_start_wh is None,
    }
    for flag, applies in flags.items():
        if applies:
            row.add_flag(flag)


def _remote_start(request: Start, batch: SessionBatch) -> Command | None:
    """The remote start that asked for this session: same token, same or any connector (OCPP 1.6 errata 3.32)."""
    commands = batch.remote_starts(request.charge_point_id)
    for command in commands:
        data: dict[str, Any] = command.payload
        token = str(data.get("id_token") or data.get("idTag") or "")
        connector = data.get("connector") or data.get("connectorId")
        if token.casefold() == request.id_token.casefold() and connector in (None, request.connector_number):
            commands.remove(command)
            return command
    return None


def _supersede_older(row: Transaction, request: Start, batch: SessionBatch) -> None:
    """Close what is still open on the connector and began earlier; its real stop, if one comes, will win."""
    for older in batch.open_transactions(row.charge_point_id):
        if older.connector_number != row.connector_number or older.started_at > row.started_at:
            continue
        end = min(older.last_sample_at or row.started_at, row.started_at)
        older.end_note = "The next session started on the connector and no stop had come."
        end_transaction(
            older,
            kind=EndKind.SUPERSEDED,
            ended_at=max(end, older.started_at),
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
        batch.change(reservation, "status", "ended_at")


def _explain_start(row: Transaction, request: Start, batch: SessionBatch) -> None:
    who = f"Token {row.id_token_value}: {row.authorization_status}"
    note = partial(batch.explain, row, at=request.received_at, message_id=request.message_id)
    times = {"started_at": row.started_at, "received_at": row.start_received_at}
    note(
        LedgerKind.START,
        f"Started on connector {row.connector_number} at register {request.meter_start_raw} Wh. {who}.",
        data={"meter_start": request.meter_start_raw, **times},
    )
    name = "free of charge" if row.is_free else (row.tariff_snapshot or {}).get("name", "")
    note(LedgerKind.TARIFF, f"Tariff: {name}.", data={"tariff": row.tariff_snapshot})
    for repair in request.repairs:
        note(LedgerKind.ANOMALY, f"StartTransaction: {repair}")
    for value in row.flags:
        note(LedgerKind.ANOMALY, str(Flag(value).label))
    batch.add_late(lambda: _event("transaction.started", row, request.received_at, batch))


# ------------------------------------------------------------------ stop


def want_stop(request: Stop, batch: SessionBatch) -> None:
    """A stop changes its session; the token only decides what the answer says of it."""
    batch.want_charge_point(request.charge_point_id)
    batch.want_readings(request.charge_point_id, request.ocpp_id)
    if request.id_token is not None:
        batch.want_token(token_key(request.tenant_id, request.id_token))


def decide_stop(request: Stop, batch: SessionBatch) -> Stopped:
    """Close the session that a charger says has ended.

    The first stop stays: a repeat changes nothing, a different one is kept as an anomaly. A session that was closed
    without a stop takes the real one. A stop of an unknown session is kept as an orphan.
    Spec: OCPP 1.6 §4.10, errata 3.18
    """
    row = batch.transaction(request.charge_point_id, request.ocpp_id)
    authorization = None
    if request.id_token is not None:
        authorization = _authorize(request, request.id_token, request.token_type, batch)
    if row is None or row.end_kind == EndKind.ORPHAN:
        row = _orphan(request, batch)
    elif row.end_kind == EndKind.CHARGER:
        _compare_second_stop(row, request, batch)
    else:
        _close(row, request, batch)
    return Stopped(authorization=authorization, transaction=row)


def _compare_second_stop(row: Transaction, request: Stop, batch: SessionBatch) -> None:
    if row.stop_digest == request.digest:
        return
    row.add_flag(Flag.CONFLICTING_STOP)
    batch.change(row, "flags")
    batch.explain(
        row,
        LedgerKind.ANOMALY,
        f"Another stop arrived and was not used: register {request.meter_stop_raw} Wh, reason {request.reason}.",
        at=request.received_at,
        message_id=request.message_id,
        data={"meter_stop": request.meter_stop_raw, "ended_at": request.ended_at, "reason": request.reason},
    )


def _close(row: Transaction, request: Stop, batch: SessionBatch) -> None:
    if not row.is_active:
        row.add_flag(Flag.LATE_STOP)
        _note(
            row,
            LedgerKind.NOTE,
            f"The real stop arrived; before: {row.end_note or row.end_kind}",
            request,
            batch,
        )
    for moment in request.moments:
        store_moment(
            request=request,
            row=row,
            at=moment.at or request.ended_at or request.received_at,
            moment=moment,
            connector_number=row.connector_number,
            batch=batch,
        )
    row.meter_stop_wh = request.meter_stop_wh
    row.meter_stop_raw = request.meter_stop_raw[:64]
    row.stop_reason = request.reason[:32]
    row.stop_id_token_value = request.id_token or ""
    row.stop_digest = request.digest
    row.end_note = ""
    ended_at = request.ended_at or request.received_at
    for flag, applies in {
        Flag.STOP_BEFORE_START: ended_at < row.started_at,
        Flag.CLOCK_ANOMALY: not _is_plausible(request.ended_at)
        or ended_at > request.received_at + FUTURE_TOLERANCE,
        Flag.OFFLINE: _is_plausible(request.ended_at) and request.received_at - ended_at > OFFLINE_AFTER,
        Flag.METER_UNREADABLE: request.meter_stop_wh is None,
        Flag.REPAIRED: bool(request.repairs),
    }.items():
        if applies and row.add_flag(flag):
            _note(row, LedgerKind.ANOMALY, flag.label, request, batch)
    for repair in request.repairs:
        _note(row, LedgerKind.ANOMALY, f"StopTransaction: {repair}", request, batch)
    text = f"Stopped at register {row.meter_stop_raw} Wh, reason {row.stop_reason}."
    _note(row, LedgerKind.STOP, text, request, batch)
    end_transaction(
        row,
        kind=EndKind.CHARGER,
        ended_at=ended_at,
        at=request.received_at,
        batch=batch,
        message_id=request.message_id,
    )


def _note(row: Transaction, kind: LedgerKind, text: str, request: Stop, batch: SessionBatch) -> None:
    batch.explain(row, kind, text, at=request.received_at, message_id=request.message_id)


def end_transaction(
    row: Transaction,
    *,
    kind: EndKind,
    ended_at: datetime,
    at: datetime,
    batch: SessionBatch,
    message_id: str = "",
) -> None:
    """Settle energy and cost of a session that ends now, and say so in ledger and outbox.

    An end before the start (the clock moved) is kept as it is for display and counts as a duration of 0.
    """
    row.state = TransactionState.ENDED
    row.end_kind = kind
    row.ended_at = ended_at
    row.end_received_at = at
    row.power_w = None
    row.remove_flag(Flag.STALE)
    readings = batch.readings(row)
    energy = session_energy(
        row.meter_start_wh,
        row.meter_stop_wh,
        readings,
        started_at=row.started_at,
        ended_at=max(ended_at, row.started_at),
    )
    row.energy_wh = energy.energy_wh
    note_anomalies(row, energy.anomalies, at=at, message_id=message_id, batch=batch)
    basis = "; ".join([f"{energy.energy_wh} Wh from {energy.basis}", *energy.notes])
    batch.explain(
        row, LedgerKind.ENERGY, basis, at=at, message_id=message_id, data={"energy_wh": energy.energy_wh}
    )
    text = price_transaction(row, readings)
    batch.explain(row, LedgerKind.COST, text, at=at, message_id=message_id, data={"lines": row.cost_lines})
    batch.ended_wh += energy.energy_wh
    batch.change(row, *ENDED_FIELDS)
    batch.add_late(lambda: _event("transaction.ended", row, at, batch))


ENDED_FIELDS = (
    "state", "end_kind", "ended_at", "end_received_at", "end_note", "power_w", "flags", "energy_wh",
    "meter_stop_wh", "meter_stop_raw", "stop_reason", "stop_id_token_value", "stop_digest",
    "currency", "cost", "cost_excl_vat", "cost_vat", "cost_lines",
)  # fmt: skip


def _orphan(request: Stop, batch: SessionBatch) -> Transaction:
    """Keep a stop whose start we do not know, with its samples, as a session of its own, attached to nothing."""
    known = batch.transaction_by_digest(request.charge_point_id, request.digest)
    if known is not None:
        return known
    station = batch.charge_point(request.charge_point_id)
    at = request.ended_at or request.received_at
    row = Transaction(
        tenant_id=station.tenant_id,
        charge_point=station,
        connector_number=0,
        ocpp_version=request.ocpp_version,
        ocpp_id="",
        start_digest=request.digest,
        state=TransactionState.ENDED,
        end_kind=EndKind.ORPHAN,
        end_note=f"Stop for transaction id {request.ocpp_id}, which was never started here.",
        flags=[Flag.ORPHAN_STOP],
        id_token_value=request.id_token or "",
        stop_id_token_value=request.id_token or "",
        started_at=min([at, *(moment.at for moment in request.moments if moment.at)]),
        start_received_at=request.received_at,
        ended_at=at,
        end_received_at=request.received_at,
        stop_reason=request.reason[:32],
        meter_stop_wh=request.meter_stop_wh,
        meter_stop_raw=request.meter_stop_raw[:64],
        energy_wh=Decimal(0),
        currency=station.tenant.currency,
    )
    batch.add_transaction(row)
    for moment in request.moments:
        store_moment(
            request=request, row=row, at=moment.at or at, moment=moment, connector_number=0, batch=batch
        )
    _note(row, LedgerKind.ANOMALY, row.end_note, request, batch)
    batch.add_late(lambda: _event("transaction.orphan_stop", row, request.received_at, batch))
    return row


def _event(kind: str, row: Transaction, at: datetime, batch: SessionBatch) -> Any:
    station: ChargePoint = batch.charge_point(row.charge_point_id)
    return event(
        kind,
        tenant_id=row.tenant_id,
        object_type="transaction",
        object_id=row.pk,
        charge_point=station.identity,
        data={
            "ocpp_id": row.ocpp_id,
            "connector": row.connector_number,
            "id_token": row.id_token_value,
            "energy_wh": str(row.energy_wh),
            "cost": None if row.cost is None else str(row.cost),
            "currency": row.currency,
            "flags": row.flags,
        },
        at=at,
    )


def usable_register(value: Decimal) -> Decimal | None:
    """A register as we can store it, None when it is negative or does not fit; the raw text is kept beside it."""
    return value if 0 <= value <= MAX_REGISTER_WH else None


AUTHORIZE: Act[Authorize, SessionBatch] = Act(decide_authorize, want_authorize)
START: Act[Start, SessionBatch] = Act(decide_start, want_start)
STOP: Act[Stop, SessionBatch] = Act(decide_stop, want_stop)
