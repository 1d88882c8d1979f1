"""Samples: where they belong and what they say about the running session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from chargepoints.models import ChargePoint, Connector
from chargepoints.services.batch import Act, FromCharger
from transactions.choices import Flag, LedgerKind
from transactions.corrections import NO_CORRECTION, Correction
from transactions.energy import (
    TRUNCATION_WH,
    Reading,
    is_impossible_rise,
    live_energy,
    power_w,
    soc_percent,
)
from transactions.models import Transaction
from transactions.rows import MeterValueRow
from transactions.services.batch import Moment, SessionBatch
from transactions.services.repeats import Place, compact, session_place
from transactions.services.settling import METER_FLAGS

CLOCK_TOLERANCE = timedelta(minutes=5)
#: Stored readings of a session beyond which its live energy is no longer judged by all of them.
MAX_JUDGED = 5_000
_INT_LIMIT = 2**31 - 1
#: What samples change in a running session; always together, so that one statement writes all sessions of a batch.
_LIVE_FIELDS = ("last_sample_at", "power_w", "soc_percent", "register_wh", "energy_wh", "flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered(FromCharger):
    """MeterValues: ocpp_id "" when the charger named no session; connector 0 is the main meter."""

    connector_number: int
    ocpp_id: str
    moments: tuple[Moment, ...]


def want_metered(request: Metered, batch: SessionBatch) -> None:
    """Samples change their session, or without one their connector."""
    if request.ocpp_id:
        batch.want_transaction(request.charge_point_id, request.ocpp_id)
        return
    batch.want_running(request.charge_point_id)
    batch.want_charge_point(request.charge_point_id)
    batch.want_connectors(request.charge_point_id, lock=True)


def decide_metered(request: Metered, batch: SessionBatch) -> None:
    """Store samples, whatever they name; an unknown session's stay with the connector, never with another session.

    Spec: OCPP 1.6 §4.7, errata 3.16 (clock-aligned samples belong to the session that ran at their time)
    """
    named = batch.transaction(request.charge_point_id, request.ocpp_id) if request.ocpp_id else None
    timed = [(moment.at or request.received_at, moment) for moment in request.moments]
    store_moments(
        request=request,
        placed=[Placed(named or _running_at(request, at, batch), at, moment) for at, moment in timed],
        connector_number=request.connector_number,
        names_session=bool(request.ocpp_id),
        batch=batch,
    )


class Placed(NamedTuple):
    """A MeterValue, its moment and the session that it belongs to, if any."""

    row: Transaction | None
    at: datetime
    moment: Moment


def store_moments(
    *,
    request: FromCharger,
    placed: Sequence[Placed],
    connector_number: int,
    batch: SessionBatch,
    names_session: bool = True,
) -> None:
    """Store each MeterValue of a message once and update the live figures."""
    number = min(connector_number, _INT_LIMIT)
    moments: dict[Place, list[datetime]] = {}
    for item in placed:
        place = _place(request, item.row, number, names_session)
        if not batch.known.is_bounded(place):
            batch.known.bound(place, _newest(request, item.row, place, batch))
        moments.setdefault(place, []).append(item.at)
    for place, times in moments.items():
        batch.known.load(place, times)
    for item in placed:
        if item.moment.samples:
            _store(request, item, number, _place(request, item.row, number, names_session), batch)


def _store(request: FromCharger, item: Placed, number: int, place: Place, batch: SessionBatch) -> None:
    row, at, moment = item
    values = [sample.value for sample in moment.samples]
    content = (batch.layout_id(moment.samples), compact(values))
    if (place, at, content) in batch.known:
        return
    outside = Place("outside", request.charge_point_id, number)
    here = outside if row is None else session_place(row)
    batch.known.add((here, outside._replace(kind="connector")), at, content)
    correction = NO_CORRECTION if row is None else Correction.from_json(row.meter_correction)
    register = correction.register_of(moment.samples)
    batch.add(
        MeterValueRow(
            request.tenant_id,
            request.charge_point_id,
            number,
            row.pk if row is not None else None,
            at,
            request.received_at,
            content[0],
            values,
            register.wh if register is not None else None,
        )
    )
    owner = row if row is not None else _owner(request, number, batch)
    previous_at = owner.last_sample_at
    if previous_at is None or at > previous_at:
        owner.last_sample_at = at
        if row is None or not row.is_active:
            batch.change(owner, "last_sample_at")
    if row is not None and row.is_active:
        batch.change(row, *_LIVE_FIELDS)
        _update_live(row, moment, at)
        if register is not None:
            _update_energy(request, row, Reading(at=at, wh=register.wh), previous_at, batch)


def _place(request: FromCharger, row: Transaction | None, number: int, names_session: bool) -> Place:
    if not names_session and number:
        return Place("connector", request.charge_point_id, number)
    return Place("outside", request.charge_point_id, number) if row is None else session_place(row)


def _newest(
    request: FromCharger, row: Transaction | None, place: Place, batch: SessionBatch
) -> list[datetime | None]:
    """Until when samples may be stored at a place; later ones cannot be repeats and cost no query.

    A session takes samples of some minutes before its start, so its start counts as well.
    """
    if place.kind != "connector":
        owner = row if row is not None else _owner(request, place.number, batch)
        return [owner.last_sample_at]
    newest = [_owner(request, place.number, batch).last_sample_at]
    for session in batch.sessions_on(request.charge_point_id, place.number):
        if not session._state.adding:
            newest += [session.last_sample_at, session.started_at]
    return newest


def _owner(request: FromCharger, connector_number: int, batch: SessionBatch) -> ChargePoint | Connector:
    connector = batch.connector(request.charge_point_id, connector_number) if connector_number else None
    return connector or batch.charge_point(request.charge_point_id)


def _running_at(request: Metered, at: datetime, batch: SessionBatch) -> Transaction | None:
    """The session on the connector that ran at this time, where the charger named none."""
    if request.ocpp_id or not request.connector_number:
        return None
    running = [
        row
        for row in batch.open_transactions(request.charge_point_id)
        if row.connector_number == request.connector_number and row.started_at <= at + CLOCK_TOLERANCE
    ]
    before = [row for row in running if row.started_at <= at]
    if not before:
        ended = batch.ended_at_time(request.charge_point_id, request.connector_number, at)
        return ended or (running[-1] if running else None)
    return max(before, key=lambda row: row.started_at)


def _update_live(row: Transaction, moment: Moment, at: datetime) -> None:
    if row.last_sample_at is not None and at < row.last_sample_at:
        return
    power, soc = power_w(moment.samples), soc_percent(moment.samples)
    if power is not None and abs(power) <= _INT_LIMIT:
        row.power_w = int(power)
    if soc is not None and 0 <= soc <= 100:
        row.soc_percent = soc


def _update_energy(
    request: FromCharger,
    row: Transaction,
    reading: Reading,
    previous_at: datetime | None,
    batch: SessionBatch,
) -> None:
    """Raise the live energy by what the register rose; a lower or older reading never lowers it.

    After an impossible rise all readings judge, as they will when the session ends: once a batch, at its end.
    """
    if reading.at < row.started_at and Flag.CLOCK_ANOMALY not in row.flags:
        return
    if row.register_wh is None:
        if row.meter_start_wh is not None and 0 < row.meter_start_wh - reading.wh <= TRUNCATION_WH:
            return
        _judge(request, row, [reading], batch)
        row.register_wh = reading.wh
    elif _is_doubtful(row) or _is_impossible(row.register_wh, reading, previous_at):
        batch.at_the_end(row, partial(judge_all, request, row, batch))
        return
    elif reading.wh <= row.register_wh:
        return
    else:
        row.energy_wh += reading.wh - row.register_wh
        row.register_wh = reading.wh


def _is_doubtful(row: Transaction) -> bool:
    return any(flag in row.flags for flag in METER_FLAGS)


def _is_impossible(register_wh: Decimal, reading: Reading, previous_at: datetime | None) -> bool:
    since = previous_at if previous_at is not None and previous_at < reading.at else None
    return is_impossible_rise(register_wh, reading, since=since)


def judge_all(request: FromCharger, row: Transaction, batch: SessionBatch) -> None:
    """Find the live energy from all readings; not in a very long session, whose end settles it."""
    if not row.is_active or batch.has_more_readings(row, MAX_JUDGED):
        return
    readings = batch.readings(row)
    if not _judge(request, row, readings, batch):
        inside = (reading.wh for reading in readings if reading.at >= row.started_at)
        row.register_wh = max(inside, default=row.register_wh)
    batch.change(row, *_LIVE_FIELDS)


def _judge(request: FromCharger, row: Transaction, readings: Sequence[Reading], batch: SessionBatch) -> bool:
    """Set the live energy; true when something is odd about the registers."""
    energy = live_energy(row.meter_start_wh, readings, started_at=row.started_at)
    row.energy_wh = energy.energy_wh
    note_anomalies(row, energy.anomalies, at=request.received_at, message_id=request.message_id, batch=batch)
    return bool(energy.anomalies)


def note_anomalies(
    row: Transaction, anomalies: Sequence[str], *, at: datetime, message_id: str, batch: SessionBatch
) -> None:
    """Flag what is odd about the registers, once, with a line in the ledger."""
    for name in anomalies:
        flag = Flag(name)
        if row.add_flag(flag):
            batch.explain(row, LedgerKind.ANOMALY, flag.label, at=at, message_id=message_id)


METERED: Act[Metered, SessionBatch] = Act(decide_metered, want_metered)
