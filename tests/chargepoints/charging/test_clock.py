"""Rows of a clock and the seconds that chargers count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoints.charging.clock import (
    Row,
    WrongRows,
    counted,
    read_time,
    recurring,
    rows_of,
    same_times,
    show_time,
)
from chargepoints.charging.plan import DAILY, RECURRING, WEEKLY
from tests.chargepoints.charging.plans import plan

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
H = 3600


def row(hours: float, limit: float, weekday: int = 0) -> Row:
    return Row(seconds=int(hours * H), limit=Decimal(str(limit)), weekday=weekday)


@pytest.mark.parametrize(
    ("text", "seconds"), [("6:30", 23_400), (" 06:30 ", 23_400), ("0:00:05", 5), ("100:00", 360_000)]
)
def test_times_are_read_and_shown(text: str, seconds: int) -> None:
    assert read_time(text) == seconds
    assert read_time(show_time(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "6", "6:60", "6.30", "-1:00", "noon", "99999:00"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(WrongRows, match=r"Give a time as 6:30\."):
        read_time(text)


def test_daily_rows_begin_at_the_first_time_of_yesterday() -> None:
    """§3.13.2: a start in the past leaves no gap; 06:00 in Berlin is 05:00 UTC in winter."""
    start, periods = recurring([row(22, 32), row(6, 10)], kind=DAILY, zone=BERLIN, today=MONDAY.date())
    assert start == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert [(one.start_period, one.limit) for one in periods] == [(0, Decimal(10)), (16 * H, Decimal(32))]


def test_weekly_rows_begin_last_week() -> None:
    start, periods = recurring([row(19, 22, 4), row(7, 7.4, 0)], kind=WEEKLY, zone=UTC, today=MONDAY.date())
    assert start == datetime(2026, 2, 23, 7, tzinfo=UTC)
    assert [one.start_period for one in periods] == [0, 4 * 24 * H + 12 * H]
    assert start < MONDAY - timedelta(days=1)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "Give at least one limit."),
        ([row(6, 1), row(6, 2)], "Two rows begin at the same time."),
        ([row(24, 1)], "Times of a day end at 23:59."),
    ],
)
def test_rows_that_are_no_day_are_told(rows: list[Row], text: str) -> None:
    with pytest.raises(WrongRows, match=text):
        recurring(rows, kind=DAILY, zone=UTC, today=MONDAY.date())


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "Give at least one limit."),
        ([row(1, 1)], "The first limit must begin at 0:00."),
        ([row(0, 1), row(0, 2)], "Two rows begin at the same time."),
    ],
)
def test_rows_that_do_not_count_from_the_start_are_told(rows: list[Row], text: str) -> None:
    with pytest.raises(WrongRows, match=text):
        counted(rows)


def test_counted_rows_are_put_in_order() -> None:
    assert [one.start_period for one in counted([row(30, 2), row(0, 1)])] == [0, 30 * H]
    assert [one.seconds for one in rows_of(plan((0, 1), (30 * H, 2)), zone=UTC, now=MONDAY)] == [0, 30 * H]


def test_clock_shows_what_the_charger_does_these_days() -> None:
    """It goes by UTC: what was 06:00 in winter is 07:00 in summer."""
    given_plan = plan(
        10, kind=RECURRING, recurrency_kind=DAILY, start_schedule=datetime(2026, 1, 1, 5, tzinfo=UTC)
    )
    assert rows_of(given_plan, zone=BERLIN, now=MONDAY)[0].seconds == 6 * H
    assert rows_of(given_plan, zone=BERLIN, now=datetime(2026, 7, 1, tzinfo=UTC))[0].seconds == 7 * H


def test_what_is_never_reached_is_no_row() -> None:
    long = plan((0, 10), (25 * H, 6), kind=RECURRING, recurrency_kind=DAILY, start_schedule=MONDAY)
    assert len(rows_of(long, zone=UTC, now=MONDAY)) == 1


def test_same_times_differ_by_whole_days_only() -> None:
    daily = {"kind": RECURRING, "recurrency_kind": DAILY}
    first = plan(10, start_schedule=MONDAY, **daily)
    assert same_times(first, plan(10, start_schedule=MONDAY + timedelta(days=3), **daily))
    assert not same_times(first, plan(10, start_schedule=MONDAY + timedelta(hours=3), **daily))
    assert not same_times(first, plan(10, start_schedule=MONDAY, kind=RECURRING, recurrency_kind=WEEKLY))
    assert not same_times(plan(10), plan(10))


days = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 24 * 60 - 1), st.integers(0, 320)),
    min_size=1,
    max_size=6,
    unique_by=lambda r: r[:2],
)


@given(days, st.sampled_from([DAILY, WEEKLY]), st.integers(0, 27))
def test_rows_come_back_as_they_were_typed(values: list[tuple[int, int, int]], kind: str, day: int) -> None:
    rows = [
        Row(seconds=minutes * 60, weekday=weekday if kind == WEEKLY else 0, limit=Decimal(limit) / 10)
        for weekday, minutes, limit in values
    ]
    rows = list({(one.weekday, one.seconds): one for one in rows}.values())
    now = MONDAY + timedelta(days=day - 14)
    start, periods = recurring(rows, kind=kind, zone=UTC, today=now.date())
    made = plan(1, kind=RECURRING, recurrency_kind=kind, start_schedule=start)
    made = type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"periods": periods})
    assert rows_of(made, zone=UTC, now=now) == sorted(rows, key=lambda one: (one.weekday, one.seconds))
    assert start <= now
