"""Frames of 2.x that no library sends: types 5 and 6, newer codes, events in any order (part 4 §4)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from chargepoints.models import ChargePoint, OcppMessage
from ocpp_gateway.wire.errors import V16, V21, V201
from tests.e2e.conftest import open_charger, order, register_tag, wait_ended
from tests.e2e.product import Product, wait_until
from tests.factories import T0
from transactions.models import Transaction

pytestmark = pytest.mark.server

NOW = "2026-03-02T10:00:00Z"
HEARTBEAT: dict[str, Any] = {}
STREAM = {
    "id": 5,
    "pending": 0,
    "basetime": NOW,
    "data": [{"t": 0.0, "v": "12.5"}, {"t": 1.0, "v": "12.6"}],
}


@pytest.mark.parametrize("version", [V201, V21])
def test_text_without_an_id_is_answered_as_rpc_framework_error(product: Product, version: str) -> None:
    with open_charger(product, f"RPC-{version}", version=version) as charger:
        for text in ("nonsense", "{}", "[2]", "[]", '[2,5.5,"Heartbeat",{}]'):
            charger.send(text)
            answer = charger.receive()
            assert answer[:3] == [4, "-1", "RpcFrameworkError"]
            assert "nonsense" not in str(answer)
        assert charger.call("Heartbeat", {})["currentTime"].endswith("Z")


def test_unknown_message_type_is_answered_in_2_0_1_and_ignored_in_2_1(product: Product) -> None:
    with open_charger(product, "TYPE-201", version=V201) as charger:
        charger.send([9, "m9", "Heartbeat", {}])
        assert charger.receive()[:3] == [4, "m9", "MessageTypeNotSupported"]
        assert charger.ask("Heartbeat", {})[0] == 3
    with open_charger(product, "TYPE-21", version=V21) as charger:
        charger.send([9, "m9", "Heartbeat", {}])
        assert charger.ask("Heartbeat", {}, message_id="after")[:2] == [3, "after"]


@pytest.mark.parametrize("version", [V16, V201])
def test_types_5_and_6_are_ignored_before_2_1(product: Product, version: str) -> None:
    with open_charger(product, f"OLD-{version}", version=version) as charger:
        charger.send([5, "m5", "GenericError", "", {}])
        charger.send([6, "m6", "NotifyPeriodicEventStream", STREAM])
        assert charger.ask("Heartbeat", {}, message_id="after")[:2] == [3, "after"]


def test_send_is_stored_and_never_answered(product: Product) -> None:
    with open_charger(product, "SEND-21", version=V21) as charger:
        charger.send([6, "s1", "NotifyPeriodicEventStream", STREAM])
        charger.send([6, "s2", "NotifyPeriodicEventStream", {"id": "wrong"}])
        charger.send([6, "s3", "NoSuchAction", {}])
        charger.send([6, "s4"])
        assert charger.ask("Heartbeat", {}, message_id="after")[:2] == [3, "after"]
    wait_until(
        lambda: OcppMessage.objects.filter(
            charge_point__identity="SEND-21", action="NotifyPeriodicEventStream"
        ).exists(),
        "the stream stands in the message log",
    )


def test_result_error_is_taken_and_never_answered(product: Product) -> None:
    with open_charger(product, "RESULT-ERROR-21", version=V21) as charger:
        charger.ask("Heartbeat", {}, message_id="asked")
        charger.send([5, "asked", "FormatViolation", "currentTime is no time", {}])
        charger.send([5, "never asked", "x" * 300, None, "text"])
        charger.send([5])
        assert charger.ask("Heartbeat", {}, message_id="after")[:2] == [3, "after"]


@pytest.mark.parametrize("version", [V201, V21])
@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("NoSuchAction", {}, "NotImplemented"),
        ("RequestStartTransaction", {}, "NotSupported"),
        ("StatusNotification", {"timestamp": NOW}, "OccurrenceConstraintViolation"),
        (
            "StatusNotification",
            {"timestamp": NOW, "connectorStatus": "Open", "evseId": 1, "connectorId": 1},
            "PropertyConstraintViolation",
        ),
        (
            "StatusNotification",
            {"timestamp": NOW, "connectorStatus": "Available", "evseId": {}, "connectorId": 1},
            "TypeConstraintViolation",
        ),
    ],
)
def test_call_that_cannot_be_served_has_the_code_of_2_x(
    product: Product, version: str, action: str, payload: dict[str, Any], code: str
) -> None:
    identity = f"CODE-{version}-{action}-{code}"[:48]
    with open_charger(product, identity, version=version) as charger:
        answer = charger.ask(action, payload)
        assert (answer[0], answer[2]) == (4, code)
        assert len(answer) == 5
        assert charger.ask("Heartbeat", {})[0] == 3


@pytest.mark.parametrize("version", [V201, V21])
def test_before_acceptance_everything_else_is_a_security_error(product: Product, version: str) -> None:
    """B02.FR.09, TC_B_30"""
    with open_charger(product, f"EARLY-{version}", version=version, boot=False) as charger:
        answer = charger.ask(
            "StatusNotification",
            {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        )
        assert answer[:1] + answer[2:3] == [4, "SecurityError"]
        assert charger.boot()["status"] == "Accepted"


@pytest.mark.parametrize("code", ["NotImplemented", "RpcFrameworkError", "MessageTypeNotSupported", "Odd"])
def test_call_error_of_a_charger_ends_the_command_with_its_code(product: Product, code: str) -> None:
    identity = f"REFUSES-{code}"
    with open_charger(product, identity, version=V201) as charger:
        command = order(identity, "clear_cache")
        sent = charger.receive()
        assert sent[2] == "ClearCache"
        charger.send([4, sent[1], code, "not today", {}])
        ended = wait_ended(command)
        assert ended.status == ("not_supported" if code == "NotImplemented" else "failed")


# ---------------------------------------------------------------- events in every order
def event(kind: str, seq_no: int, trigger: str, wh: float, **info: Any) -> dict[str, Any]:
    at = T0.replace(minute=seq_no * 10).isoformat()
    reading = {"value": wh, "context": {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind)}
    sample = {name: value for name, value in reading.items() if value is not None}
    return {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "", **info},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [sample]}],
    }


def chain(tag: str) -> list[dict[str, Any]]:
    token = {"idToken": {"idToken": tag, "type": "ISO14443"}}
    return [
        {**event("Started", 0, "Authorized", 1000.0), **token},
        event("Updated", 1, "ChargingStateChanged", 1000.0, chargingState="Charging"),
        event("Updated", 2, "MeterValuePeriodic", 1700.0, chargingState="Charging"),
        {**event("Ended", 3, "StopAuthorized", 2500.0, stoppedReason="Local"), **token},
    ]


def state_of(session: Transaction) -> tuple[Any, ...]:
    return (
        session.state,
        session.started_at,
        session.ended_at,
        session.meter_start_wh,
        session.meter_stop_wh,
        session.energy_wh,
        session.stop_reason,
        session.id_token_value,
        session.connector_number,
        session.events.count(),
        session.meter_values.count(),
    )


@pytest.mark.parametrize("version", [V201, V21])
def test_events_in_every_order_give_the_same_session(product: Product, version: str) -> None:
    """24 orders of four events, each of them once more at the end: one session each, all the same."""
    register_tag(f"ORDER-TAG-{version}")
    identity = f"ORDER-{version}"
    with open_charger(product, identity, version=version) as charger:
        for number, events in enumerate(permutations(chain(f"ORDER-TAG-{version}"))):
            for payload in [*events, events[0]]:
                info = {**payload["transactionInfo"], "transactionId": f"T{number}"}
                answer = charger.call("TransactionEvent", {**payload, "transactionInfo": info})
                assert ("idTokenInfo" in answer) == ("idToken" in payload)
    charge_point = ChargePoint.objects.get(identity=identity)
    sessions = list(Transaction.objects.filter(charge_point=charge_point).select_related("connector"))
    assert len(sessions) == 24
    assert len({state_of(session) for session in sessions}) == 1, {state_of(each) for each in sessions}
    assert sessions[0].energy_wh == 1500
