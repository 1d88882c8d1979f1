"""The device model of chargers: what they report of it, one by one and in reports of many parts (2.0.1 B05–B08)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F
from django.db.transaction import atomic

from chargepoints import configuring
from chargepoints.choices import DeviceReportBase, DeviceReportStatus, VariableSource
from chargepoints.models import Command, DeviceReport, Variable
from chargepoints.redaction import redact_url
from chargepoints.services.batch import Act, FromCharger, StationBatch
from chargepoints.services.variable_rows import (
    Entry,
    Place,
    Report,
    begin,
    known_rows,
    note_reading,
    shown,
    source_of_read,
)
from chargepoints.variable_names import VariableName
from csms_project.common import events

#: Variables of a charger that are kept; a large one has a few thousand.
MAX_VARIABLES = 20_000
#: Parts of a report whose numbers are kept.
MAX_PARTS = 5_000
#: A report without a new part for so long has ended as it is.
PATIENCE = timedelta(minutes=5)
REPORTS = ("GetBaseReport", "GetReport")
_LOOK_BACK = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(FromCharger):
    """NotifyReport: some variables of a report (2.0.1 B07, B08)."""

    request_id: int
    number: int
    is_last: bool
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a charger answers about one variable that it was asked to tell or to set.

    status  the answer as it is: Accepted, Rejected, UnknownVariable …
    """

    name: VariableName
    status: str
    value: str | None = None
    reason: str = ""


# ---------------------------------------------------------------- reports in parts
def decide_part(request: Part, batch: StationBatch) -> None:
    """Store the values of a part, and end the report with its last one.

    Parts may come twice, in any order, late, or for a report that nobody here has asked for.
    """
    command = _asking(request.charge_point_id, request.request_id)
    row = _report_of(request, command)
    at = request.received_at
    if request.entries:
        _store_part(request, row, command)
    if request.number not in row.parts and len(row.parts) < MAX_PARTS:
        row.parts = sorted([*row.parts, request.number])
        row.variables += len(request.entries)
    if request.is_last:
        row.last_part = request.number
    row.last_at = at
    row.save()
    if row.status != DeviceReportStatus.COMPLETE and row.is_whole and row.begins_at_the_start:
        _complete(row, command, at)


def _asking(charge_point_id: int, request_id: int) -> Command | None:
    """The order that carries this number, of the latest ones: its answer may be lost, or come after the parts."""
    rows = Command.objects.filter(charge_point_id=charge_point_id, ocpp_action__in=REPORTS)
    latest: list[Command] = list(rows.order_by("-id")[:_LOOK_BACK])
    for command in latest:
        if isinstance(command.request, dict) and command.request.get("requestId") == request_id:
            return command
    return None


def _report_of(request: Part, command: Command | None) -> DeviceReport:
    row: DeviceReport | None = (
        DeviceReport.objects.filter(charge_point_id=request.charge_point_id, request_id=request.request_id)
        .order_by("-id")
        .first()
    )
    if row is not None and not _was_asked_again(row, command):
        return row
    return _new_report(
        request.tenant_id, request.charge_point_id, request.request_id, command, request.received_at
    )


def _was_asked_again(row: DeviceReport, command: Command | None) -> bool:
    """The number was used before: this is a report of a later order."""
    return command is not None and row.command_id != command.pk and row.started_at < command.created_at


def _new_report(
    tenant_id: int, charge_point_id: int, request_id: int, command: Command | None, at: datetime
) -> DeviceReport:
    return DeviceReport.objects.create(
        tenant_id=tenant_id,
        charge_point_id=charge_point_id,
        request_id=request_id,
        base=_base_of(command),
        command_id=command.pk if command is not None else None,
        started_at=at,
        last_at=at,
    )


def _base_of(command: Command | None) -> str:
    if command is None or not isinstance(command.request, dict):
        return ""
    base = command.request.get("reportBase", DeviceReportBase.CUSTOM)
    return base if base in DeviceReportBase.values else ""


def _store_part(request: Part, row: DeviceReport, command: Command | None) -> None:
    report = begin(request.charge_point_id, request.received_at, source_of_read(command), command)
    if report is None:
        return
    listed = {entry.name.folded: entry for entry in request.entries}
    known = known_rows(report.charge_point_id, [entry.name for entry in listed.values()])
    is_first = not _was_read_before(report, row.started_at)
    room = MAX_VARIABLES - _count(report) if len(listed) > len(known) else 0
    for place, entry in listed.items():
        found = known.get(place)
        if found is None and room <= 0:
            continue
        room -= found is None
        report.take_listed(entry, found, is_first=is_first)
    report.write()


def _count(report: Report) -> int:
    return Variable.objects.filter(charge_point_id=report.charge_point_id).count()


def _was_read_before(report: Report, started_at: datetime) -> bool:
    rows = Variable.objects.filter(charge_point_id=report.charge_point_id, read_at__lt=started_at)
    return rows.exclude(component="").exists()


def _complete(row: DeviceReport, command: Command | None, at: datetime) -> None:
    """All parts have come; of all variables it also tells what the charger no longer has."""
    row.status, row.ended_at = DeviceReportStatus.COMPLETE, at
    row.save(update_fields=["status", "ended_at"])
    report = begin(row.charge_point_id, at, source_of_read(command), command)
    if report is None:
        return
    is_all = row.base == DeviceReportBase.FULL
    if is_all and row.begins_at_the_start:
        _mark_gone(report, row.started_at)
    note_reading(report, is_complete=is_all)
    _tell(row, report.identity)


def _mark_gone(report: Report, started_at: datetime) -> None:
    """What was not in the report; keys of OCPP 1.6 that an earlier firmware had are among it."""
    rows = Variable.objects.filter(
        charge_point_id=report.charge_point_id, gone_at=None, is_unknown=False, read_at__lt=started_at
    )
    for row in rows:
        report.take_gone(row)
    report.write()


def _tell(row: DeviceReport, identity: str) -> None:
    events.record(
        "configuration.reported",
        tenant_id=row.tenant_id,
        object_type="charge_point",
        object_id=row.charge_point_id,
        charge_point=identity,
        data={"base": row.base, "status": row.status, "parts": len(row.parts), "variables": row.variables},
        at=row.ended_at,
    )


@atomic
def report_agreed(command: Command, request_id: int, *, at: datetime) -> None:
    """The charger has agreed to send a report: from now on its parts are waited for."""
    rows = DeviceReport.objects.filter(
        charge_point_id=command.charge_point_id, request_id=request_id, command_id=command.pk
    )
    if not rows.exists():  # no part came before the answer
        _new_report(command.tenant_id, command.charge_point_id, request_id, command, at)


def end_stale(now: datetime) -> int:
    """End the reports whose parts have stopped coming; returns how many.  What came is kept.

    A charger that numbers the parts of all its reports in one row begins with any number: it has told all.
    """
    rows = DeviceReport.objects.filter(status=DeviceReportStatus.OPEN, last_at__lt=now - PATIENCE)
    ended = 0
    for row in rows.select_related("charge_point").order_by("pk")[:500]:
        ended += _end(row, now)
    return ended


@atomic
def _end(row: DeviceReport, now: datetime) -> bool:
    taken = DeviceReport.objects.filter(pk=row.pk, status=DeviceReportStatus.OPEN, last_at=row.last_at)
    if not taken.update(status=DeviceReportStatus.PARTIAL, ended_at=now):
        return False  # another part has come meanwhile
    if row.is_whole:
        command = Command.objects.filter(pk=row.command_id).first() if row.command_id else None
        _complete(row, command, now)
    else:
        row.status, row.ended_at = DeviceReportStatus.PARTIAL, now
        _tell(row, row.charge_point.identity)
    return True


# ---------------------------------------------------------------- one by one
@atomic
def store_told(
    charge_point_id: int, results: Sequence[Result], *, at: datetime, command: Command | None = None
) -> None:
    """GetVariables: values that the charger tells, and names that it does not know (2.0.1 B06)."""
    report = begin(charge_point_id, at, source_of_read(command), command)
    if report is None:
        return
    known = known_rows(charge_point_id, [result.name for result in results])
    for result in results:
        row = known.get(result.name.folded)
        if result.status == "Accepted":
            entry = Entry(place=result.name, value=result.value, is_readonly=None)
            report.take_listed(entry, row, is_first=True)
        elif result.status in configuring.ABSENT:
            report.take_unknown(result.name, row)
    report.write()
    note_reading(report, is_complete=False)


@atomic
def store_set(charge_point_id: int, results: Sequence[Result], *, at: datetime, command: Command) -> None:
    """SetVariables: what the charger has taken, and why it has not taken the rest (2.0.1 B05).

    value  of a result: what the charger was asked to take; secrets may be masked already
    """
    report = begin(charge_point_id, at, VariableSource.SET, command)
    if report is None:
        return
    known = known_rows(charge_point_id, [result.name for result in results])
    for result in results:
        row = _take_result(report, result, known)
        row.set_status, row.set_reason = result.status[:25], redact_url(result.reason)[:600]
        row.set_answered_at = at
        report.keep(row)
    report.write()
    configuring.answered(command, {result.name.key: result.status for result in results})


def _take_result(report: Report, result: Result, known: dict[Place, Variable]) -> Variable:
    row = known.get(result.name.folded)
    if result.status in configuring.TAKEN and result.value is not None:
        reboot = result.status == "RebootRequired"
        taken, is_new, old = report.take_set(result.name, row, result.value, reboot_required=reboot)
        report.note_set(taken, is_new=is_new, old=old)
        return taken
    if result.status in configuring.ABSENT:
        report.take_unknown(result.name, row)
    return row or report.changed.get(result.name.folded) or report.new_row(result.name)


def shown_value(name: VariableName, text: str) -> str:
    """A value as people may see it."""
    return shown(name.key, text) or ""


#: Variables that tell of trouble where they are true, and states in which a place cannot be used (B07.FR.09).
_TROUBLES = frozenset({"problem", "tripped", "overload", "fallback", "fault"})
_BAD_STATES = frozenset({"faulted", "unavailable"})


def is_trouble(row: Variable) -> bool:
    """Whether a value calls for a person: a problem, a refusal, a change that waits for a reboot."""
    if row.gone_at is not None:
        return False
    if row.reboot_required or row.set_status not in ("", *configuring.TAKEN):
        return True
    value = (row.value or "").casefold()
    if row.attribute != "Actual":
        return False
    return (row.name_key in _TROUBLES and value == "true") or (
        row.name_key == "availabilitystate" and value in _BAD_STATES
    )


def latest_reports(charge_point_id: int, *, limit: int = 5) -> list[DeviceReport]:
    """The last reports of a charger, the newest first."""
    rows = DeviceReport.objects.filter(charge_point_id=charge_point_id)
    return list(rows.order_by(F("started_at").desc(), "-pk")[:limit])


PART: Act[Part, StationBatch] = Act(decide_part)
