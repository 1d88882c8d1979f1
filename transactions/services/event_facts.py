"""The facts of a session and the event that each is taken from, whatever the order in which events arrive."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from accounts.choices import AuthorizationStatus
from accounts.services.authorization import Authorization
from chargepoints.models import Command
from chargepoints.orders import remote_start_id
from csms_project.common import bulk
from transactions.choices import EventKind, Flag, LedgerKind
from transactions.corrections import Correction
from transactions.models import Transaction, TransactionEvent
from transactions.rows import EventRow
from transactions.services.batch import SessionBatch
from transactions.services.metering import judge_all
from transactions.services.opening import limited, supersede_older, with_status
from transactions.services.settling import SETTLED_FIELDS, explain_settled, settle
from transactions.services.tariffs import choose

if TYPE_CHECKING:
    from transactions.services.events import SessionEvent

_TARIFF_FIELDS = ("tariff_id", "tariff_snapshot", "currency", "is_free")
_TOKEN_FIELDS = ("id_token_id", "id_token_value", "id_token_type", "group_name", "authorization_status")


def same_id(request: SessionEvent, batch: SessionBatch) -> Transaction | None:
    """The open session whose id differs by case only: ids are compared without regard to it (2.x part 2 §2.1.4)."""
    folded = request.ocpp_id.casefold()
    if request.kind is EventKind.STARTED or folded == request.ocpp_id == request.ocpp_id.upper():
        return None
    running = batch.open_transactions(request.charge_point_id)
    return next((row for row in running if row.ocpp_id.casefold() == folded), None)


def answered_before(row: Transaction, authorization: Authorization) -> Authorization:
    """The status that the start was answered with."""
    return with_status(authorization, AuthorizationStatus(row.authorization_status))


# ---------------------------------------------------------------- order


def count(request: SessionEvent, row: Transaction) -> None:
    """Count an event that is new: complete is a session whose numbers run from its start to its end."""
    seq_no = request.seq_no
    row.event_count += 1
    row.first_seq_no = seq_no if row.first_seq_no is None else min(row.first_seq_no, seq_no)
    row.last_seq_no = seq_no if row.last_seq_no is None else max(row.last_seq_no, seq_no)


def is_complete(row: Transaction) -> bool:
    """Whether no number is missing between the first and the last; a charger may drop events for good (E04.FR.07)."""
    if row.first_seq_no is None or row.last_seq_no is None:
        return True
    return bool(row.start_digest) and row.event_count > row.last_seq_no - row.first_seq_no


def flag_gaps(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """Say of an ended session whether events of it are missing; it never blocks billing."""
    if is_complete(row):
        if Flag.EVENTS_MISSING in row.flags:
            row.remove_flag(Flag.EVENTS_MISSING)
            batch.change(row, "flags")
    elif row.add_flag(Flag.EVENTS_MISSING):
        batch.change(row, "flags")


def settle_again(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """An event arrived after the end: energy and cost are found again from all that is known."""
    bulk.complete([row])
    before = {name: getattr(row, name) for name in SETTLED_FIELDS}
    flag_gaps(request, row, batch)
    settled = settle(row, batch.readings(row))
    if all(before[name] == getattr(row, name) for name in SETTLED_FIELDS):
        return
    batch.change(row, *SETTLED_FIELDS)
    for line in explain_settled(row, settled, at=request.received_at, message_id=request.message_id):
        batch.add(line)


# ---------------------------------------------------------------- place and start


def take_place(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """The EVSE and connector, which come once, at the latest with the cable; the first word counts."""
    if row.connector_number:
        text = f"An event names EVSE {request.place}; the session stays on EVSE {row.connector_number}."
        _explain(row, LedgerKind.ANOMALY, text, request, batch)
        return
    place = batch.connector(request.charge_point_id, request.place, request.within)
    row.connector_number = min(request.place, 2**31 - 1)
    row.connector_id = place.pk if place is not None else None
    row.evse_id = place.evse_id if place is not None else None
    batch.change(row, "connector_number", "connector_id", "evse_id")
    _explain(row, LedgerKind.NOTE, f"The session is on EVSE {request.place}.", request, batch)
    if row.is_active:
        supersede_older(row, request, batch)


def take_start(request: SessionEvent, row: Transaction, batch: SessionBatch) -> None:
    """The start of a session that was heard of before; a second, different start changes nothing."""
    if row.start_digest:
        text = "Another start of this session arrived and was not used."
        if row.add_flag(Flag.POSSIBLE_DUPLICATE):
            batch.change(row, "flags")
        _explain(row, LedgerKind.ANOMALY, text, request, batch)
        return
    row.start_digest = request.digest
    row.started_at = request.at or row.started_at
    take_start_register(request, row)
    batch.change(row, "start_digest", "started_at", "meter_start_wh", "meter_start_raw")
    _explain(
        row, LedgerKind.NOTE, f"Its start arrived: {row.started_at:%Y-%m-%d %H:%M:%S} UTC.", request, batch
    )
    if row.is_active:
        batch.at_the_end(row, partial(judge_all, request, row, batch))


def take_start_register(request: SessionEvent, row: Transaction) -> None:
    """The register at the start, where the start brings one; otherwise the first reading counts."""
    if request.kind is EventKind.STARTED:
        register, raw = _register(request, row, last=False)
        row.meter_start_wh, row.meter_start_raw = register, raw[:64]


def end_register(request: SessionEvent, row: Transaction) -> tuple[Decimal | None, str]:
    """The register at the end and its text; the latest of an end that repeats old samples."""
    return _register(request, row, last=True)


def _register(request: SessionEvent, row: Transaction, *, last: bool) -> tuple[Decimal | None, str]:
    correction = Correction.from_json(row.meter_correction)
    arrival = request.at or request.received_at
    found = [
        (moment.at or arrival, register.wh)
        for moment in request.moments
        if (register := correction.register_of(moment.samples)) is not None
    ]
    if not found:
        return None, ""
    _, wh = (max if last else min)(found)
    return wh, f"{wh.normalize():f}"


# ---------------------------------------------------------------- token, remote start


def remote_start(request: SessionEvent, batch: SessionBatch) -> Command | None:
    """The remote start that asked for this session, by its number (2.0.1 F01.FR.25, F02.FR.21)."""
    number = request.remote_start_number
    if number is None:
        return None
    commands = batch.remote_starts(request.charge_point_id)
    for command in commands:
        data: dict[str, Any] = command.payload
        # Ours is numbered when it is sent; a raw one says its number itself.
        ours = remote_start_id(command) if command.action == "remote_start" else None
        if number in (ours, data.get("remote_start_id"), data.get("remoteStartId")):
            commands.remove(command)
            return command
    return None


def take_token(
    request: SessionEvent, row: Transaction, authorization: Authorization, batch: SessionBatch
) -> Authorization:
    """The token that a session is charged to is that of its first event with one; a stopping one counts last."""
    value = request.id_token or ""
    if request.is_stop_token:
        if value and (request.kind is EventKind.ENDED or not row.stop_id_token_value):
            row.stop_id_token_value = value
            batch.change(row, "stop_id_token_value")
        if row.id_token_value:
            return authorization
    elif row.id_token_value.casefold() == value.casefold() and row.authorization_status:
        return authorization
    elif row.id_token_value and not _is_first_token(request, row, batch):
        text = "Another token was presented during the session; it stays with the first."
        _explain(row, LedgerKind.ANOMALY, text, request, batch)
        return authorization
    if request.kind is EventKind.STARTED:
        authorization = limited(authorization, request, row.connector_number, batch)
    _charge_to(request, row, authorization, batch)
    return authorization


def _charge_to(
    request: SessionEvent, row: Transaction, authorization: Authorization, batch: SessionBatch
) -> None:
    station = batch.charge_point(row.charge_point_id)
    token = authorization.token
    row.id_token_value, row.id_token_type = request.id_token or "", request.token_type
    row.id_token_id = token.pk if token is not None else None
    row.group_name, row.authorization_status = authorization.group_name, authorization.status
    chosen = choose(tenant=station.tenant, charge_point=station, location=station.location, id_token=token)
    row.tariff_id = chosen.tariff.pk if chosen.tariff else None
    row.tariff_snapshot, row.currency, row.is_free = chosen.snapshot, chosen.currency, chosen.is_free
    if authorization.is_accepted:
        row.remove_flag(Flag.REFUSED_TOKEN)
    else:
        row.add_flag(Flag.REFUSED_TOKEN)
    batch.change(row, *_TOKEN_FIELDS, *_TARIFF_FIELDS, "flags")
    text = f"Token {row.shown_token}: {row.authorization_status}."
    _explain(row, LedgerKind.AUTHORIZATION, text, request, batch)


def _is_first_token(request: SessionEvent, row: Transaction, batch: SessionBatch) -> bool:
    """Whether this event precedes all others that named a token, by the charger's own order."""
    names = ("kind", "seq_no", "at", "trigger", "details")
    stored = bulk.fetch(TransactionEvent, names, {"transaction_id": [row.pk]})
    fresh = [
        (event.kind, event.seq_no, event.at, event.trigger, event.details)
        for event in batch.added(EventRow)
        if event.transaction_id == row.pk
    ]
    mine = (request.seq_no, request.at or request.received_at)
    return all(
        mine < (seq_no, at)
        for kind, seq_no, at, trigger, details in [*stored, *fresh]
        if details.get("has_token") and not details.get("is_stop_token")
    )


def _explain(
    row: Transaction, kind: LedgerKind, text: str, request: SessionEvent, batch: SessionBatch
) -> None:
    batch.explain(row, kind, text, at=request.received_at, message_id=request.message_id)
