"""The upgrade of a security profile over REST: state, start, retry, cancel, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connection, SecurityProfileUpgrade
from tests.api import client_of, problem_of
from tests.chargepoints.sending import send

PATH = "/api/v1/charge-points/cp-a/security-profile-upgrade/"


def test_state_before_any_upgrade(viewer: Actor, charge_point: ChargePoint) -> None:
    shown = client_of(viewer).get(PATH).json()
    assert (shown["security_profile"], shown["pending_security_profile"], shown["upgrade"]) == (1, None, None)
    assert shown["steps_for"] == 2
    assert {step["name"]: step["state"] for step in shown["steps"]}["key"] == "ok"


def test_state_for_another_profile(viewer: Actor, charge_point: ChargePoint) -> None:
    shown = client_of(viewer).get(PATH, {"target_profile": 3}).json()
    assert "certificate" in [step["name"] for step in shown["steps"]]
    problem_of(client_of(viewer).get(PATH, {"target_profile": "4"}), 400)


def test_state_of_the_highest_profile_has_no_steps(viewer: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=3)
    shown = client_of(viewer).get(PATH).json()
    assert (shown["steps_for"], shown["steps"]) == (None, [])


def test_start_is_ordered_and_shown(technician: Actor, connection: Connection) -> None:
    answer = client_of(technician).post(PATH, {"target_profile": 2})
    assert answer.status_code == 201
    upgrade, command = answer.json()["upgrade"], Command.objects.get()
    assert (upgrade["status"], upgrade["target_profile"], upgrade["command"]) == ("requested", 2, command.pk)
    assert command.payload == {"key": "SecurityProfile", "value": "2"}
    assert (upgrade["requested_by"], upgrade["over_ocpp"]) == (technician.name, True)


def test_start_with_a_key_is_one_upgrade(technician: Actor, charge_point: ChargePoint) -> None:
    body = {"target_profile": 2, "over_ocpp": False}
    client = client_of(technician)
    first, again = (client.post(PATH, body, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["pending_security_profile"] == 2
    assert first.json() == again.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "target_profile"),
        ({"target_profile": 0}, "target_profile"),
        ({"target_profile": 1}, "target_profile"),
        ({"target_profile": 4}, "target_profile"),
        ({"target_profile": 2, "expires_in": 0}, "expires_in"),
        ({"target_profile": 2, "over_ocpp": "maybe"}, "over_ocpp"),
    ],
)
def test_start_of_what_cannot_be_is_a_problem_of_its_field(
    technician: Actor, connection: Connection, body: dict[str, Any], field: str
) -> None:
    assert field in problem_of(client_of(technician).post(PATH, body), 400)["errors"]


def test_start_of_an_offline_charger_is_a_conflict(technician: Actor, charge_point: ChargePoint) -> None:
    problem = problem_of(client_of(technician).post(PATH, {"target_profile": 2}), 409)
    assert problem["code"] == "charge_point_offline"
    assert client_of(technician).post(PATH, {"target_profile": 2, "expires_in": 60}).status_code == 201


def test_start_twice_and_cancel_of_nothing_are_conflicts(
    technician: Actor, charge_point: ChargePoint
) -> None:
    client = client_of(technician)
    assert problem_of(client.delete(PATH), 409)["code"] == "no_upgrade"
    client.post(PATH, {"target_profile": 2, "over_ocpp": False})
    problem = problem_of(client.post(PATH, {"target_profile": 3, "over_ocpp": False}), 409)
    assert problem["code"] == "upgrade_under_way"
    shown = client.delete(PATH).json()
    assert (shown["pending_security_profile"], shown["upgrade"]["status"]) == (None, "cancelled")


def test_retry_orders_it_again(technician: Actor, connection: Connection) -> None:
    client = client_of(technician)
    client.post(PATH, {"target_profile": 2})
    sent = send(Command.objects.get(), connection)
    commands.complete(sent.pk, status=CommandStatus.TIMED_OUT)
    shown = client.post(f"{PATH}retry/", {}).json()
    assert shown["upgrade"]["status"] == "requested"
    assert Command.objects.count() == 2


@pytest.mark.parametrize(("method", "path"), [("post", PATH), ("delete", PATH), ("post", f"{PATH}retry/")])
def test_acts_need_the_right_to_dangerous_commands(
    support: Actor, stranger: Actor, charge_point: ChargePoint, method: str, path: str
) -> None:
    body = {"target_profile": 2, "over_ocpp": False}
    problem_of(getattr(client_of(support), method)(path, body), 403)
    problem_of(getattr(client_of(None), method)(path, body), 401)
    problem_of(getattr(client_of(stranger), method)(path, body), 404)
    assert not SecurityProfileUpgrade.objects.exists()


def test_state_is_for_the_own_tenant_alone(stranger: Actor, charge_point: ChargePoint) -> None:
    problem_of(client_of(stranger).get(PATH), 404)
    problem_of(client_of(None).get(PATH), 401)


def test_charge_points_are_found_by_their_profile(viewer: Actor, charge_point: ChargePoint) -> None:
    path = "/api/v1/charge-points/"
    assert client_of(viewer).get(path, {"security_profile": 1}).json()["count"] == 1
    assert client_of(viewer).get(path, {"security_profile": 2}).json()["count"] == 0
    problem_of(client_of(viewer).get(path, {"security_profile": 9}), 400)
