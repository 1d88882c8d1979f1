"""Sessions, their samples, the ledger that explains them, and tariffs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from accounts.choices import AuthorizationStatus, TokenType
from accounts.models import CURRENCY, IdToken
from chargepoints.models import ChargePoint, Command, Connector, Evse, Reservation
from csms_project.common.fields import FastJSONField, energy_field, money_field
from csms_project.common.models import TenantOwned, Timestamped
from transactions.choices import EndKind, EventKind, Flag, LedgerKind, TransactionState
from transactions.payment_models import PrepaidDebit, QrPayment, Settlement, WebPayment
from transactions.pricing_tariff import Tariff as PricingTariff
from transactions.pricing_tariff import TariffError
from transactions.tariff_models import ChargerTariff

__all__ = [
    "ChargerTariff",
    "CostDisplay",
    "LedgerEntry",
    "MeterLayout",
    "MeterValue",
    "PrepaidDebit",
    "QrPayment",
    "Settlement",
    "Tariff",
    "Transaction",
    "WebPayment",
]


class Tariff(TenantOwned, Timestamped):
    """Prices on the structure of OCPI 2.2.1 (mod_tariffs); sessions carry a snapshot."""

    name = models.CharField(max_length=100)
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    elements = FastJSONField(help_text="OCPI tariff elements: price components with restrictions.")
    min_price = FastJSONField(null=True, blank=True, help_text="OCPI Price: excl_vat, incl_vat.")
    max_price = FastJSONField(null=True, blank=True, help_text="OCPI Price: excl_vat, incl_vat.")
    description = models.CharField(max_length=300, blank=True, help_text="Shown to drivers.")
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                name="tariff_unique",
                violation_error_message="A tariff with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.currency})"

    def snapshot(self) -> dict[str, Any]:
        """The form that sessions keep and `pricing` reads."""
        return {
            "id": self.pk,
            "name": self.name,
            "currency": self.currency,
            "elements": self.elements,
            "min_price": self.min_price,
            "max_price": self.max_price,
        }

    def clean(self) -> None:
        try:
            PricingTariff.parse(self.snapshot())
        except TariffError as error:
            field = error.field.split(".")[0].split("[")[0]
            known = field if field in {"currency", "elements", "min_price", "max_price"} else "elements"
            raise ValidationError({known: str(error)}) from error


class Transaction(TenantOwned):
    """One charging session, in the charger's figures and ours."""

    # A constraint would lock the tenant's row, which all sessions share, at every start.
    tenant = models.ForeignKey(
        "accounts.Tenant", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    charge_point = models.ForeignKey(ChargePoint, models.PROTECT, related_name="transactions", db_index=False)
    evse = models.ForeignKey(
        Evse, models.PROTECT, null=True, blank=True, related_name="transactions", db_index=False
    )
    connector = models.ForeignKey(
        Connector, models.PROTECT, null=True, blank=True, related_name="transactions", db_index=False
    )
    connector_number = models.PositiveIntegerField(help_text="The number that the charger itself uses.")
    ocpp_version = models.CharField(max_length=10)
    ocpp_id = models.CharField(
        "transaction id", max_length=36, help_text="On the wire: 1.6 integer, 2.x text."
    )
    # Identifies a StartTransaction (or orphan stop) that is sent again; has an ending of its own where the
    # clock is dead.
    start_digest = models.CharField(max_length=40, blank=True, editable=False)
    state = models.CharField(max_length=6, choices=TransactionState.choices, default=TransactionState.ACTIVE)
    flags = FastJSONField(default=list, blank=True)

    id_token = models.ForeignKey(IdToken, models.PROTECT, null=True, blank=True, related_name="transactions")
    id_token_value = models.CharField(max_length=255, blank=True, help_text="As sent by the charger.")
    group_name = models.CharField(max_length=36, blank=True, editable=False)
    authorization_status = models.CharField(
        max_length=20, choices=AuthorizationStatus.choices, blank=True, help_text="As answered to the start."
    )
    reservation = models.ForeignKey(
        Reservation, models.SET_NULL, null=True, blank=True, related_name="transactions", db_index=False
    )
    reservation_number = models.BigIntegerField(null=True, blank=True, help_text="reservationId as sent.")
    remote_start = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="transactions", db_index=False
    )

    started_at = models.DateTimeField(help_text="Charger's clock.")
    start_received_at = models.DateTimeField(help_text="Our clock.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Charger's clock.")
    end_received_at = models.DateTimeField(null=True, blank=True, help_text="Our clock.")
    end_kind = models.CharField(max_length=10, choices=EndKind.choices, blank=True)
    end_note = models.CharField(max_length=300, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    stop_reason = models.CharField(max_length=32, blank=True)
    stop_id_token_value = models.CharField(max_length=255, blank=True)
    stop_digest = models.CharField(max_length=40, blank=True, editable=False)

    meter_start_wh = energy_field(null=True, blank=True)
    meter_stop_wh = energy_field(null=True, blank=True)
    meter_start_raw = models.CharField(max_length=64, blank=True, editable=False)
    meter_stop_raw = models.CharField(max_length=64, blank=True, editable=False)
    register_wh = energy_field(null=True, blank=True, help_text="Highest register seen in its samples.")
    meter_correction = FastJSONField(
        null=True, blank=True, editable=False, help_text="How its registers are corrected; empty: not at all."
    )
    last_sample_at = models.DateTimeField(null=True, blank=True, editable=False)
    energy_wh = energy_field(default=0)
    power_w = models.IntegerField("power (W)", null=True, blank=True)
    soc_percent = models.DecimalField(
        "state of charge (%)", max_digits=6, decimal_places=2, null=True, blank=True
    )

    # Of chargers that send numbered events (2.x); null: none came.
    first_seq_no = models.BigIntegerField(null=True, blank=True, editable=False)
    last_seq_no = models.BigIntegerField(null=True, blank=True, editable=False)
    event_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    charging_state = models.CharField(max_length=20, blank=True, default="", db_default="", editable=False)
    id_token_type = models.CharField(max_length=20, blank=True, default="", db_default="", editable=False)

    is_free = models.BooleanField(default=False)
    tariff = models.ForeignKey(Tariff, models.SET_NULL, null=True, blank=True, related_name="transactions")
    tariff_snapshot = FastJSONField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", editable=False)
    currency = models.CharField(max_length=3, blank=True)
    cost = money_field(null=True, blank=True, help_text="Including VAT; final once the session has ended.")
    cost_excl_vat = money_field(null=True, blank=True)
    cost_vat = money_field(null=True, blank=True)
    cost_lines = FastJSONField(default=list, blank=True)
    limits = FastJSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of cost, energy, time or charge (see session_limits).",
    )
    price_change = FastJSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="When its prices change next, and to which, in words.",
    )
    local_cost = FastJSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="What the charger calculated itself (see local_costs).",
    )

    class Meta:
        ordering = ["-started_at", "-id"]
        verbose_name = "session"
        constraints = [
            # 2.x ids are unique per charger only; ours for 1.6 are unique over all chargers. The id comes first,
            # so that it is found without its charger too.
            models.UniqueConstraint(
                fields=["ocpp_id", "charge_point"], name="transaction_ocpp_id", condition=~Q(ocpp_id="")
            ),
            models.UniqueConstraint(
                fields=["ocpp_id"],
                name="transaction_ocpp16_id",
                condition=Q(ocpp_version="ocpp1.6") & ~Q(ocpp_id=""),
            ),
            models.UniqueConstraint(
                fields=["charge_point", "start_digest"],
                name="transaction_start",
                condition=~Q(start_digest=""),
            ),
            models.CheckConstraint(condition=Q(energy_wh__gte=0), name="transaction_energy_positive"),
            models.CheckConstraint(
                condition=Q(cost__isnull=True) | Q(cost__gte=0), name="transaction_cost_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "started_at", "id"], name="transaction_tenant"),
            models.Index(fields=["charge_point", "started_at", "id"], name="transaction_charge_point"),
            models.Index(
                fields=["charge_point", "connector_number"],
                name="transaction_active",
                condition=Q(state="active"),
            ),
            models.Index("tenant", Upper("id_token_value"), name="transaction_token"),
            # What the samples of a running session change is in no index, so that its row is updated in place.
            models.Index(fields=["tenant", "ended_at", "id"], name="transaction_ended"),
            # Few sessions have these; a whole index would cost every start.
            models.Index(
                fields=["tenant", "started_at", "id"], name="transaction_flagged", condition=~Q(flags=[])
            ),
            models.Index(
                fields=["tenant", "end_kind", "started_at", "id"],
                name="transaction_end_kind",
                condition=~Q(end_kind__in=["", "charger"]),
            ),
            models.Index(fields=["closed_by"], name="transaction_closed_by", condition=~Q(closed_by=None)),
            models.Index(
                fields=["remote_start"], name="transaction_remote_start", condition=~Q(remote_start=None)
            ),
            models.Index(
                fields=["reservation"], name="transaction_reservation", condition=~Q(reservation=None)
            ),
        ]

    def __str__(self) -> str:
        return f"Session {self.pk}"

    @property
    def shown_token(self) -> str:
        """Its token where it may be read; a key code is a secret (2.0.1 C04.FR.04)."""
        return "(key code)" if self.id_token_type == TokenType.KEY_CODE else self.id_token_value

    @property
    def is_active(self) -> bool:
        """Energy may still flow."""
        return self.state == TransactionState.ACTIVE

    def add_flag(self, flag: Flag) -> bool:
        """Set a flag once; true when it is new."""
        if flag.value in self.flags:
            return False
        self.flags = sorted([*self.flags, flag.value])
        return True

    def remove_flag(self, flag: Flag) -> None:
        """Take a flag back."""
        self.flags = [value for value in self.flags if value != flag.value]


class TransactionEvent(TenantOwned):
    """One event that a charger reported of a session (TransactionEvent of 2.x), each kept once."""

    # Written by the thousand: constraints would only cost.
    tenant = models.ForeignKey(
        "accounts.Tenant", models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    transaction = models.ForeignKey(
        Transaction, models.CASCADE, related_name="events", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=7, choices=EventKind.choices)
    seq_no = models.BigIntegerField("sequence number")
    at = models.DateTimeField(help_text="Charger's clock.")
    received_at = models.DateTimeField(help_text="Our clock.")
    trigger = models.CharField(max_length=32, blank=True)
    is_offline = models.BooleanField(default=False)
    digest = models.CharField(max_length=40, editable=False)
    details = FastJSONField(default=dict, blank=True, help_text="What else it says, without samples.")

    class Meta:
        ordering = ["at", "seq_no", "id"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "digest"], name="transaction_event_unique")
        ]
        indexes = [models.Index(fields=["transaction", "at"], name="transaction_event_of")]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq_no}"


class CostDisplay(TenantOwned):
    """What a charger that can show costs was told of a session: price, running cost, final cost."""

    transaction = models.OneToOneField(Transaction, models.CASCADE, related_name="cost_display")
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="+", db_index=False)
    running_at = models.DateTimeField(
        null=True, blank=True, help_text="When a running cost was ordered last."
    )
    running_command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Nothing more is told after this.")

    class Meta:
        indexes = [models.Index(fields=["running_at"], name="cost_display_open", condition=Q(closed_at=None))]

    def __str__(self) -> str:
        return f"Cost display of session {self.transaction_id}"


class MeterLayout(models.Model):
    """What the values of a MeterValue mean: (measurand, unit, phase, context, location, format) for each, as sent."""

    digest = models.CharField(max_length=40, unique=True)
    columns = FastJSONField()

    def __str__(self) -> str:
        return f"layout {self.pk}"


class MeterValue(models.Model):
    """One MeterValue: all samples of one moment.

    Compact: the layout says what the values are, `values` holds them as received. On PostgreSQL partitioned by
    month of `received_at`; no foreign key constraints lead here or away.
    """

    tenant = models.ForeignKey(
        "accounts.Tenant", models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    connector_number = models.PositiveIntegerField(help_text="0: the charger's main meter.")
    transaction = models.ForeignKey(
        Transaction,
        models.CASCADE,
        null=True,
        related_name="meter_values",
        db_constraint=False,
        db_index=False,
    )
    sampled_at = models.DateTimeField(
        help_text="Charger's clock; arrival where it sent none that is readable."
    )
    received_at = models.DateTimeField()
    layout = models.ForeignKey(
        MeterLayout, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    values = FastJSONField(help_text="The value strings as received, in the order of the layout.")
    register_wh = energy_field(null=True)

    class Meta:
        ordering = ["sampled_at", "id"]
        indexes = [
            models.Index(
                fields=["transaction", "sampled_at", "id"],
                name="meter_transaction",
                condition=~Q(transaction=None),
            ),
            models.Index(fields=["charge_point", "sampled_at"], name="meter_charge_point"),
        ]

    def __str__(self) -> str:
        return f"{self.sampled_at:%Y-%m-%d %H:%M:%S}"


class LedgerEntry(TenantOwned):
    """Explains a figure of a session: what gave it, what was corrected and why."""

    # Written by the thousand, and sessions are never deleted: constraints would only cost.
    tenant = models.ForeignKey(
        "accounts.Tenant", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    transaction = models.ForeignKey(
        Transaction, models.CASCADE, related_name="ledger", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=14, choices=LedgerKind.choices)
    text = models.CharField(max_length=400)
    data = FastJSONField(default=dict, blank=True)
    message_id = models.CharField(
        max_length=64, blank=True, help_text="Of the charger's message that gave it."
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "ledger entries"
        indexes = [models.Index(fields=["transaction", "id"], name="ledger_transaction")]

    def __str__(self) -> str:
        return self.text
