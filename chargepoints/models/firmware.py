"""Firmware: the files, campaigns that bring one to chargers, and what became of it at each charger."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from chargepoints.choices import CampaignState, FirmwareState, SignatureState, Via
from chargepoints.models.commands import Command
from chargepoints.models.sites import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned, Timestamped


class FirmwareFile(TenantOwned, Timestamped):
    """Firmware of a manufacturer: uploaded to us, or at an address outside; signed or not (security whitepaper L01)."""

    name = models.CharField(max_length=100)
    vendor = models.CharField(
        max_length=50,
        blank=True,
        help_text="Of the chargers that it is for; * stands for anything. Empty: any.",
    )
    model = models.CharField(max_length=50, blank=True, help_text="As above.")
    version = models.CharField(
        max_length=50,
        blank=True,
        help_text="As the charger reports it after its restart. Empty: the version is not checked afterwards.",
    )
    note = models.TextField(blank=True)
    url = models.CharField(
        "URL",
        max_length=2000,
        blank=True,
        help_text="http, https, ftp, ftps or sftp; user and password are kept encrypted. Empty: uploaded here.",
    )
    secret_url = models.TextField(blank=True, editable=False, help_text="With its password, encrypted.")
    stored_as = models.CharField(max_length=32, blank=True, editable=False)
    file_name = models.CharField(max_length=100, blank=True, editable=False)
    size = models.BigIntegerField(null=True, blank=True, editable=False)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, editable=False)
    signing_certificate = models.TextField(
        blank=True,
        help_text="The manufacturer's, in PEM. With it and the signature the update is a signed one.",
    )
    signature = models.CharField(max_length=800, blank=True, help_text="Of the file, in base64.")
    signature_state = models.CharField(
        max_length=9, choices=SignatureState.choices, default=SignatureState.NONE, editable=False
    )
    signature_note = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                name="firmware_file_unique",
                violation_error_message="A firmware file with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_signed(self) -> bool:
        """Chargers get it with certificate and signature."""
        return bool(self.signing_certificate and self.signature)

    @property
    def is_ours(self) -> bool:
        """Chargers fetch it from us."""
        return bool(self.stored_as)

    @property
    def is_ready(self) -> bool:
        """There is something to fetch."""
        return bool(self.stored_as or self.url)


class FirmwareCampaign(TenantOwned, Timestamped):
    """Firmware for one charger or many: when, how many at a time, and when to stop."""

    name = models.CharField(max_length=150)
    file = models.ForeignKey(FirmwareFile, models.PROTECT, related_name="campaigns")
    state = models.CharField(max_length=9, choices=CampaignState.choices, default=CampaignState.RUNNING)
    pause_note = models.CharField(max_length=200, blank=True)
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Empty: at once.")
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="What has not begun by then is given up. Empty: it waits for ever."
    )
    window_start = models.TimeField(
        null=True,
        blank=True,
        help_text="Updates begin only between these times of the day at the charger's site.",
    )
    window_end = models.TimeField(null=True, blank=True)
    batch_size = models.PositiveIntegerField(default=10, help_text="Chargers that update at the same time.")
    stop_failure_percent = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Pause when so many percent of those that ended have failed. Empty: never.",
    )
    only_idle = models.BooleanField(default=True, help_text="Begin only where nobody charges.")
    attempts = models.PositiveSmallIntegerField(default=1, help_text="Updates that are tried at a charger.")
    download_retries = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How often the charger itself repeats a download. Empty: it decides."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by_name = models.CharField(max_length=150, blank=True)
    created_via = models.CharField(max_length=8, choices=Via.choices, default=Via.API)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="firmware_campaign_tenant"),
            models.Index(
                fields=["id"], name="firmware_campaign_running", condition=models.Q(state="running")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.state in (CampaignState.FINISHED, CampaignState.CANCELLED)

    @property
    def is_scheduled(self) -> bool:
        """It has not begun yet."""
        return bool(
            self.state == CampaignState.RUNNING and self.starts_at and self.starts_at > timezone.now()
        )


class FirmwareUpdate(TenantOwned, Timestamped):
    """One charger of a campaign, from waiting to the version that it reports after its restart."""

    campaign = models.ForeignKey(FirmwareCampaign, models.CASCADE, related_name="updates")
    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="firmware_updates", db_index=False
    )
    state = models.CharField(max_length=13, choices=FirmwareState.choices, default=FirmwareState.WAITING)
    note = models.CharField(max_length=300, blank=True)
    steps: Any = FastJSONField(default=list, blank=True, help_text="What was reported, and when.")
    attempt = models.PositiveSmallIntegerField(default=1)
    retry_at = models.DateTimeField(null=True, blank=True)
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    request_id = models.BigIntegerField(null=True, blank=True)
    version_before = models.CharField(max_length=50, blank=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="Asked of the charger.")
    progress_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    last_report_id = models.BigIntegerField(default=0, editable=False)
    failed_downloads = models.PositiveSmallIntegerField(default=0, editable=False)
    installing_at = models.DateTimeField(null=True, blank=True, editable=False)
    token_hash = models.CharField(max_length=64, blank=True, editable=False)
    link_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(
        null=True, blank=True, help_text="The charger began to fetch the file from us."
    )
    fetch_ended_at = models.DateTimeField(null=True, blank=True)
    fetched_bytes = models.BigIntegerField(default=0)
    fetches = models.PositiveIntegerField(default=0)
    fetched_from = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "charge_point"], name="firmware_update_unique"),
            models.UniqueConstraint(
                fields=["charge_point"],
                name="firmware_update_one_open",
                condition=models.Q(started_at__isnull=False, ended_at=None),
            ),
            models.UniqueConstraint(
                fields=["token_hash"], name="firmware_update_token", condition=~models.Q(token_hash="")
            ),
        ]
        indexes = [
            models.Index(fields=["charge_point", "-id"], name="firmware_update_charge_point"),
            models.Index(fields=["campaign", "state"], name="firmware_update_campaign"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point}: {self.campaign}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def is_open(self) -> bool:
        """The charger was asked, and has not ended it."""
        return self.started_at is not None and self.ended_at is None
