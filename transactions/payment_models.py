"""Payments: what was settled for a session, payments on the web, prepaid balances."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import IdToken
from chargepoints.models import ChargePoint, Command
from csms_project.common.fields import FastJSONField, money_field
from csms_project.common.models import TenantOwned
from transactions.choices import PaymentStatus, WebPaymentState


class Settlement(TenantOwned):
    """What became of the payment of a session: told by a charger with a payment terminal, or settled by us."""

    charge_point = models.ForeignKey(ChargePoint, models.PROTECT, related_name="settlements", db_index=False)
    transaction = models.ForeignKey(
        "transactions.Transaction", models.PROTECT, null=True, blank=True, related_name="settlements"
    )
    ocpp_id = models.CharField(
        "transaction id",
        max_length=36,
        blank=True,
        help_text="As the charger names the session; empty: none.",
    )
    psp_ref = models.CharField(
        "payment reference", max_length=255, help_text="Of the payment service provider."
    )
    status = models.CharField(max_length=10, choices=PaymentStatus.choices)
    status_info = models.CharField(max_length=500, blank=True)
    amount = money_field()
    currency = models.CharField(max_length=3)
    settled_at = models.DateTimeField(help_text="Charger's clock, or the provider's.")
    received_at = models.DateTimeField()
    by_csms = models.BooleanField("settled by us", default=False)
    receipt_id = models.CharField("receipt number", max_length=50, blank=True)
    receipt_url = models.CharField("receipt", max_length=2000, blank=True)
    receipt_token = models.CharField(max_length=43, blank=True, editable=False)
    vat_number = models.CharField("VAT number", max_length=20, blank=True)
    company = FastJSONField(default=dict, blank=True, help_text="To whom the receipt is made out.")
    digest = models.CharField(
        max_length=40, editable=False, help_text="Equal for the same settlement sent again."
    )

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "digest"], name="settlement_unique"),
            models.UniqueConstraint(
                fields=["receipt_token"], name="settlement_receipt", condition=~Q(receipt_token="")
            ),
        ]
        indexes = [models.Index(fields=["tenant", "received_at", "id"], name="settlement_tenant")]

    def __str__(self) -> str:
        return f"Settlement {self.pk}"


class WebPayment(TenantOwned):
    """A payment that began with the QR code of a charger (OCPP 2.1 C25)."""

    charge_point = models.ForeignKey(ChargePoint, models.PROTECT, related_name="web_payments", db_index=False)
    evse_number = models.PositiveIntegerField(help_text="0: whichever.")
    public_id = models.CharField(max_length=43, unique=True, editable=False)
    # Each code starts one payment: the interval that it belongs to is taken.
    interval = models.BigIntegerField(editable=False)
    state = models.CharField(max_length=10, choices=WebPaymentState.choices, default=WebPaymentState.STARTED)
    limits = FastJSONField(default=dict, blank=True)
    provider = models.CharField(max_length=40)
    psp_ref = models.CharField("payment reference", max_length=255, blank=True)
    amount = money_field(null=True, blank=True, help_text="Authorized by the provider.")
    currency = models.CharField(max_length=3)
    id_token = models.ForeignKey(IdToken, models.PROTECT, null=True, blank=True, related_name="web_payments")
    command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    transaction = models.ForeignKey(
        "transactions.Transaction", models.PROTECT, null=True, blank=True, related_name="web_payments"
    )
    settlement = models.ForeignKey(
        Settlement, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "web payment"
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "evse_number", "interval"], name="web_payment_code"
            ),
            models.UniqueConstraint(
                fields=["tenant", "psp_ref"], name="web_payment_reference", condition=~Q(psp_ref="")
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="web_payment_tenant"),
            models.Index(
                fields=["changed_at"],
                name="web_payment_open",
                condition=Q(state__in=["started", "authorized", "charging"]),
            ),
        ]

    def __str__(self) -> str:
        return f"Web payment {self.pk}"


class QrPayment(TenantOwned):
    """How a charger makes the codes of its QR code: set by us, so that we can check them (C25)."""

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="qr_payment")
    secret = models.TextField(editable=False, help_text="Encrypted.")
    # That which was sent before: it holds until the charger has taken the new one.
    earlier_secret = models.TextField(blank=True, editable=False, help_text="Encrypted.")
    validity_s = models.PositiveIntegerField("a code is good for (s)", default=30)
    length = models.PositiveSmallIntegerField("characters of a code", default=8)
    url_template = models.CharField(max_length=500)
    command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    set_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"QR code of {self.charge_point}"


class PrepaidDebit(TenantOwned):
    """What a session has taken from a prepaid balance: once, corrected when its cost is corrected."""

    transaction = models.OneToOneField(
        "transactions.Transaction", models.PROTECT, related_name="prepaid_debit"
    )
    id_token = models.ForeignKey(IdToken, models.PROTECT, related_name="debits")
    amount = money_field()
    balance_after = money_field()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"Debit of session {self.transaction_id}"
