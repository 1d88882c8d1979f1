"""A simulated charge point, driven step by step against a tiny CSMS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from ocpp_gateway.simulator import ChargePoint16, Fault, Faults, Station
from ocpp_gateway.simulator.journal import Journal
from ocpp_gateway.simulator.rpc import CallFailed
from ocpp_gateway.simulator.station import HandshakeFailed
from tests.ocpp_gateway.simulator.helpers import Csms, ManualClock, play


class ScriptedFaults(Faults):
    """The faults of a list, one per sending."""

    def __init__(self, *faults: Fault, junk: str | None = None) -> None:
        self._faults = list(faults)
        self._junk = junk

    def for_message(self, action: str) -> Fault:
        return self._faults.pop(0) if self._faults else Fault.NONE

    def junk(self) -> str | None:
        junk, self._junk = self._junk, None
        return junk


def new_charge_point(csms: Csms, *, clock: ManualClock | None = None, **more: Any) -> ChargePoint16:
    station = Station(url=csms.url, identity="CP 1", key="secret", connectors=2, **more.pop("station", {}))
    return ChargePoint16(station, clock=clock or ManualClock(), **more)


@asynccontextmanager
async def booted(csms: Csms, **more: Any) -> AsyncIterator[ChargePoint16]:
    cp = new_charge_point(csms, **more)
    await cp.connect()
    await cp.boot()
    try:
        yield cp
    finally:
        await cp.close()


@asynccontextmanager
async def running(csms: Csms, **more: Any) -> AsyncIterator[ChargePoint16]:
    """A charge point that reconnects by itself."""
    cp = new_charge_point(csms, **more)
    keeper = asyncio.create_task(cp.keep_connected())
    await csms.status(2, "Available")
    try:
        yield cp
    finally:
        keeper.cancel()
        await cp.close()


def test_connect_with_key_sends_identity_and_key() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            assert csms.credentials == ["CP 1:secret"]

    play(scenario())


def test_connect_refused_counts_the_status() -> None:
    async def scenario() -> None:
        async with Csms(refuse=[401]) as csms:
            cp = new_charge_point(csms)
            with pytest.raises(HandshakeFailed, match="401"):
                await cp.connect()
            assert cp.stats.errors == {"handshake:401": 1}

    play(scenario())


def test_connect_refused_tries_again_later() -> None:
    async def scenario() -> None:
        async with Csms(refuse=[503, 503]) as csms:
            clock = ManualClock()
            cp = new_charge_point(csms, clock=clock)
            keeper = asyncio.create_task(cp.keep_connected())
            first, second = await clock.fire("reconnect"), await clock.fire("reconnect")
            await csms.status(2, "Available")
            assert 1 <= first <= 2 <= second <= 4
            keeper.cancel()
            await cp.close()

    play(scenario())


def test_boot_pending_waits_the_interval_of_the_answer() -> None:
    async def scenario() -> None:
        pending = {"status": "Pending", "currentTime": "2026-03-01T12:00:00Z", "interval": 17}
        rejected = {**pending, "status": "Rejected", "interval": 0}
        async with Csms(script={"BootNotification": [pending, rejected]}) as csms:
            clock = ManualClock()
            cp = new_charge_point(csms, clock=clock)
            await cp.connect()
            boot = asyncio.create_task(cp.boot())
            waits = [await clock.fire("boot"), await clock.fire("boot")]
            await boot
            assert waits == [17, 60]  # an interval of 0 is no licence to flood
            assert csms.actions[:3] == ["BootNotification"] * 3
            await cp.close()

    play(scenario())


def test_boot_accepted_reports_all_connectors_and_takes_the_interval() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock):
            statuses = [call.payload["connectorId"] for call in csms.named("StatusNotification")]
            assert statuses == [0, 1, 2]
            assert await clock.fire("heartbeat") == 300
            await csms.arrived("Heartbeat")

    play(scenario())


@pytest.mark.parametrize(
    ("interval", "heartbeat_s"), [(0, 300), (-1, 300), ("x", 300), (10**9, 3600), (1, 1)]
)
def test_boot_interval_is_clamped_for_the_heartbeat(interval: Any, heartbeat_s: int) -> None:
    async def scenario() -> None:
        accepted = {"status": "Accepted", "currentTime": "2026-03-01T12:00:00Z", "interval": interval}
        clock = ManualClock()
        async with Csms(script={"BootNotification": [accepted]}) as csms, booted(csms, clock=clock):
            assert clock.pending("heartbeat") == [heartbeat_s]

    play(scenario())


def test_session_complete_is_valid_and_exact() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms, registers_wh=[5000]) as cp:
            assert await cp.authorize("TAG1") == "Accepted"
            session = await cp.start(1, "TAG1")
            await cp.meter(1, wh=1200)
            await cp.meter(1, wh=345)
            await cp.stop(1, id_tag="TAG1")
            stop = csms.named("StopTransaction")[0].payload
            assert (session.energy_wh, stop["meterStop"], stop["transactionId"]) == (1545, 6545, 101)
            assert csms.violations == []
            assert cp.stats.energy_wh == 1545

    play(scenario())


def test_session_statuses_come_in_the_order_of_a_real_charger() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            before = len(csms.calls)
            await cp.set_status(1, "Preparing")
            await cp.start(1, "TAG1")
            await cp.stop(1)
            seen = [call.payload.get("status", call.action) for call in csms.calls[before:]]
            assert seen == [
                "Preparing", "StartTransaction", "Charging", "StopTransaction", "Finishing", "Available",
            ]  # fmt: skip

    play(scenario())


def test_meter_values_carry_the_configured_measurands() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms, registers_wh=[70]) as cp:
            cp.configuration["MeterValuesSampledData"] = "Energy.Active.Import.Register,Voltage"
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=30)
            samples = csms.named("MeterValues")[0].payload["meterValue"][0]["sampledValue"]
            assert [sample["measurand"] for sample in samples] == [
                "Energy.Active.Import.Register", "Voltage", "Voltage", "Voltage",
            ]  # fmt: skip
            assert samples[0]["value"] == "100"

    play(scenario())


def test_stop_with_transaction_data_holds_begin_and_end() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms, station={"transaction_data": True}) as cp:
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=9)
            await cp.stop(1)
            data = csms.named("StopTransaction")[0].payload["transactionData"]
            assert [reading["sampledValue"][0]["value"] for reading in data] == ["0", "9"]
            assert csms.violations == []

    play(scenario())


def test_start_on_a_busy_connector_is_a_mistake_of_the_caller() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            with pytest.raises(ValueError):
                await cp.start(1, "TAG2")

    play(scenario())


def test_start_with_refused_tag_ends_deauthorized() -> None:
    async def scenario() -> None:
        refused = {"transactionId": 7, "idTagInfo": {"status": "Blocked"}}
        async with Csms(script={"StartTransaction": [refused]}) as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            stop = (await csms.arrived("StopTransaction")).payload
            assert (stop["transactionId"], stop["reason"]) == (7, "DeAuthorized")
            assert cp.stats.refused_tags == 1

    play(scenario())


def test_offline_session_is_replayed_in_order_with_its_own_times() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock) as cp:
            await cp.go_offline()
            assert await cp.authorize("TAG1") == "Accepted"
            await cp.start(1, "TAG1")
            clock.advance(600)
            await cp.meter(1, wh=500)
            clock.advance(600)
            await cp.stop(1)
            clock.advance(7200)
            await cp.connect()
            await cp.resume(booted=False)
            await cp.outbox.drained()
            replayed = [
                c for c in csms.calls if c.action in ("StartTransaction", "MeterValues", "StopTransaction")
            ]
            assert [c.action for c in replayed] == ["StartTransaction", "MeterValues", "StopTransaction"]
            assert replayed[0].payload["timestamp"] == "2026-03-01T12:00:00.000Z"
            assert replayed[1].payload["meterValue"][0]["timestamp"] == "2026-03-01T12:10:00.000Z"
            assert replayed[2].payload["timestamp"] == "2026-03-01T12:20:00.000Z"
            assert {c.payload["transactionId"] for c in replayed[1:]} == {101}

    play(scenario())


def test_offline_session_ends_with_unchanged_status_and_reports_none() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            before = len(csms.named("StatusNotification"))
            await cp.go_offline()
            await cp.start(1, "TAG1")
            await cp.stop(1)
            await cp.connect()
            await cp.resume(booted=False)
            await cp.outbox.drained()
            assert len(csms.named("StatusNotification")) == before

    play(scenario())


def test_reconnect_needs_no_second_boot() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, running(csms, clock=clock) as cp:
            await cp.go_offline()
            await cp.start(1, "TAG1")
            cp.go_online()
            await clock.fire("reconnect")
            await csms.arrived("StartTransaction")
            assert len(csms.named("BootNotification")) == 1
            assert csms.sockets == 2

    play(scenario())


@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction"])
def test_ignored_answer_resends_the_same_content_under_a_new_id(action: str) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        faults = [Fault.IGNORE_ANSWER] if action == "StartTransaction" else [Fault.NONE, Fault.IGNORE_ANSWER]
        async with Csms() as csms, booted(csms, clock=clock, faults=ScriptedFaults(*faults)) as cp:
            work = asyncio.create_task(_short_session(cp))
            assert await clock.fire("resend") == 5
            await work
            first, second = csms.named(action)
            assert first.payload == second.payload
            assert first.message_id != second.message_id
            assert not cp.stats.errors

    play(scenario())


async def _short_session(cp: ChargePoint16) -> None:
    await cp.start(1, "TAG1")
    await cp.stop(1)


def test_socket_closed_before_the_answer_delivers_after_reconnecting() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        faults = ScriptedFaults(Fault.CLOSE_SOCKET)
        async with Csms() as csms, running(csms, clock=clock, faults=faults) as cp:
            work = asyncio.create_task(cp.start(1, "TAG1"))
            await clock.fire("reconnect")
            session = await work
            assert session.transaction_id == 101
            assert len({str(call.payload) for call in csms.named("StartTransaction")}) == 1
            assert not cp.stats.errors

    play(scenario())


def test_socket_closed_on_the_answer_resends_after_reconnecting() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        faults = ScriptedFaults(Fault.CLOSE_ON_ANSWER)
        async with Csms() as csms, running(csms, clock=clock, faults=faults) as cp:
            work = asyncio.create_task(cp.start(1, "TAG1"))
            await clock.fire("reconnect")
            session = await work
            first, second = csms.named("StartTransaction")
            assert first.payload == second.payload
            assert session.transaction_id == 101
            assert not cp.stats.errors

    play(scenario())


def test_resent_start_with_another_transaction_id_is_an_error() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        answers: list[Any] = [
            {"transactionId": number, "idTagInfo": {"status": "Accepted"}} for number in (1, 2)
        ]
        faults = ScriptedFaults(Fault.IGNORE_ANSWER)
        async with (
            Csms(script={"StartTransaction": answers}) as csms,
            booted(csms, clock=clock, faults=faults) as cp,
        ):
            work = asyncio.create_task(cp.start(1, "TAG1"))
            await clock.fire("resend")
            await work
            assert cp.stats.errors == {"transaction_id_changed": 1}

    play(scenario())


def test_duplicate_sends_the_message_twice() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms, faults=ScriptedFaults(Fault.DUPLICATE)) as cp:
            await cp.start(1, "TAG1")
            await cp.stop(1)
            first, second = csms.named("StartTransaction")
            assert first.payload == second.payload
            assert first.message_id != second.message_id
            assert cp.stats.sessions_started == 1

    play(scenario())


@pytest.mark.parametrize(
    "junk", ["not json", '[2,"junk-1","NoSuchAction",{}]', '[2,"junk-1","Heartbeat",[]]', "{}", "[2]"]
)
def test_malformed_frame_answered_is_no_error(junk: str) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms, faults=ScriptedFaults(junk=junk)) as cp:
            await cp.start(1, "TAG1")
            assert cp.stats.faults["malformed_frames"] == 1
            assert not cp.stats.errors

    play(scenario())


def test_silence_resends_with_growing_delays() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms(script={"StartTransaction": [None, None]}) as csms, booted(csms, clock=clock) as cp:
            work = asyncio.create_task(cp.start(1, "TAG1"))
            delays = []
            for _ in range(2):
                await clock.fire("answer:StartTransaction")
                delays.append(await clock.fire("resend"))
            await work
            assert delays == [5, 10]
            assert cp.stats.errors == {"timeout:StartTransaction": 2}

    play(scenario())


def test_callerror_on_a_stop_is_counted_and_resent() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        script: dict[str, list[Any]] = {"StopTransaction": [("InternalError", "database away")]}
        async with Csms(script=script) as csms, booted(csms, clock=clock) as cp:
            work = asyncio.create_task(_short_session(cp))
            await clock.fire("resend")
            await work
            assert len(csms.named("StopTransaction")) == 2
            assert cp.stats.errors == {"callerror:InternalError": 1}
            assert cp.stats.sessions_completed == 1

    play(scenario())


@pytest.mark.parametrize("answer", [{}, {"transactionId": "5"}, {"transactionId": True}])
def test_start_answer_without_transaction_id_is_invalid_and_resent(answer: dict[str, Any]) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms(script={"StartTransaction": [answer]}) as csms, booted(csms, clock=clock) as cp:
            work = asyncio.create_task(cp.start(1, "TAG1"))
            await clock.fire("resend")
            session = await work
            assert session.transaction_id == 101
            assert cp.stats.errors == {"invalid_answer:StartTransaction": 1}

    play(scenario())


def test_authorize_answered_with_callerror_raises() -> None:
    async def scenario() -> None:
        async with Csms(script={"Authorize": [("InternalError", "")]}) as csms, booted(csms) as cp:
            with pytest.raises(CallFailed):
                await cp.authorize("TAG1")

    play(scenario())


def test_socket_closed_by_the_csms_is_an_error() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await csms.drop()
            await cp.disconnected()
            assert cp.stats.errors == {"disconnect:1000": 1}
            assert not cp.online

    play(scenario())


def test_journal_holds_every_acknowledged_message(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path / "journal.jsonl")
        async with Csms() as csms, booted(csms, journal=journal, registers_wh=[100]) as cp:
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=40)
            await cp.stop(1)
        journal.close()
        lines = [orjson.loads(line) for line in (tmp_path / "journal.jsonl").read_bytes().splitlines()]
        assert [line["message"] for line in lines] == ["StartTransaction", "MeterValues", "StopTransaction"]
        last = lines[-1]
        assert (last["transaction_id"], last["energy_wh"], last["samples"]) == (101, 40, 1)
        assert (last["meter_start_wh"], last["meter_stop_wh"]) == (100, 140)

    play(scenario())


def test_journal_leaves_out_what_was_not_acknowledged(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path / "journal.jsonl")
        async with Csms() as csms, booted(csms, journal=journal) as cp:
            await cp.go_offline()
            await cp.start(1, "TAG1")
            assert len(cp.outbox) == 1
        journal.close()
        assert (tmp_path / "journal.jsonl").read_bytes() == b""

    play(scenario())
