"""Charts of several lines: shapes in a fixed view box."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from csms_project.common.charts import series_chart
from tests.factories import T0

HOUR = timedelta(hours=1)


def test_steps_are_joined_where_one_follows_the_other_and_left_out_where_there_is_no_limit() -> None:
    steps = [
        (T0, T0 + HOUR, Decimal(10)),
        (T0 + HOUR, T0 + 2 * HOUR, Decimal(5)),
        (T0 + 2 * HOUR, T0 + 3 * HOUR, None),
        (T0 + 3 * HOUR, T0 + 4 * HOUR, Decimal(10)),
    ]
    chart = series_chart("Limit", start=T0, end=T0 + 4 * HOUR, unit="A", steps=[("Limit", "limit", steps)])
    assert chart is not None
    assert chart.series[0].line == "M0.0,0.0 H250.0 V150.0 H500.0 M750.0,0.0 H1000.0"
    assert chart.series[0].area.count("Z") == 3
    assert chart.y_labels == ("10", "5", "0")
    assert chart.x_labels == ("10:00", "11:00", "12:00", "13:00", "14:00")
    assert chart.summary == "Limit: Limit; from 10:00 to 14:00, at most 10 A."


def test_lines_share_the_axes_and_what_is_outside_is_left_out() -> None:
    steps = [(T0 - HOUR, T0 + 2 * HOUR, Decimal(10))]
    points = [(T0 - HOUR, Decimal(9)), (T0, Decimal(20)), (T0 + HOUR, Decimal(5))]
    chart = series_chart(
        "Power",
        start=T0,
        end=T0 + 2 * HOUR,
        unit="kW",
        steps=[("Expected", "limit", steps)],
        lines=[("Drawn", "actual", points)],
        now=T0 + HOUR,
    )
    assert chart is not None
    assert [one.line for one in chart.series] == ["M0.0,150.0 H1000.0", "M0.0,0.0 L500.0,225.0"]
    assert chart.now_x == 500.0


def test_pause_is_drawn_at_the_bottom() -> None:
    chart = series_chart(
        "Limit", start=T0, end=T0 + HOUR, unit="A", steps=[("Limit", "limit", [(T0, T0 + HOUR, Decimal(0))])]
    )
    assert chart is not None
    assert chart.series[0].line == "M0.0,300.0 H1000.0"


def test_nothing_to_draw_is_no_chart() -> None:
    assert series_chart("Limit", start=T0, end=T0 + HOUR, unit="A") is None
    nothing = [(T0, T0 + HOUR, None)]
    assert series_chart("L", start=T0, end=T0 + HOUR, unit="A", steps=[("L", "limit", nothing)]) is None
    assert series_chart("L", start=T0, end=T0, unit="A", lines=[("D", "actual", [(T0, Decimal(1))])]) is None
