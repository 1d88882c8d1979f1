"""What a charging profile says, in every version (OCPP 1.6 §7.8, §7.13, §7.14; 2.1 part 2 §2.10–2.19).  Pure Python;
limits are decimals throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from chargepoints.charging.details import PERIOD as PERIOD_DETAILS
from chargepoints.charging.details import PROFILE as PROFILE_DETAILS
from chargepoints.charging.details import SCHEDULE as SCHEDULE_DETAILS
from chargepoints.charging.details import (
    Details,
    decimal_of,
    plain_number,
    read_details,
)

CHARGE_POINT_MAX, TX_DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
PRIORITY, LOCAL_GENERATION = "PriorityCharging", "LocalGeneration"
#: Of limits that others have given the charger: reported, never set by us (2.0.1 K01.FR.22).
EXTERNAL = "ChargingStationExternalConstraints"
ABSOLUTE, RECURRING, RELATIVE, DYNAMIC = "Absolute", "Recurring", "Relative", "Dynamic"
DAILY, WEEKLY = "Daily", "Weekly"
AMPERE, WATT = "A", "W"

PERIOD_S = {DAILY: 86_400, WEEKLY: 7 * 86_400}
#: Where a period does not say how many (errata 3.69).
DEFAULT_PHASES = 3

_MAX_INTEGER = 2**31 - 1
_TENTH = Decimal("0.1")


class Unreadable(ValueError):
    """What should be a charging profile cannot be read as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A limit from so many seconds after the schedule's start on, until the next period."""

    start_period: int
    limit: Decimal | None = None
    number_phases: int | None = None
    phase_to_use: int | None = None
    details: Details = field(default_factory=dict)

    @property
    def cap(self) -> Decimal | None:
        """What may be drawn at most; None: not limited here.

        limit  may be missing where the mode of operation says what happens (2.1 part 2, Q 1.4)
        """
        if self.limit is not None:
            return self.limit
        setpoint = self.details.get("setpoint")
        if setpoint is not None:
            return max(Decimal(setpoint), Decimal(0))
        return Decimal(0) if self.details.get("operation_mode") == "Idle" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A charging profile without its number and place.

    duration        seconds; None: the last limit goes on
    start_schedule  where the times count from; None: from the start of charging
    details         what only OCPP 2.x says of a profile and its schedule
    """

    purpose: str
    kind: str
    charging_rate_unit: str
    periods: tuple[Period, ...]
    stack_level: int = 0
    recurrency_kind: str = ""
    duration: int | None = None
    start_schedule: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    min_charging_rate: Decimal | None = None
    details: Details = field(default_factory=dict)

    def in_unit(self, unit: str, *, voltage: int) -> Plan:
        """The same limits in another unit, for chargers that know one only.

        A profile with setpoints or limits of single phases is meant in its own unit, and left alone.
        """
        if unit in ("", self.charging_rate_unit) or any(period.details for period in self.periods):
            return self
        before = self.charging_rate_unit

        def converted(limit: Decimal | None, phases: int | None) -> Decimal | None:
            return (
                None
                if limit is None
                else convert(limit, phases=phases, unit=before, to=unit, voltage=voltage)
            )

        least = self.min_charging_rate
        return replace(
            self,
            charging_rate_unit=unit,
            periods=tuple(
                replace(period, limit=converted(period.limit, period.number_phases))
                for period in self.periods
            ),
            min_charging_rate=None if least is None else converted(least, None),
        )

    def arguments(self) -> dict[str, Any]:
        """The arguments of `set_charging_profile` that it decides; absent ones are left out."""
        given = {
            "purpose": self.purpose,
            "kind": self.kind,
            "recurrency_kind": self.recurrency_kind or None,
            "stack_level": self.stack_level,
            "charging_rate_unit": self.charging_rate_unit,
            "duration": self.duration,
            "start_schedule": _text(self.start_schedule),
            "valid_from": _text(self.valid_from),
            "valid_to": _text(self.valid_to),
            "min_charging_rate": self.min_charging_rate,
            "periods": period_rows(self.periods),
            **self.details,
        }
        return {name: value for name, value in given.items() if value is not None}


def convert(limit: Decimal, *, phases: int | None, unit: str, to: str, voltage: int) -> Decimal:
    """A limit in another unit, rounded down to the tenth that the wire knows, so that it is never more."""
    if unit != to:
        watts_per_ampere = voltage * max(phases or DEFAULT_PHASES, 1)
        limit = limit / watts_per_ampere if to == AMPERE else limit * watts_per_ampere
    return limit.quantize(_TENTH, rounding=ROUND_DOWN)


def read_plan(values: Mapping[str, Any]) -> Plan:
    """The plan of arguments of `set_charging_profile`, as given or as stored.

    Raises  Unreadable
    """
    try:
        return Plan(
            purpose=str(values["purpose"]),
            kind=str(values.get("kind", RELATIVE)),
            recurrency_kind=str(values.get("recurrency_kind") or ""),
            stack_level=_integer(values.get("stack_level", 0)),
            charging_rate_unit=str(values.get("charging_rate_unit", AMPERE)),
            duration=_maybe(_integer, values.get("duration")),
            start_schedule=_maybe(_moment, values.get("start_schedule")),
            valid_from=_maybe(_moment, values.get("valid_from")),
            valid_to=_maybe(_moment, values.get("valid_to")),
            min_charging_rate=_maybe(decimal_of, values.get("min_charging_rate")),
            periods=read_periods(values["periods"]),
            details=read_details(values, (*PROFILE_DETAILS, *SCHEDULE_DETAILS)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, InvalidOperation) as error:
        raise Unreadable(f"no charging profile: {error}") from error


def read_periods(rows: Sequence[Mapping[str, Any]]) -> tuple[Period, ...]:
    """Periods as they are stored or given; raises what `read_plan` translates."""
    return tuple(_read_period(row) for row in rows)


def _read_period(row: Mapping[str, Any]) -> Period:
    details = read_details(row, PERIOD_DETAILS)
    if not details:
        decimal_of(row["limit"])  # only a mode of operation can do without
    return Period(
        start_period=_integer(row["start_period"]),
        limit=_maybe(decimal_of, row.get("limit")),
        number_phases=_maybe(_integer, row.get("number_phases")),
        phase_to_use=_maybe(_integer, row.get("phase_to_use")),
        details=details,
    )


def period_rows(periods: Sequence[Period]) -> list[dict[str, Any]]:
    """Periods as arguments of a command, and as they are stored."""
    return [
        {
            "start_period": period.start_period,
            **_given(limit=period.limit),
            **_given(number_phases=period.number_phases, phase_to_use=period.phase_to_use),
            **period.details,
        }
        for period in periods
    ]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_NAMES = {
    "chargingProfilePurpose": "purpose",
    "chargingProfileKind": "kind",
    "recurrencyKind": "recurrency_kind",
    "stackLevel": "stack_level",
    "validFrom": "valid_from",
    "validTo": "valid_to",
}
_SCHEDULE_NAMES = {
    "chargingRateUnit": "charging_rate_unit",
    "duration": "duration",
    "startSchedule": "start_schedule",
    "minChargingRate": "min_charging_rate",
}
_PERIOD_NAMES = {"startPeriod": "start_period", "limit": "limit", "numberPhases": "number_phases"}


def read_message(profile: Mapping[str, Any]) -> Plan:
    """The plan of a profile in the form of the message, as raw orders and remote starts carry it.

    Raises  Unreadable
    """
    try:
        schedule = profile["chargingSchedule"]
        rows = [_renamed(row, _PERIOD_NAMES) for row in schedule["chargingSchedulePeriod"]]
        values = {**_renamed(profile, _NAMES), **_renamed(schedule, _SCHEDULE_NAMES), "periods": rows}
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"no charging profile: {error}") from error
    return read_plan(values)


def message_of(plan: Plan, number: int) -> dict[str, Any]:
    """The profile in the form that remote starts carry; limits as JSON numbers."""
    values = plan.arguments()
    schedule = {theirs: values[ours] for theirs, ours in _SCHEDULE_NAMES.items() if ours in values}
    if plan.min_charging_rate is not None:
        schedule["minChargingRate"] = number_of(plan.min_charging_rate)
    schedule["chargingSchedulePeriod"] = [
        {
            "startPeriod": period.start_period,
            **({} if period.limit is None else {"limit": number_of(period.limit)}),
            **({} if period.number_phases is None else {"numberPhases": period.number_phases}),
        }
        for period in plan.periods
    ]
    return {
        "chargingProfileId": number,
        **{theirs: values[ours] for theirs, ours in _NAMES.items() if ours in values},
        "chargingSchedule": schedule,
    }


def number_of(value: Decimal) -> int | float:
    """A decimal of one place as a JSON number: doubles print its digits unchanged."""
    return plain_number(value)


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: values[theirs] for theirs, ours in names.items() if values.get(theirs) is not None}


def _maybe(read: Any, value: Any) -> Any:
    return None if value is None or value == "" else read(value)


def _integer(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or number != Decimal(str(value)) or not 0 <= number <= _MAX_INTEGER:
        raise ValueError("a whole number is wrong")
    return number


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
