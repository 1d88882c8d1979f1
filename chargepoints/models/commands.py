"""What we ask chargers to do."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from chargepoints.choices import FINAL_COMMAND_STATUSES, CommandStatus, Via
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned


class Command(TenantOwned):
    """One order to one charger; the row is the truth, the wake-up only a hint."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="commands", db_index=False)
    action = models.CharField(max_length=64, help_text="snake_case: ours; PascalCase: OCPP, sent verbatim.")
    payload = FastJSONField(default=dict, help_text="As given, secrets replaced by ***.")
    secret_payload = models.TextField(blank=True, editable=False, help_text="Encrypted; wiped at the end.")
    status = models.CharField(max_length=13, choices=CommandStatus.choices, default=CommandStatus.QUEUED)
    ocpp_action = models.CharField(max_length=64, blank=True)
    request = FastJSONField(null=True, blank=True, help_text="The CALL's payload as sent.")
    response = FastJSONField(null=True, blank=True, help_text="The charger's payload verbatim.")
    summary = models.TextField(
        blank=True, default="", db_default="", help_text="What the answer means, in words."
    )
    error = FastJSONField(null=True, blank=True, help_text="code, description, details")
    message_id = models.UUIDField(null=True, blank=True, default=None)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150, blank=True)
    requested_via = models.CharField(max_length=8, choices=Via.choices, default=Via.API)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Not sent after this moment.")
    waits_for_connection = models.BooleanField(default=False)
    timeout_s = models.PositiveIntegerField("timeout (s)")
    sent_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    connection_token = models.UUIDField(null=True, blank=True, editable=False)
    idempotency_key = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                name="command_idempotent",
                condition=~models.Q(idempotency_key=""),
            )
        ]
        indexes = [
            models.Index(fields=["charge_point", "-id"], name="command_charge_point"),
            models.Index(fields=["tenant", "created_at", "id"], name="command_tenant"),
            models.Index(fields=["charge_point", "created_at"], name="command_recent"),
            models.Index(
                fields=["charge_point", "id"],
                name="command_open",
                condition=models.Q(status__in=["queued", "sent"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"

    @property
    def is_raw(self) -> bool:
        """An OCPP action, sent verbatim."""
        return self.action[:1].isupper()

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to it."""
        return self.status in FINAL_COMMAND_STATUSES
