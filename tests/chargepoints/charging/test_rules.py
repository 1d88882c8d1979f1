"""What is said about wrong charging profiles, field by field."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chargepoints.charging.plan import (
    CHARGE_POINT_MAX,
    RECURRING,
    TX,
    Unreadable,
    message_of,
    read_message,
    read_plan,
)
from chargepoints.charging.rules import place_problems, problems_of, remarks_on
from tests.chargepoints.charging.plans import plan
from tests.factories import T0

DAILY: dict[str, Any] = {"kind": RECURRING, "recurrency_kind": "Daily", "start_schedule": T0}


@pytest.mark.parametrize(
    "good",
    [
        plan(16),
        plan(0),
        plan("8.1", min_charging_rate=Decimal("6.1")),
        plan((0, 16, 3), (60, 6, 1)),
        plan(16, kind="Absolute", start_schedule=T0, valid_from=T0, valid_to=T0 + timedelta(seconds=1)),
        plan(16, purpose=TX, valid_to=T0),  # errata 3.65: validity is for these too
        plan((0, 16), (90_000, 6), duration=60, **DAILY),  # the rest is never executed (§5.16.4)
    ],
)
def test_good_profiles_have_no_problems(good: Any) -> None:
    assert problems_of(good) == {}


@pytest.mark.parametrize(
    ("wrong", "field", "text"),
    [
        (plan((60, 16)), "periods", "The first period must start at 0 seconds."),
        (plan((0, 16), (60, 8), (60, 6)), "periods", "Each period must start after the one before it."),
        (plan((0, 16), (90, 8), (60, 6)), "periods", "Each period must start after the one before it."),
        (plan(*[(second, 16) for second in range(1001)]), "periods", "Must not have more than 1000 entries."),
        (plan("16.05"), "periods", "Entry 1, limit: Must not have more than one decimal, as 16.5."),
        (plan((0, 16), (9, -1)), "periods", "Entry 2, limit: Must not be below 0."),
        (plan(10**10), "periods", "Entry 1, limit: Is too large."),
        (plan((0, 16, 4)), "periods", "Entry 1, number_phases: Must be 1, 2 or 3."),
        (plan(16, recurrency_kind="Daily"), "recurrency_kind", "Only a recurring profile has this."),
        (
            plan(16, kind=RECURRING, start_schedule=T0),
            "recurrency_kind",
            "Say whether it recurs every day or every week.",
        ),
        (
            plan(16, kind=RECURRING, recurrency_kind="Daily"),
            "start_schedule",
            "Say from when the times count.",
        ),
        (plan(16, kind="Absolute"), "start_schedule", "Say from when the times count."),
        (
            plan(16, start_schedule=T0),
            "start_schedule",
            "A relative profile counts from the start of charging: leave the start out.",
        ),
        (plan(16, valid_from=T0, valid_to=T0), "valid_to", "Must be after “valid from”."),
        (plan(16, duration=0), "duration", "Must be longer than nothing."),
        (
            plan(16, min_charging_rate=Decimal("6.25")),
            "min_charging_rate",
            "Must not have more than one decimal, as 16.5.",
        ),
    ],
)
def test_wrong_profile_is_told_by_field(wrong: Any, field: str, text: str) -> None:
    assert problems_of(wrong) == {field: text}


def test_profile_without_periods_is_told() -> None:
    empty = read_plan({"purpose": TX, "periods": []})
    assert problems_of(empty) == {"periods": "Give at least one limit."}


@pytest.mark.parametrize(
    ("fields", "place", "wrong"),
    [
        ({"purpose": CHARGE_POINT_MAX}, {"connector": 1}, {"connector"}),
        ({"purpose": CHARGE_POINT_MAX}, {"connector": 0}, set()),
        ({"purpose": TX}, {"connector": 0, "transaction_id": "7"}, {"connector"}),
        ({"purpose": TX}, {"connector": 1}, {"transaction"}),
        ({"purpose": TX}, {"connector": 1, "transaction_id": "7"}, set()),
        ({}, {"connector": 0}, set()),
        ({}, {"connector": 2}, set()),
        ({}, {"connector": 2, "transaction_id": "7"}, {"transaction"}),
        ({}, {"connector": -1}, {"connector"}),
    ],
)
def test_place_has_to_fit_the_purpose(fields: dict[str, Any], place: dict[str, Any], wrong: set[str]) -> None:
    assert place_problems(plan(16, **fields), **place).keys() == wrong


def test_remarks_name_what_is_hardly_meant() -> None:
    assert remarks_on(plan(16)) == []
    assert remarks_on(plan(0)) == []  # a pause
    assert len(remarks_on(plan((0, 16), (90_000, 6), duration=100_000, **DAILY))) == 2
    assert remarks_on(plan(4)) == ["Below 6 A most vehicles do not charge at all; 0 pauses charging."]
    assert remarks_on(plan((0, 16, 1), (60, 16))) == [
        "Not every vehicle can change its phases during a session (OCPP 1.6 §3.13)."
    ]


def test_plan_in_another_unit_never_allows_more() -> None:
    given = plan((0, 11000), (60, 3680, 1), charging_rate_unit="W", min_charging_rate=Decimal(4140))
    amperes = given.in_unit("A", voltage=230)
    assert [str(period.limit) for period in amperes.periods] == ["15.9", "16.0"]
    assert (amperes.charging_rate_unit, amperes.min_charging_rate) == ("A", Decimal("6.0"))
    assert given.in_unit("", voltage=230) is given.in_unit("W", voltage=230) is given


def test_plan_is_the_same_as_arguments_and_as_message() -> None:
    given = plan(
        (0, "16.5", 3),
        (3600, 8),
        stack_level=2,
        duration=7200,
        valid_from=T0,
        valid_to=T0 + timedelta(days=1),
        min_charging_rate=Decimal("6.1"),
        **DAILY,
    )
    assert read_plan(given.arguments()) == given
    message = message_of(given, 7)
    assert message["chargingProfileId"] == 7
    assert message["chargingSchedule"]["chargingSchedulePeriod"][0] == {
        "startPeriod": 0,
        "limit": 16.5,
        "numberPhases": 3,
    }
    assert read_message(message) == given


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"purpose": TX},
        {"purpose": TX, "periods": [{"start_period": 0}]},
        {"purpose": TX, "periods": [{"start_period": 0, "limit": "NaN"}]},
        {"purpose": TX, "periods": [{"start_period": 0.5, "limit": 1}]},
        {"purpose": TX, "periods": [{"start_period": True, "limit": 1}]},
        {"purpose": TX, "periods": ["text"]},
        {"purpose": TX, "periods": [], "valid_from": "tomorrow"},
        {"purpose": TX, "periods": [], "stack_level": 2**40},
        {"purpose": TX, "periods": [], "stack_level": "1e999999999"},
    ],
)
def test_what_is_no_profile_cannot_be_read(broken: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read_plan(broken)


@pytest.mark.parametrize(
    "broken", [{}, {"chargingSchedule": None}, {"chargingSchedule": {"chargingSchedulePeriod": [1]}}]
)
def test_message_that_is_no_profile_cannot_be_read(broken: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read_message(broken)
