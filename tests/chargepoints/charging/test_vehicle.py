"""Plans for vehicles, and whether their schedules keep to what is allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chargepoints.charging.composite import Slice
from chargepoints.charging.plan import Period
from chargepoints.charging.vehicle import Needs, exceeds, plan_for, read_needs

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def slices(*limits: int | None) -> list[Slice]:
    """Limits in watts, one for each hour."""
    return [
        Slice(start=START + number * HOUR, limit=None if limit is None else Decimal(limit))
        for number, limit in enumerate(limits)
    ]


def dc(**more: Any) -> Needs:
    return Needs(**{"transfer": "DC", "max_watts": Decimal(50_000), **more})


def limits_of(needs: Needs, *allowed: int | None) -> list[tuple[int, Any]]:
    made = plan_for(needs, slices(*allowed), start=START, stack_level=0, voltage=230)
    assert made is not None
    return [(period.start_period, period.limit) for period in made.plan.periods]


def test_plan_is_the_least_of_what_is_allowed_and_what_the_vehicle_takes() -> None:
    assert limits_of(dc(), 80_000, 20_000, None) == [(0, 50_000), (3600, 20_000), (7200, 50_000)]


def test_equal_limits_become_one_period() -> None:
    assert limits_of(dc(), 80_000, 70_000, 60_000) == [(0, 50_000)]


def test_plan_ends_where_the_vehicle_leaves() -> None:
    needs = dc(departure_at=START + HOUR)

    made = plan_for(needs, slices(30_000, 1_000), start=START, stack_level=0, voltage=230)

    assert made is not None
    assert [period.start_period for period in made.plan.periods] == [0]
    assert made.energy_wh == Decimal(30_000)


def test_too_many_periods_are_joined_below_where_it_costs_least() -> None:
    needs = dc(max_periods=2)

    assert limits_of(needs, 10_000, 9_000, 40_000) == [(0, 9_000), (7200, 40_000)]


def test_one_period_is_the_lowest_limit() -> None:
    assert limits_of(dc(max_periods=1), 10_000, 9_000, 40_000) == [(0, 9_000)]


def test_alternating_current_is_said_in_ampere_on_its_phases_and_rounded_down() -> None:
    needs = Needs(transfer="AC_three_phase", phases=3, max_watts=Decimal(11_040))

    made = plan_for(needs, slices(10_000), start=START, stack_level=3, voltage=230)

    assert made is not None
    assert made.plan.periods == (Period(start_period=0, limit=Decimal("14.4"), number_phases=3),)
    assert (made.plan.charging_rate_unit, made.plan.stack_level) == ("A", 3)


def test_less_than_the_vehicle_begins_with_is_a_pause() -> None:
    needs = Needs(transfer="AC_single_phase", phases=1, max_watts=Decimal(3680), min_watts=Decimal(1380))

    assert limits_of(needs, 1000) == [(0, Decimal(0))]


def test_no_plan_where_nothing_limits_anything() -> None:
    assert plan_for(dc(max_watts=None), slices(None), start=START, stack_level=0, voltage=230) is None
    assert plan_for(dc(max_watts=None), slices(1000, None), start=START, stack_level=0, voltage=230) is None


@pytest.mark.parametrize(
    ("given", "watts", "phases"),
    [
        (
            {"requestedEnergyTransfer": "AC_single_phase", "acChargingParameters": {"evMaxCurrent": 32}},
            7360,
            1,
        ),
        (
            {"requestedEnergyTransfer": "AC_three_phase", "acChargingParameters": {"evMaxCurrent": 16}},
            11_040,
            3,
        ),
        (
            {
                "requestedEnergyTransfer": "DC",
                "dcChargingParameters": {"evMaxCurrent": 100, "evMaxVoltage": 400},
            },
            40_000,
            None,
        ),
        (
            {"requestedEnergyTransfer": "DC", "dcChargingParameters": {"evMaxCurrent": 1, "evMaxPower": 9}},
            9,
            None,
        ),
        (
            {"requestedEnergyTransfer": "DC_BPT", "v2xChargingParameters": {"maxChargePower": 7000.5}},
            Decimal("7000.5"),
            None,
        ),
        (
            {"requestedEnergyTransfer": "DC", "dcChargingParameters": {"evMaxPower": "x"}},
            None,
            None,
        ),
        ({"requestedEnergyTransfer": "WPT", "acChargingParameters": 5}, None, None),
    ],
)
def test_needs_are_read(given: dict[str, Any], watts: Any, phases: int | None) -> None:
    needs = read_needs(given, departure_at=None, max_tuples=None, voltage=230)

    assert (needs.max_watts, needs.phases) == (watts, phases)


@pytest.mark.parametrize(("told", "used"), [(None, 12), (0, 12), (3, 3), (10**9, 1024)])
def test_number_of_periods_is_bounded(told: int | None, used: int) -> None:
    assert read_needs({}, departure_at=None, max_tuples=told, voltage=230).max_periods == used


# --- schedules of vehicles ---


def above(*limits: tuple[int, int], allowed: list[Slice], unit: str = "W", **more: Any) -> datetime | None:
    periods = [Period(start_period=start, limit=Decimal(limit)) for start, limit in limits]
    times = {"start": START, "now": START, "end": START + 24 * HOUR, **more}
    return exceeds(periods, unit, allowed, voltage=230, **times)


def test_schedule_within_the_limits_does_not_exceed() -> None:
    assert above((0, 10_000), (3600, 5000), allowed=slices(10_000, 5000)) is None


def test_schedule_exceeds_from_where_the_limit_falls() -> None:
    assert above((0, 10_000), allowed=slices(10_000, 5000)) == START + HOUR


def test_schedule_exceeds_from_where_it_rises() -> None:
    assert above((0, 1000), (600, 10_001), allowed=slices(5000)) == START + timedelta(seconds=600)


def test_schedule_is_not_limited_where_nothing_is() -> None:
    assert above((0, 10**6), allowed=slices(None)) is None


def test_what_is_over_is_not_compared() -> None:
    later = START + 2 * HOUR

    assert above((0, 10_000), (7000, 100), allowed=slices(5000), now=later) is None


def test_ampere_count_on_the_phases_of_the_vehicle() -> None:
    assert above((0, 16), allowed=slices(3680), unit="A", phases=1) is None
    assert above((0, 16), allowed=slices(3680), unit="A", phases=3) == START
