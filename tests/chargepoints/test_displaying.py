"""What one may say on a display, what a charger can show, and whether two messages are the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from chargepoints.displaying import abilities, differences, normal, problems_of

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"content": " "}, "content"),
        ({"content": "Grüezi", "format": "ASCII"}, "content"),
        ({"content": "x", "language": "english please"}, "language"),
        ({"content": "x", "extra": [{"content": ""}]}, "extra"),
        ({"content": "x", "extra": [{"content": "ü", "format": "ASCII"}]}, "extra"),
        ({"content": "x", "starts_at": AT, "ends_at": AT}, "ends_at"),
    ],
)
def test_message_that_is_wrong_is_named(message: dict[str, Any], field: str) -> None:
    assert list(problems_of(message)) == [field]


@pytest.mark.parametrize("language", ["en", "en-US", "zh-Hant"])
def test_languages_are_tags_of_rfc_5646(language: str) -> None:
    """O01.FR.17, O02.FR.12"""
    assert problems_of({"content": "x", "language": language}) == {}


def test_what_the_charger_does_not_know_is_said_with_what_it_knows() -> None:
    can = abilities(
        [
            ("SupportedFormats", "ASCII,UTF8"),
            ("SupportedPriorities", "NormalCycle"),
            ("SupportedStates", "Idle"),
        ]
    )
    message = {
        "content": "x",
        "format": "HTML",
        "priority": "InFront",
        "state": "Charging",
        "extra": [{"content": "y", "format": "UTF8"}],
    }

    assert can.problems(message) == [
        "The charger does not know the format HTML; it knows ASCII, UTF8.",
        "The charger does not know the priority InFront; it knows NormalCycle.",
        "The charger does not know the state Charging; it knows Idle.",
    ]
    assert can.problems({"content": "x", "format": "UTF8", "priority": "NormalCycle"}) == []


def test_charger_that_says_nothing_is_believed_to_show_everything() -> None:
    assert abilities([]).problems({"content": "x", "format": "HTML", "state": "Idle"}) == []


@pytest.mark.parametrize("name", ["Available", "Enabled"])
def test_display_that_is_off_shows_nothing(name: str) -> None:
    assert abilities([(name, "false")]).problems({"content": "x"}) == [
        "The charger says that its display is not available."
    ]


def test_two_ways_to_say_the_same_are_the_same() -> None:
    ours = {"content": "x", "format": "UTF8", "language": "en-us", "state": "", "starts_at": AT, "extra": []}
    theirs = {
        "content": "x",
        "format": "UTF8",
        "language": "en-US",
        "starts_at": AT.astimezone(timezone(timedelta(hours=2))).isoformat(),
        "connector": 1,
    }

    assert differences(normal(ours), normal(theirs)) == []
    assert differences(normal(ours), normal({**theirs, "content": "y", "state": "Idle"})) == [
        "content",
        "state",
    ]


def test_moment_that_cannot_be_read_is_none() -> None:
    assert normal({"content": "x", "starts_at": "soon"}) == {"content": "x"}
