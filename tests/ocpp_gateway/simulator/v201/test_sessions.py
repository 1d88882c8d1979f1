"""Transactions of a simulated charge point of 2.0.1: their events, in every way of starting and ending."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import orjson
import pytest

from ocpp_gateway.simulator import Faults
from ocpp_gateway.simulator.journal import Journal
from tests.ocpp_gateway.simulator.helpers import ManualClock, play
from tests.ocpp_gateway.simulator.v201.helpers import booted, csms, set_variable


class ScriptedFaults(Faults):
    """Holds back, or loses, the sendings that are named by their place."""

    def __init__(self, *, late: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> None:
        self._late, self._lost = late, lost
        self._asked = self._queued = 0

    def is_late(self, action: str) -> bool:
        self._queued += 1
        return self._queued - 1 in self._late

    def is_dropped(self, action: str) -> bool:
        self._asked += 1
        return self._asked - 1 in self._lost


def test_boot_tells_the_reason_and_the_status_of_every_connector() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            boot = server.named("BootNotification")[0].payload
            assert boot["reason"] == "PowerUp"
            assert boot["chargingStation"]["serialNumber"] == "CS 1"
            places = [
                (call.payload["evseId"], call.payload["connectorId"], call.payload["connectorStatus"])
                for call in server.named("StatusNotification")
            ]
            assert places == [(1, 1, "Available"), (2, 1, "Available"), (2, 2, "Available")]

    play(scenario())


def test_session_is_a_chain_of_events_without_gaps() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server, registers_wh=[1000, 0]) as cp:
            session = await cp.start(1, "TAG1")
            await cp.meter(1, wh=500)
            await cp.stop(1, id_tag="TAG1")
            events = server.events()
            assert [(each["eventType"], each["triggerReason"]) for each in events] == [
                ("Started", "Authorized"),
                ("Updated", "CablePluggedIn"),
                ("Updated", "ChargingStateChanged"),
                ("Updated", "MeterValuePeriodic"),
                ("Ended", "StopAuthorized"),
            ]
            assert [each["seqNo"] for each in events] == [0, 1, 2, 3, 4]
            assert {each["transactionInfo"]["transactionId"] for each in events} == {session.transaction_id}
            assert [each["transactionInfo"].get("chargingState") for each in events] == [
                "Idle",
                "EVConnected",
                "Charging",
                "Charging",
                "EVConnected",
            ]
            assert events[-1]["transactionInfo"]["stoppedReason"] == "Local"
            first, last = events[0]["meterValue"][0], events[-1]["meterValue"][0]
            assert (
                first["sampledValue"][0] | {"value": 1000.0, "context": "Transaction.Begin"}
                == (first["sampledValue"][0])
            )
            assert (
                last["sampledValue"][0] | {"value": 1500.0, "context": "Transaction.End"}
                == (last["sampledValue"][0])
            )
            assert session.energy_wh == 500

    play(scenario())


@pytest.mark.parametrize(
    ("starts", "started_by"),
    [
        ("ParkingBayOccupancy", "EVDetected"),
        ("EVConnected", "CablePluggedIn"),
        ("Authorized", "Authorized"),
        ("DataSigned", "SignedDataReceived"),
        ("PowerPathClosed", "ChargingStateChanged"),
        ("EnergyTransfer", "ChargingStateChanged"),
        ("", "ChargingStateChanged"),
    ],
)
def test_start_point_decides_what_starts(starts: str, started_by: str) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            assert await set_variable(server, "TxCtrlr", "TxStartPoint", starts) == "Accepted"
            await cp.start(1, "TAG1")
            (started,) = server.events("Started")
            assert (started["triggerReason"], started["seqNo"]) == (started_by, 0)
            tokens = [each["idToken"]["idToken"] for each in server.events() if "idToken" in each]
            assert tokens == ["TAG1"]
            assert server.events()[-1]["transactionInfo"]["chargingState"] == "Charging"

    play(scenario())


@pytest.mark.parametrize(
    ("ends", "reason", "expected"),
    [
        ("Authorized", "Local", [("Ended", "StopAuthorized", "Local")]),
        ("PowerPathClosed", "Remote", [("Ended", "RemoteStop", "Remote")]),
        (
            "EVConnected",
            "Local",
            [("Updated", "StopAuthorized", None), ("Ended", "EVCommunicationLost", "Local")],
        ),
        ("EVConnected", "EVDisconnected", [("Ended", "EVCommunicationLost", "EVDisconnected")]),
        (
            "ParkingBayOccupancy",
            "Local",
            [("Updated", "StopAuthorized", None), ("Ended", "EVCommunicationLost", "Local")],
        ),
    ],
)
def test_stop_point_decides_what_ends(
    ends: str, reason: str, expected: list[tuple[str, str, str | None]]
) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await set_variable(server, "TxCtrlr", "TxStopPoint", ends)
            await cp.start(1, "TAG1")
            before = len(server.events())
            await cp.stop(1, reason=reason)
            found = [
                (each["eventType"], each["triggerReason"], each["transactionInfo"].get("stoppedReason"))
                for each in server.events()[before:]
            ]
            assert found == expected

    play(scenario())


def test_cable_before_card_starts_with_the_cable() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server, station={"quirks": frozenset({"cable-first"})}) as cp:
            await cp.start(2, "TAG1")
            triggers = [each["triggerReason"] for each in server.events()]
            assert triggers == ["CablePluggedIn", "Authorized", "ChargingStateChanged"]
            assert "idToken" not in server.events()[0]
            assert server.events()[1]["idToken"] == {"idToken": "TAG1", "type": "ISO14443"}

    play(scenario())


def test_only_the_connector_in_use_is_occupied() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.start(2, "TAG1")
            cable = server.events()[0]["evse"]["connectorId"]
            changed = [call.payload for call in server.named("StatusNotification")[3:]]
            assert [(each["evseId"], each["connectorId"], each["connectorStatus"]) for each in changed] == [
                (2, cable, "Occupied")
            ]
            await cp.stop(2)
            last = server.named("StatusNotification")[-1].payload
            assert (last["connectorId"], last["connectorStatus"]) == (cable, "Available")

    play(scenario())


def test_status_may_come_as_an_event() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server, station={"quirks": frozenset({"status-events"})}):
            assert server.named("StatusNotification") == []
            row = server.named("NotifyEvent")[0].payload["eventData"][0]
            assert row["component"] == {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}
            assert (row["variable"]["name"], row["actualValue"]) == ("AvailabilityState", "Available")

    play(scenario())


def test_refused_token_is_deauthorized() -> None:
    async def scenario() -> None:
        blocked = {"idTokenInfo": {"status": "Blocked"}}
        async with csms(script={"TransactionEvent": [blocked]}) as server, booted(server) as cp:
            session = await cp.start(1, "TAG1")
            ended = await server.event("Ended")
            assert ended["triggerReason"] == "Deauthorized"
            assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
            await session.settled.wait()
            assert cp.connectors[1].session is None

    play(scenario())


def test_answer_without_token_info_is_an_error() -> None:
    async def scenario() -> None:
        async with csms(script={"TransactionEvent": [{}]}) as server, booted(server) as cp:
            await cp.start(1, "TAG1")
            assert cp.stats.errors["invalid_answer:TransactionEvent"] == 1
            cp.stats.errors.clear()

    play(scenario())


def test_offline_events_are_marked_and_come_later() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.disconnect(cut=True)
            await cp.start(1, "TAG1")
            await cp.stop(1)
            assert server.events() == []
            await cp.connect()
            await cp.resume(booted=False)
            ended = await server.event("Ended")
            assert {each["offline"] for each in server.events()} == {True}
            assert ended["seqNo"] == 3

    play(scenario())


def test_late_event_is_overtaken() -> None:
    async def scenario() -> None:
        clock, faults = ManualClock(), ScriptedFaults(late=(0,))
        async with csms() as server, booted(server, clock=clock, faults=faults) as cp:
            session = await cp.start(1, "TAG1", wait=False)
            await cp.stop(1, wait=False)
            await server.event("Ended")
            assert server.events("Started") == []
            await clock.fire("late")
            await server.event("Started")
            assert [each["seqNo"] for each in server.events()] == [1, 2, 3, 0]
            await session.settled.wait()
            await cp.outbox.drained()

    play(scenario())


def test_lost_event_leaves_a_gap() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server, faults=ScriptedFaults(lost=(1,))) as cp:
            await cp.start(1, "TAG1")
            await cp.stop(1)
            assert [each["seqNo"] for each in server.events()] == [0, 1, 3]
            assert cp.stats.faults["lost_events"] == 1

    play(scenario())


def test_quirks_of_known_clients() -> None:
    async def scenario() -> None:
        quirks = frozenset({"seq-zero", "sparse"})
        async with csms() as server, booted(server, station={"quirks": quirks}) as cp:
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=10)
            await cp.stop(1)
            assert {each["seqNo"] for each in server.events()} == {0}
            assert [("evse" in each, "idToken" in each) for each in server.events()] == [
                (True, True),
                *[(False, False)] * 4,
            ]

    play(scenario())


def test_signed_readings_are_at_both_ends() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server, station={"quirks": frozenset({"signed"})}) as cp:
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=1500)
            await cp.stop(1)
            samples = [
                each["meterValue"][0]["sampledValue"][0] for each in server.events() if "meterValue" in each
            ]
            assert ["signedMeterValue" in sample for sample in samples] == [True, False, True]
            text = base64.b64decode(samples[-1]["signedMeterValue"]["signedMeterData"]).decode()
            assert (
                orjson.loads(text.split("|")[1])["RD"][0] | {"RV": 1.5, "TX": "E"}
                == (orjson.loads(text.split("|")[1])["RD"][0])
            )

    play(scenario())


def test_ended_repeats_the_readings_if_so_configured() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await set_variable(server, "SampledDataCtrlr", "TxEndedInterval", "60")
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=100)
            await cp.meter(1, wh=100)
            await cp.stop(1)
            assert len(server.events("Ended")[0]["meterValue"]) == 3

    play(scenario())


def test_clock_aligned_readings_come_in_and_outside_of_sessions() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, booted(server, clock=clock) as cp:
            await cp.start(1, "TAG1")
            await set_variable(server, "AlignedDataCtrlr", "Interval", "900")
            await clock.fire("setting")
            assert await clock.fire("aligned") == 900
            values = await server.arrived("MeterValues")
            assert values.payload["evseId"] == 2
            assert values.payload["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"
            await server.until(lambda: server.events()[-1]["triggerReason"] == "MeterValueClock")

    play(scenario())


def test_pause_by_the_vehicle_is_a_change_of_state() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.start(1, "TAG1")
            statuses = len(server.named("StatusNotification"))
            await cp.set_status(1, "SuspendedEV")
            event = await server.event("Updated", 3)
            assert event["triggerReason"] == "ChargingStateChanged"
            assert event["transactionInfo"]["chargingState"] == "SuspendedEV"
            assert len(server.named("StatusNotification")) == statuses

    play(scenario())


def test_journal_tells_of_every_acknowledged_event(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "journal.jsonl"
        journal = Journal(path)
        async with csms() as server, booted(server, journal=journal, registers_wh=[7, 0]) as cp:
            session = await cp.start(1, "TAG1")
            await cp.meter(1, wh=100)
            await cp.stop(1)
        journal.close()
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        assert [row["seq_no"] for row in rows] == [0, 1, 2, 3, 4]
        assert {row["transaction_id"] for row in rows} == {session.transaction_id}
        assert (
            rows[-1] | {"event_type": "Ended", "energy_wh": 100, "meter_stop_wh": 107, "samples": 3}
            == (rows[-1])
        )

    play(scenario())


def test_lost_answer_sends_the_same_event_again() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms(script={"TransactionEvent": [None]}) as server, booted(server, clock=clock) as cp:
            work = asyncio.create_task(cp.start(1, "TAG1"))
            await clock.fire("answer:TransactionEvent")
            await clock.fire("resend")
            await work
            first, second = server.events("Started")
            assert first == second
            assert (
                server.named("TransactionEvent")[0].message_id
                != server.named("TransactionEvent")[1].message_id
            )

    play(scenario())
