"""The rows of the plain design."""

from __future__ import annotations

from django.db import models


class ChargePoint(models.Model):
    """A charger and its password."""

    identity = models.CharField(max_length=48, unique=True)
    password = models.CharField(max_length=64)
    vendor = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=20, blank=True)
    last_seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.identity


class Connector(models.Model):
    """A connector and its last state."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE)
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=20)
    error_code = models.CharField(max_length=30)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["charge_point", "number"], name="connector_number")]

    def __str__(self) -> str:
        return f"{self.charge_point_id}-{self.number}"


class IdTag(models.Model):
    """A card."""

    value = models.CharField(max_length=20, unique=True)
    blocked = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.value


class Transaction(models.Model):
    """A charging session."""

    charge_point = models.ForeignKey(ChargePoint, models.PROTECT)
    connector_number = models.PositiveIntegerField()
    id_tag = models.CharField(max_length=20)
    started_at = models.DateTimeField()
    meter_start = models.BigIntegerField()
    stopped_at = models.DateTimeField(null=True)
    meter_stop = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        return str(self.pk)


class MeterValue(models.Model):
    """One sample."""

    transaction = models.ForeignKey(Transaction, models.CASCADE, null=True)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE)
    connector_number = models.PositiveIntegerField()
    sampled_at = models.DateTimeField()
    measurand = models.CharField(max_length=40)
    phase = models.CharField(max_length=10, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    value = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.measurand} {self.value}"


class Message(models.Model):
    """One exchange on the wire."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE)
    received_at = models.DateTimeField(auto_now_add=True)
    message_id = models.CharField(max_length=36)
    action = models.CharField(max_length=40)
    request = models.JSONField()
    response = models.JSONField()

    def __str__(self) -> str:
        return self.action
