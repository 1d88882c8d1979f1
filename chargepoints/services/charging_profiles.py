"""Charging profiles as people and programs handle them: keep, set on chargers, clear, limit a session, ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.db.transaction import atomic
from django.utils import timezone

from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from chargepoints import commands, errors
from chargepoints.charging.plan import RELATIVE, TX, Period, Plan, read_periods
from chargepoints.charging.rules import place_problems, problems_of
from chargepoints.charging.speech import speech_of
from chargepoints.choices import AssignmentState, CommandStatus
from chargepoints.model_profiles import ModelProfile
from chargepoints.models import (
    ChargePoint,
    ChargingProfile,
    ChargingProfileAssignment,
    Command,
    ReportedSchedule,
)
from chargepoints.models.charging import OPEN_STATES, SESSION_NUMBERS, VEHICLE_NUMBERS
from chargepoints.selectors import profile_of, profiles_of
from chargepoints.services.cautions import warnings_for
from csms_project.common import events

_CHANGE = "charging_profiles.change"
#: For how long chargers are asked what they will do.
ASKED_DURATION = timedelta(days=1)
_FAR = timedelta(days=3660)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A profile on its way to a charger, the order, and what spoke against it."""

    assignment: ChargingProfileAssignment
    command: Command
    warnings: list[str]


# --- the profiles ---


def create_profile(*, actor: Actor, tenant: Tenant, **fields: Any) -> ChargingProfile:
    """Keep a profile.  Raises PermissionRefused, Duplicate, Invalid."""
    profile = ChargingProfile(tenant=tenant, **_stored(fields))
    return rows.create_row(actor=actor, row=profile, permission=_CHANGE)


def update_profile(*, actor: Actor, profile: ChargingProfile, **changes: Any) -> ChargingProfile:
    """Change a profile; chargers keep what they have until it is set anew.  Raises PermissionRefused, Duplicate,
    Invalid."""
    return rows.update_row(actor=actor, row=profile, permission=_CHANGE, changes=_stored(changes))


@atomic
def delete_profile(*, actor: Actor, profile: ChargingProfile) -> None:
    """Delete a profile that no charger holds.  Raises PermissionRefused, ProfileInUse."""
    places = profile.assignments.filter(state__in=OPEN_STATES).select_related("charge_point")
    names = [f"{row.charge_point} / {row.connector_number}" for row in places[:6]]
    if names:
        shown = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
        raise errors.ProfileInUse(f"The charging profile stands on {shown}: clear it there first.")
    rows.delete_row(actor=actor, row=profile, permission=_CHANGE)


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Limits as text, so that a number never becomes a nearby one."""
    given = dict(fields)
    if isinstance(given.get("periods"), list):
        given["periods"] = [_stored_period(row) for row in given["periods"]]
    if "details" in given:
        given["details"] = _texts(given["details"])
    return given


def _stored_period(row: Any) -> Any:
    if not isinstance(row, Mapping) or row.get("limit") is None:
        return _texts(row)
    return {**_texts(row), "limit": _number_text(row["limit"])}


def _texts(value: Any) -> Any:
    """Decimals as text, at any depth; what says nothing is left out."""
    if isinstance(value, Mapping):
        return {name: _texts(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return _number_text(value) if isinstance(value, Decimal) else value


def _number_text(number: Any) -> str:
    text = f"{number:f}" if isinstance(number, Decimal) else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- on chargers ---


@atomic
def assign(
    *,
    actor: Actor,
    profile: ChargingProfile,
    charge_point: ChargePoint,
    connector: int,
    transaction_id: str = "",
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> Assigned:
    """Set a profile on a charger.

    connector       the charger's number; 0: the charger itself, or every connector
    transaction_id  the id on the wire of the session that a TxProfile is for
    Raises          InvalidProfile, and what `commands.queue` raises
    """
    plan = profile.plan
    problems = place_problems(plan, connector=connector, transaction_id=transaction_id)
    if profile.tenant_id != charge_point.tenant_id:
        problems["charge_point"] = "There is no such charge point."
    if problems:
        raise errors.InvalidProfile(problems)
    return _set(actor, charge_point, profile.pk, plan, connector, transaction_id, expires_in, idempotency_key)


def orders_of(
    profile: ChargingProfile, charge_points: Sequence[ChargePoint], *, connector: int
) -> list[dict[str, Any]]:
    """The arguments of the commands that set a profile on many chargers, in their order.

    Raises  InvalidProfile
    """
    problems = place_problems(profile.plan, connector=connector)
    if problems:
        raise errors.InvalidProfile(problems)
    models = profiles_of(charge_points)
    plans = [_understood(profile.plan, models[row.pk]) for row in charge_points]
    return [{"profile_id": profile.pk, "connector": connector, **plan.arguments()} for plan in plans]


def _understood(plan: Plan, model: ModelProfile) -> Plan:
    """The plan in the unit that the charger's model knows best."""
    return plan.in_unit(model.rate_unit, voltage=settings.CHARGING_LINE_VOLTAGE)


def limit_session(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    connector: int,
    transaction_id: str,
    plan: Plan,
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> Assigned:
    """Give a running session a limit of its own, in place of an earlier one.

    plan    what it says; purpose and level are those of a session's limit
    Raises  InvalidProfile, and what `commands.queue` raises
    """
    own = Plan(
        purpose=TX,
        stack_level=_session_level(charge_point, connector, SESSION_NUMBERS + connector),
        kind=plan.kind,
        recurrency_kind=plan.recurrency_kind,
        charging_rate_unit=plan.charging_rate_unit,
        periods=plan.periods,
        duration=plan.duration,
        start_schedule=plan.start_schedule,
        valid_from=plan.valid_from,
        valid_to=plan.valid_to,
        min_charging_rate=plan.min_charging_rate,
    )
    problems = {**problems_of(own), **place_problems(own, connector=connector, transaction_id=transaction_id)}
    if problems:
        raise errors.InvalidProfile(problems)
    number = SESSION_NUMBERS + connector
    return _set(actor, charge_point, number, own, connector, transaction_id, expires_in, idempotency_key)


def _session_level(charge_point: ChargePoint, connector: int, number: int) -> int:
    """The level with which a new limit leads: that of what it takes the place of, or the next one above."""
    held = ChargingProfileAssignment.objects.filter(
        charge_point=charge_point, connector_number=connector, purpose=TX, state__in=OPEN_STATES
    )
    if speech_of(charge_point.ocpp_version).replaces_level:
        return int(held.aggregate(highest=Max("stack_level"))["highest"] or 0)
    others = held.exclude(profile_number=number).aggregate(highest=Max("stack_level"))["highest"]
    return 0 if others is None else int(others) + 1


def plan_vehicle(
    *, charge_point: ChargePoint, connector: int, transaction_id: str, plan: Plan, expires_in: int
) -> Command:
    """Give a session the plan that its vehicle has asked for, in place of an earlier one, above all others.

    Raises  what `commands.queue` raises
    """
    number = VEHICLE_NUMBERS + connector
    level = _session_level(charge_point, connector, number)
    own = _understood(replace(plan, stack_level=level), profile_of(charge_point))
    return commands.queue(
        actor=Actor.system("needs of a vehicle"),
        charge_point=charge_point,
        action="set_charging_profile",
        payload={
            "profile_id": number,
            "connector": connector,
            "transaction_id": transaction_id,
            **own.arguments(),
        },
        expires_in=expires_in,
    )


def constant(limit: Decimal, unit: str, *, number_phases: int | None = None) -> Plan:
    """One limit from the start of the session to its end."""
    period = Period(start_period=0, limit=limit, number_phases=number_phases)
    return Plan(purpose=TX, kind=RELATIVE, charging_rate_unit=unit, periods=(period,))


def _set(
    actor: Actor,
    charge_point: ChargePoint,
    number: int,
    plan: Plan,
    connector: int,
    transaction_id: str,
    expires_in: int | None,
    idempotency_key: str,
) -> Assigned:
    plan = _understood(plan, profile_of(charge_point))
    session = {"transaction_id": transaction_id} if transaction_id else {}
    payload = {"profile_id": number, "connector": connector, **plan.arguments(), **session}
    warnings = warnings_for(charge_point, "set_charging_profile", payload, waits=expires_in is not None)
    command = commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="set_charging_profile",
        payload=payload,
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )
    assignment = ChargingProfileAssignment.objects.select_related("charge_point", "profile", "command").get(
        charge_point=charge_point, connector_number=connector, profile_number=number
    )
    return Assigned(assignment=assignment, command=command, warnings=warnings)


def clear(
    *,
    actor: Actor,
    assignment: ChargingProfileAssignment,
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> Command:
    """Take a profile off a charger: withdraw the order if it was not sent yet, else ask the charger.

    Returns the command that decides.

    Raises  ProfileNotStanding, and what `commands.queue` raises
    """
    if not assignment.is_open:
        raise errors.ProfileNotStanding
    waiting = _find_waiting(assignment)
    if waiting is not None:
        return commands.cancel(actor=actor, command=waiting)
    return commands.queue(
        actor=actor,
        charge_point=assignment.charge_point,
        action="clear_charging_profile",
        payload={"profile_id": assignment.profile_number, "connector": assignment.connector_number},
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )


def _find_waiting(assignment: ChargingProfileAssignment) -> Command | None:
    """The order for this profile, while it waits to be sent."""
    if assignment.state != AssignmentState.REQUESTED or assignment.command_id is None:
        return None
    return (
        Command.objects.select_related("charge_point")
        .filter(pk=assignment.command_id, status=CommandStatus.QUEUED)
        .first()
    )


def find_session_limit(charge_point: ChargePoint, transaction_id: str) -> ChargingProfileAssignment | None:
    """The limit that a running session has of its own."""
    found: ChargingProfileAssignment | None = (
        ChargingProfileAssignment.objects.filter(
            charge_point=charge_point, purpose=TX, state__in=OPEN_STATES, transaction_number=transaction_id
        )
        .select_related("charge_point", "profile", "command")
        .order_by("-stack_level", "-since")
        .first()
    )
    return found


def ask_schedule(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    connector: int,
    duration: timedelta,
    unit: str = "",
    expires_in: int | None = None,
) -> Command:
    """Ask a charger which limits it will keep; the answer is kept.  Raises what `commands.queue` raises."""
    asked = {"connector": connector, "duration": int(duration.total_seconds())}
    return commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="get_composite_schedule",
        payload={**asked, **({"charging_rate_unit": unit} if unit else {})},
        expires_in=expires_in,
    )


def ask_profiles(*, actor: Actor, charge_point: ChargePoint, expires_in: int | None = None) -> Command:
    """Ask a charger which profiles it has, also those of others; it tells them in messages of its own.

    Raises  what `commands.queue` raises, InvalidPayload also where its protocol has no message for that
    """
    return commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="get_charging_profiles",
        payload={},
        expires_in=expires_in,
    )


# --- what chargers tell ---


def store_report(
    command: Command,
    *,
    connector: int,
    starts_at: datetime | None,
    duration: int,
    unit: str,
    periods: list[dict[str, Any]],
) -> None:
    """Keep the schedule that a charger has told.

    starts_at  None: it named no time, so it counts from now, as where its clock is mad
    periods    start_period, limit, number_phases; what cannot be read is not kept
    """
    now = timezone.now()
    try:
        read_periods(periods)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return
    if starts_at is not None and abs(starts_at - now) > _FAR:
        starts_at = None
    ReportedSchedule.objects.update_or_create(
        charge_point_id=command.charge_point_id,
        connector_number=connector,
        defaults={
            "tenant_id": command.tenant_id,
            "charging_rate_unit": unit,
            "starts_at": starts_at or now,
            "duration": duration,
            "periods": periods,
            "reported_at": now,
            "command": command,
        },
    )
    events.record(
        "charging_schedule.reported",
        tenant_id=command.tenant_id,
        object_type="charge_point",
        object_id=command.charge_point_id,
        charge_point=command.charge_point.identity,
        data={"connector": connector},
        at=now,
    )
