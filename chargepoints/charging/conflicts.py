"""Charging profiles that must not be sent, because of what the charger holds or is (2.x K01.FR.06, 20, 39, 80)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from chargepoints import errors
from chargepoints.charging.plan import TX, TX_DEFAULT, Plan, Unreadable, read_plan
from chargepoints.charging.speech import speech_of
from chargepoints.choices import AssignmentState
from chargepoints.models import ChargePoint, ChargingProfileAssignment, Variable

_PHASES, _LOWEST = "acphaseswitchingsupported", "maxexternalconstraintsid"


def check(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """Raises InvalidPayload where an order sets a profile that the charger would have to refuse."""
    if action != "set_charging_profile" or speech_of(charge_point.ocpp_version).replaces_level:
        return
    try:
        plan = read_plan(payload)
    except Unreadable:
        return  # what is wrong with it was said already
    number, place = payload["profile_id"], payload.get("connector", 0)
    problems = _variable_problems(charge_point, plan, number, place)
    twin = _find_twin(charge_point, plan, number, place, str(payload.get("transaction_id", "")))
    if twin is not None:
        problems["stack_level"] = (
            f"“{twin.name}” (number {twin.profile_number}) stands there with this purpose and level: the charger would "
            "refuse a second one. Choose another level, or clear it first."
        )
    if problems:
        raise errors.InvalidPayload(problems)


def _find_twin(
    charge_point: ChargePoint, plan: Plan, number: int, place: int, transaction_id: str
) -> ChargingProfileAssignment | None:
    """Another profile of the same purpose and level, for the same place or session, at an overlapping time."""
    rows: QuerySet[ChargingProfileAssignment] = ChargingProfileAssignment.objects.filter(
        charge_point=charge_point,
        purpose=plan.purpose,
        stack_level=plan.stack_level,
        state__in=(AssignmentState.REQUESTED, AssignmentState.ACTIVE),
    ).exclude(profile_number=number)
    if plan.purpose == TX:
        rows = rows.filter(transaction_number=transaction_id)
    elif plan.purpose != TX_DEFAULT:
        rows = rows.filter(connector_number=place)
    elif place:
        # One for every connector is one for this as well (K01.FR.52, 53).
        rows = rows.filter(Q(connector_number=place) | Q(connector_number=0))
    for row in rows.select_related("profile").order_by("pk")[:50]:
        if _overlap(plan, _valid_from(row), row.valid_to):
            return row
    return None


def _valid_from(row: ChargingProfileAssignment) -> datetime | None:
    try:
        return row.plan.valid_from
    except Unreadable:
        return None


def _overlap(plan: Plan, start: datetime | None, end: datetime | None) -> bool:
    is_before = plan.valid_to is not None and start is not None and plan.valid_to <= start
    is_after = plan.valid_from is not None and end is not None and plan.valid_from >= end
    return not is_before and not is_after


def _variable_problems(charge_point: ChargePoint, plan: Plan, number: int, place: int) -> dict[str, str]:
    """What the charger has told of itself."""
    names = [_LOWEST, *([_PHASES] if any(period.phase_to_use for period in plan.periods) else [])]
    rows = Variable.objects.filter(charge_point=charge_point, name_key__in=names, attribute="Actual")
    told = [(row.name_key, row.evse_number, (row.value or "").strip().casefold()) for row in rows[:200]]
    problems = {}
    lowest = [value for name, _, value in told if name == _LOWEST]
    if lowest and lowest[0].lstrip("-").isdecimal() and number <= int(lowest[0]):
        problems["profile_id"] = (
            f"Numbers up to {lowest[0]} are the charger's own (MaxExternalConstraintsId): choose a higher one."
        )
    switches = any(
        name == _PHASES and value == "true" and (not place or evse in (0, place))
        for name, evse, value in told
    )
    if _PHASES in names and not switches:
        problems["periods"] = (
            "phase_to_use: The charger has not told that it can choose the phase (ACPhaseSwitchingSupported)."
        )
    return problems
