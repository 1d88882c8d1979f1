"""Shapes of firmware files, campaigns, updates, and requested logs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chargepoints.choices import LogKind
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import (
    ChargePoint,
    FirmwareCampaign,
    FirmwareFile,
    FirmwareUpdate,
    Location,
    LogRequest,
    PublishedFirmware,
)


class StepSerializer(serializers.Serializer[Any]):
    """What was reported, and when it arrived."""

    status = serializers.CharField()
    at = serializers.DateTimeField()


class FirmwareFileSerializer(serializers.ModelSerializer[FirmwareFile]):
    """Give `url`, or upload the content to `content/`. User and password of a URL are shown as ***."""

    is_signed = serializers.BooleanField(read_only=True)
    is_ready = serializers.BooleanField(read_only=True, help_text="There is something to fetch.")

    class Meta:
        model = FirmwareFile
        fields = [
            "id",
            "name",
            "vendor",
            "model",
            "version",
            "note",
            "url",
            "file_name",
            "size",
            "sha256",
            "signing_certificate",
            "signature",
            "is_signed",
            "signature_state",
            "signature_note",
            "is_ready",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["file_name", "size", "sha256", "signature_state", "signature_note"]
        validators: list[Any] = []


class _Chosen(serializers.Serializer[Any]):
    """Looks names up among the rows of the tenant."""

    def _tenant(self) -> Any:
        return self.context["view"].tenant

    def validate_file(self, pk: int) -> FirmwareFile:
        found: FirmwareFile | None = FirmwareFile.objects.for_tenant(self._tenant()).filter(pk=pk).first()
        if found is None:
            raise serializers.ValidationError("There is no such firmware file.")
        return found


class CampaignRequestSerializer(_Chosen):
    """A campaign to be: `charge_points` are added to those that `location`, `vendor` and `model` choose together."""

    file = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    charge_points = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        max_length=10_000,
        help_text="Identities.",
    )
    location = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)
    vendor = serializers.CharField(max_length=50, required=False, allow_blank=True)
    model = serializers.CharField(max_length=50, required=False, allow_blank=True)
    starts_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Absent: at once.")
    ends_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="What has not begun by then is given up."
    )
    window_start = serializers.TimeField(
        required=False, allow_null=True, help_text="Time of the day at the charger's site."
    )
    window_end = serializers.TimeField(required=False, allow_null=True)
    batch_size = serializers.IntegerField(
        required=False, min_value=1, max_value=1000, help_text="Chargers that update at the same time; 10."
    )
    stop_failure_percent = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100, help_text="Absent: it never pauses."
    )
    only_idle = serializers.BooleanField(required=False, help_text="Begin only where nobody charges; true.")
    attempts = serializers.IntegerField(required=False, min_value=1, max_value=10)
    download_retries = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=100)
    ignore_model = serializers.BooleanField(
        required=False, default=False, help_text="Also for other vendors and models than the file names."
    )

    def validate_charge_points(self, identities: list[str]) -> list[ChargePoint]:
        keys = {identity.casefold() for identity in identities if identity.isprintable()}
        found = list(ChargePoint.objects.for_tenant(self._tenant()).filter(identity_key__in=keys))
        known = {row.identity_key for row in found}
        missing = [identity for identity in identities if identity.casefold() not in known]
        if missing:
            raise serializers.ValidationError(f"There is no such charge point: {', '.join(missing[:10])}.")
        return found

    def validate_location(self, pk: int | None) -> int | None:
        if pk is not None and not Location.objects.for_tenant(self._tenant()).filter(pk=pk).exists():
            raise serializers.ValidationError("There is no such location.")
        return pk


class FirmwareUpdateSerializer(serializers.ModelSerializer[FirmwareUpdate]):
    """One charger's update; `note` says in words why it stands so."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    file = serializers.IntegerField(source="campaign.file_id", read_only=True)
    wanted_version = serializers.CharField(source="campaign.file.version", read_only=True)
    steps = StepSerializer(many=True, read_only=True)

    class Meta:
        model = FirmwareUpdate
        fields = [
            "id",
            "campaign",
            "file",
            "charge_point",
            "state",
            "note",
            "attempt",
            "version_before",
            "wanted_version",
            "request_id",
            "command",
            "steps",
            "created_at",
            "started_at",
            "progress_at",
            "ended_at",
            "fetched_at",
            "fetched_bytes",
            "fetch_ended_at",
        ]
        read_only_fields = fields


class FirmwareCampaignSerializer(serializers.ModelSerializer[FirmwareCampaign]):
    """`counts` holds how many chargers are in each state."""

    counts = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by_name", read_only=True)

    class Meta:
        model = FirmwareCampaign
        fields = [
            "id",
            "name",
            "file",
            "state",
            "pause_note",
            "counts",
            "starts_at",
            "ends_at",
            "window_start",
            "window_end",
            "batch_size",
            "stop_failure_percent",
            "only_idle",
            "attempts",
            "download_retries",
            "created_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_counts(self, campaign: FirmwareCampaign) -> dict[str, int]:
        counts: dict[str, int] = self.context["counts"].get(campaign.pk, {})
        return counts


class UpdateRequestSerializer(_Chosen):
    """Firmware for one charger."""

    file = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    wait = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Wait for a charger that is offline or busy with another update; else 409.",
    )
    only_idle = serializers.BooleanField(
        required=False, default=False, help_text="Ask only when nobody charges."
    )
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    download_retries = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=100)
    ignore_model = serializers.BooleanField(required=False, default=False)


class PublishedFirmwareSerializer(serializers.ModelSerializer[PublishedFirmware]):
    """Firmware that a local controller offers to the chargers behind it (OCPP 2.x, PublishFirmware)."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    is_offered = serializers.BooleanField(read_only=True, help_text="Chargers can fetch it now.")
    locations = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="Where chargers can fetch it."
    )

    class Meta:
        model = PublishedFirmware
        fields = [
            "id",
            "charge_point",
            "request_id",
            "location",
            "checksum",
            "status",
            "is_offered",
            "locations",
            "command",
            "created_at",
            "reported_at",
            "ended_at",
        ]
        read_only_fields = fields


class LogRequestSerializer(serializers.ModelSerializer[LogRequest]):
    """A requested upload; with `has_file` the file is at `file/`."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    requested_by = serializers.CharField(source="requested_by_name", read_only=True)
    has_file = serializers.BooleanField(read_only=True)
    file_name = serializers.CharField(source="charger_file_name", read_only=True)
    steps = StepSerializer(many=True, read_only=True)

    class Meta:
        model = LogRequest
        fields = [
            "id",
            "charge_point",
            "kind",
            "state",
            "note",
            "oldest_at",
            "latest_at",
            "url",
            "request_id",
            "command",
            "file_name",
            "has_file",
            "size",
            "sha256",
            "received_at",
            "expires_at",
            "steps",
            "requested_by",
            "requested_via",
            "created_at",
            "ended_at",
        ]
        read_only_fields = fields


class AskForLogSerializer(serializers.Serializer[Any]):
    """What to upload; without `url` to us, at an address for this one file that the charger is told."""

    kind = serializers.ChoiceField(choices=LogKind.choices)
    oldest_at = serializers.DateTimeField(required=False, allow_null=True)
    latest_at = serializers.DateTimeField(required=False, allow_null=True)
    url = serializers.CharField(
        max_length=512, required=False, allow_blank=True, help_text="http, https, ftp, ftps or sftp."
    )
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds that the order may wait for a charger that is offline; without it: 409.",
    )
