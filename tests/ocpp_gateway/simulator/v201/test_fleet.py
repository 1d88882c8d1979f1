"""A fleet of several versions, and the command line that asks for one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from ocpp_gateway.simulator import SimulationConfig, Summary, run
from ocpp_gateway.simulator.autopilot import Traffic
from ocpp_gateway.simulator.config import parse
from tests.ocpp_gateway.simulator.helpers import Csms, play
from tests.ocpp_gateway.simulator.v201.helpers import csms


async def simulate_until(server: Csms, met: Any, **changes: Any) -> Summary:
    traffic = Traffic(gap_s=20, session_s=(60, 120), **changes.pop("traffic", {}))
    options = {"chargers": 3, "connectors": 2, "cables": (1, 2), "ocpp": ("2.0.1",), **changes}
    config = SimulationConfig(url=server.url, seed=1, speed=300, traffic=traffic, **options)
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    await server.until(met)
    stop.set()
    return await running


def test_fleet_with_every_fault_delivers_all_that_it_must(tmp_path: Path) -> None:
    """Offline periods, repeats, events out of order and lost ones: each transaction begins and ends once."""

    async def scenario() -> None:
        path = tmp_path / "journal.jsonl"
        async with csms() as server:
            summary = await simulate_until(
                server,
                lambda: len(server.events("Ended")) >= 8,
                duplicates=0.2,
                late=0.2,
                gaps=0.3,
                journal=path,
                grace_s=30,
                traffic={"offline_rate": 60, "offline_s": (5, 20)},
            )
            assert (summary.failures, summary.undelivered) == (0, 0)
            assert {"duplicates", "lost_events"} <= set(summary.stats.faults)
            assert any(each.get("offline") for each in server.events())
            assert server.violations == []
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        for kind in ("Started", "Ended"):
            ids = [row["transaction_id"] for row in rows if row["event_type"] == kind]
            assert len(set(ids)) == len(ids) == summary.stats.sessions_completed
        numbers = [(row["transaction_id"], row["seq_no"]) for row in rows]
        assert len(set(numbers)) == len(numbers)

    play(scenario())


def test_fleet_without_faults_is_in_order_and_without_gaps() -> None:
    async def scenario() -> None:
        async with csms() as server:
            summary = await simulate_until(server, lambda: len(server.events("Ended")) >= 4)
            assert summary.ok
            for ended in server.events("Ended"):
                transaction_id = ended["transactionInfo"]["transactionId"]
                numbers = [
                    each["seqNo"]
                    for each in server.events()
                    if each["transactionInfo"]["transactionId"] == transaction_id
                ]
                assert numbers == list(range(len(numbers)))
                assert ended["seqNo"] == numbers[-1]

    play(scenario())


def test_command_line_deals_versions_out_in_turn() -> None:
    config, _ = parse(
        ["--ocpp", "1.6,2.0.1", "--chargers", "3", "--evse-connectors", "1,2", "--quirks", "sparse"],
        prog="simulate",
    )
    assert config.ocpp == ("1.6", "2.0.1")
    assert (config.cables, config.quirks) == ((1, 2), frozenset({"sparse"}))


@pytest.mark.parametrize(
    "arguments", [["--ocpp", "1.5"], ["--tx-start", "Sometimes"], ["--quirks", "odd"], ["--ocpp", ","]]
)
def test_command_line_refuses_unknown_words(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments, prog="simulate")
    assert arguments[0] in capsys.readouterr().err
