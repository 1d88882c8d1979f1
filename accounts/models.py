"""Tenants, people, tokens and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from rest_framework_api_key.models import AbstractAPIKey

from accounts.choices import (
    AuthorizationMode,
    AuthorizationStatus,
    OnboardingMode,
    PricingMode,
    Role,
    TokenStatus,
    TokenType,
)
from csms_project.common.models import TenantOwned, Timestamped

CURRENCY = RegexValidator(r"^[A-Z]{3}$", "Use a three-letter ISO 4217 code such as EUR.")


def validate_time_zone(value: str) -> None:
    """Refuse what is not an IANA time zone."""
    if value not in available_timezones():
        raise ValidationError(f"“{value}” is not a time zone; use a name such as Europe/Berlin.")


class Tenant(Timestamped):
    """A CPO organisation; every other row belongs to one."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    currency = models.CharField(max_length=3, validators=[CURRENCY], default="EUR")
    time_zone = models.CharField(max_length=64, validators=[validate_time_zone], default="UTC")
    country_code = models.CharField("OCPI country code", max_length=2, blank=True)
    party_id = models.CharField("OCPI party id", max_length=3, blank=True)
    brand_color = models.CharField(max_length=7, blank=True)
    support_contact = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False, editable=False)

    onboarding_mode = models.CharField(
        max_length=8,
        choices=OnboardingMode.choices,
        default=OnboardingMode.CLOSED,
        help_text="Only the tenant “default” onboards unknown chargers.",
    )
    auto_configure = models.BooleanField(
        default=False, help_text="Read the configuration of a charger after each boot without being asked."
    )
    heartbeat_interval_s = models.PositiveIntegerField("heartbeat interval (s)", null=True, blank=True)
    authorization_mode = models.CharField(
        max_length=10, choices=AuthorizationMode.choices, default=AuthorizationMode.TOKEN
    )
    group_block_applies = models.BooleanField("blocking a group blocks its tokens", default=True)
    max_active_sessions = models.PositiveSmallIntegerField(
        "sessions at a time per token",
        null=True,
        blank=True,
        help_text="Empty: no limit. A token's own limit overrules it.",
    )
    accepted_vendor_ids = models.TextField(
        "vendor ids answered Accepted",
        blank=True,
        default="",
        db_default="",
        max_length=5_000,
        help_text="One in each line. Vendor messages (DataTransfer) that nothing here serves are answered “unknown”; "
        "there are chargers that go on only after Accepted.",
    )
    stop_on_block = models.BooleanField("stop running sessions of a token when it is blocked", default=False)
    pricing_mode = models.CharField(max_length=6, choices=PricingMode.choices, default=PricingMode.TARIFF)
    default_tariff = models.ForeignKey(
        "transactions.Tariff",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the price of the settings TARIFF_PRICE_PER_KWH and TARIFF_CURRENCY.",
    )
    stale_after_days = models.PositiveSmallIntegerField("flag open sessions as stale after (days)", default=3)
    close_stale_after_days = models.PositiveSmallIntegerField(
        "close stale sessions after (days)",
        null=True,
        blank=True,
        help_text="Empty: never; somebody closes them by hand.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person who signs in to the admin or the API; rights come from memberships."""

    email = models.EmailField("e-mail address", blank=True)

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Membership(Timestamped):
    """A user's role in a tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="membership_unique")]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display()} of {self.tenant}"


class Driver(TenantOwned, Timestamped):
    """A customer who charges; may sign in to the driver app, never to the admin."""

    name = models.CharField(max_length=150)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=32, blank=True)
    external_id = models.CharField(
        max_length=64, blank=True, help_text="The number in your own customer system."
    )
    is_active = models.BooleanField(default=True)
    note = models.TextField(blank=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="driver"
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "tenant",
                Lower("email"),
                name="driver_email_unique",
                condition=~models.Q(email=""),
                violation_error_message="A driver with this e-mail address exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class TokenGroup(TenantOwned, Timestamped):
    """Tokens that may stop each other's sessions: parentIdTag of 1.6, groupIdToken of 2.x."""

    name = models.CharField(
        max_length=36, help_text="Sent to chargers as parentIdTag (20 characters in OCPP 1.6)."
    )
    status = models.CharField(max_length=8, choices=TokenStatus.choices, default=TokenStatus.ACCEPTED)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "tenant",
                Lower("name"),
                name="token_group_unique",
                violation_error_message="A group with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class IdToken(TenantOwned, Timestamped):
    """An RFID card or other means of identification (idTag of 1.6, idToken of 2.x)."""

    value = models.CharField(max_length=255, help_text="As printed or read; compared without regard to case.")
    value_key = models.CharField(max_length=255, editable=False)
    type = models.CharField(max_length=20, choices=TokenType.choices, default=TokenType.ISO14443)
    status = models.CharField(max_length=8, choices=TokenStatus.choices, default=TokenStatus.ACCEPTED)
    expires_at = models.DateTimeField(null=True, blank=True)
    group = models.ForeignKey(TokenGroup, models.PROTECT, null=True, blank=True, related_name="tokens")
    driver = models.ForeignKey(Driver, models.PROTECT, null=True, blank=True, related_name="tokens")
    tariff = models.ForeignKey("transactions.Tariff", models.PROTECT, null=True, blank=True, related_name="+")
    max_active_sessions = models.PositiveSmallIntegerField(
        "sessions at a time", null=True, blank=True, help_text="Empty: the tenant's limit."
    )
    balance = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Prepaid balance; empty: not prepaid.",
    )
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["value"]
        verbose_name = "RFID tag"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "value_key", "type"],
                name="id_token_unique",
                violation_error_message="A tag with this value and type exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.value

    def clean(self) -> None:
        self.value_key = self.value.casefold()

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.value_key = self.value.casefold()
        fields = kwargs.get("update_fields")
        if fields is not None and "value" in fields:
            kwargs["update_fields"] = [*fields, "value_key"]
        super().save(*args, **kwargs)

    def status_at(self, now: datetime) -> AuthorizationStatus:
        """What a charger is told about this token alone (precedence: blocked, expired)."""
        if self.status == TokenStatus.BLOCKED:
            return AuthorizationStatus.BLOCKED
        if self.expires_at is not None and self.expires_at <= now:
            return AuthorizationStatus.EXPIRED
        return AuthorizationStatus.ACCEPTED


class ApiKey(AbstractAPIKey):
    """A key for programs: belongs to a tenant and acts with a role."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.VIEWER)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return self.name
