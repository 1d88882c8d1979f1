"""Shapes of sessions, samples, ledgers and tariffs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chargepoints.api.charging import WaitingSerializer
from chargepoints.api.charging_shapes import LimitField
from chargepoints.charging.plan import Plan
from chargepoints.choices import RateUnit
from chargepoints.models import ChargingProfile
from chargepoints.services.charging_profiles import constant
from csms_project.common.api.fields import AnyField, MoneyField, NumberField
from transactions.api import tariff_docs
from transactions.choices import TransactionState
from transactions.models import LedgerEntry, Tariff, Transaction, TransactionEvent


class TransactionSerializer(serializers.ModelSerializer[Transaction]):
    """`evse` and `connector` are OCPP 2.x numbers, `connector_id` is the charger's; energy in Wh.

    `cost` includes VAT: what the session would cost if it ended now, and its final cost once it has ended.
    """

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    evse = serializers.IntegerField(source="evse.number", read_only=True, default=None, allow_null=True)
    connector = serializers.IntegerField(
        source="connector.number", read_only=True, default=None, allow_null=True
    )
    connector_id = serializers.IntegerField(source="connector_number", read_only=True)
    id_token = serializers.CharField(
        source="shown_token", read_only=True, help_text="As sent; of a key code only that it is one."
    )
    status = serializers.ChoiceField(source="state", choices=TransactionState.choices, read_only=True)
    meter_start_wh = NumberField(allow_null=True)
    meter_stop_wh = NumberField(allow_null=True)
    energy_wh = NumberField()
    soc_percent = NumberField(allow_null=True)
    cost = MoneyField(source="running_cost", allow_null=True)
    cost_excl_vat = MoneyField(allow_null=True)
    cost_vat = MoneyField(allow_null=True)
    cost_lines = AnyField()
    limits = AnyField(
        help_text="OCPP 2.1, by kind (maxCost, maxEnergy, maxTime, maxSoC): `wanted` by us, `told` to the charger, "
        "`reported` by it; null where there are none."
    )
    local_cost = AnyField(
        help_text="What the charger has calculated itself (OCPP 2.1); null where it does not."
    )
    flags: Any = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Transaction
        fields = [
            "id",
            "ocpp_id",
            "ocpp_version",
            "charge_point",
            "evse",
            "connector",
            "connector_id",
            "id_token",
            "id_token_type",
            "authorization_status",
            "status",
            "charging_state",
            "started_at",
            "start_received_at",
            "ended_at",
            "end_received_at",
            "end_kind",
            "end_note",
            "stop_reason",
            "meter_start_wh",
            "meter_stop_wh",
            "energy_wh",
            "power_w",
            "soc_percent",
            "is_free",
            "tariff",
            "currency",
            "cost",
            "cost_excl_vat",
            "cost_vat",
            "cost_lines",
            "limits",
            "local_cost",
            "flags",
        ]
        read_only_fields = fields


class SessionLimitsSerializer(serializers.Serializer[Any]):
    """One of them at least; kinds that are left out stay as they are."""

    max_cost = serializers.DecimalField(
        required=False, max_digits=14, decimal_places=4, help_text="Including tax, in the session's currency."
    )
    max_energy_wh = serializers.DecimalField(required=False, max_digits=12, decimal_places=3)
    max_time_s = serializers.IntegerField(required=False, max_value=10**9, help_text="Since the start.")
    max_soc = serializers.IntegerField(required=False, max_value=100, help_text="State of charge in percent.")

    def limits(self) -> dict[str, Any]:
        """By OCPP's names."""
        names = {
            "max_cost": "maxCost",
            "max_energy_wh": "maxEnergy",
            "max_time_s": "maxTime",
            "max_soc": "maxSoC",
        }
        return {names[name]: value for name, value in self.validated_data.items()}


class CloseSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, help_text="Why; kept with the session.")


class LimitSerializer(WaitingSerializer):
    """Either `limit`, which holds until the session ends, or `profile`."""

    limit = LimitField(required=False)
    unit = serializers.ChoiceField(choices=RateUnit.choices, required=False, default=RateUnit.AMPERE)
    number_phases = serializers.IntegerField(required=False, min_value=1, max_value=3)
    profile = serializers.IntegerField(
        required=False, help_text="Id of a charging profile; its times and limits are used for this session."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("limit" in attrs) == ("profile" in attrs):
            raise serializers.ValidationError({"limit": "Give a limit or a profile."})
        return {**attrs, "plan": self._plan(attrs)}

    def _plan(self, given: dict[str, Any]) -> Plan:
        if "limit" in given:
            return constant(given["limit"], given["unit"], number_phases=given.get("number_phases"))
        rows = ChargingProfile.objects.for_tenant(self.context["view"].actor.tenant)
        # Beyond these there are no keys, and SQLite takes none.
        found = rows.filter(pk=given["profile"]).first() if 0 < given["profile"] < 2**63 else None
        if found is None:
            raise serializers.ValidationError({"profile": "There is no such charging profile."})
        plan: Plan = found.plan
        return plan


class RecomputedSerializer(serializers.Serializer[Any]):
    changed = serializers.DictField(
        child=serializers.ListField(), help_text="Field to [old, new]; empty when the figures were right."
    )
    transaction = TransactionSerializer()


class SampleSerializer(serializers.Serializer[Any]):
    measurand = serializers.CharField()
    value = serializers.CharField(help_text="As received.")
    unit = serializers.CharField(allow_null=True)
    phase = serializers.CharField(allow_null=True)
    context: Any = serializers.CharField()
    location = serializers.CharField()
    format = serializers.CharField()


class MeterValueSerializer(serializers.Serializer[Any]):
    sampled_at = serializers.DateTimeField(help_text="Charger's clock.")
    received_at = serializers.DateTimeField(help_text="Our clock.")
    samples = SampleSerializer(many=True)


class TransactionEventSerializer(serializers.ModelSerializer[TransactionEvent]):
    details: Any = AnyField(
        help_text="What else it says: states, phases, times; its samples are meter values."
    )

    class Meta:
        model = TransactionEvent
        fields = ["id", "kind", "seq_no", "at", "received_at", "trigger", "is_offline", "details"]
        read_only_fields = fields


class LedgerEntrySerializer(serializers.ModelSerializer[LedgerEntry]):
    data: Any = AnyField()

    class Meta:
        model = LedgerEntry
        fields = ["id", "kind", "text", "data", "message_id", "at"]
        read_only_fields = fields


@extend_schema_field(tariff_docs.ELEMENTS)
class ElementsField(serializers.JSONField):
    """OCPI tariff elements; the service checks them."""


@extend_schema_field(tariff_docs.PRICE)
class PriceField(serializers.JSONField):
    """OCPI price: excl_vat, incl_vat."""


class TariffSerializer(serializers.ModelSerializer[Tariff]):
    """Prices on the structure of OCPI 2.2.1: elements of price components with restrictions."""

    elements = ElementsField()
    min_price = PriceField(required=False, allow_null=True)
    max_price = PriceField(required=False, allow_null=True)

    class Meta:
        model = Tariff
        fields = [
            "id",
            "name",
            "currency",
            "elements",
            "min_price",
            "max_price",
            "description",
            "is_active",
            "created_at",
            "updated_at",
        ]
