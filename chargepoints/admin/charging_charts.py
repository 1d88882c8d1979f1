"""Charts of limits: what a profile allows, and what is expected, reported and drawn at a connector."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from chargepoints.charging import outlook
from chargepoints.charging.composite import Slice, spans
from chargepoints.charging.plan import AMPERE, RECURRING, WATT, WEEKLY, Period, Plan, convert, read_periods
from chargepoints.charging.running import RunningSession
from chargepoints.models import ReportedSchedule
from csms_project.common.charts import SeriesChart, series_chart

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_BACK = timedelta(hours=6)
_KILO = Decimal(1000)


def plan_chart(plan: Plan) -> SeriesChart | None:
    """What a profile allows: a day or week of the clock, or a session from its start."""
    unit = plan.charging_rate_unit
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    if plan.kind == RECURRING:
        is_weekly = plan.recurrency_kind == WEEKLY
        start = today - timedelta(days=today.weekday()) if is_weekly else today
        end, pattern = start + (_WEEK if is_weekly else _DAY), "%a %H:%M" if is_weekly else "%H:%M"
        if plan.valid_from is not None and plan.valid_from > start:
            start = timezone.localtime(plan.valid_from)
            end = start + (_WEEK if is_weekly else _DAY)
    else:
        start = today if plan.start_schedule is None else timezone.localtime(plan.start_schedule)
        end, pattern = start + _length(plan), "%d %b %H:%M"
    slices = outlook.preview(plan, start=start, duration=end - start, unit=unit)
    if plan.start_schedule is None and plan.kind != RECURRING:
        # Hours of a session, whenever it begins: its start is shown as midnight.
        pattern = "%H:%M"
    return series_chart(
        "Limit",
        start=start,
        end=end,
        unit="kW" if unit == WATT else "A",
        steps=[("Limit", "limit", _steps(slices, end, unit))],
        pattern=pattern,
    )


def _length(plan: Plan) -> timedelta:
    """Long enough to see the last period, and not days of nothing."""
    last = plan.periods[-1].start_period
    seconds = plan.duration + 1800 if plan.duration else last + max(last // 4, 4 * 3600)
    return min(max(timedelta(seconds=seconds), timedelta(hours=1)), 2 * _WEEK)


def connector_chart(
    slices_from: Sequence[Slice],
    *,
    start: datetime,
    end: datetime,
    report: ReportedSchedule | None,
    session: RunningSession | None,
) -> SeriesChart | None:
    """What is expected, what the charger has reported, and what the session draws, in kW."""
    power = [(at, watts / _KILO) for at, watts in session.power] if session is not None else []
    return series_chart(
        "Power",
        start=timezone.localtime(start),
        end=timezone.localtime(end),
        unit="kW",
        steps=[
            ("Expected limit", "limit", _steps(slices_from, end, WATT)),
            *(
                [("Reported by the charger", "reported", _reported(report, end))]
                if report is not None
                else []
            ),
        ],
        lines=[("Drawn by the session", "actual", power)] if power else [],
        now=timezone.now(),
    )


def window(session: RunningSession | None, now: datetime) -> tuple[datetime, datetime]:
    """The time of a connector's chart: a day ahead, or what a session has run and as much again, so that both show."""
    if session is None:
        return now, now + _DAY
    start = min(max(session.started_at, now - _BACK), now)
    return start, now + max(now - start, timedelta(hours=1))


def _steps(
    slices: Sequence[Slice], end: datetime, unit: str
) -> list[tuple[datetime, datetime, Decimal | None]]:
    """Slices as steps, watts as kilowatts."""
    return [
        (a, b, one.limit if one.limit is None or unit == AMPERE else one.limit / _KILO)
        for a, b, one in spans(slices, end)
    ]


def _reported(report: ReportedSchedule, end: datetime) -> list[tuple[datetime, datetime, Decimal | None]]:
    """The charger's periods in kW, as far as its schedule goes."""
    last = min(report.starts_at + timedelta(seconds=report.duration), end)
    periods = read_periods(report.periods)
    starts = [report.starts_at + timedelta(seconds=period.start_period) for period in periods]
    ends = [*starts[1:], last]
    return [
        (
            a,
            min(b, last),
            _kilowatts(period, report.charging_rate_unit),
        )
        for a, b, period in zip(starts, ends, periods, strict=True)
        if a < last
    ]


def _kilowatts(period: Period, unit: str) -> Decimal | None:
    if period.cap is None:
        return None
    voltage = settings.CHARGING_LINE_VOLTAGE
    return convert(period.cap, phases=period.number_phases, unit=unit, to=WATT, voltage=voltage) / _KILO
