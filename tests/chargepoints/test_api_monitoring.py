"""Monitors, events, streams and customers' data over REST."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints.models import (
    ChargePoint,
    ChargerEvent,
    Command,
    Connection,
    CustomerInformation,
    StreamValues,
    Variable,
)
from chargepoints.monitoring_choices import EventState, ReportState
from csms_project.common.models import AuditEntry
from tests import factories
from tests.api import V1, client_of, names, problem_of
from tests.factories import T0

pytestmark = pytest.mark.django_db
MONITORS = V1 + "charge-points/CP-A/monitors/"
EVENTS = V1 + "charger-events/"
STREAMS = V1 + "charge-points/CP-A/event-streams/"
CUSTOMERS = V1 + "charge-points/CP-A/customer-information/"
WANTED = {"component": "EVSE", "evse": 1, "variable": "Power", "type": "Delta", "value": "5", "severity": 3}


@pytest.fixture
def online(charge_point: ChargePoint, connection: Connection) -> ChargePoint:
    """The charge point, connected and speaking 2.1"""
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1")
    return charge_point


# ---------------------------------------------------------------- monitors


def test_monitors_are_listed_and_filtered(viewer: Actor, charge_point: ChargePoint) -> None:
    factories.MonitorFactory(charge_point=charge_point, monitor_id=7, severity=2)
    factories.MonitorFactory(charge_point=charge_point, monitor_id=8, component="Connector", type="Delta")
    client = client_of(viewer)
    assert names(client.get(MONITORS), "id") == [7, 8]
    assert names(client.get(f"{MONITORS}?type=Delta"), "id") == [8]
    assert names(client.get(f"{MONITORS}?severity=2&component=EVSE"), "id") == [7]
    row = client.get(f"{MONITORS}7/").json()
    assert (row["component"], row["evse"], row["value"], row["kind"]) == ("EVSE", 1, "90", "")


def test_state_says_when_monitors_are_doubtful(viewer: Actor, charge_point: ChargePoint) -> None:
    client = client_of(viewer)
    state = client.get(f"{MONITORS}state/").json()
    assert (state["base"], state["level"], state["is_doubtful"]) == (None, None, False)
    ChargePoint.objects.filter(pk=charge_point.pk).update(last_boot_at=T0)
    assert client.get(f"{MONITORS}state/").json()["is_doubtful"] is True


def test_monitors_are_set_in_as_many_commands_as_the_charger_wants(
    support: Actor, online: ChargePoint
) -> None:
    Variable.objects.create(
        tenant=online.tenant,
        charge_point=online,
        component="MonitoringCtrlr",
        name="ItemsPerMessage",
        name_key="itemspermessage",
        instance="SetVariableMonitoring",
        value="2",
        updated_at=T0,
    )
    body = {"monitors": [{**WANTED, "evse": number} for number in (1, 2, 3)], "expires_in": 60}
    answer = client_of(support).post(MONITORS, body)
    assert answer.status_code == 201, answer.content
    rows = Command.objects.filter(pk__in=answer.json()["commands"]).order_by("pk")
    assert [len(row.payload["monitors"]) for row in rows] == [2, 1]


@pytest.mark.parametrize(
    "wrong", [{"value": "much"}, {"severity": 10}, {"type": "Sometimes"}, {"evse": None, "connector": 1}]
)
def test_wrong_monitor_is_refused(support: Actor, online: ChargePoint, wrong: dict[str, Any]) -> None:
    body = {key: value for key, value in {**WANTED, **wrong}.items() if value is not None}
    problem_of(client_of(support).post(MONITORS, {"monitors": [body]}), 400)
    assert not Command.objects.exists()


def test_charger_of_16_has_no_monitors(
    support: Actor, charge_point: ChargePoint, connection: Connection
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp1.6")
    problem = problem_of(client_of(support).post(MONITORS, {"monitors": [WANTED]}), 400)
    assert "OCPP 1.6 has no message for set_variable_monitoring" in json.dumps(problem)


def test_monitors_of_an_offline_charger_are_a_conflict(support: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.0.1")
    client = client_of(support)
    problem_of(client.post(MONITORS, {"monitors": [WANTED]}), 409)
    assert client.post(MONITORS, {"monitors": [WANTED], "expires_in": 60}).status_code == 201


def test_removing_monitors_needs_more_rights_than_setting(
    support: Actor, technician: Actor, online: ChargePoint
) -> None:
    body = {"monitor_ids": [3, 4]}
    problem_of(client_of(support).post(f"{MONITORS}clear/", body), 403)
    answer = client_of(technician).post(f"{MONITORS}clear/", body)
    assert answer.status_code == 201
    (number,) = answer.json()["commands"]
    assert Command.objects.get(pk=number).payload == {"monitor_ids": ["3", "4"]}


# ---------------------------------------------------------------- events


@pytest.fixture
def events(charge_point: ChargePoint, other_charge_point: ChargePoint) -> dict[str, ChargerEvent]:
    make = factories.ChargerEventFactory
    make(charge_point=other_charge_point, is_alert=True)
    return {
        "hot": make(charge_point=charge_point, is_alert=True, severity=2, state=EventState.OPEN),
        "over": make(charge_point=charge_point, severity=5, state=EventState.ENDED, variable="Power"),
        "moment": make(charge_point=charge_point, trigger="Delta", received_at=T0 + timedelta(hours=1)),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["moment", "over", "hot"]),
        ("severity=4", ["hot"]),
        ("severity=5", ["over", "hot"]),
        ("state=open", ["hot"]),
        ("open=true", ["hot"]),
        ("open=false", ["moment", "over"]),
        ("alert=true&charge_point=cp-a", ["hot"]),
        ("charge_point=CP-Z", []),
        ("variable=Power", ["over"]),
        ("trigger=Delta", ["moment"]),
        ("received_after=2026-03-02T10:30:00Z", ["moment"]),
    ],
)
def test_events_are_filtered(
    viewer: Actor, events: dict[str, ChargerEvent], query: str, found: list[str]
) -> None:
    query = query.replace("2026-03-02T10:30:00Z", f"{T0 + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}")
    assert names(client_of(viewer).get(f"{EVENTS}?{query}"), "id") == [events[name].pk for name in found]


def test_event_is_acknowledged_once(
    technician: Actor, support: Actor, events: dict[str, ChargerEvent]
) -> None:
    path = f"{EVENTS}{events['hot'].pk}/acknowledge/"
    problem_of(client_of(support).post(path), 403)
    assert client_of(technician).post(path).json()["acknowledged_by_name"] == technician.name
    assert problem_of(client_of(technician).post(path), 409)["code"] == "already_acknowledged"
    assert AuditEntry.objects.filter(action="charger_events.acknowledge").count() == 1


def test_what_goes_on_is_ended_by_hand_once(technician: Actor, events: dict[str, ChargerEvent]) -> None:
    client = client_of(technician)
    path = f"{EVENTS}{events['hot'].pk}/end/"
    assert client.post(path).json()["state"] == "ended"
    assert problem_of(client.post(path), 409)["code"] == "event_is_over"


# ---------------------------------------------------------------- streams


def test_stream_and_its_values_are_read(viewer: Actor, charge_point: ChargePoint) -> None:
    stream = factories.EventStreamFactory(charge_point=charge_point, stream_id=3)
    for number, values in enumerate(([[0, "1"], [1.5, "2"]], [[0, "3"]])):
        at = T0 + timedelta(minutes=number)
        _message(charge_point, 3, at, values)
    _message(charge_point, 4, T0, [[0, "of another stream"]])
    client = client_of(viewer)
    assert names(client.get(STREAMS), "stream_id") == [3]
    messages = client.get(f"{STREAMS}{stream.pk}/values/").json()["results"]
    assert [[value["value"] for value in message["values"]] for message in messages] == [["3"], ["1", "2"]]
    assert messages[1]["values"][1]["at"].startswith(f"{T0 + timedelta(seconds=1.5):%Y-%m-%dT%H:%M:%S.5}")


def _message(charge_point: ChargePoint, stream: int, at: Any, values: list[Any]) -> None:
    StreamValues.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        received_at=at,
        stream_id=stream,
        starts_at=at,
        pending=0,
        length=len(values),
        values=json.dumps(values),
    )


# ---------------------------------------------------------------- customers' data


def test_customers_data_is_asked_for_and_forgotten(operator: Actor, online: ChargePoint) -> None:
    client = client_of(operator)
    token = factories.IdTokenFactory(tenant=online.tenant, value="04A1")
    made = client.post(CUSTOMERS, {"id_token": token.value, "clear": True})
    assert made.status_code == 201, made.content
    row = CustomerInformation.objects.get(pk=made.json()["id"])
    assert (row.customer, row.report, row.clear, row.state) == ("Tag 04A1", True, True, "requested")
    path = f"{CUSTOMERS}{row.pk}/"
    assert problem_of(client.post(f"{path}forget/"), 409)["code"] == "nothing_to_forget"
    CustomerInformation.objects.filter(pk=row.pk).update(text="Anna", state=ReportState.COMPLETE)
    assert client.get(path).json()["text"] == "Anna"
    assert client.post(f"{path}forget/").json()["text"] == ""
    assert names(client.get(f"{CUSTOMERS}?state=complete"), "id") == [row.pk]


@pytest.mark.parametrize("role", ["technician", "support", "viewer"])
def test_customers_data_is_not_for_everybody(
    request: pytest.FixtureRequest, charge_point: ChargePoint, role: str
) -> None:
    row = factories.CustomerInformationFactory(charge_point=charge_point, text="Anna")
    client = client_of(request.getfixturevalue(role))
    problem_of(client.get(f"{CUSTOMERS}{row.pk}/"), 403)
    problem_of(client.post(CUSTOMERS, {"id_token": "04A1"}), 403)
    body = {"action": "customer_information", "payload": {"id_token": "04A1"}}
    problem_of(client.post(f"{V1}charge-points/CP-A/commands/", body), 403)


def test_customer_is_named_once(operator: Actor, online: ChargePoint) -> None:
    problem_of(client_of(operator).post(CUSTOMERS, {"id_token": "A", "customer_identifier": "B"}), 400)
    problem_of(client_of(operator).post(CUSTOMERS, {}), 400)
    assert not CustomerInformation.objects.exists()
