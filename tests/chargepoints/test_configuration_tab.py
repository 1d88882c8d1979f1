"""The configuration tab, and what the API says of configurations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.permissions import Actor
from chargepoints.choices import VariableSource
from chargepoints.models import ChargePoint
from chargepoints.services.variables import Entry, store_snapshot, store_value
from tests.api import V1, client_of, names, problem_of
from tests.browsing import sign_in
from tests.factories import T0, CommandFactory, VariableChangeFactory

SNAPSHOT = (
    Entry(key="HeartbeatInterval", value="300"),
    Entry(key="NumberOfConnectors", value="2", is_readonly=True),
    Entry(key="VendorMode", value="<b>eco</b>"),
    Entry(key="WifiPassword", value="hunter2"),
    Entry(key="Note", value=""),
)
CHANGE = "?key=HeartbeatInterval&amp;value=300"


@pytest.fixture(autouse=True)
def _snapshot(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, SNAPSHOT, at=T0, is_complete=True)


def tab(client: Client, charge_point: ChargePoint, **query: str) -> str:
    path = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return client.get(path, {"tab": "configuration", **query}).content.decode()


def keys(text: str) -> list[str]:
    return [part.partition("</span>")[0] for part in text.split('<span class="cs-key">')[1:]]


def test_tab_shows_values_and_their_meaning(
    technician: Actor, charge_point: ChargePoint, client: Client
) -> None:
    text = tab(sign_in(client, technician), charge_point)
    assert keys(text) == ["HeartbeatInterval", "Note", "NumberOfConnectors", "VendorMode", "WifiPassword"]
    assert "How long the charger may be silent before it sends a heartbeat." in text
    assert "&lt;b&gt;eco&lt;/b&gt;" in text
    assert "hunter2" not in text
    assert "All keys were read on 2 Mar 2026" in text
    assert CHANGE in text
    assert "?key=WifiPassword&amp;value" not in text
    assert "?key=NumberOfConnectors" not in text


def test_tab_offers_a_viewer_nothing_to_change(
    viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    text = tab(sign_in(client, viewer), charge_point)
    assert "HeartbeatInterval" in text
    assert CHANGE not in text
    assert "Read again" not in text
    assert "Compare with" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "heartbeat"}, ["HeartbeatInterval"]),
        ({"q": "how many CONNECTORS"}, ["NumberOfConnectors"]),
        ({"q": "eco"}, ["VendorMode"]),
        ({"q": "***"}, []),
        ({"show": "vendor"}, ["Note", "VendorMode", "WifiPassword"]),
        ({"show": "standard"}, ["HeartbeatInterval", "NumberOfConnectors"]),
        ({"show": "writable", "q": "number"}, []),
        ({"show": "gone"}, []),
        ({"show": "strange", "q": "note"}, ["Note"]),
    ],
)
def test_tab_is_searched_and_filtered(
    query: dict[str, str], found: list[str], viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    text = tab(sign_in(client, viewer), charge_point, **query)
    assert keys(text) == found
    assert ("No key fits." in text) is not bool(found)


def test_tab_marks_what_is_gone_unknown_or_waits(
    viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    store_snapshot(charge_point.pk, SNAPSHOT[1:], unknown=["LightIntensity"], is_complete=True)
    store_value(charge_point.pk, "Note", "x", reboot_required=True)
    text = tab(sign_in(client, viewer), charge_point)
    assert all(words in text for words in ("no longer listed", "unknown to the charger", "after a reboot"))


def test_tab_shows_who_changed_what(viewer: Actor, charge_point: ChargePoint, client: Client) -> None:
    command = CommandFactory(charge_point=charge_point, requested_by_name="Night shift")
    store_value(charge_point.pk, "HeartbeatInterval", "60", command=command)
    text = tab(sign_in(client, viewer), charge_point)
    assert "Set by us" in text
    assert "Night shift" in text
    assert reverse("admin:chargepoints_command_change", args=[command.pk]) in text


def test_tab_of_a_charger_that_told_nothing_says_what_to_do(
    technician: Actor, charge_point: ChargePoint, client: Client
) -> None:
    charge_point.variables.all().delete()
    text = tab(sign_in(client, technician), charge_point)
    assert "Nothing was read yet." in text


def test_tab_costs_the_same_for_any_number_of_keys(
    viewer: Actor,
    charge_point: ChargePoint,
    client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    sign_in(client, viewer)
    tab(client, charge_point)
    # Session, user, membership, tenant; the charger and its live part; keys, state, changes, what is wanted.
    with django_assert_num_queries(17):
        tab(client, charge_point)
    store_snapshot(charge_point.pk, [Entry(key=f"Key{number}") for number in range(50)], is_complete=True)
    with django_assert_num_queries(17):
        tab(client, charge_point)


def test_variables_of_the_api_say_what_the_standard_says(viewer: Actor, charge_point: ChargePoint) -> None:
    rows = client_of(viewer).get(f"{V1}charge-points/CP-A/variables/").json()["results"]
    found = {row["name"]: row for row in rows}
    heartbeat = found["HeartbeatInterval"]
    assert (heartbeat["profile"], heartbeat["type"], heartbeat["unit"]) == ("Core", "integer", "s")
    assert heartbeat["read_at"] == "2026-03-02T10:00:00Z"
    assert (found["VendorMode"]["type"], found["VendorMode"]["description"]) == (None, None)
    assert found["WifiPassword"]["value"] == "***"


def test_variables_of_the_api_are_filtered_by_their_state(viewer: Actor, charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, SNAPSHOT[1:], unknown=["Strange"], is_complete=True)
    path = f"{V1}charge-points/CP-A/variables/"
    client = client_of(viewer)
    assert names(client.get(path, {"gone": "true"}), "name") == ["HeartbeatInterval"]
    assert names(client.get(path, {"is_unknown": "true"}), "name") == ["Strange"]
    assert names(client.get(path, {"is_readonly": "true"}), "name") == ["NumberOfConnectors"]


def test_state_of_the_api_says_when_it_was_read(
    viewer: Actor, charge_point: ChargePoint, stranger: Actor
) -> None:
    path = f"{V1}charge-points/CP-A/variables/state/"
    assert client_of(viewer).get(path).json() == {
        "whole_read_at": "2026-03-02T10:00:00Z",
        "partly_read_at": None,
    }
    problem_of(client_of(stranger).get(path), 404)


def test_state_of_the_api_of_a_charger_that_told_nothing_is_empty(
    stranger: Actor, other_charge_point: ChargePoint
) -> None:
    answer = client_of(stranger).get(f"{V1}charge-points/CP-B/variables/state/")
    assert answer.json() == {"whole_read_at": None, "partly_read_at": None}


def test_changes_of_the_api_are_filtered(
    viewer: Actor, stranger: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    VariableChangeFactory(charge_point=charge_point, received_at=T0, name="A", source=VariableSource.SET)
    VariableChangeFactory(charge_point=charge_point, received_at=T0 + timedelta(hours=1), name="B")
    VariableChangeFactory(charge_point=other_charge_point, received_at=T0, name="C")
    path = f"{V1}charge-points/CP-A/variable-changes/"
    client = client_of(viewer)
    assert names(client.get(path), "name") == ["B", "A"]
    assert names(client.get(path, {"source": "set"}), "name") == ["A"]
    assert names(client.get(path, {"received_after": "2026-03-02T10:30:00Z"}), "name") == ["B"]
    problem_of(client.get(path, {"kind": "cat"}), 400)
    problem_of(client_of(stranger).get(path), 404)
