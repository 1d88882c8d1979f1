"""Templates merged by rank."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoints.wanted import PROFILE, Charger, Source, Value, fits_pattern, merge

CHARGER = Charger(pk=1, tenant_id=1, vendor="Acme", model="Wall 22", firmware="2.3.1", location_id=7)


def source(label: str, value: str = "1", key: str = "A", **fields: Any) -> Source:
    return Source(label=label, values=(Value(key=key, text=value),), **fields)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "anything", True),
        ("acme", "Acme", True),
        ("Wall*", "Wall 22", True),
        ("*22", "Wall 22", True),
        ("Wall ??", "Wall 22", True),
        ("Wall ?", "Wall 22", False),
        ("Wall", "Wall 22", False),
        ("2.3.*", "2.3.1", True),
        ("2.3.*", "2x3x1", False),
        ("[v1]", "[v1]", True),
        ("[v1]", "v", False),
        ("*", "", True),
        ("?", "", False),
    ],
)
def test_pattern_fits(pattern: str, text: str, fits: bool) -> None:
    assert fits_pattern(pattern, text) is fits


@given(st.text(max_size=20))
def test_any_text_fits_itself_and_a_star(text: str) -> None:
    assert fits_pattern("*", text)
    if not set("*?") & set(text):
        assert fits_pattern(text.strip() or "*", text)


@pytest.mark.parametrize(
    "other",
    [
        {"vendor": "Other"},
        {"model": "Wall 1?"},
        {"firmware": "3*"},
        {"location_id": 8},
        {"vendor": "Acme", "location_id": 8},
    ],
)
def test_source_for_other_chargers_gives_nothing(other: dict[str, Any]) -> None:
    assert merge([source("X", **other)], CHARGER) == {}


@pytest.mark.parametrize(
    ("winner", "loser", "reason"),
    [
        ({"priority": 10}, {"location_id": 7}, "its priority is higher (10 over 0)"),
        ({"location_id": 7}, {"model": "Wall 22", "vendor": "Acme"}, "it names the site"),
        ({"firmware": "2*"}, {"model": "Wall 22"}, "it names the firmware version"),
        ({"model": "Wall 22"}, {"model": "Wall*"}, "it names the model more exactly"),
        ({"vendor": "Acme"}, {}, "it names the vendor"),
        ({"model": "Wall*"}, {"model": "W*"}, "its patterns are longer"),
        ({}, {"layer": PROFILE, "priority": 99}, "templates count more than what is known of the model"),
    ],
)
def test_higher_rank_wins_whatever_the_order_and_says_why(
    winner: dict[str, Any], loser: dict[str, Any], reason: str
) -> None:
    sources = [source("Winner", "1", **winner), source("Loser", "2", key="a", **loser)]
    for order in (sources, sources[::-1]):
        wanted = merge(order, CHARGER)
        assert list(wanted) == ["a"]
        assert wanted["a"].value.text == "1"
        assert wanted["a"].reason == f"From “Winner”. It wins over “Loser”: {reason}."


def test_equal_rank_is_decided_by_name() -> None:
    for order in (("b", "A"), ("A", "b")):
        wanted = merge([source(label, label) for label in order], CHARGER)["a"]
        assert wanted.value.text == "A"
        assert "they rank the same, and it is the first by name" in wanted.reason


def test_keys_of_several_templates_come_together() -> None:
    wanted = merge([source("X", key="A"), source("Y", key="B", model="Wall*")], CHARGER)
    assert {key: item.source.label for key, item in wanted.items()} == {"a": "X", "b": "Y"}
    assert wanted["a"].reason == "From “X”."
