"""Commands over REST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.api import command_docs, waiting
from chargepoints.choices import CommandStatus
from chargepoints.command_specs import NEUTRAL, clean
from chargepoints.models import ChargePoint, Command, Connection
from tests import factories
from tests.api import client_of, names, problem_of

PATH = "/api/v1/charge-points/CP-A/commands/"
UNLOCK = {"action": "unlock_connector", "payload": {"connector": 1}}


class Clock:
    """Time that passes only while somebody waits; `then` is run at the first pause."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: Any = lambda: None

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.then()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "clock", lambda: clock.now)
    monkeypatch.setattr(waiting, "pause", clock.pause)
    return clock


@pytest.fixture
def raw_checker() -> Iterator[None]:
    """A schema check that knows one action."""
    before = commands._raw_checker
    commands.register_raw_checker(
        lambda version, action, payload: None if action == "GetDiagnostics" else f"{action} is unknown."
    )
    yield
    commands.register_raw_checker(before)


def test_command_is_answered_at_once_as_queued(support: Actor, connection: Connection) -> None:
    response = client_of(support).post(PATH, {**UNLOCK, "timeout": 5})

    assert response.status_code == 201
    shown = response.json()
    assert (shown["action"], shown["status"], shown["timeout"]) == ("unlock_connector", "queued", 5)
    assert (shown["request"], shown["response"], shown["error"]) == (None, None, None)
    assert (shown["requested_by"], shown["requested_via"]) == (support.name, "api")
    assert shown.pop("warnings") == []
    assert client_of(support).get(f"{PATH}{shown['id']}/").json() == shown


def test_command_to_offline_charger_is_409(support: Actor, charge_point: ChargePoint) -> None:
    document = problem_of(client_of(support).post(PATH, UNLOCK), 409)

    assert document["code"] == "charge_point_offline"
    assert not Command.objects.exists()


def test_command_with_expiry_waits_for_an_offline_charger(support: Actor, charge_point: ChargePoint) -> None:
    response = client_of(support).post(PATH, {**UNLOCK, "expires_in": 600})

    assert (response.status_code, response.json()["status"]) == (201, "queued")


def test_unknown_action_names_the_field(technician: Actor, connection: Connection) -> None:
    document = problem_of(client_of(technician).post(PATH, {"action": "explode"}), 400)

    assert list(document["errors"]) == ["action"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "unlock_connector"}, "payload.connector"),
        ({"action": "unlock_connector", "payload": {"connector": "1"}}, "payload.connector"),
        ({"action": "unlock_connector", "payload": {"connector": 1, "x": 1}}, "payload.x"),
        ({"action": "unlock_connector", "payload": []}, "payload"),
        ({**UNLOCK, "expires_in": 0}, "expires_in"),
        ({**UNLOCK, "timeout": 10_000}, "timeout"),
        ({"payload": {}}, "action"),
    ],
)
def test_unusable_command_names_the_field(
    support: Actor, connection: Connection, body: dict[str, Any], field: str
) -> None:
    assert list(problem_of(client_of(support).post(PATH, body), 400)["errors"]) == [field]


def test_raw_command_is_checked_and_kept_verbatim(
    technician: Actor, connection: Connection, raw_checker: None
) -> None:
    payload = {"location": "ftp://x", "retries": 3, "unknown": None}
    client = client_of(technician)

    good = client.post(PATH, {"action": "GetDiagnostics", "payload": payload})
    bad = client.post(PATH, {"action": "Nonsense", "payload": {}})

    assert (good.status_code, good.json()["payload"]) == (201, payload)
    assert problem_of(bad, 400)["errors"] == {"payload": ["Nonsense is unknown."]}


def test_dangerous_command_as_support_is_403(support: Actor, connection: Connection) -> None:
    problem_of(client_of(support).post(PATH, {"action": "reset", "payload": {"kind": "Hard"}}), 403)

    assert not Command.objects.exists()


def test_start_while_charger_is_pending_is_409(
    support: Actor, charge_point: ChargePoint, connection: Connection
) -> None:
    charge_point.registration_status = "Pending"
    charge_point.save()

    response = client_of(support).post(PATH, {"action": "remote_start", "payload": {"id_token": "04AA"}})

    assert problem_of(response, 409)["code"] == "charge_point_not_accepted"


def test_secret_value_is_never_shown(technician: Actor, connection: Connection) -> None:
    body = {
        "action": "change_configuration",
        "payload": {"key": "AuthorizationKey", "value": "0123456789abcdef0123"},
    }

    response = client_of(technician).post(PATH, body)

    assert response.status_code == 201
    assert "0123456789abcdef0123" not in response.text


# --- waiting ---


def test_wait_returns_when_the_charger_has_answered(
    support: Actor, connection: Connection, clock: Clock
) -> None:
    def answer() -> None:
        commands.complete(
            Command.objects.get().pk, status=CommandStatus.ACCEPTED, response={"status": "Unlocked"}
        )

    clock.then = answer

    shown = client_of(support).post(f"{PATH}?wait=10", UNLOCK).json()

    assert (shown["status"], shown["response"]) == ("accepted", {"status": "Unlocked"})
    assert clock.now == waiting.POLL_S


def test_wait_without_answer_ends_in_time(support: Actor, connection: Connection, clock: Clock) -> None:
    response = client_of(support).post(f"{PATH}?wait=3", UNLOCK)

    assert (response.status_code, response.json()["status"]) == (201, "queued")
    assert 3 <= clock.now < 3 + 2 * waiting.POLL_S


@pytest.mark.django_db(transaction=True)
def test_wait_holds_no_transaction(support: Actor, connection: Connection, clock: Clock) -> None:
    from django.db import connection as database

    seen: list[bool] = []
    clock.then = lambda: seen.append(database.in_atomic_block)

    client_of(support).post(f"{PATH}?wait=1", UNLOCK, HTTP_IDEMPOTENCY_KEY="k1")

    assert seen
    assert not any(seen)


@pytest.mark.parametrize("seconds", ["31", "-1", "x", "1.5", "٣", ""])
def test_unusable_wait_is_400_and_sends_nothing(support: Actor, connection: Connection, seconds: str) -> None:
    problem_of(client_of(support).post(f"{PATH}?wait={seconds}", UNLOCK), 400)

    assert not Command.objects.exists()


# --- idempotency, listing, cancelling ---


def test_repeat_with_key_is_one_command(support: Actor, connection: Connection) -> None:
    client = client_of(support)
    first, again = (client.post(PATH, UNLOCK, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]


def test_key_with_another_command_is_422(support: Actor, connection: Connection) -> None:
    client = client_of(support)
    client.post(PATH, UNLOCK, HTTP_IDEMPOTENCY_KEY="k1")

    response = client.post(PATH, {"action": "clear_cache"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert problem_of(response, 422)["code"] == "idempotency_conflict"


def test_commands_are_listed_newest_first_and_filtered(viewer: Actor, charge_point: ChargePoint) -> None:
    factories.CommandFactory(charge_point=charge_point, action="reset", status="accepted")
    factories.CommandFactory(charge_point=charge_point, action="clear_cache")
    factories.CommandFactory()
    client = client_of(viewer)

    assert names(client.get(PATH), "action") == ["clear_cache", "reset"]
    assert names(client.get(PATH, {"status": "accepted"}), "action") == ["reset"]


def test_cancel_withdraws_a_queued_command(technician: Actor, charge_point: ChargePoint) -> None:
    command = factories.CommandFactory(charge_point=charge_point)
    client = client_of(technician)

    assert client.post(f"{PATH}{command.pk}/cancel/").json()["status"] == "cancelled"
    again = problem_of(client.post(f"{PATH}{command.pk}/cancel/"), 409)
    assert again["code"] == "command_not_cancellable"


def test_command_of_another_charger_is_404(viewer: Actor, charge_point: ChargePoint) -> None:
    other = factories.ChargePointFactory(tenant=charge_point.tenant)
    command = factories.CommandFactory(charge_point=other)

    problem_of(client_of(viewer).get(f"{PATH}{command.pk}/"), 404)


# --- the document ---


def test_document_has_an_alternative_for_each_action() -> None:
    alternatives = {item["title"]: item for item in command_docs.request_schema()["oneOf"]}

    assert set(alternatives) == {*NEUTRAL, "OCPP message"}
    unlock = alternatives["unlock_connector"]["properties"]["payload"]
    assert unlock["required"] == ["connector"]
    assert unlock["properties"]["connector"]["minimum"] == 1


@pytest.mark.parametrize("action", sorted(NEUTRAL))
def test_documented_example_is_a_valid_command(action: str) -> None:
    example = command_docs.examples()[action]

    assert clean(example["action"], example["payload"]).items() >= example["payload"].items()


# --- warnings ---


def test_answer_says_what_speaks_against_the_command(technician: Actor, connection: Connection) -> None:
    connector = connection.charge_point.connectors.get(ocpp_number=1)
    factories.TransactionFactory(connector=connector)

    response = client_of(technician).post(
        PATH, {"action": "reset", "payload": {"kind": "Soft"}}, format="json"
    )

    assert (response.status_code, response.json()["status"]) == (201, "queued")
    assert response.json()["warnings"] == [
        "A session is running on connector 1: ended by the reset, in good order."
    ]
    assert "warnings" not in client_of(technician).get(f"{PATH}{response.json()['id']}/").json()


def test_answer_without_doubts_has_no_warnings(technician: Actor, connection: Connection) -> None:
    assert client_of(technician).post(PATH, {"action": "clear_cache"}, format="json").json()["warnings"] == []


def test_command_that_waits_for_the_charger_says_so(technician: Actor, charge_point: ChargePoint) -> None:
    body = {"action": "clear_cache", "expires_in": 60}
    response = client_of(technician).post(PATH, body, format="json")
    assert response.json()["warnings"] == ["The charger is offline: the command waits until it connects."]
