"""Shapes of configurations."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chargepoints.configuration_keys import KeySpec, find_key
from chargepoints.models import ConfigurationState, DeviceReport, Variable, VariableChange
from chargepoints.variable_checks import items


class VariableSerializer(serializers.ModelSerializer[Variable]):
    """A configuration key of OCPP 1.6 (`name`) or a variable of 2.x; secrets are masked.

    `key` is its full name as commands and templates take it. `profile`, `type` and `description` are what the standard
    says about it; null of a vendor's own. `data_type` and limits are what the charger says.
    """

    key = serializers.CharField(read_only=True)
    may_change = serializers.BooleanField(
        read_only=True, help_text="Nothing that the charger said speaks against another value."
    )
    values_list = serializers.SerializerMethodField(help_text="Values that it, or its items, may have.")

    evse = serializers.IntegerField(source="evse_number", read_only=True)
    connector = serializers.IntegerField(source="connector_number", read_only=True)
    profile = serializers.SerializerMethodField()
    type = serializers.SerializerMethodField()
    unit = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()

    class Meta:
        model = Variable
        fields = [
            "key",
            "name",
            "value",
            "may_change",
            "is_readonly",
            "is_secret",
            "reboot_required",
            "needs_reboot",
            "is_unknown",
            "read_at",
            "set_at",
            "gone_at",
            "profile",
            "type",
            "unit",
            "description",
            "component",
            "component_instance",
            "evse",
            "connector",
            "instance",
            "attribute",
            "data_type",
            "min_limit",
            "max_limit",
            "max_elements",
            "values_list",
            "mutability",
            "is_persistent",
            "is_constant",
            "supports_monitoring",
            "set_status",
            "set_reason",
            "set_answered_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_profile(self, row: Variable) -> str | None:
        return spec.profile if (spec := _spec(row)) else None

    def get_values_list(self, row: Variable) -> list[str]:
        return items(row.values_list)

    @extend_schema_field(
        serializers.ChoiceField(
            ["boolean", "integer", "decimal", "list", "sequence", "text"], allow_null=True
        )
    )
    def get_type(self, row: Variable) -> str | None:
        return spec.type if (spec := _spec(row)) else None

    def get_unit(self, row: Variable) -> str | None:
        if row.unit:
            return row.unit
        return spec.unit if (spec := _spec(row)) else None

    def get_description(self, row: Variable) -> str | None:
        return spec.text if (spec := _spec(row)) else None


def _spec(row: Variable) -> KeySpec | None:
    return find_key(row.key)


class ConfigurationStateSerializer(serializers.ModelSerializer[ConfigurationState]):
    """How far the configuration is known."""

    class Meta:
        model = ConfigurationState
        fields = ["whole_read_at", "partly_read_at"]
        read_only_fields = fields


class DeviceReportSerializer(serializers.ModelSerializer[DeviceReport]):
    """A report of the device model (2.x), which comes in parts; `base` empty: nobody here has asked for it."""

    command = serializers.IntegerField(source="command_id", read_only=True, allow_null=True)
    parts = serializers.ListField(
        child=serializers.IntegerField(), read_only=True, help_text="Sequence numbers that have come."
    )

    class Meta:
        model = DeviceReport
        fields = [
            "id",
            "request_id",
            "base",
            "status",
            "parts",
            "last_part",
            "variables",
            "command",
            "started_at",
            "last_at",
            "ended_at",
        ]
        read_only_fields = fields


class VariableChangeSerializer(serializers.ModelSerializer[VariableChange]):
    """`old` and `new` of secrets are masked; `command` is the one by which it was set or read."""

    command = serializers.IntegerField(source="command_id", read_only=True, allow_null=True)

    class Meta:
        model = VariableChange
        fields = [
            "id",
            "received_at",
            "name",
            "kind",
            "source",
            "old",
            "new",
            "reboot_required",
            "command",
            "requested_by_name",
        ]
        read_only_fields = fields


class SideSerializer(serializers.Serializer[Any]):
    value = serializers.CharField(read_only=True, allow_null=True)
    state = serializers.CharField(
        read_only=True, help_text="Why there is no value to compare, in words; empty where there is one."
    )


class ComparedSerializer(serializers.Serializer[Any]):
    """`same` null: secrets cannot be compared."""

    name = serializers.CharField(read_only=True)
    left = SideSerializer(read_only=True)
    right = SideSerializer(read_only=True)
    same = serializers.BooleanField(source="is_same", read_only=True, allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    left = serializers.CharField(read_only=True, help_text="Identity of the charge point.")
    right = serializers.CharField(read_only=True, help_text="Identity of the other one.")
    keys = ComparedSerializer(many=True, read_only=True)
