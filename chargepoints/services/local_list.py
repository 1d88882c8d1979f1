"""The list of tags that a charger knows by itself, as people and programs handle it (OCPP 1.6 §3.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import IdToken, TokenGroup
from accounts.permissions import Actor
from chargepoints import commands, list_plan
from chargepoints.choices import LocalListState
from chargepoints.command_numbers import LIST_VERSION, next_list_version
from chargepoints.errors import ChargePointArchived, Invalid
from chargepoints.list_news import JOB
from chargepoints.list_plan import Difference, Entries, Entry
from chargepoints.models import ChargePoint, Command, LocalList
from chargepoints.services.list_contents import entries_of
from chargepoints.services.list_limits import is_switched_off, limits_of
from chargepoints.services.list_reading import new_list
from chargepoints.services.list_wanted import WantedLists, with_sources
from chargepoints.services.variables import store_value
from csms_project.common import audit, jobs

#: What a charger without a local list answers (OCPP 1.6 §5.10).
NOT_SUPPORTED = -1

_PLAIN = ("is_kept", "all_tokens", "with_refused")
_CHOSEN: dict[str, type[IdToken] | type[TokenGroup]] = {
    "token_groups": TokenGroup,
    "tokens": IdToken,
    "without": IdToken,
}


def store_version(charge_point_id: int, version: int, *, at: datetime) -> None:
    """Keep the version that the charger has told, or has accepted."""
    component, name = LIST_VERSION
    store_value(charge_point_id, name, str(version), component=component, is_readonly=True, at=at)


# ---------------------------------------------------------------- reading
def find_or_new(charge_point: ChargePoint) -> LocalList:
    """The list of a charger, or one as it would be made, not stored."""
    found = with_sources(LocalList.objects.filter(charge_point=charge_point)).select_related("holds").first()
    return found or LocalList(
        tenant=charge_point.tenant, charge_point=charge_point, state=LocalListState.UNKNOWN
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A list at this moment.

    held        None: not known
    difference  between both; None where it cannot be said
    groups      chosen ones, whether or not all tags are listed; as well `tokens`
    without     tags that are left out whatever is chosen
    room        tags that the charger takes; None: it does not say
    """

    row: LocalList
    wanted: dict[str, Entry]
    held: Entries | None
    difference: Difference | None
    groups: list[TokenGroup]
    tokens: list[IdToken]
    without: list[IdToken]
    left_out: int
    room: int | None
    is_switched_off: bool


def standing_of(charge_point: ChargePoint) -> Standing:
    """What the charger should hold now, what it holds as far as we know, and what lies between."""
    row = find_or_new(charge_point)
    wanted = WantedLists(timezone.now()).of(row)
    held = entries_of(row.holds) if row.holds is not None else None
    is_stored = not row._state.adding
    return Standing(
        row=row,
        wanted=wanted.entries,
        held=held,
        difference=list_plan.compare(held, wanted.entries) if held is not None else None,
        groups=list(row.token_groups.order_by("name")) if is_stored else [],
        tokens=list(row.tokens.order_by("value", "id")) if is_stored else [],
        without=sorted(row.without.all(), key=lambda token: token.value) if is_stored else [],
        left_out=wanted.left_out,
        room=limits_of(charge_point).list_length,
        is_switched_off=is_switched_off(charge_point),
    )


# ---------------------------------------------------------------- acts
@atomic
def change(*, actor: Actor, charge_point: ChargePoint, **changes: Any) -> LocalList:
    """Say whether the list is kept in step, and which tags it should hold; only real changes are written and audited.

    is_kept       True, False, or None: as the tenant says
    all_tokens    all tags of the tenant; else those chosen
    token_groups  groups whose tags are chosen
    tokens        tags that are chosen one by one
    without       tags that are left out whatever is chosen
    with_refused  blocked and expired tags are listed as such instead of being left out
    Raises        PermissionRefused, Invalid
    """
    require(actor, "local_lists.change", charge_point)
    unknown = sorted(changes.keys() - {*_PLAIN, *_CHOSEN})
    if unknown:
        raise Invalid(dict.fromkeys(unknown, "This cannot be set."))
    row = _made(charge_point)
    diff = {name: [getattr(row, name), changes[name]] for name in _PLAIN if name in changes}
    diff = {name: values for name, values in diff.items() if values[0] != values[1]}
    for name, (_, new) in diff.items():
        setattr(row, name, new)
    for name in _CHOSEN:
        if name in changes:
            diff |= _choose(row, name, changes[name])
    if diff:
        _start_anew(row)
        row.save()
        audit.record(actor, "local_lists.change", charge_point, changes=diff)
        jobs.enqueue(JOB)
    return find_or_new(charge_point)


def _choose(row: LocalList, name: str, chosen: Iterable[Any]) -> dict[str, Any]:
    wanted = list(chosen)
    if any(other.tenant_id != row.tenant_id for other in wanted):
        raise Invalid({name: "There is no such object."})
    manager = getattr(row, name)
    before = {other.pk: str(other) for other in manager.all()}
    after = {other.pk: str(other) for other in wanted}
    if before.keys() == after.keys():
        return {}
    manager.set(wanted)
    return {name: [sorted(before.values()), sorted(after.values())]}


@atomic
def sync_now(*, actor: Actor, charge_point: ChargePoint, replace: bool = False) -> LocalList:
    """Bring a charger into step once, whatever its switch says, as soon as it is online.

    Earlier failures are forgotten.

    replace  by a full list, even if it seems to be in step
    Raises   PermissionRefused, ChargePointArchived
    """
    require(actor, "local_lists.change", charge_point)
    if charge_point.archived_at is not None:
        raise ChargePointArchived
    row = _made(charge_point)
    _start_anew(row)
    row.is_asked, row.must_replace = True, row.must_replace or replace
    row.save()
    audit.record(actor, "local_lists.sync", charge_point, changes={"replace": [None, replace]})
    jobs.enqueue(JOB)
    return find_or_new(charge_point)


@atomic
def ask_version(*, actor: Actor, charge_point: ChargePoint, expires_in: int | None = None) -> Command:
    """Ask the charger which version of the list it holds; the answer corrects what we know.

    Raises  what `commands.queue` raises
    """
    require(actor, "commands.send", charge_point)
    _made(charge_point)
    return commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="get_local_list_version",
        payload={},
        expires_in=expires_in,
    )


@atomic
def empty(*, actor: Actor, charge_point: ChargePoint) -> Command:
    """Take all tags from a charger that is online, and no longer keep its list in step.

    Raises  what `commands.queue` raises
    """
    require(actor, "local_lists.change", charge_point)
    row = _made(charge_point)
    if row.is_kept is not False:
        audit.record(actor, "local_lists.change", charge_point, changes={"is_kept": [row.is_kept, False]})
    row.is_kept, row.is_asked = False, False
    row.save(update_fields=["is_kept", "is_asked", "updated_at"])
    payload = {"update_type": "Full", "version": next_list_version(charge_point)}
    return commands.queue(actor=actor, charge_point=charge_point, action="send_local_list", payload=payload)


def _made(charge_point: ChargePoint) -> LocalList:
    """The list of a charger, made if it has none, locked."""
    if not LocalList.objects.filter(charge_point=charge_point).exists():
        LocalList.objects.bulk_create([new_list(charge_point)], ignore_conflicts=True)
    row: LocalList = LocalList.objects.select_for_update(no_key=True, of=("self",)).get(
        charge_point=charge_point
    )
    return row


def _start_anew(row: LocalList) -> None:
    """People have changed something: what failed is tried again at once."""
    now = timezone.now()
    if row.state in (LocalListState.NOT_SUPPORTED, LocalListState.FAILED):
        row.state, row.must_check = LocalListState.UNKNOWN, True
    row.failures, row.last_error = 0, ""
    row.look_at, row.next_attempt_at = now, None  # when something is sent is decided anew
