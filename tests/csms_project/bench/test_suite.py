"""The verdicts of `make bench`, on rows that were never measured."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.bench.compare import _summary
from tests.bench.compare import as_markdown as comparison
from tests.bench.site import Site
from tests.bench.suite import MEASURES, Bench, Form, Line, as_markdown

GOOD: dict[str, Any] = {
    "errors": {},
    "complaints": [],
    "messages": 1000,
    "messages_per_s": 5000.0,
    "duration_s": 10.0,
    "connected": 50,
    "server_cpu_us_per_message": 40.0,
    "cpu_us_per_message": 44.0,
    "cpu_s_per_1000_messages": 0.15,
    "server_cpu_s_per_1000_messages": 0.1,
    "postgres_cpu_s_per_1000_messages": 0.05,
    "boots_per_s": 900.0,
    "cpu_ms_per_boot": 0.9,
    "rss_bytes_per_connection": 20_000,
    "compressed_connections": 50,
    "phases": {
        "StartTransaction": {"server_cpu_us": 140.0, "postgres_cpu_us": 30.0},
        "StopTransaction": {"server_cpu_us": 160.0, "postgres_cpu_us": 30.0},
    },
    "actions": {
        "BootNotification": {"p99_ms": 1500.0},
        "StatusNotification": {"p99_ms": 900.0},
        "Heartbeat": {"p99_ms": 10.0},
    },
}


class Canned(Bench):
    """Rows instead of runs; `changes` come one after the other."""

    def __init__(self, *changes: dict[str, Any]) -> None:
        super().__init__(cast(Site, None), Form(duration_s=1, soak_s=1, rounds=1), fleet=50)
        self._changes = list(changes)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def _run_once(self, scenario: str, gateways: int, options: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((scenario, {"gateways": gateways, **options}))
        return {**GOOD, **(self._changes.pop(0) if self._changes else {})}


def bad(lines: list[Line]) -> list[str]:
    """What the lines that missed their budget say."""
    return [line.measured for line in lines if line.ok is False]


ON_ROWS = sorted(set(MEASURES) - {"plain", "soak"})


@pytest.mark.parametrize("name", ON_ROWS)
def test_measure_within_its_budget_is_ok(name: str) -> None:
    lines = MEASURES[name](Canned())
    assert lines
    assert bad(lines) == []


@pytest.mark.parametrize("name", ON_ROWS)
@pytest.mark.parametrize("trouble", [{"errors": {"disconnect": 3}}, {"complaints": ["session 7 is missing"]}])
def test_measure_with_trouble_is_not_ok(name: str, trouble: dict[str, Any]) -> None:
    assert bad(MEASURES[name](Canned(trouble, trouble)))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("malformed", {"server_cpu_us_per_message": 46.0}),
        ("heartbeats", {"server_cpu_us_per_message": 61.0}),
        ("starts", {"phases": {**GOOD["phases"], "StartTransaction": GOOD["phases"]["StopTransaction"]}}),
        ("meter-values", {"server_cpu_us_per_message": 201.0}),
        ("sessions", {"cpu_s_per_1000_messages": 0.21}),
        ("sessions", {"messages_per_s": 3999.0}),
        ("boots", {"boots_per_s": 799.0}),
        ("boots", {"cpu_ms_per_boot": 1.01}),
        ("storm", {"connected": 49}),
        ("storm", {"actions": {**GOOD["actions"], "StatusNotification": {"p99_ms": 2000.0}}}),
        ("storm", {"actions": {**GOOD["actions"], "Heartbeat": {"p99_ms": 1000.0}}}),
        ("storm", {"actions": {"BootNotification": {"p99_ms": 1.0}}}),  # no heartbeat was answered
        ("idle", {"rss_bytes_per_connection": 40_001}),
        ("idle", {"connected": 49}),
        ("idle-deflate", {"rss_bytes_per_connection": 60_001}),
        ("idle-deflate", {"compressed_connections": 0}),
    ],
)
def test_measure_beyond_its_budget_is_missed(name: str, changes: dict[str, Any]) -> None:
    assert bad(MEASURES[name](Canned(changes)))


@pytest.mark.parametrize(
    ("speed", "cpu", "ok"), [(8500.0, 60.0, True), (5000.0, 48.0, True), (8000.0, 49.0, False)]
)
def test_two_gateways_need_throughput_or_unchanged_cpu(speed: float, cpu: float, ok: bool) -> None:
    bench = Canned({}, {"messages_per_s": speed, "cpu_us_per_message": cpu})
    assert (not bad(MEASURES["two-gateways"](bench))) is ok
    assert [options["gateways"] for _, options in bench.asked] == [1, 2]


def test_of_several_rounds_the_quietest_counts() -> None:
    bench = Canned(*({"cpu_us_per_message": cpu} for cpu in (60.0, 50.0, 70.0)))
    bench.form = Form(duration_s=1, soak_s=1, rounds=3)
    assert bench.run("sessions")["cpu_us_per_message"] == 50.0


def test_round_with_trouble_counts_before_the_quietest() -> None:
    bench = Canned({"cpu_us_per_message": 60.0, "complaints": ["session 7 is missing"]}, {})
    bench.form = Form(duration_s=1, soak_s=1, rounds=2)
    assert bench.run("sessions")["complaints"] == ["session 7 is missing"]


def test_table_shows_verdicts() -> None:
    lines = [
        Line(title="A", measured="1", budget="≤ 2", ok=True),
        Line(title="B", measured="3", budget="≤ 2", ok=False),
        Line(title="C", measured="5"),
    ]
    assert as_markdown(lines).splitlines()[2:] == [
        "| A | ≤ 2 | 1 | ok |",
        "| B | ≤ 2 | 3 | **missed** |",
        "| C |  | 5 |  |",
    ]


def test_comparison_adds_the_rounds_up() -> None:
    def row(messages: int, cpu_s: float) -> dict[str, Any]:
        return {
            "messages": messages,
            "duration_s": 2.0,
            "cpu_s": cpu_s,
            "wal_bytes": messages * 100,
            "latency": {"p99_ms": 5.0},
        }

    result = _summary({"ours": [row(1000, 0.1), row(3000, 0.3)], "plain": [row(100, 0.2), row(100, 0.2)]})
    assert result["messages_per_s"] == {"ours": 1000.0, "plain": 50.0}
    assert result["cpu_us_per_message"] == {"ours": 100.0, "plain": 2000.0}
    assert (result["speed_ratio"], result["cpu_ratio"]) == (20.0, 20.0)
    assert "20.0 times the messages per second" in comparison(result)
