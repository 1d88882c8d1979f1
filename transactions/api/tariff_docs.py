"""OCPI 2.2.1 tariff elements for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from transactions.pricing_tariff import DAYS, MAX_PLACES, RESERVATIONS, Dimension

Schema = dict[str, Any]

_NUMBER: Schema = {
    "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}],
    "description": f"Up to {MAX_PLACES} decimals, as a number or as text.",
}
_TIME: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "example": "07:30"}
_DATE: Schema = {"type": "string", "format": "date"}
_SECONDS: Schema = {"type": "integer", "minimum": 0}

_COMPONENT: Schema = {
    "type": "object",
    "required": ["type", "price"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "enum": [dimension.value for dimension in Dimension]},
        "price": {**_NUMBER, "description": "Excluding VAT: per kWh, hour or session."},
        "vat": {**_NUMBER, "nullable": True, "description": "Percent; absent: no VAT applies."},
        "step_size": {
            "type": "integer",
            "minimum": 1,
            "nullable": True,
            "description": "Billed in blocks of this many Wh or seconds; absent: exactly as used.",
        },
    },
}

_RESTRICTIONS: Schema = {
    "type": "object",
    "nullable": True,
    "additionalProperties": False,
    "properties": {
        "start_time": _TIME,
        "end_time": _TIME,
        "start_date": _DATE,
        "end_date": _DATE,
        **{f"{end}_{name}": _NUMBER for name in ("kwh", "current", "power") for end in ("min", "max")},
        "min_duration": _SECONDS,
        "max_duration": _SECONDS,
        "day_of_week": {"type": "array", "items": {"type": "string", "enum": list(DAYS)}},
        "reservation": {"type": "string", "enum": list(RESERVATIONS)},
    },
}

ELEMENTS: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["price_components"],
        "additionalProperties": False,
        "properties": {
            "price_components": {"type": "array", "minItems": 1, "items": _COMPONENT},
            "restrictions": _RESTRICTIONS,
        },
    },
    "example": [{"price_components": [{"type": "ENERGY", "price": "0.45", "vat": "19", "step_size": 1}]}],
}

PRICE: Schema = {
    "type": "object",
    "nullable": True,
    "required": ["excl_vat"],
    "additionalProperties": False,
    "properties": {"excl_vat": _NUMBER, "incl_vat": {**_NUMBER, "nullable": True}},
}
