"""Charging profiles as JSON: periods, and what only OCPP 2.x knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chargepoints.charging.details import (
    OPERATION_MODE,
    PERIOD,
    PROFILE,
    SCHEDULE,
    UPDATES,
    Detail,
    plain_number,
)
from chargepoints.charging.modes import MODES


@extend_schema_field({"type": "number", "minimum": 0, "multipleOf": 0.1, "example": 16.5})
class LimitField(serializers.DecimalField):
    """A limit of one decimal: read as decimal, written as a JSON number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=11, decimal_places=1, min_value=Decimal(0), **kwargs)

    def to_representation(self, value: Any) -> Any:
        return plain_number(Decimal(str(value)))


@extend_schema_field({"type": "number", "example": -5000.5})
class NumberField(serializers.DecimalField):
    """A number of a profile, which may be below 0: read as decimal, written as a JSON number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=13, decimal_places=3, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return plain_number(Decimal(str(value)))


@extend_schema_field(
    {"type": "array", "maxItems": 20, "items": {"type": "object", "additionalProperties": {"type": "number"}}}
)
class PairsField(serializers.ListField):
    """Points of a curve."""

    child = serializers.DictField(child=NumberField())

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, **kwargs)


def _field(detail: Detail) -> serializers.Field[Any, Any, Any, Any]:
    names = " and ".join(name for name in detail.pair if name)
    common: dict[str, Any] = {
        "required": False,
        "allow_null": True,
        "help_text": f"`{detail.wire}` of OCPP 2.x{f': rows of {names}' if names else ''}.",
    }
    if detail.name == OPERATION_MODE:
        return serializers.ChoiceField(choices=tuple(MODES.items()), **common)
    match detail.kind:
        case "number":
            return NumberField(**common)
        case "integer":
            return serializers.IntegerField(min_value=0, max_value=2**31 - 1, **common)
        case "flag":
            return serializers.BooleanField(**common)
        case "text":
            return serializers.CharField(max_length=512, **common)
        case "pairs":
            return PairsField(**common)
    return serializers.DictField(**common)


class _Detailed(serializers.Serializer[Any]):
    """With fields of a table; those that say nothing are left out."""

    table: tuple[Detail, ...] = ()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **{detail.name: _field(detail) for detail in self.table}}

    def to_representation(self, instance: Any) -> Any:
        names = {detail.name for detail in self.table}
        whole = {**dict.fromkeys(self.fields), **instance} if isinstance(instance, Mapping) else instance
        shown = super().to_representation(whole)
        return {name: value for name, value in shown.items() if value is not None or name not in names}


class PeriodSerializer(_Detailed):
    table = PERIOD

    start_period = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="Seconds from the start; of the first one 0."
    )
    limit = LimitField(
        required=False,
        allow_null=True,
        help_text="May be left out only where an `operation_mode` says what happens.",
    )
    number_phases = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=3, help_text="3 is assumed."
    )
    phase_to_use = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=3,
        help_text="Only where `number_phases` is 1; OCPP 2.x.",
    )


class DetailsSerializer(_Detailed):
    """What only chargers of OCPP 2.x know of a profile and its schedule."""

    table = (*PROFILE, *SCHEDULE)


class DynamicSerializer(_Detailed):
    """What a dynamic profile is to do; what is left out stays."""

    table = UPDATES
