"""A plan for the vehicle at a connector: what it needs (ISO 15118, 2.0.1 K15–K17, 2.1 K18–K20) within what is allowed.

The vehicle may draw all that is allowed until it leaves: how it spreads its energy over that time is its own affair, it
tells us its schedule.  Pure Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from chargepoints.charging.composite import Slice, limit_at, spans
from chargepoints.charging.plan import ABSOLUTE, AMPERE, TX, WATT, Period, Plan, convert

#: How far a plan goes for a vehicle that has not said when it leaves, and at most.
USUAL, LONGEST = timedelta(days=1), timedelta(days=7)
#: Periods of a plan where the vehicle names no number (2.0.1 SAScheduleTuple of ISO 15118-2: 12 or more).
USUAL_PERIODS = 12
#: What a vehicle may be above a limit by rounding: a hundredth.
_TOLERANCE = Decimal("1.01")
_TENTH = Decimal("0.1")
_SECONDS_PER_HOUR = 3600

_PHASES = {"AC_single_phase": 1, "AC_two_phase": 2, "AC_three_phase": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a vehicle needs.

    transfer   requestedEnergyTransfer, as AC_three_phase
    phases     that it uses; None for direct current
    max_watts  that it can take; None: it did not say
    min_watts  with which it begins at all
    """

    transfer: str
    phases: int | None = None
    energy_wh: Decimal | None = None
    departure_at: datetime | None = None
    max_watts: Decimal | None = None
    min_watts: Decimal = Decimal(0)
    max_periods: int = USUAL_PERIODS

    @property
    def is_direct_current(self) -> bool:
        """Limits are said in watts."""
        return self.phases is None


def read_needs(
    given: Mapping[str, Any], *, departure_at: datetime | None, max_tuples: int | None, voltage: int
) -> Needs:
    """ChargingNeedsType of either version; what cannot be read counts as not said.

    voltage  of a phase, where currents are to be compared with powers
    """
    transfer = str(given.get("requestedEnergyTransfer", ""))[:20]
    ac, dc = _inner(given, "acChargingParameters"), _inner(given, "dcChargingParameters")
    v2x = _inner(given, "v2xChargingParameters")
    phases = _phases_of(transfer) if transfer.startswith("AC") else None
    return Needs(
        transfer=transfer,
        phases=phases,
        departure_at=departure_at,
        energy_wh=_first(
            _number(ac.get("energyAmount")),
            _number(dc.get("energyAmount")),
            _positive(v2x.get("evTargetEnergyRequest")),
        ),
        max_watts=_first(_ac_watts(ac, phases, voltage), _dc_watts(dc), _number(v2x.get("maxChargePower"))),
        min_watts=_number(ac.get("evMinCurrent"), Decimal(0)) * voltage * (phases or 1)
        if ac
        else _number(v2x.get("minChargePower"), Decimal(0)),
        max_periods=min(max(max_tuples or USUAL_PERIODS, 1), 1024),
    )


def _phases_of(transfer: str) -> int:
    return _PHASES.get(transfer, 3)


def _inner(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name)
    return value if isinstance(value, Mapping) else {}


def _number(value: Any, default: Any = None) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return default
    number = Decimal(str(value))
    return number if number.is_finite() and 0 <= number < 10**11 else default


def _positive(value: Any) -> Decimal | None:
    number: Decimal | None = _number(value)
    return number or None


def _first(*values: Decimal | None) -> Decimal | None:
    return next((value for value in values if value is not None), None)


def _ac_watts(ac: Mapping[str, Any], phases: int | None, voltage: int) -> Decimal | None:
    current = _positive(ac.get("evMaxCurrent"))
    return None if current is None else current * voltage * (phases or 3)


def _dc_watts(dc: Mapping[str, Any]) -> Decimal | None:
    power = _positive(dc.get("evMaxPower"))
    if power is not None:
        return power
    current, volts = _positive(dc.get("evMaxCurrent")), _positive(dc.get("evMaxVoltage"))
    return None if current is None or volts is None else current * volts


# --- the plan ---


@dataclass(frozen=True, slots=True, kw_only=True)
class VehiclePlan:
    """A TxProfile for a vehicle.

    energy_wh  what can be charged by it until the vehicle leaves, or until it ends
    """

    plan: Plan
    energy_wh: Decimal


def plan_for(
    needs: Needs, allowed: Sequence[Slice], *, start: datetime, stack_level: int, voltage: int
) -> VehiclePlan | None:
    """The plan that follows from what is allowed, in watts, from `start` on; None where nothing limits anything.

    allowed  slices in watts, the first at `start`
    """
    end = horizon(needs, start)
    steps = [
        (a, b, _least(one.limit, needs.max_watts)) for a, b, one in spans(allowed, end) if a < end and b > a
    ]
    if not steps or any(watts is None for _, _, watts in steps):
        return None
    periods = _merged([(a, watts or Decimal(0)) for a, _, watts in steps], end, needs.max_periods)
    unit = WATT if needs.is_direct_current else AMPERE
    plan = Plan(
        purpose=TX,
        kind=ABSOLUTE,
        stack_level=stack_level,
        charging_rate_unit=unit,
        start_schedule=start,
        periods=tuple(
            Period(
                start_period=int((at - start).total_seconds()),
                limit=_in_unit(watts, needs, unit, voltage),
                number_phases=needs.phases,
            )
            for at, watts in periods
        ),
    )
    return VehiclePlan(plan=plan, energy_wh=_energy(periods, end))


def horizon(needs: Needs, start: datetime) -> datetime:
    """Until when a plan goes."""
    if needs.departure_at is None or needs.departure_at <= start:
        return start + USUAL
    return min(needs.departure_at, start + LONGEST)


def _least(*values: Decimal | None) -> Decimal | None:
    given = [value for value in values if value is not None]
    return min(given) if given else None


Step = tuple[datetime, Decimal]


def _merged(steps: Sequence[Step], end: datetime, count: int) -> list[Step]:
    """As many steps as the vehicle can take: of two that become one, the lower limit counts for both.

    Those are joined first that cost the least energy.
    """
    found = [step for step, before in zip(steps, [None, *steps], strict=False) if _differs(step, before)]
    while len(found) > count:
        losses = [_loss(found, number, end) for number in range(len(found) - 1)]
        at = losses.index(min(losses))
        found[at : at + 2] = [(found[at][0], min(found[at][1], found[at + 1][1]))]
    return found


def _differs(step: Step, before: Step | None) -> bool:
    return before is None or step[1] != before[1]


def _loss(steps: Sequence[Step], number: int, end: datetime) -> Decimal:
    a, b = steps[number], steps[number + 1]
    after = steps[number + 2][0] if number + 2 < len(steps) else end
    length = (b[0] - a[0]) if a[1] > b[1] else (after - b[0])
    return abs(a[1] - b[1]) * Decimal(length.total_seconds())


def _in_unit(watts: Decimal, needs: Needs, unit: str, voltage: int) -> Decimal:
    """Rounded down; a limit with which the vehicle would not begin is a pause."""
    given = watts if watts >= needs.min_watts else Decimal(0)
    limit = convert(given, phases=needs.phases, unit=WATT, to=unit, voltage=voltage)
    return limit.quantize(_TENTH, rounding=ROUND_DOWN)


def _energy(steps: Sequence[Step], end: datetime) -> Decimal:
    ends = [at for at, _ in steps[1:]] + [end]
    seconds = ((watts, Decimal((b - a).total_seconds())) for (a, watts), b in zip(steps, ends, strict=True))
    return sum((watts * length / _SECONDS_PER_HOUR for watts, length in seconds), Decimal(0))


# --- what the vehicle will do ---


def exceeds(
    schedule: Sequence[Period],
    unit: str,
    allowed: Sequence[Slice],
    *,
    start: datetime,
    now: datetime,
    end: datetime,
    voltage: int,
    phases: int | None = None,
) -> datetime | None:
    """The first moment from now on at which a vehicle's schedule is above what is allowed; None where it keeps to it.

    schedule  periods from `start` on
    allowed   slices in watts, until `end`
    phases    that the vehicle uses, where a period does not say
    """
    drawn = [(start + timedelta(seconds=period.start_period), period) for period in schedule]
    moments = {max(start, now)} | {at for at, _ in drawn} | {one.start for one in allowed}
    for at, watts in _drawn_at(
        drawn, [at for at in sorted(moments) if now <= at < end], unit, voltage, phases
    ):
        held = limit_at(allowed, at)
        if held is None or held.limit is None:
            continue
        if watts > held.limit * _TOLERANCE + 1:
            return at
    return None


def _drawn_at(
    drawn: Sequence[tuple[datetime, Period]],
    moments: Sequence[datetime],
    unit: str,
    voltage: int,
    phases: int | None,
) -> Iterator[Step]:
    """What the vehicle draws at these moments, in watts."""
    for moment in moments:
        period = next((period for at, period in reversed(drawn) if at <= moment), None)
        if period is not None and period.limit is not None:
            used = period.number_phases or phases
            yield moment, convert(period.limit, phases=used, unit=unit, to=WATT, voltage=voltage)
