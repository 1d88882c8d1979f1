"""`manage.py fleet send|list|show|retry|cancel`: one order to many chargers."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.selectors import default_tenant
from chargepoints import errors
from chargepoints.choices import FleetItemStatus, FleetTaskState, Via
from chargepoints.command_specs import NEUTRAL
from chargepoints.models import ChargePoint, FleetTask, FleetTaskItem
from chargepoints.selectors import FleetCounts, fleet_counts
from chargepoints.services import fleet

POLL_S = 0.5
SHOWN = 20

# Replaced in tests.
clock = time.monotonic
pause = time.sleep


class Command(BaseCommand):
    """Starts tasks, shows how they stand, tries failed orders again and calls off what waits."""

    help = "Send a command to many chargers and follow what becomes of each."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        self._add_send(acts)
        listed = acts.add_parser("list", help="tasks, the newest first")
        listed.add_argument("--tenant", help="slug of the organisation; without it: all")
        listed.add_argument("--open", action="store_true", help="only what has not ended")
        listed.add_argument("--limit", type=int, default=SHOWN, help=f"how many (default {SHOWN})")
        for act, text in (
            ("show", "how a task stands, and what became of each charger"),
            ("retry", "send the orders that have failed again"),
            ("cancel", "call off what was not sent yet"),
        ):
            one = acts.add_parser(act, help=text)
            one.add_argument("task", type=int, help="number of the task")
            if act == "show":
                one.add_argument("--status", choices=FleetItemStatus.values, help="only orders that stand so")
                one.add_argument("--json", action="store_true", help="print it as JSON")
            if act == "retry":
                one.add_argument(
                    "--with-cancelled",
                    action="store_true",
                    help="also what was called off before it was sent",
                )
                _add_wait(one)

    def _add_send(self, acts: Any) -> None:
        send = acts.add_parser("send", help="start a task")
        actions = ", ".join(sorted(NEUTRAL))
        send.add_argument("action", help=f"{actions}; or an OCPP action such as Reset, sent verbatim")
        send.add_argument("--payload", default="{}", help="its arguments as one JSON object")
        send.add_argument("--title", help="what the task is called; without it: the command's name")
        send.add_argument("--all", action="store_true", help="every charge point of the organisation")
        send.add_argument("--site", help="those of the location of this name")
        send.add_argument("--model", help="those of this model")
        send.add_argument("--identity", action="append", help="this one; may be given several times")
        send.add_argument("--tenant", help="slug of the organisation; without it: the default one")
        send.add_argument(
            "--expires-in",
            type=int,
            help="seconds to wait for offline chargers; without it they fail at once",
        )
        send.add_argument("--batch-size", type=int, help="chargers at a time; without it: all")
        send.add_argument("--not-before", help="nothing is sent before this moment, as 2026-03-02T22:00:00Z")
        send.add_argument(
            "--stop-failure-rate", type=float, help="stop when more than this share fails, as 0.2"
        )
        _add_wait(send)

    def handle(self, **options: Any) -> None:
        acts: dict[str, Callable[[dict[str, Any]], None]] = {
            "send": self._send,
            "list": self._list,
            "show": self._show,
            "retry": self._retry,
            "cancel": self._cancel,
        }
        try:
            acts[options["act"]](options)
        except errors.Invalid as error:
            raise CommandError("; ".join(f"{name}: {text}" for name, text in error.errors.items())) from error
        except errors.ChargePointsError as error:
            raise CommandError(str(error)) from error

    # ------------------------------------------------------------ acts

    def _send(self, options: dict[str, Any]) -> None:
        tenant, chosen = _chosen(options)
        payload = _payload(options["payload"])
        action = options["action"]
        label = NEUTRAL[action].label if action in NEUTRAL else action
        task = fleet.start_task(
            actor=_actor(),
            tenant=tenant,
            title=options["title"] or label,
            orders=[fleet.Order(charge_point=row, action=action, payload=payload) for row in chosen],
            expires_in=options["expires_in"],
            batch_size=options["batch_size"],
            not_before=_moment(options["not_before"]),
            stop_failure_rate=options["stop_failure_rate"],
        )
        self.stdout.write(f"Task {task.pk} “{task}”: {_number(len(chosen), 'charge point')}.")
        self._follow(task, options["wait"])

    def _list(self, options: dict[str, Any]) -> None:
        rows: QuerySet[FleetTask] = FleetTask.objects.select_related("tenant").order_by("-pk")
        if options["tenant"]:
            rows = rows.filter(tenant=_tenant(options["tenant"]))
        if options["open"]:
            rows = rows.filter(ended_at=None)
        tasks = list(rows[: max(1, options["limit"])])
        counts = fleet_counts(tasks)
        for task in tasks:
            self.stdout.write(
                f"{task.pk:>6}  {task.created_at:%Y-%m-%d %H:%M}  {FleetTaskState(task.state).label:<9}  "
                f"{_told(counts[task.pk])}  {task.tenant.slug}  {task.title}"
            )
        if not tasks:
            self.stdout.write("There are no tasks.")

    def _show(self, options: dict[str, Any]) -> None:
        task = _find(options["task"])
        items = task.items.select_related("charge_point").order_by("pk")
        if options["status"]:
            items = items.filter(status=options["status"])
        counts = fleet_counts([task])[task.pk]
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(task, counts, items)))
            return
        self._tell(task, counts)
        for item in items.iterator():
            status = FleetItemStatus(item.status).label
            self.stdout.write(
                f"  {item.charge_point.identity}  {item.action}  {status}  {item.outcome}".rstrip()
            )

    def _retry(self, options: dict[str, Any]) -> None:
        task = _find(options["task"])
        count = fleet.retry_failed(actor=_actor(), task=task, with_cancelled=options["with_cancelled"])
        self.stdout.write(f"Task {task.pk} “{task}”: {_number(count, 'order')} again.")
        self._follow(task, options["wait"])

    def _cancel(self, options: dict[str, Any]) -> None:
        task = fleet.cancel_task(actor=_actor(), task=_find(options["task"]))
        self._tell(task, fleet_counts([task])[task.pk])

    # ------------------------------------------------------------ telling

    def _follow(self, task: FleetTask, seconds: float) -> None:
        """Wait for the end of a task; exit code 2 when an order of it failed, 3 when it has not ended in time."""
        if not seconds:
            return
        deadline = clock() + seconds
        while task.is_open and clock() < deadline:
            pause(POLL_S)
            task.refresh_from_db()
        counts = fleet_counts([task])[task.pk]
        self._tell(task, counts)
        if task.is_open:
            raise CommandError(
                f"The task goes on; look again with “manage.py fleet show {task.pk}”.", returncode=3
            )
        if counts.accepted < counts.total:
            failed = task.items.exclude(status=FleetItemStatus.ACCEPTED).select_related("charge_point")
            for item in failed.order_by("pk")[:SHOWN]:
                self.stdout.write(f"  {item.charge_point.identity}  {item.action}  {item.outcome}")
            raise CommandError(f"{_number(counts.total - counts.accepted, 'order')} failed.", returncode=2)

    def _tell(self, task: FleetTask, counts: FleetCounts) -> None:
        state = FleetTaskState(task.state).label
        self.stdout.write(f"Task {task.pk} “{task}”: {state}. {_told(counts)}. {task.end_reason}".strip())


def _add_wait(parser: CommandParser) -> None:
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="wait for the end (0: do not wait)"
    )


def _actor() -> Actor:
    return Actor.system(getpass.getuser(), via=Via.CLI)


def _find(number: int) -> FleetTask:
    found: FleetTask | None = FleetTask.objects.filter(pk=number).first()
    if found is None:
        raise CommandError(f"There is no task {number}.")
    return found


def _tenant(slug: str | None) -> Tenant:
    if not slug:
        return default_tenant()
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no organisation “{slug}”.")
    return found


def _chosen(options: dict[str, Any]) -> tuple[Tenant, list[ChargePoint]]:
    """The organisation and its charge points that the arguments mean."""
    identities = options["identity"] or []
    if not (options["all"] or options["site"] or options["model"] or identities):
        raise CommandError("Say to whom: --all, --site, --model or --identity.")
    if identities and (options["all"] or options["site"] or options["model"]):
        raise CommandError("--identity goes alone.")
    if identities:
        return _by_identity(identities, options["tenant"])
    tenant = _tenant(options["tenant"])
    rows: QuerySet[ChargePoint] = ChargePoint.objects.for_tenant(tenant).filter(archived_at=None)
    if options["site"]:
        rows = rows.filter(location__name__iexact=options["site"])
    if options["model"]:
        rows = rows.filter(model__iexact=options["model"])
    found = list(rows.order_by("identity_key"))
    if not found:
        raise CommandError("No charge point fits.")
    return tenant, found


def _by_identity(identities: list[str], slug: str | None) -> tuple[Tenant, list[ChargePoint]]:
    """Identities are unique in the installation: they say the organisation themselves."""
    rows = ChargePoint.objects.select_related("tenant").order_by("identity_key")
    if slug:
        rows = rows.for_tenant(_tenant(slug))
    keys = {identity.casefold(): identity for identity in identities}
    found = list(rows.filter(identity_key__in=keys))
    unknown = [name for key, name in keys.items() if key not in {row.identity_key for row in found}]
    if unknown:
        raise CommandError(f"There is no charge point {', '.join(f'“{name}”' for name in unknown)}.")
    return found[0].tenant, found


def _payload(text: str) -> dict[str, Any]:
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--payload is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise CommandError("--payload must be a JSON object.")
    return payload


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError("--not-before must be a date and time, as 2026-03-02T22:00:00Z.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _told(counts: FleetCounts) -> str:
    parts = [f"{counts.ended}/{counts.total} ended", f"{counts.accepted} accepted"]
    parts += [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{counts.cancelled} cancelled"] if counts.cancelled else []
    return ", ".join(parts)


def _as_json(task: FleetTask, counts: FleetCounts, items: QuerySet[FleetTaskItem]) -> dict[str, Any]:
    return {
        "id": task.pk,
        "title": task.title,
        "state": task.state,
        "end_reason": task.end_reason,
        "counts": counts.by_status,
        "items": [
            {
                "charge_point": item.charge_point.identity,
                "action": item.action,
                "status": item.status,
                "outcome": item.outcome,
                "command": item.command_id,
                "attempt": item.attempt,
            }
            for item in items
        ],
    }
