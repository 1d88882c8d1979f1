"""The tab “Monitors and events”, the list of events, streams and customers' data in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.permissions import Actor
from chargepoints.models import (
    ChargePoint,
    ChargerEvent,
    Command,
    Connection,
    CustomerInformation,
    MonitorResult,
    StreamValues,
)
from chargepoints.monitoring_choices import EventState
from csms_project.common.models import AuditEntry
from tests import factories
from tests.browsing import messages_of, sign_in
from tests.factories import T0


@pytest.fixture
def signed_in(technician: Actor, client: Client) -> Client:
    return sign_in(client, technician)


@pytest.fixture
def online(charge_point: ChargePoint, connection: Connection) -> ChargePoint:
    """The charge point, connected and speaking 2.1"""
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1")
    return charge_point


def tab(client: Client, charge_point: ChargePoint, name: str = "monitoring") -> str:
    """The page of a charge point with this tab"""
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    answer = client.get(url, {"tab": name})
    assert answer.status_code == 200
    return answer.content.decode()


def test_tab_without_anything_says_what_to_do(signed_in: Client, charge_point: ChargePoint) -> None:
    page = tab(signed_in, charge_point)
    assert "No monitors are known" in page
    assert "The charger has reported no events." in page


def test_tab_shows_monitors_streams_refusals_and_events(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.MonitorFactory(charge_point=charge_point, monitor_id=71)
    factories.MonitorFactory(charge_point=charge_point, monitor_id=72, kind="HardWiredMonitor")
    factories.EventStreamFactory(charge_point=charge_point, stream_id=33, monitor_id=71)
    factories.ChargerEventFactory(charge_point=charge_point, state=EventState.OPEN, tech_code="E77")
    MonitorResult.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        received_at=T0,
        component="EVSE",
        variable="Nothing",
        type="Delta",
        severity=5,
        status="UnknownVariable",
    )
    ChargePoint.objects.filter(pk=charge_point.pk).update(last_boot_at=T0)
    page = tab(signed_in, charge_point)
    assert "Stream 33" in page
    assert "UnknownVariable" in page
    assert "E77" in page
    assert "has booted since its monitors were read" in page
    # Built-in monitors cannot be removed.
    assert 'value="71"' in page
    assert 'value="72"' not in page


def test_what_goes_on_stands_on_the_overview(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.ChargerEventFactory(charge_point=charge_point, state=EventState.ENDED, tech_code="E66")
    assert "Reported by the charger" not in tab(signed_in, charge_point, "overview")
    factories.ChargerEventFactory(charge_point=charge_point, state=EventState.OPEN, tech_code="E77")
    page = tab(signed_in, charge_point, "overview")
    assert "Reported by the charger" in page
    assert "E77" in page
    assert "E66" not in page


def monitor_form(**changed: Any) -> dict[str, Any]:
    """What the form sends"""
    given = {"component": "EVSE", "evse": "1", "variable": "Power", "type": "Delta", "value": "5"}
    return {**given, "severity": "3", "only_in_transaction": "yes", **changed}


def test_monitor_is_set_by_the_form(signed_in: Client, online: ChargePoint) -> None:
    url = reverse("admin:chargepoints_monitor_set", args=[online.pk])
    assert "datalist" in signed_in.get(url).content.decode()
    answer = signed_in.post(url, monitor_form())
    assert answer.status_code == 302
    (wanted,) = Command.objects.get(action="set_variable_monitoring").payload["monitors"]
    assert wanted == {
        "component": "EVSE",
        "variable": "Power",
        "evse": 1,
        "type": "Delta",
        "value": "5",
        "severity": 3,
        "only_in_transaction": True,
    }


def test_wrong_value_is_said_at_its_field(signed_in: Client, online: ChargePoint) -> None:
    url = reverse("admin:chargepoints_monitor_set", args=[online.pk])
    answer = signed_in.post(url, monitor_form(value="much"))
    assert answer.context["form"].errors == {"value": ["Must be a number."]}
    assert not Command.objects.exists()


def test_monitor_is_changed_by_its_number(signed_in: Client, online: ChargePoint) -> None:
    factories.MonitorFactory(charge_point=online, monitor_id=71)
    url = reverse("admin:chargepoints_monitor_set", args=[online.pk])
    page = signed_in.get(url, {"monitor": "71"}).content.decode()
    assert 'value="Temperature"' in page
    assert signed_in.get(url, {"monitor": "5"}).status_code == 404


def test_monitors_are_removed_after_a_question(signed_in: Client, online: ChargePoint) -> None:
    for number in (71, 72):
        factories.MonitorFactory(charge_point=online, monitor_id=number)
    url = reverse("admin:chargepoints_monitor_remove", args=[online.pk])
    nothing = signed_in.get(url, follow=True)
    assert messages_of(nothing) == ["Choose the monitors to remove first."]
    url += "?monitor=71&monitor=72&monitor=99"
    assert "The charger no longer tells" in signed_in.get(url).content.decode()
    assert not Command.objects.exists()
    signed_in.post(url)
    assert Command.objects.get().payload == {"monitor_ids": ["71", "72"]}


def test_who_may_not_remove_monitors_sees_no_boxes(
    support: Actor, client: Client, charge_point: ChargePoint
) -> None:
    factories.MonitorFactory(charge_point=charge_point, monitor_id=71)
    browser = sign_in(client, support)
    assert 'value="71"' not in tab(browser, charge_point)
    url = reverse("admin:chargepoints_monitor_remove", args=[charge_point.pk])
    assert browser.get(f"{url}?monitor=71").status_code == 403


# ---------------------------------------------------------------- the list of events

EVENTS = "admin:chargepoints_chargerevent_changelist"


@pytest.fixture
def events(charge_point: ChargePoint) -> dict[str, ChargerEvent]:
    make = factories.ChargerEventFactory
    return {
        "hot": make(charge_point=charge_point, is_alert=True, severity=2, state=EventState.OPEN, value="=91"),
        "cool": make(charge_point=charge_point, severity=8, state=EventState.MOMENT, variable="Humidity"),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"hot", "cool"}),
        ("alert=open", {"hot"}),
        ("alert=acknowledged", set()),
        ("severity=4", {"hot"}),
        ("state=moment", {"cool"}),
        ("trigger=Delta", set()),
    ],
)
def test_events_are_filtered(
    signed_in: Client, events: dict[str, ChargerEvent], query: str, found: set[str]
) -> None:
    answer = signed_in.get(f"{reverse(EVENTS)}?{query}")
    listed = {row.pk for row in answer.context["cl"].result_list}
    assert listed == {events[name].pk for name in found}


def test_events_are_acknowledged_and_ended(signed_in: Client, events: dict[str, ChargerEvent]) -> None:
    chosen = [event.pk for event in events.values()]
    answer = signed_in.post(
        reverse(EVENTS), {"action": "acknowledge", "_selected_action": chosen}, follow=True
    )
    assert messages_of(answer) == ["2 acknowledged."]
    answer = signed_in.post(reverse(EVENTS), {"action": "end", "_selected_action": chosen}, follow=True)
    assert messages_of(answer)[0] == "1 over."
    events["hot"].refresh_from_db()
    assert events["hot"].state == EventState.ENDED


def test_events_are_exported_without_formulas(signed_in: Client, events: dict[str, ChargerEvent]) -> None:
    url = reverse("admin:chargepoints_chargerevent_export")
    content = b"".join(signed_in.get(f"{url}?severity=4")).decode()
    lines = content.strip().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("CP-A,")
    assert ",'=91," in lines[1]


def test_page_of_an_event_tells_all(signed_in: Client, events: dict[str, ChargerEvent]) -> None:
    url = reverse("admin:chargepoints_chargerevent_change", args=[events["hot"].pk])
    page = signed_in.get(url).content.decode()
    assert "EVSE 1 Temperature" in page


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize(
    ("values", "has_chart"),
    [
        ('[[0,"5"],[60,"7"]]', True),
        ('[[0,"off"],[60,"on"]]', False),
        ('[[0,"-5"],[60,"7"]]', False),
        ('[[0,"0"],[60,"0"]]', False),
        ("[]", False),
    ],
)
def test_stream_is_drawn_where_its_values_are_numbers(
    signed_in: Client, charge_point: ChargePoint, values: str, has_chart: bool
) -> None:
    stream = factories.EventStreamFactory(charge_point=charge_point, stream_id=3)
    StreamValues.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        received_at=T0,
        stream_id=3,
        starts_at=T0,
        pending=0,
        length=2,
        values=values,
    )
    page = signed_in.get(reverse("admin:chargepoints_eventstream_change", args=[stream.pk])).content.decode()
    assert ("<svg" in page and "cs-plot" in page) == has_chart
    assert ("No values have come yet." in page) == (values == "[]")


# ---------------------------------------------------------------- customers' data


def test_customers_data_is_asked_for_and_read_by_those_who_may(
    operator: Actor, client: Client, online: ChargePoint
) -> None:
    browser = sign_in(client, operator)
    assert "never asked what it knows" in tab(browser, online)
    url = reverse("admin:chargepoints_customerinformation_ask", args=[online.pk])
    form = {"report": "yes", "clear": "no", "id_token": "04A1", "confirm": "on"}
    wrong = browser.post(url, {**form, "customer_identifier": "B"})
    assert "exactly one" in wrong.content.decode()
    answer = browser.post(url, form)
    row = CustomerInformation.objects.get()
    page_url = reverse("admin:chargepoints_customerinformation_change", args=[row.pk])
    assert answer["Location"] == page_url
    CustomerInformation.objects.update(text="Anna <b>")
    page = browser.get(page_url).content.decode()
    assert "Anna &lt;b&gt;" in page
    assert AuditEntry.objects.filter(action="customer_information.view").count() == 1


def test_customers_data_is_deleted_after_a_question(
    operator: Actor, client: Client, charge_point: ChargePoint
) -> None:
    browser = sign_in(client, operator)
    row = factories.CustomerInformationFactory(charge_point=charge_point, text="Anna")
    url = reverse("admin:chargepoints_customerinformation_changelist")
    data = {"action": "forget", "_selected_action": [row.pk]}
    assert "for good" in browser.post(url, data).content.decode()
    browser.post(url, {**data, "confirmed": "yes"})
    row.refresh_from_db()
    assert row.text == ""


@pytest.mark.parametrize("role", ["technician", "support", "viewer"])
def test_customers_data_is_hidden_from_others(
    request: pytest.FixtureRequest, client: Client, charge_point: ChargePoint, role: str
) -> None:
    row = factories.CustomerInformationFactory(charge_point=charge_point, text="Anna")
    browser = sign_in(client, request.getfixturevalue(role))
    assert "Tag 04A1B2C3" not in tab(browser, charge_point)
    url = reverse("admin:chargepoints_customerinformation_change", args=[row.pk])
    assert browser.get(url).status_code == 403
