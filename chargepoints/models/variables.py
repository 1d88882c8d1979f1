"""Configuration: keys of OCPP 1.6 and the device model of 2.x in one table."""

from __future__ import annotations

from django.db import models

from chargepoints.models.sites import ChargePoint
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
    reboot_required = models.BooleanField(default=False)
    updated_at = models.DateTimeField()

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
        return self.name
