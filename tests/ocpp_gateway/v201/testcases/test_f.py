"""Test cases of block F: remote control (2.0.1 part 6 §3.7)."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import IdToken
from chargepoints.choices import CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, StatusReport
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Order, event, meter, moment, session, status
from tests.ocpp_gateway.v201.helpers import token as said_token


def remote_event(kind: str, seq: int, order: Order, token: IdToken, **more: Any) -> dict[str, Any]:
    """An event that a remote start has brought (F01.FR.25)."""
    number = {"remoteStartId": order.payload["remoteStartId"]}
    return event(kind, seq, trigger="RemoteStart", info=number, idToken=said_token(token.value), **more)


ACCEPTED, REJECTED = CommandStatus.ACCEPTED, CommandStatus.REJECTED


@pytest.mark.testcase("TC_F_01_CSMS")
def test_tc_f_01_remote_start_with_the_cable_plugged_in(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """Remote start transaction - Cable plugin first (F01.FR.04, .25): the answer names the session"""
    order = csms.order(charge_point, "remote_start", {"id_token": token.value, "connector": 1})
    assert order.action == "RequestStartTransaction"
    assert order.payload == {
        "idToken": {"idToken": token.value, "type": "ISO14443"},
        "evseId": 1,
        "remoteStartId": order.command.pk,
    }
    command = order.answer(status="Accepted", transactionId="tx-1")
    assert command.status == ACCEPTED
    assert "session tx-1" in command.summary
    assert command.request is not None
    assert command.request["remoteStartId"] == command.pk
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1))
    csms.send(charge_point, "TransactionEvent", remote_event("Updated", 1, order, token))
    assert (session().remote_start, session().id_token) == (command, token)


@pytest.mark.testcase("TC_F_02_CSMS")
def test_tc_f_02_remote_start_first_and_the_charger_asks(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """Remote start transaction - Remote start first - AuthorizeRemoteStart is true (F02.FR.01, F01.FR.01)"""
    order = csms.order(charge_point, "remote_start", {"id_token": token.value})
    assert "evseId" not in order.payload
    assert order.answer(status="Accepted").status == ACCEPTED
    answer = csms.send(charge_point, "Authorize", {"idToken": order.payload["idToken"]})
    assert answer["idTokenInfo"]["status"] == "Accepted"
    csms.send(charge_point, "TransactionEvent", remote_event("Started", 0, order, token, evse=1))
    assert session().remote_start == order.command


@pytest.mark.testcase("TC_F_03_CSMS", "TC_F_04_CSMS")
def test_tc_f_03_tc_f_04_remote_start_first(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """Remote start first - AuthorizeRemoteStart is false; - Cable plugin timeout: each start has its own number"""
    orders = []
    for _ in range(2):
        orders.append(csms.order(charge_point, "remote_start", {"id_token": token.value}))
        assert orders[-1].payload["idToken"] == {"idToken": token.value, "type": "ISO14443"}
        assert orders[-1].answer(status="Accepted").status == ACCEPTED
    assert len({order.payload["remoteStartId"] for order in orders}) == 2
    csms.send(charge_point, "TransactionEvent", remote_event("Started", 0, orders[0], token, evse=1))
    csms.send(charge_point, "TransactionEvent", event("Updated", 1, trigger="EVConnectTimeout"))
    assert session().remote_start == orders[0].command


def test_remote_start_says_profile_and_group(csms: Csms, charge_point: ChargePoint) -> None:
    """F01.FR.08, .11: a profile for this session only; F01.FR.22: the group of a reservation"""
    profile: dict[str, Any] = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
            }
        ],
    }
    given = {
        "id_token": "1234",
        "id_token_type": "KeyCode",
        "parent_id_token": "G",
        "charging_profile": profile,
    }
    order = csms.order(charge_point, "remote_start", given)
    assert order.payload["idToken"] == {"idToken": "1234", "type": "KeyCode"}
    assert order.payload["groupIdToken"] == {"idToken": "G", "type": "Central"}
    assert order.payload["chargingProfile"] == profile
    with pytest.raises(InvalidPayload, match="none yet"):
        csms.order(
            charge_point,
            "remote_start",
            {**given, "charging_profile": {**profile, "transactionId": "tx-1"}},
        )


def test_remote_stop_names_the_session(csms: Csms, charge_point: ChargePoint) -> None:
    """F03.FR.01, F04.FR.01; a charger that knows no such session rejects (F03.FR.07)"""
    order = csms.order(charge_point, "remote_stop", {"transaction_id": "tx-1"})
    assert (order.action, order.payload) == ("RequestStopTransaction", {"transactionId": "tx-1"})
    command = order.answer(status="Rejected")
    assert (command.status, command.summary) == (
        REJECTED,
        "The charger knows no running session with this id.",
    )


@pytest.mark.testcase("TC_F_06_CSMS")
@pytest.mark.parametrize("within", [None, 2])
def test_tc_f_06_unlock_connector(csms: Csms, charge_point: ChargePoint, within: int | None) -> None:
    """Remote unlock Connector - Without ongoing transaction - Accepted"""
    order = csms.order(charge_point, "unlock_connector", {"connector": 1, "within": within})
    assert (order.action, order.payload) == ("UnlockConnector", {"evseId": 1, "connectorId": within or 1})
    assert order.answer(status="Unlocked").status == ACCEPTED


@pytest.mark.parametrize("status", ["UnlockFailed", "OngoingAuthorizedTransaction", "UnknownConnector"])
def test_unlock_that_is_refused_is_explained(csms: Csms, charge_point: ChargePoint, status: str) -> None:
    """F05.FR.02, .03, .06"""
    command = csms.order(charge_point, "unlock_connector", {"connector": 1}).answer(status=status)
    assert command.status == REJECTED
    assert command.summary


def test_verbatim_start_brings_its_session_as_well(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """Its own number names it."""
    raw = {"idToken": said_token(token.value), "remoteStartId": 4711}
    order = csms.order(charge_point, "RequestStartTransaction", raw)
    order.answer(status="Accepted")
    csms.send(charge_point, "TransactionEvent", remote_event("Started", 0, order, token, evse=1))
    assert session().remote_start == order.command


TRIGGERED = event(
    "Updated", 4, moment(5, context="Trigger"), trigger="Trigger", info={"chargingState": "Charging"}
)
# case, message, EVSE, what is sent, the charger's message
TRIGGERS: list[tuple[str, str, int | None, dict[str, Any] | None, tuple[str, dict[str, Any]] | None]] = [
    ("TC_F_11_CSMS", "MeterValues", 1, {"id": 1}, ("MeterValues", meter(moment(5, context="Trigger")))),
    ("TC_F_12_CSMS", "MeterValues", None, None, ("MeterValues", meter(moment(5, context="Trigger"), evse=2))),
    ("TC_F_13_CSMS", "TransactionEvent", 1, {"id": 1}, ("TransactionEvent", TRIGGERED)),
    ("TC_F_14_CSMS", "TransactionEvent", None, None, ("TransactionEvent", TRIGGERED)),
    ("TC_F_20_CSMS", "Heartbeat", None, None, ("Heartbeat", {})),
    (
        "TC_F_23_CSMS",
        "StatusNotification",
        1,
        {"id": 1, "connectorId": 1},
        ("StatusNotification", status(1, "Available")),
    ),
    (
        "TC_F_24_CSMS",
        "StatusNotification",
        1,
        {"id": 1, "connectorId": 1},
        ("StatusNotification", status(1, "Occupied")),
    ),
    (
        "TC_F_18_CSMS",
        "FirmwareStatusNotification",
        None,
        None,
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ),
    (
        "TC_F_15_CSMS",
        "LogStatusNotification",
        None,
        None,
        ("LogStatusNotification", {"status": "Idle"}),
    ),
]


@pytest.mark.parametrize(
    ("message", "evse", "said", "comes"),
    [pytest.param(*case[1:], marks=pytest.mark.testcase(case[0]), id=case[0]) for case in TRIGGERS],
)
def test_tc_f_11_to_24_trigger_message(
    csms: Csms,
    charge_point: ChargePoint,
    message: str,
    evse: int | None,
    said: dict[str, Any] | None,
    comes: tuple[str, dict[str, Any]] | None,
) -> None:
    """Trigger message - … (F06.FR.01, .02, .13)"""
    order = csms.order(charge_point, "trigger_message", {"message": message, "connector": evse})
    expected = {"requestedMessage": message, **({"evse": said} if said else {})}
    assert (order.action, order.payload) == ("TriggerMessage", expected)
    assert order.answer(status="Accepted").status == ACCEPTED
    if comes is not None:
        csms.send(charge_point, *comes)


def test_idle_firmware_is_kept_without_a_request(csms: Csms, charge_point: ChargePoint) -> None:
    """TC_F_18: a charger that does nothing names no request (L01.FR.20)"""
    csms.send(charge_point, "FirmwareStatusNotification", {"status": "Idle"})
    report = StatusReport.objects.get(charge_point=charge_point)
    assert (report.kind, report.status, report.request_id) == ("firmware", "Idle", None)


@pytest.mark.testcase("TC_F_27_CSMS")
def test_tc_f_27_trigger_that_is_not_implemented(csms: Csms, charge_point: ChargePoint) -> None:
    """Trigger message - NotImplemented (F06.FR.08)"""
    order = csms.order(charge_point, "trigger_message", {"message": "TransactionEvent"})
    command = order.answer(status="NotImplemented")
    assert command.status == CommandStatus.NOT_SUPPORTED
    assert command.summary == "The charger cannot send this message on request."


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"message": "StatusNotification"}, "one connector at a time"),
        ({"message": "SignV2G20Certificate"}, "OCPP 2.0.1 knows no SignV2G20Certificate"),
        ({"message": "CustomTrigger", "custom_trigger": "x"}, "OCPP 2.0.1 knows no CustomTrigger"),
        ({"message": "BootNotification"}, "may not be asked for another one"),
    ],
)
def test_trigger_that_cannot_be_said_is_refused_before_it_is_queued(
    csms: Csms, charge_point: ChargePoint, payload: dict[str, Any], problem: str
) -> None:
    """F06.FR.13, .17"""
    ChargePoint.objects.filter(pk=charge_point.pk).update(accepted_at=csms.now)
    with pytest.raises(InvalidPayload, match=problem):
        csms.order(charge_point, "trigger_message", payload)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("SignedFirmwareStatusNotification", "FirmwareStatusNotification"),
        ("DiagnosticsStatusNotification", "LogStatusNotification"),
        ("SignCertificate", "SignChargingStationCertificate"),
    ],
)
def test_messages_of_ours_have_their_names_here(
    csms: Csms, charge_point: ChargePoint, message: str, named: str
) -> None:
    """One command of ours for all versions."""
    order = csms.order(charge_point, "trigger_message", {"message": message})
    assert order.payload == {"requestedMessage": named}


def test_custom_trigger_of_2_1(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1 F06.FR.18: the name of a custom trigger"""
    given = {"message": "CustomTrigger", "custom_trigger": "SendDoorState"}
    order = csms21.order(charge_point, "trigger_message", given)
    assert order.payload == {"requestedMessage": "CustomTrigger", "customTrigger": "SendDoorState"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"ongoingIndicator": True, "messagesInQueue": True}, "The session goes on. The charger still holds"),
        ({"ongoingIndicator": False, "messagesInQueue": False}, "The session has ended. All was delivered."),
    ],
)
def test_status_of_a_session_is_told_in_words(
    csms: Csms, charge_point: ChargePoint, answer: dict[str, Any], words: str
) -> None:
    """E14.FR.01 to .05"""
    order = csms.order(charge_point, "get_transaction_status", {"transaction_id": "tx-1"})
    assert (order.action, order.payload) == ("GetTransactionStatus", {"transactionId": "tx-1"})
    command = order.answer(answer)
    assert command.status == ACCEPTED
    assert command.summary.startswith(words)
    assert command.response == answer


def test_whether_anything_is_queued_is_asked_without_a_session(csms: Csms, charge_point: ChargePoint) -> None:
    """E14.FR.06 to .08"""
    order = csms.order(charge_point, "get_transaction_status")
    assert order.payload == {}
    assert order.answer(messagesInQueue=True).summary == "The charger still holds messages."


def test_types_of_2_1_are_any_text(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1: a type is an open word of up to 20 characters, and a token has up to 255"""
    given = {"id_token": "x" * 255, "id_token_type": "HouseNumber"}
    order = csms21.order(charge_point, "remote_start", given)
    assert order.payload["idToken"] == said_token("x" * 255, "HouseNumber")


def test_token_that_the_version_cannot_say_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    """2.0.1: 36 characters, eight types"""
    for given in ({"id_token": "x" * 37}, {"id_token": "a", "id_token_type": "HouseNumber"}):
        with pytest.raises(InvalidPayload, match="does not fit into RequestStartTransaction"):
            csms.order(charge_point, "remote_start", given)
