"""Keeping the lists of chargers in step with the tags: read what happened, compare, send what is missing.

All that is to be done stands in the rows of `LocalList`, so that a run that is lost changes nothing.  A list is locked
before anything else of its charger, and only for the moment that deciding takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from accounts.permissions import Actor
from accounts.services import token_changes
from chargepoints import commands, list_plan
from chargepoints.choices import FINAL_COMMAND_STATUSES, LocalListState
from chargepoints.command_numbers import next_list_version
from chargepoints.errors import ChargePointsError, InvalidPayload
from chargepoints.list_messages import ASKING, SENDING
from chargepoints.list_news import SYNC_NAME
from chargepoints.list_plan import Limits, Message
from chargepoints.models import ChargePoint, Command, LocalList, LocalListContent
from chargepoints.selectors import following, live_connections
from chargepoints.services import list_reading
from chargepoints.services.list_contents import entries_of
from chargepoints.services.list_limits import KEYS, VARIABLES, has_limits, limits_of
from chargepoints.services.list_reading import new_list
from chargepoints.services.list_wanted import Wanted, WantedLists, with_sources

#: Lists that one run looks at, and how many of them are locked together.
BATCH = 200
_TOGETHER = 25
#: A list that nobody has touched is compared all the same.
LOOK_AGAIN: Final = timedelta(hours=1)
_ANSWER_S = 60
#: Charge points that get a list of their own in one run.
_NEW_AT_ONCE = 1000

_ACTOR = Actor.system(SYNC_NAME)


def run(now: datetime) -> int:
    """Look at what is due and send what is missing; returns how many lists were touched."""
    take_token_changes(now)
    wanted = WantedLists(now)
    return look_at_due(now, wanted) + send_due(now, wanted)


@atomic
def take_token_changes(now: datetime) -> int:
    """Let the lists of tenants whose tags have changed be looked at; returns how many."""
    tenants = token_changes.take()
    return LocalList.objects.filter(tenant__in=tenants).update(look_at=now) if tenants else 0


# ---------------------------------------------------------------- looking
def look_at_due(now: datetime, wanted: WantedLists) -> int:
    """Read the answers about the lists that are due for it, and compare them with what they should say."""
    due = LocalList.objects.filter(look_at__lte=now).order_by("look_at", "pk")
    keys = list(due.values_list("pk", flat=True)[:BATCH])
    for row in with_sources(LocalList.objects.filter(pk__in=keys)):
        wanted.of(row)  # before anything is locked
    return sum(
        _look_at(keys[start : start + _TOGETHER], now, wanted) for start in range(0, len(keys), _TOGETHER)
    )


@atomic
def _look_at(keys: list[int], now: datetime, wanted: WantedLists) -> int:
    rows = list(_locked(LocalList.objects.filter(pk__in=keys, look_at__lte=now)))
    news = _news(rows)
    for row in rows:
        row.look_at = now + LOOK_AGAIN
        for command in news.get(row.charge_point_id, ()):
            list_reading.read(row, command, now)
        _forget_lost_command(row)
        _compare(row, wanted.of(row), now)
        row.save()
    return len(rows)


def _locked(rows: QuerySet[LocalList]) -> QuerySet[LocalList]:
    locked = rows.select_for_update(no_key=True, of=("self",), skip_locked=True).order_by("pk")
    return (
        with_sources(locked)
        .select_related("charge_point", "tenant", "command", "doubt", "holds")
        .defer("holds__entries")
    )


def _news(rows: Iterable[LocalList]) -> dict[int, list[Command]]:
    """Commands about the lists that have been sent and have ended since we looked last, in their order.

    A charger is sent one command at a time, the oldest first: what follows one that is under way is later news.
    """
    read = {row.charge_point_id: row.read_up_to for row in rows}
    own = [row.command_id for row in rows if row.command_id is not None]
    found: dict[int, list[Command]] = {}
    about = Q(action__in=ASKING | SENDING, sent_at__isnull=False, id__gt=min(read.values(), default=0))
    commands_ = Command.objects.filter(about | Q(pk__in=own), charge_point__in=read).order_by("id")
    under_way: set[int] = set()
    for command in commands_.defer("request"):
        place = command.charge_point_id
        if command.status not in FINAL_COMMAND_STATUSES:
            under_way.add(place)
        elif place not in under_way and (command.pk > read[place] or command.pk in own):
            found.setdefault(place, []).append(command)
    return found


def _forget_lost_command(row: LocalList) -> None:
    """A command that is gone with its row has told nothing."""
    if row.command_id is None and row.state == LocalListState.SENDING:
        row.state, row.must_check = LocalListState.UNKNOWN, True


def _compare(row: LocalList, wanted: Wanted, now: datetime) -> None:
    """Decide how the list stands, and whether and when something is sent."""
    row.wanted_digest, row.wanted_count, row.left_out_count = (
        wanted.digest,
        len(wanted.entries),
        wanted.left_out,
    )
    if wanted.until is not None:
        row.look_at = min(row.look_at, wanted.until)
    if row.has_booted and (row.is_active or row.is_asked):
        row.must_check = True
    if row.command_id is not None or row.state == LocalListState.NOT_SUPPORTED:
        row.next_attempt_at = None
    elif row.state == LocalListState.FAILED and row.failures:
        pass  # tried again at its time, or by hand
    elif row.must_check:
        row.state, row.next_attempt_at = LocalListState.UNKNOWN, row.next_attempt_at or now
    elif row.holds is not None and row.holds.digest == wanted.digest and not row.must_replace:
        _settle(row)
    else:
        row.state, row.next_attempt_at = LocalListState.DUE, row.next_attempt_at or now


def _settle(row: LocalList) -> None:
    if row.state == LocalListState.DUE:
        assert row.holds is not None
        list_reading.note(row, "local_list.synced", {"version": row.version, "count": row.holds.count})
    row.state, row.failures, row.last_error = LocalListState.IN_STEP, 0, ""
    row.is_asked, row.next_attempt_at = False, None


# ---------------------------------------------------------------- sending
def send_due(now: datetime, wanted: WantedLists) -> int:
    """Send the next step to the chargers that are online and not in step, one command each."""
    online = live_connections().filter(charge_point=OuterRef("charge_point"))
    due = LocalList.objects.filter(
        following() | Q(is_asked=True),
        Exists(online),
        next_attempt_at__lte=now,
        command=None,
        charge_point__archived_at=None,
    )
    keys = list(due.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:BATCH])
    for row in with_sources(LocalList.objects.filter(pk__in=keys)):
        wanted.of(row)  # before anything is locked
    plans = _Plans()
    return sum(_send(key, now, wanted, plans) for key in keys)


class _Plans:
    """What is sent to chargers that hold the same and should hold the same: planned once in a run."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Limits], list[Message]] = {}

    def steps(self, row: LocalList, wanted: Wanted, limits: Limits) -> list[Message]:
        """The messages to send to this charger, in order.  Raises TooMany."""
        holds = None if row.must_replace else row.holds
        key = (holds.digest if holds is not None else "", wanted.digest, limits)
        if key not in self._found:
            held = entries_of(holds) if holds is not None else None
            self._found[key] = list_plan.plan(held, wanted.entries, limits)
        return self._found[key]


@atomic
def _send(key: int, now: datetime, wanted: WantedLists, plans: _Plans) -> int:
    row = _locked(LocalList.objects.filter(pk=key, next_attempt_at__lte=now, command=None)).first()
    if row is None:
        return 0
    try:
        with atomic():
            _send_next(row, wanted.of(row), plans, now)
    except list_plan.TooMany as error:
        _refuse(row, str(error))
    except InvalidPayload as error:
        list_reading.count_failure(row, str(error), now)
    except ChargePointsError as error:
        # Gone offline this moment, rejected, archived: no fault of the list.
        row.last_error, row.next_attempt_at = str(error), now + list_reading.RETRY_AFTER[0]
    row.save()
    return 1


def _send_next(row: LocalList, wanted: Wanted, plans: _Plans, now: datetime) -> None:
    if row.must_check or row.has_booted:
        row.must_check = True
        _ask(row, now)
        return
    limits = limits_of(row.charge_point)
    steps = plans.steps(row, wanted, limits)
    version = next_list_version(row.charge_point)
    if steps and not steps[0].is_full and version <= (row.version or 0):
        # The numbers have come round: changes would be refused (OCPP 1.6 §7.47).
        steps = list_plan.plan(None, wanted.entries, limits)
    if not steps:
        _settle(row)
        return
    _order(row, "send_local_list", list_plan.to_payload(steps[0], version), now)
    row.state, row.last_version = LocalListState.SENDING, version


def _ask(row: LocalList, now: datetime) -> None:
    """What the charger takes, if nobody has asked yet, then which list it holds."""
    if not row.asked_limits and not has_limits(row.charge_point):
        row.asked_limits = True
        for keys in (KEYS, VARIABLES):
            payload = {"keys": list(keys)}
            if _can_be_said(row.charge_point, payload):
                _order(row, "get_configuration", payload, now)
                return
    _order(row, "get_local_list_version", {}, now)


def _can_be_said(charge_point: ChargePoint, payload: dict[str, Any]) -> bool:
    """Whether the version that the charger speaks knows these keys."""
    try:
        commands.check_order(charge_point, "get_configuration", payload)
    except InvalidPayload:
        return False
    return True


def _order(row: LocalList, action: str, payload: dict[str, Any], now: datetime) -> None:
    row.command = commands.queue(
        actor=_ACTOR, charge_point=row.charge_point, action=action, payload=payload, timeout_s=_ANSWER_S
    )
    row.last_attempt_at, row.next_attempt_at = now, None


def _refuse(row: LocalList, reason: str) -> None:
    """What cannot be sent at all: people have to change something first."""
    if row.last_error != reason:
        list_reading.note(row, "local_list.failed", {"reason": reason})
    row.state, row.last_error, row.failures = LocalListState.FAILED, reason, 0
    row.is_asked, row.next_attempt_at = False, None


# ---------------------------------------------------------------- now and then
def watch(now: datetime) -> int:
    """Lists for the chargers of tenants that keep them all, and a look at chargers that have booted or changed."""
    return _make_missing() + _look_at_booted(now) + _check_changed_devices(now)


def _look_at_booted(now: datetime) -> int:
    """Those in step are asked whether they still hold their list after a boot."""
    since = Q(charge_point__last_boot_at__gt=F("checked_boot_at"))
    first = Q(charge_point__last_boot_at__isnull=False, checked_boot_at=None)
    booted = LocalList.objects.filter(following(), since | first, state=LocalListState.IN_STEP)
    return LocalList.objects.filter(pk__in=list(booted.values_list("pk", flat=True))).update(look_at=now)


def _make_missing() -> int:
    without = ChargePoint.objects.filter(
        tenant__keep_local_lists=True, archived_at=None, local_list__isnull=True
    ).order_by("pk")
    rows = [new_list(row) for row in without[:_NEW_AT_ONCE]]
    LocalList.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _check_changed_devices(now: datetime) -> int:
    """Another device under the same identity, or another firmware, may have lost or may now take a list."""
    rows = LocalList.objects.filter(charge_point__last_boot_at__isnull=False).values_list(
        "pk",
        "device",
        *(f"charge_point__{name}" for name in ("vendor", "model", "serial_number", "firmware_version")),
    )
    changed = {pk: device for pk, known, *said in rows if (device := " | ".join(said)) != known}
    for pk, device in changed.items():
        _check_device(pk, device, now)
    return len(changed)


@atomic
def _check_device(key: int, device: str, now: datetime) -> None:
    row = LocalList.objects.select_for_update(no_key=True, of=("self",)).get(pk=key)
    is_new = row.device == ""
    row.device = device
    if not is_new:
        list_reading.doubt_all(row, now)
    row.save()


def purge_contents(now: datetime) -> int:
    """Forget what no charger holds any more."""
    unused = LocalListContent.objects.filter(used_at__lt=now - timedelta(days=1)).exclude(
        pk__in=LocalList.objects.filter(holds__isnull=False).values("holds")
    )
    with atomic():
        keys = list(
            unused.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)[:1000]
        )
        return LocalListContent.objects.filter(pk__in=keys).delete()[0]
