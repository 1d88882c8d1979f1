"""Who is connected where, and who was refused."""

from __future__ import annotations

import uuid

from django.db import models

from chargepoints.choices import RefusalReason
from chargepoints.models.sites import ChargePoint
from csms_project.common.models import TenantOwned


class GatewayNode(models.Model):
    """One gateway process; alive while its lease runs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Connection(TenantOwned):
    """The live socket of a charge point; online = this row exists and its node is alive."""

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="connection")
    # No constraint to the node: a dead node's row may be cleaned up before its connections are.
    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="connections", db_constraint=False)
    token = models.UUIDField()
    ocpp_version = models.CharField(max_length=10)
    security_profile = models.PositiveSmallIntegerField()
    remote_address = models.CharField(max_length=64, blank=True)
    connected_at = models.DateTimeField()
    last_frame_at = models.DateTimeField()

    class Meta:
        ordering = ["-connected_at"]
        indexes = [models.Index(fields=["tenant", "-connected_at"], name="connection_tenant")]

    def __str__(self) -> str:
        return f"{self.charge_point} since {self.connected_at:%Y-%m-%d %H:%M}"


class RefusedConnection(models.Model):
    """A handshake that was refused, counted per identity and reason."""

    # Known for chargers that exist; strangers have none and are shown to the owners of the default tenant.
    tenant = models.ForeignKey("accounts.Tenant", models.CASCADE, null=True, related_name="+", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, null=True, related_name="refusals")
    identity = models.CharField(max_length=100)
    reason = models.CharField(max_length=20, choices=RefusalReason.choices)
    detail = models.CharField(max_length=255, blank=True)
    remote_address = models.CharField(max_length=64, blank=True)
    subprotocols = models.CharField(max_length=200, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_at"]
        constraints = [models.UniqueConstraint(fields=["identity", "reason"], name="refused_unique")]
        indexes = [models.Index(fields=["-last_at"], name="refused_last")]

    def __str__(self) -> str:
        return f"{self.identity}: {self.get_reason_display()}"
