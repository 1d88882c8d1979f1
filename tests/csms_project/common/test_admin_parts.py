"""What admin pages share: pages without COUNT, formulas, durations, charts, panels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.paginator import InvalidPage

from csms_project.common import panels
from csms_project.common.admin import LookAheadPaginator, chip, duration, with_formula, without_formula
from csms_project.common.charts import bar_chart, line_chart, nice_ceiling

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(("rows", "sizes"), [(0, [0]), (2, [2]), (3, [2, 1]), (4, [2, 2])])
def test_paginator_knows_from_one_row_more_whether_another_page_follows(rows: int, sizes: list[int]) -> None:
    paginator = LookAheadPaginator(list(range(rows)), 2)
    pages = [paginator.page(number) for number in range(1, len(sizes) + 1)]
    assert [len(page.object_list) for page in pages] == sizes
    assert paginator.has_more is False
    assert pages[-1].has_next() is False


def test_paginator_of_a_long_list_leads_on() -> None:
    page = LookAheadPaginator(list(range(5)), 2).page(1)
    assert list(page) == [0, 1]
    assert page.has_next()


@pytest.mark.parametrize("number", [0, -1, "x", None, 10**18])
def test_paginator_refuses_what_is_no_page(number: int) -> None:
    with pytest.raises(InvalidPage):
        LookAheadPaginator([1], 2).page(number)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_formula_is_neutralised_and_comes_back(text: str) -> None:
    assert without_formula(text) == f"'{text}"
    assert with_formula(without_formula(text)) == text


@pytest.mark.parametrize("value", ["plain", "'quoted'", "", 5, None])
def test_what_is_no_formula_stays(value: object) -> None:
    assert without_formula(value) == value
    assert with_formula(value) == value


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3900, "1 h 05 min"), (90_000, "1 d 1 h 00 min"), (-5, "0 s")],
)
def test_duration_is_short(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_chip_escapes_text_and_title() -> None:
    assert "<b>" not in chip("<b>", title='"><b>')


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.3, 0.5), (1, 1), (1.1, 2), (7, 10), (21, 25), (99, 100), (101, 200)]
)
def test_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert nice_ceiling(value) == pytest.approx(top)


def test_line_chart_spans_its_box() -> None:
    points = [
        (START, Decimal(0)),
        (START + timedelta(minutes=30), Decimal(10)),
        (START + timedelta(hours=1), Decimal(5)),
    ]
    chart = line_chart("Power", points, unit="kW")
    assert chart is not None
    assert chart.line == "M0.0,300.0 L500.0,0.0 L1000.0,150.0"
    assert chart.area.endswith("L1000.0,300 L0.0,300 Z")
    assert chart.y_labels == ("10", "5", "0")
    assert chart.x_labels == ("10:00", "10:30", "11:00")
    assert chart.summary == "Power: at most 10 kW, from 10:00 to 11:00."


@pytest.mark.parametrize("points", [[], [(START, Decimal(1))], [(START, Decimal(1)), (START, Decimal(2))]])
def test_line_chart_without_a_stretch_of_time_is_none(points: list[tuple[datetime, Decimal]]) -> None:
    assert line_chart("Power", points, unit="kW") is None


def test_bar_chart_of_nothing_has_no_height() -> None:
    chart = bar_chart("Energy", [("a", Decimal(0)), ("b", Decimal(0))], unit="kWh")
    assert [bar.percent for bar in chart.bars] == [0.0, 0.0]


def test_panels_keep_their_order_and_are_replaced_by_name() -> None:
    place = "test_place"

    def panel(name: str, order: int, *, is_live: bool = False, title: str = "") -> panels.Panel:
        return panels.Panel(
            name=name,
            title=title,
            template="x.html",
            context=lambda request, obj: {},
            permission="tenant.view",
            is_live=is_live,
            order=order,
        )

    for item in (panel("b", 2), panel("a", 1), panel("live", 0, is_live=True), panel("b", 2, title="new")):
        panels.register_panel(place, item)
    assert [(p.name, p.title) for p in panels.panels_of(place, live=False)] == [("a", ""), ("b", "new")]
    assert [p.name for p in panels.panels_of(place, live=True)] == ["live"]
    assert panels.panels_of("nowhere") == []
