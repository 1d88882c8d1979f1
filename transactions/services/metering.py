"""Samples: where they belong and what they say about the running session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chargepoints.models import ChargePoint, Connector
from chargepoints.services.batch import Act, FromCharger
from transactions.choices import Flag, LedgerKind
from transactions.energy import TRUNCATION_WH, Reading, live_energy, power_w, register_of, soc_percent
from transactions.models import MeterValue, Transaction
from transactions.services.batch import Moment, SessionBatch, compact

CLOCK_TOLERANCE = timedelta(minutes=5)
_INT_LIMIT = 2**31 - 1


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
    batch.want_connectors(request.charge_point_id)


def decide_metered(request: Metered, batch: SessionBatch) -> None:
    """Store samples, whatever they name; an unknown session's stay with the connector, never with another session.

    Spec: OCPP 1.6 §4.7, errata 3.16 (clock-aligned samples belong to the session that ran at their time)
    """
    named = batch.transaction(request.charge_point_id, request.ocpp_id) if request.ocpp_id else None
    for moment in request.moments:
        at = moment.at or request.received_at
        row = named or _running_at(request, at, batch)
        store_moment(
            request=request,
            row=row,
            at=at,
            moment=moment,
            connector_number=request.connector_number,
            batch=batch,
        )


def store_moment(
    *,
    request: FromCharger,
    row: Transaction | None,
    at: datetime,
    moment: Moment,
    connector_number: int,
    batch: SessionBatch,
) -> bool:
    """Store one MeterValue once and update the live figures; false for a repeat."""
    if not moment.samples:
        return False
    layout_id = batch.layout_id(moment.samples)
    values = [sample.value for sample in moment.samples]
    owner = row if row is not None else _owner(request, connector_number, batch)
    if not _is_new(request, row, owner, connector_number, at, (layout_id, compact(values)), batch):
        return False
    register = register_of(moment.samples)
    batch.add(
        MeterValue(
            tenant_id=request.tenant_id,
            charge_point_id=request.charge_point_id,
            connector_number=min(connector_number, _INT_LIMIT),
            transaction=row,
            sampled_at=at,
            received_at=request.received_at,
            layout_id=layout_id,
            values=values,
            register_wh=register.wh if register is not None else None,
        )
    )
    previous_at = owner.last_sample_at
    if owner.last_sample_at is None or at > owner.last_sample_at:
        owner.last_sample_at = at
        batch.change(owner, "last_sample_at")
    if row is not None and row.is_active:
        _update_live(request, row, moment, at, batch)
        if register is not None:
            _update_energy(request, row, Reading(at=at, wh=register.wh), previous_at, batch)
    return True


def _owner(request: FromCharger, connector_number: int, batch: SessionBatch) -> ChargePoint | Connector:
    connector = batch.connector(request.charge_point_id, connector_number) if connector_number else None
    return connector or batch.charge_point(request.charge_point_id)


def _is_new(
    request: FromCharger,
    row: Transaction | None,
    owner: Transaction | ChargePoint | Connector,
    connector_number: int,
    at: datetime,
    content: tuple[int, str],
    batch: SessionBatch,
) -> bool:
    """Whether these values of this moment are not stored yet.

    A moment after the newest one known cannot be a repeat, so that the usual message costs no query.
    """
    where = {
        "charge_point_id": request.charge_point_id,
        "connector_number": min(connector_number, _INT_LIMIT),
    }
    if owner.last_sample_at is not None and at <= owner.last_sample_at:
        known = batch.known_samples(**where, transaction=row, at=at)
        if content in known:
            return False
    else:
        known = batch.fresh_samples(**where, transaction=row, at=at)
    known.add(content)
    return True


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


def _update_live(
    request: FromCharger, row: Transaction, moment: Moment, at: datetime, batch: SessionBatch
) -> None:
    newest = row.last_sample_at is None or at >= row.last_sample_at
    power, soc = power_w(moment.samples), soc_percent(moment.samples)
    if newest and power is not None and abs(power) <= _INT_LIMIT:
        row.power_w = int(power)
        batch.change(row, "power_w")
    if newest and soc is not None and 0 <= soc <= 100:
        row.soc_percent = soc
        batch.change(row, "soc_percent")


def _update_energy(
    request: FromCharger,
    row: Transaction,
    reading: Reading,
    previous_at: datetime | None,
    batch: SessionBatch,
) -> None:
    """Raise the live energy by what the register rose; a lower or older reading never lowers it.

    An impossible rise is judged by all readings, as it will be when the session ends.
    """
    if reading.at < row.started_at and Flag.CLOCK_ANOMALY not in row.flags:
        return
    if row.register_wh is None:
        if row.meter_start_wh is not None and 0 < row.meter_start_wh - reading.wh <= TRUNCATION_WH:
            return
        _judge(request, row, [reading], batch)
        row.register_wh = reading.wh
    elif reading.wh <= row.register_wh:
        return
    elif _is_impossible(row.register_wh, reading, previous_at):
        _judge(request, row, batch.readings(row), batch)
    else:
        row.energy_wh += reading.wh - row.register_wh
        row.register_wh = reading.wh
    batch.change(row, "register_wh", "energy_wh", "flags")


def _is_impossible(register_wh: Decimal, reading: Reading, previous_at: datetime | None) -> bool:
    since = previous_at if previous_at is not None and previous_at < reading.at else None
    return bool(live_energy(register_wh, [reading], started_at=since).anomalies)


def _judge(request: FromCharger, row: Transaction, readings: Sequence[Reading], batch: SessionBatch) -> None:
    energy = live_energy(row.meter_start_wh, readings, started_at=row.started_at)
    row.energy_wh = energy.energy_wh
    note_anomalies(row, energy.anomalies, at=request.received_at, message_id=request.message_id, batch=batch)


def note_anomalies(
    row: Transaction, anomalies: Sequence[str], *, at: datetime, message_id: str, batch: SessionBatch
) -> None:
    """Flag what is odd about the registers, once, with a line in the ledger."""
    for name in anomalies:
        flag = Flag(name)
        if row.add_flag(flag):
            batch.explain(row, LedgerKind.ANOMALY, flag.label, at=at, message_id=message_id)


METERED: Act[Metered, SessionBatch] = Act(decide_metered, want_metered)
