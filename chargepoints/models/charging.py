"""Charging profiles, where they stand, and what chargers make of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, Value

from chargepoints.charging.details import PROFILE, SCHEDULE, Details, read_details
from chargepoints.charging.plan import (
    DYNAMIC,
    Period,
    Plan,
    Unreadable,
    period_rows,
    read_periods,
    read_plan,
)
from chargepoints.charging.rules import problems_of
from chargepoints.choices import AssignmentState, ProfileKind, ProfilePurpose, RateUnit, RecurrencyKind
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped

#: Numbers of the limits that a session has of its own: one for each connector, so that a new one replaces the old.
SESSION_NUMBERS = 1_000_000_000
#: As above, of the plans that we make from what vehicles need.
VEHICLE_NUMBERS = 1_100_000_000
#: What a charger may still hold.
OPEN_STATES = (AssignmentState.REQUESTED, AssignmentState.ACTIVE, AssignmentState.UNKNOWN)


class ChargingProfile(TenantOwned, Timestamped):
    """Limits over time that can be set on chargers (OCPP 1.6 §7.8); its id is the chargingProfileId on the wire."""

    name = models.CharField(max_length=100)
    purpose = models.CharField(
        "limits", max_length=21, choices=ProfilePurpose.choices, default=ProfilePurpose.TX_DEFAULT
    )
    kind = models.CharField(
        "times count", max_length=9, choices=ProfileKind.choices, default=ProfileKind.RELATIVE
    )
    recurrency_kind = models.CharField("again", max_length=6, choices=RecurrencyKind.choices, blank=True)
    stack_level = models.PositiveIntegerField(
        "level",
        default=0,
        help_text="Of several profiles for one purpose the one with the highest level counts.",
    )
    charging_rate_unit = models.CharField(
        "unit", max_length=1, choices=RateUnit.choices, default=RateUnit.AMPERE
    )
    duration = models.PositiveIntegerField(
        "duration (s)", null=True, blank=True, help_text="Empty: the last limit goes on."
    )
    start_schedule = models.DateTimeField(
        "start", null=True, blank=True, help_text="From when the times count."
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField("valid until", null=True, blank=True)
    min_charging_rate = models.DecimalField(
        "least useful limit",
        max_digits=11,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Below it the vehicle charges inefficiently; in the unit of the limits.",
    )
    periods = FastJSONField(help_text="start_period in seconds, limit as text, number_phases.")
    # Default of the database: processes of the version before do not know this column.
    details = FastJSONField(
        default=dict,
        db_default=Value({}, FastJSONField()),
        blank=True,
        help_text="What only chargers of OCPP 2.x know of a profile and its schedule.",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                name="charging_profile_unique",
                violation_error_message="A charging profile with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def plan(self) -> Plan:
        """What it says.  Raises Unreadable when the periods are no periods."""
        return Plan(
            purpose=self.purpose,
            kind=self.kind,
            recurrency_kind=self.recurrency_kind,
            stack_level=self.stack_level,
            charging_rate_unit=self.charging_rate_unit,
            periods=self._periods(),
            duration=self.duration,
            start_schedule=self.start_schedule and self.start_schedule.astimezone(UTC),
            valid_from=self.valid_from and self.valid_from.astimezone(UTC),
            valid_to=self.valid_to and self.valid_to.astimezone(UTC),
            min_charging_rate=self.min_charging_rate,
            details=self._details(),
        )

    def says(self, plan: Plan) -> bool:
        """Whether a plan is this profile, maybe in the unit that the charger knows."""
        voltage = settings.CHARGING_LINE_VOLTAGE
        return self.plan.in_unit(plan.charging_rate_unit, voltage=voltage) == plan

    def _periods(self) -> tuple[Period, ...]:
        try:
            return read_periods(self.periods)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise Unreadable("no periods") from error

    def _details(self) -> Details:
        try:
            return read_details(self.details or {}, (*PROFILE, *SCHEDULE))
        except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
            raise Unreadable("no details") from error

    def clean(self) -> None:
        try:
            problems = problems_of(self.plan)
        except Unreadable:
            problems = {
                "periods": "Give rows of start_period, limit and number_phases, and details that fit."
            }
        if problems:
            raise ValidationError(problems)


class ChargingProfileAssignment(TenantOwned, Timestamped):
    """A profile on a connector of a charger, as far as we know; one row for each number and connector."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="charging_profile_assignments", db_index=False
    )
    connector_number = models.PositiveIntegerField(
        "connector", help_text="The number that the charger itself uses; 0: the charger, or every connector."
    )
    profile_number = models.PositiveIntegerField(help_text="chargingProfileId on the wire.")
    profile = models.ForeignKey(
        ChargingProfile, models.SET_NULL, null=True, blank=True, related_name="assignments"
    )
    purpose = models.CharField("limits", max_length=21, choices=ProfilePurpose.choices)
    stack_level = models.PositiveIntegerField("level", default=0)
    content = FastJSONField(
        help_text="Arguments of set_charging_profile as the charger has, or was to get, them."
    )
    valid_to = models.DateTimeField("valid until", null=True, blank=True)
    transaction_number = models.CharField(
        "transaction id", max_length=36, blank=True, help_text="Of the session that a TxProfile is for."
    )
    state = models.CharField(max_length=9, choices=AssignmentState.choices, default=AssignmentState.REQUESTED)
    since = models.DateTimeField(help_text="When this state began.")
    note = models.CharField(max_length=200, blank=True, help_text="Why it is in this state.")
    command = models.ForeignKey(
        Command,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The last order about it.",
    )
    dynamic = FastJSONField(
        null=True, blank=True, help_text="What a dynamic profile is to do now: limits and setpoints by name."
    )
    dynamic_at = models.DateTimeField(
        null=True, blank=True, help_text="When the charger was last told what a dynamic profile is to do."
    )

    class Meta:
        ordering = ["charge_point", "connector_number", "purpose", "-stack_level", "profile_number"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "connector_number", "profile_number"],
                name="charging_assignment_unique",
            )
        ]
        indexes = [
            models.Index(
                fields=["purpose", "id"],
                name="charging_assignment_open",
                condition=Q(state__in=["requested", "active", "unknown"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.connector_number} #{self.profile_number}"

    @property
    def plan(self) -> Plan:
        """What the charger holds, or was to get."""
        return read_plan(self.content)

    @property
    def plan_now(self) -> Plan:
        """The plan with what it was updated to since (2.1 K28)."""
        plan = self.plan
        if plan.kind != DYNAMIC or not self.dynamic or self.dynamic_at is None:
            return plan
        first = period_rows(plan.periods[:1])[0]
        return replace(plan, periods=read_periods([{**first, **self.dynamic}]))

    @property
    def name(self) -> str:
        """What people call it."""
        if self.profile is not None:
            return self.profile.name
        if self.purpose == ProfilePurpose.TX and self.profile_number >= VEHICLE_NUMBERS:
            return "Plan for the vehicle"
        is_own = self.profile_number >= SESSION_NUMBERS and self.purpose == ProfilePurpose.TX
        return "Limit of the session" if is_own else f"Profile {self.profile_number}"

    @property
    def is_open(self) -> bool:
        """The charger may hold it."""
        return self.state in OPEN_STATES

    @property
    def is_outdated(self) -> bool:
        """The profile was changed after it was sent."""
        return self.profile is not None and self.is_open and not self.profile.says(self.plan)

    @property
    def is_dynamic(self) -> bool:
        """What it says is updated while it holds."""
        return bool(self.content.get("kind") == ProfileKind.DYNAMIC)


class ReportedSchedule(TenantOwned):
    """The composite schedule that a charger last told for a connector (OCPP 1.6 §5.7)."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="reported_schedules", db_index=False
    )
    connector_number = models.PositiveIntegerField("connector")
    charging_rate_unit = models.CharField("unit", max_length=1, choices=RateUnit.choices)
    starts_at = models.DateTimeField(help_text="Charger's clock.")
    duration = models.PositiveIntegerField("duration (s)")
    periods = FastJSONField(help_text="start_period in seconds, limit as text, number_phases.")
    reported_at = models.DateTimeField(help_text="Our clock.")
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["charge_point", "connector_number"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "connector_number"], name="reported_schedule_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.connector_number}"
