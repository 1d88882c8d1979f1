"""Periodic event streams (2.1 N11 to N15): opened, filled, closed, and read with the monitor that they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from django.db.models import QuerySet

from chargepoints.models import Command, EventStream, Monitor, StreamValues
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common import bulk

#: Streams that a charger may have open.
MAX_OPEN = 200
#: Values of one message that are kept, and characters of one.
MAX_VALUES, MAX_VALUE_LENGTH = 2000, 255
#: Seconds from the beginning of a message that a value may be away.
_MAX_OFFSET = 366 * 86_400.0


class ValuesRow(NamedTuple):
    """The values of one message as they are written (`StreamValues`)."""

    tenant_id: int
    charge_point_id: int
    received_at: datetime
    stream_id: int
    starts_at: datetime
    pending: int
    length: int
    values: str


bulk.register(ValuesRow, StreamValues)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(FromCharger):
    """A charger opens a stream for a monitor (N11)."""

    stream_id: int
    monitor_id: int
    interval_s: int | None = None
    values_at_once: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(FromCharger):
    """A charger has closed a stream (N13)."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamData(FromCharger):
    """Values of a stream: seconds after `starts_at` and the text of the value (N15)."""

    stream_id: int
    starts_at: datetime | None
    pending: int
    values: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """An open stream as a charger lists it (N12)."""

    stream_id: int
    monitor_id: int
    interval_s: int | None = None
    values_at_once: int | None = None


@dataclass(frozen=True, slots=True)
class StreamValue:
    """One value with its time by the charger's clock."""

    at: datetime
    value: str

    @property
    def number(self) -> Decimal | None:
        """The value as a number; None if it is none."""
        try:
            number = Decimal(self.value)
        except InvalidOperation:
            return None
        return number if number.is_finite() else None


def decide_open(request: StreamOpened, batch: StationBatch) -> bool:
    """Whether the stream is taken (N11.FR.05, FR.06).  Opening one again with other data begins a new one."""
    facts = StreamFacts(
        stream_id=request.stream_id,
        monitor_id=request.monitor_id,
        interval_s=request.interval_s,
        values_at_once=request.values_at_once,
    )
    rows = _open_streams(request.charge_point_id)
    if request.stream_id not in rows and len(rows) >= MAX_OPEN:
        return False
    _put(request.tenant_id, request.charge_point_id, facts, rows.get(request.stream_id), request.received_at)
    return True


def _open_streams(charge_point_id: int) -> dict[int, EventStream]:
    rows = EventStream.objects.filter(charge_point_id=charge_point_id, closed_at=None)
    return {row.stream_id: row for row in rows}


def _put(
    tenant_id: int, charge_point_id: int, facts: StreamFacts, row: EventStream | None, at: datetime
) -> None:
    if row is not None and row.monitor_id == facts.monitor_id:
        row.interval_s, row.values_at_once = facts.interval_s, facts.values_at_once
        row.save(update_fields=["interval_s", "values_at_once"])
        return
    if row is not None:
        row.closed_at = at
        row.save(update_fields=["closed_at"])
    EventStream.objects.create(
        tenant_id=tenant_id,
        charge_point_id=charge_point_id,
        stream_id=facts.stream_id,
        monitor_id=facts.monitor_id,
        interval_s=facts.interval_s,
        values_at_once=facts.values_at_once,
        opened_at=at,
    )


def decide_close(request: StreamClosed, batch: StationBatch) -> None:
    """Stop using a stream; one that is not known, or closed already, changes nothing."""
    rows = EventStream.objects.filter(
        charge_point_id=request.charge_point_id, stream_id=request.stream_id, closed_at=None
    )
    rows.update(closed_at=request.received_at)


def decide_data(request: StreamData, batch: StationBatch) -> None:
    """Keep the values of a message.  Nothing is read and nothing is answered, not even for a stream unknown to us."""
    kept = [
        [round(offset, 3), value[:MAX_VALUE_LENGTH]]
        for offset, value in request.values[:MAX_VALUES]
        if abs(offset) <= _MAX_OFFSET
    ]
    batch.add(
        ValuesRow(
            request.tenant_id,
            request.charge_point_id,
            request.received_at,
            request.stream_id,
            request.starts_at or request.received_at,
            request.pending,
            len(kept),
            json.dumps(kept, separators=(",", ":")),
        )
    )


# ---------------------------------------------------------------- answers to us


def keep_listed(command: Command, listed: Sequence[StreamFacts], *, at: datetime) -> None:
    """The charger has listed all its open streams: others are closed (N12)."""
    rows = _open_streams(command.charge_point_id)
    for facts in listed[:MAX_OPEN]:
        _put(command.tenant_id, command.charge_point_id, facts, rows.pop(facts.stream_id, None), at)
    EventStream.objects.filter(pk__in=[row.pk for row in rows.values()]).update(closed_at=at)


def keep_adjusted(
    command: Command, stream_id: int, *, interval_s: int | None, values_at_once: int | None
) -> None:
    """The charger sends a stream with other parameters now (N14)."""
    rows = EventStream.objects.filter(
        charge_point_id=command.charge_point_id, stream_id=stream_id, closed_at=None
    )
    given = {"interval_s": interval_s, "values_at_once": values_at_once}
    changed = {name: value for name, value in given.items() if value is not None}
    if changed:
        rows.update(**changed)


# ---------------------------------------------------------------- reading


def messages_of(stream: EventStream) -> QuerySet[StreamValues]:
    """The messages of a stream; its number may have been another stream's before and after."""
    rows: QuerySet[StreamValues] = StreamValues.objects.filter(
        charge_point_id=stream.charge_point_id,
        stream_id=stream.stream_id,
        received_at__gte=stream.opened_at,
    )
    return rows.filter(received_at__lte=stream.closed_at) if stream.closed_at is not None else rows


def values_of(message: StreamValues) -> Iterator[StreamValue]:
    """The values of a message in the order in which they came."""
    for offset, value in json.loads(message.values):
        yield StreamValue(message.starts_at + timedelta(seconds=offset), value)


def latest_values(stream: EventStream, *, count: int) -> list[StreamValue]:
    """The last values of a stream, the oldest first."""
    found: list[StreamValue] = []
    for message in messages_of(stream).order_by("-received_at", "-id")[:count]:
        found += values_of(message)
        if len(found) >= count:
            break
    return sorted(found, key=lambda value: value.at)[-count:]


def pending_of(stream: EventStream) -> tuple[int, bool]:
    """Values that the charger has still to send, and whether they become ever more (N15.FR.05)."""
    rows = messages_of(stream).order_by("-received_at", "-id")
    last = list(rows.values_list("pending", flat=True)[:3])
    return (last[0] if last else 0), len(last) == 3 and last[0] > last[1] > last[2]


def monitor_of(stream: EventStream) -> Monitor | None:
    """What the stream's values are of (N15.FR.03)."""
    found: Monitor | None = Monitor.objects.filter(
        charge_point_id=stream.charge_point_id, monitor_id=stream.monitor_id
    ).first()
    return found


OPEN: Act[StreamOpened, StationBatch] = Act(decide_open)
CLOSE: Act[StreamClosed, StationBatch] = Act(decide_close)
DATA: Act[StreamData, StationBatch] = Act(decide_data)
