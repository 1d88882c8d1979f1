"""Messages on displays: what is to be shown, and what chargers hold."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from chargepoints.choices import (
    DisplayFormat,
    DisplayPriority,
    DisplayState,
    ReadingState,
    ShownState,
)
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint, Location
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped

#: Numbers of messages that were not made from one of ours begin here; below it the number is our row's.
FREE_NUMBERS = 1_000_000_000


class DisplayMessage(TenantOwned, Timestamped):
    """A message that displays should show (OCPP 2.0.1 part 2, O01); its id is the number on the wire.

    It is for the chargers that fit everything that is named: a charger, a site, a vendor and model; without any of it
    for all of the organisation.
    """

    name = models.CharField(max_length=100)
    content = models.CharField("message", max_length=1024)
    format = models.CharField(max_length=6, choices=DisplayFormat.choices, default=DisplayFormat.UTF8)
    language = models.CharField(max_length=8, blank=True, help_text="As en, de or en-US. Empty: not said.")
    extra = FastJSONField(
        default=list, blank=True, help_text="The message in other languages: format, language, content."
    )
    priority = models.CharField(
        max_length=11, choices=DisplayPriority.choices, default=DisplayPriority.NORMAL
    )
    state = models.CharField(
        "while",
        max_length=11,
        choices=DisplayState.choices,
        blank=True,
        help_text="Empty: whatever the charger does.",
    )
    starts_at = models.DateTimeField("from", null=True, blank=True, help_text="Empty: at once.")
    ends_at = models.DateTimeField("until", null=True, blank=True, help_text="Empty: until it is removed.")
    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, null=True, blank=True, related_name="display_messages"
    )
    location = models.ForeignKey(
        Location, models.CASCADE, null=True, blank=True, related_name="display_messages"
    )
    vendor = models.CharField(max_length=50, blank=True, help_text="As the charger names it; * is any text.")
    model = models.CharField(max_length=50, blank=True, help_text="As the charger names it; * is any text.")
    transaction_id = models.CharField(
        max_length=36,
        blank=True,
        help_text="The session's id on the wire: shown by its charger until the session ends.",
    )
    is_active = models.BooleanField("shown", default=True)
    look_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="display_message_tenant"),
            models.Index(fields=["look_at"], name="display_message_look"),
        ]

    def __str__(self) -> str:
        return self.name

    def told(self) -> dict[str, Any]:
        """The message as the arguments of the command that shows it."""
        names = ("content", "format", "language", "priority", "state", "transaction_id")
        message = {name: getattr(self, name) for name in names if getattr(self, name)}
        for name in ("starts_at", "ends_at"):
            if (moment := getattr(self, name)) is not None:
                message[name] = moment.isoformat()
        if self.extra:
            message["extra"] = [dict(part) for part in self.extra]
        return message


class ShownMessage(TenantOwned, Timestamped):
    """A message on one charger: on the way to it, on its display, or told by it.

    sent and reported are messages in the normal form of `chargepoints.displaying`.
    """

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="shown_messages", db_index=False
    )
    message = models.ForeignKey(
        DisplayMessage, models.SET_NULL, null=True, blank=True, related_name="shown", editable=False
    )
    number = models.BigIntegerField(help_text="On the wire.")
    status = models.CharField("state", max_length=8, choices=ShownState.choices, default=ShownState.DUE)
    sent = FastJSONField(default=dict, blank=True)
    reported = FastJSONField(null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)
    told_in = models.BigIntegerField(
        null=True, editable=False, help_text="The request for which it was last told."
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    command = models.ForeignKey(Command, models.SET_NULL, null=True, related_name="+", editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["charge_point", "number"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "number"], name="shown_message_unique")
        ]
        indexes = [
            models.Index(fields=["tenant", "status"], name="shown_message_tenant"),
            models.Index(
                fields=["next_attempt_at"],
                name="shown_message_attempt",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} #{self.number}"


class DisplayReading(TenantOwned):
    """The last time that a charger told which messages it holds (2.0.1 part 2, O03, O04)."""

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="display_reading")
    request_id = models.BigIntegerField()
    is_whole = models.BooleanField(help_text="Asked for all; what is not told is not there.")
    status = models.CharField("state", max_length=10, choices=ReadingState.choices, default=ReadingState.OPEN)
    count = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    last_part_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["asked_at"], name="display_reading_open", condition=models.Q(status="open"))
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} #{self.request_id}"
