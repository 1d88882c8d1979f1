"""Fleet tasks: one order to many chargers, started, called off and tried again by people and programs.

What happens to the orders then is in `fleet_steps`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor, may
from chargepoints import commands, errors
from chargepoints.choices import (
    FAILED_ITEM_STATUSES,
    CommandStatus,
    FleetItemStatus,
    FleetTaskState,
)
from chargepoints.command_specs import get_spec
from chargepoints.models import ChargePoint, FleetTask, FleetTaskItem
from chargepoints.redaction import MASK, redact
from csms_project.common import audit, crypto, events, jobs

#: The job that carries tasks on; woken when there is something to do.
STEP_JOB = "chargepoints.step_fleet_tasks"
MAX_ORDERS = 20_000
MAX_AHEAD = timedelta(days=366)
_INSERT_AT_ONCE = 1000
_NOT_ALLOWED = "You may not send this command to this charge point."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one charger is asked to do: a command of ours, or an OCPP action in PascalCase."""

    charge_point: ChargePoint
    action: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@atomic
def start_task(
    *,
    actor: Actor,
    tenant: Tenant,
    title: str,
    orders: Sequence[Order],
    expires_in: int | None = None,
    batch_size: int | None = None,
    not_before: datetime | None = None,
    stop_failure_rate: Decimal | float | None = None,
) -> FleetTask:
    """Send orders to many chargers and follow what becomes of each; returns at once.

    Orders of one charger run in their order, one at a time; one that fails does not keep the next from being sent.

    expires_in         seconds to wait for an offline charger; None: its orders fail at once
    batch_size         chargers at a time; None: all
    not_before         nothing is sent before this moment; None: at once
    stop_failure_rate  nothing more is sent when more than this share of the chargers that were asked did not accept
    Raises             PermissionRefused, UnknownAction, InvalidTask, InvalidPayload
    """
    for action in {order.action for order in orders}:
        require(actor, get_spec(action).permission)
    _check_task(tenant, title, orders)
    _check_limits(expires_in, batch_size, not_before, stop_failure_rate)
    _check_payloads(orders)
    now = timezone.now()
    task = FleetTask.objects.create(
        tenant=tenant,
        title=title.strip(),
        actions=list(dict.fromkeys(order.action for order in orders)),
        batch_size=batch_size,
        not_before=not_before,
        stop_failure_rate=Decimal(str(stop_failure_rate)) if stop_failure_rate is not None else None,
        expires_in=expires_in,
        requested_by=actor.user,
        requested_by_name=actor.name[:150],
        requested_via=actor.via,
        created_at=now,
    )
    items = _items(actor, task, orders, now)
    FleetTaskItem.objects.bulk_create(items, batch_size=_INSERT_AT_ONCE)
    _note_start(actor, task, items)
    jobs.enqueue(STEP_JOB)
    return task


@atomic
def cancel_task(*, actor: Actor, task: FleetTask) -> FleetTask:
    """Call off what was not sent yet; what was sent goes on, and the task ends with it.

    Raises  PermissionRefused, TaskEnded
    """
    _require(actor, task)
    changed = FleetTask.objects.filter(
        pk=task.pk, state__in=(FleetTaskState.WAITING, FleetTaskState.RUNNING)
    ).update(state=FleetTaskState.CANCELLED, end_reason=f"Cancelled by {actor.name}."[:200])
    if not changed:
        raise errors.TaskEnded
    left = call_off(task, f"Cancelled by {actor.name} before it was sent.")
    left += _withdraw_queued(actor, task)
    audit.record(
        actor, "fleet.cancel", task, changes={"state": [task.state, "cancelled"], "orders": [left, 0]}
    )
    jobs.enqueue(STEP_JOB)
    task.refresh_from_db()
    return task


@atomic
def retry_failed(*, actor: Actor, task: FleetTask, with_cancelled: bool = False) -> int:
    """Send the orders that have failed again, with the task's own settings; returns how many.

    with_cancelled  also what was called off before it was sent
    Raises          PermissionRefused, NothingFailed
    """
    _require(actor, task)
    locked = FleetTask.objects.select_for_update(no_key=True, of=("self",)).get(pk=task.pk)
    statuses = {*FAILED_ITEM_STATUSES} | ({FleetItemStatus.CANCELLED} if with_cancelled else set())
    rows = FleetTaskItem.objects.filter(task=task, status__in=statuses)
    lost = _without_secret(rows).update(outcome="The secret in it is no longer kept: start a new task.")
    now = timezone.now()
    count = rows.exclude(pk__in=_without_secret(rows).values("pk")).update(
        status=FleetItemStatus.WAITING,
        outcome="",
        command=None,
        attempt=F("attempt") + 1,
        wait_until=wait_until(locked, now),
        started_at=None,
        ended_at=None,
    )
    if not count:
        raise errors.NothingFailed("The secrets in it are no longer kept: start a new task." if lost else "")
    is_early = locked.not_before is not None and locked.not_before > now
    locked.state = FleetTaskState.WAITING if is_early else FleetTaskState.RUNNING
    locked.started_at = None if is_early else locked.started_at or now
    locked.ended_at, locked.end_reason = None, ""
    locked.save(update_fields=["state", "started_at", "ended_at", "end_reason"])
    audit.record(actor, "fleet.retry", task, changes={"orders": [None, count]})
    jobs.enqueue(STEP_JOB)
    task.refresh_from_db()
    return int(count)


def payload_of(item: FleetTaskItem) -> dict[str, Any]:
    """What is to be sent, secrets in the clear; never log or store it.

    Raises  crypto.InvalidToken  the encryption key is gone
    """
    if not item.secret_payload:
        return dict(item.payload)
    payload: dict[str, Any] = json.loads(crypto.decrypt(item.secret_payload))
    return payload


def wait_until(task: FleetTask, now: datetime) -> datetime | None:
    """How long an offline charger is waited for from now on."""
    return now + timedelta(seconds=task.expires_in) if task.expires_in is not None else None


def call_off(task: FleetTask, reason: str) -> int:
    """End the orders that wait; returns how many."""
    waiting = FleetTaskItem.objects.filter(task=task, status=FleetItemStatus.WAITING)
    return int(
        waiting.update(
            status=FleetItemStatus.CANCELLED, outcome=reason[:300], ended_at=timezone.now(), secret_payload=""
        )
    )


# --- starting ---


def _check_task(tenant: Tenant, title: str, orders: Sequence[Order]) -> None:
    problems = {}
    if not 1 <= len(title.strip()) <= 150 or not title.isprintable():
        problems["title"] = "Must be 1 to 150 printable characters."
    if not orders:
        problems["charge_points"] = "Choose at least one charge point."
    elif len(orders) > MAX_ORDERS:
        problems["charge_points"] = f"A task takes up to {MAX_ORDERS:,} orders: split it."
    elif any(order.charge_point.tenant_id != tenant.pk for order in orders):
        problems["charge_points"] = "All charge points must belong to one organisation."
    if problems:
        raise errors.InvalidTask(problems)


def _check_limits(
    expires_in: int | None,
    batch_size: int | None,
    not_before: datetime | None,
    stop_failure_rate: Decimal | float | None,
) -> None:
    problems = {}
    if expires_in is not None and not 1 <= expires_in <= commands.MAX_EXPIRES_IN_S:
        problems["expires_in"] = f"Must be from 1 to {commands.MAX_EXPIRES_IN_S} seconds."
    if batch_size is not None and not 1 <= batch_size <= MAX_ORDERS:
        problems["batch_size"] = f"Must be from 1 to {MAX_ORDERS}."
    if not_before is not None and not_before > timezone.now() + MAX_AHEAD:
        problems["not_before"] = "Must be within a year."
    if stop_failure_rate is not None and not 0 <= stop_failure_rate <= 1:
        problems["stop_failure_rate"] = "Must be a share from 0 to 1, as 0.2."
    if problems:
        raise errors.InvalidTask(problems)


def _check_payloads(orders: Sequence[Order]) -> None:
    """Refuse the task where its orders can be sent to nobody: wrong arguments, or not sayable in any version spoken.

    What only some chargers cannot be told becomes their outcome.
    """
    checked: dict[tuple[str, str, int], errors.InvalidPayload | None] = {}
    for order in orders:
        key = (order.action, order.charge_point.ocpp_version, id(order.payload))
        if key not in checked:
            checked[key] = _problem_of(order)
    problems = [problem for problem in checked.values() if problem is not None]
    if len(problems) == len(checked):
        raise problems[0]


def _problem_of(order: Order) -> errors.InvalidPayload | None:
    try:
        commands.check_order(order.charge_point, order.action, order.payload)
    except errors.InvalidPayload as error:
        return error
    return None


def _items(actor: Actor, task: FleetTask, orders: Sequence[Order], now: datetime) -> list[FleetTaskItem]:
    """The rows of the orders; equal payloads are masked and encrypted once."""
    kept: dict[int, tuple[Any, str]] = {}
    items = []
    for order in orders:
        if id(order.payload) not in kept:
            kept[id(order.payload)] = _kept(order.payload)
        shown, secret = kept[id(order.payload)]
        item = FleetTaskItem(
            tenant_id=task.tenant_id,
            task=task,
            charge_point=order.charge_point,
            action=order.action,
            payload=shown,
            secret_payload=secret,
        )
        if not may(actor, get_spec(order.action).permission, order.charge_point):
            item.status, item.outcome, item.ended_at = FleetItemStatus.REFUSED, _NOT_ALLOWED, now
            item.secret_payload = ""
        items.append(item)
    return items


def _kept(payload: Mapping[str, Any]) -> tuple[Any, str]:
    """What is shown of a payload, and the whole of it encrypted if it holds a secret."""
    given = dict(payload)
    shown = redact(given)
    return shown, crypto.encrypt(json.dumps(given)) if shown != given else ""


def _note_start(actor: Actor, task: FleetTask, items: Sequence[FleetTaskItem]) -> None:
    chargers = len({item.charge_point_id for item in items})
    changes = {
        "actions": [None, task.actions],
        "payload": [None, items[0].payload],
        "charge_points": [None, chargers],
        "orders": [None, len(items)],
    }
    audit.record(actor, "fleet.start", task, changes=changes)
    events.record(
        "fleet_task.created",
        tenant_id=task.tenant_id,
        object_type="fleettask",
        object_id=task.pk,
        data={"title": task.title, "actions": task.actions, "charge_points": chargers},
    )


# --- calling off, trying again ---


def _require(actor: Actor, task: FleetTask) -> None:
    for action in task.actions:
        require(actor, get_spec(action).permission, task)


def _withdraw_queued(actor: Actor, task: FleetTask) -> int:
    """Cancel the commands of the task that were not sent yet; returns how many."""
    rows = FleetTaskItem.objects.filter(
        task=task, status=FleetItemStatus.UNDER_WAY, command__status=CommandStatus.QUEUED
    )
    withdrawn = 0
    for item in rows.select_related("command__charge_point").order_by("pk"):
        assert item.command is not None
        try:
            with atomic():
                commands.cancel(actor=actor, command=item.command)
            withdrawn += 1
        except errors.CommandNotCancellable:
            continue  # it was sent at this moment
    return withdrawn


def _without_secret(rows: QuerySet[FleetTaskItem]) -> QuerySet[FleetTaskItem]:
    """Those whose payload held a secret that has been wiped since."""
    # As text, because SQLite knows no containment of JSON.
    masked: QuerySet[Any] = rows.filter(secret_payload="").annotate(shown=Cast("payload", TextField()))
    return masked.filter(shown__contains=MASK)
