"""Messages on displays as people and programs handle them: kept, changed, removed; chargers follow by a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from chargepoints import displaying
from chargepoints.choices import DisplayFormat, ShownState
from chargepoints.errors import ChargePointArchived, ChargePointOffline, Invalid
from chargepoints.models import ChargePoint, DisplayMessage, ShownMessage
from chargepoints.selectors import find_live_connection
from chargepoints.services import display_sync
from csms_project.common import audit, jobs

CHANGE = "display_messages.change"
_PARTS = ("content", "format", "language")


@atomic
def create_message(*, actor: Actor, tenant: Tenant, **fields: Any) -> DisplayMessage:
    """Keep a message; the chargers that it is for get it within seconds, or when they are online.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    message = DisplayMessage(tenant=tenant, **_cleaned(fields))
    check(message)
    rows.create_row(actor=actor, row=message, permission=CHANGE)
    jobs.enqueue(display_sync.JOB)
    return message


@atomic
def update_message(*, actor: Actor, message: DisplayMessage, **changes: Any) -> DisplayMessage:
    """Change a message; chargers get it anew, or lose it where it is no longer for them.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    given = _cleaned(changes)
    wanted = DisplayMessage.objects.get(pk=message.pk)
    for name, value in given.items():
        setattr(wanted, name, value)
    check(wanted)
    rows.update_row(actor=actor, row=message, permission=CHANGE, changes=given)
    _look_at(Q(pk=message.pk))
    return message


@atomic
def delete_message(*, actor: Actor, message: DisplayMessage) -> None:
    """Delete a message; it is taken off the chargers that hold it.

    Raises  PermissionRefused
    """
    now = timezone.now()
    held = Q(status__in=(ShownState.HELD, ShownState.SENDING)) | Q(
        status=ShownState.DUE, accepted_at__isnull=False
    )
    require(actor, CHANGE, message)
    shown = ShownMessage.objects.filter(message=message)
    shown.filter(held).update(status=ShownState.CLEARING, next_attempt_at=now, command=None, updated_at=now)
    shown.exclude(status=ShownState.CLEARING).delete()
    rows.delete_row(actor=actor, row=message, permission=CHANGE)
    jobs.enqueue(display_sync.JOB)


@atomic
def send_again(*, actor: Actor, message: DisplayMessage) -> int:
    """Send it anew to the chargers that have refused it or lost it; returns to how many.

    Raises  PermissionRefused
    """
    require(actor, CHANGE, message)
    now = timezone.now()
    failed = message.shown.filter(status__in=(ShownState.REFUSED, ShownState.ENDED))
    count = failed.update(
        status=ShownState.DUE, next_attempt_at=now, failures=0, problem="", command=None, updated_at=now
    )
    audit.record(actor, "display_messages.send_again", message, changes={"chargers": [None, count]})
    _look_at(Q(pk=message.pk))
    return count


def ask_charger(*, actor: Actor, charge_point: ChargePoint) -> None:
    """Ask a charger which messages it holds.

    Raises  PermissionRefused, ChargePointArchived, ChargePointOffline, Invalid
    """
    require(actor, "commands.send", charge_point)
    if charge_point.archived_at is not None:
        raise ChargePointArchived
    if find_live_connection(charge_point) is None:
        raise ChargePointOffline
    display_sync.ask(charge_point, timezone.now(), actor=actor)


def problems_on(message: DisplayMessage, charge_points: Iterable[ChargePoint]) -> dict[int, list[str]]:
    """What speaks against a message on these chargers, by what they say of their displays."""
    told = message.told()
    found = {row.pk: display_sync.abilities_of(row).problems(told) for row in charge_points}
    return {pk: problems for pk, problems in found.items() if problems}


def _look_at(which: Q) -> None:
    DisplayMessage.objects.filter(which).update(look_at=timezone.now())
    jobs.enqueue(display_sync.JOB)


def _cleaned(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Contents in other languages as they are kept: nothing but their parts, with a format."""
    given = dict(fields)
    if "extra" in given:
        parts = given["extra"] or []
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            raise Invalid({"extra": "Must be a list of messages."})
        if len(parts) > displaying.MAX_EXTRA:
            raise Invalid({"extra": f"Up to {displaying.MAX_EXTRA} further languages."})
        kept = [{name: str(part[name]) for name in _PARTS if part.get(name)} for part in parts]
        for part in kept:
            part.setdefault("format", DisplayFormat.UTF8.value)
        given["extra"] = kept
    return given


def check(message: DisplayMessage) -> None:
    """Raise Invalid for what is wrong with a message beyond its fields."""
    told = {**message.told(), "starts_at": message.starts_at, "ends_at": message.ends_at}
    problems = displaying.problems_of(told)
    for part in message.extra:
        if part.get("format") not in DisplayFormat.values:
            problems["extra"] = f"A format must be one of {', '.join(DisplayFormat.values)}."
        elif len(part.get("content", "")) > displaying.MAX_CONTENT:
            problems["extra"] = f"A message may have {displaying.MAX_CONTENT} characters."
        elif not part.get("language"):
            problems["extra"] = "Say the language of each."
    if message.transaction_id and message.charge_point is None:
        problems["charge_point"] = "Choose the charger on which this session is."
    if problems:
        raise Invalid(problems)
