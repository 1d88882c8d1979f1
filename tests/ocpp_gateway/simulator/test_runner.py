"""A simulated fleet against a tiny CSMS, with a compressed clock."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import orjson

from ocpp_gateway.simulator import SimulationConfig, Summary, run
from ocpp_gateway.simulator.autopilot import TagPool, Traffic
from ocpp_gateway.simulator.stats import Stats
from tests.ocpp_gateway.simulator.helpers import Csms, play


async def simulate_until(csms: Csms, action: str, count: int, **changes: Any) -> Summary:
    """Run a busy fleet until so many messages of an action have arrived."""
    traffic = Traffic(gap_s=20, session_s=(60, 120), **changes.pop("traffic", {}))
    config = SimulationConfig(url=csms.url, seed=1, speed=400, traffic=traffic, **{"chargers": 4, **changes})
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    await csms.arrived(action, count)
    stop.set()
    return await running


def test_run_stopped_ends_all_sessions_properly() -> None:
    async def scenario() -> None:
        async with Csms() as csms:
            summary = await simulate_until(csms, "MeterValues", 20)
            assert len(csms.named("StartTransaction")) == len(csms.named("StopTransaction"))
            assert summary.stats.sessions_started == summary.stats.sessions_completed > 0
            assert (summary.ok, summary.undelivered) == (True, 0)
            assert csms.violations == []

    play(scenario())


def test_run_counts_exactly_the_energy_that_the_csms_was_told() -> None:
    async def scenario() -> None:
        async with Csms() as csms:
            summary = await simulate_until(csms, "StopTransaction", 6)
            energy_wh = 0
            for start in csms.named("StartTransaction"):
                number = csms.transaction_id(start.payload)
                (stop,) = [c for c in csms.named("StopTransaction") if c.payload["transactionId"] == number]
                energy_wh += stop.payload["meterStop"] - start.payload["meterStart"]
            assert summary.stats.energy_wh == energy_wh > 0

    play(scenario())


def test_run_with_faults_delivers_everything_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Csms() as csms:
            summary = await simulate_until(
                csms,
                "StopTransaction",
                6,
                duplicates=0.3,
                malformed=0.3,
                journal=tmp_path / "journal.jsonl",
                traffic={"offline_rate": 120, "offline_s": (5, 20)},
            )
            assert (summary.ok, summary.undelivered) == (True, 0)
            assert summary.stats.faults["duplicates"] > 0
        lines = [orjson.loads(line) for line in (tmp_path / "journal.jsonl").read_bytes().splitlines()]
        stops = [line for line in lines if line["message"] == "StopTransaction"]
        assert len({line["transaction_id"] for line in stops}) == len(stops)
        assert sum(line["energy_wh"] for line in stops) == summary.stats.energy_wh

    play(scenario())


def test_run_without_a_server_fails() -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        config = SimulationConfig(url="ws://127.0.0.1:9/ocpp", grace_s=0)
        running = asyncio.create_task(run(config, stop=stop, progress=lambda line: None))
        async with Csms() as csms:  # a round trip on loopback: the refusal has come back by then
            await simulate_until(csms, "StatusNotification", 2, chargers=1)
        stop.set()
        summary = await running
        assert not summary.ok
        assert summary.stats.errors["connect:ConnectionRefusedError"] >= 1

    play(scenario())


def test_summary_tolerating_outages_still_fails_on_a_callerror() -> None:
    stats = Stats()
    stats.errors.update({"disconnect:1012": 3, "handshake:503": 1, "timeout:Heartbeat": 1})
    more: dict[str, Any] = {"chargers": 1, "duration_s": 1.0, "cpu_s": 0.1, "undelivered": 0}
    assert not Summary(stats=stats, **more).ok
    assert Summary(stats=stats, tolerate_outages=True, **more).ok
    stats.errors["callerror:InternalError"] += 1
    assert not Summary(stats=stats, tolerate_outages=True, **more).ok


def test_summary_as_text_names_actions_and_errors() -> None:
    stats = Stats()
    stats.sent["Heartbeat"] += 2
    stats.answered("Heartbeat", 0.010)
    stats.errors["handshake:404"] += 1
    text = Summary(stats=stats, chargers=1, duration_s=2.0, cpu_s=0.1, undelivered=0).as_text()
    assert "Heartbeat" in text
    assert "handshake:404" in text
    assert text.endswith("1 errors")


def test_tag_pool_never_gives_a_tag_twice() -> None:
    pool = TagPool(["A", "B"], random.Random(1))
    assert {pool.take(), pool.take()} == {"A", "B"}
    assert pool.take() is None
    pool.give_back("A")
    pool.give_back("A")
    pool.give_back("of somebody else")
    assert [pool.take(), pool.take()] == ["A", None]


def test_run_connects_with_the_key_of_each() -> None:
    async def scenario() -> None:
        async with Csms() as csms:
            keys = {f"CP{number}": f"key-{number}" for number in range(3)}
            await simulate_until(csms, "BootNotification", 3, keys=keys, chargers=3)
            assert sorted(csms.credentials) == [f"CP{number}:key-{number}" for number in range(3)]

    play(scenario())
