"""Locations, charge points and what they reported, over REST."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import keys
from chargepoints.models import ChargePoint, Connection, Location, OcppMessage
from tests import factories
from tests.api import client_of, names, problem_of

LOCATIONS, CHARGE_POINTS = "/api/v1/locations/", "/api/v1/charge-points/"
REFUSED, RESERVATIONS = "/api/v1/refused-connections/", "/api/v1/reservations/"
KEY = "a key of my own choice"


# --- locations ---


def test_location_is_made_changed_and_deleted(operator: Actor) -> None:
    client = client_of(operator)
    made = client.post(LOCATIONS, {"name": "Harbour", "latitude": "53.5", "longitude": "9.9"}).json()

    changed = client.patch(f"{LOCATIONS}{made['id']}/", {"time_zone": "Europe/Berlin"})
    deleted = client.delete(f"{LOCATIONS}{made['id']}/")

    assert (changed.json()["time_zone"], deleted.status_code) == ("Europe/Berlin", 204)
    assert not Location.objects.exists()


def test_location_with_unknown_time_zone_names_the_field(operator: Actor) -> None:
    document = problem_of(client_of(operator).post(LOCATIONS, {"name": "X", "time_zone": "Mars/Base"}), 400)

    assert list(document["errors"]) == ["time_zone"]


def test_location_with_taken_name_is_409(operator: Actor, location: Location) -> None:
    problem_of(client_of(operator).post(LOCATIONS, {"name": location.name}), 409)


def test_location_with_charge_points_cannot_be_deleted(operator: Actor, charge_point: ChargePoint) -> None:
    assert charge_point.location is not None

    problem_of(client_of(operator).delete(f"{LOCATIONS}{charge_point.location.pk}/"), 409)


def test_location_cannot_name_a_foreign_tariff(
    operator: Actor, location: Location, other_tenant: Tenant
) -> None:
    foreign = factories.TariffFactory(tenant=other_tenant)

    response = client_of(operator).patch(f"{LOCATIONS}{location.pk}/", {"tariff": foreign.pk})

    assert list(problem_of(response, 400)["errors"]) == ["tariff"]


# --- registering ---


def test_register_without_key_shows_a_generated_one_once(operator: Actor) -> None:
    client = client_of(operator)

    made = client.post(CHARGE_POINTS, {"identity": "NEW", "connector_count": 2})

    assert made.status_code == 201
    key = made.json()["authorization_key"]
    assert keys.verify_key(key.encode(), ChargePoint.objects.get().key_hash)
    assert [row["connector_id"] for row in made.json()["connectors"]] == [1, 2]
    assert "authorization_key" not in client.get(f"{CHARGE_POINTS}NEW/").json()


def test_register_with_key_never_shows_it(operator: Actor) -> None:
    made = client_of(operator).post(CHARGE_POINTS, {"identity": "NEW", "authorization_key": KEY})

    assert made.status_code == 201
    assert "authorization_key" not in made.json()
    assert KEY not in made.text
    assert keys.verify_key(KEY.encode(), ChargePoint.objects.get().key_hash)


def test_register_with_short_key_names_the_field(operator: Actor) -> None:
    response = client_of(operator).post(CHARGE_POINTS, {"identity": "NEW", "authorization_key": "short"})

    assert list(problem_of(response, 400)["errors"]) == ["authorization_key"]


def test_register_without_security_is_explicit(operator: Actor) -> None:
    made = client_of(operator).post(CHARGE_POINTS, {"identity": "NEW", "security_profile": 0})

    assert made.json()["security_profile"] == 0
    assert "authorization_key" not in made.json()
    assert ChargePoint.objects.get().key_hash == ""


def test_register_taken_identity_is_409_even_if_foreign(
    operator: Actor, other_charge_point: ChargePoint
) -> None:
    document = problem_of(client_of(operator).post(CHARGE_POINTS, {"identity": "cp-b"}), 409)

    assert document["errors"] == {"identity": ["This identity is taken."]}


@pytest.mark.parametrize("identity", ["", "a/b", "a:b", "x" * 49, "a\tb"])
def test_register_unusable_identity_is_400(operator: Actor, identity: str) -> None:
    response = client_of(operator).post(CHARGE_POINTS, {"identity": identity})

    assert list(problem_of(response, 400)["errors"]) == ["identity"]


def test_register_at_foreign_location_is_400(operator: Actor, other_tenant: Tenant) -> None:
    foreign = factories.LocationFactory(tenant=other_tenant)

    response = client_of(operator).post(CHARGE_POINTS, {"identity": "NEW", "location": foreign.pk})

    assert list(problem_of(response, 400)["errors"]) == ["location"]


# --- reading ---


@pytest.mark.parametrize(
    ("identity", "path"),
    [
        ("DE.ABC.E1", "DE.ABC.E1"),
        ("my charger", "my%20charger"),
        ("a|b", "a%7Cb"),
        ("MiXeD", "mixed"),
        ("100%", "100%25"),
        ("Straße", "STRASSE"),
        ("a.json", "a.json"),
    ],
)
def test_charge_point_is_found_by_its_identity(
    viewer: Actor, tenant: Tenant, identity: str, path: str
) -> None:
    factories.ChargePointFactory(tenant=tenant, identity=identity)

    response = client_of(viewer).get(f"{CHARGE_POINTS}{path}/")

    assert response.status_code == 200
    assert response.json()["identity"] == identity


@pytest.mark.parametrize("path", ["NOBODY", "%00", "%0A", "a%2Fb", "CP-A%0A"])
def test_unknown_identity_is_404(viewer: Actor, charge_point: ChargePoint, path: str) -> None:
    problem_of(client_of(viewer).get(f"{CHARGE_POINTS}{path}/"), 404)


def test_charge_point_shows_status_and_connectors(
    viewer: Actor, charge_point: ChargePoint, connection: Connection
) -> None:
    shown = client_of(viewer).get(f"{CHARGE_POINTS}CP-A/").json()

    assert (shown["online"], shown["registration_status"]) == (True, "Accepted")
    assert [row["evse"] for row in shown["evses"]] == [1, 2]
    assert [(row["evse"], row["connector"], row["status"]) for row in shown["connectors"]] == [
        (1, 1, "Available"),
        (2, 1, "Available"),
    ]


def test_charge_points_are_filtered(
    viewer: Actor, tenant: Tenant, charge_point: ChargePoint, connection: Connection
) -> None:
    factories.ChargePointFactory(tenant=tenant, identity="OFF", registration_status="Pending")
    client = client_of(viewer)

    assert names(client.get(CHARGE_POINTS, {"online": "true"}), "identity") == ["CP-A"]
    assert names(client.get(CHARGE_POINTS, {"registration_status": "Pending"}), "identity") == ["OFF"]
    assert names(client.get(CHARGE_POINTS, {"connector_status": "Available"}), "identity") == ["CP-A"]
    assert names(client.get(CHARGE_POINTS, {"identity": "off"}), "identity") == ["OFF"]
    assert names(client.get(CHARGE_POINTS, {"archived": "true"}), "identity") == []
    assert names(client.get(CHARGE_POINTS, {"archived": "false"}), "identity") == ["CP-A", "OFF"]


def test_list_of_charge_points_costs_the_same_for_any_number(
    viewer: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(viewer)
    for number in (1, 5):
        for _ in range(number):
            row = factories.ChargePointFactory(tenant=tenant, connectors=2)
            factories.ConnectionFactory(charge_point=row)
        # membership, rows, connectors, their EVSEs, EVSEs, their connectors
        with django_assert_num_queries(6):
            client.get(CHARGE_POINTS)


# --- changing ---


def test_change_writes_what_was_given(operator: Actor, charge_point: ChargePoint) -> None:
    body = {"name": "Gate 1", "authorization_key": KEY, "registration_status": "Pending"}

    shown = client_of(operator).patch(f"{CHARGE_POINTS}CP-A/", body).json()

    charge_point.refresh_from_db()
    assert (shown["name"], shown["registration_status"]) == ("Gate 1", "Pending")
    assert keys.verify_key(KEY.encode(), charge_point.key_hash)


def test_change_of_what_the_charger_wrote_is_ignored(operator: Actor, charge_point: ChargePoint) -> None:
    shown = client_of(operator).patch(f"{CHARGE_POINTS}CP-A/", {"vendor": "Mine", "online": True}).json()

    assert (shown["vendor"], shown["online"]) == ("", False)


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [
        ("accept", "registration_status", "Accepted"),
        ("reject", "registration_status", "Rejected"),
    ],
)
def test_registration_action_sets_the_status(
    technician: Actor, charge_point: ChargePoint, action: str, field: str, value: str
) -> None:
    charge_point.registration_status = "Pending"
    charge_point.save()

    assert client_of(technician).post(f"{CHARGE_POINTS}CP-A/{action}/").json()[field] == value


def test_archive_and_unarchive_turn_each_other_back(operator: Actor, charge_point: ChargePoint) -> None:
    client = client_of(operator)

    assert client.post(f"{CHARGE_POINTS}CP-A/archive/").json()["archived_at"] is not None
    assert client.post(f"{CHARGE_POINTS}CP-A/unarchive/").json()["archived_at"] is None


def test_archive_as_technician_is_403(technician: Actor, charge_point: ChargePoint) -> None:
    problem_of(client_of(technician).post(f"{CHARGE_POINTS}CP-A/archive/"), 403)


def test_rotate_key_shows_the_new_key(operator: Actor, charge_point: ChargePoint) -> None:
    key = client_of(operator).post(f"{CHARGE_POINTS}CP-A/rotate-key/").json()["authorization_key"]

    charge_point.refresh_from_db()
    assert keys.verify_key(key.encode(), charge_point.key_hash)


def test_delete_without_sessions_deletes(operator: Actor, charge_point: ChargePoint) -> None:
    assert client_of(operator).delete(f"{CHARGE_POINTS}CP-A/").status_code == 204
    assert not ChargePoint.objects.exists()


def test_delete_with_sessions_is_409(operator: Actor, charge_point: ChargePoint) -> None:
    factories.TransactionFactory(connector=charge_point.connectors.first())

    document = problem_of(client_of(operator).delete(f"{CHARGE_POINTS}CP-A/"), 409)

    assert document["code"] == "has_sessions"
    assert ChargePoint.objects.exists()


# --- what it reported ---


def test_messages_show_payloads_sender_and_duration(technician: Actor, charge_point: ChargePoint) -> None:
    factories.OcppMessageFactory(
        charge_point=charge_point,
        action="Authorize",
        request='{"idTag":"04"}',
        response="{}",
        answered_at=factories.T0 + timedelta(milliseconds=42),
    )

    (row,) = client_of(technician).get(f"{CHARGE_POINTS}CP-A/messages/").json()["results"]

    assert (row["sent_by"], row["action"], row["duration_ms"]) == ("charger", "Authorize", 42)
    assert (row["request"], row["response"]) == ({"idTag": "04"}, {})


def test_message_that_is_no_json_is_shown_as_text(technician: Actor, charge_point: ChargePoint) -> None:
    factories.OcppMessageFactory(charge_point=charge_point, request="[2,", response="", answered_at=None)

    (row,) = client_of(technician).get(f"{CHARGE_POINTS}CP-A/messages/").json()["results"]

    assert (row["request"], row["response"], row["duration_ms"]) == ("[2,", None, None)


def test_messages_page_by_cursor_newest_first_without_gaps(
    technician: Actor, charge_point: ChargePoint
) -> None:
    # A batch of the gateway gives all its frames one moment of arrival.
    for number in range(7):
        at = factories.T0 + timedelta(seconds=number // 4)
        factories.OcppMessageFactory(charge_point=charge_point, message_id=str(number), received_at=at)
    client, url, seen = client_of(technician), f"{CHARGE_POINTS}CP-A/messages/?page_size=2", []
    while url:
        page = client.get(url).json()
        seen += [row["message_id"] for row in page["results"]]
        url = page["next"]

    assert seen == ["6", "5", "4", "3", "2", "1", "0"]
    assert "count" not in page


@pytest.mark.parametrize("cursor", ["x", "cD1ub3doZW4=", "cD0yMDI2LTAyLTMx", "cD0AAA==", "bz0tMQ=="])
def test_made_up_cursor_is_404(technician: Actor, charge_point: ChargePoint, cursor: str) -> None:
    factories.OcppMessageFactory(charge_point=charge_point)

    problem_of(client_of(technician).get(f"{CHARGE_POINTS}CP-A/messages/", {"cursor": cursor}), 404)


def test_messages_are_filtered(technician: Actor, charge_point: ChargePoint) -> None:
    factories.OcppMessageFactory(charge_point=charge_point, action="Heartbeat")
    factories.OcppMessageFactory(
        charge_point=charge_point,
        action="Reset",
        sent_by_charger=False,
        error_code="NotSupported",
        received_at=factories.T0 + timedelta(hours=1),
    )
    client, path = client_of(technician), f"{CHARGE_POINTS}CP-A/messages/"

    for query, found in (
        ({"action": "heartbeat"}, ["Heartbeat"]),
        ({"sent_by": "csms"}, ["Reset"]),
        ({"errors": "true"}, ["Reset"]),
        ({"errors": "false"}, ["Heartbeat"]),
        ({"received_after": "2026-03-02T10:30:00Z"}, ["Reset"]),
        ({"received_before": "2026-03-02T10:30:00Z"}, ["Heartbeat"]),
    ):
        assert names(client.get(path, query), "action") == found, query
    problem_of(client.get(path, {"sent_by": "cat"}), 400)


def test_messages_as_viewer_are_403(viewer: Actor, charge_point: ChargePoint) -> None:
    problem_of(client_of(viewer).get(f"{CHARGE_POINTS}CP-A/messages/"), 403)


def test_parts_of_a_charge_point_are_listed(technician: Actor, charge_point: ChargePoint) -> None:
    factories.VariableFactory(charge_point=charge_point, name="HeartbeatInterval", value="300")
    factories.StatusEventFactory(charge_point=charge_point, status="Charging")
    other = factories.ChargePointFactory(tenant=charge_point.tenant, connectors=1)
    factories.VariableFactory(charge_point=other)
    factories.StatusEventFactory(charge_point=other)
    client = client_of(technician)

    assert names(client.get(f"{CHARGE_POINTS}cp-a/variables/"), "name") == ["HeartbeatInterval"]
    assert names(client.get(f"{CHARGE_POINTS}cp-a/status-events/"), "status") == ["Charging"]
    assert names(client.get(f"{CHARGE_POINTS}cp-a/connectors/"), "connector_id") == [1, 2]


def test_lists_of_parts_cost_the_same_for_any_number(
    technician: Actor, charge_point: ChargePoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(technician)
    for number in (1, 5):
        for _ in range(number):
            factories.VariableFactory(charge_point=charge_point)
            factories.StatusEventFactory(charge_point=charge_point)
            factories.OcppMessageFactory(charge_point=charge_point)
            factories.CommandFactory(charge_point=charge_point)
        # membership, charge point, rows, sessions of remote starts
        for part, queries in (
            ("variables", 3), ("status-events", 3), ("connectors", 3), ("commands", 4), ("messages", 3)
        ):  # fmt: skip
            with django_assert_num_queries(queries):
                client.get(f"{CHARGE_POINTS}CP-A/{part}/")
    assert OcppMessage.objects.count() == 6


# --- connections, refusals, reservations ---


@pytest.mark.parametrize("path", ["/api/v1/connections", "/api/v1/connections/"])
def test_connections_show_who_is_connected(
    viewer: Actor, connection: Connection, other_charge_point: ChargePoint, path: str
) -> None:
    factories.ConnectionFactory(charge_point=other_charge_point)

    (row,) = client_of(viewer).get(path).json()["results"]

    assert (row["charge_point"], row["ocpp_version"]) == ("CP-A", "ocpp1.6")
    assert row["connected_at"]
    assert row["last_frame_at"]


def test_connection_of_dead_node_is_not_shown(viewer: Actor, connection: Connection) -> None:
    connection.node.lease_until = factories.T0
    connection.node.save()

    assert names(client_of(viewer).get("/api/v1/connections"), "charge_point") == []


def test_connections_cost_the_same_for_any_number(
    viewer: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(viewer)
    for number in (1, 5):
        for _ in range(number):
            row = factories.ChargePointFactory(tenant=tenant)
            factories.ConnectionFactory(charge_point=row)
            factories.RefusedConnectionFactory(tenant=tenant, charge_point=row)
            factories.ReservationFactory(charge_point=row)
        for path in ("/api/v1/connections", RESERVATIONS):
            with django_assert_num_queries(2):
                client.get(path)


def test_refused_charger_is_registered_with_one_call(superuser: object, tenant: Tenant) -> None:
    refused = factories.RefusedConnectionFactory(identity="STRANGER")
    client = client_of(None, HTTP_X_TENANT="acme")
    client.force_authenticate(user=superuser)  # type: ignore[arg-type]

    made = client.post(f"{REFUSED}{refused.pk}/register/", {"connector_count": 3})

    assert made.status_code == 201
    assert made.json()["authorization_key"]
    assert len(made.json()["connectors"]) == 3
    assert ChargePoint.objects.get(identity="STRANGER").tenant == tenant
    assert names(client.get(REFUSED), "identity") == []


def test_refusal_of_own_charger_is_shown_but_not_registered_again(
    technician: Actor, charge_point: ChargePoint
) -> None:
    refused = factories.RefusedConnectionFactory(
        tenant=charge_point.tenant, charge_point=charge_point, identity="CP-A", reason="wrong_key"
    )
    client = client_of(technician)

    assert names(client.get(REFUSED), "charge_point") == ["CP-A"]
    assert problem_of(client.post(f"{REFUSED}{refused.pk}/register/"), 409)["code"] == "already_registered"


def test_refusals_of_strangers_are_not_everybodys(technician: Actor) -> None:
    refused = factories.RefusedConnectionFactory()
    client = client_of(technician)

    assert names(client.get(REFUSED), "identity") == []
    problem_of(client.post(f"{REFUSED}{refused.pk}/register/"), 404)


def test_reservations_are_filtered(
    viewer: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    factories.ReservationFactory(charge_point=charge_point, connector=charge_point.connectors.first())
    factories.ReservationFactory(charge_point=other_charge_point)
    client = client_of(viewer)

    rows = client.get(RESERVATIONS, {"charge_point": "cp-a"}).json()["results"]

    assert [(row["charge_point"], row["connector_id"], row["id_token"]) for row in rows] == [
        ("CP-A", 1, "04A1B2C3")
    ]
    assert names(client.get(RESERVATIONS), "charge_point") == ["CP-A"]


@pytest.mark.parametrize(
    ("value", "status"), [("true", 200), ("0", 200), ("", 200), ("maybe", 400), ("2", 400)]
)
def test_yes_or_no_filter_refuses_everything_else(
    viewer: Actor, charge_point: ChargePoint, value: str, status: int
) -> None:
    assert client_of(viewer).get(f"{CHARGE_POINTS}?online={value}").status_code == status


def test_yes_or_no_filter_selects(viewer: Actor, charge_point: ChargePoint) -> None:
    client = client_of(viewer)
    counts = [
        client.get(f"{CHARGE_POINTS}?online={value}").json()["count"] for value in ("true", "false", "")
    ]
    assert counts == [0, 1, 1]


# --- vendor ids that are answered Accepted ---


def test_accepted_vendor_ids_are_a_list(operator: Actor, charge_point: ChargePoint) -> None:
    client, url = client_of(operator), f"{CHARGE_POINTS}{charge_point.identity}/"

    changed = client.patch(url, {"accepted_vendor_ids": ["com.example", " org.other "]})

    assert changed.json()["accepted_vendor_ids"] == ["com.example", "org.other"]
    charge_point.refresh_from_db()
    assert charge_point.accepted_vendor_ids == "com.example\norg.other"


@pytest.mark.parametrize("value", ["com.example", [7], [""], ["a\nb"], ["x" * 256]])
def test_accepted_vendor_ids_that_are_no_list_of_names_are_refused(
    operator: Actor, charge_point: ChargePoint, value: object
) -> None:
    response = client_of(operator).patch(
        f"{CHARGE_POINTS}{charge_point.identity}/", {"accepted_vendor_ids": value}
    )

    assert list(problem_of(response, 400)["errors"]) == ["accepted_vendor_ids"]
