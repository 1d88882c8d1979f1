"""The conformance documents of 2.0.1 and 2.1 are checked against the code and the tests, so that they cannot lie."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from ocpp_gateway.dialects import DIALECTS
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.v201.actions import IN_MEMORY
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V21, V201
from tests.chargepoints.test_command_specs import VALID
from tests.ocpp_gateway.official_cases import CASES, OPEN, OTHER_CASES

ROOT = Path(__file__).parents[2]
PAGES = {V201: "conformance-ocpp201.md", V21: "conformance-ocpp21.md"}
#: Words that tell a requirement; more would be the specification's.
MAX_WORDS = 14
TEST = re.compile(r"`[\w/]+\.py::test_\w+`")
CASE = re.compile(r"TC_[A-S]_\d\d+_CSMS")
ID = re.compile(r"[A-S]\d\d\.FR\.\d{2,3}")
versions = pytest.mark.parametrize("version", [V201, V21])


@dataclass(frozen=True)
class Page:
    """A document as its tables say it."""

    messages: list[tuple[str, str, str, str]]
    requirements: list[tuple[str, str, str]]
    not_run: list[tuple[str, str]]


@cache
def page_of(version: str) -> Page:
    messages, requirements, not_run = [], [], []
    for line in (ROOT / "docs" / PAGES[version]).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) == 4 and cells[0].startswith("`"):
            messages.append((cells[0].strip("`"), cells[1], cells[2], cells[3]))
        elif len(cells) == 3 and ID.fullmatch(cells[0]):
            requirements.append((cells[0], cells[1], cells[2]))
        elif len(cells) == 2 and cells[0].startswith("TC_"):
            not_run.append((cells[0], cells[1]))
    return Page(messages, requirements, not_run)


# ---------------------------------------------------------------- messages
@versions
def test_every_message_of_the_version_is_listed(version: str) -> None:
    assert {row[0] for row in page_of(version).messages} == schemas.actions(version)


@versions
def test_messages_from_the_charger_are_those_that_are_served(version: str) -> None:
    dialect = DIALECTS[version]
    told = {(name, how) for name, how, *_ in page_of(version).messages if "from the charger" in how}
    assert told == {
        *((name, "from the charger") for name in (*dialect.actions, *IN_MEMORY)),
        *((name, "SEND from the charger") for name in dialect.sends),
    }


@versions
def test_messages_to_the_charger_are_those_that_have_a_command(version: str) -> None:
    dialect = DIALECTS[version]
    told = {
        command: name
        for name, how, served, _ in page_of(version).messages
        if how == "to the charger"
        for command in re.findall(r"`(\w+)`", served)
    }
    assert told.keys() == dialect.calls.keys()
    for command, name in told.items():
        try:
            action, _ = dialect.to_call(command, VALID.get(command, {}))
        except (CannotSend, KeyError):
            continue  # the example is for another version; its message is named by the tests of its block
        assert action == name, command


@versions
def test_messages_that_are_not_served_say_so(version: str) -> None:
    for name, how, served, test in page_of(version).messages:
        assert (how == "–") == served.startswith("not served: ") == (test == "–"), name
        assert test == "–" or TEST.fullmatch(test), name


# ---------------------------------------------------------------- requirements
@versions
def test_requirements_are_told_once_and_in_few_words(version: str) -> None:
    rows = page_of(version).requirements
    assert len({row[0] for row in rows}) == len(rows) > 200
    assert [row for row in rows if not 2 <= len(row[1].split()) <= MAX_WORDS] == []


@versions
def test_requirements_have_a_test_or_a_reason(version: str) -> None:
    reasons = re.compile(r"`[\w/]+\.py::test_\w+`|(not served|without a test): \w.{8,}")
    assert [row for row in page_of(version).requirements if not reasons.fullmatch(row[2])] == []


def test_requirements_of_201_are_in_21_as_well() -> None:
    earlier = {row[0]: row[1] for row in page_of(V201).requirements}
    later = {row[0]: row[1] for row in page_of(V21).requirements}
    assert earlier.items() <= later.items()


@versions
def test_numbers_at_the_top_are_those_of_the_tables(version: str) -> None:
    tests = [row[2] for row in page_of(version).requirements]
    told = re.search(
        r"Of (\d+) requirements (\d+) have a test, (\d+) need none, (\d+) are not served",
        " ".join((ROOT / "docs" / PAGES[version]).read_text().split()),
    )
    assert told is not None
    assert [int(number) for number in told.groups()] == [
        len(tests),
        sum(test.startswith("`") for test in tests),
        sum(test.startswith("without") for test in tests),
        sum(test.startswith("not served") for test in tests),
    ]


@versions
def test_tests_that_are_named_exist(version: str) -> None:
    page = page_of(version)
    named = {row[-1].strip("`") for row in (*page.messages, *page.requirements) if "::" in row[-1]}
    missing = [name for name in sorted(named) if not _exists(name)]
    assert missing == []


def _exists(name: str) -> bool:
    path, _, function = name.partition("::")
    file = ROOT / "tests" / path
    return file.exists() and f"\ndef {function}(" in file.read_text()


# ---------------------------------------------------------------- official test cases
def marked() -> set[str]:
    """The ids that tests are marked with: in `pytest.mark.testcase(…)`, or in the tables that it is given."""
    found: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        text = file.read_text()
        if "mark.testcase" in text:
            nodes = ast.walk(ast.parse(text))
            values = [node.value for node in nodes if isinstance(node, ast.Constant)]
            found |= {value for value in values if isinstance(value, str) and CASE.fullmatch(value)}
    return found


def test_official_cases_are_played_or_explained() -> None:
    explained = dict(page_of(V201).not_run)
    played = marked() & CASES
    assert explained.keys() <= CASES
    assert not explained.keys() & played
    assert all(reason.startswith("not run: ") for reason in explained.values())
    assert CASES - played - explained.keys() == OPEN
    assert marked() - CASES <= OTHER_CASES
