"""Monitors, their reports, and customers' data over the wire: what the official cases leave out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chargepoints import jobs, monitoring_limits
from chargepoints.choices import CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import (
    ChargePoint,
    Command,
    CustomerInformation,
    Monitor,
    MonitoringReport,
    MonitoringState,
    OcppMessage,
    Variable,
)
from chargepoints.monitoring_choices import ReportState
from chargepoints.services import customer_information, monitoring, monitoring_reports
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms, boot
from tests.ocpp_gateway.v201.monitoring import customer_part, limit, monitor, orders, report, set_result

EVSE_POWER = {"component": "EVSE", "evse": 1, "variable": "Power", "severity": 3}


def numbers(charge_point: ChargePoint) -> list[int]:
    """The monitors that we think are in the charger"""
    return list(Monitor.objects.filter(charge_point=charge_point).values_list("monitor_id", flat=True))


def known(charge_point: ChargePoint, *found: int, kind: str = "", **more: Any) -> None:
    """Monitors that were reported before"""
    for number in found:
        Monitor.objects.create(
            tenant=charge_point.tenant,
            charge_point=charge_point,
            monitor_id=number,
            component="EVSE",
            variable="Power",
            type="Delta",
            value="1",
            severity=2,
            kind=kind,
            **more,
        )


# ---------------------------------------------------------------- reports


def test_report_that_nobody_asked_for_is_stored_and_ends_nothing(
    csms: Csms, charge_point: ChargePoint
) -> None:
    known(charge_point, 9)
    assert csms.send(charge_point, "NotifyMonitoringReport", report(77, monitor(1))) == {}
    assert numbers(charge_point) == [1, 9]
    assert not MonitoringReport.objects.exists()


def test_part_that_overtakes_the_answer_belongs_to_its_order(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 9)
    order = csms.order(charge_point, "get_monitoring_report")
    number = order.payload["requestId"]
    csms.send(charge_point, "NotifyMonitoringReport", report(number, monitor(1)))
    order.answer(status="Accepted")
    row = MonitoringReport.objects.get(charge_point=charge_point)
    assert (row.state, row.command) == (ReportState.COMPLETE, order.command)
    assert numbers(charge_point) == [1]


def test_repeated_part_changes_nothing(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "get_monitoring_report")
    order.answer(status="Accepted")
    for _ in range(2):
        part = report(order.payload["requestId"], monitor(1))
        assert csms.send(charge_point, "NotifyMonitoringReport", part) == {}
    assert numbers(charge_point) == [1]


def test_part_without_monitors_completes_a_report(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 9)
    order = csms.order(charge_point, "get_monitoring_report")
    order.answer(status="Accepted")
    csms.send(charge_point, "NotifyMonitoringReport", report(order.payload["requestId"], seq=1))
    assert numbers(charge_point) == []


def test_report_of_some_monitors_keeps_the_others(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 9)
    order = csms.order(charge_point, "get_monitoring_report", {"criteria": ["DeltaMonitoring"]})
    order.answer(status="Accepted")
    csms.send(charge_point, "NotifyMonitoringReport", report(order.payload["requestId"], monitor(1)))
    assert numbers(charge_point) == [1, 9]
    assert not MonitoringState.objects.exists()


def test_raw_report_is_followed_as_well(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 9)
    order = csms.order(charge_point, "GetMonitoringReport", {"requestId": 5})
    order.answer(status="Accepted")
    csms.send(charge_point, "NotifyMonitoringReport", report(5, monitor(1)))
    assert numbers(charge_point) == [1]


def test_monitor_that_was_set_meanwhile_stays(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "get_monitoring_report")
    order.answer(status="Accepted")
    csms.now += timedelta(seconds=5)
    known(charge_point, 9, set_at=csms.now)
    csms.send(charge_point, "NotifyMonitoringReport", report(order.payload["requestId"], monitor(1)))
    assert numbers(charge_point) == [1, 9]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("NotSupported", CommandStatus.NOT_SUPPORTED), ("Rejected", CommandStatus.REJECTED)],
)
def test_report_that_is_refused_begins_none(
    csms: Csms, charge_point: ChargePoint, status: str, outcome: CommandStatus
) -> None:
    """N02.FR.02"""
    order = csms.order(charge_point, "get_monitoring_report")
    assert order.answer(status=status).status == outcome
    assert not MonitoringReport.objects.exists()


def test_report_that_never_ends_is_incomplete(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 9)
    order = csms.order(charge_point, "get_monitoring_report")
    order.answer(status="Accepted")
    part = report(order.payload["requestId"], monitor(1), tbc=True)
    csms.send(charge_point, "NotifyMonitoringReport", part)
    assert monitoring_reports.end_late(csms.now) == 0
    csms.now += monitoring_reports.PATIENCE + timedelta(seconds=1)
    assert jobs.end_reports(csms.now) == 1
    assert MonitoringReport.objects.get(charge_point=charge_point).state == ReportState.INCOMPLETE
    assert Event.objects.filter(kind="monitoring_report.incomplete", charge_point="CP-A").count() == 1
    assert numbers(charge_point) == [1, 9]


def test_monitors_of_one_charger_are_bounded(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "MAX_MONITORS", 2)
    csms.send(charge_point, "NotifyMonitoringReport", report(1, monitor(1), monitor(2), monitor(3)))
    csms.send(charge_point, "NotifyMonitoringReport", report(1, monitor(2, severity=0), monitor(4)))
    assert numbers(charge_point) == [1, 2]
    assert Monitor.objects.get(charge_point=charge_point, monitor_id=2).severity == 0


def test_report_does_not_forget_who_made_a_monitor(csms: Csms, charge_point: ChargePoint) -> None:
    """2.0.1 does not tell it in reports."""
    known(charge_point, 1, kind="CustomMonitor")
    csms.send(charge_point, "NotifyMonitoringReport", report(1, monitor(1)))
    assert Monitor.objects.get(charge_point=charge_point).kind == "CustomMonitor"


def test_pending_charger_is_served_the_report_that_it_was_asked_for(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(registration_status="Pending")
    csms.reconnect(charge_point, was_accepted=False)
    assert csms.ask_one(charge_point, "NotifyMonitoringReport", report(1, monitor(1))).code == "SecurityError"
    order = csms.order(charge_point, "get_monitoring_report")
    order.answer(status="Accepted")
    part = report(order.payload["requestId"], monitor(1))
    assert csms.send(charge_point, "NotifyMonitoringReport", part) == {}


# ---------------------------------------------------------------- after a boot (N04.FR.19)


def boot_and_connect(csms: Csms, charge_point: ChargePoint) -> None:
    """A boot of a connected charger"""
    csms.connect(charge_point)
    csms.send(charge_point, "BootNotification", boot())


def test_monitors_are_read_after_a_boot_where_chargers_are_configured_unasked(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(auto_configure=True)
    known(charge_point, 1)
    boot_and_connect(csms, charge_point)
    assert jobs.read_monitors(csms.now) == 1
    assert jobs.read_monitors(csms.now) == 0
    assert [row.payload["request_id"] for row in orders(charge_point, "get_monitoring_report")] == [1]


def test_charger_that_says_that_it_watches_is_asked_after_its_boot(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(auto_configure=True)
    limit(charge_point, "SetVariableMonitoring", 5)
    boot_and_connect(csms, charge_point)
    assert jobs.read_monitors(csms.now) == 1


@pytest.mark.parametrize("case", ["not_unasked", "no_monitors", "long_ago"])
def test_monitors_are_not_read_after_a_boot(csms: Csms, charge_point: ChargePoint, case: str) -> None:
    """Nothing is sent unasked; the page offers it then."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(auto_configure=case != "not_unasked")
    if case != "no_monitors":
        known(charge_point, 1)
    boot_and_connect(csms, charge_point)
    at = csms.now + timedelta(hours=2) if case == "long_ago" else csms.now
    assert jobs.read_monitors(at) == 0
    assert not Command.objects.filter(action="get_monitoring_report").exists()
    charge_point.refresh_from_db()
    assert monitoring.are_doubtful(charge_point, monitoring.state_of(charge_point))


# ---------------------------------------------------------------- setting and removing


def test_monitor_that_is_replaced_keeps_its_number(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 7, kind="PreconfiguredMonitor")
    wanted = {**EVSE_POWER, "type": "UpperThreshold", "value": "22.5", "monitor_id": 7}
    order = csms.order(charge_point, "set_variable_monitoring", {"monitors": [wanted]})
    (data,) = order.payload["setMonitoringData"]
    assert (data["id"], data["value"]) == (7, 22.5)
    order.answer(setMonitoringResult=[set_result(data, id=7)])
    row = Monitor.objects.get(charge_point=charge_point)
    assert (row.value, row.kind) == ("22.5", "CustomMonitor")


def test_results_belong_to_what_was_asked_for(csms: Csms, charge_point: ChargePoint) -> None:
    """Two of one type on one variable, told apart by their severity; the answer names no values."""
    wanted = [
        {**EVSE_POWER, "type": "UpperThreshold", "value": "20", "severity": 5},
        {**EVSE_POWER, "type": "UpperThreshold", "value": "25", "severity": 2},
    ]
    order = csms.order(charge_point, "set_variable_monitoring", {"monitors": wanted})
    first, second = order.payload["setMonitoringData"]
    order.answer(setMonitoringResult=[set_result(second, id=2), set_result(first, id=1)])
    rows = Monitor.objects.filter(charge_point=charge_point)
    assert [(row.monitor_id, row.value, row.severity) for row in rows] == [(1, "20", 5), (2, "25", 2)]


def test_nothing_taken_is_a_refusal_with_its_reason(csms: Csms, charge_point: ChargePoint) -> None:
    wanted = {**EVSE_POWER, "type": "Delta", "value": "1"}
    order = csms.order(charge_point, "set_variable_monitoring", {"monitors": [wanted]})
    (data,) = order.payload["setMonitoringData"]
    info = {"reasonCode": "ReadOnly", "additionalInfo": "built in"}
    command = order.answer(setMonitoringResult=[set_result(data, "Rejected", statusInfo=info)])
    assert command.status == CommandStatus.REJECTED
    assert command.summary == "EVSE 1 Power, Delta: refused (ReadOnly: built in)."
    assert numbers(charge_point) == []


def test_removed_monitors_are_gone(csms: Csms, charge_point: ChargePoint) -> None:
    known(charge_point, 1, 2, 3)
    order = csms.order(charge_point, "clear_variable_monitoring", {"monitor_ids": ["1", "2", "3"]})
    statuses = {1: "Accepted", 2: "NotFound", 3: "Rejected"}
    command = order.answer(
        clearMonitoringResult=[{"id": number, "status": status} for number, status in statuses.items()]
    )
    assert command.status == CommandStatus.ACCEPTED
    assert "Monitor 2: the charger has no such monitor." in command.summary
    assert numbers(charge_point) == [3]


@pytest.mark.parametrize(
    ("base", "left"), [("All", [1, 2, 3]), ("FactoryDefault", [2, 3]), ("HardWiredOnly", [3])]
)
def test_base_deletes_what_it_says(csms: Csms, charge_point: ChargePoint, base: str, left: list[int]) -> None:
    """N03.FR.03 to FR.05"""
    for number, kind in enumerate(("CustomMonitor", "PreconfiguredMonitor", "HardWiredMonitor"), start=1):
        known(charge_point, number, kind=kind)
    csms.order(charge_point, "set_monitoring_base", {"base": base}).answer(status="Accepted")
    assert numbers(charge_point) == left


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
def test_base_that_is_refused_changes_nothing(csms: Csms, charge_point: ChargePoint, status: str) -> None:
    known(charge_point, 1, kind="CustomMonitor")
    csms.order(charge_point, "set_monitoring_base", {"base": "HardWiredOnly"}).answer(status=status)
    assert numbers(charge_point) == [1]
    assert not MonitoringState.objects.exists()


def test_order_beyond_the_chargers_limits_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    """N06.FR.04"""
    limit(charge_point, "ClearVariableMonitoring", 2)
    with pytest.raises(InvalidPayload, match="takes 2 in one message"):
        csms.order(charge_point, "clear_variable_monitoring", {"monitor_ids": ["1", "2", "3"]})
    limit(charge_point, "SetVariableMonitoring", 100, name="BytesPerMessage")
    wanted = {**EVSE_POWER, "type": "Delta", "value": "1"}
    with pytest.raises(InvalidPayload, match="messages of 100 bytes"):
        csms.order(charge_point, "set_variable_monitoring", {"monitors": [wanted]})


# ---------------------------------------------------------------- customers' data


def test_customers_data_does_not_stand_in_the_message_log(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "customer_information", {"id_token": "04A1"})
    order.answer(status="Accepted")
    part = customer_part(order.payload["requestId"], "Anna, Berlin")
    csms.send(charge_point, "NotifyCustomerInformation", part)
    assert not OcppMessage.objects.filter(request__contains="Anna").exists()
    assert OcppMessage.objects.filter(action="NotifyCustomerInformation").exists()


def test_customers_data_that_nobody_asked_for_is_not_kept(csms: Csms, charge_point: ChargePoint) -> None:
    assert csms.send(charge_point, "NotifyCustomerInformation", customer_part(77, "Anna")) == {}
    assert not CustomerInformation.objects.exists()


def test_repeated_part_of_customers_data_adds_nothing(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "customer_information", {"id_token": "04A1"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    for data, seq in (("one ", 0), ("one ", 0), ("two", 1)):
        part = customer_part(number, data, seq, tbc=seq == 0)
        csms.send(charge_point, "NotifyCustomerInformation", part)
    csms.send(charge_point, "NotifyCustomerInformation", customer_part(number, "three", 2))
    row = CustomerInformation.objects.get()
    assert (row.text, row.parts, row.state) == ("one two", 2, ReportState.COMPLETE)


def test_customers_data_is_bounded(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_information, "MAX_TEXT", 10)
    order = csms.order(charge_point, "customer_information", {"id_token": "04A1"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    for seq in range(3):
        part = customer_part(number, f"{seq}" * 6, seq, tbc=seq < 2)
        csms.send(charge_point, "NotifyCustomerInformation", part)
    assert CustomerInformation.objects.get().text == "0000001111"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id_token": "04A1", "customer_identifier": "A"},
        {"customer_identifier": "A", "serial_number": "1"},
        {"serial_number": "1", "hash_algorithm": "SHA256"},
        {"id_token": "04A1", "report": False},
    ],
)
def test_exactly_one_customer_is_named(csms: Csms, charge_point: ChargePoint, given: dict[str, Any]) -> None:
    """N09.FR.04, N10.FR.08"""
    with pytest.raises(InvalidPayload):
        csms.order(charge_point, "customer_information", given)
    assert not CustomerInformation.objects.exists()


def test_tag_is_named_with_its_type(csms: Csms, charge_point: ChargePoint) -> None:
    factories.IdTokenFactory(tenant=charge_point.tenant, value="04A1", type="Central")
    order = csms.order(charge_point, "customer_information", {"id_token": "04a1"})
    assert order.payload["idToken"] == {"idToken": "04a1", "type": "Central"}


def test_key_code_of_a_customer_is_shown_nowhere(csms: Csms, charge_point: ChargePoint) -> None:
    """C04.FR.04"""
    factories.IdTokenFactory(tenant=charge_point.tenant, value="4711", type="KeyCode")
    order = csms.order(charge_point, "customer_information", {"id_token": "4711"})
    assert order.payload["idToken"] == {"idToken": "4711", "type": "KeyCode"}
    assert CustomerInformation.objects.get().customer == "Tag ***"
    assert "4711" not in f"{order.command.payload} {order.command.request}"


def test_long_tag_is_not_said_in_201(csms: Csms, charge_point: ChargePoint) -> None:
    with pytest.raises(InvalidPayload, match="more than 36"):
        csms.order(charge_point, "customer_information", {"id_token": "A" * 37})


def test_customers_data_that_never_comes_ends(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "customer_information", {"id_token": "04A1"})
    order.answer(status="Accepted")
    csms.now += customer_information.PATIENCE + timedelta(seconds=1)
    assert jobs.end_reports(csms.now) == 1
    row = CustomerInformation.objects.get()
    assert (row.state, row.note) == (ReportState.INCOMPLETE, "The charger sent no more.")
    # What comes late is taken all the same.
    part = customer_part(order.payload["requestId"], "late")
    csms.send(charge_point, "NotifyCustomerInformation", part)
    row.refresh_from_db()
    assert (row.state, row.text) == (ReportState.COMPLETE, "late")


def test_order_that_fails_ends_the_request(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "customer_information", {"id_token": "04A1"})
    order.refuse("NotSupported")
    assert jobs.end_reports(csms.now) == 1
    assert CustomerInformation.objects.get().state == ReportState.REFUSED


def test_old_reports_of_customers_are_forgotten(csms: Csms, charge_point: ChargePoint, settings: Any) -> None:
    order = csms.order(charge_point, "customer_information", {"id_token": "04A1"})
    order.answer(status="Accepted")
    part = customer_part(order.payload["requestId"], "Anna")
    csms.send(charge_point, "NotifyCustomerInformation", part)
    assert jobs.purge_customer_information(T0 + timedelta(days=29)) == 0
    assert jobs.purge_customer_information(T0 + timedelta(days=31)) == 1
    row = CustomerInformation.objects.get()
    assert (row.text, row.note) == ("", "Deleted after 30 days.")


def test_variables_of_the_limits_are_found_whatever_their_case(charge_point: ChargePoint) -> None:
    row = limit(charge_point, "clearvariablemonitoring", 3)
    Variable.objects.filter(pk=row.pk).update(component="monitoringctrlr")
    pieces = list(monitoring_limits.in_pieces(charge_point, "clear_variable_monitoring", "1234567"))
    assert [len(piece) for piece in pieces] == [3, 3, 1]
