"""Charts drawn by the server: shapes for `templates/charts/`, scaled to a fixed view box.

No script and no pixel width takes part, so that a chart is never blank, prints, and follows dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

WIDTH, HEIGHT = 1000, 300
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class LineChart:
    """A line over time: SVG paths and the texts of the axes, the highest first."""

    title: str
    line: str
    area: str
    y_labels: tuple[str, ...]
    x_labels: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One column; `percent` is its height."""

    label: str
    value: str
    percent: float


@dataclass(frozen=True, slots=True)
class BarChart:
    title: str
    bars: tuple[Bar, ...]
    summary: str


def line_chart(title: str, points: Sequence[tuple[datetime, Decimal]], *, unit: str) -> LineChart | None:
    """A chart of values over time; None where fewer than two moments are known.

    points  in order of time; times already in the zone that is shown
    """
    if len(points) < 2 or points[0][0] >= points[-1][0]:
        return None
    start, end = points[0][0], points[-1][0]
    span = (end - start).total_seconds()
    top = nice_ceiling(max(float(value) for _, value in points))
    spots = [
        (
            round((at - start).total_seconds() / span * WIDTH, 1),
            round(HEIGHT - float(value) / top * HEIGHT, 1),
        )
        for at, value in points
    ]
    line = _path(spots)
    several_days = start.date() != end.date()
    pattern = "%d %b %H:%M" if several_days else "%H:%M"
    middle = start + (end - start) / 2
    highest = _short(float(max(value for _, value in points)))
    return LineChart(
        title=f"{title} ({unit})",
        line=line,
        area=f"{line} L{spots[-1][0]},{HEIGHT} L{spots[0][0]},{HEIGHT} Z",
        y_labels=tuple(_short(top * part) for part in (1, 0.5, 0)),
        x_labels=tuple(at.strftime(pattern) for at in (start, middle, end)),
        summary=f"{title}: at most {highest} {unit}, from {start:{pattern}} to {end:{pattern}}.",
    )


Steps = Sequence[tuple[datetime, datetime, Decimal | None]]
Points = Sequence[tuple[datetime, Decimal]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of several; `kind` is its style: limit, reported or actual."""

    name: str
    kind: str
    line: str
    area: str


@dataclass(frozen=True, slots=True)
class SeriesChart:
    """Several lines over one time; `now_x` is where the present is, None where it is outside."""

    title: str
    series: tuple[Series, ...]
    y_labels: tuple[str, ...]
    x_labels: tuple[str, ...]
    summary: str
    now_x: float | None = None


def series_chart(
    title: str,
    *,
    start: datetime,
    end: datetime,
    unit: str,
    steps: Sequence[tuple[str, str, Steps]] = (),
    lines: Sequence[tuple[str, str, Points]] = (),
    now: datetime | None = None,
    pattern: str = "",
) -> SeriesChart | None:
    """Limits that hold from a moment to another, and measured values, together; None where nothing is to be drawn.

    steps    name, kind, and (from, to, value); a value of None leaves a gap
    lines    name, kind, and points in order of time
    start    and `end` in the zone that is shown
    pattern  of the times below
    """
    values = [float(value) for _, _, row in steps for *_, value in row if value is not None]
    values += [float(value) for _, _, row in lines for _, value in row]
    if not values or start >= end:
        return None
    span, top = (end - start).total_seconds(), nice_ceiling(max(values) or 1.0)

    def x(at: datetime) -> float:
        return round(min(max((at - start).total_seconds() / span, 0.0), 1.0) * WIDTH, 1)

    def y(value: Decimal) -> float:
        return round(HEIGHT - float(value) / top * HEIGHT, 1)

    found = [
        _steps(name, kind, [(x(a), x(b), y(v)) for a, b, v in row if v is not None])
        for name, kind, row in steps
    ]
    for name, kind, row in lines:
        spots = [(x(at), y(value)) for at, value in row if start <= at <= end]
        found.append(Series(name, kind, _path(spots), "") if spots else None)
    shown = tuple(series for series in found if series is not None)
    pattern = pattern or ("%d %b %H:%M" if start.date() != end.date() else "%H:%M")
    marks = [start + (end - start) * part / 4 for part in range(5)]
    names = ", ".join(series.name for series in shown)
    return SeriesChart(
        title=f"{title} ({unit})",
        series=shown,
        y_labels=tuple(_short(top * part) for part in (1, 0.5, 0)),
        x_labels=tuple(at.strftime(pattern) for at in marks),
        summary=f"{title}: {names}; from {start:{pattern}} to {end:{pattern}}, at most {_short(max(values))} {unit}.",
        now_x=x(now) if now is not None and start < now < end else None,
    )


def _steps(name: str, kind: str, rows: Sequence[tuple[float, float, float]]) -> Series | None:
    """Horizontal lines, joined where one follows the other at once."""
    line, area, last = [], [], None
    for left, right, height in rows:
        line.append(f"V{height} H{right}" if last == left else f"M{left},{height} H{right}")
        area.append(f"M{left},{HEIGHT} V{height} H{right} V{HEIGHT} Z")
        last = right
    return Series(name, kind, " ".join(line), " ".join(area)) if line else None


def bar_chart(title: str, values: Sequence[tuple[str, Decimal]], *, unit: str) -> BarChart:
    """Columns from zero."""
    top = max((float(value) for _, value in values), default=0.0) or 1.0
    bars = tuple(
        Bar(label, f"{_short(float(value))} {unit}", round(float(value) / top * 100, 1))
        for label, value in values
    )
    total = sum((value for _, value in values), Decimal(0))
    return BarChart(title, bars, f"{title}: {_short(float(total))} {unit} altogether.")


def nice_ceiling(value: float) -> float:
    """The next round number for the top of an axis."""
    if value <= 0:
        return 1.0
    scale = 1.0
    while scale * 10 <= value:
        scale *= 10
    while scale > value:
        scale /= 10
    return next((step * scale for step in _STEPS if step * scale >= value), 10 * scale)


def _path(spots: Sequence[tuple[float, float]]) -> str:
    (x, y), *others = spots
    return " ".join([f"M{x},{y}", *(f"L{x},{y}" for x, y in others)])


def _short(number: float) -> str:
    """At most three digits that matter."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.2f}".rstrip("0").rstrip(".") if number < 10 else f"{number:.1f}".removesuffix(".0")
