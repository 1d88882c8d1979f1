"""The request body of POST commands for the OpenAPI document, generated from the table of commands."""

from __future__ import annotations

from typing import Any

from chargepoints.command_fields import CommandSpec, FieldSpec
from chargepoints.command_specs import NEUTRAL
from chargepoints.commands import MAX_EXPIRES_IN_S, MAX_TIMEOUT_S

Schema = dict[str, Any]

_TYPES: dict[str, Schema] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "decimal": {"type": "number", "multipleOf": 0.1},
    "boolean": {"type": "boolean"},
    "enum": {"type": "string"},
    "object": {"type": "object", "additionalProperties": {}},
    "datetime": {"type": "string", "format": "date-time"},
    "strings": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 50}},
    "rows": {"type": "array"},
}

_PEM = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
_SPECIAL: dict[str, Any] = {
    "displacement": 0.95,
    "high_voltage": 253,
    "low_voltage": 207,
    "high_frequency": 50.2,
    "low_frequency": 49.5,
    "certificate": _PEM,
    "certificate_chain": _PEM,
    "signing_certificate": _PEM,
    "location": "https://files.example.org/file",
    "checksum": "d41d8cd98f00b204e9800998ecf8427e",
    "periods": [{"start_period": 0, "limit": 16.5}],
    "modes": ["AC_three_phase"],
    "tariff": {
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.4, "step_size": 1}]}],
    },
    "total_cost": "4.35",
}
#: What no argument is required of, and yet one is needed.
_ONE_OF = {"update_dynamic_schedule": {"limit": 11000}}

_TIMES: Schema = {
    "expires_in": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_EXPIRES_IN_S,
        "nullable": True,
        "description": "Seconds that the command may wait for a charger that is offline; without it: 409.",
    },
    "timeout": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_TIMEOUT_S,
        "nullable": True,
        "description": "Seconds to wait for the charger's answer.",
    },
}


def request_schema() -> Schema:
    """One alternative for each neutral action, and one for OCPP messages sent verbatim."""
    return {"oneOf": [*(_neutral(spec) for spec in NEUTRAL.values()), _raw()]}


def examples() -> dict[str, Schema]:
    """A body for each neutral action, with its required arguments."""
    return {
        spec.action: {
            "action": spec.action,
            "payload": _examples(spec.fields) | _ONE_OF.get(spec.action, {}),
        }
        for spec in NEUTRAL.values()
    }


def _neutral(spec: CommandSpec) -> Schema:
    payload = _object(spec.fields)
    action: Schema = {"type": "string", "enum": [spec.action]}
    return _body(spec.action, spec.description, action, payload, needs_payload="required" in payload)


def _object(fields: tuple[FieldSpec, ...]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {field.name: _argument(field) for field in fields},
        "additionalProperties": False,
    }
    if required := [field.name for field in fields if field.required]:
        schema["required"] = required
    return schema


def _raw() -> Schema:
    action: Schema = {"type": "string", "pattern": "^[A-Z][A-Za-z0-9]{0,63}$", "example": "GetDiagnostics"}
    text = "An OCPP message in PascalCase, sent verbatim after the schema check of the version spoken."
    payload: Schema = {"type": "object", "additionalProperties": {}}
    return _body("OCPP message", text, action, payload, needs_payload=False)


def _body(title: str, text: str, action: Schema, payload: Schema, *, needs_payload: bool) -> Schema:
    return {
        "title": title,
        "type": "object",
        "description": text,
        "properties": {"action": action, "payload": payload, **_TIMES},
        "required": ["action", "payload"] if needs_payload else ["action"],
    }


def _argument(field: FieldSpec) -> Schema:
    schema = dict(_TYPES[field.type])
    if field.choices:
        schema["enum"] = list(field.choices)
    if field.max_length is not None:
        schema["maxItems" if field.type in ("strings", "rows") else "maxLength"] = field.max_length
    if field.type == "strings":
        schema["items"] = {"type": "string", "minLength": 1, "maxLength": field.item_length}
    if field.fields:
        schema["items"] = _object(field.fields)
    if field.type == "decimal" and field.decimals != 1:
        schema["multipleOf"] = 10**-field.decimals
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.default is not None:
        schema["default"] = field.default
    if description := field.help or field.label:
        schema["description"] = description
    return schema


def _examples(fields: tuple[FieldSpec, ...]) -> dict[str, Any]:
    return {field.name: _example(field) for field in fields if field.required or field.example is not None}


def _example(field: FieldSpec) -> Any:
    if field.example is not None:
        return field.example
    if field.choices:
        return field.choices[0]
    if field.name in _SPECIAL:
        return _SPECIAL[field.name]
    by_type: dict[str, Any] = {
        "integer": 1 if field.minimum is None else field.minimum,
        "decimal": 16.5,
        "boolean": True,
        "datetime": "2099-03-02T10:00:00Z",
        "rows": [_examples(field.fields)],
    }
    return by_type.get(field.type, "text")
