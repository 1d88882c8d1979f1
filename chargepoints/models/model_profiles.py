"""What a tenant knows of models of chargers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

from chargepoints.choices import EnergyUnit, RateUnit
from chargepoints.model_profiles import ModelProfile, from_fields
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped

PATTERN = "With * for anything and ? for one character; empty: any."


class ChargePointModelProfile(TenantOwned, Timestamped):
    """Which chargers a profile is for, how they deviate, and how they are to be set up."""

    name = models.CharField(max_length=100)
    is_active = models.BooleanField("in use", default=True)
    vendor = models.CharField(max_length=50, blank=True, help_text=PATTERN)
    model = models.CharField(max_length=50, blank=True, help_text=PATTERN)
    firmware = models.CharField(max_length=50, blank=True, help_text=PATTERN)

    strict_schema = models.BooleanField(
        null=True,
        blank=True,
        help_text="Refuse messages that break the schema instead of repairing them. Unknown: repair them.",
    )
    record_repairs = models.BooleanField(
        "keep repaired messages",
        default=True,
        help_text="Off: messages that this model always sends wrong are repaired without an anomaly for each.",
    )
    accepted_vendor_ids = models.TextField(
        "vendor ids answered Accepted",
        blank=True,
        max_length=5_000,
        help_text="One in each line: vendor messages (DataTransfer) that nothing here serves.",
    )

    boot_configuration = FastJSONField(
        default=dict,
        blank=True,
        help_text="Configuration keys and the values that a charger of this model should have.",
    )
    rate_unit = models.CharField(
        "unit of charging profiles",
        max_length=1,
        choices=RateUnit.choices,
        blank=True,
        help_text="What this model understands best; empty: not known.",
    )

    register_unit = models.CharField(
        "unit of registers in samples",
        max_length=3,
        choices=EnergyUnit.choices,
        blank=True,
        help_text="For models that write a wrong unit; empty: as they write it.",
    )
    start_stop_unit = models.CharField(
        "unit of registers at start and stop",
        max_length=3,
        choices=EnergyUnit.choices,
        blank=True,
        help_text="For models that send meterStart and meterStop in another unit than Wh.",
    )
    register_factor = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal("0.000001"))],
        help_text="All energy registers are multiplied by it: the ratio of a current transformer, for example.",
    )
    export_as_import = models.BooleanField(
        "the export register is what the vehicle got",
        default=False,
        help_text="Used where a sample has no import register.",
    )
    ignored_registers = FastJSONField(
        default=list, blank=True, help_text="Numbers that this model sends instead of a register, as sent."
    )

    error_texts = FastJSONField(
        default=dict, blank=True, help_text="The vendor's error code, or his text, and what it means."
    )
    note = models.TextField(blank=True, max_length=5_000)
    reference = models.CharField(
        "source", max_length=300, blank=True, help_text="Where this is known from: a manual, a measurement."
    )
    copied_from = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "model profile"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                name="model_profile_unique",
                violation_error_message="A profile with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def as_profile(self) -> ModelProfile:
        """What it says, free of the database."""
        return from_fields(self.as_fields(), pk=self.pk)

    def as_fields(self) -> dict[str, Any]:
        """Everything that it says, in plain values."""
        fields = {name: getattr(self, name) for name in PROFILE_FIELDS}
        fields["register_factor"] = f"{self.register_factor.normalize():f}"
        lines = self.accepted_vendor_ids.splitlines()
        fields["accepted_vendor_ids"] = [line.strip() for line in lines if line.strip()]
        return fields


#: What a profile says, beside whose it is and whether it is in use.
PROFILE_FIELDS = (
    "name",
    "vendor",
    "model",
    "firmware",
    "strict_schema",
    "record_repairs",
    "accepted_vendor_ids",
    "boot_configuration",
    "rate_unit",
    "register_unit",
    "start_stop_unit",
    "register_factor",
    "export_as_import",
    "ignored_registers",
    "error_texts",
    "note",
    "reference",
)
