"""Serializer fields for energy and money, and types for the OpenAPI document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field({"type": "number", "description": "Up to 3 decimals, exact."})
class NumberField(serializers.Field[Decimal, Any, float | int, Decimal | None]):
    """A Decimal of up to 15 digits as a JSON number: doubles print those digits unchanged."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["read_only"] = True
        super().__init__(**kwargs)

    def to_representation(self, value: Decimal) -> float | int:
        return int(value) if value == value.to_integral_value() else float(value)


@extend_schema_field({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "example": "12.50"})
class MoneyField(serializers.Field[Decimal, Any, str, Decimal | None]):
    """An amount as text; zeros behind the second decimal are left out."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["read_only"] = True
        super().__init__(**kwargs)

    def to_representation(self, value: Decimal) -> str:
        return money_text(value)


def money_text(value: Decimal) -> str:
    """12.5000 → 12.50, 12.3450 → 12.345."""
    whole, _, decimals = format(value, "f").partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.JSONField):
    """A JSON object."""

    default_error_messages = {"object": "Must be an object."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("object")
        return data


@extend_schema_field({})
class AnyField(serializers.JSONField):
    """Any JSON value, read only."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["read_only"] = True
        super().__init__(**kwargs)
