"""Locations, charge points, EVSEs and connectors."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.choices import AuthorizationMode, PricingMode
from accounts.models import validate_time_zone
from chargepoints.choices import ConnectorStatus, RegistrationStatus, SecurityProfile
from chargepoints.model_profiles import QUIET, STRICT
from csms_project.common.models import TenantOwned, Timestamped


def validate_identity(value: str) -> None:
    """1–48 printable characters, also when case-folded, without “:” and “/” (OCPP-J 2.1 §3.1.1; our policy for 1.6)."""
    length = max(len(value), len(value.casefold()))
    if not 1 <= length <= 48 or not value.isprintable() or any(mark in value for mark in ":/"):
        raise ValidationError("An identity has 1 to 48 printable characters and neither “:” nor “/”.")


def is_strict(own: bool | None, profile_flags: str) -> bool:
    """Whether a charger's messages that break the schema are refused."""
    return STRICT in profile_flags.split(",") if own is None else own


def keeps_repairs(profile_flags: str) -> bool:
    """Whether messages of a charger that had to be repaired are kept as anomalies."""
    return QUIET not in profile_flags.split(",")


class Location(TenantOwned, Timestamped):
    """A site with chargers."""

    name = models.CharField(max_length=100)
    address = models.CharField(max_length=150, blank=True)
    postal_code = models.CharField(max_length=12, blank=True)
    city = models.CharField(max_length=80, blank=True)
    country = models.CharField("country (ISO 3166 alpha-2)", max_length=2, blank=True)
    latitude = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    longitude = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    time_zone = models.CharField(
        max_length=64, blank=True, validators=[validate_time_zone], help_text="Empty: the tenant's time zone."
    )
    tariff = models.ForeignKey("transactions.Tariff", models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                name="location_unique",
                violation_error_message="A location with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class ChargePoint(TenantOwned, Timestamped):
    """A charger as it connects: one WebSocket, one identity, one or more EVSEs."""

    identity = models.CharField(
        max_length=48,
        validators=[validate_identity],
        help_text="The last part of the URL that the charger connects to.",
    )
    identity_key = models.CharField(
        max_length=48, unique=True, editable=False, error_messages={"unique": "This identity is taken."}
    )
    name = models.CharField(max_length=100, blank=True)
    location = models.ForeignKey(
        Location, models.PROTECT, null=True, blank=True, related_name="charge_points"
    )
    note = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    security_profile = models.PositiveSmallIntegerField(
        choices=SecurityProfile.choices, default=SecurityProfile.BASIC
    )
    # That of an upgrade under way: both work until the first success with the higher one
    # (OCPP 1.6 security whitepaper A05).
    pending_security_profile = models.PositiveSmallIntegerField(
        choices=SecurityProfile.choices, null=True, blank=True, editable=False
    )
    certificate_name = models.CharField(
        "name in its client certificate",
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Its common name, for security profile 3. Empty: its identity or a serial number it has reported.",
    )
    key_hash = models.CharField(max_length=200, blank=True, editable=False)
    # A key that was sent to the charger and not yet proven: both work until the first login decides
    # (OCPP 1.6 security whitepaper A01).
    pending_key_hash = models.CharField(max_length=200, blank=True, editable=False)
    registration_status = models.CharField(
        max_length=8, choices=RegistrationStatus.choices, default=RegistrationStatus.ACCEPTED
    )
    accepted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="First boot that was answered Accepted."
    )
    auto_configure = models.BooleanField(
        null=True,
        blank=True,
        help_text="After each boot read its configuration, and set what its model profile wants. "
        "Unknown: as the tenant says.",
    )
    heartbeat_interval_s = models.PositiveIntegerField("heartbeat interval (s)", null=True, blank=True)
    strict_schema = models.BooleanField(
        null=True,
        blank=True,
        help_text="Refuse messages that break the schema instead of repairing them. "
        "Unknown: as the profile of its model says, else repair.",
    )
    accepted_vendor_ids = models.TextField(
        "vendor ids answered Accepted",
        blank=True,
        default="",
        db_default="",
        max_length=5_000,
        help_text="One in each line, besides those of the tenant: vendor messages (DataTransfer) that nothing here "
        "serves.",
    )
    authorization_mode = models.CharField(
        max_length=10, choices=AuthorizationMode.choices, blank=True, help_text="Empty: as the tenant says."
    )
    pricing_mode = models.CharField(
        max_length=6, choices=PricingMode.choices, blank=True, help_text="Empty: as the tenant says."
    )
    tariff = models.ForeignKey(
        "transactions.Tariff",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the location's, then the tenant's tariff.",
    )

    cost_display = models.BooleanField(
        "shows prices and costs",
        null=True,
        blank=True,
        help_text="Whether it is told them (California pricing), where the organisation wants that. "
        "Unknown: as its configuration key CustomDisplayCostAndPrice says.",
    )
    shows_cost = models.BooleanField(default=False, db_default=False, editable=False)
    cost_features = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What it says it can do about costs: tariffs, and the limits of a session (see cost_features).",
    )

    # Written by the charger.
    vendor = models.CharField(max_length=50, blank=True, editable=False)
    model = models.CharField(max_length=50, blank=True, editable=False)
    serial_number = models.CharField(max_length=50, blank=True, editable=False)
    box_serial_number = models.CharField(max_length=50, blank=True, editable=False)
    firmware_version = models.CharField(max_length=50, blank=True, editable=False)
    iccid = models.CharField(max_length=20, blank=True, editable=False)
    imsi = models.CharField(max_length=20, blank=True, editable=False)
    meter_type = models.CharField(max_length=25, blank=True, editable=False)
    meter_serial_number = models.CharField(max_length=50, blank=True, editable=False)
    ocpp_version = models.CharField(max_length=10, blank=True, editable=False)
    boot_reason = models.CharField(max_length=20, blank=True, editable=False)
    last_boot_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    clock_offset_s = models.IntegerField(
        "clock offset (s)", null=True, blank=True, editable=False, help_text="Charger's clock minus ours."
    )
    # What its model profile says, chosen at its boot and when profiles change.
    model_profile = models.ForeignKey(
        "ChargePointModelProfile",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="charge_points",
        editable=False,
    )
    built_in_profile = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    profile_flags = models.CharField(max_length=32, blank=True, default="", db_default="", editable=False)
    # Status of the charger itself (connector 0).
    status = models.CharField(max_length=16, choices=ConnectorStatus.choices, blank=True, editable=False)
    error_code = models.CharField(max_length=50, blank=True, editable=False)
    status_info = models.CharField(max_length=255, blank=True, editable=False)
    status_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_sample_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["identity"]
        indexes = [models.Index(fields=["tenant", "identity"], name="charge_point_tenant")]

    def __str__(self) -> str:
        return self.name or self.identity

    @property
    def is_strict(self) -> bool:
        """Whether messages that break the schema are refused: its own setting, else that of its model's profile."""
        return is_strict(self.strict_schema, self.profile_flags)

    def clean(self) -> None:
        self.identity_key = self.identity.casefold()
        others = ChargePoint.objects.filter(identity_key=self.identity_key).exclude(pk=self.pk)
        if others.exists():
            # Identities are unique in the installation; a stranger's tenant is not named.
            raise ValidationError({"identity": "This identity is taken."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.identity_key = self.identity.casefold()
        fields = kwargs.get("update_fields")
        if fields is not None and "identity" in fields:
            kwargs["update_fields"] = [*fields, "identity_key"]
        super().save(*args, **kwargs)


class Evse(TenantOwned):
    """A place where one vehicle charges at a time; connector n of OCPP 1.6 is EVSE n."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="evses", db_index=False)
    number = models.PositiveIntegerField()

    class Meta:
        ordering = ["charge_point", "number"]
        verbose_name = "EVSE"
        constraints = [models.UniqueConstraint(fields=["charge_point", "number"], name="evse_unique")]

    def __str__(self) -> str:
        return f"{self.charge_point} EVSE {self.number}"


class Connector(TenantOwned):
    """A plug or socket with its live status."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="connectors", db_index=False)
    evse = models.ForeignKey(Evse, models.CASCADE, related_name="connectors")
    number = models.PositiveIntegerField(help_text="Number within the EVSE; always 1 for OCPP 1.6.")
    ocpp_number = models.PositiveIntegerField(
        help_text="Number of its EVSE, which is the connectorId of OCPP 1.6."
    )
    standard = models.CharField(
        max_length=32, blank=True, help_text="For example IEC_62196_T2, IEC_62196_T2_COMBO, CHADEMO."
    )
    max_power_w = models.PositiveIntegerField("maximum power (W)", null=True, blank=True)

    status = models.CharField(max_length=16, choices=ConnectorStatus.choices, blank=True, editable=False)
    error_code = models.CharField(max_length=50, blank=True, editable=False)
    vendor_id = models.CharField(max_length=255, blank=True, editable=False)
    vendor_error_code = models.CharField(max_length=50, blank=True, editable=False)
    status_info = models.CharField(max_length=255, blank=True, editable=False)
    status_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Charger's clock.")
    status_received_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_sample_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["charge_point", "ocpp_number", "number"]
        constraints = [models.UniqueConstraint(fields=["evse", "number"], name="connector_unique")]

    def __str__(self) -> str:
        return f"{self.charge_point} connector {self.label}"

    @property
    def label(self) -> str:
        """The number that people see: that of its EVSE, and its own where an EVSE may have several."""
        return str(self.ocpp_number) if self.number == 1 else f"{self.ocpp_number}.{self.number}"
