"""Configuration: keys of OCPP 1.6 and the device model of 2.x in one table; how they were read, and what changed."""

from __future__ import annotations

from django.db import models

from chargepoints.choices import VariableChangeKind, VariableSource
from chargepoints.models.events import LogRow
from chargepoints.models.sites import ChargePoint
from chargepoints.variable_names import MAX_KEY, VariableName
from csms_project.common.fields import LogTextField
from csms_project.common.models import TenantOwned


class Variable(TenantOwned):
    """One configuration value as the charger last reported it."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="variables", db_index=False)
    component = models.CharField(max_length=50, blank=True)
    component_instance = models.CharField(max_length=50, blank=True)
    evse_number = models.PositiveIntegerField(default=0)
    connector_number = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=50)
    name_key = models.CharField(max_length=50, editable=False)
    instance = models.CharField(max_length=50, blank=True)
    attribute = models.CharField(max_length=10, default="Actual")
    value = models.TextField(null=True, blank=True)
    is_readonly = models.BooleanField(default=False)
    is_secret = models.BooleanField(default=False)
    reboot_required = models.BooleanField(default=False, help_text="The value applies after the next boot.")
    updated_at = models.DateTimeField()
    # Defaults of the database: processes of the version before do not know these columns.
    needs_reboot = models.BooleanField(
        default=False, db_default=False, help_text="The last change of it took a reboot to apply."
    )
    is_unknown = models.BooleanField(
        default=False, db_default=False, help_text="The charger says that it has no such key."
    )
    read_at = models.DateTimeField(null=True, blank=True, help_text="When the charger last told it.")
    set_at = models.DateTimeField(null=True, blank=True, help_text="When it last took a value from us.")
    gone_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when the charger no longer lists it; the value is the last known.",
    )
    # What chargers of 2.x say about a variable and its attribute; empty or null: they said nothing.
    mutability = models.CharField(max_length=9, blank=True, default="", db_default="")
    is_persistent = models.BooleanField(null=True, blank=True, help_text="It survives a reboot.")
    is_constant = models.BooleanField(null=True, blank=True, help_text="It never changes.")
    data_type = models.CharField(max_length=12, blank=True, default="", db_default="")
    unit = models.CharField(max_length=16, blank=True, default="", db_default="")
    min_limit = models.FloatField(null=True, blank=True)
    max_limit = models.FloatField(
        null=True, blank=True, help_text="Of a text or a list: how many characters it may have."
    )
    max_elements = models.PositiveIntegerField(null=True, blank=True, help_text="Of a list (2.1).")
    values_list = models.TextField(
        blank=True, default="", db_default="", help_text="Values that it may have, with commas between them."
    )
    supports_monitoring = models.BooleanField(null=True, blank=True)
    # How the charger answered when it was last asked to take a value.
    set_status = models.CharField(max_length=25, blank=True, default="", db_default="")
    set_reason = models.CharField(
        max_length=600, blank=True, default="", db_default="", help_text="The charger's reason, if any."
    )
    set_answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["charge_point", "component", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "charge_point",
                    "component",
                    "component_instance",
                    "evse_number",
                    "connector_number",
                    "name_key",
                    "instance",
                    "attribute",
                ],
                name="variable_unique",
            )
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def place(self) -> VariableName:
        """Its full name."""
        return VariableName(
            component=self.component,
            component_instance=self.component_instance,
            evse=self.evse_number,
            connector=self.connector_number,
            name=self.name,
            instance=self.instance,
            attribute=self.attribute,
        )

    @property
    def key(self) -> str:
        """Its full name as people and programs write it; the key itself in OCPP 1.6."""
        return self.place.key

    @property
    def is_writeonly(self) -> bool:
        """The charger takes values, but tells none."""
        return self.mutability == "WriteOnly"

    @property
    def may_change(self) -> bool:
        """Nothing that the charger said speaks against another value."""
        return not (self.is_readonly or self.is_unknown or self.is_constant)


class ConfigurationState(TenantOwned):
    """How far the configuration of a charger is known, and what was done about it since its last boot."""

    charge_point = models.OneToOneField(
        ChargePoint, models.CASCADE, related_name="configuration_state", primary_key=True
    )
    whole_read_at = models.DateTimeField(null=True, blank=True, help_text="When all keys were last read.")
    partly_read_at = models.DateTimeField(null=True, blank=True, help_text="When some keys were last read.")
    read_for_boot_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The boot after which it was ordered to be read for the boot settings.",
    )
    set_for_boot_at = models.DateTimeField(
        null=True, blank=True, help_text="The boot after which the boot settings were sent."
    )

    def __str__(self) -> str:
        return f"configuration of {self.charge_point}"


class VariableChange(LogRow):
    """A configuration key whose value became another one; secrets are masked."""

    name = models.CharField(max_length=MAX_KEY, help_text="As it is written; see the guide.")
    kind = models.CharField(max_length=7, choices=VariableChangeKind.choices)
    source = models.CharField(max_length=4, choices=VariableSource.choices)
    old = LogTextField(null=True, blank=True)
    new = LogTextField(null=True, blank=True)
    reboot_required = models.BooleanField(default=False, help_text="The value applies after the next boot.")
    command_id = models.BigIntegerField(
        "command", null=True, blank=True, help_text="The command by which it was set or read."
    )
    requested_by_name = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="variable_change_charge_point")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


class VariableRequest(TenantOwned):
    """The last value of a key that a charger was asked to take, so that a refusal is remembered."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="+", db_index=False)
    name_key = models.CharField(max_length=MAX_KEY)
    value_digest = models.CharField(max_length=64, help_text="Keyed, so that it tells nothing of a secret.")
    firmware_version = models.CharField(max_length=50, blank=True, help_text="The charger's at that time.")
    command_id = models.BigIntegerField("command")
    requested_at = models.DateTimeField()
    result = models.CharField(
        max_length=25,
        blank=True,
        default="",
        db_default="",
        help_text="The charger's answer about this value; empty: that of the command.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "name_key"], name="variable_request_unique")
        ]

    def __str__(self) -> str:
        return self.name_key
