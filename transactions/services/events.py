"""Sessions as chargers report them event by event (TransactionEvent of 2.x).

Events may be repeated, come late, in any order and with gaps, and the end may be the first that is heard of a session.
Nothing that decides about money depends on the order in which they arrive: each fact is taken from the event that is
first or last by the charger's own order, and energy is settled from all registers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, token_key
from chargepoints.services.batch import Act, FromCharger
from chargepoints.services.dynamic_profiles import resumed
from transactions.choices import EndKind, EventKind, Flag, LedgerKind
from transactions.corrections import Correction
from transactions.models import Transaction
from transactions.rows import EventRow, LedgerRow
from transactions.services import event_facts as facts
from transactions.services.batch import Moment, SessionBatch
from transactions.services.event_costs import (
    NO_NEWS,
    NOTHING,
    CostAnswer,
    CostNews,
    answer_event,
    limits_of_start,
    open_costs,
    take_news,
)
from transactions.services.metering import Placed, store_moments
from transactions.services.opening import (
    connect_reservation,
    follow_cost,
    limited,
    new_session,
    supersede_older,
    with_status,
)
from transactions.services.sessions import (
    FUTURE_TOLERANCE,
    OFFLINE_AFTER,
    authorize_token,
    is_plausible,
    tell,
    with_price,
)
from transactions.services.stops import Stop, close_session, compare_second_stop

#: Sequence numbers beyond this are kept as this: the column is a 64 bit integer.
MAX_SEQ_NO = 2**62
#: An idToken that comes with this trigger ends the session; it did not begin it (E07).
STOP_TRIGGERS = frozenset({"StopAuthorized"})
#: The session goes on after a restart of the charger (2.1 E17).
RESUMED = "TxResumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent(FromCharger):
    """One event of a session.

    ocpp_id          the charger's own id, unique among its sessions
    at               charger's clock, None when unreadable; long ago after an offline period
    place, within    EVSE and connector; 0, None: not named (they come once, 2.0.1 E 1.5)
    id_token         None: not named
    digest           equal for the same event sent again
    details          what else is kept of it: states, currents, times
    costs            what it tells of tariff, cost and limits
    """

    kind: EventKind
    ocpp_id: str
    seq_no: int
    at: datetime | None
    digest: str
    trigger: str = ""
    is_offline: bool = False
    place: int = 0
    within: int | None = None
    id_token: str | None = None
    token_type: str = TokenType.ISO14443
    reservation_number: int | None = None
    remote_start_number: int | None = None
    charging_state: str = ""
    stopped_reason: str = ""
    moments: tuple[Moment, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    costs: CostNews = NO_NEWS

    @property
    def is_stop_token(self) -> bool:
        """Its token, if any, ends the session."""
        return self.kind is EventKind.ENDED or self.trigger in STOP_TRIGGERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answer to an event; the token's status only if the event named one."""

    transaction: Transaction
    kind: EventKind
    authorization: Authorization | None
    is_repeat: bool = False
    costs: CostAnswer = NOTHING


def want_event(request: SessionEvent, batch: SessionBatch) -> None:
    """An event reads its session; with a start also the place, with a token the token, with an end all registers."""
    opens = request.kind is EventKind.STARTED
    has_facts = opens or request.id_token is not None or request.reservation_number is not None
    if has_facts or request.kind is EventKind.ENDED:
        batch.want_charge_point(request.charge_point_id)
    batch.want_event(
        request.charge_point_id,
        request.ocpp_id,
        request.digest,
        request.seq_no,
        whole=has_facts or request.remote_start_number is not None,
        opens=opens,
    )
    if opens and request.place:
        batch.want_connector(request.charge_point_id, request.place, request.within or 1)
    if request.kind is EventKind.ENDED:
        batch.want_readings(request.charge_point_id, request.ocpp_id)
    if request.id_token is not None:
        batch.want_token(token_key(request.tenant_id, request.id_token))


def decide_event(request: SessionEvent, batch: SessionBatch) -> Answered:
    """Take what one event says; the token it names is judged each time (2.0.1 E01.FR.11, E05.FR.01).

    Spec: 2.0.1 E01 to E15, J02; OCPP 2.1 E01 to E17
    """
    row = batch.transaction(request.charge_point_id, request.ocpp_id) or facts.same_id(request, batch)
    authorization = None
    if request.id_token is not None:
        authorization = authorize_token(request, request.id_token, request.token_type, batch)
        if authorization.is_master_pass and not request.is_stop_token:  # it starts nothing (C16.FR.03)
            authorization = with_status(authorization, AuthorizationStatus.INVALID)
    if row is not None and batch.known_events.has(request.charge_point_id, request.digest):
        answer = _as_before(request, row, authorization)
        return _answered(request, row, answer, batch, is_repeat=True)
    if row is None:
        row, authorization = _open(request, authorization, batch)
    else:
        authorization = _take_facts(request, row, authorization, batch)
    take_news(row, request.costs, authorization, batch)
    _keep(request, row, batch)
    if request.kind is EventKind.ENDED:
        _end(request, row, batch)
    else:
        _store_moments(request, row, batch)
        if request.trigger == RESUMED and row.is_active:
            resumed(request.charge_point_id, row.ocpp_id)
        if row.end_kind == EndKind.CHARGER:
            batch.at_the_end(row, partial(facts.settle_again, request, row, batch))
    return _answered(request, row, authorization, batch, is_repeat=False)


def _answered(
    request: SessionEvent,
    row: Transaction,
    authorization: Authorization | None,
    batch: SessionBatch,
    *,
    is_repeat: bool,
) -> Answered:
    """The answer, with the driver's price while he stands there, and what there is to say of cost and limits."""
    at = request.at or request.received_at
    if authorization is not None and not request.is_stop_token and row.is_active:
        authorization = with_price(
            authorization, batch.charge_point(row.charge_point_id), request.received_at
        )
    costs = answer_event(row, at, batch, ends=request.kind is EventKind.ENDED, is_repeat=is_repeat)
    return Answered(
        transaction=row, kind=request.kind, authorization=authorization, is_repeat=is_repeat, costs=costs
    )


def _as_before(
    request: SessionEvent, row: Transaction, authorization: Authorization | None
) -> Authorization | None:
    """A repeat of the start is answered as the start was, in particular never ConcurrentTx because of itself."""
    if authorization is None or request.kind is not EventKind.STARTED or not row.authorization_status:
        return authorization
    return facts.answered_before(row, authorization)


def _open(
    request: SessionEvent, authorization: Authorization | None, batch: SessionBatch
) -> tuple[Transaction, Authorization | None]:
    """A session of which nothing was known; a start that comes later completes it."""
    if authorization is not None and request.kind is EventKind.STARTED:
        authorization = limited(authorization, request, request.place, batch)
    place = batch.connector(request.charge_point_id, request.place, request.within) if request.place else None
    remote_start = facts.remote_start(request, batch)
    row = new_session(
        request,
        place,
        authorization,
        batch,
        connector_number=min(request.place, 2**31 - 1),
        ocpp_id=request.ocpp_id,
        start_digest=request.digest if request.kind is EventKind.STARTED else "",
        id_token_value=request.id_token or "",
        id_token_type=request.token_type if request.id_token is not None else "",
        reservation_number=request.reservation_number,
        remote_start_id=remote_start.pk if remote_start is not None else None,
        started_at=request.at or request.received_at,
        charging_state=request.charging_state,
    )
    facts.take_start_register(request, row)
    _flag(request, row, batch)
    if authorization is not None and not authorization.is_accepted:
        row.add_flag(Flag.REFUSED_TOKEN)
    if row.connector_number and request.kind is not EventKind.ENDED:
        supersede_older(row, request, batch)
    connect_reservation(row, request, batch)
    batch.add_transaction(row)
    limits_of_start(row, remote_start)
    if authorization is not None and batch.charge_point(row.charge_point_id).shows_cost:
        follow_cost(row, batch)
    open_costs(row, authorization, batch)
    _explain_opening(request, row, batch)
    return row, authorization


def _explain_opening(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    place = f" on EVSE {row.connector_number}" if row.connector_number else ""
    register = f" at register {row.meter_start_raw} Wh" if row.meter_start_raw else ""
    said = {
        EventKind.STARTED: f"Started{place}{register}.",
        EventKind.UPDATED: f"Heard of first by an update{place}; its start may still come.",
        EventKind.ENDED: f"Heard of first by its end{place}; its start may still come.",
    }[request.kind]
    token = f" Token {row.shown_token}: {row.authorization_status}." if row.id_token_value else ""
    note = partial(_note, row, request, batch)
    note(LedgerKind.START, said + token)
    if row.meter_correction:
        note(LedgerKind.NOTE, Correction.from_json(row.meter_correction).in_words())
    name = "free of charge" if row.is_free else (row.tariff_snapshot or {}).get("name", "")
    note(LedgerKind.TARIFF, f"Tariff: {name}.")
    for value in row.flags:
        note(LedgerKind.ANOMALY, str(Flag(value).label))
    tell(row, "transaction.started", at=request.received_at, batch=batch)


def _take_facts(
    request: SessionEvent, row: Transaction, authorization: Authorization | None, batch: SessionBatch
) -> Authorization | None:
    """What an event adds to a session that is known."""
    if request.place and row.connector_number != request.place:
        facts.take_place(request, row, batch)
    if request.kind is EventKind.STARTED:
        facts.take_start(request, row, batch)
    elif not row.start_digest and request.at is not None and request.at < row.started_at:
        row.started_at = request.at
        batch.change(row, "started_at")
    if request.remote_start_number is not None and row.remote_start_id is None:
        remote_start = facts.remote_start(request, batch)
        row.remote_start_id = remote_start.pk if remote_start is not None else None
        limits_of_start(row, remote_start)
        batch.change(row, "remote_start_id", "limits")
    if request.reservation_number is not None and row.reservation_number is None:
        row.reservation_number = request.reservation_number
        connect_reservation(row, request, batch)
        batch.change(row, "reservation_number", "reservation_id")
    _flag(request, row, batch)
    if authorization is None:
        return None
    return facts.take_token(request, row, authorization, batch)


def _flag(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """What somebody should look at; each once."""
    plausible = is_plausible(request.at)
    found = []
    if not plausible or (request.at is not None and request.at > request.received_at + FUTURE_TOLERANCE):
        found.append(Flag.CLOCK_ANOMALY)
    late = plausible and request.at is not None and request.received_at - request.at > OFFLINE_AFTER
    if request.is_offline or late:
        found.append(Flag.OFFLINE)
    if request.repairs:
        found.append(Flag.REPAIRED)
    for flag in found:
        if row.add_flag(flag):
            batch.change(row, "flags")
    for repair in request.repairs:
        _note(row, request, batch, LedgerKind.ANOMALY, f"TransactionEvent: {repair}")


def _keep(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """Store the event, count it, and take the state that is the newest by the charger's own order."""
    batch.known_events.add(request.charge_point_id, request.digest)
    batch.add(
        EventRow(
            request.tenant_id,
            request.charge_point_id,
            row.pk,
            request.kind.value,
            request.seq_no,
            request.at or request.received_at,
            request.received_at,
            request.trigger,
            request.is_offline,
            request.digest,
            request.details,
        )
    )
    if request.charging_state and (row.last_seq_no is None or request.seq_no >= row.last_seq_no):
        row.charging_state = request.charging_state
    facts.count(request, row)
    batch.change(row, "first_seq_no", "last_seq_no", "event_count", "charging_state")


def _store_moments(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    if request.moments:
        at = request.at or request.received_at
        store_moments(
            request=request,
            placed=[Placed(row, moment.at or at, moment) for moment in request.moments],
            connector_number=row.connector_number,
            batch=batch,
        )


def _end(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """The charger says that it has ended; absent reason: Local (2.0.1 E07.FR.04)."""
    register, raw = facts.end_register(request, row)
    stop = Stop(
        charge_point_id=request.charge_point_id,
        tenant_id=request.tenant_id,
        received_at=request.received_at,
        message_id=request.message_id,
        ocpp_version=request.ocpp_version,
        repairs=request.repairs,
        ocpp_id=request.ocpp_id,
        ended_at=request.at,
        meter_stop_wh=register,
        meter_stop_raw=raw,
        reason=request.stopped_reason or "Local",
        id_token=request.id_token if request.id_token is not None else (row.stop_id_token_value or None),
        token_type=request.token_type,
        moments=request.moments,
        message="TransactionEvent",
    )
    if row.end_kind == EndKind.CHARGER:
        compare_second_stop(row, stop, batch)
        return
    close_session(row, stop, batch, meter_stop_wh=register)
    facts.flag_gaps(request, row, batch)
    row.charging_state = ""


def _note(row: Transaction, request: SessionEvent, batch: SessionBatch, kind: LedgerKind, text: str) -> None:
    batch.add(
        LedgerRow(row.tenant_id, row.pk, kind.value, text[:400], {}, request.message_id, request.received_at)
    )


EVENT: Act[SessionEvent, SessionBatch] = Act(decide_event, want_event)
