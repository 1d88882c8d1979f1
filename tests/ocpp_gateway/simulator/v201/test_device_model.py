"""Variables, reports and monitors of a simulated charge point of 2.0.1."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ocpp_gateway.simulator.v201.device_model import Component
from tests.ocpp_gateway.simulator.helpers import ManualClock, play
from tests.ocpp_gateway.simulator.v201.helpers import booted, csms, running, set_variable


def row(component: str, variable: str, **more: Any) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": variable}, **more}


def test_variables_are_read_by_name_without_case() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            asked = [
                row("ocppcommctrlr", "HEARTBEATINTERVAL"),
                row("OCPPCommCtrlr", "Nonsense"),
                row("Nonsense", "HeartbeatInterval"),
                row("OCPPCommCtrlr", "HeartbeatInterval", attributeType="Target"),
                row("SecurityCtrlr", "BasicAuthPassword"),
                {
                    "component": {"name": "EVSE", "evse": {"id": 2}},
                    "variable": {"name": "Power"},
                    "attributeType": "MaxSet",
                },
            ]
            answer = await server.ask("GetVariables", getVariableData=asked)
            found = [
                (each["attributeStatus"], each.get("attributeValue")) for each in answer["getVariableResult"]
            ]
            assert found == [
                ("Accepted", "300"),
                ("UnknownVariable", None),
                ("UnknownComponent", None),
                ("NotSupportedAttributeType", None),
                ("Rejected", None),
                ("Accepted", "11000"),
            ]

    play(scenario())


@pytest.mark.parametrize(
    ("component", "name", "value", "status"),
    [
        ("OCPPCommCtrlr", "HeartbeatInterval", "60", "Accepted"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "-1", "Rejected"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "soon", "Rejected"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "99999999", "Rejected"),
        ("OCPPCommCtrlr", "WebSocketPingInterval", "30", "RebootRequired"),
        ("AuthCtrlr", "LocalPreAuthorize", "maybe", "Rejected"),
        ("TxCtrlr", "TxStartPoint", "EVConnected,DataSigned", "Accepted"),
        ("TxCtrlr", "TxStartPoint", "Sometimes", "Rejected"),
        ("ChargingStation", "Model", "Other", "Rejected"),
        ("OCPPCommCtrlr", "NetworkConfigurationPriority", "2", "Rejected"),
        ("SecurityCtrlr", "BasicAuthPassword", "short", "Rejected"),
    ],
)
def test_variable_is_set_only_to_what_fits(component: str, name: str, value: str, status: str) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            assert await set_variable(server, component, name, value) == status

    play(scenario())


def test_heartbeat_follows_the_new_interval() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, booted(server, clock=clock):
            await set_variable(server, "OCPPCommCtrlr", "HeartbeatInterval", "77")
            await clock.fire("setting")
            assert await clock.fire("heartbeat") == 77
            await server.arrived("Heartbeat")

    play(scenario())


def test_new_password_is_used_at_the_next_connection() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, running(server, clock=clock):
            password = "another-key-of-24-letters"
            assert await set_variable(server, "SecurityCtrlr", "BasicAuthPassword", password) == "Accepted"
            await clock.fire("setting")
            await clock.fire("reconnect")
            await server.until(lambda: len(server.credentials) == 2)
            assert server.credentials[-1] == f"CS 1:{password}"

    play(scenario())


async def report_of(server: Any, action: str, request_id: int, **payload: Any) -> list[dict[str, Any]]:
    """Ask for a report and put its parts together."""
    assert (await server.ask(action, requestId=request_id, **payload)) == {"status": "Accepted"}

    def parts() -> list[dict[str, Any]]:
        return [
            call.payload for call in server.named("NotifyReport") if call.payload["requestId"] == request_id
        ]

    await server.until(lambda: bool(parts()) and not parts()[-1]["tbc"])
    assert [part["seqNo"] for part in parts()] == list(range(len(parts())))
    return [each for part in parts() for each in part["reportData"]]


def test_full_inventory_comes_in_parts_and_keeps_secrets() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            rows = await report_of(server, "GetBaseReport", 7, reportBase="FullInventory")
            assert len(server.named("NotifyReport")) > 3
            places = [(str(each["component"]), str(each["variable"])) for each in rows]
            assert len(set(places)) == len(places) > 100
            (password,) = [each for each in rows if each["variable"]["name"] == "BasicAuthPassword"]
            assert "value" not in password["variableAttribute"][0]

    play(scenario())


def test_configuration_inventory_has_what_can_be_set() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            rows = await report_of(server, "GetBaseReport", 1, reportBase="ConfigurationInventory")
            names = {each["variable"]["name"] for each in rows}
            assert "HeartbeatInterval" in names
            assert "Model" not in names
            rows = await report_of(server, "GetBaseReport", 2, reportBase="SummaryInventory")
            assert {"AvailabilityState", "Problem"} <= {each["variable"]["name"] for each in rows}

    play(scenario())


def test_custom_report_has_only_what_was_asked_for() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            wanted = [{"component": {"name": "EVSE", "evse": {"id": 1}}}]
            rows = await report_of(server, "GetReport", 1, componentVariable=wanted)
            assert {each["component"]["evse"]["id"] for each in rows} == {1}
            answer = await server.ask("GetReport", requestId=2, componentCriteria=["Problem"])
            assert answer == {"status": "EmptyResultSet"}

    play(scenario())


# ---------------------------------------------------------------- monitors
def monitor(kind: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "value": value,
        "type": kind,
        "severity": 5,
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        **more,
    }


async def set_monitor(server: Any, *rows: dict[str, Any]) -> list[tuple[str, int | None]]:
    answer = await server.ask("SetVariableMonitoring", setMonitoringData=list(rows))
    return [(each["status"], each.get("id")) for each in answer["setMonitoringResult"]]


def test_threshold_alerts_once_and_clears_once() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            assert await set_monitor(server, monitor("UpperThreshold", 5000)) == [("Accepted", 2)]
            for power in ("4000", "6000", "7000", "4000"):
                cp.device.put(Component("EVSE", evse=1), "Power", power)
            await server.arrived("NotifyEvent", 2)
            events = [call.payload["eventData"][0] for call in server.named("NotifyEvent")]
            assert [(each["actualValue"], each.get("cleared", False)) for each in events] == [
                ("6000", False),
                ("4000", True),
            ]
            assert {(each["variableMonitoringId"], each["eventNotificationType"]) for each in events} == {
                (2, "CustomMonitor")
            }

    play(scenario())


def test_delta_and_periodic_monitors_fire() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, booted(server, clock=clock) as cp:
            await set_monitor(server, monitor("Delta", 1000), monitor("Periodic", 30))
            for power in ("500", "1500", "1800"):
                cp.device.put(Component("EVSE", evse=1), "Power", power)
            first = await server.arrived("NotifyEvent")
            assert first.payload["eventData"][0]["actualValue"] == "1500"
            assert await clock.fire("monitor") == 30
            second = await server.arrived("NotifyEvent", 2)
            assert second.payload["eventData"][0]["trigger"] == "Periodic"
            assert second.payload["eventData"][0]["actualValue"] == "1800"

    play(scenario())


def test_status_of_a_connector_can_be_watched() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            place = {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}
            watched = monitor("Delta", 1, component=place, variable={"name": "AvailabilityState"})
            assert await set_monitor(server, watched) == [("Accepted", 2)]
            await cp.start(1, "TAG1")
            event = await server.arrived("NotifyEvent")
            assert event.payload["eventData"][0]["actualValue"] == "Occupied"

    play(scenario())


def test_monitors_are_refused_where_they_make_no_sense() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            found = await set_monitor(
                server,
                monitor("UpperThreshold", 1, component={"name": "Nonsense"}),
                monitor("UpperThreshold", 1, variable={"name": "Nonsense"}),
                monitor("UpperThreshold", 1, variable={"name": "AvailabilityState"}),
                monitor("Delta", 1, variable={"name": "EvseId"}),
                monitor("Periodic", 0),
                monitor("UpperThreshold", 1, id=77),
                monitor("Periodic", 10),
                monitor("Periodic", 20),
            )
            assert [status for status, _ in found] == [
                "UnknownComponent",
                "UnknownVariable",
                "UnsupportedMonitorType",
                "UnsupportedMonitorType",
                "Rejected",
                "Rejected",
                "Accepted",
                "Duplicate",
            ]

    play(scenario())


def test_level_silences_what_matters_less() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await set_monitor(server, monitor("UpperThreshold", 5000))
            assert await server.ask("SetMonitoringLevel", severity=4) == {"status": "Accepted"}
            assert await server.ask("SetMonitoringLevel", severity=10) == {"status": "Rejected"}
            cp.device.put(Component("EVSE", evse=1), "Power", "6000")
            cp.device.put(Component("Controller"), "Temperature", "90")
            event = await server.arrived("NotifyEvent")
            assert event.payload["eventData"][0]["variableMonitoringId"] == 1
            assert len(server.named("NotifyEvent")) == 1

    play(scenario())


def test_monitors_are_reported_and_removed() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            await set_monitor(server, monitor("UpperThreshold", 5000), monitor("Periodic", 30))
            criteria = ["ThresholdMonitoring"]
            await server.ask("GetMonitoringReport", requestId=5, monitoringCriteria=criteria)
            report = await server.arrived("NotifyMonitoringReport")
            assert [each["variableMonitoring"][0]["id"] for each in report.payload["monitor"]] == [1, 2]
            answer = await server.ask("ClearVariableMonitoring", id=[1, 2, 99])
            assert [each["status"] for each in answer["clearMonitoringResult"]] == [
                "Rejected",
                "Accepted",
                "NotFound",
            ]
            assert (await server.ask("SetMonitoringBase", monitoringBase="HardWiredOnly")) == {
                "status": "Accepted"
            }
            asked = {"requestId": 6, "monitoringCriteria": ["PeriodicMonitoring"]}
            assert await server.ask("GetMonitoringReport", **asked) == {"status": "EmptyResultSet"}

    play(scenario())


def test_network_profile_is_used_after_a_restart() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, csms() as other, running(server, clock=clock) as cp:
            data = {
                "ocppVersion": "OCPP20",
                "ocppTransport": "JSON",
                "ocppCsmsUrl": other.url,
                "messageTimeout": 30,
                "securityProfile": 1,
                "ocppInterface": "Wired0",
            }
            ask = server.ask
            for slot, changes, status in (
                (9, {}, "Rejected"),
                (2, {"ocppCsmsUrl": "http://x"}, "Rejected"),
                (2, {"securityProfile": 0}, "Rejected"),
                (2, {}, "Accepted"),
            ):
                answer = await ask(
                    "SetNetworkProfile", configurationSlot=slot, connectionData={**data, **changes}
                )
                assert answer["status"] == status
            assert await set_variable(server, "OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == (
                "Accepted"
            )
            assert await ask("Reset", type="Immediate") == {"status": "Accepted"}
            await clock.fire("reset")
            await clock.fire("reconnect")
            boot = await other.arrived("BootNotification")
            assert boot.payload["reason"] == "RemoteReset"
            assert cp.device.value("OCPPCommCtrlr", "ActiveNetworkProfile") == "2"
            await other.arrived("StatusNotification", 3)
            await asyncio.sleep(0)

    play(scenario())
