"""Shapes of templates and of the drift report."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.base import OwnTenantField
from chargepoints.choices import DriftState
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import ConfigurationEntry, ConfigurationTemplate
from chargepoints.models.configuration import MAX_VALUE
from chargepoints.services import fleet
from chargepoints.services.templates import Given


class EntrySerializer(serializers.Serializer[Any]):
    """A key and its value. Secrets are stored encrypted and shown as null; null given leaves a stored secret."""

    key = serializers.CharField(max_length=50, trim_whitespace=False)
    value = serializers.CharField(
        max_length=MAX_VALUE, allow_blank=True, allow_null=True, trim_whitespace=False
    )
    is_secret = serializers.BooleanField(
        required=False, default=False, help_text="Set by itself where the name says so, such as WifiPassword."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        entry: ConfigurationEntry = instance
        shown = None if entry.is_secret else entry.value
        return {"key": entry.key, "value": shown, "is_secret": entry.is_secret}


class ConfigurationTemplateSerializer(serializers.ModelSerializer[ConfigurationTemplate]):
    """`entries` is the whole list: what is not in it is taken out of the template."""

    location = OwnTenantField()
    entries = EntrySerializer(many=True, required=False)

    class Meta:
        model = ConfigurationTemplate
        fields = [
            "id",
            "name",
            "note",
            "vendor",
            "model",
            "firmware",
            "location",
            "priority",
            "apply_at_boot",
            "is_active",
            "entries",
            "created_at",
            "updated_at",
        ]


def entries_given(validated: dict[str, Any]) -> dict[str, Any]:
    """The validated values as a service takes them."""
    given = dict(validated)
    if "entries" in given:
        given["entries"] = [Given(**entry) for entry in given["entries"]]
    return given


class FromChargePointSerializer(serializers.Serializer[Any]):
    charge_point = serializers.CharField(max_length=255, help_text="Its identity.")
    name = serializers.CharField(max_length=100)
    keys = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        help_text="Absent: all that can be changed and are no secrets.",
    )


class ImportedTemplateSerializer(ConfigurationTemplateSerializer):
    """`left_out` says what is to be done before the template is used."""

    left_out = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta(ConfigurationTemplateSerializer.Meta):
        fields = [*ConfigurationTemplateSerializer.Meta.fields, "left_out"]


class WantedSerializer(serializers.Serializer[Any]):
    """What a key of a charge point should have, and which template says so."""

    key = serializers.CharField(source="value.key")
    wanted = serializers.SerializerMethodField()
    is_secret = serializers.BooleanField(source="value.is_secret")
    template = serializers.IntegerField(source="source.template_id", allow_null=True)
    origin = serializers.CharField(source="source.label", help_text="Name of the template.")
    reason = serializers.CharField(help_text="Why this value and no other, in words.")
    apply_at_boot = serializers.BooleanField(source="source.apply_at_boot")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_wanted(self, item: Any) -> str | None:
        return None if item.value.is_secret else item.value.text


class DriftSerializer(serializers.Serializer[Any]):
    """A key of a charge point that is not, or not known to be, as its template wants; secrets are masked."""

    charge_point = serializers.CharField(source="charger.identity")
    location = serializers.IntegerField(source="charger.location_id", allow_null=True)
    vendor = serializers.CharField(source="charger.vendor")
    model = serializers.CharField(source="charger.model")
    firmware_version = serializers.CharField(source="charger.firmware")
    key = serializers.CharField()
    wanted = serializers.CharField(source="shown_wanted")
    actual = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=DriftState.choices)
    note = serializers.CharField(help_text="What is the matter, in words.")
    needs_reboot = serializers.BooleanField()
    template = serializers.IntegerField(source="wanted.source.template_id", allow_null=True)
    reason = serializers.CharField(source="wanted.reason")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_actual(self, row: Any) -> str | None:
        return None if row.actual is None else row.shown_actual


class DriftSumsSerializer(serializers.Serializer[Any]):
    covered = serializers.IntegerField(help_text="Charge points of which a template wants something.")
    in_line = serializers.IntegerField(help_text="Those of them in which nothing differs.")
    by_state = serializers.DictField(child=serializers.IntegerField(), help_text="Keys by state.")


class ApplySerializer(serializers.Serializer[Any]):
    """Which charge points get what differs; without any of the first three: all."""

    charge_points = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        allow_empty=False,
        help_text="Identities.",
    )
    template = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    location = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    with_refused = serializers.BooleanField(
        required=False, default=False, help_text="Also values that a charger has refused before."
    )
    reset = serializers.BooleanField(
        required=False, default=False, help_text="A soft reset of each charger when its keys are set."
    )
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds to wait for chargers that are offline; without it they fail at once.",
    )
    batch_size = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=fleet.MAX_ORDERS
    )
    stop_failure_rate = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=1)


class AppliedSerializer(serializers.Serializer[Any]):
    """The task that was started, and what was not sent."""

    fleet_task = serializers.IntegerField(help_text="Id of the fleet task; its items tell each outcome.")
    sent = DriftSerializer(many=True)
    left = DriftSerializer(many=True)
