"""Periodic event streams (2.1 N11 to N15) and what 2.1 changes in monitors."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chargepoints.choices import CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, EventStream, FrameAnomaly, Monitor, StreamValues
from chargepoints.services import event_streams
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms as Csms201
from tests.ocpp_gateway.v201.helpers import Csms21, Payload, clock
from tests.ocpp_gateway.v201.monitoring import monitor, report, set_result

POWER = {"component": "EVSE", "evse": 1, "variable": "Power", "severity": 8}


def constant(number: int = 1, of: int = 5, **params: int) -> Payload:
    """ConstantStreamDataType"""
    return {"id": number, "params": params or {"interval": 60}, "variableMonitoringId": of}


def opening(number: int = 1, of: int = 5, **params: int) -> Payload:
    """OpenPeriodicEventStreamRequest"""
    return {"constantStreamData": constant(number, of, **params)}


def values(*items: tuple[float, str], number: int = 1, pending: int = 0, minutes: float = 0) -> Payload:
    """NotifyPeriodicEventStream"""
    data = [{"t": offset, "v": value} for offset, value in items]
    return {"id": number, "pending": pending, "basetime": clock(minutes=minutes), "data": data}


def send(csms: Csms21, charge_point: ChargePoint, payload: Payload) -> list[Any]:
    """A SEND; all that is sent back, which must be nothing"""
    return csms.text(charge_point, json.dumps([6, "s-1", "NotifyPeriodicEventStream", payload]))


def stream(charge_point: ChargePoint, number: int = 1) -> EventStream:
    """The stream of this number that was opened last"""
    row: EventStream = EventStream.objects.filter(charge_point=charge_point, stream_id=number).latest("pk")
    return row


def test_stream_is_opened_filled_and_closed(csms: Csms21, charge_point: ChargePoint) -> None:
    """N11.FR.04, FR.06, FR.08, N13.FR.02, N15.FR.02, FR.03"""
    csms.send(charge_point, "NotifyMonitoringReport", report(1, wire_monitor(5)))
    assert csms.send(charge_point, "OpenPeriodicEventStream", opening()) == {"status": "Accepted"}
    assert send(csms, charge_point, values((0, "7000"), (1.5, "7100"), pending=3)) == []
    row = stream(charge_point)
    found = event_streams.latest_values(row, count=10)
    assert [(value.at, value.value) for value in found] == [
        (T0, "7000"),
        (T0 + timedelta(seconds=1.5), "7100"),
    ]
    assert event_streams.pending_of(row) == (3, False)
    of = event_streams.monitor_of(row)
    assert of is not None
    assert (of.what, of.severity) == ("AvailabilityState", 8)
    assert csms.send(charge_point, "ClosePeriodicEventStream", {"id": 1}) == {}
    assert stream(charge_point).closed_at == csms.now


def wire_monitor(number: int) -> Payload:
    """VariableMonitoringType of 2.1"""
    return monitor(number, "Periodic", 1, eventNotificationType="PreconfiguredMonitor")


def test_kind_of_a_monitor_is_reported_by_21(csms: Csms21, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "NotifyMonitoringReport", report(1, wire_monitor(5)))
    assert Monitor.objects.get(charge_point=charge_point).kind == "PreconfiguredMonitor"


def test_opening_and_closing_again_changes_nothing(csms: Csms21, charge_point: ChargePoint) -> None:
    for _ in range(2):
        csms.send(charge_point, "OpenPeriodicEventStream", opening(values=10))
    assert EventStream.objects.filter(charge_point=charge_point).count() == 1
    for number in (1, 1, 77):
        assert csms.send(charge_point, "ClosePeriodicEventStream", {"id": number}) == {}


def test_number_that_is_used_again_is_another_stream(csms: Csms21, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "OpenPeriodicEventStream", opening(of=5))
    send(csms, charge_point, values((0, "1")))
    csms.send(charge_point, "OpenPeriodicEventStream", opening(of=6), at=T0 + timedelta(minutes=1))
    csms.now += timedelta(seconds=1)
    send(csms, charge_point, values((0, "2"), minutes=1))
    first, second = EventStream.objects.filter(charge_point=charge_point).order_by("pk")
    assert first.closed_at == T0 + timedelta(minutes=1)
    assert [value.value for value in event_streams.latest_values(first, count=9)] == ["1"]
    assert [value.value for value in event_streams.latest_values(second, count=9)] == ["2"]


def test_streams_without_end_are_refused(
    csms: Csms21, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N11.FR.05"""
    monkeypatch.setattr(event_streams, "MAX_OPEN", 1)
    assert csms.send(charge_point, "OpenPeriodicEventStream", opening(1)) == {"status": "Accepted"}
    assert csms.send(charge_point, "OpenPeriodicEventStream", opening(2)) == {"status": "Rejected"}
    assert csms.send(charge_point, "OpenPeriodicEventStream", opening(1)) == {"status": "Accepted"}


def test_values_of_an_unknown_stream_are_stored_and_not_answered(
    csms: Csms21, charge_point: ChargePoint
) -> None:
    assert send(csms, charge_point, values((0, "1"), number=9)) == []
    assert StreamValues.objects.get(charge_point=charge_point).stream_id == 9


def test_values_that_cannot_be_read_are_kept_and_not_answered(
    csms: Csms21, charge_point: ChargePoint
) -> None:
    """`basetime` is required."""
    payload = values((0, "1"))
    del payload["basetime"]
    assert send(csms, charge_point, payload) == []
    csms.node.writer.flush()
    assert not StreamValues.objects.filter(charge_point=charge_point).exists()
    assert FrameAnomaly.objects.get(charge_point=charge_point).was_served is False


def test_values_are_bounded(csms: Csms21, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "MAX_VALUES", 3)
    items = [(float(number), "x" * 400) for number in range(10)]
    assert send(csms, charge_point, values((1e15, "y"), *items)) == []
    row = StreamValues.objects.get(charge_point=charge_point)
    assert row.length == 2
    assert all(len(text) == event_streams.MAX_VALUE_LENGTH for _, text in json.loads(row.values))


def test_a_message_of_values_reads_nothing(
    csms: Csms21, charge_point: ChargePoint, django_assert_max_num_queries: Any
) -> None:
    send(csms, charge_point, values((0, "1")))
    with django_assert_max_num_queries(7):  # savepoints, values, log, receipt
        send(csms, charge_point, values((0, "1"), minutes=1))


def test_pending_that_grows_is_seen(csms: Csms21, charge_point: ChargePoint) -> None:
    """N15.FR.05"""
    csms.send(charge_point, "OpenPeriodicEventStream", opening())
    for pending in (0, 5, 20):
        send(csms, charge_point, values((0, "1"), pending=pending))
    assert event_streams.pending_of(stream(charge_point)) == (20, True)


# ---------------------------------------------------------------- orders


def test_monitor_with_a_stream_is_set(csms: Csms21, charge_point: ChargePoint) -> None:
    """N11.FR.09"""
    wanted = {**POWER, "type": "Periodic", "value": "1", "stream_interval": 60, "stream_values": 50}
    order = csms.order(charge_point, "set_variable_monitoring", {"monitors": [wanted]})
    (data,) = order.payload["setMonitoringData"]
    assert data["periodicEventStream"] == {"interval": 60, "values": 50}
    order.answer(setMonitoringResult=[set_result(data, id=4)])
    row = Monitor.objects.get(charge_point=charge_point)
    assert (row.stream_interval_s, row.stream_values) == (60, 50)


@pytest.mark.parametrize("kind", ["TargetDelta", "TargetDeltaRelative"])
def test_monitor_types_of_21_are_for_21(
    csms: Csms21, charge_point: ChargePoint, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"monitors": [{**POWER, "type": kind, "value": "0.1"}]}
    order = csms.order(charge_point, "set_variable_monitoring", wanted)
    assert order.payload["setMonitoringData"][0]["value"] == 0.1
    with pytest.raises(InvalidPayload, match=r"SetVariableMonitoring of OCPP 2\.0\.1"):
        Csms201(monkeypatch).order(charge_point, "set_variable_monitoring", wanted)


def test_stream_is_nothing_for_201(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    wanted = {**POWER, "type": "Periodic", "value": "1", "stream_interval": 60}
    older = Csms201(monkeypatch)
    with pytest.raises(InvalidPayload, match=r"OCPP 2\.0\.1 has no event streams"):
        older.order(charge_point, "set_variable_monitoring", {"monitors": [wanted]})
    with pytest.raises(InvalidPayload, match=r"OCPP 2\.0\.1 has no message for get_event_streams"):
        older.order(charge_point, "get_event_streams")


def test_streams_are_listed(csms: Csms21, charge_point: ChargePoint) -> None:
    """N12: what is not listed is closed."""
    csms.send(charge_point, "OpenPeriodicEventStream", opening(1))
    order = csms.order(charge_point, "get_event_streams")
    assert (order.action, order.payload) == ("GetPeriodicEventStream", {})
    command = order.answer(constantStreamData=[constant(2, 6, interval=30)])
    assert command.summary == "Stream 2: values of monitor 6."
    assert stream(charge_point, 1).closed_at is not None
    assert (stream(charge_point, 2).monitor_id, stream(charge_point, 2).interval_s) == (6, 30)
    command = csms.order(charge_point, "get_event_streams").answer({})
    assert command.summary == "The charger has no stream open."
    assert not EventStream.objects.filter(charge_point=charge_point, closed_at=None).exists()


@pytest.mark.parametrize(("status", "interval"), [("Accepted", 30), ("Rejected", 60)])
def test_stream_is_adjusted(csms: Csms21, charge_point: ChargePoint, status: str, interval: int) -> None:
    """N14.FR.01 to FR.03"""
    csms.send(charge_point, "OpenPeriodicEventStream", opening(1))
    order = csms.order(charge_point, "adjust_event_stream", {"stream_id": 1, "interval": 30, "values": 5})
    assert (order.action, order.payload) == (
        "AdjustPeriodicEventStream",
        {"id": 1, "params": {"interval": 30, "values": 5}},
    )
    command = order.answer(status=status)
    assert (command.status == CommandStatus.ACCEPTED) == (status == "Accepted")
    assert stream(charge_point).interval_s == interval


def test_data_collectors_log_is_for_21(csms: Csms21, charge_point: ChargePoint) -> None:
    given = {"log_type": "DataCollectorLog", "location": "https://logs.example.org/up"}
    assert csms.order(charge_point, "get_log", given).payload["logType"] == "DataCollectorLog"


def test_long_tag_is_said_in_21(csms: Csms21, charge_point: ChargePoint) -> None:
    """An idToken has up to 255 characters."""
    order = csms.order(charge_point, "customer_information", {"report": True, "id_token": "A" * 200})
    assert order.payload["idToken"] == {"idToken": "A" * 200, "type": "ISO14443"}
