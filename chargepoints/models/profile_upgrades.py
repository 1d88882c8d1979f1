"""Upgrades of security profiles."""

from __future__ import annotations

from django.db import models

from chargepoints.choices import OPEN_UPGRADE_STATUSES, SecurityProfile, UpgradeStatus
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped


class SecurityProfileUpgrade(TenantOwned, Timestamped):
    """A charger on its way to a higher security profile (OCPP 1.6 security whitepaper and 2.0.1, A05)."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="profile_upgrades", db_index=False
    )
    from_profile = models.PositiveSmallIntegerField(choices=SecurityProfile.choices)
    target_profile = models.PositiveSmallIntegerField(choices=SecurityProfile.choices)
    over_ocpp = models.BooleanField(
        default=True, help_text="We order the change; otherwise somebody makes it at the charger."
    )
    status = models.CharField(max_length=9, choices=UpgradeStatus.choices, default=UpgradeStatus.REQUESTED)
    command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", help_text="The latest order."
    )
    network = FastJSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="By a network profile (2.x): its slot, address and interface, and the slots in their new order.",
    )
    # A default of the database: processes of the version before do not know this column.
    next_step = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="The order that is to be given next."
    )
    requested_by_name = models.CharField(max_length=150, blank=True)
    detail = models.CharField(max_length=255, blank=True, help_text="What happened last, in words.")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "security profile upgrade"
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point"],
                condition=models.Q(status__in=sorted(OPEN_UPGRADE_STATUSES)),
                name="profile_upgrade_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(target_profile__gt=models.F("from_profile")), name="profile_upgrade_is_one"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="profile_upgrade_tenant"),
            models.Index(fields=["charge_point", "-id"], name="profile_upgrade_charge_point"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point}: security profile {self.from_profile} to {self.target_profile}"

    @property
    def is_open(self) -> bool:
        """Whether the charger may still come with either profile."""
        return self.status in OPEN_UPGRADE_STATUSES
