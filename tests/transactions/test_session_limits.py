"""Limits of one session, and what an answer says of them (pure; OCPP 2.1 E16, C17)."""

from __future__ import annotations

from typing import Any

import pytest

from transactions import session_limits
from transactions.session_limits import (
    is_pending,
    lowest,
    on_the_wire,
    read,
    reporting,
    to_tell,
    unconfirmed,
    wanting,
)


def test_only_numbers_that_make_sense_are_read() -> None:
    given = {"maxCost": "10.50", "maxEnergy": 20000, "maxTime": None, "maxSoC": True, "other": 1}
    assert read(given) == {"maxCost": "10.50", "maxEnergy": "20000"}
    assert read({"maxCost": "x", "maxEnergy": float("nan"), "maxTime": 1e30}) == {}


def test_wanted_limit_is_told_once() -> None:
    """E16.FR.02"""
    limits = wanting(None, {"maxCost": 10, "maxTime": 3600})

    due, kept = to_tell(limits, ("maxCost", "maxTime"))

    assert due == {"maxCost": "10", "maxTime": "3600"}
    assert to_tell(kept, ("maxCost", "maxTime"))[0] == {}


def test_changed_limit_is_told_again() -> None:
    _, kept = to_tell(wanting(None, {"maxCost": 10}), ("maxCost",))

    due, _ = to_tell(wanting(kept, {"maxCost": 15}), ("maxCost",))

    assert due == {"maxCost": "15"}


def test_limit_that_the_charger_does_not_know_is_never_told() -> None:
    """E16.FR.12"""
    due, kept = to_tell(wanting(None, {"maxCost": 10}), ("maxEnergy",))

    assert (due, kept["unknown"]) == ({}, ["maxCost"])
    assert not is_pending(kept)


@pytest.mark.parametrize(("theirs", "expected"), [("9", {}), ("10", {}), ("11", {"maxCost": "10"})])
def test_limit_of_the_charger_that_is_as_low_needs_no_answer(theirs: str, expected: dict[str, str]) -> None:
    """E16.FR.07, .08"""
    limits = reporting(wanting(None, {"maxCost": 10}), {"maxCost": theirs})

    assert to_tell(limits, session_limits.KINDS)[0] == expected


def test_limit_that_we_have_raised_is_told_although_the_charger_keeps_to_less() -> None:
    _, kept = to_tell(wanting(None, {"maxCost": 10}), session_limits.KINDS)
    kept = reporting(kept, {"maxCost": 10})

    assert to_tell(wanting(kept, {"maxCost": 20}), session_limits.KINDS)[0] == {"maxCost": "20"}


def test_lowest_of_several_holds() -> None:
    assert lowest({"maxCost": 10, "maxTime": 60}, {"maxCost": "9.99"}) == {"maxCost": "9.99", "maxTime": "60"}


def test_numbers_on_the_wire() -> None:
    wire: dict[str, Any] = on_the_wire(
        {"maxCost": "10.1234567", "maxEnergy": "20000", "maxTime": "3600.0", "maxSoC": "80"}
    )
    assert wire == {"maxCost": 10.123457, "maxEnergy": 20000.0, "maxTime": 3600, "maxSoC": 80}
    assert isinstance(wire["maxTime"], int)


def test_nothing_is_pending_once_it_is_said() -> None:
    limits = wanting(None, {"maxCost": 10})
    assert is_pending(limits)
    assert not is_pending(to_tell(limits, session_limits.KINDS)[1])
    assert not is_pending(to_tell(reporting(limits, {"maxCost": 5}), session_limits.KINDS)[1])
    assert not is_pending(None)


def test_what_the_charger_has_not_confirmed_is_said_again_to_a_repeat() -> None:
    _, kept = to_tell(wanting(None, {"maxCost": 10}), session_limits.KINDS)
    assert unconfirmed(kept) == {"maxCost": "10"}
    assert unconfirmed(reporting(kept, {"maxCost": 10})) == {}
    assert unconfirmed(None) == {}
