"""Charging profiles in the form of OCPP 2.x (2.0.1 part 2 §2.11–2.15, 2.1 §2.16–2.21), as chargers report them and raw
orders carry them, in our words.  Pure Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chargepoints.charging.details import PERIOD, PROFILE, SCHEDULE, decimal_of, read_wire
from chargepoints.charging.plan import CHARGE_POINT_MAX, Plan, Unreadable, read_plan

#: Ours is 1.6's word.
STATION_MAX = "ChargingStationMaxProfile"
#: Periods of a schedule that are read.
MAX_PERIODS = 1024


def purpose_from(theirs: str) -> str:
    """Their purpose in our words."""
    return CHARGE_POINT_MAX if theirs == STATION_MAX else theirs


def read_profile(profile: Mapping[str, Any]) -> Plan:
    """The plan of a profile in the form of 2.x.  Raises Unreadable"""
    try:
        return read_plan(arguments_of(profile))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise Unreadable(f"no charging profile: {error}") from error


def arguments_of(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A profile as arguments of set_charging_profile, with its first schedule; numbers as received.

    Raises  KeyError, TypeError, ValueError, AttributeError where it is no profile
    """
    schedules = profile["chargingSchedule"]
    return {
        "purpose": purpose_from(str(profile["chargingProfilePurpose"]))[:40],
        "kind": str(profile["chargingProfileKind"])[:10],
        "stack_level": profile.get("stackLevel", 0),
        **_copied(profile, recurrencyKind="recurrency_kind", validFrom="valid_from", validTo="valid_to"),
        **read_wire(profile, PROFILE),
        **schedule_arguments(schedules[0]),
    }


def schedule_arguments(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """ChargingScheduleType as arguments; raises as above."""
    return {
        "charging_rate_unit": str(schedule["chargingRateUnit"])[:1],
        **_copied(schedule, startSchedule="start_schedule", duration="duration"),
        **(
            {"min_charging_rate": str(least)}
            if (least := schedule.get("minChargingRate")) is not None
            else {}
        ),
        **read_wire(schedule, SCHEDULE),
        "periods": period_rows_of(schedule["chargingSchedulePeriod"]),
    }


def period_rows_of(periods: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """ChargingSchedulePeriodType elements as our rows, limits as text so that no digit is lost; raises as above."""
    return [
        {
            "start_period": int(period["startPeriod"]),
            **({"limit": str(decimal_of(limit))} if (limit := period.get("limit")) is not None else {}),
            **_phases(period),
            **read_wire(period, PERIOD),
        }
        for period in periods[:MAX_PERIODS]
    ]


def _phases(period: Mapping[str, Any]) -> dict[str, Any]:
    """0 stands for “not said” (a DC EVSE)."""
    return {
        ours: int(period[theirs])
        for theirs, ours in (("numberPhases", "number_phases"), ("phaseToUse", "phase_to_use"))
        if period.get(theirs)
    }


def _copied(values: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """theirs → ours; absent ones stay absent."""
    return {ours: values[theirs] for theirs, ours in names.items() if values.get(theirs) is not None}
