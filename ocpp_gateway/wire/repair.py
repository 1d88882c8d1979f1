"""Mend requests that must not be refused: a charger drops a transaction message after some CALLERRORs.

Only what the schema complains about is touched, and every change leaves a note for the operator. The walk
follows the schema: numbers and strings change places, unknown fields go, over-long text is cut, optional
fields that cannot be used go, unreadable timestamps go (the handler then takes the arrival time).

What tells one card or session from another and what is signed is never cut; enum values of samples stay
as received, so that no reading is lost. Whole-Wh registers sent with decimals are rounded half up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

import orjson

from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.schemas import Schema, Violation
from ocpp_gateway.wire.timestamps import parse_timestamp

REPAIRABLE: Final = frozenset(
    {
        "BootNotification",
        "DataTransfer",
        "MeterValues",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "TransactionEvent",
    }
)
MAX_NOTES: Final = 20


@dataclass(frozen=True, slots=True)
class Repaired:
    """A usable payload and what was done to it.

    payload   a new object. Timestamps may be missing although required. Samples may hold enum values that
              the schema does not know, as may the fields of KEPT_ENUMS
    notes     what the schema said first, then one line per change ("meterValue.0.sampledValue.1.value:
              number taken as text"), without the charger's data; at most MAX_NOTES changes are named
    """

    payload: dict[str, Any]
    notes: tuple[str, ...]


def repair_request(
    version: str, action: str, payload: Mapping[str, Any], violation: Violation
) -> Repaired | None:
    """The request mended; None when a required field is missing or unusable, or the action not REPAIRABLE."""
    if action not in REPAIRABLE:
        return None
    walk = _Walk(action, schemas.get_schema(version, action))
    mended = walk.value(dict(payload), walk.root, ())
    if mended is _UNUSABLE or not walk.notes:
        return None
    notes = [violation.description, *walk.notes[:MAX_NOTES]]
    if len(walk.notes) > MAX_NOTES:
        notes.append(f"and {len(walk.notes) - MAX_NOTES} more")
    return Repaired(mended, tuple(notes))


class _Unusable:
    pass


_UNUSABLE: Final = _Unusable()

# Text that identifies or proves: kept whole up to a bound of our own instead of the schema's.
_UNCUT: Final = {
    "idTag": 255,
    "idToken": 255,
    "transactionId": 255,
    "signedMeterData": 1_000_000,
    "publicKey": 100_000,
}
_SAMPLE_ENUMS: Final = frozenset({"context", "format", "location", "measurand", "phase", "unit"})
# Kept as received although unknown: required, yet no reason to lose a billing message.
KEPT_ENUMS: Final = frozenset({"triggerReason", "type"})
# An unknown value of these means "none of the others"; dropping it would read as the default.
_OTHER: Final = {
    ("StopTransaction", "reason"): "Other",
    ("TransactionEvent", "stoppedReason"): "Other",
    ("StatusNotification", "errorCode"): "OtherError",
    ("BootNotification", "reason"): "Unknown",
}
# Required by the schema, yet a missing one says enough. Signatures of 2.0.1 come without key and method.
_DEFAULTS: Final = {
    ("StatusNotification", "errorCode"): "NoError",
    ("MeterValues", "publicKey"): "",
    ("MeterValues", "signingMethod"): "",
    ("TransactionEvent", "publicKey"): "",
    ("TransactionEvent", "signingMethod"): "",
}
_ROUNDED: Final = frozenset({"meterStart", "meterStop"})
_FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.0{1,40})?")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,2})?")

Path = tuple[str | int, ...]


class _Walk:
    """One pass over one payload along its schema."""

    def __init__(self, action: str, root: Schema) -> None:
        self.action = action
        self.root = root
        self.notes: list[str] = []

    def note(self, path: Path, text: str) -> None:
        self.notes.append(f"{'.'.join(map(str, path))}: {text}")

    def value(self, value: Any, schema: Schema, path: Path) -> Any:
        """The value as the schema wants it, or _UNUSABLE."""
        schema = self.resolve(schema)
        match schema.get("type"):
            case "object":
                return self.object(value, schema, path)
            case "array":
                return self.array(value, schema, path)
            case "string":
                return self.string(value, schema, path)
            case "integer" | "number":
                return self.number(value, schema, path)
            case "boolean":
                return self.boolean(value, path)
        return value

    def resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.root["definitions"][schema["$ref"].rpartition("/")[2]]
        return schema

    def object(self, value: Any, schema: Schema, path: Path) -> Any:
        if not isinstance(value, dict):
            return _UNUSABLE
        known = schema.get("properties", {})
        mended: dict[str, Any] = {}
        for name, item in value.items():
            if name in known:
                self.field(name, item, known[name], schema, (*path, name), mended)
            elif schema.get("additionalProperties", True) is not False:
                mended[name] = item
            else:
                shown = name if _FIELD_NAME.fullmatch(name) else "a field"
                self.note((*path, shown), "unknown, dropped")
        return mended if self.complete(mended, known, schema, path) else _UNUSABLE

    def field(
        self, name: str, item: Any, schema: Schema, parent: Schema, path: Path, mended: dict[str, Any]
    ) -> None:
        """Mend one known field into its object, or leave it out."""
        if item is None:
            self.note(path, "null, dropped")
            return
        new = self.value(item, schema, path)
        if new is not _UNUSABLE:
            mended[name] = new
        elif name not in parent.get("required", ()):
            self.note(path, "not usable, dropped")

    def complete(self, mended: dict[str, Any], known: dict[str, Schema], schema: Schema, path: Path) -> bool:
        """Whether what is required is there, after filling in what may be missing."""
        for name in schema.get("required", ()):
            if name in mended:
                continue
            if (self.action, name) in _DEFAULTS:
                mended[name] = _DEFAULTS[self.action, name]
                self.note((*path, name), "missing, default taken")
            elif _is_timestamp(self.resolve(known.get(name, {}))):
                self.note((*path, name), "timestamp missing or unreadable")
            else:
                return False
        return True

    def array(self, value: Any, schema: Schema, path: Path) -> Any:
        if isinstance(value, dict):
            self.note(path, "one entry without its list")
            value = [value]
        if not isinstance(value, list):
            return _UNUSABLE
        mended = []
        for index, item in enumerate(value):
            new = self.value(item, schema.get("items", {}), (*path, index))
            if new is _UNUSABLE:
                self.note((*path, index), "not usable, dropped")
            else:
                mended.append(new)
        most = schema.get("maxItems", len(mended))
        if len(mended) > most:
            self.note(path, f"cut to {most} entries")
        if not value and self.action == "MeterValues":
            # Nothing to store is nothing to lose: refused, the charger would repeat it and block its queue.
            self.note(path, "empty list")
            return []
        lost_all = bool(value) and not mended
        return _UNUSABLE if lost_all or len(mended) < schema.get("minItems", 0) else mended[:most]

    def string(self, value: Any, schema: Schema, path: Path) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if _is_timestamp(schema):
                return _UNUSABLE
            value = _number_text(value)
            self.note(path, "number taken as text")
        if self.action == "DataTransfer" and path == ("data",) and isinstance(value, (dict, list)):
            # A vendor's own content: whoever reads it reads JSON.
            value = orjson.dumps(value).decode()
            self.note(path, "object taken as JSON text")
        if not isinstance(value, str):
            return _UNUSABLE
        if _is_timestamp(schema):
            return value if parse_timestamp(value) is not None else _UNUSABLE
        if "enum" in schema:
            return self.enum(value, schema["enum"], path)
        return self.cut(value, schema, path)

    def enum(self, value: str, allowed: list[str], path: Path) -> Any:
        if value in allowed:
            return value
        name = str(path[-1])
        for candidate in allowed:
            if candidate.casefold() == value.strip().casefold():
                self.note(path, "spelling corrected")
                return candidate
        if (name in _SAMPLE_ENUMS and "sampledValue" in path) or name in KEPT_ENUMS:
            self.note(path, "unknown value, kept")
            return value[:255]
        if (self.action, name) in _OTHER:
            self.note(path, f"unknown value, taken as {_OTHER[self.action, name]}")
            return _OTHER[self.action, name]
        return _UNUSABLE

    def cut(self, value: str, schema: Schema, path: Path) -> Any:
        most = schema.get("maxLength", len(value))
        if len(value) <= most:
            return value if len(value) >= schema.get("minLength", 0) else _UNUSABLE
        uncut = _UNCUT.get(str(path[-1]))
        if uncut is None:
            self.note(path, f"cut to {most} characters")
            return value[:most]
        self.note(path, f"longer than {most} characters")
        return value if len(value) <= uncut else _UNUSABLE

    def number(self, value: Any, schema: Schema, path: Path) -> Any:
        whole = schema["type"] == "integer"
        if isinstance(value, str):
            value = _read_number(value.strip(), whole and path[-1] not in _ROUNDED)
            if value is None:
                return _UNUSABLE
            self.note(path, "text taken as number")
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            return _UNUSABLE
        if whole and not isinstance(value, int):
            value = self.whole(value, path)
        elif isinstance(value, Decimal):
            value = float(value)
        if value is _UNUSABLE or not _in_range(value, schema):
            return _UNUSABLE
        return value

    def whole(self, value: float | Decimal, path: Path) -> Any:
        """A number as an integer: exactly, or rounded where it is a register."""
        exact = value if isinstance(value, Decimal) else Decimal(repr(value))
        integral = exact.to_integral_value(ROUND_HALF_UP)
        if exact != integral and path[-1] not in _ROUNDED:
            return _UNUSABLE
        self.note(path, "rounded" if exact != integral else "decimal number taken as integer")
        return int(integral)

    def boolean(self, value: Any, path: Path) -> Any:
        if isinstance(value, bool):
            return value
        read = {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().casefold())
        if read is None:
            return _UNUSABLE
        self.note(path, "taken as boolean")
        return read


def _is_timestamp(schema: Schema) -> bool:
    return schema.get("format") == "date-time"


def _number_text(value: float) -> str:
    """The number as the charger most likely wrote it, without an exponent."""
    text = orjson.dumps(value).decode()
    return format(Decimal(text), "f") if "e" in text else text


def _read_number(text: str, whole: bool) -> int | Decimal | None:
    if _INTEGER.fullmatch(text):
        return int(Decimal(text))
    if whole or not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _in_range(value: float, schema: Schema) -> bool:
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
