"""Batteries that are swapped at stations (OCPP 2.1, block S)."""

from __future__ import annotations

from django.db import models

from accounts.models import IdToken
from chargepoints.choices import BatteryDirection, BatterySwapState
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.models import TenantOwned, Timestamped


class BatterySwap(TenantOwned, Timestamped):
    """One swap: batteries brought back and batteries taken, told apart by the number of its request."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="battery_swaps", db_index=False
    )
    request_id = models.BigIntegerField("request")
    id_token = models.ForeignKey(IdToken, models.SET_NULL, null=True, blank=True, related_name="+")
    id_token_value = models.CharField("tag", max_length=255, blank=True)
    id_token_type = models.CharField(max_length=20, blank=True)
    authorization = models.CharField(
        max_length=20, blank=True, help_text="What was known of the tag when the first batteries moved."
    )
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(
        "state", max_length=9, choices=BatterySwapState.choices, default=BatterySwapState.REQUESTED
    )
    in_at = models.DateTimeField("brought", null=True, blank=True)
    out_at = models.DateTimeField("taken", null=True, blank=True)
    last_event_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["charge_point", "request_id"], name="battery_swap_request"),
            models.Index(fields=["tenant", "-id"], name="battery_swap_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} #{self.request_id}"


class SwappedBattery(models.Model):
    """One battery of a swap, as the station measured it."""

    swap = models.ForeignKey(BatterySwap, models.CASCADE, related_name="batteries")
    direction = models.CharField(max_length=7, choices=BatteryDirection.choices)
    evse_number = models.PositiveIntegerField("slot")
    serial_number = models.CharField(max_length=50)
    soc = models.DecimalField("charge (%)", max_digits=5, decimal_places=2)
    soh = models.DecimalField("health (%)", max_digits=5, decimal_places=2)
    produced_on = models.DateField("produced", null=True, blank=True)
    vendor_info = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "swapped batteries"
        constraints = [
            models.UniqueConstraint(
                fields=["swap", "direction", "evse_number", "serial_number"], name="swapped_battery_unique"
            )
        ]

    def __str__(self) -> str:
        return self.serial_number
