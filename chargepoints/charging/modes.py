"""Modes of operation of a charger that can also feed back (2.1 part 2, block Q): what each may say of limits.

Table 95, “Limits and setpoints per operation mode”, Q03, Q07 (errata 2025-09), Q08, Q10. The table allows limits beside
our setpoints, Q03.FR.02 and Q07.FR.03 forbid them: the requirements count.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from chargepoints.charging.details import (
    DISCHARGE_LIMITS,
    LIMITS,
    OPERATION_MODE,
    REACTIVE,
    SETPOINTS,
    Detail,
)
from chargepoints.charging.plan import (
    CHARGE_POINT_MAX,
    DYNAMIC,
    EXTERNAL,
    LOCAL_GENERATION,
    PRIORITY,
    TX,
    TX_DEFAULT,
    WATT,
    Period,
    Plan,
)

CHARGING_ONLY, IDLE = "ChargingOnly", "Idle"
CENTRAL_SETPOINT, CENTRAL_FREQUENCY, LOCAL_FREQUENCY = "CentralSetpoint", "CentralFrequency", "LocalFrequency"
EXTERNAL_SETPOINT, EXTERNAL_LIMITS, LOCAL_BALANCING = (
    "ExternalSetpoint",
    "ExternalLimits",
    "LocalLoadBalancing",
)
#: mode → in the words of people
MODES = {
    CHARGING_ONLY: "Charge only, up to the limit",
    CENTRAL_SETPOINT: "Follow the setpoint",
    CENTRAL_FREQUENCY: "Support the grid's frequency by our setpoints",
    LOCAL_FREQUENCY: "Support the grid's frequency by itself",
    EXTERNAL_SETPOINT: "Follow the setpoint of somebody else",
    EXTERNAL_LIMITS: "Keep the limits of somebody else",
    LOCAL_BALANCING: "Balance the load of the site",
    IDLE: "Rest",
}
#: purpose → modes that a profile for it may have (table 95)
_OF_PURPOSE = {
    TX_DEFAULT: frozenset(MODES),
    TX: frozenset(MODES),
    PRIORITY: frozenset({CHARGING_ONLY}),
    CHARGE_POINT_MAX: frozenset({CHARGING_ONLY}),
    LOCAL_GENERATION: frozenset({CHARGING_ONLY, EXTERNAL_LIMITS}),
    EXTERNAL: frozenset({CHARGING_ONLY, EXTERNAL_LIMITS, EXTERNAL_SETPOINT}),
}
_NOTHING: tuple[Detail, ...] = ()
_CAPS = (*LIMITS, *DISCHARGE_LIMITS)
#: mode → what it may say of limits and setpoints
_MAY = {
    CHARGING_ONLY: LIMITS,
    CENTRAL_SETPOINT: (*SETPOINTS, *REACTIVE),
    CENTRAL_FREQUENCY: SETPOINTS,
    LOCAL_FREQUENCY: _NOTHING,
    EXTERNAL_SETPOINT: _CAPS,
    EXTERNAL_LIMITS: _NOTHING,
    LOCAL_BALANCING: _CAPS,
    IDLE: _NOTHING,
}
_NEEDS_SETPOINT = frozenset({CENTRAL_SETPOINT, CENTRAL_FREQUENCY})
_CURVES = ("v2x_freq_watt_curve", "v2x_signal_watt_curve")


def mode_of(period: Period) -> str:
    """ChargingOnly where none is said (K01.FR.110)."""
    return str(period.details.get(OPERATION_MODE, CHARGING_ONLY))


def period_problem(period: Period, purpose: str) -> str:
    """What is wrong with a period for its mode of operation; "" where nothing is."""
    mode = mode_of(period)
    if mode not in MODES:
        return f"operation_mode: Must be one of {', '.join(MODES)}."
    if mode not in _OF_PURPOSE.get(purpose, _OF_PURPOSE[TX]):
        return f"operation_mode: {mode} is not for a {purpose}."
    return _said_problem(period, mode) or _sign_problem(period) or _curve_problem(period, mode)


def _said_problem(period: Period, mode: str) -> str:
    said = set(_figures(period))
    beyond = sorted(said - {field.name for field in _MAY[mode]})
    if beyond:
        return f"{beyond[0]}: Must be left out in the mode {mode}."
    if mode == CHARGING_ONLY and "limit" not in said:
        return "limit: This argument is required."
    if mode in _NEEDS_SETPOINT and "setpoint" not in said:
        return f"setpoint: The mode {mode} needs one."
    return ""


def _figures(period: Period) -> list[str]:
    names = [field.name for field in (*LIMITS[1:], *DISCHARGE_LIMITS, *SETPOINTS, *REACTIVE)]
    return [*(["limit"] if period.limit is not None else []), *(n for n in names if n in period.details)]


def _sign_problem(period: Period) -> str:
    for field in DISCHARGE_LIMITS:
        if period.details.get(field.name, Decimal(0)) > 0:
            return f"{field.name}: Must not be above 0: what is fed back counts below it."
    for field in LIMITS[1:]:
        if period.details.get(field.name, Decimal(0)) < 0:
            return f"{field.name}: Must not be below 0."
    return ""


def _curve_problem(period: Period, mode: str) -> str:
    """Q08.FR.03: by itself it needs what to begin with, and two points of the curve."""
    if mode != LOCAL_FREQUENCY:
        given = next((name for name in (*_CURVES, "v2x_baseline") if name in period.details), "")
        return f"{given}: Only for the mode {LOCAL_FREQUENCY}." if given else ""
    if "v2x_baseline" not in period.details:
        return f"v2x_baseline: The mode {LOCAL_FREQUENCY} needs one."
    if len(period.details.get(_CURVES[0], ())) < 2:
        return f"{_CURVES[0]}: The mode {LOCAL_FREQUENCY} needs a curve of two points or more."
    if len(period.details.get(_CURVES[1], (1, 2))) < 2:
        return f"{_CURVES[1]}: A curve has two points or more."
    return ""


def plan_problems(plan: Plan) -> dict[str, str]:
    """What is wrong with the details of a profile: field → text."""
    found = {
        "duration": (
            "Priority lasts until the session ends: leave it out."
            if plan.purpose == PRIORITY and plan.duration is not None
            else ""
        ),
        "dyn_update_interval": (
            "Only a profile that is updated while it runs (Dynamic) has this."
            if plan.kind != DYNAMIC and "dyn_update_interval" in plan.details
            else ""
        ),
        "randomized_delay": (
            "Only profiles of sessions may begin at random."
            if plan.details.get("randomized_delay") and plan.purpose not in (TX, TX_DEFAULT)
            else ""
        ),
        "invalid_after_offline_duration": (
            "Say after how long without a connection (max_offline_duration)."
            if "invalid_after_offline_duration" in plan.details and "max_offline_duration" not in plan.details
            else ""
        ),
        "limit_at_soc": _soc_problem(plan),
        "periods": _dynamic_problem(plan.periods) if plan.kind == DYNAMIC else "",
        "kind": _frequency_problem(plan),
        "charging_rate_unit": (
            f"The curve of the mode {LOCAL_FREQUENCY} is in watt."
            if plan.charging_rate_unit != WATT and _has_mode(plan, LOCAL_FREQUENCY)
            else ""
        ),
    }
    return {name: text for name, text in found.items() if text}


def _soc_problem(plan: Plan) -> str:
    if (given := plan.details.get("limit_at_soc")) is None:
        return ""
    soc, limit = given.get("soc"), given.get("limit")
    is_soc = isinstance(soc, int) and not isinstance(soc, bool) and 0 <= soc <= 100
    is_limit = isinstance(limit, int | float | Decimal) and not isinstance(limit, bool)
    return "" if is_soc and is_limit else "Must be an object: soc from 0 to 100, and limit."


def _dynamic_problem(periods: Sequence[Period]) -> str:
    """K28.FR.01."""
    return "" if len(periods) == 1 else "A dynamic profile has one limit, which is updated."


def _frequency_problem(plan: Plan) -> str:
    """Q07.FR.02."""
    if plan.kind == DYNAMIC or not _has_mode(plan, CENTRAL_FREQUENCY):
        return ""
    return f"The mode {CENTRAL_FREQUENCY} needs a profile that is updated while it holds (Dynamic)."


def _has_mode(plan: Plan, mode: str) -> bool:
    return any(mode_of(period) == mode for period in plan.periods)
