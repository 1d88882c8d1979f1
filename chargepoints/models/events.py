"""What chargers reported, and the log of all frames."""

from __future__ import annotations

from django.db import models

from chargepoints.choices import StatusReportKind
from chargepoints.models.sites import ChargePoint
from chargepoints.security_events import severity_of
from csms_project.common.fields import LogTextField
from csms_project.common.models import TenantOwned


class LogRow(TenantOwned):
    """A row about a charge point that is written in bulk; the log tables carry no foreign key constraints.

    Read by charge point or by tenant, the newest arrival first: an index for each, and no other on every row.
    """

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    received_at = models.DateTimeField()
    tenant = models.ForeignKey(
        "accounts.Tenant", models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        abstract = True


class StatusEvent(LogRow):
    """One StatusNotification.  OCPP 1.6 has one number: there both are the connectorId."""

    connector_number = models.PositiveIntegerField()
    evse_number = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=16)
    error_code = models.CharField(max_length=50, blank=True)
    info = models.CharField(max_length=255, blank=True)
    vendor_id = models.CharField(max_length=255, blank=True)
    vendor_error_code = models.CharField(max_length=50, blank=True)
    at = models.DateTimeField(help_text="Charger's clock; arrival where it sent none.")

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="status_event_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="status_event_tenant"),
        ]

    def __str__(self) -> str:
        return f"connector {self.label} {self.status}"

    @property
    def label(self) -> str:
        """As `Connector.label`."""
        is_only = self.connector_number in (1, self.evse_number)
        return str(self.evse_number) if is_only else f"{self.evse_number}.{self.connector_number}"


class OcppMessage(LogRow):
    """One exchange on the wire: a CALL with its answer, or a frame that was no CALL.

    On PostgreSQL partitioned by month of `received_at`.
    """

    sent_by_charger = models.BooleanField()
    message_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64, blank=True)
    request = LogTextField(blank=True, help_text="Payload of the CALL or the raw frame, secrets redacted.")
    response = LogTextField(blank=True, help_text="Payload of the answer, secrets redacted.")
    error_code = models.CharField(max_length=64, blank=True)
    error_description = models.CharField(max_length=255, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        verbose_name = "message"
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="message_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="message_tenant"),
            models.Index(
                fields=["tenant", "received_at", "id"],
                name="message_error",
                condition=~models.Q(error_code=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action or 'frame'} {self.message_id}"


class FrameAnomaly(LogRow):
    """A frame that had to be repaired or could not be served; kept so that nothing is lost."""

    action = models.CharField(max_length=64, blank=True)
    message_id = models.CharField(max_length=64, blank=True)
    frame = models.TextField(help_text="Secrets redacted.")
    problem = models.CharField(max_length=500)
    was_served = models.BooleanField(
        help_text="Stored, after a repair or after failures; otherwise answered with an error, held or put aside."
    )
    # Defaults of the database: processes of the version before do not know these columns.
    digest = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        help_text="Of a message that our own code fails on.",
    )
    attempts = models.PositiveIntegerField(default=0, db_default=0, help_text="How often it has failed.")
    answer = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="What it was acknowledged with when it was put aside.",
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        verbose_name_plural = "frame anomalies"
        indexes = [
            models.Index(fields=["tenant", "received_at", "id"], name="anomaly_tenant"),
            models.Index(
                fields=["tenant", "received_at", "id"],
                name="anomaly_open",
                condition=models.Q(resolved_at=None),
            ),
            models.Index(
                fields=["charge_point", "digest"], name="anomaly_digest", condition=~models.Q(digest="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action}: {self.problem}"


class SecurityEvent(LogRow):
    """SecurityEventNotification (OCPP 1.6 security whitepaper A04)."""

    type = models.CharField(max_length=50)
    tech_info = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField(help_text="Charger's clock.")
    # Defaults of the database: processes of the version before do not know these columns.
    is_alert = models.BooleanField(
        default=False, db_default=False, help_text="The organisation's rule calls for a person."
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by_name = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="security_event_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="security_event_tenant"),
            models.Index(
                fields=["tenant", "received_at", "id"],
                name="security_event_open",
                condition=models.Q(is_alert=True, acknowledged_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.type

    @property
    def severity(self) -> str:
        """How grave its type is, whatever was done about it."""
        return severity_of(self.type)


class StatusReport(LogRow):
    """Progress of a firmware update or an upload, as the charger reported it."""

    kind = models.CharField(max_length=16, choices=StatusReportKind.choices)
    status = models.CharField(max_length=40)
    request_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="report_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="report_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"


class DataTransfer(LogRow):
    """A vendor message from a charger (OCPP 1.6 §4.3)."""

    vendor_id = models.CharField(max_length=255)
    message_id = models.CharField(max_length=50, blank=True)
    data = models.TextField(blank=True)
    answer = models.CharField(max_length=20)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="transfer_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="transfer_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.vendor_id} {self.message_id}"


class BatchReceipt(models.Model):
    """Written with each batch of the gateway's writer: tells after a lost connection whether its COMMIT took place."""

    id = models.UUIDField(primary_key=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="receipt_created")]

    def __str__(self) -> str:
        return str(self.id)
