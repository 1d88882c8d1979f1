"""A simulated charge point of 2.1: what it can do beyond 2.0.1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ocpp_gateway.simulator.v21 import energy
from ocpp_gateway.simulator.v21.charge_point import ChargePoint21
from ocpp_gateway.simulator.v201 import charging
from ocpp_gateway.simulator.v201.device_model import Component
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V21
from tests.ocpp_gateway.simulator.helpers import Csms, ManualClock, play
from tests.ocpp_gateway.simulator.v201.helpers import booted, csms, new_charge_point, running
from tests.ocpp_gateway.simulator.v201.test_commands import OWN, PROFILE, SCHEDULE
from tests.ocpp_gateway.simulator.v201.test_device_model import monitor

TARIFF: dict[str, Any] = {
    "tariffId": "DAY",
    "currency": "EUR",
    "energy": {"prices": [{"priceKwh": 0.5}]},
    "fixedFee": {"prices": [{"priceFixed": 1.0}]},
}
TOKEN = {"idToken": "TAG1", "type": "Central"}
OWN_OF_21 = OWN | {
    "BatterySwap",
    "ClosePeriodicEventStream",
    "GetCertificateChainStatus",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyPeriodicEventStream",
    "NotifyPriorityCharging",
    "NotifySettlement",
    "OpenPeriodicEventStream",
    "PullDynamicScheduleUpdate",
    "ReportDERControl",
    "VatNumberValidation",
}


@asynccontextmanager
async def station(server: Csms, **more: Any) -> AsyncIterator[ChargePoint21]:
    async with booted(server, **more) as cp:
        assert isinstance(cp, ChargePoint21)
        yield cp


def test_every_message_of_the_csms_has_an_answer() -> None:
    assert set(ChargePoint21.handlers) == schemas.actions(V21) - OWN_OF_21


def test_session_of_2_1_is_valid_from_boot_to_end() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            await server.ask("GetBaseReport", requestId=1, reportBase="FullInventory")
            await server.until(lambda: any(not c.payload["tbc"] for c in server.named("NotifyReport")))
            await cp.start(2, "TAG1")
            await cp.meter(2, wh=100)
            await charging.tell_needs(cp, 2)
            await cp.stop(2)
            assert [each["eventType"] for each in server.events()] == [
                "Started",
                *["Updated"] * 3,
                "Ended",
            ]

    play(scenario())


# ---------------------------------------------------------------- tariffs and limits
def test_cost_is_counted_by_the_default_tariff() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            ask = server.ask
            assert await ask("GetTariffs", evseId=0) == {"status": "NoTariff"}
            assert await ask("SetDefaultTariff", evseId=0, tariff=TARIFF) == {"status": "Accepted"}
            listed = await ask("GetTariffs", evseId=1)
            assert listed["tariffAssignments"][0]["tariffId"] == "DAY"
            await cp.start(1, "TAG1")
            await cp.meter(1, wh=2000)
            await cp.stop(1)
            (ended,) = server.events("Ended")
            assert ended["transactionInfo"]["tariffId"] == "DAY"
            total = ended["costDetails"]["totalCost"]
            assert (total["currency"], total["total"]) == ("EUR", {"exclTax": 2.0})
            cleared = await ask("ClearTariffs", tariffIds=["DAY", "NIGHT"])
            assert [row["status"] for row in cleared["clearTariffsResult"]] == ["Accepted", "NoTariff"]

    play(scenario())


@pytest.mark.parametrize(
    ("evse", "changes", "status"),
    [
        (9, {}, "Rejected"),
        (1, {"energy": {"prices": [{"priceKwh": 1.0}] * 11}}, "TooManyElements"),
        (
            1,
            {"energy": {"prices": [{"priceKwh": 1.0, "conditions": {"minEnergy": 1.0}}]}},
            "ConditionNotSupported",
        ),
        (1, {}, "DuplicateTariffId"),
    ],
)
def test_unusable_tariff_is_refused(evse: int, changes: dict[str, Any], status: str) -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server):
            await server.ask("SetDefaultTariff", evseId=2, tariff=TARIFF)
            answer = await server.ask("SetDefaultTariff", evseId=evse, tariff={**TARIFF, **changes})
            assert answer["status"] == status

    play(scenario())


def test_tariff_of_a_transaction_is_changed_but_not_its_currency() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            session = await cp.start(1, "TAG1")
            transaction_id, ask = session.transaction_id, server.ask
            other = await ask("ChangeTransactionTariff", transactionId="other", tariff=TARIFF)
            assert other == {"status": "TxNotFound"}
            answer = await ask("ChangeTransactionTariff", transactionId=transaction_id, tariff=TARIFF)
            assert answer == {"status": "Accepted"}
            await server.until(lambda: server.events()[-1]["triggerReason"] == "TariffChanged")
            assert server.events()[-1]["transactionInfo"]["tariffId"] == "DAY"
            pounds = {**TARIFF, "currency": "GBP"}
            answer = await ask("ChangeTransactionTariff", transactionId=transaction_id, tariff=pounds)
            assert answer == {"status": "NoCurrencyChange"}

    play(scenario())


def test_tariff_of_the_driver_comes_with_the_authorization() -> None:
    async def scenario() -> None:
        answer = {"idTokenInfo": {"status": "Accepted"}, "tariff": TARIFF}
        async with csms(V21, script={"Authorize": [answer]}) as server, station(server) as cp:
            await cp.authorize("TAG1")
            await cp.start(1, "TAG1")
            assert server.events()[0]["transactionInfo"]["tariffId"] == "DAY"
            listed = await server.ask("GetTariffs", evseId=1)
            assert listed["tariffAssignments"][0]["idTokens"] == ["TAG1"]

    play(scenario())


@pytest.mark.parametrize(
    ("limit", "trigger"),
    [
        ({"maxEnergy": 1000.0}, "EnergyLimitReached"),
        ({"maxTime": 60}, "TimeLimitReached"),
        ({"maxCost": 1.2}, "CostLimitReached"),
    ],
)
def test_limit_of_the_transaction_is_acknowledged_and_ends_it(limit: dict[str, Any], trigger: str) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        script: dict[str, Any] = {
            "TransactionEvent": [{"idTokenInfo": {"status": "Accepted"}, "transactionLimit": limit}]
        }
        async with csms(V21, script=script) as server, station(server, clock=clock) as cp:
            await server.ask("SetDefaultTariff", evseId=0, tariff=TARIFF)
            await cp.start(1, "TAG1")
            await server.until(lambda: any(each["triggerReason"] == "LimitSet" for each in server.events()))
            (told,) = [each for each in server.events() if "transactionLimit" in each["transactionInfo"]]
            assert told["transactionInfo"]["transactionLimit"] == limit
            clock.advance(90)
            await cp.meter(1, wh=1000)
            ended = await server.event("Ended")
            assert ended["triggerReason"] == trigger

    play(scenario())


# ---------------------------------------------------------------- smart charging
def test_priority_needs_a_profile_and_lifts_the_limit() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            session = await cp.start(1, "TAG1")
            ask, wanted = server.ask, {"transactionId": session.transaction_id, "activate": True}
            await ask("SetChargingProfile", evseId=1, chargingProfile=PROFILE)
            assert await ask("UsePriorityCharging", **wanted) == {"status": "NoProfile"}
            high = [{**SCHEDULE, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000.0}]}]
            priority = {
                **PROFILE,
                "id": 5,
                "chargingProfilePurpose": "PriorityCharging",
                "chargingSchedule": high,
            }
            await ask("SetChargingProfile", evseId=1, chargingProfile=priority)
            assert cp.limit_w(cp.connectors[1]) == 4000
            assert await ask("UsePriorityCharging", **wanted) == {"status": "Accepted"}
            assert cp.limit_w(cp.connectors[1]) == 11000
            await cp.use_priority(str(session.transaction_id), activated=False)
            assert (await server.arrived("NotifyPriorityCharging")).payload["activated"] is False

    play(scenario())


def test_dynamic_schedule_is_updated_and_pulled() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms(V21) as server, station(server, clock=clock) as cp:
            await cp.start(1, "TAG1")
            dynamic = {**PROFILE, "chargingProfileKind": "Dynamic", "dynUpdateInterval": 60}
            await server.ask("SetChargingProfile", evseId=1, chargingProfile=dynamic)
            answer = await server.ask(
                "UpdateDynamicSchedule", chargingProfileId=1, scheduleUpdate={"limit": 2300.0}
            )
            assert answer == {"status": "Accepted"}
            assert cp.limit_w(cp.connectors[1]) == 2300
            unknown = await server.ask(
                "UpdateDynamicSchedule", chargingProfileId=9, scheduleUpdate={"limit": 1.0}
            )
            assert unknown["status"] == "Rejected"
            assert await clock.fire("dynamic") == 60
            await server.arrived("PullDynamicScheduleUpdate")
            await server.ask("GetLocalListVersion")
            assert cp.limit_w(cp.connectors[1]) == 1380

    play(scenario())


def test_signal_of_the_grid_needs_a_profile_for_it() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            signal = {"timestamp": "2026-03-01T12:00:00Z", "signal": 7}
            assert (await server.ask("AFRRSignal", **signal))["status"] == "Rejected"
            period = {"startPeriod": 0, "operationMode": "LocalFrequency"}
            schedule = [{**SCHEDULE, "chargingSchedulePeriod": [period]}]
            profile = {**PROFILE, "chargingSchedule": schedule}
            await server.ask("SetChargingProfile", evseId=1, chargingProfile=profile)
            assert await server.ask("AFRRSignal", **signal) == {"status": "Accepted"}
            assert cp.afrr == 7

    play(scenario())


def test_allowed_energy_transfer_is_for_a_transaction() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            session = await cp.start(1, "TAG1")
            for transaction_id, status in ((session.transaction_id, "Accepted"), ("other", "Rejected")):
                answer = await server.ask(
                    "NotifyAllowedEnergyTransfer",
                    transactionId=transaction_id,
                    allowedEnergyTransfer=["AC_BPT"],
                )
                assert answer["status"] == status

    play(scenario())


# ---------------------------------------------------------------- DER
def curve(number: str, priority: int, **more: Any) -> dict[str, Any]:
    form = {"curveData": [{"x": 50.2, "y": 100.0}], "priority": priority, "yUnit": "PctMaxW", **more}
    return {"isDefault": False, "controlId": number, "controlType": "FreqWatt", "curve": form}


def test_der_controls_supersede_are_reported_and_cleared() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server):
            ask = server.ask
            assert await ask("SetDERControl", **curve("A", 5)) == {"status": "Accepted"}
            assert await ask("SetDERControl", **curve("B", 1)) == {
                "status": "Accepted",
                "supersededIds": ["A"],
            }
            gradients = {"priority": 0, "gradient": 5.0, "softGradient": 2.0}
            await ask(
                "SetDERControl", isDefault=True, controlId="C", controlType="Gradients", gradient=gradients
            )
            assert await ask("GetDERControl", requestId=4) == {"status": "Accepted"}
            await server.arrived("ReportDERControl", 3)
            rows = [call.payload for call in server.named("ReportDERControl")]
            assert [row["curve"][0]["isSuperseded"] for row in rows[:2]] == [True, False]
            assert rows[2]["gradient"] == [{"id": "C", "gradient": gradients}]
            cleared = await ask("ClearDERControl", isDefault=False, controlId="A")
            assert cleared == {"status": "Accepted"}
            assert await ask("GetDERControl", requestId=5, controlId="A") == {"status": "NotFound"}
            lacking = await ask("SetDERControl", isDefault=True, controlId="D", controlType="FixedVar")
            assert lacking["status"] == "Rejected"

    play(scenario())


def test_der_control_that_begins_later_says_so_and_alarms_are_told() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms(V21) as server, station(server, clock=clock) as cp:
            later = curve("A", 1, startTime="2026-03-01T12:10:00Z", duration=60.0)
            await server.ask("SetDERControl", **later)
            assert await clock.fire("der") == 600
            assert (await server.arrived("NotifyDERStartStop")).payload["started"] is True
            await energy.raise_alarm(cp, "LVMustTrip", "UnderVoltage")
            alarm = await server.arrived("NotifyDERAlarm")
            assert alarm.payload["gridEventFault"] == "UnderVoltage"

    play(scenario())


# ---------------------------------------------------------------- streams
def test_stream_is_opened_sent_adjusted_and_closed() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms(V21) as server, station(server, clock=clock) as cp:
            ask = server.ask
            assert await ask("GetPeriodicEventStream") == {}
            row = monitor("Periodic", 10, periodicEventStream={"values": 2})
            await ask("SetVariableMonitoring", setMonitoringData=[row])
            opened = await server.arrived("OpenPeriodicEventStream")
            data = opened.payload["constantStreamData"]
            assert data == {"id": 1, "params": {"values": 2}, "variableMonitoringId": 2}
            await ask("GetLocalListVersion")
            cp.device.put(Component("EVSE", evse=1), "Power", "400")
            await clock.fire("monitor")
            await clock.fire("monitor")
            await server.until(lambda: len(server.sends) == 1)
            assert server.sends[0].payload["data"] == [{"t": 0.0, "v": "400"}, {"t": 10.0, "v": "400"}]
            assert server.named("NotifyEvent") == []
            assert await ask("AdjustPeriodicEventStream", id=1, params={"interval": 60}) == {
                "status": "Accepted"
            }
            listed = await ask("GetPeriodicEventStream")
            assert listed["constantStreamData"][0]["params"] == {"interval": 60}
            assert (await ask("AdjustPeriodicEventStream", id=9, params={}))["status"] == "Rejected"
            await ask("ClearVariableMonitoring", id=[2])
            assert (await server.arrived("ClosePeriodicEventStream")).payload == {"id": 1}

    play(scenario())


# ---------------------------------------------------------------- others
def test_battery_swap_goes_in_and_out() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms(V21) as server, station(server, clock=clock) as cp:
            answer = await server.ask("RequestBatterySwap", idToken=TOKEN, requestId=3)
            assert answer == {"status": "Accepted"}
            await clock.fire("swap")
            await server.arrived("BatterySwap", 2)
            assert [call.payload["eventType"] for call in server.named("BatterySwap")] == [
                "BatteryIn",
                "BatteryOut",
            ]
            await clock.fire("swap")
            await server.ask("GetLocalListVersion")
            assert cp.device.value("BatterySwapCtrlr", "NumberOfSwaps") == "1"

    play(scenario())


def test_payment_is_settled_and_a_vat_number_checked() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server) as cp:
            assert await server.ask("NotifyWebPaymentStarted", evseId=1, timeout=60) == {}
            assert cp.web_payments == {1: 60}
            session = cp.session_of(cp.connectors[1])
            assert session is None
            await cp.start(1, "TAG1")
            running_now = cp.session_of(cp.connectors[1])
            assert running_now is not None
            receipt = await cp.settle_payment(running_now, 12.5, psp_ref="PSP-1")
            assert receipt == {"receiptUrl": "https://pay.example.org/1"}
            assert (await cp.validate_vat("DE123456789", evse=1))["status"] == "Accepted"

    play(scenario())


def test_reset_with_resume_goes_on_with_the_transaction() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with csms(V21) as server, running(server, clock=clock) as cp:
            session = await cp.start(1, "TAG1")
            assert await server.ask("Reset", type="ImmediateAndResume") == {"status": "Accepted"}
            await clock.fire("reset")
            await clock.fire("reconnect")
            await server.until(lambda: server.events()[-1]["triggerReason"] == "TxResumed")
            assert server.events("Ended") == []
            assert cp.connectors[1].session is session

    play(scenario())


def test_custom_trigger_is_known_or_not() -> None:
    async def scenario() -> None:
        async with csms(V21) as server, station(server):
            ask = server.ask
            unknown = await ask("TriggerMessage", requestedMessage="CustomTrigger", customTrigger="Other")
            assert unknown == {"status": "NotImplemented"}
            await ask("TriggerMessage", requestedMessage="CustomTrigger", customTrigger="Temperature")
            event = await server.arrived("NotifyEvent")
            assert event.payload["eventData"][0]["severity"] == 9

    play(scenario())


def test_unusable_answer_is_told_with_a_frame_of_its_own() -> None:
    async def scenario() -> None:
        script: dict[str, Any] = {"Authorize": [{"idTokenInfo": {"status": "Perhaps"}}]}
        async with csms(V21, script=script) as server:
            cp = new_charge_point(server, {}, clock=ManualClock())
            await cp.connect()
            await cp.boot()
            await cp.authorize("TAG1")
            await server.until(lambda: len(server.result_errors) == 1)
            error = server.result_errors[0]
            assert error.message_id == server.named("Authorize")[0].message_id
            assert error.code == "PropertyConstraintViolation"
            assert cp.stats.errors == {"invalid_answer:Authorize": 1}
            await cp.close()

    play(scenario())
