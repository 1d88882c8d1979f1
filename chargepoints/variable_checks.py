"""Whether a value fits a variable, as far as the charger has told what it takes (2.0.1 part 2 §2.51).  Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Protocol

from chargepoints.device_model import (
    BOOLEAN,
    DATE_TIME,
    DECIMAL,
    INTEGER,
    LISTS,
    OPTION_LIST,
)


class Told(Protocol):
    """What a charger told about a variable."""

    is_readonly: bool
    is_constant: bool | None
    data_type: str
    unit: str
    min_limit: float | None
    max_limit: float | None
    max_elements: int | None
    values_list: str


def problem(told: Told, value: str) -> str:
    """Why the charger will not take a value, in a sentence; "" where nothing that it told speaks against it."""
    if told.is_readonly or told.is_constant:
        return "The charger takes no value for it: it is read-only."
    if told.data_type == BOOLEAN:
        return "" if value.strip().casefold() in ("true", "false") else "Must be true or false."
    if told.data_type in (INTEGER, DECIMAL):
        return _number_problem(told, value)
    if told.data_type == DATE_TIME:
        return "" if _is_time(value) else "Must be a date and time, as 2026-03-02T10:00:00Z."
    return (_list_problem(told, value) if told.data_type in LISTS else "") or _length_problem(told, value)


def choices_of(told: Told) -> list[str]:
    """The values that it may have, or that its items may have; empty: the charger names none."""
    return items(told.values_list)


def items(text: str) -> list[str]:
    """The items of a list, in their order."""
    return [item.strip() for item in text.split(",") if item.strip()]


def limit_text(limit: float) -> str:
    """A limit as people write it."""
    return f"{limit:.10g}"


def limits_in_words(told: Told) -> str:
    """What it may be, in a few words; "" where the charger told nothing."""
    low, high = told.min_limit, told.max_limit
    unit = f" {told.unit}" if told.unit else ""
    words = []
    if told.data_type in (INTEGER, DECIMAL):
        if low is not None and high is not None:
            words.append(f"{limit_text(low)} to {limit_text(high)}{unit}")
        elif low is not None:
            words.append(f"at least {limit_text(low)}{unit}")
        elif high is not None:
            words.append(f"at most {limit_text(high)}{unit}")
    elif high is not None and told.data_type not in (BOOLEAN, DATE_TIME):
        words.append(f"up to {limit_text(high)} characters")
    if told.max_elements is not None and told.data_type in LISTS:
        words.append(f"up to {told.max_elements} items")
    return ", ".join(words)


def _number_problem(told: Told, value: str) -> str:
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return "Must be a number."
    if not number.is_finite():
        return "Must be a number."
    if told.data_type == INTEGER and number != number.to_integral_value():
        return "Must be a whole number."
    if told.min_limit is not None and number < Decimal(str(told.min_limit)):
        return f"Must not be below {limit_text(told.min_limit)}."
    if told.max_limit is not None and number > Decimal(str(told.max_limit)):
        return f"Must not be above {limit_text(told.max_limit)}."
    return ""


def _list_problem(told: Told, value: str) -> str:
    given, allowed = items(value), {choice.casefold() for choice in choices_of(told)}
    if told.data_type == OPTION_LIST and len(given) > 1 and value.strip().casefold() not in allowed:
        return "Must be one value only."
    wrong = [item for item in given if allowed and item.casefold() not in allowed]
    if wrong:
        return f"“{wrong[0][:100]}” is not one of {', '.join(choices_of(told))}."
    if len({item.casefold() for item in given}) != len(given):
        return "An item is in it twice."
    if told.max_elements is not None and len(given) > told.max_elements:
        return f"Must not have more than {told.max_elements} items."
    return ""


def _length_problem(told: Told, value: str) -> str:
    if told.max_limit is not None and len(value) > told.max_limit:
        return f"Must not have more than {limit_text(told.max_limit)} characters."
    return ""


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value.strip())
    except ValueError:
        return False
    return True
