"""Profiles as rows of a clock: what people type, and what chargers count in seconds.  Pure Python.

Chargers restart a recurring schedule every 24 hours or 7 days from its start (errata 3.79), in UTC.  A row names a time
of the day in the site's zone; the start is put at the first of them, so that none is needed at midnight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from chargepoints.charging.details import Details
from chargepoints.charging.plan import DAILY, PERIOD_S, RECURRING, WEEKLY, Period, Plan

DAY_S = 86_400
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIME = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")


class WrongRows(ValueError):
    """Rows that are no schedule; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A limit from a time on.

    seconds  since midnight for what recurs, else since the start
    weekday  0 is Monday; for what recurs every week
    """

    seconds: int
    limit: Decimal | None = None
    number_phases: int | None = None
    weekday: int = 0
    phase_to_use: int | None = None
    details: Details = field(default_factory=dict)

    def at(self, start_period: int) -> Period:
        """As a period."""
        return Period(
            start_period=start_period,
            limit=self.limit,
            number_phases=self.number_phases,
            phase_to_use=self.phase_to_use,
            details=self.details,
        )

    @classmethod
    def of(cls, period: Period, seconds: int, weekday: int = 0) -> Row:
        """A period at another place."""
        return cls(
            seconds=seconds,
            weekday=weekday,
            limit=period.limit,
            number_phases=period.number_phases,
            phase_to_use=period.phase_to_use,
            details=period.details,
        )


def read_time(text: str) -> int:
    """Seconds of h:mm or h:mm:ss; raises WrongRows."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise WrongRows("Give a time as 6:30.")
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)


def show_time(seconds: int, *, of_day: bool = False) -> str:
    """For example 6:30, or 06:30 for a time of the day."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    text = f"{hours:02}:{minutes:02}" if of_day else f"{hours}:{minutes:02}"
    return f"{text}:{left:02}" if left else text


def recurring(
    rows: Sequence[Row], *, kind: str, zone: tzinfo, today: date
) -> tuple[datetime, tuple[Period, ...]]:
    """Start and periods of a schedule that recurs every day or week, begun so that it holds already.

    Raises  WrongRows
    """
    if not rows:
        raise WrongRows("Give at least one limit.")
    placed = sorted(((_position(row, kind), row) for row in _checked(rows)), key=lambda spot: spot[0])
    starts = [start for start, _ in placed]
    if len(set(starts)) < len(starts):
        raise WrongRows("Two rows begin at the same time.")
    first = starts[0]
    start = _begin(first, kind, zone, today)
    return start, tuple(row.at(at - first) for at, row in placed)


def counted(rows: Sequence[Row]) -> tuple[Period, ...]:
    """Periods of a schedule whose times count from its start.  Raises WrongRows."""
    if not rows:
        raise WrongRows("Give at least one limit.")
    placed = sorted(rows, key=lambda row: row.seconds)
    if placed[0].seconds:
        raise WrongRows("The first limit must begin at 0:00.")
    if len({row.seconds for row in placed}) < len(placed):
        raise WrongRows("Two rows begin at the same time.")
    return tuple(row.at(row.seconds) for row in placed)


def rows_of(plan: Plan, *, zone: tzinfo, now: datetime) -> list[Row]:
    """The rows of a plan as people read them; what recurs by the clock of these days."""
    if plan.kind != RECURRING or plan.start_schedule is None:
        return [Row.of(period, period.start_period) for period in plan.periods]
    length = PERIOD_S.get(plan.recurrency_kind, PERIOD_S[DAILY])
    cycles = (now - plan.start_schedule) // timedelta(seconds=length)
    start = (plan.start_schedule + cycles * timedelta(seconds=length)).astimezone(zone)
    first = start.hour * 3600 + start.minute * 60 + start.second
    if plan.recurrency_kind == WEEKLY:
        first += start.weekday() * DAY_S
    reached = [period for period in plan.periods if period.start_period < length]
    rows = [_row(period, (first + period.start_period) % length) for period in reached]
    return sorted(rows, key=lambda row: (row.weekday, row.seconds))


def same_times(plan: Plan, other: Plan) -> bool:
    """Whether a plan differs from another at most by whole days or weeks of its start."""
    if plan.kind != RECURRING or plan.start_schedule is None or other.start_schedule is None:
        return False
    length = PERIOD_S.get(plan.recurrency_kind, PERIOD_S[DAILY])
    apart = plan.start_schedule - other.start_schedule
    return (plan.kind, plan.recurrency_kind) == (other.kind, other.recurrency_kind) and not (
        apart % timedelta(seconds=length)
    )


def _row(period: Period, seconds: int) -> Row:
    weekday, seconds_of_day = divmod(seconds, DAY_S)
    return Row.of(period, seconds_of_day, weekday)


def _checked(rows: Sequence[Row]) -> Sequence[Row]:
    if any(row.seconds >= DAY_S for row in rows):
        raise WrongRows("Times of a day end at 23:59.")
    return rows


def _position(row: Row, kind: str) -> int:
    return row.weekday * DAY_S + row.seconds if kind == WEEKLY else row.seconds


def _begin(first: int, kind: str, zone: tzinfo, today: date) -> datetime:
    """The last such moment that is over for sure: a day or a week ago at most (§3.13.2: no gap)."""
    days, seconds = divmod(first, DAY_S)
    day = (
        today - timedelta(days=today.weekday() + 7) + timedelta(days=days)
        if kind == WEEKLY
        else today - timedelta(days=1)
    )
    wall = datetime.combine(day, time(seconds // 3600, seconds // 60 % 60, seconds % 60), tzinfo=zone)
    return wall.astimezone(UTC)
