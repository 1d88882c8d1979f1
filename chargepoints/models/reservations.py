"""Reservations."""

from __future__ import annotations

from django.db import models

from accounts.models import IdToken
from chargepoints.choices import ReservationStatus
from chargepoints.models.sites import ChargePoint, Connector
from chargepoints.redaction import MASK
from csms_project.common.models import TenantOwned, Timestamped


class Reservation(TenantOwned, Timestamped):
    """A connector held for a token (OCPP 1.6 §5.13)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="reservations", db_index=False)
    connector = models.ForeignKey(
        Connector, models.CASCADE, null=True, blank=True, related_name="reservations"
    )
    reservation_id = models.PositiveIntegerField(help_text="The number on the wire, unique per charge point.")
    id_token = models.ForeignKey(IdToken, models.PROTECT, null=True, blank=True, related_name="reservations")
    id_token_value = models.CharField(max_length=255)
    parent_id_token = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField()
    status = models.CharField(
        max_length=9, choices=ReservationStatus.choices, default=ReservationStatus.REQUESTED
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "reservation_id"], name="reservation_unique")
        ]
        indexes = [models.Index(fields=["tenant", "-id"], name="reservation_tenant")]

    def __str__(self) -> str:
        return f"{self.charge_point} #{self.reservation_id} for {self.shown_token}"

    @property
    def shown_token(self) -> str:
        """For which token, for people; the value of a key code is not kept."""
        return "(key code)" if self.id_token_value == MASK else self.id_token_value
