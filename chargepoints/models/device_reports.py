"""Reports of the device model, which chargers of OCPP 2.x send in parts."""

from __future__ import annotations

from django.db import models

from chargepoints.choices import DeviceReportBase, DeviceReportStatus
from chargepoints.models.sites import ChargePoint
from csms_project.common.models import TenantOwned


class DeviceReport(TenantOwned):
    """A report that was asked for, or that a charger sends by itself: which parts of it have come."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="device_reports", db_index=False
    )
    request_id = models.IntegerField(help_text="Number that the order and all parts carry.")
    base = models.CharField(
        max_length=22,
        choices=DeviceReportBase.choices,
        blank=True,
        help_text="What was asked for; empty: nobody here has asked.",
    )
    command_id = models.BigIntegerField("command", null=True, blank=True)
    status = models.CharField(
        max_length=8, choices=DeviceReportStatus.choices, default=DeviceReportStatus.OPEN
    )
    parts = models.JSONField(default=list, help_text="Sequence numbers of the parts that have come.")
    last_part = models.IntegerField(
        null=True, blank=True, help_text="Number of the part that the charger calls the last one."
    )
    variables = models.PositiveIntegerField(default=0, help_text="How many values they held.")
    started_at = models.DateTimeField()
    last_at = models.DateTimeField(help_text="When the last part came, or the charger agreed to report.")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "request_id"], name="device_report_request"),
            models.Index(fields=["last_at"], name="device_report_open", condition=models.Q(status="open")),
        ]

    def __str__(self) -> str:
        return f"report {self.request_id}"

    @property
    def is_whole(self) -> bool:
        """All parts up to the last one have come; chargers exist that do not begin with 0 (2.0.1 B07.FR.10)."""
        numbers = set(self.parts)
        if self.last_part is None or self.last_part not in numbers:
            return False
        return all(number in numbers for number in range(min(numbers), self.last_part))

    @property
    def begins_at_the_start(self) -> bool:
        """Nothing can have been lost before the first part that has come."""
        return bool(self.parts) and min(self.parts) <= 1
