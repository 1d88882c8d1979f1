"""The composite schedule, rule by rule (OCPP 1.6 §3.13, §5.16.4 and errata) and by properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoints.charging.composite import Slice, Standing, composite, limit_at, spans
from chargepoints.charging.plan import CHARGE_POINT_MAX, DAILY, RECURRING, TX, TX_DEFAULT, WEEKLY, convert
from tests.chargepoints.charging.plans import standing
from tests.factories import T0

H = 3600
DAY = timedelta(days=1)
MIDNIGHT = T0.replace(hour=0)


def look(*standings: Standing, connector: int = 1, hours: float = 24, unit: str = "A", **given: Any) -> Any:
    """(hours from the start, limit) of each slice."""
    start = given.pop("start", T0)
    found = composite(
        standings,
        connector=connector,
        start=start,
        end=start + timedelta(hours=hours),
        unit=unit,
        voltage=230,
        **given,
    )
    return [((one.start - start).total_seconds() / H, one.limit and float(one.limit)) for one in found]


def test_without_profiles_nothing_is_limited() -> None:
    assert look() == [(0, None)]


def test_last_limit_goes_on_without_a_duration() -> None:
    assert look(standing((0, 16), (2 * H, 8.1))) == [(0, 16.0), (2, 8.1)]


def test_relative_times_count_from_the_start_of_the_session() -> None:
    began = T0 - timedelta(hours=1)
    assert look(standing((0, 16), (2 * H, 8)), session_start=began) == [(0, 16.0), (1, 8.0)]


def test_absolute_times_count_from_the_schedules_start() -> None:
    row = standing((0, 16), (H, 8), kind="Absolute", start_schedule=T0 + timedelta(hours=3), duration=2 * H)
    assert look(row) == [(0, None), (3, 16.0), (4, 8.0), (5, None)]


def test_absolute_without_a_start_counts_from_the_start_of_charging() -> None:
    """§7.13: if startSchedule is absent the schedule is relative to the start of charging."""
    assert look(standing((0, 16), (H, 8), kind="Absolute")) == [(0, 16.0), (1, 8.0)]


def test_daily_profile_of_the_specification() -> None:
    """§3.13.7: 6 kW between 08:00 and 20:00, else 11 kW."""
    row = standing(
        (0, 11000, 3),
        (8 * H, 6000, 3),
        (20 * H, 11000, 3),
        kind=RECURRING,
        recurrency_kind=DAILY,
        charging_rate_unit="W",
        duration=24 * H,
        start_schedule=datetime(2013, 1, 1, tzinfo=UTC),
        since=MIDNIGHT,
    )
    found = look(row, unit="W", start=MIDNIGHT, hours=48)
    assert found == [(0, 11000.0), (8, 6000.0), (20, 11000.0), (32, 6000.0), (44, 11000.0)]


def test_weekly_profile_restarts_at_the_same_time_and_weekday() -> None:
    """Errata 3.79."""
    row = standing(
        (0, 16),
        (DAY.total_seconds() * 5, 32),
        kind=RECURRING,
        recurrency_kind=WEEKLY,
        start_schedule=T0 - 21 * DAY,
    )
    assert look(row, start=T0 + 4 * DAY, hours=5 * 24) == [(0, 16.0), (24, 32.0), (72, 16.0)]


def test_recurring_profile_has_nothing_to_say_before_its_start() -> None:
    row = standing(16, kind=RECURRING, recurrency_kind=DAILY, start_schedule=T0 + timedelta(hours=2))
    assert look(row) == [(0, None), (2, 16.0)]


def test_what_is_longer_than_the_recurrence_is_not_executed() -> None:
    """§5.16.4, errata 3.44."""
    row = standing(
        (0, 16), (30 * H, 8), kind=RECURRING, recurrency_kind=DAILY, duration=36 * H, start_schedule=T0
    )
    assert look(row, hours=48) == [(0, 16.0)]


def test_periods_behind_the_duration_are_not_executed() -> None:
    assert look(standing((0, 16), (3 * H, 8), duration=2 * H)) == [(0, 16.0), (2, None)]


def test_highest_level_leads_and_lower_ones_come_back_when_it_is_over() -> None:
    """§3.13.2, §5.16.4: fall back to a lower level, not to no limit."""
    low, high = standing(10), standing(6, stack_level=3, duration=2 * H)
    assert look(low, high) == [(0, 6.0), (2, 10.0)]


def test_higher_level_leads_although_it_allows_more() -> None:
    assert look(standing(6), standing(32, stack_level=1)) == [(0, 32.0)]


def test_validity_decides_from_when_and_until_when() -> None:
    row = standing(6, stack_level=1, valid_from=T0 + timedelta(hours=1), valid_to=T0 + timedelta(hours=4))
    assert look(standing(10), row) == [(0, 10.0), (1, 6.0), (4, 10.0)]


def test_profile_of_the_session_takes_the_place_of_the_default() -> None:
    default, own = standing(6), standing(32, purpose=TX)
    assert look(default, own, session_start=T0) == [(0, 32.0)]
    assert look(default, own) == [(0, 6.0)]  # nothing runs: a session that begins has no profile of its own


def test_default_comes_back_where_the_sessions_profile_is_silent() -> None:
    assert look(standing(6), standing(32, purpose=TX, duration=H), session_start=T0) == [(0, 32.0), (1, 6.0)]


def test_charger_is_the_upper_bound_of_all() -> None:
    """§3.13.3: the minimum for each interval."""
    top = standing((0, 20), (2 * H, 5), purpose=CHARGE_POINT_MAX, connector=0)
    assert look(top, standing((0, 32), (H, 10))) == [(0, 20.0), (1, 10.0), (2, 5.0)]
    assert look(top) == [(0, 20.0), (2, 5.0)]


def test_charger_itself_is_limited_by_its_own_profile_only() -> None:
    top = standing(20, purpose=CHARGE_POINT_MAX, connector=0)
    assert look(top, standing(6, connector=0), connector=0) == [(0, 20.0)]


def test_default_of_all_connectors_is_replaced_on_one_of_them() -> None:
    """§3.13.1: only for that connector, and on the same level."""
    every, own = standing(6, connector=0), standing(16, connector=1)
    assert look(every, own, connector=1) == [(0, 16.0)]
    assert look(every, own, connector=2) == [(0, 6.0)]
    higher = standing(8, connector=0, stack_level=1)
    assert look(every, own, higher, connector=1) == [(0, 8.0)]


def test_replaced_default_does_not_come_back_when_the_other_is_over() -> None:
    assert look(standing(6, connector=0), standing(16, duration=H)) == [(0, 16.0), (1, None)]


def test_profile_does_not_hold_before_it_was_installed() -> None:
    assert look(standing(6), standing(16, stack_level=1, since=T0 + timedelta(hours=2))) == [
        (0, 6.0),
        (2, 16.0),
    ]


def test_profiles_of_other_connectors_do_not_matter() -> None:
    assert look(standing(6, connector=2), standing(6, connector=2, purpose=TX), session_start=T0) == [
        (0, None)
    ]


@pytest.mark.parametrize(
    ("limit", "phases", "unit", "to", "expected"),
    [
        (16, 3, "A", "W", "11040.0"),
        (16, 1, "A", "W", "3680.0"),
        (16, None, "A", "W", "11040.0"),
        (11000, 3, "W", "A", "15.9"),
        (11000, 1, "W", "A", "47.8"),
        ("8.1", 3, "A", "A", "8.1"),
        (0, 3, "W", "A", "0.0"),
        (0, 0, "W", "A", "0.0"),
    ],
)
def test_convert_never_allows_more(limit: Any, phases: int, unit: str, to: str, expected: str) -> None:
    """Errata 3.69: three phases are assumed; the wire knows one decimal."""
    found = convert(Decimal(str(limit)), phases=phases, unit=unit, to=to, voltage=230)
    assert found == Decimal(expected)


def test_units_may_differ_between_purposes() -> None:
    top = standing(11000, purpose=CHARGE_POINT_MAX, connector=0, charging_rate_unit="W")
    assert look(top, standing(32)) == [(0, 15.9)]
    assert look(top, standing(8), unit="W") == [(0, 5520.0)]


def test_year_9999_is_no_trouble() -> None:
    far = datetime(9999, 12, 31, tzinfo=UTC)
    row = standing((0, 16), (2**31 - 1, 8), kind="Absolute", start_schedule=far, duration=2**31 - 1)
    assert look(row) == [(0, None)]


def test_limit_at_is_the_slice_that_holds() -> None:
    slices = [Slice(start=T0), Slice(start=T0 + DAY, limit=Decimal(6))]
    assert limit_at(slices, T0 - DAY) is None
    assert limit_at(slices, T0 + DAY) is slices[1]
    assert [(start, end) for start, end, _ in spans(slices, T0 + 2 * DAY)] == [
        (T0, T0 + DAY),
        (T0 + DAY, T0 + 2 * DAY),
    ]


# ---------------------------------------------------------------- properties
moments = st.integers(-3 * 24 * 60, 3 * 24 * 60).map(lambda minutes: T0 + timedelta(minutes=minutes))
limits = st.lists(
    st.tuples(
        st.integers(0, 3 * 24 * 60).map(lambda m: m * 60), st.integers(0, 640).map(lambda n: Decimal(n) / 10)
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda row: row[0],
).map(lambda rows: [(0, rows[0][1]), *sorted(row for row in rows[1:] if row[0] > 0)])


@st.composite
def profiles(draw: Any) -> Standing:
    purpose = draw(st.sampled_from([TX, TX_DEFAULT, CHARGE_POINT_MAX]))
    kind = draw(st.sampled_from(["Relative", "Absolute", RECURRING]))
    maybe = st.none() | moments
    connector = {CHARGE_POINT_MAX: 0, TX: 1}.get(purpose)
    return standing(
        *draw(limits),
        purpose=purpose,
        connector=draw(st.integers(0, 2)) if connector is None else connector,
        kind=kind,
        recurrency_kind=draw(st.sampled_from([DAILY, WEEKLY])) if kind == RECURRING else "",
        start_schedule=None if kind == "Relative" else draw(moments),
        stack_level=draw(st.integers(0, 3)),
        duration=draw(st.none() | st.integers(1, 2 * 86_400)),
        valid_from=draw(maybe),
        valid_to=draw(maybe),
        since=draw(moments),
    )


def of(standings: list[Standing], at: datetime, **given: Any) -> Any:
    return composite(
        standings, connector=1, start=at, end=at + timedelta(seconds=1), unit="A", voltage=230, **given
    )[0]


@given(st.lists(profiles(), max_size=5), st.integers(0, 47), st.none() | moments)
def test_each_moment_of_a_schedule_is_what_it_would_be_alone(
    rows: list[Standing], hour: int, session_start: datetime | None
) -> None:
    """No change is missed: the schedule at any moment is the one that begins there."""
    began = session_start or T0  # a session that begins with the schedule, in both
    slices = composite(
        rows, connector=1, start=T0, end=T0 + 2 * DAY, unit="A", voltage=230, session_start=began
    )
    at = T0 + timedelta(hours=hour, minutes=31, seconds=7)
    held = limit_at(slices, at)
    assert held is not None
    assert held.limit == of(rows, at, session_start=began).limit


@given(st.lists(profiles(), max_size=5))
def test_slices_are_in_order_and_each_is_a_change(rows: list[Standing]) -> None:
    slices = composite(rows, connector=1, start=T0, end=T0 + 2 * DAY, unit="A", voltage=230, session_start=T0)
    starts = [one.start for one in slices]
    assert starts[0] == T0
    assert starts == sorted(set(starts))
    assert all(T0 <= start < T0 + 2 * DAY for start in starts)


@given(st.lists(profiles(), max_size=5), moments)
def test_a_profile_of_the_charger_never_allows_more(rows: list[Standing], at: datetime) -> None:
    others = [one for one in rows if one.plan.purpose != CHARGE_POINT_MAX]
    with_top, without = of(rows, at, session_start=T0), of(others, at, session_start=T0)
    if without.limit is not None:
        assert with_top.limit is not None
        assert with_top.limit <= without.limit


@given(st.lists(profiles(), min_size=1, max_size=5), moments, st.randoms())
def test_order_of_installation_does_not_matter_between_levels(
    rows: list[Standing], at: datetime, random: Any
) -> None:
    places = {(one.plan.purpose, one.connector, one.plan.stack_level): one for one in rows}
    rows = list(places.values())
    shuffled = random.sample(rows, len(rows))
    assert of(rows, at, session_start=T0).limit == of(shuffled, at, session_start=T0).limit
