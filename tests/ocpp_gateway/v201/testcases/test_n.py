"""Official test cases of block N for a CSMS (OCPP 2.0.1 part 6, errata 2025-09 §6.3.20 to §6.3.24)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.choices import CommandStatus, LocalListState, LogState
from chargepoints.models import (
    ChargePoint,
    CustomerInformation,
    LocalList,
    Monitor,
    MonitoringReport,
    MonitoringState,
    MonitorResult,
)
from chargepoints.monitoring_choices import ReportState
from chargepoints.services import list_sync, log_requests, monitoring
from chargepoints.services.list_contents import keep as keep_content
from chargepoints.services.list_wanted import WantedLists, with_sources
from tests import factories
from tests.ocpp_gateway.v201.helpers import Csms, Order, Payload
from tests.ocpp_gateway.v201.monitoring import (
    component,
    customer_part,
    event_data,
    events,
    last_event,
    limit,
    monitor,
    orders,
    report,
    set_result,
)

EVSE_STATE = {"component": "EVSE", "evse": 1, "variable": "AvailabilityState"}
STATION_STATE = {"component": "ChargingStation", "variable": "AvailabilityState"}
DELTA = {"type": "Delta", "value": "1", "severity": 8}
WIRE_EVSE = {"component": component(), "variable": {"name": "AvailabilityState"}}
WIRE_STATION = {"component": {"name": "ChargingStation"}, "variable": {"name": "AvailabilityState"}}
SYSTEM = Actor.system("test")


def result_frame(message_id: str, payload: Payload) -> str:
    """A CALLRESULT of the charger."""
    return json.dumps([3, message_id, payload])


def ask_report(csms: Csms, charge_point: ChargePoint, **given: Any) -> Order:
    """A report of monitors is ordered."""
    return csms.order(charge_point, "get_monitoring_report", given)


def first_empty_then_reported(csms: Csms, charge_point: ChargePoint, first: Payload, then: Payload) -> Order:
    """One request that finds nothing, another that is answered by a report in two parts."""
    empty = ask_report(csms, charge_point, **first)
    assert empty.action == "GetMonitoringReport"
    assert empty.answer(status="EmptyResultSet").status == CommandStatus.ACCEPTED
    row = MonitoringReport.objects.get(command=empty.command)
    assert row.state == ReportState.EMPTY
    order = ask_report(csms, charge_point, **then)
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    assert csms.send(charge_point, "NotifyMonitoringReport", report(number, monitor(1), tbc=True)) == {}
    assert csms.send(charge_point, "NotifyMonitoringReport", report(number, monitor(2), seq=1)) == {}
    row = MonitoringReport.objects.get(command=order.command)
    assert (row.state, row.parts, row.monitor_ids) == (ReportState.COMPLETE, 2, [1, 2])
    return empty


@pytest.mark.testcase("TC_N_01_CSMS")
def test_tc_n_01_get_monitoring_report_with_monitoring_criteria(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Get Monitoring Report - with monitoringCriteria (N02.FR.05, FR.10); componentVariable is omitted."""
    empty = first_empty_then_reported(
        csms, charge_point, {"criteria": ["DeltaMonitoring"]}, {"criteria": ["ThresholdMonitoring"]}
    )
    number = empty.payload["requestId"]
    assert empty.payload == {"requestId": number, "monitoringCriteria": ["DeltaMonitoring"]}
    assert Monitor.objects.filter(charge_point=charge_point).count() == 2


@pytest.mark.testcase("TC_N_02_CSMS")
def test_tc_n_02_get_monitoring_report_with_component_variable(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Monitoring Report - with component/variable (N02.FR.05, FR.10); no criteria, no instances."""
    power = {"component": "ChargingStation", "variable": "Power"}
    empty = first_empty_then_reported(csms, charge_point, {"variables": [power]}, {"variables": [EVSE_STATE]})
    wanted = [{"component": {"name": "ChargingStation"}, "variable": {"name": "Power"}}]
    assert empty.payload == {"requestId": empty.payload["requestId"], "componentVariable": wanted}
    assert orders(charge_point, "get_monitoring_report")[1].request["componentVariable"] == [WIRE_EVSE]


@pytest.mark.testcase("TC_N_03_CSMS", "TC_N_60_CSMS")
@pytest.mark.parametrize("variables", [[EVSE_STATE], [STATION_STATE, EVSE_STATE]], ids=["tc_n_03", "tc_n_60"])
def test_tc_n_03_tc_n_60_get_monitoring_report_with_criteria_and_variables(
    csms: Csms, charge_point: ChargePoint, variables: list[Payload]
) -> None:
    """Get Monitoring Report - with component criteria and (a list of) component/variable (N02.FR.05, FR.10)"""
    empty = first_empty_then_reported(
        csms,
        charge_point,
        {"criteria": ["DeltaMonitoring"], "variables": variables},
        {"criteria": ["ThresholdMonitoring"], "variables": variables},
    )
    wire = {"ChargingStation": WIRE_STATION, "EVSE": WIRE_EVSE}
    assert empty.payload["monitoringCriteria"] == ["DeltaMonitoring"]
    assert empty.payload["componentVariable"] == [wire[item["component"]] for item in variables]
    assert Monitor.objects.get(charge_point=charge_point, monitor_id=1).place == "EVSE 1"


@pytest.mark.testcase("TC_N_05_CSMS")
def test_tc_n_05_set_monitoring_base(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Monitoring Base - success (N03.FR.03 to FR.05)"""
    for base in ("All", "FactoryDefault", "HardWiredOnly"):
        order = csms.order(charge_point, "set_monitoring_base", {"base": base})
        assert (order.action, order.payload) == ("SetMonitoringBase", {"monitoringBase": base})
        order.answer(status="Accepted")
        assert MonitoringState.objects.get(charge_point=charge_point).base == base


def wire_monitor(where: Payload) -> Payload:
    """SetMonitoringDataType of a change of a state"""
    return {"value": 1, "type": "Delta", "severity": 8, **where}


@pytest.mark.testcase("TC_N_08_CSMS")
def test_tc_n_08_set_one_monitor(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Variable Monitoring - One SetMonitoringData element (N04.FR.01, FR.02, FR.17)"""
    order = csms.order(charge_point, "set_variable_monitoring", {"monitors": [{**EVSE_STATE, **DELTA}]})
    asked = wire_monitor(WIRE_EVSE)
    assert (order.action, order.payload) == ("SetVariableMonitoring", {"setMonitoringData": [asked]})
    command = order.answer(setMonitoringResult=[set_result(asked, id=7)])
    assert command.status == CommandStatus.ACCEPTED
    row = Monitor.objects.get(charge_point=charge_point)
    kept = (row.monitor_id, row.type, row.value, row.severity, row.kind, row.place)
    assert kept == (7, "Delta", "1", 8, "CustomMonitor", "EVSE 1")


@pytest.mark.testcase("TC_N_09_CSMS")
def test_tc_n_09_set_monitors_on_different_components(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Variable Monitoring - Multiple elements on different component and variable (N04.FR.01, FR.02)"""
    wanted = [{**EVSE_STATE, **DELTA}, {**STATION_STATE, **DELTA}]
    order = csms.order(charge_point, "set_variable_monitoring", {"monitors": wanted})
    first, second = wire_monitor(WIRE_EVSE), wire_monitor(WIRE_STATION)
    assert order.payload == {"setMonitoringData": [first, second]}
    # In any order, and not all taken.
    refused = set_result(first, "UnsupportedMonitorType")
    command = order.answer(setMonitoringResult=[set_result(second, id=8), refused])
    assert command.status == CommandStatus.ACCEPTED
    assert "EVSE 1 AvailabilityState, Delta: the variable cannot be watched in this way." in command.summary
    assert [row.place for row in Monitor.objects.filter(charge_point=charge_point)] == ["ChargingStation"]
    said = MonitorResult.objects.filter(charge_point=charge_point).order_by("pk")
    assert [(row.place, row.status) for row in said] == [
        ("ChargingStation", "Accepted"),
        ("EVSE 1", "UnsupportedMonitorType"),
    ]


@pytest.mark.testcase("TC_N_16_CSMS", "TC_N_17_CSMS")
@pytest.mark.parametrize(
    ("answer", "level"), [("Accepted", 4), ("Rejected", None)], ids=["tc_n_16", "tc_n_17"]
)
def test_tc_n_16_tc_n_17_set_monitoring_level(
    csms: Csms, charge_point: ChargePoint, answer: str, level: int | None
) -> None:
    """Set Monitoring Level - Success; Out of range (N05.FR.01, FR.02)"""
    order = csms.order(charge_point, "set_monitoring_level", {"severity": 4})
    assert (order.action, order.payload) == ("SetMonitoringLevel", {"severity": 4})
    command = order.answer(status=answer)
    state = MonitoringState.objects.filter(charge_point=charge_point).first()
    assert (state.level if state else None) == level
    assert (command.status == CommandStatus.ACCEPTED) == (answer == "Accepted")


@pytest.mark.testcase("TC_N_18_CSMS")
def test_tc_n_18_clear_more_monitors_than_fit_into_a_message(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Monitoring - Too many elements (N06.FR.04): never more than ItemsPerMessage."""
    limit(charge_point, "ClearVariableMonitoring", 2)
    csms.connect(charge_point)
    charge_point.refresh_from_db()
    monitoring.clear_monitors(actor=SYSTEM, charge_point=charge_point, monitor_ids=[1, 2, 3, 4, 5])
    sent: list[list[int]] = []
    waiting = csms.due(charge_point)
    while waiting:
        ((message_id, action, payload),) = waiting
        assert action == "ClearVariableMonitoring"
        sent.append(payload["id"])
        results = [{"id": number, "status": "NotFound"} for number in payload["id"]]
        frames = csms.text(charge_point, result_frame(message_id, {"clearMonitoringResult": results}))
        waiting = [(frame[1], frame[2], frame[3]) for frame in frames] + csms.due(charge_point)
    assert sent == [[1, 2], [3, 4], [5]]


@pytest.mark.testcase("TC_N_21_CSMS", "TC_N_24_CSMS", "TC_N_48_CSMS", "TC_N_49_CSMS", "TC_N_50_CSMS")
@pytest.mark.parametrize(
    "item",
    [
        pytest.param(event_data("Temperature", "81", trigger="Alerting"), id="tc_n_21"),
        pytest.param(event_data("Power", "7000", trigger="Periodic"), id="tc_n_24"),
        pytest.param(event_data("Password", "", trigger="Delta"), id="tc_n_48"),
        pytest.param(event_data("Temperature", "60", trigger="Alerting", cleared=True), id="tc_n_49"),
        pytest.param(event_data("Power", "7000", trigger="Periodic", number=2), id="tc_n_50"),
    ],
)
def test_tc_n_21_tc_n_24_tc_n_48_tc_n_49_tc_n_50_events_are_answered(
    csms: Csms, charge_point: ChargePoint, item: Payload
) -> None:
    """Alert event; periodic event; write-only variable; cleared after a reboot; periodic triggered: an empty
    NotifyEventResponse, however often (N07.FR.03, N08.FR.02)."""
    for seq in range(3):
        assert csms.send(charge_point, "NotifyEvent", events(item, seqNo=seq, tbc=seq < 2)) == {}
    kept = last_event(charge_point)
    assert (kept.variable, kept.value) == (item["variable"]["name"], item["actualValue"])
    assert (kept.trigger, kept.is_cleared) == (item["trigger"], item.get("cleared", False))


def ask_log(csms: Csms, charge_point: ChargePoint, kind: str) -> tuple[Any, str, Payload]:
    """A log is asked for as operators do it; the request, and the frame that the charger gets."""
    csms.connect(charge_point)
    row = log_requests.request_log(
        actor=SYSTEM, charge_point=charge_point, kind=kind, url="https://logs.example.org/up"
    )
    ((message_id, action, payload),) = csms.due(charge_point)
    assert action == "GetLog"
    return row, message_id, payload


def progress(csms: Csms, charge_point: ChargePoint, status: str, number: int) -> None:
    """LogStatusNotification, which is answered with nothing"""
    assert csms.send(charge_point, "LogStatusNotification", {"status": status, "requestId": number}) == {}


def followed(csms: Csms, row: Any) -> str:
    """The state of a request after what came in was looked at."""
    log_requests.follow(csms.now)
    row.refresh_from_db()
    state: str = row.state
    return state


@pytest.mark.testcase("TC_N_25_CSMS", "TC_N_35_CSMS")
@pytest.mark.parametrize(
    ("kind", "log_type"),
    [
        pytest.param("DiagnosticsLog", "DiagnosticsLog", id="tc_n_25"),
        pytest.param("diagnostics", "DiagnosticsLog", id="tc_n_25_by_any_version"),
        pytest.param("SecurityLog", "SecurityLog", id="tc_n_35"),
    ],
)
def test_tc_n_25_tc_n_35_log_is_uploaded(
    csms: Csms, charge_point: ChargePoint, settings: Any, kind: str, log_type: str
) -> None:
    """Retrieve Log Information - Diagnostics Log; Security Log - Success (N01.FR.07)"""
    row, message_id, payload = ask_log(csms, charge_point, kind)
    assert payload["logType"] == log_type
    assert payload["log"] == {"remoteLocation": "https://logs.example.org/up"}
    csms.text(charge_point, result_frame(message_id, {"status": "Accepted", "filename": "log.zip"}))
    assert followed(csms, row) == LogState.REQUESTED
    progress(csms, charge_point, "Uploading", payload["requestId"])
    assert followed(csms, row) == LogState.UPLOADING
    progress(csms, charge_point, "Uploaded", payload["requestId"] + 1)  # of another request
    assert followed(csms, row) == LogState.UPLOADING
    progress(csms, charge_point, "Uploaded", payload["requestId"])
    assert followed(csms, row) == LogState.UPLOADED


@pytest.mark.testcase("TC_N_34_CSMS")
def test_tc_n_34_log_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    """Retrieve Log Information - Rejected"""
    row, message_id, _ = ask_log(csms, charge_point, "DiagnosticsLog")
    csms.text(charge_point, result_frame(message_id, {"status": "Rejected"}))
    assert followed(csms, row) == LogState.FAILED
    assert row.note == "The charger does not upload this log now."


@pytest.mark.testcase("TC_N_36_CSMS")
@pytest.mark.parametrize("is_told_first", [True, False])
def test_tc_n_36_second_request_cancels_the_first(
    csms: Csms, charge_point: ChargePoint, is_told_first: bool
) -> None:
    """Retrieve Log Information - Second Request; AcceptedCanceled may come before the answer (errata §6.2.98)"""
    first, message_id, payload = ask_log(csms, charge_point, "DiagnosticsLog")
    csms.text(charge_point, result_frame(message_id, {"status": "Accepted", "filename": "a"}))
    progress(csms, charge_point, "Uploading", payload["requestId"])
    assert followed(csms, first) == LogState.UPLOADING
    second, message_id, later = ask_log(csms, charge_point, "DiagnosticsLog")
    assert later["requestId"] != payload["requestId"]
    if is_told_first:
        progress(csms, charge_point, "AcceptedCanceled", payload["requestId"])
    csms.text(charge_point, result_frame(message_id, {"status": "AcceptedCanceled", "filename": "b"}))
    assert followed(csms, first) == LogState.CANCELLED
    progress(csms, charge_point, "Uploaded", later["requestId"])
    assert followed(csms, second) == LogState.UPLOADED


def ask_customer(csms: Csms, charge_point: ChargePoint, **given: Any) -> Order:
    """CustomerInformation as it reaches the charger."""
    order = csms.order(charge_point, "customer_information", given)
    assert order.action == "CustomerInformation"
    return order


WIRE_TOKEN = {"idToken": "04A1B2C3", "type": "ISO14443"}


@pytest.mark.testcase("TC_N_27_CSMS", "TC_N_28_CSMS", "TC_N_30_CSMS", "TC_N_31_CSMS", "TC_N_32_CSMS")
@pytest.mark.parametrize(
    ("report", "clear", "parts"),
    [
        pytest.param(True, False, ["name: A. ", "sessions: 3"], id="tc_n_27"),
        pytest.param(True, False, ["No data found."], id="tc_n_28"),
        pytest.param(True, True, ["name: A. ", "sessions: 3"], id="tc_n_30"),
        pytest.param(True, True, ["No data found."], id="tc_n_31"),
        pytest.param(False, True, ["Cleared."], id="tc_n_32"),
    ],
)
def test_tc_n_27_tc_n_28_tc_n_30_tc_n_31_tc_n_32_customer_information(
    csms: Csms, charge_point: ChargePoint, report: bool, clear: bool, parts: list[str]
) -> None:
    """Get and Clear Customer Information - with data, without, cleared (N09.FR.01, FR.04, N10.FR.08)"""
    order = ask_customer(csms, charge_point, report=report, clear=clear, id_token="04A1B2C3")
    number = order.payload["requestId"]
    wanted = {"requestId": number, "report": report, "clear": clear, "idToken": WIRE_TOKEN}
    assert order.payload == wanted
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    for seq, data in enumerate(parts):
        part = customer_part(number, data, seq, tbc=seq + 1 < len(parts))
        assert csms.send(charge_point, "NotifyCustomerInformation", part) == {}
    row = CustomerInformation.objects.get(command=order.command)
    assert (row.state, row.text, row.customer) == (ReportState.COMPLETE, "".join(parts), "Tag 04A1B2C3")


@pytest.mark.testcase("TC_N_29_CSMS")
def test_tc_n_29_customer_information_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Customer Information - Not Accepted (N09.FR.03)"""
    order = ask_customer(csms, charge_point, report=True, id_token="04A1B2C3")
    assert order.answer(status="Rejected").status == CommandStatus.REJECTED
    row = CustomerInformation.objects.get(command=order.command)
    assert (row.state, row.note) == (ReportState.REFUSED, "The charger cannot do it now.")


@pytest.mark.testcase("TC_N_62_CSMS", "TC_N_63_CSMS")
@pytest.mark.parametrize(
    ("given", "wire"),
    [
        pytest.param(
            {"customer_identifier": "OpenChargeAlliance"},
            {"customerIdentifier": "OpenChargeAlliance"},
            id="tc_n_62",
        ),
        pytest.param(
            {
                "hash_algorithm": "SHA256",
                "issuer_name_hash": "ab",
                "issuer_key_hash": "cd",
                "serial_number": "17",
            },
            {
                "customerCertificate": {
                    "hashAlgorithm": "SHA256",
                    "issuerNameHash": "ab",
                    "issuerKeyHash": "cd",
                    "serialNumber": "17",
                }
            },
            id="tc_n_63",
        ),
    ],
)
def test_tc_n_62_tc_n_63_clear_customer_by_identifier_and_certificate(
    csms: Csms, charge_point: ChargePoint, given: Payload, wire: Payload
) -> None:
    """Clear Customer Information - Clear and report - customerIdentifier; customerCertificate (N10.FR.08, FR.09)"""
    order = ask_customer(csms, charge_point, report=True, clear=True, **given)
    number = order.payload["requestId"]
    assert order.payload == {"requestId": number, "report": True, "clear": True, **wire}
    order.answer(status="Accepted")
    part = customer_part(number, "gone")
    assert csms.send(charge_point, "NotifyCustomerInformation", part) == {}
    assert CustomerInformation.objects.get(command=order.command).text == "gone"


@pytest.mark.testcase("TC_N_44_CSMS")
def test_tc_n_44_clear_monitor_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Monitoring - Rejected (N06.FR.03): what the charger keeps, we keep."""
    Monitor.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        monitor_id=1,
        component="EVSE",
        variable="Power",
        type="Delta",
        value="1",
        severity=2,
    )
    order = csms.order(charge_point, "clear_variable_monitoring", {"monitor_ids": ["1"]})
    assert order.payload == {"id": [1]}
    command = order.answer(clearMonitoringResult=[{"id": 1, "status": "Rejected"}])
    assert command.status == CommandStatus.REJECTED
    assert command.summary == "Monitor 1: the charger needs it and keeps it."
    assert Monitor.objects.filter(charge_point=charge_point).count() == 1


@pytest.mark.testcase("TC_N_46_CSMS")
@pytest.mark.parametrize("is_kept", [True, False], ids=["list_follows_the_tags", "list_is_left_alone"])
def test_tc_n_46_local_list_is_updated_after_clearing(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, token: IdToken, is_kept: bool
) -> None:
    """Clear Customer Information - Update Local Authorization List (N10.FR.02, D01.FR.18): a differential list
    with the tag alone, without information."""
    for number in range(8):
        factories.IdTokenFactory(tenant=tenant, value=f"04FFFF0{number}")
    row = LocalList.objects.create(
        tenant=tenant,
        charge_point=charge_point,
        is_kept=is_kept,
        version=3,
        last_version=3,
        state=LocalListState.IN_STEP,
        must_check=False,
    )
    wanted = WantedLists(csms.now).of(with_sources(LocalList.objects.filter(pk=row.pk)).get())
    row.holds = keep_content(tenant.pk, wanted.entries, csms.now)
    row.wanted_digest, row.wanted_count = wanted.digest, len(wanted.entries)
    row.save()
    order = ask_customer(csms, charge_point, report=True, clear=True, id_token="04A1B2C3")
    order.answer(status="Accepted")
    csms.send(charge_point, "NotifyCustomerInformation", customer_part(order.payload["requestId"], "gone"))
    csms.now += timedelta(minutes=1)
    list_sync.run(csms.now)
    (command,) = orders(charge_point, "send_local_list")
    sent = csms.due(charge_point) or [("", command.ocpp_action, command.request)]
    ((_, action, payload),) = sent
    assert (action, payload["versionNumber"]) == ("SendLocalList", 4)
    listed = payload["localAuthorizationList"]
    if payload["updateType"] == "Full":  # as well (errata §6.3.23)
        assert is_kept
        assert {entry["idToken"]["idToken"] for entry in listed} == {
            f"04FFFF0{number}" for number in range(8)
        }
    else:
        assert listed == [{"idToken": WIRE_TOKEN}]
    row.refresh_from_db()
    assert list(row.without.all()) == [token]
    # It does not come back with the next comparison.
    wanted = WantedLists(csms.now).of(with_sources(LocalList.objects.filter(pk=row.pk)).get())
    assert token.value_key not in wanted.entries


@pytest.mark.testcase("TC_N_47_CSMS")
def test_tc_n_47_get_monitoring_report_of_all(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Monitoring report - Report all (errata §2.59): what is not asked for is absent, and what the report does
    not name is gone."""
    Monitor.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        monitor_id=99,
        component="EVSE",
        variable="Power",
        type="Delta",
        value="1",
        severity=2,
    )
    order = ask_report(csms, charge_point)
    number = order.payload["requestId"]
    assert order.payload == {"requestId": number}
    order.answer(status="Accepted")
    for seq, one in enumerate((monitor(1), monitor(2, "UpperThreshold", 80.5, 3))):
        part = report(number, one, seq=seq, tbc=seq == 0)
        assert csms.send(charge_point, "NotifyMonitoringReport", part) == {}
    rows = Monitor.objects.filter(charge_point=charge_point)
    assert [(row.monitor_id, row.type, row.value) for row in rows] == [
        (1, "Delta", "1"),
        (2, "UpperThreshold", "80.5"),
    ]
    assert MonitoringState.objects.get(charge_point=charge_point).read_at == csms.now
