"""What a neutral command is made of, and the check of one argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

FieldType = Literal[
    "string", "integer", "decimal", "boolean", "enum", "object", "datetime", "strings", "rows"
]

SEND = "commands.send"
SEND_DANGEROUS = "commands.send_dangerous"
CONNECTOR_HELP = "The number that the charger itself uses."
#: Characters that a token may have in any version (OCPP 2.1, IdTokenType).
MAX_TOKEN = 255

_MAX_INTEGER = 2**31 - 1
_MAX_DECIMAL = Decimal(10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One argument.

    choices        allowed values of an enum
    choice_labels  what a form shows for them; empty: the values
    default        used when the argument is absent; None: it stays absent
    max_length     characters of a string, entries of `strings` and `rows`
    item_length    characters of one of the `strings`
    minimum        of an integer or a decimal
    decimals       of a decimal
    named_only     no column or field for people: programs name it
    secret         never shown again
    fields         of one of the `rows`
    example        what the API's document shows; arguments that are required have one of their type
    """

    name: str
    type: FieldType
    label: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    choice_labels: tuple[str, ...] = ()
    default: Any = None
    help: str = ""
    max_length: int | None = None
    item_length: int = 50
    minimum: int | None = None
    decimals: int = 1
    named_only: bool = False
    secret: bool = False
    fields: tuple[FieldSpec, ...] = ()
    example: Any = None


Check = Callable[[dict[str, Any]], dict[str, str]]


#: Which connector of an EVSE is meant: OCPP 2.x only.
WITHIN = FieldSpec(
    name="within",
    type="integer",
    label="Connector of the EVSE",
    minimum=1,
    help="OCPP 2.x, where one EVSE has several connectors. Empty: the first, or the whole EVSE.",
)
TOKEN_TYPE = FieldSpec(
    name="id_token_type",
    type="string",
    label="Type of the tag",
    max_length=20,
    help="OCPP 2.x: ISO14443, KeyCode, eMAID … Empty: as the list of tags says, else ISO14443.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """One command: what it is called, what it takes, who may send it and what to ask before.

    check  what is wrong with arguments that are right one by one: field → message
    """

    action: str
    label: str
    description: str
    fields: tuple[FieldSpec, ...] = ()
    dangerous: bool = False
    permission: str = SEND
    confirm: str = ""
    check: Check | None = None

    def field(self, name: str) -> FieldSpec | None:
        """The argument of this name."""
        return next((field for field in self.fields if field.name == name), None)


def clean_values(
    fields: tuple[FieldSpec, ...], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values, completed with defaults, and what is wrong with them by name; absent ones stay absent."""
    known = {field.name for field in fields}
    errors = {str(name): "There is no such argument." for name in values if name not in known}
    cleaned: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name)
        if value is None or _is_empty(field, value):
            value = field.default
        if value is None:
            if field.required:
                errors[field.name] = "This argument is required."
            continue
        cleaned[field.name], problem = _clean(field, value)
        if problem:
            errors[field.name] = problem
    return cleaned, errors


def _is_empty(field: FieldSpec, value: Any) -> bool:
    """What a form sends for an argument that was left out."""
    if field.type in ("strings", "rows"):
        return bool(value == [])
    # An empty configuration value is one: it clears the key (OCPP 1.6 §5.4).
    return bool(value == "") and field.name != "value"


def _clean(field: FieldSpec, value: Any) -> tuple[Any, str]:
    """The value as it is kept, and what is wrong with it, or nothing."""
    match field.type:
        case "decimal":
            return _clean_decimal(field, value)
        case "rows":
            return _clean_rows(field, value)
    return value, _problem(field, value)


def _problem(field: FieldSpec, value: Any) -> str:
    match field.type:
        case "string":
            return _text_problem(field, value)
        case "integer":
            return _integer_problem(field, value)
        case "boolean":
            return "" if isinstance(value, bool) else "Must be true or false."
        case "enum":
            return "" if value in field.choices else f"Must be one of {', '.join(field.choices)}."
        case "object":
            return "" if isinstance(value, dict) else "Must be an object."
        case "datetime":
            return (
                "" if read_time(value) else "Must be a date and time with an offset, as 2026-03-02T10:00:00Z."
            )
    return _strings_problem(field, value)


def _text_problem(field: FieldSpec, value: Any) -> str:
    if not isinstance(value, str):
        return "Must be text."
    if field.max_length is not None and len(value) > field.max_length:
        return f"Must not have more than {field.max_length} characters."
    return "Must not hold NUL characters." if "\0" in value else ""


def _integer_problem(field: FieldSpec, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return "Must be a whole number."
    if field.minimum is not None and value < field.minimum:
        return f"Must not be below {field.minimum}."
    return "" if value <= _MAX_INTEGER else "Is too large."


def read_time(value: Any) -> datetime | None:
    """The moment of a date and time with an offset, in UTC."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def _strings_problem(field: FieldSpec, value: Any) -> str:
    if not isinstance(value, list) or not all(
        isinstance(item, str) and 1 <= len(item) <= field.item_length for item in value
    ):
        return f"Must be a list of names of up to {field.item_length} characters."
    return _length_problem(field, value)


def _length_problem(field: FieldSpec, value: list[Any]) -> str:
    if field.max_length is not None and len(value) > field.max_length:
        return f"Must not have more than {field.max_length} entries."
    return ""


def _clean_decimal(field: FieldSpec, value: Any) -> tuple[Any, str]:
    """A JSON number of few decimals: its digits are checked as Decimal, and doubles print them unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return value, "Must be a number."
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return value, "Must be a number."
    if not number.is_finite():
        return value, "Must be a number."
    if field.minimum is not None and number < field.minimum:
        return value, f"Must not be below {field.minimum}."
    if abs(number) > _MAX_DECIMAL:
        return value, "Is too large."
    if number != round(number, field.decimals):
        shown = "one decimal, as 16.5" if field.decimals == 1 else f"{field.decimals} decimals"
        return value, f"Must not have more than {shown}."
    return int(number) if number == int(number) else float(number), ""


def _clean_rows(field: FieldSpec, value: Any) -> tuple[Any, str]:
    if not isinstance(value, list):
        return value, "Must be a list."
    problem = _length_problem(field, value)
    rows = []
    for number, row in enumerate(value if not problem else (), start=1):
        if not isinstance(row, Mapping):
            return value, f"Entry {number} must be an object."
        cleaned, errors = clean_values(field.fields, row)
        for name, text in errors.items():
            return value, f"Entry {number}, {name}: {text}"
        rows.append(cleaned)
    return rows, problem
