"""What carries fleet tasks on: a step that any number of workers may run at any time.

A step takes over what became of commands that were sent, ends what waited too long, sends what may be sent, and ends
the tasks of which nothing is open.  Each order is settled by one conditional update and sent in a transaction of its
own under a lock of its task: a charger that refuses, or an error of ours, is that order's outcome and nobody else's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from accounts.errors import AccountsError
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import (
    FINAL_COMMAND_STATUSES,
    OPEN_ITEM_STATUSES,
    CommandStatus,
    FleetItemStatus,
    FleetTaskState,
    RegistrationStatus,
)
from chargepoints.models import Command, FleetTask, FleetTaskItem
from chargepoints.selectors import live_connections
from chargepoints.services import fleet
from csms_project.common import crypto, events

logger = logging.getLogger(__name__)

#: Orders that one step sends, and outcomes that it takes over: a step stays short whatever the size of the task.
SEND_AT_ONCE = 200
SETTLE_AT_ONCE = 1000
#: A failure rate is judged when so many orders have been answered, or not.
JUDGED_FROM = 5
#: For how long the secrets of orders that have failed are kept, so that they can be tried again.
KEEP_SECRETS = timedelta(days=7)

_STATUS = FleetItemStatus
#: What tells that an order may be a bad one; a charger that is away tells nothing.
_ASKED = (_STATUS.ACCEPTED, _STATUS.REJECTED, _STATUS.NOT_SUPPORTED, _STATUS.FAILED, _STATUS.TIMED_OUT)
#: Names of our own for what went wrong; the words behind them say it better.
_OUR_CODES = frozenset({"CannotSend", "ConnectionLost", "ConnectionReplaced", "InvalidAnswer", "Timeout"})
_WORDS = {
    CommandStatus.REJECTED: "The charger refused.",
    CommandStatus.NOT_SUPPORTED: "The charger does not support this.",
    CommandStatus.FAILED: "The command failed.",
    CommandStatus.TIMED_OUT: "The charger did not answer in time.",
    CommandStatus.EXPIRED: "It could not be sent in time.",
    CommandStatus.CANCELLED: "Cancelled before it was sent.",
}


def step(now: datetime) -> int:
    """Carry all open tasks on by a bounded piece; returns the orders and tasks touched.

    Running it twice, or in two workers at once, has the effect of once.
    """
    due = Q(not_before=None) | Q(not_before__lte=now) | ~Q(state=FleetTaskState.WAITING)
    tasks = list(FleetTask.objects.filter(due, ended_at=None).order_by("pk"))
    if not tasks:
        return 0
    touched = _settle(tasks, now) + _begin(tasks, now) + _stop_failing(tasks)
    running = [task for task in tasks if task.state == FleetTaskState.RUNNING]
    touched += _expire(running, now)
    room = max(1, SEND_AT_ONCE // max(1, len(running)))
    touched += sum(_send(task, room, now) for task in running)
    return touched + _finish(tasks, now)


def forget_secrets(now: datetime) -> int:
    """Wipe the secrets of orders that have failed and were not tried again for a week."""
    old = FleetTask.objects.filter(ended_at__lte=now - KEEP_SECRETS)
    rows = FleetTaskItem.objects.filter(task__in=old).exclude(secret_payload="")
    return int(rows.update(secret_payload=""))


# --- what became of commands ---


def _settle(tasks: Sequence[FleetTask], now: datetime) -> int:
    """Take over the outcomes of commands that have ended."""
    ended = (
        FleetTaskItem.objects.filter(
            task__in=tasks, status=_STATUS.UNDER_WAY, command__status__in=FINAL_COMMAND_STATUSES
        )
        .select_related("command")
        .order_by("pk")[:SETTLE_AT_ONCE]
    )
    by_outcome: dict[tuple[str, str], list[FleetTaskItem]] = {}
    for item in ended:
        assert item.command is not None
        by_outcome.setdefault((item.command.status, words_of(item.command)), []).append(item)
    return sum(_settle_alike(status, words, items, now) for (status, words), items in by_outcome.items())


def _settle_alike(status: str, words: str, items: Sequence[FleetTaskItem], now: datetime) -> int:
    values: dict[str, Any] = {"status": status, "outcome": words, "ended_at": now}
    if status in (CommandStatus.ACCEPTED, CommandStatus.CANCELLED):
        values["secret_payload"] = ""
    rows = FleetTaskItem.objects.filter(pk__in=[item.pk for item in items], status=_STATUS.UNDER_WAY)
    return int(rows.update(**values))


def words_of(command: Command) -> str:
    """The outcome of a command that has ended, in words; "" where the status says it all."""
    error = command.error if isinstance(command.error, dict) else {}
    code, told = str(error.get("code") or ""), str(error.get("description") or "")
    if code not in _OUR_CODES:
        told = ": ".join(filter(None, (code, told)))
    words = command.summary or told or _WORDS.get(CommandStatus(command.status), "")
    return " ".join(words.split())[:300]


# --- the tasks ---


def _begin(tasks: Sequence[FleetTask], now: datetime) -> int:
    """Start the tasks whose time has come; from then on offline chargers are waited for."""
    begun = 0
    for task in tasks:
        if task.state != FleetTaskState.WAITING:
            continue
        with atomic():
            started = FleetTask.objects.filter(pk=task.pk, state=FleetTaskState.WAITING).update(
                state=FleetTaskState.RUNNING, started_at=now
            )
            if started and (until := fleet.wait_until(task, now)) is not None:
                FleetTaskItem.objects.filter(task=task, status=_STATUS.WAITING).update(wait_until=until)
        begun += started
        task.refresh_from_db(fields=["state", "started_at"])
    return begun


def _stop_failing(tasks: Sequence[FleetTask]) -> int:
    """Stop the tasks of which too many orders have failed."""
    judged = [
        task for task in tasks if task.state == FleetTaskState.RUNNING and task.stop_failure_rate is not None
    ]
    if not judged:
        return 0
    counts = (
        FleetTaskItem.objects.filter(task__in=judged, status__in=_ASKED)
        .order_by()
        .values("task")
        .annotate(asked=Count("pk"), failed=Count("pk", filter=~Q(status=_STATUS.ACCEPTED)))
        .values_list("task", "asked", "failed")
    )
    found = {task_id: (asked, failed) for task_id, asked, failed in counts}
    return sum(_stop_if(task, *found.get(task.pk, (0, 0))) for task in judged)


def _stop_if(task: FleetTask, asked: int, failed: int) -> int:
    assert task.stop_failure_rate is not None
    if asked < JUDGED_FROM or failed <= task.stop_failure_rate * asked:
        return 0
    reason = f"{failed} of {asked} orders failed, more than {task.stop_failure_rate:.0%}."
    with atomic():
        stopped = FleetTask.objects.filter(pk=task.pk, state=FleetTaskState.RUNNING).update(
            state=FleetTaskState.STOPPED, end_reason=reason
        )
        if stopped:
            fleet.call_off(task, f"Not sent: the task was stopped. {reason}")
    task.refresh_from_db(fields=["state", "end_reason"])
    return stopped


def _finish(tasks: Sequence[FleetTask], now: datetime) -> int:
    """End the tasks of which nothing is open."""
    still = FleetTaskItem.objects.filter(task=OuterRef("pk"), status__in=OPEN_ITEM_STATUSES)
    over = FleetTask.objects.filter(
        ~Exists(still), ~Q(state=FleetTaskState.WAITING), pk__in=[task.pk for task in tasks], ended_at=None
    )
    return sum(_finish_one(pk, now) for pk in over.order_by("pk").values_list("pk", flat=True))


@atomic
def _finish_one(task_id: int, now: datetime) -> int:
    # Looked at again under the lock: somebody may just have asked for another try.
    task = FleetTask.objects.select_for_update(no_key=True, of=("self",)).get(pk=task_id)
    is_open = FleetTaskItem.objects.filter(task=task, status__in=OPEN_ITEM_STATUSES).exists()
    if is_open or task.ended_at is not None:
        return 0
    if task.state == FleetTaskState.RUNNING:
        task.state = FleetTaskState.DONE
    task.ended_at = now
    task.save(update_fields=["state", "ended_at"])
    rows = FleetTaskItem.objects.filter(task=task).order_by().values("status").annotate(count=Count("pk"))
    events.record(
        "fleet_task.ended",
        tenant_id=task.tenant_id,
        object_type="fleettask",
        object_id=task.pk,
        data={
            "title": task.title,
            "state": task.state,
            "reason": task.end_reason,
            "counts": {row["status"]: row["count"] for row in rows},
        },
        at=now,
    )
    return 1


# --- sending ---


def _expire(tasks: Sequence[FleetTask], now: datetime) -> int:
    """End the orders whose chargers did not come in time."""
    if not any(task.expires_in is not None for task in tasks):
        return 0
    late = FleetTaskItem.objects.filter(
        ~_is_online(), task__in=tasks, status=_STATUS.WAITING, wait_until__lte=now
    )
    words = "The charger was offline for as long as it was waited for."
    return int(late.update(status=_STATUS.EXPIRED, outcome=words, ended_at=now))


def _is_online() -> Exists:
    return Exists(live_connections().filter(charge_point=OuterRef("charge_point")))


def next_items(task: FleetTask) -> QuerySet[FleetTaskItem]:
    """The orders that may be sent now, first those of chargers that have begun.

    Of each charger the first that waits, if none is under way.  Offline chargers that are waited for are left out,
    but not those that get nothing anyway: they shall be told at once.
    """
    same = FleetTaskItem.objects.filter(task=OuterRef("task"), charge_point=OuterRef("charge_point"))
    before = same.filter(Q(status=_STATUS.UNDER_WAY) | Q(status=_STATUS.WAITING, pk__lt=OuterRef("pk")))
    told_at_once = (
        Q(wait_until=None)
        | Q(charge_point__archived_at__isnull=False)
        | Q(charge_point__registration_status=RegistrationStatus.REJECTED)
    )
    rows: QuerySet[FleetTaskItem] = (
        FleetTaskItem.objects.filter(told_at_once | Q(_is_online()), task=task, status=_STATUS.WAITING)
        .exclude(Exists(before))
        .annotate(has_begun=Exists(same.exclude(status=_STATUS.WAITING)))
        .order_by("-has_begun", "pk")
    )
    return rows


def _send(task: FleetTask, room: int, now: datetime) -> int:
    if task.batch_size is not None:
        room = min(room, task.batch_size - _busy(task))
    if room <= 0:
        return 0
    rows = next_items(task).select_related("charge_point__tenant")[:room]
    return sum(_send_one(task, item, now) for item in rows)


def _busy(task: FleetTask) -> int:
    under_way = FleetTaskItem.objects.filter(task=task, status=_STATUS.UNDER_WAY)
    return int(under_way.order_by().values("charge_point").distinct().count())


@atomic
def _send_one(task: FleetTask, item: FleetTaskItem, now: datetime) -> int:
    """Queue the command of an order, or say why not; 0 when somebody else has it or the task has ended."""
    locked = FleetTask.objects.select_for_update(no_key=True, of=("self",)).get(pk=task.pk)
    if locked.state != FleetTaskState.RUNNING:
        return 0
    if locked.batch_size is not None and _busy(locked) >= locked.batch_size:
        return 0
    under_way = FleetTaskItem.objects.filter(
        task=task, charge_point=item.charge_point_id, status=_STATUS.UNDER_WAY
    )
    mine = FleetTaskItem.objects.filter(pk=item.pk, status=_STATUS.WAITING)
    if under_way.exists() or not mine.exists():
        return 0
    try:
        with atomic():
            command = _queue(task, item, now)
    except DatabaseError:
        raise
    except Exception as error:
        status, words = _reason(item, error)
        return int(mine.update(status=status, outcome=words[:300], started_at=now, ended_at=now))
    return int(mine.update(status=_STATUS.UNDER_WAY, command=command, started_at=now, outcome=""))


def _queue(task: FleetTask, item: FleetTaskItem, now: datetime) -> Command:
    """The command, in the name of who has started the task: what he may was checked then."""
    actor = Actor(
        name=task.requested_by_name,
        via=task.requested_via,
        tenant=item.charge_point.tenant,
        user=task.requested_by,
        is_superuser=True,
    )
    expires_in = None
    if item.wait_until is not None:
        expires_in = max(commands.QUEUE_TIME_S, int((item.wait_until - now).total_seconds()))
    return commands.queue(
        actor=actor,
        charge_point=item.charge_point,
        action=item.action,
        payload=fleet.payload_of(item),
        expires_in=expires_in,
    )


def _reason(item: FleetTaskItem, error: Exception) -> tuple[FleetItemStatus, str]:
    """Why an order was not sent."""
    match error:
        case errors.ChargePointOffline():
            return _STATUS.OFFLINE, "The charger was offline."
        case errors.ChargePointsError() | AccountsError():
            return _STATUS.REFUSED, str(error)
        case crypto.InvalidToken():
            return _STATUS.REFUSED, "The secret in it cannot be read: its encryption key is gone."
    logger.exception("fleet.order_failed", extra={"item": item.pk, "action": item.action})
    return _STATUS.FAILED, f"An error of ours ({type(error).__name__}); it is in the log."
