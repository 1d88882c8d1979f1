"""What chargers watch by themselves and tell of it: monitors, events, streams, customers' data (2.x block N)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from chargepoints.models.commands import Command
from chargepoints.models.events import LogRow
from chargepoints.models.sites import ChargePoint
from chargepoints.monitoring_choices import EventState, MonitoringBase, MonitorKind, MonitorType, ReportState
from csms_project.common.fields import FastJSONField, LogTextField
from csms_project.common.models import TenantOwned, Timestamped


class OfVariable(models.Model):
    """What names a variable of the device model."""

    component = models.CharField(max_length=50)
    component_instance = models.CharField(max_length=50, blank=True)
    evse_number = models.PositiveIntegerField("EVSE", default=0)
    connector_number = models.PositiveIntegerField(default=0)
    variable = models.CharField(max_length=50)
    variable_instance = models.CharField(max_length=50, blank=True)

    class Meta:
        abstract = True

    @property
    def variable_key(self) -> tuple[str, str, int, int, str, str]:
        """The variable, for comparing: names are compared without regard to case (2.0.1 part 2 §2.1.4)."""
        return (
            self.component.casefold(),
            self.component_instance.casefold(),
            self.evse_number,
            self.connector_number,
            self.variable.casefold(),
            self.variable_instance.casefold(),
        )

    @property
    def place(self) -> str:
        """The component as people read it: “EVSE 1”, “Connector 1.2”, “ChargingStation”."""
        number = f" {self.evse_number}" if self.evse_number else ""
        within = f".{self.connector_number}" if self.connector_number else ""
        instance = f" ({self.component_instance})" if self.component_instance else ""
        return f"{self.component}{instance}{number}{within}"

    @property
    def what(self) -> str:
        """The variable as people read it."""
        instance = f" ({self.variable_instance})" if self.variable_instance else ""
        return f"{self.variable}{instance}"


class Monitor(TenantOwned, OfVariable):
    """One monitor in a charger, as it reported it or took it from us; what is gone there has no row."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="monitors", db_index=False)
    monitor_id = models.BigIntegerField("number", help_text="The charger's own; it may change with a boot.")
    type = models.CharField(max_length=20, choices=MonitorType.choices)
    value = models.CharField(max_length=40, help_text="Threshold, change, or seconds.")
    severity = models.PositiveSmallIntegerField(help_text="0 is the gravest.")
    only_in_transaction = models.BooleanField(default=False)
    kind = models.CharField(max_length=21, choices=MonitorKind.choices, blank=True)
    stream_interval_s = models.PositiveIntegerField(null=True, blank=True)
    stream_values = models.PositiveIntegerField(null=True, blank=True)
    set_at = models.DateTimeField(null=True, blank=True, help_text="When the charger took it from us.")
    read_at = models.DateTimeField(null=True, blank=True, help_text="When the charger last reported it.")

    class Meta:
        ordering = ["charge_point", "monitor_id"]
        constraints = [models.UniqueConstraint(fields=["charge_point", "monitor_id"], name="monitor_unique")]

    def __str__(self) -> str:
        return f"{self.monitor_id}: {self.place} {self.what}"


class MonitorResult(LogRow, OfVariable):
    """What a charger said about one monitor that it was asked to set."""

    type = models.CharField(max_length=20, choices=MonitorType.choices)
    value = models.CharField(max_length=40, blank=True)
    severity = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=24)
    reason = models.CharField(max_length=600, blank=True)
    monitor_id = models.BigIntegerField("number", null=True, blank=True)
    command_id = models.BigIntegerField("command", null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="monitor_result_charge_point")
        ]

    def __str__(self) -> str:
        return f"{self.place} {self.what}: {self.status}"


class MonitoringState(TenantOwned):
    """What a charger was told about its monitors as a whole, and how far we know them."""

    charge_point = models.OneToOneField(
        ChargePoint, models.CASCADE, related_name="monitoring_state", primary_key=True
    )
    base = models.CharField(max_length=14, choices=MonitoringBase.choices, blank=True)
    base_set_at = models.DateTimeField(null=True, blank=True)
    level = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Events of this severity and graver ones are reported."
    )
    level_set_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True, help_text="When all monitors were last read.")
    read_for_boot_at = models.DateTimeField(
        null=True, blank=True, help_text="The boot after which they were ordered to be read."
    )

    def __str__(self) -> str:
        return f"monitoring of {self.charge_point}"


class MonitoringReport(TenantOwned, Timestamped):
    """One report of monitors that a charger was asked for."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="monitoring_reports", db_index=False
    )
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    request_id = models.BigIntegerField()
    is_whole = models.BooleanField(help_text="All monitors were asked for.")
    asked_for = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=10, choices=ReportState.choices, default=ReportState.REQUESTED)
    parts = models.PositiveIntegerField(default=0)
    monitor_ids: Any = FastJSONField(default=list, blank=True)
    last_part_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["charge_point", "request_id"], name="monitoring_report_request"),
            models.Index(fields=["updated_at"], name="monitoring_report_open", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"report {self.request_id}"


class ChargerEvent(LogRow, OfVariable):
    """One event of NotifyEvent (2.x N07, N08).

    `severity` is the event's own (2.1), else that of its monitor as we knew it, null where neither is known.
    """

    event_id = models.BigIntegerField("number")
    at = models.DateTimeField(help_text="Charger's clock.")
    trigger = models.CharField(max_length=8)
    cause_id = models.BigIntegerField("caused by event", null=True, blank=True)
    value = LogTextField(blank=True)
    is_cleared = models.BooleanField(default=False, help_text="It tells that something is over.")
    tech_code = models.CharField(max_length=50, blank=True)
    tech_info = models.CharField(max_length=500, blank=True)
    transaction_ocpp_id = models.CharField("session", max_length=36, blank=True)
    monitor_id = models.BigIntegerField("monitor", null=True, blank=True)
    kind = models.CharField(max_length=21, choices=MonitorKind.choices, blank=True)
    severity = models.PositiveSmallIntegerField(null=True, blank=True)
    state = models.CharField(max_length=6, choices=EventState.choices, default=EventState.MOMENT)
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="Charger's clock, or when a person said so."
    )
    is_alert = models.BooleanField(default=False, help_text="The organisation's rule calls for a person.")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by_name = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["charge_point", "received_at", "id"], name="charger_event_charge_point"),
            models.Index(fields=["tenant", "received_at", "id"], name="charger_event_tenant"),
            # Repeats are found by it.
            models.Index(fields=["charge_point", "event_id"], name="charger_event_number"),
            models.Index(fields=["charge_point"], name="charger_event_going_on", condition=Q(state="open")),
            models.Index(
                fields=["tenant", "received_at", "id"],
                name="charger_event_alert",
                condition=Q(is_alert=True, acknowledged_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.place} {self.what}"


class EventStream(TenantOwned):
    """A periodic event stream from its opening to its end (2.1 N11 to N15); a number may be used again later."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="event_streams", db_index=False
    )
    stream_id = models.BigIntegerField("number")
    monitor_id = models.BigIntegerField("monitor")
    interval_s = models.PositiveIntegerField(null=True, blank=True, help_text="Seconds between its messages.")
    values_at_once = models.PositiveIntegerField(null=True, blank=True, help_text="Values in one message.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "stream_id"],
                condition=Q(closed_at=None),
                name="event_stream_open_once",
            )
        ]
        indexes = [
            models.Index(fields=["charge_point", "stream_id", "opened_at"], name="event_stream_number")
        ]

    def __str__(self) -> str:
        return f"stream {self.stream_id}"


class StreamValues(LogRow):
    """The values of one NotifyPeriodicEventStream.

    `values` is JSON: [[seconds after `starts_at`, value], …]; which stream it was follows from its number and the time.
    """

    stream_id = models.BigIntegerField()
    starts_at = models.DateTimeField(help_text="`basetime`, by the charger's clock.")
    pending = models.PositiveIntegerField(help_text="Values that the charger still had to send.")
    length = models.PositiveIntegerField(help_text="Values in it.")
    values = LogTextField()

    class Meta:
        ordering = ["-received_at", "-id"]
        verbose_name_plural = "stream values"
        indexes = [
            models.Index(
                fields=["charge_point", "stream_id", "received_at", "id"], name="stream_values_stream"
            )
        ]

    def __str__(self) -> str:
        return f"stream {self.stream_id}: {self.length} values"


class CustomerInformation(TenantOwned, Timestamped):
    """What a charger was asked about a customer, to report or to delete (2.x N09, N10); `text` is personal data."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="customer_information", db_index=False
    )
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    request_id = models.BigIntegerField()
    customer = models.CharField(max_length=300, help_text="Whom it is about: a tag, a name or a certificate.")
    report = models.BooleanField()
    clear = models.BooleanField()
    state = models.CharField(max_length=10, choices=ReportState.choices, default=ReportState.REQUESTED)
    note = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    parts = models.PositiveIntegerField(default=0)
    requested_by_name = models.CharField(max_length=150, blank=True)
    last_part_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "customer information"
        indexes = [
            models.Index(fields=["charge_point", "request_id"], name="customer_information_request"),
            models.Index(fields=["tenant", "created_at", "id"], name="customer_information_tenant"),
            models.Index(fields=["updated_at"], name="customer_information_open", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"customer information {self.request_id}"
