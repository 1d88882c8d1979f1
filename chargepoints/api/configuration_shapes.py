"""Shapes of configurations."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chargepoints.configuration_keys import KeySpec, find_key
from chargepoints.models import ConfigurationState, Variable, VariableChange


class VariableSerializer(serializers.ModelSerializer[Variable]):
    """A configuration key of OCPP 1.6 (`name`) or a variable of 2.x; secrets are masked.

    `profile`, `type`, `unit` and `description` are what the standard says about the key; null of a vendor's own.
    """

    evse = serializers.IntegerField(source="evse_number", read_only=True)
    connector = serializers.IntegerField(source="connector_number", read_only=True)
    profile = serializers.SerializerMethodField()
    type = serializers.SerializerMethodField()
    unit = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()

    class Meta:
        model = Variable
        fields = [
            "name",
            "value",
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
            "updated_at",
        ]
        read_only_fields = fields

    def get_profile(self, row: Variable) -> str | None:
        return spec.profile if (spec := _spec(row)) else None

    @extend_schema_field(serializers.ChoiceField(["boolean", "integer", "list", "text"], allow_null=True))
    def get_type(self, row: Variable) -> str | None:
        return spec.type if (spec := _spec(row)) else None

    def get_unit(self, row: Variable) -> str | None:
        return spec.unit if (spec := _spec(row)) else None

    def get_description(self, row: Variable) -> str | None:
        return spec.text if (spec := _spec(row)) else None


def _spec(row: Variable) -> KeySpec | None:
    return None if row.component else find_key(row.name)


class ConfigurationStateSerializer(serializers.ModelSerializer[ConfigurationState]):
    """How far the configuration is known."""

    class Meta:
        model = ConfigurationState
        fields = ["whole_read_at", "partly_read_at"]
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
