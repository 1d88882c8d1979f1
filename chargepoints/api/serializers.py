"""Shapes of locations, charge points, and what they report."""

from __future__ import annotations

from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.base import OwnTenantField
from chargepoints.choices import RegistrationStatus, SecurityProfile
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import (
    ChargePoint,
    Connection,
    Connector,
    Evse,
    Location,
    OcppMessage,
    RefusedConnection,
    Reservation,
    StatusEvent,
)
from chargepoints.selectors import profile_of


class LocationSerializer(serializers.ModelSerializer[Location]):
    tariff = OwnTenantField()

    class Meta:
        model = Location
        fields = [
            "id",
            "name",
            "address",
            "postal_code",
            "city",
            "country",
            "latitude",
            "longitude",
            "time_zone",
            "tariff",
            "created_at",
            "updated_at",
        ]


class ConnectorSerializer(serializers.ModelSerializer[Connector]):
    """`evse` and `connector` are OCPP 2.x numbers; `connector_id` is what the charger itself says."""

    evse = serializers.IntegerField(source="evse.number", read_only=True)
    connector = serializers.IntegerField(source="number", read_only=True)
    connector_id = serializers.IntegerField(source="ocpp_number", read_only=True)

    class Meta:
        model = Connector
        fields = [
            "evse",
            "connector",
            "connector_id",
            "standard",
            "max_power_w",
            "status",
            "error_code",
            "status_info",
            "vendor_id",
            "vendor_error_code",
            "status_at",
            "status_received_at",
            "last_sample_at",
        ]
        read_only_fields = fields


class EvseConnectorSerializer(serializers.ModelSerializer[Connector]):
    connector = serializers.IntegerField(source="number", read_only=True)
    connector_id = serializers.IntegerField(source="ocpp_number", read_only=True)

    class Meta:
        model = Connector
        fields = ["connector", "connector_id", "standard", "max_power_w", "status"]
        read_only_fields = fields


class EvseSerializer(serializers.ModelSerializer[Evse]):
    evse = serializers.IntegerField(source="number", read_only=True)
    connectors = EvseConnectorSerializer(many=True, read_only=True)

    class Meta:
        model = Evse
        fields = ["evse", "connectors"]
        read_only_fields = fields


_BY_OPERATOR = [
    "identity",
    "name",
    "location",
    "note",
    "security_profile",
    "certificate_name",
    "registration_status",
    "auto_configure",
    "heartbeat_interval_s",
    "strict_schema",
    "accepted_vendor_ids",
    "authorization_mode",
    "pricing_mode",
    "cost_display",
    "tariff",
]
_BY_CHARGER = [
    "pending_security_profile",
    "vendor",
    "model",
    "serial_number",
    "box_serial_number",
    "firmware_version",
    "iccid",
    "imsi",
    "meter_type",
    "meter_serial_number",
    "ocpp_version",
    "boot_reason",
    "last_boot_at",
    "last_seen_at",
    "clock_offset_s",
    "status",
    "error_code",
    "status_info",
    "status_at",
]


@extend_schema_field(serializers.ListField(child=serializers.CharField(max_length=255)))
class LinesField(serializers.Field[Any, Any, Any, Any]):
    """A list of names that is kept as text, one in each line."""

    default_error_messages = {"invalid": "Must be a list of names of up to 255 characters."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, list) or not all(
            isinstance(item, str) and 0 < len(item.strip()) <= 255 and item.isprintable() for item in data
        ):
            self.fail("invalid")
        return "\n".join(item.strip() for item in data)

    def to_representation(self, value: str) -> list[str]:
        return [line.strip() for line in value.splitlines() if line.strip()]


class ChosenProfileSerializer(serializers.Serializer[Any]):
    """The model profile that applies: `id` of the tenant's own, or `key` of a built-in one."""

    id = serializers.IntegerField(allow_null=True)
    key = serializers.CharField(allow_blank=True)
    name = serializers.CharField()


class ChargePointSerializer(serializers.ModelSerializer[ChargePoint]):
    """`status` is that of the charger itself (connector 0 of OCPP 1.6)."""

    location = OwnTenantField()
    tariff = OwnTenantField()
    security_profile = serializers.ChoiceField(choices=SecurityProfile.choices, required=False)
    registration_status = serializers.ChoiceField(choices=RegistrationStatus.choices, required=False)
    accepted_vendor_ids = LinesField(
        required=False,
        help_text="Vendor ids whose messages (DataTransfer) are answered Accepted although nothing serves them.",
    )
    authorization_key = serializers.CharField(
        write_only=True,
        required=False,
        allow_null=True,
        trim_whitespace=False,
        max_length=64,
        help_text="16 to 64 characters, printable text or hex. Never shown again.",
    )
    model_profile = serializers.SerializerMethodField()
    online = serializers.BooleanField(source="is_online", read_only=True)
    evses = EvseSerializer(many=True, read_only=True)
    connectors = ConnectorSerializer(many=True, read_only=True)

    class Meta:
        model = ChargePoint
        fields = [
            *_BY_OPERATOR,
            "authorization_key",
            "model_profile",
            "shows_cost",
            "online",
            *_BY_CHARGER,
            "accepted_at",
            "archived_at",
            "evses",
            "connectors",
            "created_at",
            "updated_at",
        ]
        read_only_fields = [*_BY_CHARGER, "shows_cost", "accepted_at", "archived_at"]

    @extend_schema_field(ChosenProfileSerializer(allow_null=True))
    def get_model_profile(self, charge_point: ChargePoint) -> dict[str, Any] | None:
        profile = profile_of(charge_point)
        if not profile:
            return None
        return {"id": profile.pk, "key": profile.key, "name": profile.name}


class ChargePointCreateSerializer(ChargePointSerializer):
    """Without `authorization_key` one is generated and shown once; profile 0 (no key) must be asked for."""

    connector_count = serializers.IntegerField(
        write_only=True, required=False, min_value=0, max_value=1000, help_text="EVSEs to make; 1 if absent."
    )

    class Meta(ChargePointSerializer.Meta):
        fields = [*ChargePointSerializer.Meta.fields, "connector_count"]


class RegisteredSerializer(ChargePointSerializer):
    """A new charge point; `authorization_key` is there only if it was generated, and only this once."""

    authorization_key = serializers.CharField(required=False)


class RegisterSerializer(serializers.ModelSerializer[ChargePoint]):
    """What may be said when a refused charger is taken in."""

    location = OwnTenantField()
    security_profile = serializers.ChoiceField(choices=SecurityProfile.choices, required=False)
    authorization_key = serializers.CharField(
        write_only=True, required=False, allow_null=True, trim_whitespace=False, max_length=64
    )
    connector_count = serializers.IntegerField(write_only=True, required=False, min_value=0, max_value=1000)

    class Meta:
        model = ChargePoint
        fields = ["name", "location", "security_profile", "authorization_key", "connector_count"]


class NewKeySerializer(serializers.Serializer[Any]):
    authorization_key = serializers.CharField(help_text="Shown once.")


class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    node: Any = serializers.StringRelatedField(help_text="Gateway process that holds the socket.")

    class Meta:
        model = Connection
        fields = [
            "charge_point",
            "ocpp_version",
            "security_profile",
            "remote_address",
            "connected_at",
            "last_frame_at",
            "node",
        ]
        read_only_fields = fields


class RefusedConnectionSerializer(serializers.ModelSerializer[RefusedConnection]):
    """`charge_point` is set where the identity is registered."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True, default=None)

    class Meta:
        model = RefusedConnection
        fields = [
            "id",
            "identity",
            "charge_point",
            "reason",
            "detail",
            "remote_address",
            "subprotocols",
            "user_agent",
            "count",
            "first_at",
            "last_at",
        ]
        read_only_fields = fields


class MessageSerializer(serializers.ModelSerializer[OcppMessage]):
    """One exchange: a CALL and its answer. Payloads are JSON, or text where a frame was none."""

    sent_by = serializers.SerializerMethodField()
    request = serializers.SerializerMethodField()
    response = serializers.SerializerMethodField()
    duration_ms = serializers.SerializerMethodField()

    class Meta:
        model = OcppMessage
        fields = [
            "id",
            "received_at",
            "answered_at",
            "sent_by",
            "action",
            "message_id",
            "request",
            "response",
            "error_code",
            "error_description",
            "duration_ms",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=["charger", "csms"]))
    def get_sent_by(self, message: OcppMessage) -> str:
        return "charger" if message.sent_by_charger else "csms"

    @extend_schema_field({})
    def get_request(self, message: OcppMessage) -> Any:
        return _parsed(message.request)

    @extend_schema_field({})
    def get_response(self, message: OcppMessage) -> Any:
        return _parsed(message.response)

    def get_duration_ms(self, message: OcppMessage) -> int | None:
        if message.answered_at is None:
            return None
        return round((message.answered_at - message.received_at).total_seconds() * 1000)


def _parsed(text: str) -> Any:
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


class StatusEventSerializer(serializers.ModelSerializer[StatusEvent]):
    connector_id = serializers.IntegerField(source="connector_number", read_only=True)
    evse = serializers.IntegerField(source="evse_number", read_only=True)

    class Meta:
        model = StatusEvent
        fields = [
            "id",
            "connector_id",
            "evse",
            "status",
            "error_code",
            "info",
            "vendor_id",
            "vendor_error_code",
            "at",
            "received_at",
        ]
        read_only_fields = fields


class ReserveSerializer(serializers.Serializer[Any]):
    """What a reservation takes; the rules are those of the command `reserve_now`."""

    charge_point = serializers.CharField(max_length=255, help_text="Its identity.")
    connector_id = serializers.IntegerField(
        source="connector", required=False, default=0, help_text="The charger's number; 0: any."
    )
    id_token = serializers.CharField(max_length=255)
    connector_type = serializers.CharField(
        max_length=20,
        required=False,
        help_text="Any connector of this kind, as cCCS2, instead of `connector_id` (OCPP 2.x).",
    )
    parent_id_token = serializers.CharField(max_length=255, required=False, allow_blank=True)
    expires_at = serializers.DateTimeField()
    reservation_id = serializers.IntegerField(
        required=False, allow_null=True, help_text="The number on the wire. Absent: a new one."
    )
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds that the order may wait for a charger that is offline; without it: 409.",
    )

    def validate_charge_point(self, identity: str) -> ChargePoint:
        rows = ChargePoint.objects.for_tenant(self.context["view"].actor.tenant)
        found: ChargePoint | None = rows.filter(identity_key=identity.casefold()).first()
        if found is None:
            raise serializers.ValidationError("There is no such charge point.")
        return found


class ReservationSerializer(serializers.ModelSerializer[Reservation]):
    """`id` is ours, `reservation_id` the number on the wire."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    connector_id = serializers.IntegerField(source="connector.ocpp_number", read_only=True, default=None)
    id_token = serializers.CharField(source="id_token_value", read_only=True)

    class Meta:
        model = Reservation
        fields = [
            "id",
            "reservation_id",
            "charge_point",
            "connector_id",
            "id_token",
            "parent_id_token",
            "expires_at",
            "status",
            "ended_at",
            "end_reason",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
