"""Diagnostics and logs that chargers are asked to upload."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from chargepoints.choices import LogKind, LogState, Via
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped


class LogRequest(TenantOwned, Timestamped):
    """One upload that a charger was asked for, and the file that came (OCPP 1.6 §5.9; security whitepaper N01)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="log_requests", db_index=False)
    kind = models.CharField(max_length=16, choices=LogKind.choices)
    oldest_at = models.DateTimeField(null=True, blank=True)
    latest_at = models.DateTimeField(null=True, blank=True)
    url = models.CharField(
        max_length=512, blank=True, help_text="Outside address, without its password. Empty: uploaded to us."
    )
    state = models.CharField(max_length=9, choices=LogState.choices, default=LogState.QUEUED)
    note = models.CharField(max_length=300, blank=True)
    steps: Any = FastJSONField(default=list, blank=True, help_text="What was reported, and when.")
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    request_id = models.BigIntegerField(null=True, blank=True)
    charger_file_name = models.CharField(max_length=255, blank=True, help_text="As the charger named it.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150, blank=True)
    requested_via = models.CharField(max_length=8, choices=Via.choices, default=Via.API)
    expires_at = models.DateTimeField(help_text="Nothing is taken after this moment.")
    ended_at = models.DateTimeField(null=True, blank=True)
    last_report_id = models.BigIntegerField(default=0, editable=False)
    token_hash = models.CharField(max_length=64, blank=True, editable=False)
    stored_as = models.CharField(max_length=32, blank=True, editable=False)
    size = models.BigIntegerField(null=True, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    received_at = models.DateTimeField(null=True, blank=True)
    received_from = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["token_hash"], name="log_request_token", condition=~models.Q(token_hash="")
            )
        ]
        indexes = [
            models.Index(fields=["charge_point", "-id"], name="log_request_charge_point"),
            models.Index(fields=["tenant", "-id"], name="log_request_tenant"),
            models.Index(fields=["id"], name="log_request_open", condition=models.Q(ended_at=None)),
            models.Index(
                fields=["received_at"], name="log_request_stored", condition=~models.Q(stored_as="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.charge_point}"

    @property
    def is_ours(self) -> bool:
        """The charger puts the file here."""
        return not self.url

    @property
    def has_file(self) -> bool:
        return bool(self.stored_as)

    @property
    def download_name(self) -> str:
        """What the file is saved as."""
        return self.charger_file_name or f"{self.charge_point.identity}-{self.kind}-{self.pk}.log"
