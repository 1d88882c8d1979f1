"""Templates and the drift report over the API."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, ConfigurationTemplate, FleetTask
from chargepoints.services.variables import Entry, store_snapshot
from tests.api import V1, client_of, names, problem_of
from tests.factories import ConfigurationTemplateFactory

TEMPLATES = f"{V1}configuration-templates/"
DRIFT = f"{V1}configuration-drift/"
BODY: dict[str, Any] = {
    "name": "Wall boxes",
    "model": "Wall*",
    "entries": [
        {"key": "HeartbeatInterval", "value": "300"},
        {"key": "WifiPassword", "value": "hunter2"},
        {"key": "Empty", "value": ""},
    ],
}


@pytest.fixture
def drifting(charge_point: ChargePoint, tenant: Tenant) -> ConfigurationTemplate:
    made: ConfigurationTemplate = ConfigurationTemplateFactory(
        tenant=tenant, name="Base", entries={"HeartbeatInterval": "300", "Missing": "1"}
    )
    store_snapshot(charge_point.pk, [Entry(key="HeartbeatInterval", value="60")], is_complete=True)
    return made


def test_template_is_made_read_changed_and_deleted(technician: Actor) -> None:
    client = client_of(technician)
    made = client.post(TEMPLATES, BODY, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["entries"] == [
        {"key": "Empty", "value": "", "is_secret": False},
        {"key": "HeartbeatInterval", "value": "300", "is_secret": False},
        {"key": "WifiPassword", "value": None, "is_secret": True},
    ]
    assert "hunter2" not in made.text
    path = f"{TEMPLATES}{made.json()['id']}/"
    changed = client.patch(
        path,
        {"priority": 4, "entries": [{"key": "A", "value": "1"}, {"key": "WifiPassword", "value": None}]},
        format="json",
    )
    assert changed.json()["priority"] == 4
    assert [entry["key"] for entry in changed.json()["entries"]] == ["A", "WifiPassword"]
    assert client.patch(path, {"note": "x"}, format="json").json()["entries"] == changed.json()["entries"]
    assert names(client.get(TEMPLATES, {"key": "wifipassword"}), "name") == ["Wall boxes"]
    assert names(client.get(TEMPLATES, {"key": "other"}), "name") == []
    assert client.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"key": "AuthorizationKey", "value": "x"}], "a secret of each charger"),
        ([{"key": "A", "value": None}], "needs a value"),
        ([{"key": "A", "value": "1"}, {"key": "a", "value": "1"}], "twice"),
    ],
)
def test_template_with_a_wrong_entry_is_400(
    entries: list[dict[str, Any]], words: str, technician: Actor
) -> None:
    answer = client_of(technician).post(TEMPLATES, {**BODY, "entries": entries}, format="json")
    assert words in str(problem_of(answer, 400)["errors"]["entries"])


def test_template_is_exported_and_imported(technician: Actor, drifting: ConfigurationTemplate) -> None:
    client = client_of(technician)
    document = client.get(f"{TEMPLATES}{drifting.pk}/export/").json()
    answer = client.post(f"{TEMPLATES}import/", {**document, "name": "Again"}, format="json")
    assert answer.status_code == 201, answer.content
    assert answer.json()["is_active"] is False
    assert answer.json()["left_out"] == ["It is not in use yet: check it first."]
    problem_of(client.post(f"{TEMPLATES}import/", document, format="json"), 409)
    problem_of(client.post(f"{TEMPLATES}import/", {"format": "x"}, format="json"), 400)


def test_template_is_made_from_a_charge_point(
    technician: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="2")])
    client, path = client_of(technician), f"{TEMPLATES}from-charge-point/"
    made = client.post(path, {"name": "New", "charge_point": "cp-a", "keys": ["b"]}, format="json")
    assert made.json()["entries"] == [{"key": "B", "value": "2", "is_secret": False}]
    for body in ({"charge_point": "CP-B"}, {"charge_point": "CP-A", "keys": ["C"]}):
        problem_of(client.post(path, {"name": "Other", **body}, format="json"), 400)


def test_drift_lists_keys_and_sums(
    viewer: Actor, drifting: ConfigurationTemplate, other_charge_point: ChargePoint
) -> None:
    client = client_of(viewer)
    document = client.get(DRIFT).json()
    assert document["count"] == 2
    row = document["results"][0]
    assert (row["charge_point"], row["key"], row["wanted"], row["actual"], row["state"]) == (
        "CP-A",
        "HeartbeatInterval",
        "300",
        "60",
        "differs",
    )
    assert (row["template"], row["reason"]) == (drifting.pk, "From “Base”.")
    assert client.get(f"{DRIFT}sums/").json() == {
        "covered": 1,
        "in_line": 0,
        "by_state": {"differs": 1, "unknown": 1},
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "unknown"}, ["Missing"]),
        ({"charge_point": "cp-a", "state": "differs"}, ["HeartbeatInterval"]),
        ({"charge_point": "CP-B"}, []),
        ({"location": "999"}, []),
        ({"page_size": "1"}, ["HeartbeatInterval"]),
        ({"page_size": "1", "page": "2"}, ["Missing"]),
    ],
)
def test_drift_is_filtered_and_paged(
    query: dict[str, str],
    found: list[str],
    viewer: Actor,
    drifting: ConfigurationTemplate,
    other_charge_point: ChargePoint,
) -> None:
    assert names(client_of(viewer).get(DRIFT, query), "key") == found


@pytest.mark.parametrize(
    ("query", "status"), [({"state": "cat"}, 400), ({"template": "x"}, 400), ({"page": "9"}, 404)]
)
def test_drift_with_a_wrong_argument_is_a_problem(
    query: dict[str, str], status: int, viewer: Actor, drifting: ConfigurationTemplate
) -> None:
    problem_of(client_of(viewer).get(DRIFT, query), status)


def test_apply_starts_a_task_and_says_what_was_left(
    technician: Actor, drifting: ConfigurationTemplate
) -> None:
    answer = client_of(technician).post(
        f"{DRIFT}apply/", {"charge_points": ["cp-a"], "reset": True, "expires_in": 60}, format="json"
    )
    assert answer.status_code == 201, answer.content
    document = answer.json()
    assert [row["key"] for row in document["sent"]] == ["HeartbeatInterval"]
    assert [row["state"] for row in document["left"]] == ["unknown"]
    task = FleetTask.objects.get(pk=document["fleet_task"])
    assert list(task.items.values_list("action", flat=True)) == ["change_configuration", "reset"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"charge_points": ["CP-B"]}, 400), ({"template": 999999}, 409), ({"charge_points": []}, 400)],
)
def test_apply_of_what_is_not_there_is_a_problem(
    body: dict[str, Any],
    status: int,
    technician: Actor,
    drifting: ConfigurationTemplate,
    other_charge_point: ChargePoint,
) -> None:
    problem_of(client_of(technician).post(f"{DRIFT}apply/", body, format="json"), status)
    assert not FleetTask.objects.exists()


def test_apply_as_support_is_403(support: Actor, drifting: ConfigurationTemplate) -> None:
    problem_of(client_of(support).post(f"{DRIFT}apply/", {}, format="json"), 403)


def test_wanted_explains_which_template_gives_which_value(
    viewer: Actor, stranger: Actor, drifting: ConfigurationTemplate
) -> None:
    path = f"{V1}charge-points/CP-A/variables/wanted/"
    rows = client_of(viewer).get(path).json()
    assert [(row["key"], row["wanted"], row["template"]) for row in rows] == [
        ("HeartbeatInterval", "300", drifting.pk),
        ("Missing", "1", drifting.pk),
    ]
    problem_of(client_of(stranger).get(path), 404)
