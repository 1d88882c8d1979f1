"""The entry points: management commands, `python -m`, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from csms_project.management.commands import bench as bench_command
from csms_project.management.commands import simulate as simulate_command
from ocpp_gateway.simulator.__main__ import main
from ocpp_gateway.simulator.bench.__main__ import main as bench_main
from ocpp_gateway.simulator.bench.config import BenchConfig
from ocpp_gateway.simulator.cli import run_until_signal
from ocpp_gateway.simulator.config import SimulationConfig


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_asks_the_work_to_end(number: signal.Signals) -> None:
    async def work(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await stop.wait()
        return "ended in good order"

    assert run_until_signal(work) == "ended in good order"


def test_closed_pipe_asks_the_work_to_end() -> None:
    async def work(stop: asyncio.Event) -> str:
        os.write(writer, b"still here")
        await asyncio.to_thread(os.close, writer)
        await stop.wait()
        return "ended in good order"

    reader, writer = os.pipe()
    assert run_until_signal(work, watched_file=reader) == "ended in good order"
    os.close(reader)


def test_simulate_command_passes_its_arguments_and_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[SimulationConfig, bool]] = []

    def simulate(config: SimulationConfig, *, as_json: bool, until_stdin_closes: bool) -> int:
        seen.append((config, as_json))
        return 1

    monkeypatch.setattr(simulate_command, "simulate", simulate)
    with pytest.raises(SystemExit) as ended:
        call_command("simulate", "ws://host/ocpp", "--chargers", "7", "--arrival-rate", "12/h", "--json")
    assert ended.value.code == 1
    config, as_json = seen[0]
    assert (config.url, config.chargers, config.traffic.gap_s, as_json) == ("ws://host/ocpp", 7, 300, True)


def test_bench_command_passes_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BenchConfig] = []

    def run_bench(config: BenchConfig, **_: object) -> int:
        seen.append(config)
        return 0

    monkeypatch.setattr(bench_command, "run_bench", run_bench)
    with pytest.raises(SystemExit) as ended:
        call_command("bench", "mixed", "--chargers", "9", "--pid", "1", "--pid", "2", "--postgres")
    assert ended.value.code == 0
    assert (seen[0].scenario, seen[0].chargers, seen[0].pids, seen[0].postgres) == ("mixed", 9, (1, 2), True)


def test_bench_command_passes_what_a_scenario_alone_has(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BenchConfig] = []
    monkeypatch.setattr(bench_command, "run_bench", lambda config, **_: seen.append(config))
    urls = ("ws://one/ocpp", "ws://two/ocpp")
    for arguments in (
        ("boot-storm", *urls, "--statuses", "--heartbeats", "5"),
        ("soak", "--commands", "2", "--register", "http://127.0.0.1:9"),
    ):
        with pytest.raises(SystemExit):
            call_command("bench", *arguments)
    storm, soak = seen
    assert (storm.urls, storm.statuses, storm.bystanders) == (urls, True, 5)
    assert (soak.urls, soak.commands) == (("ws://127.0.0.1:8000/ocpp",), 2.0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("mixed", "--samples", "11"),
        ("mixed", "--samples", "0"),
        ("mixed", "--rate", "-1"),
        ("mixed", "--rate", "inf"),
        ("idle", "--statuses"),
        ("boot-storm", "--heartbeats", "0"),
        ("soak", "--commands", "2"),
    ],
)
def test_bench_command_refuses_what_makes_no_sense(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("bench", *arguments)


@pytest.mark.parametrize("command", [("simulate",), ("bench", "idle")])
def test_command_with_a_missing_keys_file_says_so(command: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.csv"):
        call_command(*command, "--keys", str(tmp_path / "none.csv"))


def test_main_with_a_missing_keys_file_exits_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["--keys", str(tmp_path / "none.csv")]
    assert (main(keys), bench_main(["idle", *keys])) == (2, 2)
    assert "none.csv" in capsys.readouterr().err


def test_main_without_registration_server_exits_two(capsys: pytest.CaptureFixture[str]) -> None:
    register = ["--register", "http://127.0.0.1:9", "--token", "jwt"]
    assert (main(register), bench_main(["idle", *register])) == (2, 2)
    assert "cannot be reached" in capsys.readouterr().err


def test_modules_run_without_django() -> None:
    code = (
        "import sys, ocpp_gateway.simulator.__main__, ocpp_gateway.simulator.bench.__main__;"
        "sys.exit('django' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
