"""The arithmetic of the load test."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ocpp_gateway.simulator.bench.gauges import Reading
from ocpp_gateway.simulator.bench.growth import Sample
from ocpp_gateway.simulator.bench.processes import Usage
from ocpp_gateway.simulator.bench.report import BenchResult, Phase
from ocpp_gateway.simulator.bench.socket import Tally


def _result(
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, **changes: Any
) -> BenchResult:
    """500 heartbeats in two seconds; `before` and `after` change the readings."""
    tally = Tally(measuring=True)
    for _ in range(500):
        tally.record("Heartbeat", 0.004)
    tally.record("handshake", 0.1)
    first: dict[str, Any] = {
        "at": 5.0,
        "client_cpu_s": 1.0,
        "server": Usage(2.0, 60_000, 2),
        **(before or {}),
    }
    last: dict[str, Any] = {"at": 7.0, "client_cpu_s": 1.1, "server": Usage(2.5, 80_000, 2), **(after or {})}
    values: dict[str, Any] = {
        "scenario": "heartbeats",
        "chargers": 10,
        "connected": 10,
        "tally": tally,
        "unloaded": Usage(1.0, 50_000, 2),
        "before": Reading(**first),
        "after": Reading(**last),
    }
    return BenchResult(**{**values, **changes})


def test_result_divides_cpu_by_messages() -> None:
    row = _result().as_dict()
    assert (row["messages"], row["messages_per_s"]) == (500, 250.0)
    assert row["cpu_s_per_1000_messages"] == 1.0
    assert row["client_cpu_s_per_1000_messages"] == 0.2
    assert row["latency"]["p99_ms"] == 4.0


def test_result_with_postgres_adds_its_cpu() -> None:
    result = _result({"postgres": Usage(7.0, 0, 9)}, {"postgres": Usage(8.0, 0, 9)})
    row = result.as_dict()
    assert (row["postgres_cpu_s"], row["cpu_s_per_1000_messages"]) == (1.0, 3.0)
    assert (row["server_cpu_us_per_message"], row["postgres_cpu_us_per_message"]) == (1000.0, 2000.0)
    assert row["cpu_us_per_message"] == 3000.0
    assert "server + PostgreSQL           1.50     3.000      3000" in result.as_text()


def test_result_says_the_wal_of_a_message() -> None:
    result = _result({"wal_bytes": 1_000_000}, {"wal_bytes": 1_150_000})
    assert result.as_dict()["wal_bytes_per_message"] == 300.0
    assert "300 bytes per message" in result.as_text()
    assert _result().as_dict()["wal_bytes_per_message"] is None


def test_result_shows_what_each_phase_costs() -> None:
    phases = {"StartTransaction": Phase(100, 0.015, 0.004), "StopTransaction": Phase()}
    result = _result({"postgres": Usage(1.0)}, {"postgres": Usage(2.0)}, phases=phases)
    assert result.as_dict()["phases"] == {
        "StartTransaction": {"server_cpu_us": 150.0, "postgres_cpu_us": 40.0},
        "StopTransaction": {"server_cpu_us": None, "postgres_cpu_us": None},
    }
    assert "StartTransaction alone: server 150 µs, PostgreSQL 40 µs" in result.as_text()
    assert "StopTransaction alone: unknown" in result.as_text()
    assert _result().as_dict()["phases"] is None


def test_result_without_messages_divides_nothing() -> None:
    row = _result({"wal_bytes": 0}, {"wal_bytes": 10}, tally=Tally()).as_dict()
    assert (row["cpu_us_per_message"], row["wal_bytes_per_message"]) == (None, None)


def test_result_without_a_server_process_says_unknown() -> None:
    result = _result({"server": Usage()}, {"server": Usage()}, unloaded=Usage())
    assert result.as_dict()["cpu_s_per_1000_messages"] is None
    assert "unknown" in result.as_text()


def test_result_of_idle_shows_memory_per_connection() -> None:
    assert "memory per connection 3.0 kB" in _result(scenario="idle").as_text()
    assert _result().as_dict()["rss_bytes_per_connection"] is None


def test_result_of_a_boot_storm_shows_boots() -> None:
    result = _result(scenario="boot-storm", connected=100)
    assert (result.as_dict()["boots_per_s"], result.as_dict()["cpu_ms_per_boot"]) == (50.0, 5.0)
    assert "boots: 50 per second, 5.00 ms of CPU each" in result.as_text()


@pytest.mark.parametrize(("step", "word"), [(0, "steady"), (1_000_000, "GROWING")])
def test_result_of_a_soak_says_whether_the_server_grows(step: int, word: str) -> None:
    samples = [Sample(float(n), 100_000_000 + n * step, 20) for n in range(40)]
    result = _result(scenario="soak", samples=samples)
    assert result.ok is (word == "steady")
    assert word in result.as_text()


@pytest.mark.parametrize(
    ("complaints", "line"),
    [
        ((), "everything acknowledged is stored"),
        (("session 7 is missing",), "not stored: session 7 is missing"),
    ],
)
def test_result_with_complaints_is_a_failure(complaints: tuple[str, ...], line: str) -> None:
    result = _result(complaints=complaints)
    assert result.ok is not bool(complaints)
    assert line in result.as_text()


def test_result_that_was_not_verified_claims_nothing() -> None:
    assert "stored" not in _result().as_text()
    assert _result().as_dict()["complaints"] is None


def test_result_shows_commands() -> None:
    text = _result(scenario="soak", commands=Counter(accepted=3, offline=1)).as_text()
    assert "commands: 3 accepted, 1 offline" in text
