"""Message schemas of each version, compiled, and what their violations mean in CALLERROR codes.

The files are those shipped in the ``ocpp`` package (read as data, the package is never imported), patched
in memory where an erratum or a recorded charger says so. Formats are not checked: timestamps are read
tolerantly in ``timestamps``.

1.6 accepts fields it does not know, vendors send them; 2.x refuses them (part 2 FR.03). Either can be
asked for explicitly: ``strict`` refuses, ``strict=False`` accepts, None is the version's own way.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from ocpp_gateway.wire.errors import MAX_DESCRIPTION, V16, V21, V201, ErrorCode, spell_code

_FOLDERS: Final = {V16: "v16", V201: "v201", V21: "v21"}
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """The first thing wrong with a payload.

    code          CALLERROR code, spelled for the version
    path          where, dotted, list indexes as numbers: "meterValue.0.timestamp"; "" is the payload itself
    description   in our words, without the charger's data, at most 255 characters
    keyword       the schema's word: required, type, enum, maxLength, additionalProperties …
    """

    code: str
    path: str
    description: str
    keyword: str


@cache
def actions(version: str) -> frozenset[str]:
    """The actions a version knows, of both directions; raises ValueError for an unknown version."""
    return frozenset(action for action, response in _schemas(version) if not response)


def check_request(
    version: str, action: str, payload: dict[str, Any], *, strict: bool | None = None
) -> Violation | None:
    """What is wrong with the payload of a CALL or SEND; None when it is valid. KeyError: unknown action."""
    return _check(version, action, payload, response=False, strict=strict)


def check_response(
    version: str, action: str, payload: dict[str, Any], *, strict: bool | None = None
) -> Violation | None:
    """What is wrong with the payload of a CALLRESULT; None when it is valid. KeyError: no such response.

    Our own answers are checked with strict=True: chargers fail on unknown fields.
    """
    return _check(version, action, payload, response=True, strict=strict)


def warm(version: str) -> None:
    """Compile every schema of a version now (some 20 ms) instead of at the first message of its kind."""
    for action, response in _schemas(version):
        _validator(version, action, response, _strict(version, None))


def get_schema(version: str, action: str, *, response: bool = False) -> Schema:
    """The patched schema of one message; not to be changed. KeyError: unknown action."""
    return _schemas(version)[action, response]


def _check(
    version: str, action: str, payload: dict[str, Any], *, response: bool, strict: bool | None
) -> Violation | None:
    validator = _validator(version, action, response, _strict(version, strict))
    try:
        validator.validate(payload)
    except jsonschema_rs.ValidationError as error:
        return _violation(error, version)
    return None


def _strict(version: str, strict: bool | None) -> bool:
    return version != V16 if strict is None else strict


# What each schema keyword breaks (OCPP-J 1.6 table 7, 2.0.1 part 4 §4.3). A missing field of 1.6 could be
# ProtocolError ("incomplete") as well; the occurrence code says more and is the same in all versions.
_CODES: Final = {
    "required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "additionalProperties": ErrorCode.FORMAT_VIOLATION,
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "enum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "maxLength": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "minLength": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "minimum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "maximum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "multipleOf": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
}
_WORDS: Final = {
    "required": "required field is missing",
    "minItems": "too few entries",
    "maxItems": "too many entries",
    "additionalProperties": "unknown field",
    "type": "wrong type",
    "enum": "not one of the allowed values",
    "maxLength": "too long",
    "minLength": "too short",
    "minimum": "too small",
    "maximum": "too large",
    "multipleOf": "too many decimals",
}
_FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")


def _violation(error: jsonschema_rs.ValidationError, version: str) -> Violation:
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    if keyword not in _CODES:
        keyword = error.kind.name
    path = [str(part) for part in error.instance_path]
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        path.append(str(error.kind.property))
    elif isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        path.extend(name for name in error.kind.unexpected[:1] if _FIELD_NAME.fullmatch(name))
    where = ".".join(path)
    words = _WORDS.get(keyword, "not valid")
    return Violation(
        code=spell_code(_CODES.get(keyword, ErrorCode.GENERIC_ERROR), version),
        path=where,
        description=f"{where}: {words}"[:MAX_DESCRIPTION] if where else words,
        keyword=keyword,
    )


@cache
def _validator(version: str, action: str, response: bool, strict: bool) -> jsonschema_rs.Validator:
    schema = _schemas(version)[action, response]
    if not strict:
        schema = _without_closed_objects(schema)
    return jsonschema_rs.validator_for(schema, validate_formats=False)


@cache
def _schemas(version: str) -> dict[tuple[str, bool], Schema]:
    """Every schema of a version by (action, is it the response)."""
    found: dict[tuple[str, bool], Schema] = {}
    for path in sorted(_folder(version).iterdir()):
        if path.suffix.casefold() == ".json":
            # Some releases of the files begin with a byte order mark.
            schema = json.loads(path.read_text(encoding="utf-8-sig"))
            found[_message_name(path.stem)] = schema
    _patch(version, found)
    return found


def _folder(version: str) -> Path:
    if version not in _FOLDERS:
        raise ValueError(f"unknown OCPP version {version!r}")
    spec = find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package 'ocpp', which brings the message schemas, is not installed")
    return Path(spec.submodule_search_locations[0], _FOLDERS[version], "schemas")


def _message_name(stem: str) -> tuple[str, bool]:
    """Action and whether it is the response. 1.6 requests have no ending, nor has the SEND of 2.1."""
    stem = stem.strip()
    if stem.endswith("Response"):
        return stem.removesuffix("Response"), True
    return stem.removesuffix("Request"), False


def _patch(version: str, schemas: dict[tuple[str, bool], Schema]) -> None:
    for schema in schemas.values():
        _bound_integers(schema)
    if version == V16:
        _patch_units(schemas)
        # Chargers answer vendor messages with an object as well as with JSON in a string (§6.18 has text).
        schemas["DataTransfer", True]["properties"]["data"].pop("type", None)
    else:
        # Chargers close a report with an empty list (2.0.1 §2.12 wants the field left out); nothing is lost.
        schemas["NotifyReport", False]["properties"]["reportData"].pop("minItems", None)


def _patch_units(schemas: dict[tuple[str, bool], Schema]) -> None:
    """Let MeterValues and StopTransaction know the same units.

    "Celcius" and "Celsius" are both valid (OCPP-J 1.6 errata 2.1). "Hertz", the unit of Frequency by the
    1.6 errata to §7.31, stands in the MeterValues schema only; a stop must not be refused for it.
    """
    for action, field in (("MeterValues", "meterValue"), ("StopTransaction", "transactionData")):
        sample = schemas[action, False]["properties"][field]["items"]["properties"]["sampledValue"]["items"]
        units = sample["properties"]["unit"]["enum"]
        units.extend(unit for unit in ("Celcius", "Celsius", "Hertz") if unit not in units)


def _bound_integers(schema: Schema) -> None:
    """Refuse integers that no database column holds; 2.0.1 part 2 §2.1.4 has 32 bits, 1.6 says nothing.

    JSON schema takes 1e30 for an integer. 64 bits are allowed, for registers in Wh that outgrow 32.
    """
    for node in _nodes(schema):
        if node.get("type") == "integer":
            node["minimum"] = max(node.get("minimum", _MIN_INT), _MIN_INT)
            node["maximum"] = min(node.get("maximum", _MAX_INT), _MAX_INT)


def _nodes(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, dict):
        yield schema
        for child in schema.values():
            yield from _nodes(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from _nodes(child)


def _without_closed_objects(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_closed_objects(value)
            for key, value in schema.items()
            if not (key == "additionalProperties" and value is False)
        }
    if isinstance(schema, list):
        return [_without_closed_objects(value) for value in schema]
    return schema
