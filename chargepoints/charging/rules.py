"""What is wrong with a charging profile, by field, in words (OCPP 1.6 §3.13, §5.16, §7.8–7.14, errata; 2.x K01, Q)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from chargepoints.charging.modes import CENTRAL_FREQUENCY, mode_of, period_problem, plan_problems
from chargepoints.charging.plan import (
    ABSOLUTE,
    AMPERE,
    CHARGE_POINT_MAX,
    DEFAULT_PHASES,
    DYNAMIC,
    PERIOD_S,
    RECURRING,
    RELATIVE,
    TX,
    Period,
    Plan,
)

MAX_PERIODS = 1000
MAX_LIMIT = Decimal(10**9)


def problems_of(plan: Plan) -> dict[str, str]:
    """Field → what is wrong with it; empty where the profile is good."""
    found = {
        "periods": _periods_problem(plan.periods, plan.purpose),
        "recurrency_kind": _recurrency_problem(plan),
        "start_schedule": _start_problem(plan),
        "duration": "Must be longer than nothing." if plan.duration == 0 else "",
        "min_charging_rate": (
            "" if plan.min_charging_rate is None else _limit_problem(plan.min_charging_rate)
        ),
    }
    if plan.valid_from is not None and plan.valid_to is not None and plan.valid_to <= plan.valid_from:
        found["valid_to"] = "Must be after “valid from”."
    return plan_problems(plan) | {field: text for field, text in found.items() if text}


def _recurrency_problem(plan: Plan) -> str:
    if plan.kind != RECURRING:
        return "Only a recurring profile has this." if plan.recurrency_kind else ""
    return "" if plan.recurrency_kind in PERIOD_S else "Say whether it recurs every day or every week."


def _start_problem(plan: Plan) -> str:
    if plan.kind == RELATIVE and plan.start_schedule is not None:
        return "A relative profile counts from the start of charging: leave the start out."
    if plan.kind == DYNAMIC and plan.start_schedule is not None:
        return "A dynamic profile holds from when the charger has it: leave the start out."
    if plan.kind in (ABSOLUTE, RECURRING) and plan.start_schedule is None:
        return "Say from when the times count."
    return ""


def _periods_problem(periods: Sequence[Period], purpose: str) -> str:
    if not periods:
        return "Give at least one limit."
    if len(periods) > MAX_PERIODS:
        return f"Must not have more than {MAX_PERIODS} entries."
    if periods[0].start_period != 0:
        return "The first period must start at 0 seconds."
    if any(later.start_period <= earlier.start_period for earlier, later in pairwise(periods)):
        return "Each period must start after the one before it."
    for number, period in enumerate(periods, start=1):
        if period.limit is not None and (problem := _limit_problem(period.limit)):
            return f"Entry {number}, limit: {problem}"
        if problem := phases_problem(period) or period_problem(period, purpose):
            return f"Entry {number}, {problem}"
    return ""


def phases_problem(period: Period, *, lowest: int = 1) -> str:
    """K01.FR.19: a phase is chosen only where one is used."""
    if period.number_phases is not None and not lowest <= period.number_phases <= 3:
        return "number_phases: Must be 1, 2 or 3."
    if period.phase_to_use is None:
        return ""
    if not 1 <= period.phase_to_use <= 3:
        return "phase_to_use: Must be 1, 2 or 3."
    return "" if period.number_phases == 1 else "phase_to_use: Only where number_phases is 1."


def _limit_problem(limit: Decimal) -> str:
    if limit < 0:
        return "Must not be below 0."
    if limit > MAX_LIMIT:
        return "Is too large."
    return "" if limit == round(limit, 1) else "Must not have more than one decimal, as 16.5."


def place_problems(plan: Plan, *, connector: int, transaction_id: str = "") -> dict[str, str]:
    """What is wrong with putting a profile on a connector (0: the charger itself), for a session or not."""
    found: dict[str, str] = {}
    if connector < 0:
        found["connector"] = "Must not be below 0."
    elif plan.purpose == CHARGE_POINT_MAX and connector != 0:
        found["connector"] = "A limit of the whole charger is set on connector 0."
    elif plan.purpose == TX and connector == 0:
        found["connector"] = "Say on which connector the session is running."
    if plan.purpose == TX and not transaction_id:
        found["transaction"] = "Say for which running session."
    elif plan.purpose != TX and transaction_id:
        found["transaction"] = "Only a profile for a running session (TxProfile) names a session."
    return found


def remarks_on(plan: Plan) -> list[str]:
    """What is allowed, but hardly meant."""
    found = []
    end = plan.duration
    recurs = PERIOD_S.get(plan.recurrency_kind) if plan.kind == RECURRING else None
    if recurs is not None and end is not None and end > recurs:
        found.append("It is longer than the time after which it begins anew: the rest is never reached.")
    limit = min((value for value in (end, recurs) if value is not None), default=None)
    if limit is not None and any(period.start_period >= limit for period in plan.periods):
        found.append("A limit begins after the end and is never reached.")
    if plan.charging_rate_unit == AMPERE and any(0 < (period.limit or 0) < 6 for period in plan.periods):
        found.append("Below 6 A most vehicles do not charge at all; 0 pauses charging.")
    if plan.duration is None and any(mode_of(period) == CENTRAL_FREQUENCY for period in plan.periods):
        found.append("Without an end it goes on when no updates come: give it a duration (OCPP 2.1 Q07).")
    if len({period.number_phases or DEFAULT_PHASES for period in plan.periods}) > 1:
        found.append("Not every vehicle can change its phases during a session (OCPP 1.6 §3.13).")
    return found
