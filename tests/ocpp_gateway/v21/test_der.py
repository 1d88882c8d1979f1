"""Functional block R, DER control: the requirements of 2.1 part 2 that bind a CSMS, and what stations report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chargepoints.choices import CommandStatus, DerControlState, DerEventKind, ReadingState
from chargepoints.command_specs import NEUTRAL
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, DerControl, DerEvent, DerReading
from chargepoints.services import der_reports
from csms_project.common.models import Event
from ocpp_gateway.wire.timestamps import format_timestamp
from tests.chargepoints.command_examples.der import EXAMPLES
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms21, Payload, clock

CURVE = {
    "priority": 1,
    "curveData": [{"x": 90.5, "y": 0.123456}, {"x": 110, "y": -44}],
    "yUnit": "PctMaxVar",
    "responseTime": 5.25,
    "hysteresis": {
        "hysteresisHigh": 1.5,
        "hysteresisLow": -1.5,
        "hysteresisDelay": 60,
        "hysteresisGradient": 2,
    },
    "reactivePowerParams": {"vRef": 100, "autonomousVRefEnable": True, "autonomousVRefTimeConstant": 300},
    "voltageParams": {
        "hv10MinMeanValue": 110,
        "hv10MinMeanTripDelay": 3,
        "powerDuringCessation": "Active",
    },
}
SCHEDULED = {"startTime": "2099-03-02T10:00:00.000Z", "duration": 3600, "priority": 1}
SAID: dict[str, tuple[str, str, Payload]] = {
    "set_der_curve": ("VoltVar", "curve", {**CURVE, **SCHEDULED}),
    "set_der_droop": (
        "FreqDroop",
        "freqDroop",
        {
            "overFreq": 50.2,
            "underFreq": 49.8,
            "overDroop": 0.05,
            "underDroop": 0.05,
            "responseTime": 5,
            **SCHEDULED,
        },
    ),
    "set_der_power_factor": (
        "FixedPFInject",
        "fixedPFInject",
        {"displacement": 0.95, "excitation": False, **SCHEDULED},
    ),
    "set_der_reactive_power": ("FixedVar", "fixedVar", {"setpoint": -20.5, "unit": "PctMaxVar", **SCHEDULED}),
    "set_der_discharge_limit": (
        "LimitMaxDischarge",
        "limitMaxDischarge",
        {"pctMaxDischargePower": 50, **SCHEDULED},
    ),
    "set_der_enter_service": (
        "EnterService",
        "enterService",
        {
            "priority": 0,
            "highVoltage": 253,
            "lowVoltage": 195.5,
            "highFreq": 50.1,
            "lowFreq": 49.5,
            "delay": 60,
            "randomDelay": 30,
            "rampRate": 600,
        },
    ),
    "set_der_gradients": ("Gradients", "gradient", {"priority": 0, "gradient": 10, "softGradient": 300}),
}


def control(csms: Csms21, cp: ChargePoint, action: str = "set_der_droop", **change: Any) -> DerControl:
    """A control that the charger has accepted."""
    order = csms.order(cp, action, {**EXAMPLES[action], **change})
    order.answer(status="Accepted")
    return DerControl.objects.get(control_id=order.payload["controlId"])


def default(**change: Any) -> dict[str, Any]:
    return {"starts_at": None, "duration_s": None, **change}


@pytest.mark.parametrize("action", sorted(SAID))
def test_every_control_is_said_with_the_member_of_its_type(
    csms: Csms21, charge_point: ChargePoint, action: str
) -> None:
    """R04.FR.12, R04.FR.14, R04.FR.16"""
    kind, member, inner = SAID[action]
    order = csms.order(charge_point, action, EXAMPLES[action])

    is_default = "startTime" not in inner
    assert order.action == "SetDERControl"
    assert order.payload == {
        "isDefault": is_default,
        "controlId": EXAMPLES[action]["control_id"],
        "controlType": kind,
        member: inner,
    }
    order.answer(status="Accepted")
    row = DerControl.objects.get()
    assert (row.control_type, row.is_default, row.status) == (kind, is_default, DerControlState.HELD)
    left_out = {"control_id", "priority", "starts_at", "duration_s", "control_type", "direction"}
    assert row.content == {k: v for k, v in EXAMPLES[action].items() if k not in left_out}


@pytest.mark.parametrize("action", sorted(name for name in SAID if NEUTRAL[name].field("starts_at")))
def test_default_control_has_neither_start_nor_duration(
    csms: Csms21, charge_point: ChargePoint, action: str
) -> None:
    """R04.FR.12"""
    given = {
        name: value for name, value in EXAMPLES[action].items() if name not in ("starts_at", "duration_s")
    }
    order = csms.order(charge_point, action, given)

    assert order.payload["isDefault"] is True
    assert not {"startTime", "duration"} & order.payload[SAID[action][1]].keys()


@pytest.mark.parametrize(
    ("action", "change", "field"),
    [
        ("set_der_droop", {"duration_s": None}, "duration_s"),
        ("set_der_droop", {"starts_at": None}, "starts_at"),
        ("set_der_curve", {"points": [{"x": 2, "y": 1}, {"x": 1, "y": 1}]}, "points"),
        ("set_der_curve", {"points": [{"x": 1.1234567, "y": 1}]}, "points"),
        ("set_der_curve", {"points": [{"x": n, "y": 1} for n in range(11)]}, "points"),
        ("set_der_curve", {"control_type": "VoltWatt"}, "v_ref"),
        ("set_der_curve", {"control_type": "FreqDroop"}, "control_type"),
        ("set_der_curve", {"mean_voltage_delay": None}, "mean_voltage_delay"),
        ("set_der_power_factor", {"displacement": 1.01}, "displacement"),
        ("set_der_reactive_power", {"setpoint": -101}, "setpoint"),
        ("set_der_discharge_limit", {"percent": 101}, "percent"),
        ("set_der_enter_service", {"low_voltage": 260}, "low_voltage"),
        ("set_der_enter_service", {"starts_at": "2099-03-02T10:00:00Z"}, "starts_at"),
        ("set_der_gradients", {"duration_s": 5}, "duration_s"),
        ("get_der_control", {"control_id": "c-1"}, "control_id"),
        ("clear_der_control", {"is_default": None}, "is_default"),
    ],
)
def test_wrong_argument_is_named(
    csms: Csms21, charge_point: ChargePoint, action: str, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        csms.order(charge_point, action, {**EXAMPLES[action], **change})

    assert list(caught.value.errors) == [field]


def test_ids_are_ours_where_nobody_names_one(csms: Csms21, charge_point: ChargePoint) -> None:
    orders = [csms.order(charge_point, "set_der_discharge_limit", {"percent": 50}) for _ in range(1)]
    orders[0].answer(status="Accepted")
    orders.append(csms.order(charge_point, "set_der_discharge_limit", {"percent": 40}))

    ids = {order.payload["controlId"] for order in orders}
    assert len(ids) == 2
    assert all(len(name) == 36 for name in ids)


@pytest.mark.parametrize(
    ("status", "ended"),
    [("Rejected", CommandStatus.REJECTED), ("NotSupported", CommandStatus.NOT_SUPPORTED)],
)
def test_refused_control_is_not_kept(
    csms: Csms21, charge_point: ChargePoint, status: str, ended: CommandStatus
) -> None:
    order = csms.order(charge_point, "set_der_droop", EXAMPLES["set_der_droop"])
    command = order.answer(status=status)

    assert command.status == ended
    assert command.summary.startswith("The charger does not")
    assert not DerControl.objects.exists()


def test_superseded_controls_are_marked(csms: Csms21, charge_point: ChargePoint) -> None:
    """R04.FR.03, R04.FR.06, R04.FR.08"""
    control(csms, charge_point, control_id="old")
    order = csms.order(charge_point, "set_der_droop", {**EXAMPLES["set_der_droop"], "priority": 0})
    command = order.answer(status="Accepted", supersededIds=["old", "unknown"])

    assert command.summary == "No longer counted: old, unknown."
    assert DerControl.objects.get(control_id="old").is_superseded
    assert not DerControl.objects.get(control_id="c-1").is_superseded


REPORT: Payload = {
    "curve": [
        {
            "id": "c-1",
            "curveType": "VoltVar",
            "isDefault": False,
            "isSuperseded": True,
            "curve": {**CURVE, **SCHEDULED},
        }
    ],
    "fixedPFAbsorb": [
        {
            "id": "c-3",
            "isDefault": True,
            "isSuperseded": False,
            "fixedPF": {"priority": 2, "displacement": 0.9, "excitation": True},
        }
    ],
}
MORE: Payload = {
    "enterService": [{"id": "c-2", "enterService": SAID["set_der_enter_service"][2]}],
    "gradient": [{"id": "c-4", "gradient": SAID["set_der_gradients"][2]}],
}


def ask(csms: Csms21, cp: ChargePoint, **choice: Any) -> int:
    order = csms.order(cp, "get_der_control", choice)
    order.answer(status="Accepted")
    number: int = order.payload["requestId"]
    return number


def test_list_in_parts_tells_what_is_held_and_what_is_gone(csms: Csms21, charge_point: ChargePoint) -> None:
    """R04.FR.31 to 33: what the station tells is what it holds."""
    control(csms, charge_point, control_id="lost")
    csms.now += timedelta(minutes=1)
    number = ask(csms, charge_point)
    for part, more in ((REPORT, {"tbc": True}), (MORE, {})):
        assert csms.send(charge_point, "ReportDERControl", {"requestId": number, **part, **more}) == {}

    rows = {row.control_id: row for row in DerControl.objects.all()}
    assert {name: row.status for name, row in rows.items()} == {
        "lost": DerControlState.GONE,
        **dict.fromkeys(("c-1", "c-2", "c-3", "c-4"), DerControlState.HELD),
    }
    assert rows["c-1"].is_superseded
    assert rows["c-1"].content["points"] == CURVE["curveData"]
    assert format_timestamp(rows["c-1"].starts_at or T0) == SCHEDULED["startTime"]
    assert (rows["c-3"].control_type, rows["c-3"].is_default, rows["c-3"].priority) == (
        "FixedPFAbsorb",
        True,
        2,
    )
    assert rows["c-2"].is_default
    assert rows["c-4"].is_default
    assert (DerReading.objects.get().status, DerReading.objects.get().count) == (ReadingState.COMPLETE, 4)


def test_list_of_a_choice_says_nothing_about_others(csms: Csms21, charge_point: ChargePoint) -> None:
    """R04.FR.34, R04.FR.37"""
    control(csms, charge_point, control_id="droop")
    control(csms, charge_point, "set_der_gradients", control_id="ramp")
    csms.now += timedelta(minutes=1)
    order = csms.order(charge_point, "get_der_control", {"control_type": "FreqDroop", "is_default": False})
    order.answer(status="NotFound")

    assert (order.payload["controlType"], order.payload["isDefault"]) == ("FreqDroop", False)
    states = dict(DerControl.objects.values_list("control_id", "status"))
    assert states == {"droop": DerControlState.GONE, "ramp": DerControlState.HELD}


def test_unknown_and_repeated_lists_are_harmless(csms: Csms21, charge_point: ChargePoint) -> None:
    for _ in range(2):
        assert csms.send(charge_point, "ReportDERControl", {"requestId": 77, **REPORT}) == {}

    assert DerControl.objects.count() == 2
    assert not DerReading.objects.exists()


def test_list_that_never_comes_to_its_end_is_incomplete(csms: Csms21, charge_point: ChargePoint) -> None:
    control(csms, charge_point)
    ask(csms, charge_point)

    assert der_reports.watch(csms.now + timedelta(minutes=3)) == 1
    assert DerReading.objects.get().status == ReadingState.INCOMPLETE
    assert DerControl.objects.get().status == DerControlState.HELD


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ({"is_default": False, "control_id": "c-1"}, {"c-2"}),
        ({"is_default": True}, {"c-1"}),
        ({"is_default": True, "control_type": "FreqDroop"}, {"c-1", "c-2"}),
    ],
)
@pytest.mark.parametrize("status", ["Accepted", "NotFound"])
def test_removed_controls_are_those_that_were_named(
    csms: Csms21, charge_point: ChargePoint, choice: dict[str, Any], left: set[str], status: str
) -> None:
    """R04.FR.41, R04.FR.42, R04.FR.44 to 46"""
    control(csms, charge_point)
    control(csms, charge_point, "set_der_gradients")
    csms.order(charge_point, "clear_der_control", choice).answer(status=status)

    held = DerControl.objects.filter(status=DerControlState.HELD)
    assert set(held.values_list("control_id", flat=True)) == left


def test_control_that_was_not_removed_stays(csms: Csms21, charge_point: ChargePoint) -> None:
    control(csms, charge_point)
    order = csms.order(charge_point, "clear_der_control", {"is_default": False})
    assert order.answer(status="NotSupported").status == CommandStatus.NOT_SUPPORTED

    assert DerControl.objects.get().status == DerControlState.HELD


def test_control_whose_time_is_over_is_over(csms: Csms21, charge_point: ChargePoint) -> None:
    """R04.FR.10"""
    at = csms.now
    control(csms, charge_point, starts_at=at.isoformat(), duration_s=60)

    assert der_reports.watch(at + timedelta(seconds=59)) == 0
    assert der_reports.watch(at + timedelta(seconds=60)) == 1
    assert DerControl.objects.get().status == DerControlState.ENDED


def alarm(**more: Any) -> Payload:
    return {"controlType": "VoltWatt", "gridEventFault": "OverVoltage", "timestamp": clock(), **more}


def test_alarm_lasts_until_it_is_ended(csms: Csms21, charge_point: ChargePoint) -> None:
    """R05.FR.01 to 04; a repeat changes nothing."""
    for _ in range(2):
        assert csms.send(charge_point, "NotifyDERAlarm", alarm(extraInfo="259 V")) == {}
    csms.send(charge_point, "NotifyDERAlarm", alarm(controlType="VoltVar", timestamp=clock(minutes=1)))

    opened = DerEvent.objects.get(is_open=True)
    assert (opened.control_type, DerEvent.objects.count()) == ("VoltVar", 2)
    csms.send(charge_point, "NotifyDERAlarm", alarm(alarmEnded=True, timestamp=clock(minutes=2)))
    assert not DerEvent.objects.filter(is_open=True).exists()
    kinds = Event.objects.filter(kind__startswith="der.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["der.alarm", "der.alarm", "der.alarm_ended"]


def test_begin_and_end_of_a_control_are_kept(csms: Csms21, charge_point: ChargePoint) -> None:
    """R04.FR.20 to 22"""
    control(csms, charge_point, control_id="old")
    control(csms, charge_point)
    begin = {"controlId": "c-1", "started": True, "timestamp": clock(), "supersededIds": ["old"]}
    for _ in range(2):
        assert csms.send(charge_point, "NotifyDERStartStop", begin) == {}

    row = DerControl.objects.get(control_id="c-1")
    assert (row.started_at, row.status) == (T0, DerControlState.HELD)
    assert DerControl.objects.get(control_id="old").is_superseded
    end = {"controlId": "c-1", "started": False, "timestamp": clock(hours=1)}
    csms.send(charge_point, "NotifyDERStartStop", end)
    row.refresh_from_db()
    assert (row.ended_at, row.status) == (T0 + timedelta(hours=1), DerControlState.ENDED)
    assert list(DerEvent.objects.order_by("id").values_list("kind", flat=True)) == [
        DerEventKind.STARTED,
        DerEventKind.STOPPED,
    ]


def test_begin_of_a_control_that_nobody_knows_is_kept(csms: Csms21, charge_point: ChargePoint) -> None:
    event = {"controlId": "x", "started": True, "timestamp": "1970-01-01T00:00:00Z"}
    assert csms.send(charge_point, "NotifyDERStartStop", event) == {}

    assert DerEvent.objects.get().control_id == "x"
    assert not DerControl.objects.exists()


def test_rows_belong_to_the_tenant_of_the_charger(
    csms: Csms21, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    csms.send(other_charge_point, "ReportDERControl", {"requestId": 1, **REPORT})
    csms.send(other_charge_point, "NotifyDERAlarm", alarm())

    assert set(DerControl.objects.values_list("tenant", flat=True)) == {other_charge_point.tenant_id}
    assert DerEvent.objects.get().tenant_id == other_charge_point.tenant_id
