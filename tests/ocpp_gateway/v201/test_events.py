"""Events that charging stations report (2.x N07, N08, G01): repeats, ends, alerts, status."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Tenant
from chargepoints.models import ChargePoint, ChargerEvent, Connector, Monitor, StatusEvent
from chargepoints.monitoring_choices import EventState
from chargepoints.services import charger_events
from csms_project.common.models import Event
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Payload
from tests.ocpp_gateway.v201.monitoring import component, event_data, events, last_event, monitor, report

HOT: dict[str, Any] = {"variable": "Temperature", "value": "91", "trigger": "Alerting"}


def hot(**more: Any) -> Payload:
    """An alert of a monitor"""
    return event_data(**{**HOT, "variableMonitoringId": 5, **more})


def states(charge_point: ChargePoint) -> list[str]:
    """What goes on and what is over, in the order of arrival"""
    rows = ChargerEvent.objects.filter(charge_point=charge_point).order_by("pk")
    return list(rows.values_list("state", flat=True))


def test_repeat_of_an_event_is_stored_once(csms: Csms, charge_point: ChargePoint) -> None:
    for _ in range(2):
        csms.send(charge_point, "NotifyEvent", events(hot()))
    csms.batch([(charge_point, "NotifyEvent", events(hot(), hot()))] * 2)
    assert ChargerEvent.objects.filter(charge_point=charge_point).count() == 1


def test_number_that_is_used_again_is_another_event(csms: Csms, charge_point: ChargePoint) -> None:
    """Numbers begin again with a boot, and some chargers always send the same."""
    csms.send(charge_point, "NotifyEvent", events(hot(), hot(minutes=1), hot(of=component(evse=2))))
    assert ChargerEvent.objects.filter(charge_point=charge_point).count() == 3


def test_alert_goes_on_until_it_is_cleared(csms: Csms, charge_point: ChargePoint) -> None:
    """N07.FR.02"""
    csms.send(charge_point, "NotifyEvent", events(hot()))
    assert states(charge_point) == ["open"]
    csms.send(charge_point, "NotifyEvent", events(hot(number=2, value="60", cleared=True, minutes=5)))
    assert states(charge_point) == ["ended", "moment"]
    first = ChargerEvent.objects.filter(charge_point=charge_point).earliest("pk")
    assert first.ended_at == T0 + timedelta(minutes=5)


def test_alert_and_its_end_in_one_batch_are_paired(csms: Csms, charge_point: ChargePoint) -> None:
    end = hot(number=2, value="60", cleared=True, minutes=5)
    csms.batch([(charge_point, "NotifyEvent", events(hot())), (charge_point, "NotifyEvent", events(end))])
    assert states(charge_point) == ["ended", "moment"]


@pytest.mark.parametrize(
    "other",
    [{"variableMonitoringId": 6}, {"of": component(evse=2)}, {"variable": "Power"}],
    ids=["monitor", "place", "variable"],
)
def test_end_of_something_else_ends_nothing(csms: Csms, charge_point: ChargePoint, other: Payload) -> None:
    csms.send(charge_point, "NotifyEvent", events(hot()))
    csms.send(charge_point, "NotifyEvent", events(hot(number=2, cleared=True, **other)))
    assert states(charge_point) == ["open", "moment"]


def test_end_without_a_beginning_is_stored(csms: Csms, charge_point: ChargePoint) -> None:
    """N07 remark: what began while the charger was offline may never have been told."""
    csms.send(charge_point, "NotifyEvent", events(hot(cleared=True)))
    assert states(charge_point) == ["moment"]


def test_alert_that_comes_again_replaces_the_earlier_one(csms: Csms, charge_point: ChargePoint) -> None:
    for number in (1, 2, 3):
        csms.send(charge_point, "NotifyEvent", events(hot(number=number, minutes=number)))
    assert states(charge_point) == ["ended", "ended", "open"]


def test_problem_goes_on_until_the_variable_is_false(csms: Csms, charge_point: ChargePoint) -> None:
    problem: dict[str, Any] = {"variable": "Problem", "eventNotificationType": "HardWiredNotification"}
    csms.send(charge_point, "NotifyEvent", events(event_data(value="true", **problem)))
    assert [row.what for row in charger_events.going_on(charge_point)] == ["Problem"]
    csms.send(charge_point, "NotifyEvent", events(event_data(value="false", number=2, **problem)))
    assert charger_events.going_on(charge_point) == []


def test_severity_is_the_monitors_as_we_know_it(csms: Csms, charge_point: ChargePoint) -> None:
    """2.0.1 has no severity in events; the kind of the monitor is learnt from them."""
    csms.send(charge_point, "NotifyMonitoringReport", report(1, monitor(5, "UpperThreshold", 90, 2)))
    csms.send(charge_point, "NotifyEvent", events(hot(eventNotificationType="PreconfiguredMonitor")))
    row = last_event(charge_point)
    assert (row.severity, row.is_alert) == (2, True)
    assert Monitor.objects.get(charge_point=charge_point).kind == "PreconfiguredMonitor"


def test_severity_of_21_is_the_events_own(csms21: Csms21, charge_point: ChargePoint) -> None:
    csms21.send(charge_point, "NotifyEvent", events(hot(severity=7)))
    row = last_event(charge_point)
    assert (row.severity, row.is_alert) == (7, False)


@pytest.mark.parametrize(
    ("limit", "severity", "is_alert"), [(4, 4, True), (4, 5, False), (9, 9, True), (None, 0, False)]
)
def test_alert_rule_of_the_organisation(
    csms21: Csms21,
    charge_point: ChargePoint,
    tenant: Tenant,
    limit: int | None,
    severity: int,
    is_alert: bool,
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(alert_event_severity=limit)
    csms21.send(charge_point, "NotifyEvent", events(hot(severity=severity, techCode="E7")))
    assert last_event(charge_point).is_alert is is_alert
    told = Event.objects.filter(kind="charger_event.alert", charge_point="CP-A")
    assert [row.data["tech_code"] for row in told] == (["E7"] if is_alert else [])


@pytest.mark.parametrize(
    "given",
    [
        hot(trigger="Periodic", severity=0),
        hot(cleared=True, severity=0),
        event_data(severity=0),
    ],
    ids=["periodic", "cleared", "availability"],
)
def test_what_never_is_an_alert(csms21: Csms21, charge_point: ChargePoint, given: Payload) -> None:
    csms21.send(charge_point, "NotifyEvent", events(given))
    assert last_event(charge_point).is_alert is False


def test_fault_without_a_monitor_is_an_alert(csms: Csms, charge_point: ChargePoint) -> None:
    fault = event_data("Fault", "true", eventNotificationType="HardWiredNotification")
    csms.send(charge_point, "NotifyEvent", events(fault))
    assert last_event(charge_point).is_alert is True


# ---------------------------------------------------------------- status (G01)


def test_availability_of_a_connector_is_its_status(csms: Csms, charge_point: ChargePoint) -> None:
    where = component("Connector", evse=1, connector=2)
    csms.send(charge_point, "NotifyEvent", events(event_data(value="Occupied", of=where)))
    row = Connector.objects.get(charge_point=charge_point, ocpp_number=1, number=2)
    assert (row.status, row.status_at) == ("Occupied", T0)
    kept = StatusEvent.objects.get(charge_point=charge_point)
    assert (kept.evse_number, kept.connector_number, kept.status) == (1, 2, "Occupied")
    assert Event.objects.filter(kind="connector.status_changed").count() == 1


def test_older_availability_does_not_replace_a_newer_status(csms: Csms, charge_point: ChargePoint) -> None:
    where = component("Connector", evse=1, connector=1)
    newer = event_data(value="Occupied", of=where, minutes=1)
    older = event_data(value="Available", of=where, number=2)
    csms.now = T0 + timedelta(minutes=2)
    csms.batch([(charge_point, "NotifyEvent", events(newer)), (charge_point, "NotifyEvent", events(older))])
    assert Connector.objects.get(charge_point=charge_point, number=1, ocpp_number=1).status == "Occupied"


def test_availability_of_an_evse_with_one_connector_is_its_status(
    csms: Csms, charge_point: ChargePoint
) -> None:
    csms.send(charge_point, "NotifyEvent", events(event_data(value="Faulted")))
    assert Connector.objects.get(charge_point=charge_point, ocpp_number=1).status == "Faulted"


def test_availability_of_an_evse_with_several_connectors_is_no_ones_status(
    csms: Csms, charge_point: ChargePoint
) -> None:
    for connector in (1, 2):
        where = component("Connector", evse=3, connector=connector)
        item = event_data(value="Available", of=where, number=connector)
        csms.send(charge_point, "NotifyEvent", events(item))
    whole = event_data(value="Occupied", of=component(evse=3), number=9, minutes=1)
    csms.send(charge_point, "NotifyEvent", events(whole))
    rows = Connector.objects.filter(charge_point=charge_point, ocpp_number=3)
    assert set(rows.values_list("status", flat=True)) == {"Available"}


def test_availability_of_the_station_is_its_own(csms: Csms, charge_point: ChargePoint) -> None:
    where = component("ChargingStation", evse=None)
    csms.send(charge_point, "NotifyEvent", events(event_data(value="Unavailable", of=where)))
    charge_point.refresh_from_db()
    assert charge_point.status == "Unavailable"


# ---------------------------------------------------------------- bounds


def test_too_many_events_in_a_message_are_cut(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpp_gateway.v201.monitoring.MAX_EVENTS", 3)
    items = [hot(number=number, trigger="Periodic") for number in range(10)]
    assert csms.send(charge_point, "NotifyEvent", events(*items)) == {}
    assert ChargerEvent.objects.filter(charge_point=charge_point).count() == 3


def test_strange_values_are_stored(csms: Csms, charge_point: ChargePoint) -> None:
    """Numbers beyond the database, no usable time, secrets."""
    items = [
        hot(number=2**40, minutes=0, cause=-(2**40)),
        event_data("BasicAuthPassword", "geheim", number=2, trigger="Delta"),
        {**hot(number=3), "timestamp": "1970-01-01T00:00:00Z"},
    ]
    assert csms.send(charge_point, "NotifyEvent", events(*items)) == {}
    rows = list(ChargerEvent.objects.filter(charge_point=charge_point).order_by("pk"))
    assert [row.event_id for row in rows] == [0, 2, 3]
    assert rows[1].value == "***"
    assert rows[2].at == csms.now


def test_events_of_a_charger_do_not_touch_anothers(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    csms.send(charge_point, "NotifyEvent", events(hot()))
    csms.send(other_charge_point, "NotifyEvent", events(hot()))
    csms.send(other_charge_point, "NotifyEvent", events(hot(number=2, cleared=True)))
    assert states(charge_point) == [EventState.OPEN]
    assert states(other_charge_point) == [EventState.ENDED, EventState.MOMENT]


@pytest.mark.parametrize("count", [1, 12])
def test_a_batch_of_events_reads_in_sets(
    csms: Csms,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    django_assert_max_num_queries: Any,
    count: int,
) -> None:
    """However many messages: charge points, connectors, repeats, monitors, what goes on; then the writes."""
    stations = [charge_point, other_charge_point]
    csms.batch([(station, "NotifyEvent", events(event_data())) for station in stations])
    calls = [
        (station, "NotifyEvent", events(hot(number=number), event_data(number=100 + number)))
        for station in stations
        for number in range(count)
    ]
    with django_assert_max_num_queries(16):
        csms.batch(calls)
