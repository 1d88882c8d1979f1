"""The load test against a tiny CSMS: its scenarios, and what it counts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
import uvloop

from ocpp_gateway.simulator.bench import messages_2x, runner
from ocpp_gateway.simulator.bench.config import BenchConfig
from ocpp_gateway.simulator.bench.database import DatabaseUnusable
from ocpp_gateway.simulator.bench.gauges import Gauges
from ocpp_gateway.simulator.bench.growth import Sample, measure_growth
from ocpp_gateway.simulator.bench.messages import Message
from ocpp_gateway.simulator.bench.pace import Pace
from ocpp_gateway.simulator.bench.report import BenchResult
from ocpp_gateway.simulator.bench.runner import bench
from ocpp_gateway.simulator.bench.scenarios import SCENARIOS_16
from ocpp_gateway.simulator.register import Api, Registration
from ocpp_gateway.wire import schemas
from tests.ocpp_gateway.simulator.helpers import Csms, play

IN_TURN = ["Heartbeat", "StatusNotification", "MeterValues"]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SETTLE_S", 0.0)
    monkeypatch.setattr(runner, "RETRY_S", 0.0)


def config(csms: Csms, scenario: str, **changes: Any) -> BenchConfig:
    settings: dict[str, Any] = {"urls": (csms.url,), "chargers": 3, "duration_s": 30, "key": "k", **changes}
    return BenchConfig(scenario=scenario, **settings)


async def bench_until(csms: Csms, scenario: str, count: int, **changes: Any) -> BenchResult:
    """Run a scenario until so many calls have arrived."""
    stop = asyncio.Event()
    running = asyncio.create_task(bench(config(csms, scenario, **changes), stop=stop))
    await csms.until(lambda: len(csms.calls) + len(csms.junk) + csms.unknown >= count)
    stop.set()
    return await running


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS_16) - {"idle", "soak"}))
def test_bench_frames_are_valid_and_counted(scenario: str) -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, scenario, 200)
            assert result.ok, result.as_text()
            assert csms.violations == []
            assert result.messages > 100
            assert len(csms.named("StartTransaction")) == len(csms.named("StopTransaction"))
            assert result.tally.sent == result.tally.answered

    play(run())


@pytest.mark.parametrize(
    "message",
    [
        messages_2x.boot(b"BENCH00001"),
        messages_2x.status(1, b"Occupied"),
        messages_2x.authorize(b"04A1B2C3"),
        messages_2x.started(b"tx-1", b"04A1B2C3", 7),
        messages_2x.updated(b"tx-1", 1, 14),
        messages_2x.ended(b"tx-1", 2, 21),
    ],
    ids=lambda message: message.action,
)
def test_messages_of_2x_are_valid(message: Message) -> None:
    _, _, action, payload = json.loads(message.text)
    assert schemas.check_request("ocpp2.0.1", action, payload, strict=True) is None


def test_bench_runs_on_another_event_loop() -> None:
    async def run() -> None:
        async with Csms() as csms, asyncio.timeout(10):
            result = await bench_until(csms, "sessions", 100)
            assert result.ok, result.as_text()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(run())


def test_bench_reads_as_many_samples_as_it_is_told() -> None:
    async def run() -> None:
        async with Csms() as csms:
            await bench_until(csms, "meter-values", 20, samples=4)
            samples = csms.named("MeterValues")[0].payload["meterValue"][0]["sampledValue"]
            assert [row["measurand"] for row in samples][:2] == [
                "Energy.Active.Import.Register",
                "Power.Active.Import",
            ]
            assert len(samples) == 4

    play(run())


def test_mixed_is_a_third_each() -> None:
    async def run() -> None:
        async with Csms() as csms:
            await bench_until(csms, "mixed", 100, chargers=1)
            actions = [name for name in csms.actions if name in IN_TURN][2:]  # two states after the boot
            assert actions == [IN_TURN[number % 3] for number in range(len(actions))]

    play(run())


def test_sessions_book_what_was_acknowledged() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, "sessions", 60, chargers=1)
            sessions = result.sessions["BENCH00001"]
            assert len(sessions) == len(csms.named("StopTransaction"))
            for booked, stop in zip(sessions, csms.named("StopTransaction"), strict=True):
                assert booked.stop_wh == stop.payload["meterStop"] == booked.start_wh + 70
                assert booked.readings == booked.readings_sent == 10
            assert len(csms.named("MeterValues")) == 10 * len(sessions)

    play(run())


def test_starts_are_measured_in_phases() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, "starts", 100)
            kinds = [name for name in csms.actions if name in ("StartTransaction", "StopTransaction")]
            rounds = [kinds[at : at + 6] for at in range(0, len(kinds), 6)]
            assert rounds == [["StartTransaction"] * 3 + ["StopTransaction"] * 3] * len(rounds)
            assert 0 < result.phases["StartTransaction"].messages <= len(rounds) * 3
            assert result.phases["StopTransaction"].server_cpu_s > 0
            assert "StartTransaction alone: server" in result.as_text()

    play(run())


def test_phases_go_on_when_a_charger_is_lost() -> None:
    async def run() -> None:
        async with Csms(script={"StartTransaction": [("InternalError", "")]}) as csms:
            result = await bench_until(csms, "starts", 100)
            assert result.tally.errors == {"callerror:InternalError": 1}
            assert csms.sockets == 4  # one came back
            assert len(csms.named("StopTransaction")) == len(csms.named("StartTransaction")) - 1

    play(run())


def test_bench_deals_its_chargers_out_among_servers() -> None:
    async def run() -> None:
        async with Csms() as one, Csms() as two:
            both = BenchConfig(scenario="boot-storm", urls=(one.url, two.url), chargers=5, duration_s=0)
            result = await bench(both)
            assert (result.connected, one.sockets, two.sockets) == (5, 3, 2)

    play(run())


def test_boot_storm_without_duration_boots_each_charger_once() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench(config(csms, "boot-storm", chargers=5, duration_s=0))
            assert (result.connected, csms.actions, csms.sockets) == (5, ["BootNotification"] * 5, 5)
            assert result.tally.latencies["handshake"].count == 5
            assert result.messages == 5
            assert result.as_dict()["boots_per_s"] > 0

    play(run())


def test_boot_storm_reports_all_connectors_when_asked() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench(
                config(csms, "boot-storm", chargers=2, duration_s=0, statuses=True, connectors=3)
            )
            numbers = Counter(call.payload["connectorId"] for call in csms.named("StatusNotification"))
            assert numbers == {0: 2, 1: 2, 2: 2, 3: 2}
            assert result.messages == 10

    play(run())


def test_boot_storm_measures_heartbeats_of_those_who_were_there() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, "boot-storm", 60, chargers=2, bystanders=4)
            assert result.ok, result.as_text()
            beats = len(csms.named("Heartbeat"))
            assert 1 <= result.tally.latencies["Heartbeat"].count <= beats
            assert result.chargers == 2
            assert result.connected == result.tally.latencies["BootNotification"].count

    play(run())


def test_idle_sends_nothing_while_measuring() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, "idle", 6)  # three to warm up, three that stay
            assert (result.connected, result.messages) == (3, 0)
            assert result.after.server.found >= 1  # the server listens in this very process

    play(run())


def test_soak_lives_through_mistakes_and_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MIN_SAMPLE_S", 0.0)
    monkeypatch.setattr(runner, "SAMPLES", 1_000_000)

    async def run() -> None:
        async with Csms(strict=True) as csms:
            result = await bench_until(csms, "soak", 400, chargers=2)
            assert not result.tally.errors, result.as_text()
            assert len(csms.named("StartTransaction")) > len(csms.named("StopTransaction")) > 0
            assert {"LoadTest", "malformed", "invalid Authorize"} <= set(result.tally.answered)
            assert len(result.samples) > 12
            assert result.growth is not None

    play(run())


def test_soak_sends_commands_and_counts_their_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(201, {"status": "accepted"}), (409, {}), (500, {}), (201, {"status": "failed"})]
    asked: list[str] = []

    def call(self: Api, method: str, path: str, body: Any = None) -> Any:
        if path.startswith("charge-points/BENCH0000") and "/commands/" in path:
            asked.append(body["action"])
            return answers[len(asked) % 4]
        return 201, {"access": "token"}

    monkeypatch.setattr(Api, "call", call)

    async def run() -> None:
        async with Csms(strict=True) as csms:
            registration = Registration(api_url="http://127.0.0.1:9", username="u", password="p")
            stop = asyncio.Event()
            soak = config(csms, "soak", commands=10_000.0, registration=registration)
            running = asyncio.create_task(bench(soak, stop=stop))
            await csms.until(lambda: len(asked) >= 8)
            stop.set()
            result = await running
            assert result.commands is not None
            assert set(result.commands) == {"accepted", "offline", "http:500", "failed"}
            assert "offline" in result.as_text()

    play(run())


# ---------------------------------------------------------------- what goes wrong
def test_bench_refused_handshake_is_an_error() -> None:
    async def run() -> None:
        async with Csms(refuse=[401]) as csms:
            result = await bench(config(csms, "heartbeats", chargers=1, duration_s=0.01))
            assert not result.ok
            assert result.tally.errors["handshake:401"] == 1

    play(run())


@pytest.mark.parametrize(
    ("answer", "error"),
    [(("InternalError", ""), "callerror:InternalError"), ({"idTagInfo": {}}, "prepare:no transactionId")],
)
def test_bench_failed_start_is_an_error(answer: Any, error: str) -> None:
    async def run() -> None:
        async with Csms(script={"StartTransaction": [answer]}) as csms:
            result = await bench(config(csms, "meter-values", chargers=1, duration_s=0.01))
            assert error in result.tally.errors

    play(run())


def test_bench_a_mistake_that_is_not_refused_is_an_error() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, "soak", 12, chargers=1)
            assert result.tally.errors["not_refused:invalid Authorize"] >= 1

    play(run())


def test_bench_without_a_database_cannot_count_its_cluster() -> None:
    with pytest.raises(DatabaseUnusable, match="--database-url"):
        play(bench(BenchConfig(scenario="idle", urls=("ws://127.0.0.1:9/ocpp",), chargers=1, postgres=True)))


def test_bench_with_a_postmaster_that_is_none_is_refused() -> None:
    with pytest.raises(DatabaseUnusable, match="no process"):
        Gauges([], postmaster=2**22 + 1)


# ---------------------------------------------------------------- pace, growth
def test_pace_deals_out_slots_and_keeps_no_debt() -> None:
    now = 100.0
    pace = Pace(10, lambda: now)
    assert [round(pace.wait_s(), 3) for _ in range(3)] == [0.0, 0.1, 0.2]
    now = 200.0
    assert [round(pace.wait_s(), 3) for _ in range(2)] == [0.0, 0.1]


def test_rate_slows_the_load_down() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench(config(csms, "heartbeats", rate=100.0, duration_s=0.2))
            assert 1 <= result.messages <= 25
            assert result.ok

    play(run())


def _samples(rss: list[int], files: list[int]) -> list[Sample]:
    return [Sample(float(at), *values) for at, values in enumerate(zip(rss, files, strict=True))]


@pytest.mark.parametrize(
    ("late_rss", "late_files", "steady"),
    [
        (200_000_000, 30, True),
        (203_000_000, 38, True),
        (203_000_001, 30, False),
        (200_000_000, 39, False),
    ],
)
def test_growth_compares_the_last_quarter_with_the_third(
    late_rss: int, late_files: int, steady: bool
) -> None:
    rss = [100_000_000] * 10 + [200_000_000] * 5 + [late_rss] * 5
    files = [5] * 10 + [30] * 5 + [late_files] * 5
    growth = measure_growth(_samples(rss, files))
    assert growth is not None
    assert growth.rss_growth_bytes == late_rss - 200_000_000
    assert growth.rss_by_tenth[:7] == (100_000_000,) * 5 + (200_000_000,) * 2
    assert growth.rss_by_tenth[8:] == (late_rss,) * 2
    assert growth.is_steady is steady


def test_growth_of_descriptors_does_not_count_sockets_that_linger() -> None:
    growth = measure_growth(_samples([1] * 40, [9] * 30 + [80, 9] * 5))
    assert growth is not None
    assert growth.files_growth == 0


def test_growth_of_a_short_run_is_not_judged() -> None:
    assert measure_growth(_samples([1] * 11, [1] * 11)) is None
