"""Whether a value fits what the charger has told about a variable."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoints.models import Variable
from chargepoints.variable_checks import limits_in_words, problem

INTEGER = {"data_type": "integer", "min_limit": 10.0, "max_limit": 600.0}
OPTIONS = {"data_type": "OptionList", "values_list": "Auto,On, Off"}
MEMBERS = {"data_type": "MemberList", "values_list": "A,B,C", "max_elements": 2}


@pytest.mark.parametrize(
    ("told", "value", "said"),
    [
        ({}, "anything", ""),
        ({"is_readonly": True}, "1", "read-only"),
        ({"is_constant": True}, "1", "read-only"),
        ({"data_type": "boolean"}, "True", ""),
        ({"data_type": "boolean"}, "yes", "true or false"),
        (INTEGER, "10", ""),
        (INTEGER, "600", ""),
        (INTEGER, "9", "below 10"),
        (INTEGER, "601", "above 600"),
        (INTEGER, "10.5", "whole number"),
        (INTEGER, "ten", "a number"),
        (INTEGER, "NaN", "a number"),
        ({"data_type": "decimal", "max_limit": 0.5}, "0.5", ""),
        ({"data_type": "decimal", "max_limit": 0.5}, "0.51", "above 0.5"),
        ({"data_type": "string", "max_limit": 3.0}, "abc", ""),
        ({"data_type": "string", "max_limit": 3.0}, "abcd", "3 characters"),
        ({"data_type": "dateTime"}, "2026-03-02T10:00:00Z", ""),
        ({"data_type": "dateTime"}, "tomorrow", "date and time"),
        (OPTIONS, "on", ""),
        (OPTIONS, "Maybe", "“Maybe” is not one of Auto, On, Off"),
        (OPTIONS, "On,Off", "one value only"),
        (MEMBERS, "", ""),
        (MEMBERS, "C, A", ""),
        (MEMBERS, "A,D", "“D” is not one of"),
        (MEMBERS, "A,a", "twice"),
        (MEMBERS, "A,B,C", "more than 2 items"),
        ({"data_type": "SequenceList", "values_list": "1,2,3", "max_limit": 3.0}, "3,1", ""),
        ({"data_type": "SequenceList", "values_list": "1,2,3", "max_limit": 3.0}, "3,1,2", "3 characters"),
    ],
)
def test_value_is_checked(told: dict[str, Any], value: str, said: str) -> None:
    found = problem(Variable(**told), value)
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({**INTEGER, "unit": "s"}, "10 to 600 s"),
        ({"data_type": "decimal", "min_limit": 0.5}, "at least 0.5"),
        ({"data_type": "integer", "max_limit": 22000.0, "unit": "W"}, "at most 22000 W"),
        ({"data_type": "string", "max_limit": 20.0}, "up to 20 characters"),
        (MEMBERS, "up to 2 items"),
        ({"data_type": "boolean"}, ""),
    ],
)
def test_limits_are_told_in_words(told: dict[str, Any], words: str) -> None:
    assert limits_in_words(Variable(**told)) == words
