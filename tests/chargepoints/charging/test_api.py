"""Charging profiles over the REST API."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, ChargingProfile, ChargingProfileAssignment, Command, Connection
from csms_project.common.models import AuditEntry
from tests import factories
from tests.api import V1, client_of, names, problem_of

URL = f"{V1}charging-profiles/"
PERIODS = [{"start_period": 0, "limit": 16.5, "number_phases": 3}, {"start_period": 3600, "limit": 8}]
BODY: dict[str, Any] = {"name": "Night", "purpose": "TxDefaultProfile", "periods": PERIODS}


def bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Periods without what they leave open."""
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def made(actor: Actor, **change: Any) -> dict[str, Any]:
    response = client_of(actor).post(URL, {**BODY, **change})
    assert response.status_code == 201, response.content
    found: dict[str, Any] = response.json()
    return found


def test_profile_is_made_read_changed_and_deleted(technician: Actor) -> None:
    client, shown = client_of(technician), made(technician)
    assert bare(shown["periods"]) == PERIODS
    assert (shown["kind"], shown["charging_rate_unit"], shown["stack_level"]) == ("Relative", "A", 0)
    where = f"{URL}{shown['id']}/"
    assert client.get(where).json() == shown
    changed = client.patch(where, {"periods": [{"start_period": 0, "limit": "6.1"}]}).json()
    assert bare(changed["periods"]) == [{"start_period": 0, "limit": 6.1}]
    assert names(client.get(URL, {"name": "nigh", "purpose": "TxDefaultProfile"}), "id") == [shown["id"]]
    assert names(client.get(URL, {"kind": "Absolute"}), "id") == []
    assert client.delete(where).status_code == 204
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert actions == {"charging_profiles.create", "charging_profiles.change", "charging_profiles.delete"}


def test_limit_of_one_decimal_is_exact_from_end_to_end(technician: Actor, connection: Connection) -> None:
    """8.1 is no binary fraction; neither storage nor wire may turn it into its neighbour."""
    shown = made(technician, periods=[{"start_period": 0, "limit": 8.1}], min_charging_rate=6.1)
    assert ChargingProfile.objects.get().periods == [{"start_period": 0, "limit": "8.1"}]
    body = {"charge_point": "CP-A", "connector": 1}
    assigned = client_of(technician).post(f"{URL}{shown['id']}/assign/", body).json()
    command = Command.objects.get(pk=assigned["command"])
    assert command.payload["periods"] == [{"start_period": 0, "limit": 8.1}]
    assert command.payload["min_charging_rate"] == 6.1
    assert bare(assigned["periods"]) == [{"start_period": 0, "limit": 8.1}]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"periods": []}, "periods"),
        ({"periods": [{"start_period": 60, "limit": 16}]}, "periods"),
        ({"periods": [{"start_period": 0, "limit": 16.55}]}, "periods"),
        ({"periods": [{"start_period": 0, "limit": -1}]}, "periods"),
        ({"periods": "text"}, "periods"),
        ({"periods": [{"start_period": 0, "limit": 1, "number_phases": 4}]}, "periods"),
        ({"kind": "Recurring", "start_schedule": "2026-03-02T22:00:00Z"}, "recurrency_kind"),
        ({"kind": "Absolute"}, "start_schedule"),
        ({"recurrency_kind": "Daily"}, "recurrency_kind"),
        ({"valid_from": "2026-03-02T22:00:00Z", "valid_to": "2026-03-02T21:00:00Z"}, "valid_to"),
        ({"purpose": "Anything"}, "purpose"),
        ({"name": ""}, "name"),
        ({"stack_level": -1}, "stack_level"),
    ],
)
def test_wrong_profile_is_named_by_field(technician: Actor, change: dict[str, Any], field: str) -> None:
    problem = problem_of(client_of(technician).post(URL, {**BODY, **change}), 400)
    assert {name.partition(".")[0] for name in problem["errors"]} == {field}


def test_name_is_unique_within_the_tenant(technician: Actor, stranger: Actor) -> None:
    made(technician)
    made(stranger)
    problem_of(client_of(technician).post(URL, BODY), 409)


def test_support_reads_profiles_but_neither_changes_nor_sends_them(
    technician: Actor, support: Actor, connection: Connection
) -> None:
    shown, client = made(technician), client_of(support)
    assert names(client.get(URL), "name") == ["Night"]
    problem_of(client.post(URL, BODY), 403)
    problem_of(client.post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"}), 403)
    assert not Command.objects.exists()


# ---------------------------------------------------------------- on a charger
def test_assign_answers_with_what_the_charger_said(
    technician: Actor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = made(technician)

    def accept(seconds: float) -> None:
        commands.complete(Command.objects.get().pk, status=CommandStatus.ACCEPTED)

    monkeypatch.setattr("chargepoints.api.waiting.pause", accept)
    body = {"charge_point": "cp-a", "connector": 2}
    response = client_of(technician).post(f"{URL}{shown['id']}/assign/?wait=5", body)
    assert response.status_code == 201
    assigned = response.json()
    assert (assigned["state"], assigned["connector"], assigned["profile_name"]) == ("active", 2, "Night")
    assert assigned["warnings"] == []
    rows = client_of(technician).get(f"{V1}charge-points/CP-A/charging-profiles/", {"state": "active"})
    assert names(rows, "profile_number") == [shown["id"]]


def test_assign_tells_why_the_charger_may_refuse(technician: Actor, connection: Connection) -> None:
    for name, value in (
        ("ChargingScheduleMaxPeriods", "1"),
        ("ChargingScheduleAllowedChargingRateUnit", "Power"),
    ):
        factories.VariableFactory(charge_point=connection.charge_point, name=name, value=value)
    shown = made(technician)
    assigned = client_of(technician).post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"}).json()
    assert assigned["warnings"] == [
        "The charger takes up to 1 periods (ChargingScheduleMaxPeriods); these are 2.",
        "The charger takes no limits in ampere (ChargingScheduleAllowedChargingRateUnit).",
    ]
    assert Command.objects.count() == 1


@pytest.mark.parametrize(
    ("purpose", "body", "field"),
    [
        ("ChargePointMaxProfile", {"connector": 1}, "connector"),
        ("TxProfile", {"connector": 1}, "transaction"),
        ("TxProfile", {"connector": 0, "transaction": "7"}, "connector"),
        ("TxDefaultProfile", {"connector": 1, "transaction": "7"}, "transaction"),
        ("TxDefaultProfile", {"charge_point": "CP-B"}, "charge_point"),
        ("TxDefaultProfile", {"charge_point": "NOBODY"}, "charge_point"),
        ("TxDefaultProfile", {"connector": -1}, "connector"),
    ],
)
def test_assign_to_a_place_that_does_not_fit_is_named(
    technician: Actor,
    connection: Connection,
    other_charge_point: ChargePoint,
    purpose: str,
    body: Any,
    field: str,
) -> None:
    shown = made(technician, purpose=purpose)
    response = client_of(technician).post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A", **body})
    assert field in problem_of(response, 400)["errors"]
    assert not Command.objects.exists()


def test_assign_to_a_charger_that_is_offline_waits_only_when_told(
    technician: Actor, charge_point: ChargePoint
) -> None:
    shown, client = made(technician), client_of(technician)
    where = f"{URL}{shown['id']}/assign/"
    problem_of(client.post(where, {"charge_point": "CP-A"}), 409)
    assert not ChargingProfileAssignment.objects.exists()
    response = client.post(where, {"charge_point": "CP-A", "expires_in": 3600})
    assert (response.status_code, response.json()["state"]) == (201, "requested")


def test_assign_with_the_same_key_is_one_order(technician: Actor, connection: Connection) -> None:
    shown = made(technician)
    client = client_of(technician, HTTP_IDEMPOTENCY_KEY="once")
    found = [
        client.post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"}).json()["command"]
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert Command.objects.count() == 1


def test_profile_that_stands_on_a_charger_is_not_deleted(technician: Actor, connection: Connection) -> None:
    shown, client = made(technician), client_of(technician)
    client.post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"})
    commands.complete(Command.objects.get().pk, status=CommandStatus.ACCEPTED)
    problem = problem_of(client.delete(f"{URL}{shown['id']}/"), 409)
    assert problem["detail"] == "The charging profile stands on CP-A / 0: clear it there first."
    row = ChargingProfileAssignment.objects.get()
    where = f"{V1}charge-points/CP-A/charging-profiles/{row.pk}/"
    assert client.post(f"{where}clear/").status_code == 200
    clearing = Command.objects.latest("pk")
    assert (clearing.action, clearing.payload) == (
        "clear_charging_profile",
        {"profile_id": shown["id"], "connector": 0},
    )
    commands.complete(clearing.pk, status=CommandStatus.ACCEPTED)
    assert client.get(where).json()["state"] == "cleared"
    problem_of(client.post(f"{where}clear/"), 409)
    assert client.delete(f"{URL}{shown['id']}/").status_code == 204
    assert client.get(where).json()["profile"] is None


def test_clear_of_an_order_that_was_not_sent_withdraws_it(technician: Actor, connection: Connection) -> None:
    shown, client = made(technician), client_of(technician)
    assigned = client.post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"}).json()
    answer = client.post(f"{V1}charge-points/CP-A/charging-profiles/{assigned['id']}/clear/").json()
    assert (answer["state"], answer["note"]) == ("rejected", "The order was withdrawn.")
    assert Command.objects.get().status == CommandStatus.CANCELLED


def test_profile_goes_out_in_the_unit_that_the_model_knows(technician: Actor, connection: Connection) -> None:
    charge_point = connection.charge_point
    charge_point.model_profile = factories.ModelProfileFactory(tenant=charge_point.tenant, rate_unit="W")
    charge_point.save()
    shown, client = made(technician, periods=[{"start_period": 0, "limit": 8.1}]), client_of(technician)
    client.post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"})
    command = Command.objects.get()
    assert (command.payload["charging_rate_unit"], command.payload["periods"]) == (
        "W",
        [{"start_period": 0, "limit": 5589}],
    )
    commands.complete(command.pk, status=CommandStatus.ACCEPTED)
    rows = client.get(f"{V1}charge-points/CP-A/charging-profiles/").json()["results"]
    assert [(row["profile"], row["outdated"]) for row in rows] == [(shown["id"], False)]


def test_profile_that_was_changed_after_sending_is_outdated(
    technician: Actor, connection: Connection
) -> None:
    shown, client = made(technician), client_of(technician)
    client.post(f"{URL}{shown['id']}/assign/", {"charge_point": "CP-A"})
    commands.complete(Command.objects.get().pk, status=CommandStatus.ACCEPTED)
    rows = f"{V1}charge-points/CP-A/charging-profiles/"
    assert names(client.get(rows), "outdated") == [False]
    client.patch(f"{URL}{shown['id']}/", {"periods": [{"start_period": 0, "limit": 6}]})
    assert names(client.get(rows), "outdated") == [True]


# ---------------------------------------------------------------- the schedule
SCHEDULE = f"{V1}charge-points/CP-A/composite-schedule/"


def test_schedule_is_computed_and_shown_beside_the_reported_one(
    viewer: Actor, charge_point: ChargePoint
) -> None:
    profile = factories.ChargingProfileFactory(tenant=charge_point.tenant, name="Default")
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point, profile=profile)
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point, state="cleared", stack_level=5)
    factories.ReportedScheduleFactory(charge_point=charge_point)
    shown = client_of(viewer).get(SCHEDULE, {"connector": "1", "duration": "3600", "unit": "W"}).json()
    assert shown["periods"] == [
        {"start_period": 0, "limit": 11040, "number_phases": None, "profile": "Default"}
    ]
    assert bare(shown["reported"]["periods"]) == [{"start_period": 0, "limit": 16}]
    assert (shown["duration"], shown["charging_rate_unit"], shown["transaction_id"]) == (3600, "W", "")


def test_schedule_without_profiles_is_no_limit(viewer: Actor, charge_point: ChargePoint) -> None:
    shown = client_of(viewer).get(SCHEDULE).json()
    assert [row["limit"] for row in shown["periods"]] == [None]
    assert (shown["connector"], shown["duration"], shown["reported"]) == (0, 86_400, None)


def test_schedule_counts_a_sessions_own_profile(viewer: Actor, charge_point: ChargePoint) -> None:
    session = factories.TransactionFactory(connector=charge_point.connectors.get(ocpp_number=1))
    for number, limit in ((session.ocpp_id, "6"), ("999", "3")):
        content = {"purpose": "TxProfile", "periods": [{"start_period": 0, "limit": limit}]}
        factories.ChargingProfileAssignmentFactory(
            charge_point=charge_point, purpose="TxProfile", transaction_number=number, content=content
        )
    shown = client_of(viewer).get(SCHEDULE, {"connector": 1}).json()
    assert [row["limit"] for row in shown["periods"]] == [6]
    assert shown["transaction_id"] == session.ocpp_id


@pytest.mark.parametrize(
    "query",
    [{"connector": "x"}, {"connector": "-1"}, {"duration": "0"}, {"duration": "9999999"}, {"unit": "kW"}],
)
def test_schedule_with_a_wrong_parameter_is_refused(
    viewer: Actor, charge_point: ChargePoint, query: Any
) -> None:
    problem = problem_of(client_of(viewer).get(SCHEDULE, query), 400)
    assert set(problem["errors"]) == set(query)


# ---------------------------------------------------------------- limits of a session
@pytest.fixture
def session(connection: Connection) -> Any:
    return factories.TransactionFactory(connector=connection.charge_point.connectors.get(ocpp_number=1))


def test_session_is_limited_and_freed_again(technician: Actor, session: Any) -> None:
    client, where = client_of(technician), f"{V1}transactions/{session.pk}/limit/"
    answer = client.post(where, {"limit": 7400, "unit": "W", "number_phases": 1})
    assert answer.status_code == 201
    command = Command.objects.get()
    assert command.action == "set_charging_profile"
    sent = command.payload
    assert (sent["purpose"], sent["connector"], sent["transaction_id"]) == ("TxProfile", 1, session.ocpp_id)
    assert sent["periods"] == [{"start_period": 0, "limit": 7400, "number_phases": 1}]
    commands.complete(command.pk, status=CommandStatus.ACCEPTED)
    assert client.post(where, {"limit": 8.1}).json()["profile_number"] == sent["profile_id"]
    commands.complete(Command.objects.latest("pk").pk, status=CommandStatus.ACCEPTED)
    freed = client.delete(where).json()
    assert (freed["action"], freed["payload"]) == (
        "clear_charging_profile",
        {"profile_id": sent["profile_id"], "connector": 1},
    )
    commands.complete(freed["id"], status=CommandStatus.ACCEPTED)
    problem_of(client.delete(where), 409)


def test_session_takes_the_times_of_a_profile(technician: Actor, session: Any) -> None:
    shown = made(technician)
    answer = client_of(technician).post(f"{V1}transactions/{session.pk}/limit/", {"profile": shown["id"]})
    assert answer.status_code == 201
    assert Command.objects.get().payload["periods"] == PERIODS
    assert answer.json()["purpose"] == "TxProfile"


def test_limit_takes_the_place_of_a_profile_on_a_higher_level(technician: Actor, session: Any) -> None:
    factories.ChargingProfileAssignmentFactory(
        charge_point=session.charge_point,
        purpose="TxProfile",
        stack_level=3,
        transaction_number=session.ocpp_id,
    )
    client_of(technician).post(f"{V1}transactions/{session.pk}/limit/", {"limit": 6})
    assert Command.objects.get().payload["stack_level"] == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "limit"),
        ({"limit": 6, "profile": 1}, "limit"),
        ({"limit": 6.25}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": 6, "unit": "kW"}, "unit"),
        ({"profile": 2**70}, "profile"),
        ({"profile": 0}, "profile"),
    ],
)
def test_wrong_limit_is_named(technician: Actor, session: Any, body: dict[str, Any], field: str) -> None:
    response = client_of(technician).post(f"{V1}transactions/{session.pk}/limit/", body)
    assert set(problem_of(response, 400)["errors"]) == {field}


def test_profile_of_another_tenant_is_none(technician: Actor, stranger: Actor, session: Any) -> None:
    theirs = made(stranger)
    response = client_of(technician).post(f"{V1}transactions/{session.pk}/limit/", {"profile": theirs["id"]})
    assert set(problem_of(response, 400)["errors"]) == {"profile"}


def test_session_that_has_ended_is_not_limited(technician: Actor, session: Any) -> None:
    type(session).objects.filter(pk=session.pk).update(state="ended")
    where, client = f"{V1}transactions/{session.pk}/limit/", client_of(technician)
    problem_of(client.post(where, {"limit": 6}), 409)
    problem_of(client.delete(where), 409)


def test_support_does_not_limit_sessions(support: Actor, session: Any) -> None:
    problem_of(client_of(support).post(f"{V1}transactions/{session.pk}/limit/", {"limit": 6}), 403)
