"""Firmware that a local controller offers to the chargers behind it."""

from __future__ import annotations

from typing import Any

from django.db import models

from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped


class PublishedFirmware(TenantOwned, Timestamped):
    """One order to publish, and what the controller reported of it (2.0.1 L03, L04)."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="published_firmware", db_index=False
    )
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    request_id = models.BigIntegerField()
    location = models.CharField(
        max_length=2000, help_text="Where the controller fetches it; without passwords."
    )
    checksum = models.CharField("MD5 checksum", max_length=32)
    status = models.CharField(max_length=40, blank=True, help_text="As reported last.")
    locations: Any = FastJSONField(default=list, blank=True, help_text="Where chargers can fetch it.")
    reported_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="No longer offered.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "published firmware"
        indexes = [models.Index(fields=["charge_point", "-id"], name="published_charge_point")]

    def __str__(self) -> str:
        return f"{self.charge_point}: {self.checksum}"

    @property
    def is_offered(self) -> bool:
        """Chargers can fetch it now."""
        return self.status == "Published" and self.ended_at is None
