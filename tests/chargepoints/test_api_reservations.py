"""Reservations over REST: made, called off, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.choices import Role
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.api import waiting
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connection, Connector, Reservation
from tests import factories
from tests.api import client_of, problem_of
from tests.conftest import ActorFor

PATH = "/api/v1/reservations/"
BODY = {"charge_point": "cp-a", "id_token": "04AA", "expires_at": "2099-03-02T10:00:00Z"}


def test_reservation_is_there_as_requested_when_the_post_returns(
    support: Actor, connection: Connection, connector: Connector
) -> None:
    body = {**BODY, "connector_id": connector.ocpp_number, "parent_id_token": "G"}

    response = client_of(support).post(PATH, body)

    assert response.status_code == 201
    shown = response.json()
    assert (shown["reservation_id"], shown["status"], shown["charge_point"]) == (1, "requested", "CP-A")
    assert (shown["connector_id"], shown["id_token"], shown["parent_id_token"]) == (
        connector.ocpp_number,
        "04AA",
        "G",
    )
    assert client_of(support).get(f"{PATH}{shown['id']}/").json() == shown
    command = Command.objects.get()
    assert (command.action, command.requested_by_name) == ("reserve_now", support.name)


def test_reservation_waits_for_what_the_charger_says(
    support: Actor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(seconds: float) -> None:
        status, summary = CommandStatus.REJECTED, "The connector has a fault."
        commands.complete(Command.objects.get().pk, status=status, summary=summary)

    monkeypatch.setattr(waiting, "pause", answer)

    shown = client_of(support).post(f"{PATH}?wait=10", BODY).json()

    assert (shown["status"], shown["end_reason"]) == ("rejected", "The connector has a fault.")


def test_repeat_with_key_is_one_reservation(support: Actor, connection: Connection) -> None:
    client = client_of(support)
    first, again = (client.post(PATH, BODY, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))
    other = client.post(PATH, {**BODY, "id_token": "04BB"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert first.json()["id"] == again.json()["id"]
    assert problem_of(other, 422)["code"] == "idempotency_conflict"
    assert Reservation.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"charge_point": "nowhere"}, "charge_point"),
        ({"id_token": ""}, "id_token"),
        ({"id_token": "x" * 21}, "non_field_errors"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"connector_id": -1}, "connector_id"),
        ({"reservation_id": 0}, "reservation_id"),
        ({"expires_in": 0}, "expires_in"),
    ],
)
def test_unusable_reservation_names_the_field(
    support: Actor, connection: Connection, change: dict[str, Any], field: str
) -> None:
    assert list(problem_of(client_of(support).post(PATH, {**BODY, **change}), 400)["errors"]) == [field]
    assert not Reservation.objects.exists()


def test_reservation_at_an_offline_charger_is_409_or_waits(support: Actor, charge_point: ChargePoint) -> None:
    client = client_of(support)

    assert problem_of(client.post(PATH, BODY), 409)["code"] == "charge_point_offline"
    assert client.post(PATH, {**BODY, "expires_in": 600}).json()["status"] == "requested"


def test_reservation_at_another_tenants_charger_is_as_if_there_were_none(
    stranger: Actor, connection: Connection
) -> None:
    assert list(problem_of(client_of(stranger).post(PATH, BODY), 400)["errors"]) == ["charge_point"]
    assert not Reservation.objects.exists()


@pytest.mark.parametrize("role", list(Role))
def test_role_that_may_send_commands_may_reserve_and_cancel(
    tenant: Tenant, actor_for: ActorFor, connection: Connection, role: Role
) -> None:
    client = client_of(actor_for(tenant, role))
    row = factories.ReservationFactory(charge_point=connection.charge_point, status="active")

    made, cancelled = client.post(PATH, BODY), client.post(f"{PATH}{row.pk}/cancel/")

    expected = (403, 403) if role == Role.VIEWER else (201, 200)
    assert (made.status_code, cancelled.status_code) == expected
    assert client.get(PATH).status_code == 200


def test_anonymous_may_nothing(connection: Connection) -> None:
    row = factories.ReservationFactory(charge_point=connection.charge_point, status="active")
    client = client_of(None)

    for response in (client.get(PATH), client.post(PATH, BODY), client.post(f"{PATH}{row.pk}/cancel/")):
        problem_of(response, 401)
    assert not Command.objects.exists()


def test_cancel_asks_the_charger_and_shows_what_it_has_agreed_to(
    support: Actor, connection: Connection
) -> None:
    row = factories.ReservationFactory(charge_point=connection.charge_point, status="active")
    client = client_of(support)

    assert client.post(f"{PATH}{row.pk}/cancel/").json()["status"] == "active"
    commands.complete(Command.objects.get().pk, status=CommandStatus.ACCEPTED)

    assert client.get(f"{PATH}{row.pk}/").json()["status"] == "cancelled"
    assert problem_of(client.post(f"{PATH}{row.pk}/cancel/"), 409)["code"] == "reservation_ended"


def test_cancel_before_the_charger_was_asked_is_at_once(support: Actor, connection: Connection) -> None:
    client = client_of(support)
    made = client.post(PATH, BODY).json()

    assert client.post(f"{PATH}{made['id']}/cancel/").json()["status"] == "cancelled"


def test_cancel_of_another_tenants_reservation_is_404(stranger: Actor, connection: Connection) -> None:
    row = factories.ReservationFactory(charge_point=connection.charge_point, status="active")

    problem_of(client_of(stranger).post(f"{PATH}{row.pk}/cancel/"), 404)
    assert not Command.objects.exists()


def test_kind_of_connector_is_reserved_at_chargers_of_2x_only(
    operator: Actor, connection: Connection
) -> None:
    body = {
        "charge_point": connection.charge_point.identity,
        "id_token": "04A1",
        "expires_at": "2099-03-02T10:00:00Z",
        "connector_type": "cCCS2",
    }
    client = client_of(operator)

    document = problem_of(client.post("/api/v1/reservations/", body), 400)
    assert "cannot reserve a kind of connector" in str(document["errors"])
    ChargePoint.objects.update(ocpp_version="ocpp2.0.1")
    assert client.post("/api/v1/reservations/", body).status_code == 201
    assert Command.objects.get().payload["connector_type"] == "cCCS2"
