"""Controls for the grid in bidirectional chargers, and what chargers report of them (OCPP 2.1, block R)."""

from __future__ import annotations

from django.db import models

from chargepoints import der
from chargepoints.choices import DerControlState, DerEventKind, ReadingState
from chargepoints.models.events import LogRow
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped


class DerControl(TenantOwned, Timestamped):
    """A control that a charger holds or has held, as far as we know.

    content  its parameters, named as the arguments of our commands
    """

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="der_controls", db_index=False)
    control_id = models.CharField(max_length=36)
    control_type = models.CharField("type", max_length=40, choices=list(der.TYPES.items()))
    is_default = models.BooleanField("default")
    priority = models.PositiveIntegerField(default=0)
    starts_at = models.DateTimeField(null=True, blank=True)
    duration_s = models.FloatField(null=True, blank=True)
    content = FastJSONField(default=dict)
    is_superseded = models.BooleanField("superseded", default=False)
    status = models.CharField(
        "state", max_length=8, choices=DerControlState.choices, default=DerControlState.HELD
    )
    accepted_at = models.DateTimeField(null=True, blank=True, help_text="When the charger took it from us.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="As the charger reported it.")
    ended_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)
    told_in = models.BigIntegerField(
        null=True, editable=False, help_text="The request for which it was last told."
    )

    class Meta:
        ordering = ["charge_point", "control_type", "-is_default", "priority"]
        verbose_name = "DER control"
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "control_id"], name="der_control_unique")
        ]

    def __str__(self) -> str:
        return f"{self.control_type} {self.control_id}"

    @property
    def held(self) -> der.Held:
        """What decides whether it counts."""
        return der.Held(
            control_id=self.control_id,
            control_type=self.control_type,
            is_default=self.is_default,
            priority=self.priority,
            is_superseded=self.is_superseded,
            starts_at=self.starts_at,
            duration_s=self.duration_s,
        )


class DerReading(TenantOwned):
    """The last time that a charger told which controls it holds, and what it was asked for."""

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="der_reading")
    request_id = models.BigIntegerField()
    is_default = models.BooleanField(null=True)
    control_type = models.CharField(max_length=40, blank=True)
    control_id = models.CharField(max_length=36, blank=True)
    status = models.CharField("state", max_length=10, choices=ReadingState.choices, default=ReadingState.OPEN)
    count = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    last_part_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "DER reading"
        indexes = [
            models.Index(fields=["asked_at"], name="der_reading_open", condition=models.Q(status="open"))
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} #{self.request_id}"


class DerEvent(LogRow):
    """NotifyDERAlarm and NotifyDERStartStop: a charger leaves its course for the grid, a control begins or ends."""

    kind = models.CharField(max_length=11, choices=DerEventKind.choices)
    control_type = models.CharField("type", max_length=40, blank=True)
    control_id = models.CharField(max_length=36, blank=True)
    fault = models.CharField(max_length=20, blank=True, help_text="What happened in the grid.")
    info = models.CharField(max_length=200, blank=True)
    superseded_ids = FastJSONField(default=list, blank=True)
    at = models.DateTimeField(help_text="Charger's clock.")
    is_open = models.BooleanField("alarm lasts", default=False)

    class Meta:
        ordering = ["-received_at", "-id"]
        verbose_name = "DER event"
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="der_event_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="der_event_tenant"),
            models.Index(
                fields=["tenant", "received_at", "id"],
                name="der_event_open",
                condition=models.Q(is_open=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.control_type}".strip()
