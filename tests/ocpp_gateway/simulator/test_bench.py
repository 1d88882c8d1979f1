"""The load test: its sockets against a tiny CSMS, its arithmetic and its view of other processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import uvloop
from django.db import connection

from csms_project.management.commands.bench import conninfo_from_settings
from ocpp_gateway.simulator.bench import messages
from ocpp_gateway.simulator.bench.database import Database, DatabaseUnusable, find_postmaster
from ocpp_gateway.simulator.bench.processes import (
    Process,
    Usage,
    find_listeners,
    list_processes,
    parse_stat,
    usage,
    with_children,
)
from ocpp_gateway.simulator.bench.report import BenchResult
from ocpp_gateway.simulator.bench.runner import BenchConfig, bench
from ocpp_gateway.simulator.bench.scenarios import SCENARIOS
from ocpp_gateway.simulator.bench.socket import LoadSocket, Refused, Tally
from ocpp_gateway.wire import frames, schemas
from tests.ocpp_gateway.simulator.helpers import Csms, play


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocpp_gateway.simulator.bench.runner.SETTLE_S", 0.0)
    monkeypatch.setattr("ocpp_gateway.simulator.bench.runner.RETRY_S", 0.0)


async def bench_until(csms: Csms, scenario: str, count: int, **changes: Any) -> BenchResult:
    """Run a scenario until so many calls have arrived."""
    settings: dict[str, Any] = {"chargers": 3, "duration_s": 30, "key": "k", **changes}
    stop = asyncio.Event()
    running = asyncio.create_task(bench(BenchConfig(scenario=scenario, url=csms.url, **settings), stop=stop))
    await csms.until(lambda: len(csms.calls) >= count)
    stop.set()
    return await running


@pytest.mark.parametrize("scenario", ["meter-values", "sessions", "mixed", "heartbeats"])
def test_bench_frames_are_valid_and_counted(scenario: str) -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, scenario, 200)
            assert result.ok, result.as_text()
            assert csms.violations == []
            assert result.messages > 100
            assert len(csms.named("StartTransaction")) == len(csms.named("StopTransaction"))

    play(run())


def test_bench_runs_on_another_event_loop() -> None:
    async def run() -> None:
        async with Csms() as csms, asyncio.timeout(10):
            result = await bench_until(csms, "mixed", 100)
            assert result.ok, result.as_text()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_boot_storm_without_duration_boots_each_charger_once() -> None:
    async def run() -> None:
        async with Csms() as csms:
            config = BenchConfig(scenario="boot-storm", url=csms.url, chargers=5, duration_s=0)
            result = await bench(config)
            assert (result.connected, len(csms.named("BootNotification")), csms.sockets) == (5, 5, 5)
            assert result.tally.latencies["handshake"].count == 5
            assert result.messages == 15

    play(run())


def test_idle_sends_nothing_while_measuring() -> None:
    async def run() -> None:
        async with Csms() as csms:
            result = await bench_until(csms, "idle", 9)
            assert (result.connected, result.messages) == (3, 0)
            assert result.server[1].found >= 1  # the server listens in this very process

    play(run())


def test_bench_refused_handshake_is_an_error() -> None:
    async def run() -> None:
        async with Csms(refuse=[401]) as csms:
            config = BenchConfig(scenario="idle", url=csms.url, chargers=1, duration_s=0.01)
            result = await bench(config)
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
            config = BenchConfig(scenario="meter-values", url=csms.url, chargers=1, duration_s=0.01)
            result = await bench(config)
            assert error in result.tally.errors

    play(run())


def test_load_socket_refused_tells_the_status() -> None:
    async def run() -> None:
        async with Csms(refuse=[404]) as csms:
            with pytest.raises(Refused, match="404"):
                await LoadSocket.open(Tally(), url=csms.url, identity="CP", key="", timeout_s=5)

    play(run())


def test_load_socket_answers_a_command_with_not_supported() -> None:
    async def run() -> None:
        async with Csms() as csms:
            socket = await LoadSocket.open(Tally(), url=csms.url, identity="RDAM 123", key="k", timeout_s=5)
            await csms.until(lambda: csms.sockets == 1)
            answer = await csms.call("ClearCache", {})
            assert isinstance(answer, frames.CallError)
            assert answer.code == "NotSupported"
            socket.close()

    play(run())


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        pass


def _upgraded(tally: Tally) -> tuple[LoadSocket, Wire]:
    socket, wire = LoadSocket(tally), Wire()
    socket.connection_made(wire)
    socket.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return socket, wire


@pytest.mark.parametrize("size", [1, 2, 3, 5000])
@pytest.mark.parametrize("padding", [0, 60, 120, 300, 70_000])
def test_load_socket_reads_answers_cut_anywhere(size: int, padding: int) -> None:
    async def run() -> None:
        tally = Tally(measuring=True)
        socket, _ = _upgraded(tally)
        message = messages.heartbeat()
        answers: list[bytes] = []

        def script() -> Any:
            answers.append((yield message))

        played = socket.play(script())
        text = b'[3,"%b",{"x":"%b"}]' % (message[1], b"x" * padding)
        raw = _server_frame(text)
        for start in range(0, len(raw), size):
            socket.data_received(raw[start : start + size])
        await played
        assert answers == [text]
        assert tally.latencies["Heartbeat"].count == 1

    play(run())


def _server_frame(text: bytes, first: int = 0x81) -> bytes:
    if len(text) < 126:
        return bytes((first, len(text))) + text
    if len(text) < 65_536:
        return bytes((first, 126)) + len(text).to_bytes(2, "big") + text
    return bytes((first, 127)) + len(text).to_bytes(8, "big") + text


def test_load_socket_reads_fragments_and_answers_pings_between() -> None:
    async def run() -> None:
        socket, wire = _upgraded(Tally())
        message = messages.heartbeat()

        def script() -> Any:
            yield message

        played = socket.play(script())
        text = b'[3, "%b", {}]' % message[1]
        socket.data_received(_server_frame(text[:5], 0x01) + _server_frame(b"hi", 0x89))
        socket.data_received(_server_frame(text[5:], 0x80))
        await played
        assert wire.written[-1] == messages.encode(b"hi", opcode=0xA)

    play(run())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"junk", "invalid_frame"),
        (b'[3,"stranger",{}]', "unasked_answer"),
        (b'[4,"-1","X","",{}]', "unasked_answer"),
    ],
)
def test_load_socket_counts_what_it_did_not_ask_for(text: bytes, error: str) -> None:
    async def run() -> None:
        tally = Tally()
        socket, _ = _upgraded(tally)
        socket.data_received(_server_frame(text))
        assert tally.errors == {error: 1}

    play(run())


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_encode_writes_a_masked_frame_of_the_right_length(length: int) -> None:
    frame = messages.encode(b"a" * length)
    header = 6 if length < 126 else 8 if length < 65_536 else 14
    assert len(frame) == header + length
    assert frame[0] == 0x81
    assert frame[1] & 0x80


def test_prepared_messages_are_valid_calls() -> None:
    made = [
        messages.boot(b"CP1"),
        messages.heartbeat(),
        messages.authorize(b"TAG1"),
        messages.status(1, b"Charging"),
        messages.start(b"TAG1", 5),
        messages.meter_values(7, 12),
        messages.stop(7, 12),
    ]
    for action, message_id, frame in made:
        call = frames.parse(frame[frame.index(b"[2") :].decode(), version="ocpp1.6")
        assert isinstance(call, frames.Call)
        assert (call.action, call.message_id) == (action, message_id.decode())
        assert schemas.check_request("ocpp1.6", action, call.payload) is None


# ---------------------------------------------------------------- arithmetic
def _result(**changes: Any) -> BenchResult:
    tally = Tally(measuring=True)
    for _ in range(500):
        tally.record("Heartbeat", 0.004)
    tally.record("handshake", 0.1)
    values: dict[str, Any] = {
        "scenario": "heartbeats",
        "chargers": 10,
        "connected": 10,
        "duration_s": 2.0,
        "tally": tally,
        "unloaded": Usage(1.0, 50_000, 2),
        "server": (Usage(2.0, 60_000, 2), Usage(2.5, 80_000, 2)),
        "postgres": None,
        "client_cpu_s": 0.1,
    }
    return BenchResult(**{**values, **changes})


def test_result_divides_cpu_by_messages_and_memory_by_connections() -> None:
    row = _result().as_dict()
    assert (row["messages"], row["messages_per_s"]) == (500, 250.0)
    assert row["cpu_s_per_1000_messages"] == 1.0
    assert row["client_cpu_s_per_1000_messages"] == 0.2
    assert row["rss_bytes_per_connection"] == 3000
    assert row["latency"]["p99_ms"] == 4.0


def test_result_with_postgres_adds_its_cpu() -> None:
    row = _result(postgres=(Usage(7.0, 0, 9), Usage(8.0, 0, 9))).as_dict()
    assert (row["postgres_cpu_s"], row["cpu_s_per_1000_messages"]) == (1.0, 3.0)
    assert (row["server_cpu_us_per_message"], row["postgres_cpu_us_per_message"]) == (1000.0, 2000.0)
    assert row["cpu_us_per_message"] == 3000.0


def test_result_says_the_wal_of_a_message() -> None:
    result = _result(wal_bytes=150_000)
    assert result.as_dict()["wal_bytes_per_message"] == 300.0
    assert "300 bytes per message" in result.as_text()
    assert _result().as_dict()["wal_bytes_per_message"] is None


def test_result_without_messages_divides_nothing() -> None:
    row = _result(tally=Tally(), wal_bytes=10).as_dict()
    assert (row["cpu_us_per_message"], row["wal_bytes_per_message"]) == (None, None)


def test_result_without_a_server_process_says_unknown() -> None:
    nobody = (Usage(), Usage())
    result = _result(server=nobody, unloaded=Usage())
    assert result.as_dict()["cpu_s_per_1000_messages"] is None
    assert "unknown" in result.as_text()


def test_result_of_idle_shows_memory_per_connection() -> None:
    assert "memory per connection 3.0 kB" in _result(scenario="idle").as_text()


def test_scenarios_are_those_of_the_command_line() -> None:
    assert set(SCENARIOS) == {"boot-storm", "heartbeats", "meter-values", "sessions", "mixed", "idle"}


# ---------------------------------------------------------------- processes
def _stat(pid: int, parent: int, name: str = "python", ticks: tuple[int, ...] = (1, 2, 3, 4)) -> str:
    fields = ["S", str(parent), *["0"] * 9, *map(str, ticks), "20", "0", "1", "0", "99", "1000000", "10", "0"]
    return f"{pid} ({name}) {' '.join(fields)}\n"


def test_parse_stat_with_brackets_in_the_name_counts_children_too() -> None:
    process = parse_stat(_stat(7, 1, name="a (b) c"))
    assert (process.pid, process.parent, process.name) == (7, 1, "a (b) c")
    assert process.cpu_s == 10 / os.sysconf("SC_CLK_TCK")
    assert process.rss_bytes == 10 * os.sysconf("SC_PAGE_SIZE")


def test_with_children_finds_all_descendants_once() -> None:
    def process(pid: int, parent: int) -> Process:
        return Process(pid, parent, "p", 0.0, 0)

    everyone = {p.pid: p for p in (process(1, 0), process(5, 1), process(6, 5), process(9, 1))}
    assert with_children([5, 6, 404], everyone) == {5, 6}
    assert with_children([1], everyone) == {1, 5, 6, 9}


def test_find_listeners_reads_sockets_of_processes(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    line = (
        "   0: 0100007F:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1\n"
    )
    table = head + line.format(port="1F40", state="0A", inode=111)
    table += line.format(port="1F40", state="01", inode=222) + line.format(port="1F41", state="0A", inode=333)
    (tmp_path / "net" / "tcp").write_text(table)
    for pid, inode in ((10, 111), (11, 222), (12, 333)):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, 1))
        (tmp_path / str(pid) / "fd" / "4").symlink_to(f"socket:[{inode}]")
    assert find_listeners(8000, tmp_path) == {10}
    assert find_listeners(9999, tmp_path) == set()


def test_usage_sums_a_family_and_skips_what_has_ended(tmp_path: Path) -> None:
    for pid, parent in ((10, 1), (11, 10), (12, 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, parent))
    (tmp_path / "13").mkdir()
    assert set(list_processes(tmp_path)) == {10, 11, 12}
    assert usage([10, 13], tmp_path).found == 2
    assert usage([], tmp_path) == Usage()


def _cluster(tmp_path: Path, *, parent: str = "postgres") -> Path:
    for pid, above, name in (
        (20, 1, parent),
        (21, 20, "postgres"),
        (22, 20, "postgres"),
        (30, 1, "postgres"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, above, name))
    return tmp_path


def test_postmaster_is_the_parent_of_the_own_backend(tmp_path: Path) -> None:
    proc = _cluster(tmp_path)
    postmaster = find_postmaster(22, proc)
    assert postmaster == 20
    assert usage([postmaster], proc).found == 3  # not the other cluster's


def test_postmaster_on_another_machine_is_refused(tmp_path: Path) -> None:
    proc = _cluster(tmp_path, parent="bash")
    for backend in (22, 404):
        with pytest.raises(DatabaseUnusable, match="--postgres-pid"):
            find_postmaster(backend, proc)


def test_usage_counts_children_that_have_ended(tmp_path: Path) -> None:
    proc = _cluster(tmp_path)
    before = usage([20], proc).cpu_s
    # Backend 22 has used 7 ticks, ends and is reaped: its 7 ticks are in the parent's figures from now on.
    shutil.rmtree(proc / "22")
    (proc / "20" / "stat").write_text(_stat(20, 1, "postgres", ticks=(1, 2, 3 + 5, 4 + 5)))
    assert usage([20], proc).cpu_s == before


def test_bench_without_a_database_cannot_count_its_cluster() -> None:
    config = BenchConfig(scenario="idle", url="ws://127.0.0.1:9/ocpp", chargers=1, postgres=True)
    with pytest.raises(DatabaseUnusable, match="--database-url"):
        play(bench(config))


def test_bench_with_a_postmaster_that_is_none_is_refused() -> None:
    config = BenchConfig(scenario="idle", url="ws://127.0.0.1:9/ocpp", chargers=1, postgres_pid=2**22 + 1)
    with pytest.raises(DatabaseUnusable, match="no process"):
        play(bench(config))


@pytest.mark.django_db(transaction=True)
def test_database_of_the_server_is_found_and_measured() -> None:
    if connection.vendor == "sqlite":
        assert conninfo_from_settings() == ""
        return
    with contextlib.closing(Database(conninfo_from_settings())) as database:
        before = database.wal_bytes()
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_wal (id integer)")
            cursor.execute("DROP TABLE bench_wal")
        assert database.wal_bytes() > before
        assert list_processes()[database.postmaster()].name == "postgres"
