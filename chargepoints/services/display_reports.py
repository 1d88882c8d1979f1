"""What chargers tell of the messages on their displays: answers to our orders, and lists on request.

A list comes in parts (2.0.1 part 2, O03, O04).  The parts of a request that nobody knows are stored as well; only a
list of everything that has come to its end says that something is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.choices import ReadingState, ShownState
from chargepoints.displaying import differences, normal
from chargepoints.models import Command, DisplayReading, ShownMessage
from chargepoints.models.displays import FREE_NUMBERS
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common import events

#: Messages of one part that are read, and messages that are kept for one charger.
MAX_PART = 500
MAX_HELD = 2000
#: A list that has brought nothing for so long is over.
READING_TIMEOUT = timedelta(minutes=2)
#: How often a message is sent that the charger accepts and then does not have.
MAX_LOST = 3
_MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayReport(FromCharger):
    """Messages that a charger holds.

    messages  number → message, as `displaying.normal` reads it
    is_last   nothing more comes for this request
    """

    request_id: int
    messages: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    is_last: bool = True


# ---------------------------------------------------------------- lists
def decide_report(request: DisplayReport, batch: StationBatch) -> None:
    """Store one part of a list; the last one of a list of everything tells what is missing."""
    now = request.received_at
    rows = ShownMessage.objects.filter(charge_point_id=request.charge_point_id)
    known = {
        row.number: row for row in rows.select_for_update(no_key=True, of=("self",)).select_related("message")
    }
    for number, message in list(request.messages.items())[:MAX_PART]:
        if not 0 <= number <= _MAX_NUMBER:
            continue
        told, row = normal(message), known.get(number)
        if row is not None:
            _note_told(row, told, request)
        elif len(known) < MAX_HELD:
            known[number] = ShownMessage.objects.create(
                tenant_id=request.tenant_id,
                charge_point_id=request.charge_point_id,
                number=number,
                status=ShownState.FOREIGN,
                reported=told,
                reported_at=now,
                told_in=request.request_id,
            )
    reading = _reading(request)
    if reading is not None:
        reading.count += len(request.messages)
        reading.last_part_at = now
        if request.is_last:
            _complete(reading, now)
        reading.save()


def _note_told(row: ShownMessage, told: dict[str, Any], request: DisplayReport) -> None:
    now = request.received_at
    row.reported, row.reported_at, row.told_in = told, now, request.request_id
    fields = ["reported", "reported_at", "told_in", "updated_at"]
    if row.status == ShownState.HELD and row.sent:
        differing = differences(row.sent, told)
        if differing and row.message_id is not None and row.failures < MAX_LOST:
            row.status, row.next_attempt_at = ShownState.DUE, now
            row.failures += 1
        elif not differing:
            row.failures = 0
        row.problem = f"The charger shows it differently: {', '.join(differing)}." if differing else ""
        fields += ["status", "next_attempt_at", "failures", "problem"]
    elif row.status == ShownState.ENDED:
        row.status, row.problem = ShownState.HELD, ""
        fields += ["status", "problem"]
    row.save(update_fields=fields)


def _reading(request: DisplayReport) -> DisplayReading | None:
    """The list that this part belongs to, if we have asked for it and it is not over."""
    found: DisplayReading | None = (
        DisplayReading.objects.select_for_update(no_key=True)
        .filter(charge_point_id=request.charge_point_id, request_id=request.request_id)
        .exclude(status=ReadingState.COMPLETE)
        .first()
    )
    return found


def _complete(reading: DisplayReading, now: datetime) -> None:
    """The list is whole: what it does not name is not there."""
    reading.status = ReadingState.COMPLETE
    if not reading.is_whole:
        return
    not_told = Q(told_in=None) | ~Q(told_in=reading.request_id)
    # What was accepted after the question may be missing in the answer.
    rows = ShownMessage.objects.filter(not_told, charge_point_id=reading.charge_point_id)
    for row in rows.exclude(accepted_at__gt=reading.asked_at).select_related("message"):
        _note_missing(row, now)


def _note_missing(row: ShownMessage, now: datetime) -> None:
    if row.status == ShownState.CLEARING and row.command_id is not None:
        return
    if row.message is None or row.status == ShownState.CLEARING:
        if row.status in (ShownState.FOREIGN, ShownState.HELD, ShownState.CLEARING):
            row.delete()
        return
    if row.status != ShownState.HELD:
        return
    row.reported = None
    if row.message.transaction_id:
        row.status, row.problem = ShownState.ENDED, "The charger removed it: its session has ended."
    elif row.message.ends_at is not None and row.message.ends_at <= now:
        row.status, row.problem = ShownState.ENDED, "The charger removed it: its time is over."
    elif row.failures >= MAX_LOST:
        row.status = ShownState.REFUSED
        row.problem = "The charger accepts this message again and again and does not keep it."
    else:
        row.failures += 1
        row.status, row.next_attempt_at = ShownState.DUE, now
        row.problem = "The charger had lost it; it is sent again."
    row.save()


REPORT: Act[DisplayReport, StationBatch] = Act(decide_report)


# ---------------------------------------------------------------- answers
def asked(command: Command, *, request_id: int, is_whole: bool) -> None:
    """The charger will tell what it holds."""
    DisplayReading.objects.update_or_create(
        charge_point_id=command.charge_point_id,
        defaults={
            "tenant_id": command.tenant_id,
            "request_id": request_id,
            "is_whole": is_whole,
            "status": ReadingState.OPEN,
            "count": 0,
            "asked_at": timezone.now(),
            "last_part_at": None,
        },
    )


@atomic
def nothing_held(command: Command, *, request_id: int, is_whole: bool) -> None:
    """The charger holds nothing of what was asked for (O03.FR.06, O04.FR.02)."""
    asked(command, request_id=request_id, is_whole=is_whole)
    reading = DisplayReading.objects.get(charge_point_id=command.charge_point_id)
    _complete(reading, timezone.now())
    reading.save()


@atomic
def taken(command: Command, *, number: int, message: Mapping[str, Any]) -> None:
    """The charger has accepted a message; one of this number, or another that is always in front, gives way."""
    now, told = timezone.now(), normal(message)
    row, _ = ShownMessage.objects.select_for_update(no_key=True).get_or_create(
        charge_point_id=command.charge_point_id,
        number=number,
        defaults={"tenant_id": command.tenant_id},
    )
    row.status, row.sent, row.problem = ShownState.HELD, told, ""
    row.accepted_at, row.command, row.next_attempt_at = now, None, None
    row.reported = None
    row.save()
    if told.get("priority") == "AlwaysFront":
        others = ShownMessage.objects.filter(
            charge_point_id=command.charge_point_id, status=ShownState.HELD, sent__priority="AlwaysFront"
        )
        others.exclude(pk=row.pk).update(
            status=ShownState.ENDED, problem=f"Replaced by message {number}, which is always in front."
        )


@atomic
def refused(command: Command, *, number: int, reason: str) -> None:
    """The charger does not take a message; what it held under this number before stays as it was."""
    row = _row(command, number).filter(status=ShownState.SENDING).select_related("charge_point").first()
    if row is not None:
        refuse(row, reason)


def refuse(row: ShownMessage, reason: str) -> None:
    """This charger will not show it: people have to change something first."""
    row.status, row.problem = ShownState.REFUSED, reason[:500]
    row.command, row.next_attempt_at, row.failures = None, None, 0
    row.save()
    events.record(
        "display_message.refused",
        tenant_id=row.tenant_id,
        object_type="displaymessage",
        object_id=row.message_id or 0,
        charge_point=row.charge_point.identity,
        data={"number": row.number, "reason": row.problem},
        at=timezone.now(),
    )


@atomic
def cleared(command: Command, *, number: int) -> None:
    """The charger no longer has a message, or never had it."""
    row = _row(command, number).select_related("message").first()
    if row is None:
        return
    if row.message is None or row.status == ShownState.CLEARING or not row.message.is_active:
        row.delete()
        return
    row.status, row.command, row.next_attempt_at = ShownState.ENDED, None, None
    row.problem = (
        f"Removed by {command.requested_by_name or 'a command'}; change the message to show it again."[:500]
    )
    row.save()


def _row(command: Command, number: int) -> QuerySet[ShownMessage]:
    rows: QuerySet[ShownMessage] = ShownMessage.objects.select_for_update(no_key=True, of=("self",)).filter(
        charge_point_id=command.charge_point_id, number=number
    )
    return rows


def is_ours(number: int) -> bool:
    """Whether a number is that of a row of ours."""
    return number < FREE_NUMBERS
