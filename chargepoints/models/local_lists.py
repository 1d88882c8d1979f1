"""The list of tags that a charger knows by itself: what it should hold and what it holds (OCPP 1.6 §3.5)."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models import IdToken, TokenGroup
from chargepoints.choices import LocalListState
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped


class LocalListContent(TenantOwned):
    """What a list says, kept once for all chargers that hold the same."""

    digest = models.CharField(max_length=64)
    count = models.PositiveIntegerField()
    entries = FastJSONField(help_text="[[value, status, expires_at, parent], …] in the order of the values.")
    used_at = models.DateTimeField(help_text="When a charger was last found to hold it, to the hour.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "digest"], name="local_list_content_unique")]

    def __str__(self) -> str:
        return f"{self.count} tags"


class LocalList(TenantOwned, Timestamped):
    """The list of one charger as a wish and as far as we know it.

    What is to be done stands in two times: `look_at` (read the answers, compare) and `next_attempt_at` (send).
    """

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="local_list")

    # The wish.
    is_kept = models.BooleanField(
        "kept in step", null=True, blank=True, help_text="Unknown: as the organisation says."
    )
    all_tokens = models.BooleanField("all tags", default=True)
    token_groups = models.ManyToManyField(TokenGroup, blank=True, related_name="+")
    tokens = models.ManyToManyField(IdToken, blank=True, related_name="+")
    without = models.ManyToManyField(
        IdToken,
        blank=True,
        related_name="+",
        verbose_name="tags left out",
        help_text="Also those whose data this charger was told to delete.",
    )
    with_refused = models.BooleanField(
        "list refused tags as well",
        default=True,
        help_text="Blocked and expired tags are listed as such: a charger that accepts unknown tags refuses them.",
    )
    wanted_digest = models.CharField(max_length=64, blank=True, editable=False)
    wanted_count = models.PositiveIntegerField("tags wanted", default=0, editable=False)
    left_out_count = models.PositiveIntegerField(
        default=0, editable=False, help_text="Tags that are too long for the version that the charger speaks."
    )

    # What the charger holds.
    state = models.CharField(
        max_length=13, choices=LocalListState.choices, default=LocalListState.UNKNOWN, editable=False
    )
    version = models.IntegerField(
        null=True, editable=False, help_text="As told or accepted last; 0: the list is empty."
    )
    last_version = models.PositiveIntegerField(default=0, editable=False, help_text="The highest ever used.")
    holds = models.ForeignKey(
        LocalListContent,
        models.PROTECT,
        null=True,
        related_name="lists",
        editable=False,
        help_text="Empty: not known.",
    )
    device = models.CharField(max_length=220, blank=True, editable=False)

    checked_boot_at = models.DateTimeField(
        null=True, editable=False, help_text="The last boot before the charger told what it holds."
    )

    # The way from the one to the other.
    must_check = models.BooleanField(
        default=True, editable=False, help_text="Its version is asked for first."
    )
    must_replace = models.BooleanField(
        default=False, editable=False, help_text="The next list is a full one."
    )
    is_asked = models.BooleanField(
        default=False, editable=False, help_text="Brought into step once, by hand."
    )
    asked_limits = models.BooleanField(default=False, editable=False)
    command = models.ForeignKey(
        Command,
        models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        help_text="Ours, under way.",
    )
    doubt = models.ForeignKey(
        Command,
        models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        help_text="A list of which we do not know whether it was taken.",
    )
    read_up_to = models.BigIntegerField(default=0, editable=False, help_text="The last command read.")
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    last_attempt_at = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    look_at = models.DateTimeField(default=timezone.now, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["charge_point"]
        indexes = [
            models.Index(fields=["tenant", "state"], name="local_list_tenant"),
            models.Index(fields=["look_at"], name="local_list_look"),
            models.Index(
                fields=["next_attempt_at"],
                name="local_list_attempt",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Local list of {self.charge_point}"

    @property
    def has_booted(self) -> bool:
        """Whether the charger has booted since it told what it holds: some forget their list with that."""
        last = self.charge_point.last_boot_at
        return last is not None and last != self.checked_boot_at

    @property
    def is_active(self) -> bool:
        """Whether it follows the tags by itself."""
        return self.tenant.keep_local_lists if self.is_kept is None else self.is_kept
