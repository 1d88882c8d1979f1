"""What chargers tell of their controls for the grid: answers to our orders, lists, alarms, begins and ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.choices import DerControlState, DerEventKind, ReadingState
from chargepoints.models import Command, DerControl, DerEvent, DerReading
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common.events import event

#: Controls of one part that are read, and controls that are kept for one charger.
MAX_PART = 500
MAX_HELD = 1000
#: A list that has brought nothing for so long is over.
READING_TIMEOUT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control as a message describes it.

    content  its parameters, named as the arguments of our commands
    """

    control_id: str
    control_type: str
    is_default: bool
    priority: int
    starts_at: datetime | None = None
    duration_s: float | None = None
    is_superseded: bool = False
    content: Mapping[str, Any]

    def columns(self) -> dict[str, Any]:
        """As a row keeps it."""
        return {
            "control_type": self.control_type,
            "is_default": self.is_default,
            "priority": self.priority,
            "starts_at": self.starts_at,
            "duration_s": self.duration_s,
            "is_superseded": self.is_superseded,
            "content": dict(self.content),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which controls an order is about; what is not said matches everything."""

    is_default: bool | None = None
    control_type: str = ""
    control_id: str = ""

    @property
    def matching(self) -> Q:
        """The rows that it is about."""
        found = Q()
        if self.is_default is not None:
            found &= Q(is_default=self.is_default)
        if self.control_type:
            found &= Q(control_type=self.control_type)
        if self.control_id:
            found &= Q(control_id=self.control_id)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DerReport(FromCharger):
    """Controls that a charger holds; `is_last`: nothing more comes for this request."""

    request_id: int
    controls: Sequence[Control] = ()
    is_last: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DerAlarm(FromCharger):
    """A charger leaves its course because of a control, or is back on it (R05)."""

    control_type: str
    fault: str
    is_end: bool
    at: datetime | None
    info: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerStartStop(FromCharger):
    """A scheduled control begins or ends (R04.FR.20 to 22)."""

    control_id: str
    is_start: bool
    at: datetime | None
    superseded_ids: Sequence[str] = ()


# ---------------------------------------------------------------- lists
def decide_report(request: DerReport, batch: StationBatch) -> None:
    """Store one part of a list; the last one tells which of those asked for are gone."""
    now, held = request.received_at, _held(request.charge_point_id)
    known = {row.control_id: row for row in held.select_for_update(no_key=True)}
    for control in request.controls[:MAX_PART]:
        row = known.get(control.control_id)
        if row is None and len(known) >= MAX_HELD:
            continue
        row = row or DerControl(
            tenant_id=request.tenant_id,
            charge_point_id=request.charge_point_id,
            control_id=control.control_id,
        )
        _fill(row, control)
        row.reported_at, row.told_in = now, request.request_id
        row.save()
        known[control.control_id] = row
    reading: DerReading | None = (
        DerReading.objects.select_for_update(no_key=True)
        .filter(charge_point_id=request.charge_point_id, request_id=request.request_id)
        .exclude(status=ReadingState.COMPLETE)
        .first()
    )
    if reading is not None:
        reading.count += len(request.controls)
        reading.last_part_at = now
        if request.is_last:
            _complete(reading)
        reading.save()


def _held(charge_point_id: int) -> QuerySet[DerControl]:
    rows: QuerySet[DerControl] = DerControl.objects.filter(charge_point_id=charge_point_id)
    return rows


def _fill(row: DerControl, control: Control) -> None:
    for name, value in control.columns().items():
        setattr(row, name, value)
    if row.status != DerControlState.HELD:
        row.status, row.started_at, row.ended_at = DerControlState.HELD, None, None


def _complete(reading: DerReading) -> None:
    reading.status = ReadingState.COMPLETE
    choice = Choice(
        is_default=reading.is_default, control_type=reading.control_type, control_id=reading.control_id
    )
    rows = _held(reading.charge_point_id).filter(choice.matching, status=DerControlState.HELD)
    # What was accepted after the question may be missing in the answer.
    rows = rows.exclude(told_in=reading.request_id).exclude(accepted_at__gt=reading.asked_at)
    rows.update(status=DerControlState.GONE, updated_at=timezone.now())


REPORT: Act[DerReport, StationBatch] = Act(decide_report)


# ---------------------------------------------------------------- events
def decide_alarm(request: DerAlarm, batch: StationBatch) -> None:
    """Store an alarm or its end; there is one alarm at a time, and the newest is the one that lasts (R05.FR.04)."""
    kind = DerEventKind.ALARM_ENDED if request.is_end else DerEventKind.ALARM
    at = request.at or request.received_at
    rows = DerEvent.objects.filter(charge_point_id=request.charge_point_id)
    is_repeat = rows.filter(kind=kind, at=at, control_type=request.control_type, fault=request.fault).exists()
    if is_repeat:
        return
    rows.filter(is_open=True).update(is_open=False)
    DerEvent.objects.create(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        received_at=request.received_at,
        kind=kind,
        control_type=request.control_type,
        fault=request.fault,
        info=request.info,
        at=at,
        is_open=not request.is_end,
    )
    data = {"control_type": request.control_type, "fault": request.fault, "info": request.info}
    _tell(request, batch, f"der.{kind.value}", data)


def decide_start_stop(request: DerStartStop, batch: StationBatch) -> None:
    """Store that a control began or ended, and what it superseded."""
    at = request.at or request.received_at
    kind = DerEventKind.STARTED if request.is_start else DerEventKind.STOPPED
    known = {"kind": kind, "at": at, "control_id": request.control_id}
    if DerEvent.objects.filter(charge_point_id=request.charge_point_id, **known).exists():
        return
    held = _held(request.charge_point_id)
    row = held.select_for_update(no_key=True).filter(control_id=request.control_id).first()
    if row is not None and request.is_start:
        row.started_at, row.ended_at, row.status = at, None, DerControlState.HELD
        row.save(update_fields=["started_at", "ended_at", "status", "updated_at"])
    elif row is not None:
        row.ended_at, row.status = at, DerControlState.ENDED
        row.save(update_fields=["ended_at", "status", "updated_at"])
    _supersede(request.charge_point_id, request.superseded_ids)
    DerEvent.objects.create(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        received_at=request.received_at,
        control_type=row.control_type if row is not None else "",
        superseded_ids=list(request.superseded_ids),
        **known,
    )
    _tell(request, batch, f"der.{kind.value}", {"control_id": request.control_id})


def _tell(request: FromCharger, batch: StationBatch, kind: str, data: dict[str, str]) -> None:
    batch.add(
        event(
            kind,
            tenant_id=request.tenant_id,
            object_type="charge_point",
            object_id=request.charge_point_id,
            charge_point=batch.charge_point(request.charge_point_id).identity,
            data=data,
            at=request.received_at,
        )
    )


def _want(request: FromCharger, batch: StationBatch) -> None:
    batch.want_charge_point(request.charge_point_id)


ALARM: Act[DerAlarm, StationBatch] = Act(decide_alarm, _want)
START_STOP: Act[DerStartStop, StationBatch] = Act(decide_start_stop, _want)


# ---------------------------------------------------------------- answers
@atomic
def taken(command: Command, *, control: Control, superseded: Sequence[str]) -> None:
    """The charger has accepted a control; others, or this one, may count no longer (R04.FR.03 to 08)."""
    row = _held(command.charge_point_id).filter(control_id=control.control_id).first()
    row = row or DerControl(
        tenant_id=command.tenant_id,
        charge_point_id=command.charge_point_id,
        control_id=control.control_id,
    )
    _fill(row, control)
    row.started_at = row.ended_at = row.reported_at = row.told_in = None
    row.accepted_at = timezone.now()
    row.save()
    _supersede(command.charge_point_id, superseded)


def _supersede(charge_point_id: int, ids: Sequence[str]) -> None:
    rows = _held(charge_point_id).filter(control_id__in=list(ids))
    rows.update(is_superseded=True, updated_at=timezone.now())


def cleared(command: Command, *, choice: Choice) -> None:
    """The charger has removed these, or never had them (R04.FR.41 to 46)."""
    rows = _held(command.charge_point_id).filter(choice.matching, status=DerControlState.HELD)
    rows.update(status=DerControlState.CLEARED, updated_at=timezone.now())


def asked(command: Command, *, request_id: int, choice: Choice) -> None:
    """The charger will tell what it holds."""
    DerReading.objects.update_or_create(
        charge_point_id=command.charge_point_id,
        defaults={
            "tenant_id": command.tenant_id,
            "request_id": request_id,
            "is_default": choice.is_default,
            "control_type": choice.control_type,
            "control_id": choice.control_id,
            "status": ReadingState.OPEN,
            "count": 0,
            "asked_at": timezone.now(),
            "last_part_at": None,
        },
    )


@atomic
def nothing_held(command: Command, *, request_id: int, choice: Choice) -> None:
    """The charger holds nothing of what was asked for (R04.FR.30)."""
    asked(command, request_id=request_id, choice=choice)
    reading = DerReading.objects.get(charge_point_id=command.charge_point_id)
    _complete(reading)
    reading.save()


# ---------------------------------------------------------------- now and then
def watch(now: datetime) -> int:
    """End lists that never came to their end; note the controls whose time is over (R04.FR.10)."""
    over = now - READING_TIMEOUT
    open_ones = DerReading.objects.filter(status=ReadingState.OPEN, asked_at__lt=over)
    count = open_ones.exclude(last_part_at__gte=over).update(status=ReadingState.INCOMPLETE)
    scheduled = DerControl.objects.filter(
        status=DerControlState.HELD, is_default=False, starts_at__lt=now, duration_s__isnull=False
    )
    ended = [
        pk
        for pk, starts_at, duration in scheduled.values_list("pk", "starts_at", "duration_s")
        if starts_at + timedelta(seconds=min(duration, 1e9)) <= now
    ]
    return count + DerControl.objects.filter(pk__in=ended).update(
        status=DerControlState.ENDED, updated_at=now
    )
