"""The CSMS test cases of functional block O, display messages (OCPP 2.0.1 part 6 §3.16)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chargepoints.choices import CommandStatus, ReadingState, ShownState
from chargepoints.models import ChargePoint, DisplayReading, ShownMessage
from ocpp_gateway.wire.timestamps import format_timestamp
from tests.factories import T0, TransactionFactory
from tests.ocpp_gateway.v201.helpers import Csms, Order, Payload

LATER = T0 + timedelta(days=400)


def show(csms: Csms, cp: ChargePoint, **more: Any) -> Order:
    """SetDisplayMessageRequest, as our command has it."""
    return csms.order(cp, "set_display_message", {"content": "Welcome", **more})


def info(number: int, **more: Any) -> Payload:
    """MessageInfoType of a message as a charger reports it."""
    return {
        "id": number,
        "priority": "NormalCycle",
        "message": {"format": "UTF8", "content": "Welcome"},
        **more,
    }


def start(cp: ChargePoint) -> None:
    """The state EnergyTransferStarted."""
    TransactionFactory(connector=cp.connectors.get(ocpp_number=1), ocpp_id="tx-1")


def row(number: int) -> ShownMessage:
    return ShownMessage.objects.get(number=number)


@pytest.mark.testcase("TC_O_01_CSMS", "TC_O_25_CSMS")
@pytest.mark.parametrize("state", ["Charging", "Faulted", "Idle", "Unavailable"])
def test_tc_o_01_and_25_set_display_message(csms: Csms, charge_point: ChargePoint, state: str) -> None:
    """Set Display Message - Success; Send Specific state.  O01.FR.04"""
    order = show(csms, charge_point, state=state, priority="InFront", format="ASCII")
    message = order.payload["message"]
    command = order.answer(status="Accepted")

    assert order.action == "SetDisplayMessage"
    assert message == {
        "id": message["id"],
        "priority": "InFront",
        "state": state,
        "message": {"format": "ASCII", "content": "Welcome"},
    }
    assert command.status == CommandStatus.ACCEPTED
    assert row(message["id"]).status == ShownState.HELD


@pytest.mark.testcase("TC_O_02_CSMS")
def test_tc_o_02_get_all_display_messages(csms: Csms, charge_point: ChargePoint) -> None:
    """Get all Display Messages - Success.  O03.FR.03, O03.FR.04"""
    show(csms, charge_point, message_id=7).answer(status="Accepted")
    order = csms.order(charge_point, "get_display_messages")
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    for part, tbc in ((info(7), True), (info(8), False)):
        answer = csms.send(
            charge_point,
            "NotifyDisplayMessages",
            {"requestId": number, "messageInfo": [part], **({"tbc": True} if tbc else {})},
        )
        assert answer == {}

    assert order.payload == {"requestId": number}
    assert DisplayReading.objects.get().status == ReadingState.COMPLETE
    assert (row(7).status, row(8).status) == (ShownState.HELD, ShownState.FOREIGN)


@pytest.mark.testcase("TC_O_03_CSMS")
def test_tc_o_03_no_display_messages(csms: Csms, charge_point: ChargePoint) -> None:
    """Get all Display Messages - No DisplayMessages configured"""
    show(csms, charge_point, message_id=7).answer(status="Accepted")
    order = csms.order(charge_point, "get_display_messages")
    csms.now += timedelta(seconds=1)
    command = order.answer(status="Unknown")

    assert (command.status, command.summary) == ("accepted", "The charger holds no such messages.")
    assert DisplayReading.objects.get().status == ReadingState.COMPLETE
    assert not ShownMessage.objects.exists()


@pytest.mark.testcase("TC_O_04_CSMS")
def test_tc_o_04_clear_display_message(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Display Message - Success"""
    show(csms, charge_point, message_id=7).answer(status="Accepted")
    order = csms.order(charge_point, "clear_display_message", {"message_id": 7})
    order.answer(status="Accepted")

    assert (order.action, order.payload) == ("ClearDisplayMessage", {"id": 7})
    assert not ShownMessage.objects.exists()


@pytest.mark.testcase("TC_O_05_CSMS")
def test_tc_o_05_clear_unknown_display_message(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Display Message - Unknown Key"""
    command = csms.order(charge_point, "clear_display_message", {"message_id": 9}).answer(status="Unknown")

    assert command.status == CommandStatus.REJECTED
    assert command.summary == "The charger has no message of this number."


@pytest.mark.testcase("TC_O_06_CSMS")
def test_tc_o_06_message_for_a_transaction(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Display Message - Specific transaction - Success"""
    start(charge_point)
    order = show(csms, charge_point, transaction_id="tx-1", priority="AlwaysFront")
    order.answer(status="Accepted")

    message = order.payload["message"]
    assert (message["transactionId"], message["priority"]) == ("tx-1", "AlwaysFront")
    assert row(message["id"]).sent["transaction_id"] == "tx-1"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param({"message_ids": ["7"]}, {"id": [7]}, marks=pytest.mark.testcase("TC_O_07_CSMS")),
        pytest.param(
            {"priority": "InFront"}, {"priority": "InFront"}, marks=pytest.mark.testcase("TC_O_08_CSMS")
        ),
        pytest.param({"state": "Idle"}, {"state": "Idle"}, marks=pytest.mark.testcase("TC_O_09_CSMS")),
    ],
    ids=["tc_o_07_id", "tc_o_08_priority", "tc_o_09_state"],
)
def test_tc_o_07_to_09_get_specific_display_messages(
    csms: Csms, charge_point: ChargePoint, given: Payload, asked: Payload
) -> None:
    """Get a Specific Display Message - Id, Priority, State: what is not told may be there all the same."""
    show(csms, charge_point, message_id=7).answer(status="Accepted")
    show(csms, charge_point, message_id=8).answer(status="Accepted")
    csms.now += timedelta(minutes=1)
    order = csms.order(charge_point, "get_display_messages", given)
    order.answer(status="Accepted")
    csms.send(
        charge_point,
        "NotifyDisplayMessages",
        {"requestId": order.payload["requestId"], "messageInfo": [info(7)]},
    )

    assert order.payload == {**asked, "requestId": order.payload["requestId"]}
    assert {row(7).status, row(8).status} == {ShownState.HELD}
    assert (row(7).reported_at, row(8).reported_at) == (csms.now, None)


@pytest.mark.testcase("TC_O_10_CSMS")
def test_tc_o_10_unknown_transaction(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Display Message - Specific transaction - UnknownTransaction"""
    start(charge_point)
    order = show(csms, charge_point, transaction_id="tx-2")
    command = order.answer(status="UnknownTransaction")

    assert order.payload["message"]["transactionId"] == "tx-2"
    assert command.status == CommandStatus.REJECTED
    assert command.summary == "The charger does not know this session."
    assert not ShownMessage.objects.exists()


@pytest.mark.testcase("TC_O_11_CSMS")
def test_tc_o_11_unknown_parameters(csms: Csms, charge_point: ChargePoint) -> None:
    """Get a Specific Display Message - Unknown parameters: nothing follows for other messages."""
    show(csms, charge_point, message_id=7).answer(status="Accepted")
    order = csms.order(charge_point, "get_display_messages", {"message_ids": ["99"]})
    order.answer(status="Unknown")

    assert order.payload["id"] == [99]
    assert row(7).status == ShownState.HELD


@pytest.mark.testcase("TC_O_12_CSMS")
def test_tc_o_12_replace_display_message(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Display Message - Replace DisplayMessage"""
    show(csms, charge_point, message_id=7, state="Idle").answer(status="Accepted")
    order = show(csms, charge_point, message_id=7, priority="InFront", content="Closed")
    order.answer(status="Accepted")

    assert (order.payload["message"]["id"], order.payload["message"]["priority"]) == (7, "InFront")
    assert row(7).sent == {"format": "UTF8", "priority": "InFront", "content": "Closed"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param("starts_at", "startDateTime", marks=pytest.mark.testcase("TC_O_13_CSMS")),
        pytest.param("ends_at", "endDateTime", marks=pytest.mark.testcase("TC_O_14_CSMS")),
    ],
    ids=["tc_o_13_start_time", "tc_o_14_end_time"],
)
def test_tc_o_13_and_14_times(csms: Csms, charge_point: ChargePoint, ours: str, theirs: str) -> None:
    """Set Display Message - Display message at StartTime; Remove message after EndTime.  O01.FR.05"""
    order = show(csms, charge_point, **{ours: LATER.isoformat()})
    order.answer(status="Accepted")

    message = order.payload["message"]
    assert message == {**info(message["id"]), theirs: format_timestamp(LATER)}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param("NotSupportedPriority", "priority", marks=pytest.mark.testcase("TC_O_17_CSMS")),
        pytest.param("NotSupportedState", "state", marks=pytest.mark.testcase("TC_O_18_CSMS")),
        pytest.param("NotSupportedMessageFormat", "format", marks=pytest.mark.testcase("TC_O_19_CSMS")),
        pytest.param("Rejected", "does not take", marks=pytest.mark.testcase("TC_O_26_CSMS")),
    ],
    ids=["tc_o_17_priority", "tc_o_18_state", "tc_o_19_format", "tc_o_26_rejected"],
)
def test_tc_o_17_to_19_and_26_refused(csms: Csms, charge_point: ChargePoint, status: str, words: str) -> None:
    """Set Display Message - NotSupportedPriority, NotSupportedState, NotSupportedMessageFormat, Rejected"""
    order = show(csms, charge_point, message_id=7, state="Faulted", priority="NormalCycle", format="HTML")
    command = order.answer(status=status, statusInfo={"reasonCode": "NoDisplay"})

    assert order.payload["message"]["message"]["format"] == "HTML"
    assert command.status == CommandStatus.REJECTED
    assert words in command.summary
    assert "The charger's reason: NoDisplay." in command.summary
    assert not ShownMessage.objects.exists()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param("starts_at", "startDateTime", marks=pytest.mark.testcase("TC_O_27_CSMS")),
        pytest.param("ends_at", "endDateTime", marks=pytest.mark.testcase("TC_O_28_CSMS")),
    ],
    ids=["tc_o_27_start_time", "tc_o_28_end_time"],
)
def test_tc_o_27_and_28_times_for_a_transaction(
    csms: Csms, charge_point: ChargePoint, ours: str, theirs: str
) -> None:
    """Set Display Message - Specific transaction - Display message at StartTime; Remove message after EndTime"""
    start(charge_point)
    order = show(csms, charge_point, transaction_id="tx-1", **{ours: LATER.isoformat()})
    command = order.answer(status="Accepted")

    message = order.payload["message"]
    assert message == {**info(message["id"]), theirs: format_timestamp(LATER), "transactionId": "tx-1"}
    assert command.status == CommandStatus.ACCEPTED
