"""What a simulated charge point of 2.0.1 answers to a CSMS, and does."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from cryptography import x509

from ocpp_gateway.simulator.v201 import charging
from ocpp_gateway.simulator.v201.handlers import HANDLERS
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import V201
from tests.factories import T0
from tests.ocpp_gateway.simulator.helpers import ManualClock, play
from tests.ocpp_gateway.simulator.test_firmware import BODY
from tests.ocpp_gateway.simulator.test_firmware import site as firmware_site
from tests.ocpp_gateway.simulator.test_security import certificate, pem_of
from tests.ocpp_gateway.simulator.v201.helpers import booted, csms, running, set_variable

TOKEN = {"idToken": "TAG1", "type": "Central"}
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "W",
    "startSchedule": "2026-03-01T12:00:00Z",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000.0}, {"startPeriod": 600, "limit": 7000.0}],
}
PROFILE: dict[str, Any] = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [SCHEDULE],
}
#: Messages of 2.0.1 that a charge point sends.
OWN = {
    "Authorize",
    "BootNotification",
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "StatusNotification",
    "TransactionEvent",
}


def test_every_message_of_the_csms_has_an_answer() -> None:
    assert set(HANDLERS) == schemas.actions(V201) - OWN


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("NoSuchAction", {}, "NotImplemented"),
        ("Reset", {"type": "Sometimes"}, "PropertyConstraintViolation"),
        ("Reset", {}, "OccurrenceConstraintViolation"),
        ("ClearCache", {"more": 1}, "FormatViolation"),
    ],
)
def test_command_that_breaks_its_schema_is_refused(action: str, payload: dict[str, Any], code: str) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            answer = await server.call(action, payload)
            assert isinstance(answer, frames.CallError)
            assert answer.code == code
            cp.stats.errors.clear()

    play(scenario())


# ---------------------------------------------------------------- starts and stops
def test_remote_start_is_named_in_the_events() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            answer = await server.ask("RequestStartTransaction", idToken=TOKEN, remoteStartId=42, evseId=2)
            assert answer == {"status": "Accepted"}
            started = await server.event("Started")
            assert (started["triggerReason"], started["idToken"]) == ("RemoteStart", TOKEN)
            assert started["transactionInfo"]["remoteStartId"] == 42
            assert server.named("Authorize") == []
            transaction_id = started["transactionInfo"]["transactionId"]
            stop = await server.ask("RequestStopTransaction", transactionId=transaction_id)
            assert stop == {"status": "Accepted"}
            ended = await server.event("Ended")
            assert (ended["triggerReason"], ended["transactionInfo"]["stoppedReason"]) == (
                "RemoteStop",
                "Remote",
            )
            assert cp.remote_starts == {}

    play(scenario())


@pytest.mark.parametrize(("evse", "reason"), [(1, "TxInProgress"), (9, "UnknownEvse"), (None, None)])
def test_remote_start_takes_only_a_free_evse(evse: int | None, reason: str | None) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.start(1, "TAG2")
            place = {} if evse is None else {"evseId": evse}
            answer = await server.ask("RequestStartTransaction", idToken=TOKEN, remoteStartId=1, **place)
            assert answer.get("statusInfo", {}).get("reasonCode") == reason
            if reason is None:
                assert (await server.event("Started", 2))["evse"]["id"] == 2

    play(scenario())


def test_remote_start_with_a_card_is_checked_if_so_configured() -> None:
    async def scenario() -> None:
        blocked = {"idTokenInfo": {"status": "Blocked"}}
        async with csms(script={"Authorize": [blocked]}) as server, booted(server) as cp:
            await set_variable(server, "AuthCtrlr", "AuthorizeRemoteStart", "true")
            card = {"idToken": "CARD", "type": "ISO14443"}
            await server.ask("RequestStartTransaction", idToken=card, remoteStartId=1, evseId=1)
            await server.arrived("Authorize")
            await server.ask("GetLocalListVersion")
            assert server.events() == []
            assert not cp.connectors[1].claimed

    play(scenario())


def test_remote_start_with_a_profile_limits_the_session() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            profile = {**PROFILE, "chargingProfilePurpose": "TxProfile"}
            await server.ask(
                "RequestStartTransaction", idToken=TOKEN, remoteStartId=1, evseId=1, chargingProfile=profile
            )
            await server.event("Started")
            assert cp.limit_w(cp.connectors[1]) == 4000
            wrong = await server.ask(
                "RequestStartTransaction", idToken=TOKEN, remoteStartId=2, evseId=2, chargingProfile=PROFILE
            )
            assert wrong["statusInfo"]["reasonCode"] == "InvalidProfile"

    play(scenario())


def test_unknown_transaction_is_not_stopped() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            answer = await server.ask("RequestStopTransaction", transactionId="nothing")
            assert answer["status"] == "Rejected"

    play(scenario())


def test_transaction_status_tells_what_waits() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            session = await cp.start(1, "TAG1")
            ask = server.ask
            running_now = await ask("GetTransactionStatus", transactionId=session.transaction_id)
            assert running_now == {"ongoingIndicator": True, "messagesInQueue": False}
            server.script["TransactionEvent"] = [None]
            stopping = asyncio.create_task(cp.stop(1, wait=False))
            await server.event("Ended")
            over = await ask("GetTransactionStatus", transactionId=session.transaction_id)
            assert over == {"ongoingIndicator": False, "messagesInQueue": True}
            assert await ask("GetTransactionStatus") == {"messagesInQueue": True}
            stopping.cancel()

    play(scenario())


def test_unlock_says_why_not() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            ask = server.ask
            assert await ask("UnlockConnector", evseId=1, connectorId=1) == {"status": "Unlocked"}
            assert await ask("UnlockConnector", evseId=1, connectorId=2) == {"status": "UnknownConnector"}
            await cp.start(1, "TAG1")
            answer = await ask("UnlockConnector", evseId=1, connectorId=1)
            assert answer == {"status": "OngoingAuthorizedTransaction"}

    play(scenario())


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"requestedMessage": "Heartbeat"}, "Heartbeat"),
        ({"requestedMessage": "MeterValues", "evse": {"id": 1}}, "MeterValues"),
        ({"requestedMessage": "LogStatusNotification"}, "LogStatusNotification"),
        ({"requestedMessage": "FirmwareStatusNotification"}, "FirmwareStatusNotification"),
        ({"requestedMessage": "PublishFirmwareStatusNotification"}, "PublishFirmwareStatusNotification"),
        ({"requestedMessage": "SignV2GCertificate"}, "SignCertificate"),
    ],
)
def test_trigger_sends_the_message(wanted: dict[str, Any], sent: str) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            assert await server.ask("TriggerMessage", **wanted) == {"status": "Accepted"}
            await server.arrived(sent)

    play(scenario())


def test_trigger_of_status_and_event_names_the_place() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            ask = server.ask
            for wanted in (
                {"requestedMessage": "StatusNotification", "evse": {"id": 2}},
                {"requestedMessage": "TransactionEvent"},
                {"requestedMessage": "BootNotification"},
                {"requestedMessage": "Heartbeat", "evse": {"id": 9}},
            ):
                assert (await ask("TriggerMessage", **wanted))["status"] == "Rejected"
            evse = {"id": 2, "connectorId": 2}
            await ask("TriggerMessage", requestedMessage="StatusNotification", evse=evse)
            last = await server.arrived("StatusNotification", 4)
            assert (last.payload["evseId"], last.payload["connectorId"]) == (2, 2)
            await cp.start(1, "TAG1")
            await ask("TriggerMessage", requestedMessage="TransactionEvent")
            await server.until(lambda: server.events()[-1]["triggerReason"] == "Trigger")

    play(scenario())


# ---------------------------------------------------------------- availability, resets, reservations
def test_availability_of_evse_and_connector() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            ask = server.ask
            one = {"id": 2, "connectorId": 2}
            answer = await ask("ChangeAvailability", operationalStatus="Inoperative", evse=one)
            assert answer == {"status": "Accepted"}
            last = await server.arrived("StatusNotification", 4)
            assert last.payload["connectorStatus"] == "Unavailable"
            await cp.start(1, "TAG1")
            answer = await ask("ChangeAvailability", operationalStatus="Inoperative")
            assert answer == {"status": "Scheduled"}
            await cp.stop(1)
            assert server.named("StatusNotification")[-1].payload["connectorStatus"] == "Unavailable"
            wrong = await ask("ChangeAvailability", operationalStatus="Operative", evse={"id": 5})
            assert wrong["status"] == "Rejected"

    play(scenario())


def test_reset_ends_the_sessions_and_boots_with_its_reason() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, running(server, clock=clock) as cp:
            await cp.start(1, "TAG1")
            assert await server.ask("Reset", type="Immediate") == {"status": "Accepted"}
            await clock.fire("reset")
            await clock.fire("reconnect")
            boot = await server.arrived("BootNotification", 2)
            assert boot.payload["reason"] == "RemoteReset"
            ended = await server.event("Ended")
            assert (ended["triggerReason"], ended["transactionInfo"]["stoppedReason"]) == (
                "ResetCommand",
                "ImmediateReset",
            )

    play(scenario())


def test_reset_on_idle_waits_for_the_session() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, running(server, clock=clock) as cp:
            await cp.start(1, "TAG1")
            assert await server.ask("Reset", type="OnIdle") == {"status": "Scheduled"}
            await clock.fire("idle")
            await server.ask("GetLocalListVersion")  # a round trip: it has looked and waits again
            assert cp.online
            await cp.stop(1)
            await clock.fire("idle")
            await clock.fire("reset")
            await clock.fire("reconnect")
            boot = await server.arrived("BootNotification", 2)
            assert boot.payload["reason"] == "ScheduledReset"

    play(scenario())


def test_reset_of_an_evse_leaves_the_others_alone() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, booted(server, clock=clock) as cp:
            await cp.start(1, "TAG1")
            await cp.start(2, "TAG2")
            assert await server.ask("Reset", type="Immediate", evseId=1) == {"status": "Accepted"}
            ended = await server.event("Ended")
            assert ended["evse"]["id"] == 1
            await clock.fire("reset")
            await server.until(lambda: cp.connectors[1].status == "Available")
            assert cp.connectors[2].session is not None
            assert (await server.ask("Reset", type="Immediate", evseId=7))["status"] == "Rejected"

    play(scenario())


def test_reservation_is_kept_used_and_expires() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, booted(server, clock=clock) as cp:
            ask, until = server.ask, "2026-03-01T13:00:00Z"
            answer = await ask("ReserveNow", id=5, expiryDateTime=until, idToken=TOKEN, evseId=1)
            assert answer == {"status": "Accepted"}
            assert (await server.arrived("StatusNotification", 4)).payload["connectorStatus"] == "Reserved"
            other = {"idToken": "OTHER", "type": "ISO14443"}
            assert (await ask("RequestStartTransaction", idToken=other, remoteStartId=1, evseId=1))[
                "status"
            ] == "Rejected"
            await ask("RequestStartTransaction", idToken=TOKEN, remoteStartId=2, evseId=1)
            assert (await server.event("Started"))["reservationId"] == 5
            await ask("ReserveNow", id=6, expiryDateTime=until, idToken=TOKEN, evseId=2)
            assert await clock.fire("reservation") == 3600
            update = await server.arrived("ReservationStatusUpdate")
            assert update.payload == {"reservationId": 6, "reservationUpdateStatus": "Expired"}
            assert (await ask("CancelReservation", reservationId=6))["status"] == "Rejected"
            await ask("ReserveNow", id=7, expiryDateTime=until, idToken=TOKEN)
            await cp.break_down(2)
            update = await server.arrived("ReservationStatusUpdate", 2)
            assert update.payload == {"reservationId": 7, "reservationUpdateStatus": "Removed"}
            answer = await ask("ReserveNow", id=8, expiryDateTime=until, idToken=TOKEN, evseId=2)
            assert answer == {"status": "Faulted"}

    play(scenario())


# ---------------------------------------------------------------- tokens
def test_local_list_and_cache_decide_offline() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            ask = server.ask
            entries = [
                {"idToken": {"idToken": "GOOD", "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}},
                {"idToken": {"idToken": "BAD", "type": "eMAID"}, "idTokenInfo": {"status": "Blocked"}},
            ]
            full = {"updateType": "Full", "localAuthorizationList": entries}
            assert await ask("SendLocalList", versionNumber=0, **full) == {"status": "Failed"}
            assert await ask("SendLocalList", versionNumber=3, **full) == {"status": "Accepted"}
            assert await ask("GetLocalListVersion") == {"versionNumber": 3}
            less = {
                "updateType": "Differential",
                "localAuthorizationList": [{"idToken": entries[0]["idToken"]}],
            }
            assert await ask("SendLocalList", versionNumber=3, **less) == {"status": "VersionMismatch"}
            assert await ask("SendLocalList", versionNumber=4, **less) == {"status": "Accepted"}
            assert cp.device.value("LocalAuthListCtrlr", "Entries") == "1"
            assert await cp.authorize("CACHED") == "Accepted"
            await set_variable(server, "AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false")
            await cp.disconnect()
            found = [await cp.authorize(token) for token in ("bad", "cached", "GOOD")]
            assert found == ["Blocked", "Accepted", "Unknown"]

    play(scenario())


def test_cleared_cache_knows_nobody() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.authorize("CACHED")
            assert await server.ask("ClearCache") == {"status": "Accepted"}
            assert cp.tokens.cache == {}
            await set_variable(server, "AuthCacheCtrlr", "Enabled", "false")
            assert await server.ask("ClearCache") == {"status": "Rejected"}

    play(scenario())


# ---------------------------------------------------------------- smart charging
def test_profile_limits_and_is_reported_and_cleared() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            ask = server.ask
            assert await ask("SetChargingProfile", evseId=1, chargingProfile=PROFILE) == {
                "status": "Accepted"
            }
            await cp.start(1, "TAG1")
            assert cp.limit_w(cp.connectors[1]) == 4000
            answer = await ask("GetCompositeSchedule", evseId=1, duration=1200, chargingRateUnit="W")
            assert answer["schedule"]["chargingSchedulePeriod"] == [
                {"startPeriod": 0, "limit": 4000.0},
                {"startPeriod": 600, "limit": 7000.0},
            ]
            asked = {"requestId": 3, "chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile"}}
            assert await ask("GetChargingProfiles", **asked) == {"status": "Accepted"}
            report = await server.arrived("ReportChargingProfiles")
            assert report.payload["chargingProfile"] == [PROFILE]
            assert (report.payload["evseId"], report.payload["tbc"]) == (1, False)
            assert await ask("ClearChargingProfile", chargingProfileId=1) == {"status": "Accepted"}
            assert await ask("ClearChargingProfile", chargingProfileId=1) == {"status": "Unknown"}
            assert await ask("GetChargingProfiles", **asked) == {"status": "NoProfiles"}

    play(scenario())


@pytest.mark.parametrize(
    ("evse", "changes", "reason"),
    [
        (9, {}, "UnknownEvse"),
        (1, {"stackLevel": 99}, "InvalidStackLevel"),
        (1, {"chargingProfilePurpose": "ChargingStationMaxProfile"}, "InvalidProfile"),
        (0, {"chargingProfilePurpose": "ChargingStationExternalConstraints"}, "InvalidProfile"),
        (1, {"chargingProfilePurpose": "TxProfile", "transactionId": "other"}, "TxNotFound"),
        (
            1,
            {
                "chargingSchedule": [
                    {**SCHEDULE, "chargingSchedulePeriod": [{"startPeriod": 5, "limit": 1.0}]}
                ]
            },
            "InvalidSchedule",
        ),
        (1, {"id": 2}, "DuplicateProfile"),
    ],
)
def test_unusable_profile_is_rejected_with_its_reason(
    evse: int, changes: dict[str, Any], reason: str
) -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            await server.ask("SetChargingProfile", evseId=1, chargingProfile=PROFILE)
            answer = await server.ask(
                "SetChargingProfile", evseId=evse, chargingProfile={**PROFILE, **changes}
            )
            assert answer["statusInfo"]["reasonCode"] == reason

    play(scenario())


def test_limit_of_the_site_is_told_and_goes() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.start(1, "TAG1")
            await charging.limit_externally(cp, 0)
            limit = await server.arrived("NotifyChargingLimit")
            assert limit.payload["chargingLimit"] == {"chargingLimitSource": "EMS"}
            await server.until(
                lambda: server.events()[-1]["transactionInfo"]["chargingState"] == "SuspendedEVSE"
            )
            assert await server.ask("ClearChargingProfile") == {"status": "Unknown"}
            await charging.release_external_limit(cp)
            await server.arrived("ClearedChargingLimit")
            await server.until(lambda: server.events()[-1]["transactionInfo"]["chargingState"] == "Charging")

    play(scenario())


def test_needs_of_the_vehicle_are_answered_by_a_schedule() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            session = await cp.start(1, "TAG1")
            await charging.tell_needs(cp, 1)
            await server.arrived("NotifyEVChargingNeeds")
            profile = {
                **PROFILE,
                "chargingProfilePurpose": "TxProfile",
                "transactionId": session.transaction_id,
            }
            await server.ask("SetChargingProfile", evseId=1, chargingProfile=profile)
            told = await server.arrived("NotifyEVChargingSchedule")
            assert told.payload["chargingSchedule"] == SCHEDULE

    play(scenario())


# ---------------------------------------------------------------- files
def test_firmware_is_fetched_installed_and_reported() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        with firmware_site() as site:
            async with csms() as server, running(server, clock=clock) as cp:
                firmware = {"location": f"{site.url}/fw.bin", "retrieveDateTime": "2026-03-01T11:00:00Z"}
                answer = await server.ask("UpdateFirmware", requestId=4, firmware=firmware)
                assert answer == {"status": "Accepted"}
                for name in ("firmware", "firmware", "firmware", "reset", "reconnect"):
                    await clock.fire(name)
                await server.arrived("StatusNotification", 6)
                await clock.fire("accepted")
                await server.arrived("SecurityEventNotification")
                states = [call.payload for call in server.named("FirmwareStatusNotification")]
                assert [each["status"] for each in states] == [
                    "Downloading",
                    "Downloaded",
                    "Installing",
                    "InstallRebooting",
                    "Installed",
                ]
                assert {each["requestId"] for each in states} == {4}
                boot = server.named("BootNotification")[-1].payload
                assert (boot["reason"], boot["chargingStation"]["firmwareVersion"]) == (
                    "FirmwareUpdate",
                    "3.1.4",
                )
                assert cp.firmware_request is None

    play(scenario())


def test_firmware_with_a_bad_certificate_is_not_fetched() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            firmware = {
                "location": "http://127.0.0.1:9/fw",
                "retrieveDateTime": "2026-03-01T11:00:00Z",
                "signingCertificate": "nothing",
                "signature": "AA==",
            }
            answer = await server.ask("UpdateFirmware", requestId=4, firmware=firmware)
            assert answer == {"status": "InvalidCertificate"}
            event = await server.arrived("SecurityEventNotification")
            assert event.payload["type"] == "InvalidFirmwareSigningCertificate"

    play(scenario())


def test_published_firmware_has_the_right_checksum() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        with firmware_site() as site:
            async with csms() as server, booted(server, clock=clock):
                checksum = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
                for number, asked in ((1, checksum), (2, "0" * 32)):
                    await server.ask(
                        "PublishFirmware", location=f"{site.url}/fw.bin", checksum=asked, requestId=number
                    )
                    await clock.fire("firmware")
                    await clock.fire("firmware")
                await server.until(
                    lambda: any(
                        call.payload["status"] == "InvalidChecksum"
                        for call in server.named("PublishFirmwareStatusNotification")
                    )
                )
                states = [call.payload for call in server.named("PublishFirmwareStatusNotification")]
                (published,) = [each for each in states if each["status"] == "Published"]
                assert (published["requestId"], len(published["location"])) == (1, 1)
                assert await server.ask("UnpublishFirmware", checksum=checksum) == {"status": "Unpublished"}
                assert await server.ask("UnpublishFirmware", checksum=checksum) == {"status": "NoFirmware"}

    play(scenario())


def test_log_is_sent_and_a_second_request_takes_its_place() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        with firmware_site() as site:
            async with csms() as server, booted(server, clock=clock):
                log = {"remoteLocation": f"{site.url}/logs"}
                first = await server.ask("GetLog", requestId=1, logType="SecurityLog", log=log)
                second = await server.ask("GetLog", requestId=2, logType="DiagnosticsLog", log=log)
                assert (first["status"], second["status"]) == ("Accepted", "AcceptedCanceled")
                await clock.fire("upload")
                await clock.fire("upload")
                await server.until(
                    lambda: (
                        [call.payload for call in server.named("LogStatusNotification")][-1]
                        == {"status": "Uploaded", "requestId": 2}
                    )
                )
                states = [call.payload for call in server.named("LogStatusNotification")]
                assert {"status": "AcceptedCanceled", "requestId": 1} in states
                assert b"OCPPCommCtrlr.HeartbeatInterval=300" in site.received[-1][2]
                assert b"a-key-of-16-chars" not in site.received[-1][2]

    play(scenario())


# ---------------------------------------------------------------- certificates
def test_certificates_are_installed_listed_and_deleted() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server):
            ask, root = server.ask, pem_of(certificate())
            use = "CSMSRootCertificate"
            assert await ask("GetInstalledCertificateIds") == {"status": "NotFound"}
            assert await ask("InstallCertificate", certificateType=use, certificate=root) == {
                "status": "Accepted"
            }
            bad = await ask("InstallCertificate", certificateType=use, certificate="nothing")
            assert bad["status"] == "Rejected"
            listed = await ask("GetInstalledCertificateIds", certificateType=[use])
            (row,) = listed["certificateHashDataChain"]
            assert row["certificateType"] == use
            data = row["certificateHashData"]
            assert await ask("DeleteCertificate", certificateHashData=data) == {"status": "Accepted"}
            assert await ask("DeleteCertificate", certificateHashData=data) == {"status": "NotFound"}

    play(scenario())


def test_request_for_a_certificate_names_operator_and_use() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        clock.advance((T0 - clock.now()).total_seconds() + 60)
        async with csms() as server, booted(server, clock=clock) as cp:
            await set_variable(server, "SecurityCtrlr", "OrganizationName", "Operator")
            await server.ask("TriggerMessage", requestedMessage="SignChargingStationCertificate")
            sent = await server.arrived("SignCertificate")
            request = x509.load_pem_x509_csr(sent.payload["csr"].encode())
            assert request.is_signature_valid
            assert request.subject.rfc4514_string() == "CN=CS 1,O=Operator"
            assert sent.payload["certificateType"] == "ChargingStationCertificate"
            key = cp.certificates.asked_key
            foreign = pem_of(certificate())
            answer = await server.ask("CertificateSigned", certificateChain=foreign)
            assert answer["status"] == "Rejected"
            await server.arrived("SecurityEventNotification")
            own = pem_of(certificate(key))
            answer = await server.ask("CertificateSigned", certificateChain=own)
            assert answer == {"status": "Accepted"}
            assert cp.own_certificate().startswith(own.encode())

    play(scenario())


# ---------------------------------------------------------------- messages, customers, cost
def test_display_messages_are_kept_reported_and_cleared() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms() as server, booted(server, clock=clock) as cp:
            ask = server.ask
            text = {"format": "UTF8", "content": "Welcome"}
            message = {"id": 1, "priority": "InFront", "state": "Idle", "message": text}
            assert await ask("SetDisplayMessage", message=message) == {"status": "Accepted"}
            for changes, status in (
                ({"message": {**text, "format": "HTML"}}, "NotSupportedMessageFormat"),
                ({"transactionId": "other"}, "UnknownTransaction"),
            ):
                answer = await ask("SetDisplayMessage", message={**message, "id": 2, **changes})
                assert answer == {"status": status}
            ending = {**message, "id": 3, "endDateTime": "2026-03-01T13:00:00Z"}
            await ask("SetDisplayMessage", message=ending)
            assert await ask("GetDisplayMessages", requestId=8) == {"status": "Accepted"}
            report = await server.arrived("NotifyDisplayMessages")
            assert [each["id"] for each in report.payload["messageInfo"]] == [1, 3]
            assert await clock.fire("message") == 3600
            assert cp.device.value("DisplayMessageCtrlr", "DisplayMessages") == "1"
            assert await ask("ClearDisplayMessage", id=1) == {"status": "Accepted"}
            assert await ask("ClearDisplayMessage", id=1) == {"status": "Unknown"}
            assert await ask("GetDisplayMessages", requestId=9) == {"status": "Unknown"}

    play(scenario())


def test_customer_information_is_told_and_forgotten() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            await cp.authorize("TAG1")
            token = {"idToken": "TAG1", "type": "ISO14443"}
            asked = {"requestId": 3, "report": True, "clear": True, "idToken": token}
            assert await server.ask("CustomerInformation", **asked) == {"status": "Accepted"}
            told = await server.arrived("NotifyCustomerInformation")
            assert (told.payload["data"], told.payload["tbc"]) == ("TAG1 stands in the cache.", False)
            assert cp.tokens.cache == {}
            nobody = {"requestId": 4, "report": True, "clear": False}
            assert await server.ask("CustomerInformation", **nobody) == {"status": "Invalid"}

    play(scenario())


def test_cost_is_shown_and_vendor_messages_are_unknown() -> None:
    async def scenario() -> None:
        async with csms() as server, booted(server) as cp:
            session = await cp.start(1, "TAG1")
            await server.ask("CostUpdated", totalCost=3.5, transactionId=session.transaction_id)
            found = cp.find_session(session.transaction_id)
            assert found is not None
            assert found.cost == 3.5
            assert await server.ask("DataTransfer", vendorId="x") == {"status": "UnknownVendorId"}
            await asyncio.sleep(0)

    play(scenario())
