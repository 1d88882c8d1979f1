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
