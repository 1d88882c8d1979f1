"""The conformance table is checked against the code's action tables, so that it cannot lie."""

import re
from pathlib import Path

from chargepoints.command_specs import NEUTRAL
from ocpp_gateway.v16.actions import ACTIONS, IN_MEMORY
from ocpp_gateway.v16.commands import CALLS
from ocpp_gateway.wire import schemas

TEXT = (Path(__file__).parents[2] / "docs" / "conformance-ocpp16.md").read_text()
FROM_CHARGER, TO_CHARGER = TEXT.split("## To the charger")


def actions_in(text: str) -> set[str]:
    return set(re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE))


def test_messages_from_the_charger_are_those_that_are_served() -> None:
    assert actions_in(FROM_CHARGER) == ACTIONS.keys() | IN_MEMORY


def test_messages_to_the_charger_are_those_with_a_neutral_command() -> None:
    listed = dict(re.findall(r"^\| `([A-Z]\w+)` \| `(\w+)`", TO_CHARGER, re.MULTILINE))
    assert listed == {action: neutral for neutral, (action, _) in CALLS.items()}


def test_every_neutral_command_can_be_said_in_ocpp16() -> None:
    assert CALLS.keys() == NEUTRAL.keys()


def test_every_action_of_the_version_is_served_or_can_be_sent() -> None:
    known = schemas.actions("ocpp1.6")
    assert ACTIONS.keys() | IN_MEMORY <= known
    assert {action for action, _ in CALLS.values()} <= known
