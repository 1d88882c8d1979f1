"""What a simulated charge point answers to a CSMS, and does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ocpp_gateway.simulator import ChargePoint16, answers
from ocpp_gateway.simulator.v16 import commands
from ocpp_gateway.wire import frames
from tests.ocpp_gateway.simulator.helpers import Csms, ManualClock, play
from tests.ocpp_gateway.simulator.test_charge_point import booted, new_charge_point, running

PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "W",
        "startSchedule": "2026-03-01T12:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000}, {"startPeriod": 600, "limit": 7000}],
    },
}


def test_remote_start_accepted_really_starts() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            assert await csms.ask("RemoteStartTransaction", idTag="TAG1", connectorId=2) == {
                "status": "Accepted"
            }
            start = await csms.arrived("StartTransaction")
            assert (start.payload["connectorId"], start.payload["idTag"]) == (2, "TAG1")
            await csms.status(2, "Charging")
            assert cp.connectors[2].session is not None

    play(scenario())


def test_remote_start_without_connector_takes_a_free_one() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            assert (await csms.ask("RemoteStartTransaction", idTag="TAG2"))["status"] == "Accepted"
            start = await csms.arrived("StartTransaction", 2)
            assert start.payload["connectorId"] == 2

    play(scenario())


@pytest.mark.parametrize("connector", [1, 9, 0])
def test_remote_start_on_a_busy_or_unknown_connector_is_rejected(connector: int) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            answer = await csms.ask("RemoteStartTransaction", idTag="TAG2", connectorId=connector)
            assert answer == {"status": "Rejected"}

    play(scenario())


def test_remote_start_with_authorization_asks_about_the_tag() -> None:
    async def scenario() -> None:
        blocked = {"idTagInfo": {"status": "Blocked"}}
        async with Csms(script={"Authorize": [blocked]}) as csms, booted(csms) as cp:
            await csms.ask("ChangeConfiguration", key="AuthorizeRemoteTxRequests", value="true")
            await csms.ask("RemoteStartTransaction", idTag="TAG1", connectorId=1)
            await csms.arrived("Authorize")
            await csms.ask("GetLocalListVersion")  # a round trip after the answer
            assert csms.named("StartTransaction") == []
            assert cp.connectors[1].claimed is False

    play(scenario())


def test_remote_stop_of_the_running_session_stops_it() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            session = await cp.start(1, "TAG1")
            assert await csms.ask("RemoteStopTransaction", transactionId=session.transaction_id) == {
                "status": "Accepted"
            }
            stop = await csms.arrived("StopTransaction")
            assert stop.payload["reason"] == "Remote"

    play(scenario())


def test_remote_stop_of_an_unknown_session_is_rejected() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            assert await csms.ask("RemoteStopTransaction", transactionId=9999) == {"status": "Rejected"}

    play(scenario())


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_reset_stops_sessions_and_boots_again(kind: str, reason: str) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, running(csms, clock=clock) as cp:
            await cp.start(1, "TAG1")
            assert await csms.ask("Reset", type=kind) == {"status": "Accepted"}
            await clock.fire("reset")
            await clock.fire("reconnect")
            await csms.arrived("BootNotification", 2)
            stop = await csms.arrived("StopTransaction")
            assert stop.payload["reason"] == reason
            assert not cp.stats.errors

    play(scenario())


def test_unlock_connector_ends_its_session() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            assert await csms.ask("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
            assert (await csms.arrived("StopTransaction")).payload["reason"] == "UnlockCommand"
            assert await csms.ask("UnlockConnector", connectorId=7) == {"status": "NotSupported"}

    play(scenario())


def test_change_availability_during_a_session_is_scheduled() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            answer = await csms.ask("ChangeAvailability", connectorId=1, type="Inoperative")
            assert answer == {"status": "Scheduled"}
            await cp.stop(1)
            await csms.status(1, "Unavailable")
            assert await csms.ask("ChangeAvailability", connectorId=1, type="Operative") == {
                "status": "Accepted"
            }
            await csms.status(1, "Available")

    play(scenario())


def test_change_availability_of_connector_zero_covers_all() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            answer = await csms.ask("ChangeAvailability", connectorId=0, type="Inoperative")
            assert answer == {"status": "Accepted"}
            for connector in (0, 1, 2):
                await csms.status(connector, "Unavailable")
            assert await csms.ask("RemoteStartTransaction", idTag="TAG1") == {"status": "Rejected"}

    play(scenario())


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("Heartbeat", "Heartbeat"),
        ("MeterValues", "MeterValues"),
        ("BootNotification", "BootNotification"),
        ("StatusNotification", "StatusNotification"),
        ("FirmwareStatusNotification", "FirmwareStatusNotification"),
        ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
    ],
)
def test_trigger_message_sends_what_is_asked(message: str, action: str) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            before = len(csms.named(action))
            assert await csms.ask("TriggerMessage", requestedMessage=message) == {"status": "Accepted"}
            await csms.arrived(action, before + 1)
            assert csms.violations == []

    play(scenario())


def test_trigger_boot_while_pending_does_not_wait_for_the_retry() -> None:
    async def scenario() -> None:
        pending = {"status": "Pending", "currentTime": "2026-03-01T12:00:00Z", "interval": 3000}
        async with Csms(script={"BootNotification": [pending]}) as csms:
            cp = new_charge_point(csms)
            await cp.connect()
            boot = asyncio.create_task(cp.boot())
            await csms.arrived("BootNotification")
            await csms.ask("TriggerMessage", requestedMessage="BootNotification")
            await boot
            assert cp.accepted
            assert len(csms.named("BootNotification")) == 2
            await cp.close()

    play(scenario())


def test_get_configuration_tells_known_from_unknown_keys() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            answer = await csms.ask("GetConfiguration", key=["heartbeatinterval", "NoSuchKey"])
            assert answer == {
                "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
                "unknownKey": ["NoSuchKey"],
            }
            everything = await csms.ask("GetConfiguration")
            keys = {entry["key"]: entry for entry in everything["configurationKey"]}
            assert keys["NumberOfConnectors"] == {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
            assert "value" not in keys["AuthorizationKey"]

    play(scenario())


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("MeterValueSampleInterval", "30", "Accepted"),
        ("MeterValueSampleInterval", "soon", "Rejected"),
        ("MeterValueSampleInterval", "-5", "Rejected"),
        ("LocalPreAuthorize", "maybe", "Rejected"),
        ("NumberOfConnectors", "8", "Rejected"),
        ("WebSocketPingInterval", "10", "RebootRequired"),
        ("NoSuchKey", "1", "NotSupported"),
    ],
)
def test_change_configuration_answers_like_a_real_one(key: str, value: str, status: str) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            assert await csms.ask("ChangeConfiguration", key=key, value=value) == {"status": status}

    play(scenario())


def test_heartbeat_interval_takes_effect_at_once() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock):
            await csms.ask("ChangeConfiguration", key="HeartbeatInterval", value="15")
            assert clock.pending("heartbeat") == [15]

    play(scenario())


def test_authorization_key_is_used_from_the_next_connection_on() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, running(csms, clock=clock) as cp:
            await csms.ask("ChangeConfiguration", key="AuthorizationKey", value="0123456789abcdef")
            await clock.fire("reconnect")
            await csms.until(lambda: csms.sockets == 2)
            assert csms.credentials == ["CP 1:secret", "CP 1:0123456789abcdef"]
            assert not cp.stats.errors

    play(scenario())


def test_firmware_update_reports_each_step() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock) as cp:
            await csms.ask(
                "UpdateFirmware", location="ftp://host/fw-2.1.bin", retrieveDate="2026-03-01T13:00:00Z"
            )
            waits = [await clock.fire("firmware") for _ in range(4)]
            await csms.arrived("FirmwareStatusNotification", 4)
            sent = [call.payload["status"] for call in csms.named("FirmwareStatusNotification")]
            assert sent == ["Downloading", "Downloaded", "Installing", "Installed"]
            assert waits[0] == 3600
            assert cp.station.firmware == "fw-2.1.bin"

    play(scenario())


def test_get_diagnostics_names_a_file_and_reports_the_upload() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock):
            answer = await csms.ask("GetDiagnostics", location="ftp://host/")
            assert answer["fileName"].startswith("diagnostics-2026")
            await clock.fire("upload")
            await csms.arrived("DiagnosticsStatusNotification", 2)

    play(scenario())


async def _reserve(csms: Csms, **changes: Any) -> str:
    request = {"connectorId": 1, "expiryDate": "2026-03-01T13:00:00Z", "idTag": "TAG1", "reservationId": 5}
    return str((await csms.ask("ReserveNow", **{**request, **changes}))["status"])


def test_reservation_serves_its_tag_only() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            assert await _reserve(csms) == "Accepted"
            await csms.status(1, "Reserved")
            assert await _reserve(csms, reservationId=6) == "Occupied"
            stranger = await csms.ask("RemoteStartTransaction", idTag="TAG2", connectorId=1)
            assert stranger == {"status": "Rejected"}
            await csms.ask("RemoteStartTransaction", idTag="tag1", connectorId=1)
            assert (await csms.arrived("StartTransaction")).payload["reservationId"] == 5
            assert cp.connectors[1].reservation is None

    play(scenario())


def test_reservation_expired_or_cancelled_frees_the_connector() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock):
            await _reserve(csms)
            assert await clock.fire("reservation") == 3600
            await csms.status(1, "Available")
            await _reserve(csms, expiryDate="2026-03-01T14:00:00Z")
            assert await csms.ask("CancelReservation", reservationId=5) == {"status": "Accepted"}
            assert await csms.ask("CancelReservation", reservationId=5) == {"status": "Rejected"}
            await csms.status(1, "Available")

    play(scenario())


def test_local_list_full_then_differential_decides_offline() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            blocked = {"idTag": "BAD", "idTagInfo": {"status": "Blocked"}}
            send = "SendLocalList"
            full = await csms.ask(send, listVersion=3, updateType="Full", localAuthorizationList=[blocked])
            assert full == {"status": "Accepted"}
            stale = await csms.ask(send, listVersion=3, updateType="Differential")
            assert stale == {"status": "VersionMismatch"}
            assert await csms.ask("GetLocalListVersion") == {"listVersion": 3}
            await cp.go_offline()
            assert [await cp.authorize("bad"), await cp.authorize("GOOD")] == ["Blocked", "Accepted"]

    play(scenario())


OK = {"status": "Accepted"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"listVersion": 0}, "Failed"),
        ({"listVersion": -1}, "Failed"),
        ({"updateType": "Full", "localAuthorizationList": [{"idTag": "A"}]}, "Failed"),
        ({"localAuthorizationList": [{"idTag": "A"}, {"idTag": "a"}]}, "Failed"),
        ({"localAuthorizationList": [{"idTag": f"T{n}"} for n in range(4)]}, "Failed"),
        ({"localAuthorizationList": [{"idTag": f"T{n}", "idTagInfo": OK} for n in range(3)]}, "Failed"),
        ({"listVersion": 2}, "VersionMismatch"),
        ({"listVersion": 1}, "VersionMismatch"),
    ],
)
def test_local_list_that_is_refused_changes_nothing(change: dict[str, Any], status: str) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            cp.configuration["SendLocalListMaxLength"] = "3"
            cp.configuration["LocalAuthListMaxLength"] = "3"
            held = [{"idTag": "OLD", "idTagInfo": OK}]
            full = {"listVersion": 2, "updateType": "Full", "localAuthorizationList": held}
            assert await csms.ask("SendLocalList", **full) == OK

            answer = await csms.ask(
                "SendLocalList", **{"listVersion": 3, "updateType": "Differential", **change}
            )

            assert answer == {"status": status}
            assert (list(cp.local_list), cp.local_list_version) == (["old"], 2)

    play(scenario())


def test_local_list_without_tags_has_version_0_and_one_that_is_switched_off_none() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            assert await csms.ask("SendLocalList", listVersion=5, updateType="Full") == OK
            assert await csms.ask("GetLocalListVersion") == {"listVersion": 0}
            cp.configuration["LocalAuthListEnabled"] = "false"
            assert await csms.ask("GetLocalListVersion") == {"listVersion": -1}
            refused = await csms.ask("SendLocalList", listVersion=6, updateType="Full")
            assert refused == {"status": "NotSupported"}

    play(scenario())


def test_tag_of_the_local_list_expires_while_the_charger_is_offline() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            info = {
                "status": "Accepted",
                "expiryDate": f"{cp.clock.now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
            }
            entry = {"idTag": "CARD", "idTagInfo": info}
            full = {"listVersion": 5, "updateType": "Full", "localAuthorizationList": [entry]}
            assert await csms.ask("SendLocalList", **full) == OK
            await cp.go_offline()
            assert await cp.authorize("card") == "Accepted"
            assert isinstance(cp.clock, ManualClock)
            cp.clock.advance(2)
            assert await cp.authorize("card") == "Expired"

    play(scenario())


def test_charging_profile_limits_power_and_shows_in_the_composite_schedule() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            answer = await csms.ask("SetChargingProfile", connectorId=1, csChargingProfiles=PROFILE)
            assert answer == {"status": "Accepted"}
            assert cp.limit_w(cp.connectors[1]) == 4000
            schedule = await csms.ask("GetCompositeSchedule", connectorId=1, duration=900)
            assert schedule["chargingSchedule"]["chargingSchedulePeriod"] == [
                {"startPeriod": 0, "limit": 4000.0},
                {"startPeriod": 600, "limit": 7000.0},
            ]
            assert await csms.ask("ClearChargingProfile", id=1) == {"status": "Accepted"}
            assert await csms.ask("ClearChargingProfile", id=1) == {"status": "Unknown"}
            assert cp.limit_w(cp.connectors[1]) is None

    play(scenario())


def test_tx_profile_without_a_session_is_rejected() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            profile = {**PROFILE, "chargingProfilePurpose": "TxProfile"}
            answer = await csms.ask("SetChargingProfile", connectorId=1, csChargingProfiles=profile)
            assert answer == {"status": "Rejected"}

    play(scenario())


def test_data_transfer_and_clear_cache_are_answered() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            assert await csms.ask("DataTransfer", vendorId="acme") == {"status": "UnknownVendorId"}
            assert await csms.ask("ClearCache") == {"status": "Rejected"}

    play(scenario())


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("NoSuchAction", {}, "NotImplemented"),
        ("GetLog", {"logType": "SecurityLog", "requestId": 1}, "FormationViolation"),
        ("ExtendedTriggerMessage", {}, "FormationViolation"),
        ("RemoteStartTransaction", {}, "FormationViolation"),
        ("ChangeAvailability", {"connectorId": "one", "type": "Operative"}, "FormationViolation"),
        ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": []}, "FormationViolation"),
        ("UpdateFirmware", {"location": "x", "retrieveDate": "soon"}, "FormationViolation"),
        (
            "SetChargingProfile",
            {
                "connectorId": 0,
                "csChargingProfiles": {**PROFILE, "chargingSchedule": {"chargingSchedulePeriod": []}},
            },
            "FormationViolation",
        ),
    ],
)
def test_unusable_command_is_answered_with_callerror(action: str, payload: dict[str, Any], code: str) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            answer = await csms.call(action, payload)
            assert isinstance(answer, frames.CallError)
            assert answer.code == code
            assert cp.online

    play(scenario())


def test_command_that_breaks_a_handler_is_answered_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(cp: ChargePoint16, payload: dict[str, Any]) -> answers.Answer:
        raise OSError("a mistake of the simulator")

    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            answer = await csms.call("ClearCache", {})
            assert isinstance(answer, frames.CallError)
            assert answer.code == "InternalError"
            assert cp.stats.errors == {"internal": 1}

    monkeypatch.setitem(commands.HANDLERS, "ClearCache", broken)
    play(scenario())


def test_commands_are_answered_while_a_call_of_ours_waits() -> None:
    async def scenario() -> None:
        async with Csms(script={"Authorize": [None]}) as csms, booted(csms) as cp:
            waiting = asyncio.create_task(_authorize(cp))
            await csms.arrived("Authorize")
            assert await csms.ask("DataTransfer", vendorId="acme") == {"status": "UnknownVendorId"}
            waiting.cancel()

    play(scenario())


async def _authorize(cp: ChargePoint16) -> None:
    await cp.authorize("TAG1")
