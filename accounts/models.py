"""Tenants, people, tokens and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower
from rest_framework_api_key.models import AbstractAPIKey

from accounts.choices import (
    AlertSeverity,
    AuthorizationMode,
    AuthorizationStatus,
    EventSeverity,
    OnboardingMode,
    PricingMode,
    Role,
    SigningPolicy,
    TokenStatus,
    TokenType,
)
from csms_project.common.models import TenantOwned, Timestamped

# Of security events that happen every day, and of those that smell of an attack (OCPP 1.6 security whitepaper §8).
_EVERYDAY = "StartupOfTheDevice, ResetOrReboot, FirmwareUpdated, SettingSystemTime"
_GRAVE = (
    "AttemptedReplayAttacks, InvalidFirmwareSignature, InvalidFirmwareSigningCertificate, "
    "InvalidCentralSystemCertificate, InvalidChargePointCertificate"
)
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
        default=False,
        help_text="After each boot of a charger read its configuration, and set what its model profile wants.",
    )
    heartbeat_interval_s = models.PositiveIntegerField("heartbeat interval (s)", null=True, blank=True)
    keep_local_lists = models.BooleanField(
        "keep local lists in step",
        default=False,
        db_default=False,
        help_text="Chargers get the tags that they should know while they are offline, and every change of them. "
        "A charger's own setting overrules this.",
    )
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
    cost_display = models.BooleanField(
        "show prices and costs on chargers",
        default=False,
        db_default=False,
        help_text="On chargers that can (California pricing): the driver's price, the running and the final cost.",
    )
    cost_interval_s = models.PositiveIntegerField(
        "running cost every (s)",
        default=60,
        db_default=60,
        validators=[MinValueValidator(10), MaxValueValidator(3600)],
    )
    local_tariffs = models.BooleanField(
        "give chargers their tariffs",
        default=False,
        db_default=False,
        help_text="Chargers of OCPP 2.1 that calculate costs themselves get their default tariff and every change of "
        "it, and a driver's own tariff with the authorization.",
    )
    accepts_direct_payment = models.BooleanField(
        "accept payment cards",
        default=False,
        db_default=False,
        help_text="A card that a charger's payment terminal has authorized may charge without being known here "
        "(token type DirectPayment).",
    )
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
    # Defaults of the database: processes of the version before do not know these columns.
    cpo_name = models.CharField(
        "name in certificates (CPO name)",
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The organisation (O) in the chargers' certificates. Empty: the name of the organisation.",
    )
    signing_policy = models.CharField(
        "certificate requests",
        max_length=9,
        choices=SigningPolicy.choices,
        default=SigningPolicy.AUTOMATIC,
        db_default=SigningPolicy.AUTOMATIC,
        help_text="Requests of chargers without a key (security profile 0) always wait for a person.",
    )
    certificate_days = models.PositiveSmallIntegerField(
        "chargers' certificates are valid for (days)",
        default=365,
        db_default=365,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
    )
    renew_certificate_days = models.PositiveSmallIntegerField(
        "renew them before their end (days)",
        null=True,
        blank=True,
        default=30,
        db_default=30,
        help_text="The charger is asked for a new request then. Empty: never; chargers may ask by themselves.",
    )
    alert_severity = models.CharField(
        "security events that are alerts",
        max_length=8,
        choices=AlertSeverity.choices,
        default=AlertSeverity.CRITICAL,
        db_default=AlertSeverity.CRITICAL,
    )
    alert_types = models.TextField(
        "types that are always alerts",
        blank=True,
        default=_GRAVE,
        db_default=_GRAVE,
        help_text="Separated by commas.",
    )
    quiet_types = models.TextField(
        "types that are never alerts",
        blank=True,
        default=_EVERYDAY,
        db_default=_EVERYDAY,
        help_text="Separated by commas.",
    )
    alert_event_severity = models.PositiveSmallIntegerField(
        "events of chargers that are alerts",
        null=True,
        blank=True,
        choices=EventSeverity.choices,
        default=EventSeverity.ERROR,
        db_default=EventSeverity.ERROR,
        help_text="Of this severity and graver. Empty: none.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def certificate_organization(self) -> str:
        """The organisation that the certificates of its chargers must name (whitepaper A00.FR.404)."""
        return (self.cpo_name or self.name).strip()


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


LANGUAGE = RegexValidator(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$", "Use a language tag such as en or de-CH.")


class TokenGroup(TenantOwned, Timestamped):
    """Tokens that may stop each other's sessions: parentIdTag of 1.6, groupIdToken of 2.x.

    Those of a master pass stop any session, and start none (2.0.1 C16).
    """

    name = models.CharField(
        max_length=36, help_text="Sent to chargers as parentIdTag (20 characters in OCPP 1.6)."
    )
    status = models.CharField(max_length=8, choices=TokenStatus.choices, default=TokenStatus.ACCEPTED)
    # Defaults of the database: processes of the version before do not know these columns.
    type = models.CharField(
        max_length=20,
        default=TokenType.CENTRAL,
        db_default=TokenType.CENTRAL,
        help_text="Sent to chargers of OCPP 2.x with the name: Central, ISO14443 …",
    )
    is_master_pass = models.BooleanField(
        "master pass",
        default=False,
        db_default=False,
        help_text="Its tags end any session at chargers of OCPP 2.x whose MasterPassGroupId is the name of this group, "
        "and start none.",
    )

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
    type = models.CharField(
        max_length=20,
        default=TokenType.ISO14443,
        help_text="Central, eMAID, ISO14443, ISO15693, KeyCode, Local, MacAddress, or any other of OCPP 2.1.",
    )
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
    # What chargers of OCPP 2.x are told besides (IdTokenInfoType); absent in OCPP 1.6.
    language1 = models.CharField(
        "language",
        max_length=8,
        blank=True,
        default="",
        db_default="",
        validators=[LANGUAGE],
        help_text="In which the charger speaks to the driver (OCPP 2.x).",
    )
    language2 = models.CharField(
        "second language",
        max_length=8,
        blank=True,
        default="",
        db_default="",
        validators=[LANGUAGE],
        help_text="Where the charger does not know the first (OCPP 2.x).",
    )
    personal_message = models.CharField(
        max_length=512,
        blank=True,
        default="",
        db_default="",
        help_text="Shown to the driver by the charger (OCPP 2.x).",
    )
    charging_priority = models.SmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-9), MaxValueValidator(9)],
        help_text="From -9 to 9, for chargers of OCPP 2.x that must share their power. Empty: 0.",
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
        return self.shown_value

    def clean(self) -> None:
        self.value_key = self.value.casefold()
        if self.language2 and self.language2 == self.language1:
            raise ValidationError({"language2": "Must be another one than the first."})
        if self.language2 and not self.language1:
            raise ValidationError({"language2": "Name the first language as well."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.value_key = self.value.casefold()
        fields = kwargs.get("update_fields")
        if fields is not None and "value" in fields:
            kwargs["update_fields"] = [*fields, "value_key"]
        super().save(*args, **kwargs)

    def status_at(self, now: datetime) -> AuthorizationStatus:
        """What a charger is told about this token alone (precedence: blocked, expired, no credit)."""
        if self.status == TokenStatus.BLOCKED:
            return AuthorizationStatus.BLOCKED
        if self.expires_at is not None and self.expires_at <= now:
            return AuthorizationStatus.EXPIRED
        if self.balance is not None and self.balance <= 0:
            return AuthorizationStatus.NO_CREDIT
        return AuthorizationStatus.ACCEPTED

    @property
    def type_label(self) -> str:
        """Its type, for people."""
        return dict(TokenType.choices).get(self.type, self.type)

    @property
    def is_secret(self) -> bool:
        """Whoever knows its value may charge with it (2.0.1 C04.FR.04)."""
        return self.type == TokenType.KEY_CODE

    @property
    def shown_value(self) -> str:
        """Its value where it may be read; of a key code no more than that it is one."""
        return f"key code #{self.pk}" if self.is_secret else self.value


class TokenChange(TenantOwned):
    """Something about the tenant's tokens has changed: written with the change, deleted by who keeps chargers in step.

    Rows are taken as they become visible, never by their position: ids commit out of order.
    """

    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"change of {self.created_at:%Y-%m-%d %H:%M}"


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
