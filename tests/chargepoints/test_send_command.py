"""`manage.py send_command`: arguments as typed become a command, and its outcome is told."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.command_specs import NEUTRAL
from chargepoints.models import ChargePoint, Command, Connection
from chargepoints.redaction import redact
from csms_project.common.models import AuditEntry
from ocpp_gateway.v16.commands import CALLS
from tests.chargepoints.test_command_specs import VALID
from tests.factories import IdTokenFactory


def run(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("send_command", *arguments, stdout=out, **{"wait": 0, **options})
    return out.getvalue()


def _is_list(value: Any) -> bool:
    """Typed with commas between; a table is typed as JSON."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@pytest.mark.parametrize("action", sorted(NEUTRAL))
def test_every_command_is_queued_with_its_arguments(connection: Connection, action: str) -> None:
    payload = VALID[action]
    # A swap of batteries is asked for only for a tag that may charge.
    IdTokenFactory(tenant=connection.tenant, value="04A1B2C3")
    if action == "remote_start":
        payload = {"id_token": "04A1", "connector": 1}
    typed = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in payload.items()
        if not _is_list(value)
    ]
    typed += [f"{name}={','.join(value)}" for name, value in payload.items() if _is_list(value)]

    if action not in CALLS:  # only later versions can say it
        ChargePoint.objects.update(ocpp_version="ocpp2.1")

    run("cp-a", action, *typed)

    command = Command.objects.get()
    assert (command.action, command.requested_via) == (action, "cli")
    # A number that was left to us is added.
    assert command.payload.items() >= redact(payload).items()
    assert AuditEntry.objects.filter(changes__action=[None, action]).exists()


def test_text_that_looks_like_a_number_stays_text(connection: Connection) -> None:
    run("CP-A", "remote_start", "id_token=1234")

    assert Command.objects.get().payload == {"id_token": "1234"}


def test_all_arguments_may_come_as_one_object(connection: Connection) -> None:
    run("CP-A", "GetLocalListVersion", payload="{}")

    assert Command.objects.get().payload == {}


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        (["NOBODY", "clear_cache"], {}, "There is no charge point “NOBODY”"),
        (["CP-A", "explode"], {}, "There is no command “explode”"),
        (["CP-A", "reserve_now", "id_token=A"], {}, "expires_at: This argument is required"),
        (["CP-A", "send_local_list", "update_type=Full", "entries=[5]"], {}, "entries: Entry 1 must be an"),
        (["CP-A", "clear_cache", "all"], {}, "is not of the form name=value"),
        (["CP-A", "clear_cache"], {"payload": "{"}, "--payload is not JSON"),
        (["CP-A", "clear_cache"], {"payload": "[]"}, "--payload must be a JSON object"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(
    connection: Connection, arguments: list[str], options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CommandError, match=problem):
        run(*arguments, **options)

    assert not Command.objects.exists()


def test_offline_charger_is_said(charge_point: ChargePoint) -> None:
    with pytest.raises(CommandError, match="offline"):
        run("CP-A", "clear_cache")

    assert run("CP-A", "clear_cache", expires_in=60).strip().endswith("Queued")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the charger answer while the command line waits."""

    def prepare(**outcome: Any) -> None:
        def pause(seconds: float) -> None:
            commands.complete(Command.objects.get().pk, **outcome)

        monkeypatch.setattr("time.sleep", pause)

    return prepare


def test_outcome_is_told_with_the_answer_in_words(connection: Connection, answer: Any) -> None:
    answer(
        status=CommandStatus.ACCEPTED, response={"listVersion": 4}, summary="The local list has version 4."
    )

    shown = run("CP-A", "get_local_list_version", wait=30)

    assert ": Accepted\n" in shown
    assert '  response: {"listVersion": 4}\n' in shown
    assert "  The local list has version 4.\n" in shown


def test_refusal_is_an_exit_code_and_json_for_programs(connection: Connection, answer: Any) -> None:
    answer(status=CommandStatus.REJECTED, response={"status": "Occupied"}, summary="In use.")
    out = StringIO()

    with pytest.raises(CommandError) as caught:
        call_command("send_command", "CP-A", "clear_cache", wait=30, json=True, stdout=out)

    assert caught.value.returncode == 2
    shown = json.loads(out.getvalue())
    assert (shown["status"], shown["summary"]) == ("rejected", "In use.")


def test_what_speaks_against_it_is_told_aside_and_it_is_sent_all_the_same(connection: Connection) -> None:
    connection.charge_point.connectors.filter(ocpp_number=1).update(status="Charging")
    aside = StringIO()

    shown = run("CP-A", "unlock_connector", "connector=1", stderr=aside)

    assert aside.getvalue() == "Warning: A session is running on connector 1: unlocking ends it.\n"
    assert "Warning" not in shown
    assert Command.objects.get().action == "unlock_connector"
