"""Shapes of monitors, events, streams and customers' data."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import (
    ChargerEvent,
    CustomerInformation,
    EventStream,
    Monitor,
    MonitorResult,
    StreamValues,
)
from chargepoints.monitoring_choices import MonitoringBase, MonitorType
from chargepoints.services import event_streams

_NAMES = ["component", "component_instance", "evse", "connector", "variable", "variable_instance"]
_EXPIRES_HELP = "Seconds that the order may wait for a charger that is offline; without it: 409."


class OfVariableSerializer(serializers.ModelSerializer[Any]):
    """What names a variable; `evse` and `connector` are 0 where it is not of one."""

    evse = serializers.IntegerField(source="evse_number", read_only=True)
    connector = serializers.IntegerField(source="connector_number", read_only=True)


class MonitorSerializer(OfVariableSerializer):
    """One monitor; `kind` is empty where the charger did not say who made it."""

    id = serializers.IntegerField(source="monitor_id", read_only=True, help_text="The charger's own number.")

    class Meta:
        model = Monitor
        fields = [
            "id",
            *_NAMES,
            "type",
            "value",
            "severity",
            "only_in_transaction",
            "kind",
            "stream_interval_s",
            "stream_values",
            "set_at",
            "read_at",
        ]
        read_only_fields = fields


class MonitorResultSerializer(OfVariableSerializer):
    """The charger's answer about one monitor; `status` and `reason` are its own."""

    class Meta:
        model = MonitorResult
        fields = [
            "id",
            "received_at",
            *_NAMES,
            "type",
            "value",
            "severity",
            "status",
            "reason",
            "monitor_id",
            "command_id",
        ]
        read_only_fields = fields


class MonitoringSerializer(serializers.Serializer[Any]):
    """`is_doubtful`: the charger has booted since its monitors were read, and numbers may have changed."""

    base = serializers.ChoiceField(choices=MonitoringBase.choices, allow_null=True, allow_blank=True)
    base_set_at = serializers.DateTimeField(allow_null=True)
    level = serializers.IntegerField(
        allow_null=True, help_text="Events of this severity and graver are reported."
    )
    level_set_at = serializers.DateTimeField(allow_null=True)
    read_at = serializers.DateTimeField(allow_null=True, help_text="When all monitors were last read.")
    is_doubtful = serializers.BooleanField()


class WantedMonitorSerializer(serializers.Serializer[Any]):
    """A monitor to set, as in the command `set_variable_monitoring`."""

    component = serializers.CharField(max_length=50)
    variable = serializers.CharField(max_length=50)
    evse = serializers.IntegerField(required=False, min_value=1)
    connector = serializers.IntegerField(required=False, min_value=1)
    type = serializers.ChoiceField(choices=MonitorType.choices)
    value = serializers.CharField(
        max_length=30, help_text="A number as text: the threshold, change or seconds."
    )
    severity = serializers.IntegerField(min_value=0, max_value=9)
    only_in_transaction = serializers.BooleanField(required=False)
    component_instance = serializers.CharField(required=False, max_length=50)
    variable_instance = serializers.CharField(required=False, max_length=50)
    monitor_id = serializers.IntegerField(
        required=False, min_value=0, help_text="The one that is replaced; without it a new one."
    )
    stream_interval = serializers.IntegerField(required=False, min_value=0)
    stream_values = serializers.IntegerField(required=False, min_value=0)


class _WaitingSerializer(serializers.Serializer[Any]):
    expires_in = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_EXPIRES_IN_S, help_text=_EXPIRES_HELP
    )


class SetMonitorsSerializer(_WaitingSerializer):
    monitors = WantedMonitorSerializer(many=True, allow_empty=False)


class ClearMonitorsSerializer(_WaitingSerializer):
    monitor_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**31 - 1), allow_empty=False, max_length=1000
    )


class OrderedSerializer(serializers.Serializer[Any]):
    """The commands that were queued; follow them at `commands/{id}/`."""

    commands = serializers.ListField(child=serializers.IntegerField(help_text="Id of a command."))


class ChargerEventSerializer(OfVariableSerializer):
    """`severity` is the event's, or its monitor's; null where neither is known. `is_alert` follows the organisation's
    rule when the event arrived. `state` is `open` while what it reports goes on."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)

    class Meta:
        model = ChargerEvent
        fields = [
            "id",
            "charge_point",
            "event_id",
            "at",
            "received_at",
            *_NAMES,
            "trigger",
            "value",
            "severity",
            "is_cleared",
            "state",
            "ended_at",
            "tech_code",
            "tech_info",
            "cause_id",
            "transaction_ocpp_id",
            "monitor_id",
            "kind",
            "is_alert",
            "acknowledged_at",
            "acknowledged_by_name",
        ]
        read_only_fields = fields


class EventStreamSerializer(serializers.ModelSerializer[EventStream]):
    """A stream from its opening to its end."""

    class Meta:
        model = EventStream
        fields = [
            "id",
            "stream_id",
            "monitor_id",
            "interval_s",
            "values_at_once",
            "opened_at",
            "closed_at",
        ]
        read_only_fields = fields


class StreamValueSerializer(serializers.Serializer[Any]):
    """One value with its time by the charger's clock."""

    at = serializers.DateTimeField()
    value = serializers.CharField()


class StreamValuesSerializer(serializers.ModelSerializer[StreamValues]):
    """One message; `pending` values were still to be sent."""

    values = serializers.SerializerMethodField()

    class Meta:
        model = StreamValues
        fields = ["id", "received_at", "starts_at", "pending", "values"]
        read_only_fields = fields

    @extend_schema_field(StreamValueSerializer(many=True))
    def get_values(self, row: StreamValues) -> Any:
        return StreamValueSerializer(list(event_streams.values_of(row)), many=True).data


class CustomerInformationSerializer(serializers.ModelSerializer[CustomerInformation]):
    """`text` is what the charger reported, until it is deleted."""

    class Meta:
        model = CustomerInformation
        fields = [
            "id",
            "request_id",
            "command",
            "customer",
            "report",
            "clear",
            "state",
            "note",
            "text",
            "parts",
            "requested_by_name",
            "created_at",
            "last_part_at",
            "ended_at",
        ]
        read_only_fields = fields


class AskCustomerSerializer(_WaitingSerializer):
    """Exactly one of `id_token`, `customer_identifier` and the four parts of a certificate."""

    report = serializers.BooleanField(default=True)
    clear = serializers.BooleanField(default=False)
    id_token = serializers.CharField(required=False, max_length=255)
    id_token_type = serializers.CharField(required=False, max_length=20)
    customer_identifier = serializers.CharField(required=False, max_length=64)
    hash_algorithm = serializers.ChoiceField(required=False, choices=["SHA256", "SHA384", "SHA512"])
    issuer_name_hash = serializers.CharField(required=False, max_length=128)
    issuer_key_hash = serializers.CharField(required=False, max_length=128)
    serial_number = serializers.CharField(required=False, max_length=40)
