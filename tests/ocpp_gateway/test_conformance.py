"""The conformance table is checked against the code's action tables, so that it cannot lie."""

import re
from pathlib import Path

import pytest

from chargepoints.command_specs import NEUTRAL
from chargepoints.configuration_keys import KEYS
from chargepoints.services.vendor_messages import registered
from ocpp_gateway.dialects import DIALECTS
from ocpp_gateway.simulator.v16.commands import HANDLERS
from ocpp_gateway.v16.actions import ACTIONS, IN_MEMORY
from ocpp_gateway.v16.commands import CALLS
from ocpp_gateway.wire import schemas

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "conformance-ocpp16.md").read_text()
MESSAGES, CONFIGURATION = TEXT.split("## Configuration keys")
FROM_CHARGER, TO_CHARGER = MESSAGES.split("## To the charger")
SENT = {action: neutral for neutral, (action, _) in CALLS.items()} | {
    "ExtendedTriggerMessage": "trigger_message"
}


def actions_in(text: str) -> set[str]:
    return set(re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE))


def test_messages_from_the_charger_are_those_that_are_served() -> None:
    assert actions_in(FROM_CHARGER) == ACTIONS.keys() | IN_MEMORY


def test_messages_to_the_charger_are_those_with_a_neutral_command() -> None:
    listed = dict(re.findall(r"^\| `([A-Z]\w+)` \| `(\w+)`", TO_CHARGER, re.MULTILINE))
    assert listed == SENT


def test_every_neutral_command_can_be_said_in_a_version() -> None:
    assert CALLS.keys() | {name for dialect in DIALECTS.values() for name in dialect.calls} == NEUTRAL.keys()


def test_every_action_of_the_version_is_served_or_sent() -> None:
    assert ACTIONS.keys() | IN_MEMORY | SENT.keys() == schemas.actions("ocpp1.6")


def test_the_simulator_answers_every_message_that_is_sent() -> None:
    assert HANDLERS.keys() == SENT.keys()


def test_configuration_keys_are_those_of_the_code() -> None:
    listed = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in CONFIGURATION.splitlines()
        if line.startswith("| `")
    ]
    assert [row[:5] for row in listed] == [
        (f"`{key.name}`", key.profile, key.type, key.access, "required" if key.is_required else "optional")
        for key in KEYS
    ]
    assert all(row[5] for row in listed)


def test_configuration_keys_that_are_read_only_are_not_said_to_be_set() -> None:
    rows = [line for line in CONFIGURATION.splitlines() if line.startswith("| `") and "| R |" in line]
    assert rows
    assert [line for line in rows if "set by" in line] == []


def test_vendor_messages_with_a_handler_are_listed() -> None:
    listed = re.findall(r"^\| \w+ `(\w+)` \| from the charger \|", TEXT, re.MULTILINE)
    ours = {name for vendor, name in registered() if vendor.startswith("org.openchargealliance.")}
    assert {name.casefold() for name in listed} == ours


def test_every_message_from_the_charger_names_its_test() -> None:
    rows = [line for line in FROM_CHARGER.splitlines() if line.startswith("| `")]
    assert all(re.search(r"\| `test_\w+\.py::test_\w+` \|$", line) for line in rows)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]+\.py::test_\w+)`", TEXT))))
def test_tests_that_are_named_exist(name: str) -> None:
    path, _, function = name.partition("::")
    folder = ROOT if path.startswith("tests/") else Path(__file__).parent / "v16"
    assert f"\ndef {function}(" in (folder / path).read_text()
