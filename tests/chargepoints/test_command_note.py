"""What is said of a remote start after the charger has accepted it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command
from chargepoints.selectors import command_note
from tests import factories


def accepted(charge_point: ChargePoint, *, minutes_ago: int, action: str = "remote_start") -> Command:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    return factories.CommandFactory(
        charge_point=charge_point,
        action=action,
        status=CommandStatus.ACCEPTED,
        created_at=at,
        completed_at=at,
    )


def test_note_of_fresh_remote_start_says_to_wait(charge_point: ChargePoint) -> None:
    assert command_note(accepted(charge_point, minutes_ago=1)) == "No session has started yet."


def test_note_of_old_remote_start_without_session_says_so(charge_point: ChargePoint) -> None:
    assert "no session started within 10 minutes" in command_note(accepted(charge_point, minutes_ago=11))


def test_note_of_remote_start_with_session_names_it(charge_point: ChargePoint) -> None:
    command = accepted(charge_point, minutes_ago=11)
    session = factories.TransactionFactory(charge_point=charge_point, remote_start=command)
    assert command_note(command) == f"Session {session.pk} has started."


@pytest.mark.parametrize("action", ["reset", "remote_stop"])
def test_note_of_other_commands_is_empty(charge_point: ChargePoint, action: str) -> None:
    assert command_note(accepted(charge_point, minutes_ago=11, action=action)) == ""
