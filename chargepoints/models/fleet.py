"""Orders to many chargers, followed as one."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from chargepoints.choices import FAILED_ITEM_STATUSES, FleetItemStatus, FleetTaskState, Via
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned


class FleetTask(TenantOwned):
    """One order to many chargers, or many orders that belong together.

    Cancelled or stopped with `ended_at` empty: what was sent already is still waited for.
    """

    title = models.CharField(max_length=150)
    actions = FastJSONField(default=list, help_text="The commands in it, each once.")
    state = models.CharField(
        max_length=9, choices=FleetTaskState.choices, default=FleetTaskState.WAITING, editable=False
    )
    batch_size = models.PositiveIntegerField(
        null=True, blank=True, help_text="Chargers at a time; empty: all at once."
    )
    not_before = models.DateTimeField(null=True, blank=True, help_text="Empty: at once.")
    stop_failure_rate = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Stop when more than this share of the chargers asked has failed; empty: never.",
    )
    expires_in = models.PositiveIntegerField(
        "wait for offline chargers (s)", null=True, blank=True, help_text="Empty: they fail at once."
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150, blank=True)
    requested_via = models.CharField(max_length=8, choices=Via.choices, default=Via.API)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="fleet_task_tenant"),
            models.Index(fields=["id"], name="fleet_task_open", condition=models.Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        """Something may still happen to it."""
        return self.ended_at is None

    @property
    def may_be_cancelled(self) -> bool:
        """Something may still be waiting to be sent."""
        return self.state in (FleetTaskState.WAITING, FleetTaskState.RUNNING)


class FleetTaskItem(TenantOwned):
    """One order of a task: what became of it at one charger.  Those of one charger run one after another."""

    task = models.ForeignKey(FleetTask, models.CASCADE, related_name="items", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="fleet_items")
    action = models.CharField(max_length=64, help_text="snake_case: ours; PascalCase: OCPP, sent verbatim.")
    payload = FastJSONField(default=dict, help_text="As given, secrets replaced by ***.")
    secret_payload = models.TextField(
        blank=True, editable=False, help_text="Encrypted; wiped when it is no longer needed."
    )
    status = models.CharField(max_length=13, choices=FleetItemStatus.choices, default=FleetItemStatus.WAITING)
    outcome = models.CharField(max_length=300, blank=True, help_text="What became of it, in words.")
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="fleet_items")
    attempt = models.PositiveSmallIntegerField(default=1)
    wait_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when an offline charger is waited for."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["task", "charge_point", "id"], name="fleet_item_charger"),
            models.Index(fields=["task", "status", "id"], name="fleet_item_status"),
        ]

    def __str__(self) -> str:
        return f"{self.action} for {self.charge_point}"

    @property
    def has_failed(self) -> bool:
        """It may be tried again."""
        return self.status in FAILED_ITEM_STATUSES
