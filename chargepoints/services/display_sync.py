"""Bringing messages to displays: for whom they are, what is missing, sending it, asking after a boot.

All that is to be done stands in the rows, so that a run that is lost changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.transaction import atomic

from accounts.permissions import Actor
from chargepoints import commands, displaying
from chargepoints.choices import FINAL_COMMAND_STATUSES, CommandStatus, ReadingState, ShownState
from chargepoints.errors import ChargePointsError, Invalid
from chargepoints.list_messages import words_of
from chargepoints.models import (
    ChargePoint,
    Command,
    DisplayMessage,
    DisplayReading,
    ShownMessage,
    Variable,
)
from chargepoints.selectors import live_connections
from chargepoints.services.display_reports import READING_TIMEOUT, refuse
from chargepoints.wanted import fits_pattern

JOB: Final = "chargepoints.show_messages"
#: Messages and rows of chargers that one run looks at.
MESSAGES = 50
BATCH = 200
#: A message that nobody has touched is looked at all the same: new chargers may fit it.
LOOK_AGAIN: Final = timedelta(minutes=15)
_SOON = timedelta(seconds=10)
_RETRY_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
_ANSWER_S = 60
_NO_MESSAGE = "The charger speaks OCPP 1.6, which has no messages for displays."
_ACTOR: Final = Actor.system("display messages")


def run(now: datetime) -> int:
    """Look at what is due and send what is missing; returns how many rows were touched."""
    return spread(now) + take_ends(now) + send_due(now) + ask_booted(now) + end_readings(now)


# ---------------------------------------------------------------- for whom
def spread(now: datetime) -> int:
    """Compare messages that are due for it with the chargers that fit them."""
    due = DisplayMessage.objects.filter(look_at__lte=now).order_by("look_at", "pk")
    return sum(_spread(key, now) for key in list(due.values_list("pk", flat=True)[:MESSAGES]))


@atomic
def _spread(key: int, now: datetime) -> int:
    rows = DisplayMessage.objects.select_for_update(no_key=True, skip_locked=True)
    message: DisplayMessage | None = rows.filter(pk=key).first()
    if message is None:
        return 0
    is_over = message.ends_at is not None and message.ends_at <= now
    fitting = set() if is_over or not message.is_active else set(chargers_for(message))
    wanted = displaying.normal(message.told())
    rows_of = message.shown.select_for_update(no_key=True, of=("self",)).select_related("charge_point")
    shown = {row.charge_point_id: row for row in rows_of.order_by("pk")}
    changed = 0
    for charge_point_id, row in shown.items():
        if charge_point_id in fitting:
            changed += _renew(row, wanted, now)
        else:
            changed += _take_away(row, is_over=is_over, now=now)
    changed += _make(message, fitting - shown.keys(), now)
    is_moving = any(row.status in (ShownState.SENDING, ShownState.CLEARING) for row in shown.values())
    message.look_at = now + (_SOON if is_moving else LOOK_AGAIN)
    if message.ends_at is not None and message.ends_at > now:
        message.look_at = min(message.look_at, message.ends_at)
    message.save(update_fields=["look_at"])
    return changed


def chargers_for(message: DisplayMessage) -> list[int]:
    """The charge points that should show it."""
    rows = ChargePoint.objects.filter(tenant_id=message.tenant_id, archived_at=None)
    if message.charge_point_id is not None:
        rows = rows.filter(pk=message.charge_point_id)
    if message.location_id is not None:
        rows = rows.filter(location_id=message.location_id)
    if not message.vendor and not message.model:
        return list(rows.values_list("pk", flat=True))
    return [
        pk
        for pk, vendor, model in rows.values_list("pk", "vendor", "model")
        if fits_pattern(message.vendor, vendor) and fits_pattern(message.model, model)
    ]


def _make(message: DisplayMessage, charge_points: set[int], now: datetime) -> int:
    # A row that the charger told of under this number becomes ours.
    foreign = ShownMessage.objects.filter(charge_point__in=charge_points, number=message.pk, message=None)
    known = set(foreign.values_list("charge_point_id", flat=True))
    foreign.update(message=message, status=ShownState.DUE, next_attempt_at=now, updated_at=now)
    made = [
        ShownMessage(
            tenant_id=message.tenant_id,
            charge_point_id=pk,
            message=message,
            number=message.pk,
            next_attempt_at=now,
        )
        for pk in sorted(charge_points - known)
    ]
    ShownMessage.objects.bulk_create(made, batch_size=500)
    return len(charge_points)


def _renew(row: ShownMessage, wanted: dict[str, Any], now: datetime) -> int:
    """Let a message that has changed, or was to be taken away, be sent again."""
    if row.status == ShownState.SENDING or (row.status == ShownState.CLEARING and row.command_id is not None):
        return 0
    is_other = bool(displaying.differences(wanted, row.sent)) or _may_have_changed(row)
    if row.status in (ShownState.DUE, ShownState.CLEARING) or is_other:
        if row.status == ShownState.DUE and row.next_attempt_at is not None:
            return 0
        row.status, row.next_attempt_at, row.failures, row.problem = ShownState.DUE, now, 0, ""
        row.save(update_fields=["status", "next_attempt_at", "failures", "problem", "updated_at"])
        return 1
    return 0


def _may_have_changed(row: ShownMessage) -> bool:
    """Whether a charger that has refused it has booted since: it may have new firmware, or speak another version."""
    booted = row.charge_point.last_boot_at
    return row.status == ShownState.REFUSED and booted is not None and booted > row.updated_at


def _take_away(row: ShownMessage, *, is_over: bool, now: datetime) -> int:
    """A charger should no longer show it; when its time is over the charger removes it by itself (O01.FR.07)."""
    if row.status in (ShownState.SENDING, ShownState.CLEARING):
        return 0
    if row.status == ShownState.HELD and is_over:
        row.status, row.problem, row.next_attempt_at = ShownState.ENDED, "Its time is over.", None
    elif row.status == ShownState.HELD or (row.status == ShownState.DUE and row.accepted_at is not None):
        row.status, row.next_attempt_at, row.failures = ShownState.CLEARING, now, 0
    elif is_over:
        return 0
    else:
        row.delete()
        return 1
    row.save(update_fields=["status", "problem", "next_attempt_at", "failures", "updated_at"])
    return 1


# ---------------------------------------------------------------- sending
def send_due(now: datetime) -> int:
    """Send to chargers that are online what they lack, and take off what they should not have."""
    online = live_connections().filter(charge_point=OuterRef("charge_point"))
    due = ShownMessage.objects.filter(
        Exists(online),
        next_attempt_at__lte=now,
        command=None,
        status__in=(ShownState.DUE, ShownState.CLEARING),
        charge_point__archived_at=None,
    )
    keys = list(due.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:BATCH])
    abilities: dict[int, displaying.Abilities] = {}
    return sum(_send(key, now, abilities) for key in keys)


@atomic
def _send(key: int, now: datetime, abilities: dict[int, displaying.Abilities]) -> int:
    rows = ShownMessage.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    row: ShownMessage | None = (
        rows.filter(pk=key, command=None, next_attempt_at__lte=now)
        .select_related("charge_point", "message")
        .first()
    )
    if row is None:
        return 0
    try:
        with atomic():
            _clear(row) if row.status == ShownState.CLEARING else _show(row, abilities)
    except Invalid as error:
        refuse(row, " ".join(error.errors.values()))
    except ChargePointsError as error:
        # Gone offline this moment, rejected: no fault of the message.
        row.problem, row.next_attempt_at = str(error)[:500], now + _RETRY_AFTER[0]
        row.save(update_fields=["problem", "next_attempt_at", "updated_at"])
    return 1


def _show(row: ShownMessage, abilities: dict[int, displaying.Abilities]) -> None:
    if row.message is None:
        row.delete()
        return
    told = row.message.told()
    # What is refused before it is sent stays refused until the message changes, or the charger has booted.
    row.sent = displaying.normal(told)
    if row.charge_point_id not in abilities:
        abilities[row.charge_point_id] = abilities_of(row.charge_point)
    if not commands.can_be_said(row.charge_point, "set_display_message"):
        refuse(row, _NO_MESSAGE)
        return
    commands.check_order(row.charge_point, "set_display_message", {**told, "message_id": row.number})
    if problems := abilities[row.charge_point_id].problems(told):
        refuse(row, " ".join(problems))
        return
    row.command = _order(row.charge_point, "set_display_message", {**told, "message_id": row.number})
    row.status, row.next_attempt_at = ShownState.SENDING, None
    row.save()


def _clear(row: ShownMessage) -> None:
    row.command = _order(row.charge_point, "clear_display_message", {"message_id": row.number})
    row.next_attempt_at = None
    row.save(update_fields=["command", "next_attempt_at", "updated_at"])


def _order(charge_point: ChargePoint, action: str, payload: dict[str, Any]) -> Command:
    return commands.queue(
        actor=_ACTOR, charge_point=charge_point, action=action, payload=payload, timeout_s=_ANSWER_S
    )


def abilities_of(charge_point: ChargePoint) -> displaying.Abilities:
    """What the charger has told of its display."""
    rows = Variable.objects.filter(
        charge_point=charge_point, component=displaying.COMPONENT, attribute="Actual", is_unknown=False
    )
    return displaying.abilities(rows.values_list("name", "value"))


# ---------------------------------------------------------------- ends that are no answers
def take_ends(now: datetime) -> int:
    """Take over what became of orders that brought no answer; answers act at once."""
    ended = Q(command__status__in=FINAL_COMMAND_STATUSES) | Q(command=None, status=ShownState.SENDING)
    rows = ShownMessage.objects.filter(ended, status__in=(ShownState.SENDING, ShownState.CLEARING))
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
    return sum(_take_end(key, now) for key in keys)


@atomic
def _take_end(key: int, now: datetime) -> int:
    rows = ShownMessage.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    row: ShownMessage | None = rows.filter(pk=key).select_related("command", "charge_point").first()
    if row is None or row.status not in (ShownState.SENDING, ShownState.CLEARING):
        return 0
    command = row.command
    reason = words_of(command) if command is not None else "The order is gone."
    if command is not None and command.status == CommandStatus.NOT_SUPPORTED:
        refuse(row, f"The charger knows no messages on its display. {reason}".strip())
        return 1
    if row.failures >= len(_RETRY_AFTER):
        refuse(row, reason)
        return 1
    row.status = ShownState.DUE if row.status == ShownState.SENDING else row.status
    row.problem, row.command = reason[:500], None
    row.next_attempt_at = now + _RETRY_AFTER[row.failures]
    row.failures += 1
    row.save()
    return 1


# ---------------------------------------------------------------- asking
def ask_booted(now: datetime) -> int:
    """Messages should outlive a boot (O01.FR.10): chargers that have booted are asked whether they did."""
    online = live_connections().filter(charge_point=OuterRef("pk"))
    held = ShownMessage.objects.filter(
        charge_point=OuterRef("pk"), status=ShownState.HELD, message__isnull=False
    )
    since = Coalesce("display_reading__asked_at", "created_at")
    rows: QuerySet[ChargePoint] = ChargePoint.objects.filter(
        Exists(held.filter(accepted_at__lt=OuterRef("last_boot_at"))),
        Exists(online),
        archived_at=None,
        last_boot_at__isnull=False,
    ).annotate(told_at=since)
    rows = rows.filter(last_boot_at__gt=F("told_at")).order_by("pk")
    return sum(ask(row, now) for row in rows[:BATCH])


@atomic
def ask(charge_point: ChargePoint, now: datetime, *, actor: Actor = _ACTOR) -> bool:
    """Ask a charger for all that it holds; False when it cannot be asked now."""
    try:
        with atomic():
            command = commands.queue(
                actor=actor, charge_point=charge_point, action="get_display_messages", payload={}
            )
    except ChargePointsError:
        return False
    DisplayReading.objects.update_or_create(
        charge_point=charge_point,
        defaults={
            "tenant_id": charge_point.tenant_id,
            "request_id": command.payload["request_id"],
            "is_whole": True,
            "status": ReadingState.OPEN,
            "count": 0,
            "asked_at": now,
            "last_part_at": None,
        },
    )
    return True


def end_readings(now: datetime) -> int:
    """Lists that have not come to their end in time are incomplete: nothing follows from what they do not name."""
    over = now - READING_TIMEOUT
    rows = DisplayReading.objects.filter(status=ReadingState.OPEN, asked_at__lt=over)
    return rows.exclude(last_part_at__gte=over).update(status=ReadingState.INCOMPLETE)
