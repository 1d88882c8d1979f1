"""What chargers of OCPP 2.x tell of smart charging: profiles, limits of others, needs of vehicles, priority."""

from __future__ import annotations

from django.db import models

from chargepoints.charging.plan import Plan, read_plan
from chargepoints.choices import NeedsAnswer, ProfileReportState
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned


class ProfileReport(TenantOwned):
    """A list of charging profiles that a charger was asked for; it comes in parts without numbers (2.0.1 K09)."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="profile_reports", db_index=False
    )
    request_id = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=ProfileReportState.choices, default=ProfileReportState.OPEN
    )
    criteria = FastJSONField(
        default=dict, help_text="Arguments of get_charging_profiles: what was asked for."
    )
    parts = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    last_part_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["charge_point", "-asked_at"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "request_id"], name="profile_report_unique")
        ]
        indexes = [
            models.Index(fields=["asked_at"], name="profile_report_open", condition=models.Q(state="open"))
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.request_id}"


class ReportedProfile(TenantOwned):
    """A charging profile that the charger says it has."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="reported_profiles", db_index=False
    )
    report = models.ForeignKey(ProfileReport, models.CASCADE, related_name="profiles")
    connector_number = models.PositiveIntegerField("connector", help_text="0: the charger itself.")
    profile_number = models.BigIntegerField(
        help_text="Its id on the wire; of limits of others it may be below 0."
    )
    source = models.CharField(max_length=20, help_text="Who has set it: CSO is we.")
    purpose = models.CharField("limits", max_length=40)
    stack_level = models.PositiveIntegerField("level", default=0)
    transaction_number = models.CharField("transaction id", max_length=36, blank=True)
    content = FastJSONField(help_text="Arguments of set_charging_profile, of its first schedule.")
    schedules = models.PositiveSmallIntegerField(default=1, help_text="How many schedules it has.")
    reported_at = models.DateTimeField()

    class Meta:
        ordering = ["charge_point", "connector_number", "purpose", "-stack_level", "profile_number"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "connector_number", "source", "profile_number"],
                name="reported_profile_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.connector_number} #{self.profile_number}"

    @property
    def plan(self) -> Plan:
        """What the charger says it is to do.  Raises Unreadable."""
        return read_plan(self.content)


class ExternalLimit(TenantOwned):
    """A limit that somebody else has given a charger (2.0.1 K11–K14): one row for each source and place."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="external_limits", db_index=False
    )
    connector_number = models.PositiveIntegerField("connector", help_text="0: the charger itself.")
    source = models.CharField(max_length=20, help_text="EMS, SO, CSO, Other, or what the charger calls it.")
    is_grid_critical = models.BooleanField(default=False)
    is_local_generation = models.BooleanField(
        default=False, help_text="It is power of the site, which comes on top."
    )
    content = FastJSONField(
        null=True,
        blank=True,
        help_text="Arguments of set_charging_profile; empty where no schedule was told.",
    )
    since = models.DateTimeField(help_text="When it was last told.")
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["charge_point", "connector_number", "source"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "connector_number", "source", "is_local_generation"],
                name="external_limit_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.connector_number} {self.source}"

    @property
    def plan(self) -> Plan | None:
        """What is limited; None where the charger told none.  Raises Unreadable."""
        return read_plan(self.content) if self.content else None


class VehicleNeeds(TenantOwned):
    """What the vehicle at a connector has said that it needs, and what it will do (2.0.1 K15–K17, 2.1 K18–K20)."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="vehicle_needs", db_index=False
    )
    connector_number = models.PositiveIntegerField("connector")
    transaction_number = models.CharField("transaction id", max_length=36, blank=True)
    needs = FastJSONField(null=True, blank=True, help_text="ChargingNeedsType as received.")
    transfer = models.CharField("wants", max_length=20, blank=True, help_text="requestedEnergyTransfer.")
    energy_wh = models.DecimalField(max_digits=15, decimal_places=3, null=True, blank=True)
    departure_at = models.DateTimeField(null=True, blank=True)
    max_tuples = models.PositiveIntegerField(null=True, blank=True)
    needs_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=17, choices=NeedsAnswer.choices, blank=True)
    allowed_transfers = FastJSONField(
        null=True, blank=True, help_text="Ways in which energy may flow in this session, if that was limited."
    )
    note = models.CharField(
        max_length=200, blank=True, help_text="What our plan comes to, or why there is none."
    )
    schedule = FastJSONField(null=True, blank=True, help_text="What the vehicle will do, as periods.")
    schedule_unit = models.CharField(max_length=1, blank=True)
    schedule_from = models.DateTimeField(null=True, blank=True)
    schedule_at = models.DateTimeField(null=True, blank=True)
    schedule_answer = models.CharField(max_length=8, blank=True)
    renegotiations = models.PositiveSmallIntegerField(
        default=0, help_text="How often the vehicle was asked for another schedule."
    )

    class Meta:
        ordering = ["charge_point", "connector_number"]
        verbose_name_plural = "vehicle needs"
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "connector_number"], name="vehicle_needs_unique")
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.connector_number}"


class PriorityCharging(TenantOwned):
    """A session whose priority was switched on or off (2.1 K21, K22), as the charger has told."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="priority_charging", db_index=False
    )
    connector_number = models.PositiveIntegerField("connector")
    transaction_number = models.CharField("transaction id", max_length=36)
    is_active = models.BooleanField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["charge_point", "-changed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "transaction_number"], name="priority_charging_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.transaction_number}"
