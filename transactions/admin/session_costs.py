"""Limits, the charger's own calculation and payments on a session's page."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from unfold import widgets

from accounts.admin_base import allowed
from chargepoints.command_fields import SEND_DANGEROUS
from transactions import session_limits as kinds
from transactions.admin.payments import receipt_html, status_chip
from transactions.admin.shared import local, money
from transactions.cost_features import TARIFFS, has_feature, supported_limits
from transactions.models import Settlement, Tariff, Transaction
from transactions.services.session_limits import PERMISSION, in_words

MAX_PERIODS = 50
_PARTS = {
    "fixed": "Session fee",
    "energy": "Energy",
    "chargingTime": "Charging time",
    "idleTime": "Parking time",
    "reservationTime": "Reservation time",
    "reservationFixed": "Reservation fee",
}
_USAGE = {
    "energy": "Energy",
    "chargingTime": "Charging time (s)",
    "idleTime": "Parking time (s)",
    "reservationTime": "Reservation time (s)",
}


def session_limit_facts(obj: Transaction) -> list[tuple[str, str]]:
    """What limits the session, and how far the charger knows of it."""
    limits = obj.limits or {}
    facts = []
    for name, title in (("wanted", "Limits"), ("reported", "Limits by the charger")):
        if limits.get(name):
            facts.append((title, ", ".join(in_words(limits[name], obj.currency))))
    by_us = {kind: limits.get("wanted", {}).get(kind) for kind in limits.get("unknown", ())}
    if said := in_words({kind: text for kind, text in by_us.items() if text is not None}, obj.currency):
        facts.append(("Unknown to the charger, kept by us", ", ".join(said)))
    if obj.is_active and kinds.is_pending(limits):
        facts.append(("To be told", "with the answer to the charger's next message"))
    if limits.get("prepaid"):
        facts.append(("Paid from", "the tag's prepaid balance"))
    return facts


def local_cost_of(obj: Transaction) -> dict[str, Any] | None:
    """The charger's own calculation, ready to be shown."""
    kept = obj.local_cost or {}
    details = kept.get("details")
    if not kept:
        return None
    details = details or {}
    currency = str(details.get("currency") or obj.currency)
    return {
        "tariff_id": kept.get("tariff_id", ""),
        "changes": kept.get("changes", ()),
        "problem": details.get("reason") or ("no reason given" if details.get("failed") else ""),
        "lines": [
            (
                _PARTS.get(part["name"], part["name"]),
                _money(part.get("excl"), currency),
                _money(part.get("incl"), currency),
            )
            for part in details.get("parts", ())
        ],
        "total": (_money(details.get("total_excl"), currency), _money(details.get("total_incl"), currency)),
        "has_total": "total_incl" in details or "total_excl" in details,
        "kind": {"MinCost": "raised to the minimum", "MaxCost": "held at the maximum"}.get(
            details.get("kind", ""), ""
        ),
        "usage": [
            (_USAGE[name], value)
            for name, value in details.get("usage", {}).items()
            if name in _USAGE and value
        ],
        "periods": [
            (
                period.get("start", ""),
                period.get("tariff_id", ""),
                ", ".join(f"{kind} {value}" for kind, value in period.get("used", {}).items()),
            )
            for period in details.get("periods", ())[:MAX_PERIODS]
        ],
    }


def _money(text: object, currency: str) -> str:
    try:
        return money(Decimal(str(text)), currency) if text is not None else "–"
    except InvalidOperation:
        return str(text)


def settlements_of(request: HttpRequest, obj: Transaction) -> list[dict[str, Any]]:
    """The payments of the session, for those who may see them."""
    if not allowed(request, "settlements.view", obj):
        return []
    rows = Settlement.objects.filter(transaction=obj).order_by("received_at", "id")[:20]
    return [
        {
            "at": local(row.settled_at),
            "reference": row.psp_ref,
            "url": reverse("admin:transactions_settlement_change", args=[row.pk]),
            "status": status_chip(row),
            "amount": money(row.amount, row.currency),
            "receipt": receipt_html(row),
        }
        for row in rows
    ]


def cost_buttons(request: HttpRequest, obj: Transaction) -> list[dict[str, Any]]:
    """Buttons of a running session whose charger knows limits, or calculates costs itself."""
    if not obj.is_active or not obj.ocpp_id:
        return []
    offered = [
        ("cap", "Limit cost or energy", PERMISSION, bool(supported_limits(obj.charge_point))),
        ("retariff", "Change the tariff", SEND_DANGEROUS, has_feature(obj.charge_point, TARIFFS)),
    ]
    return [
        {
            "label": label,
            "url": reverse(f"admin:transactions_transaction_{act}", args=[obj.pk]),
            "is_dangerous": True,
        }
        for act, label, permission, fits in offered
        if fits and allowed(request, permission, obj)
    ]


class CapForm(forms.Form):
    """The limits that the charger of the session knows."""

    _FIELDS = (
        (kinds.MAX_COST, "Cost", "Including tax, in {currency}."),
        (kinds.MAX_ENERGY, "Energy (kWh)", ""),
        (kinds.MAX_TIME, "Minutes since the start", ""),
        (kinds.MAX_SOC, "State of charge (%)", ""),
    )
    _FACTORS = {kinds.MAX_ENERGY: 1000, kinds.MAX_TIME: 60}

    def __init__(self, session: Transaction, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = supported_limits(session.charge_point)
        wanted = (session.limits or {}).get("wanted", {})
        for kind, label, text in self._FIELDS:
            if kind not in known:
                continue
            initial = Decimal(wanted[kind]) / self._FACTORS.get(kind, 1) if kind in wanted else None
            self.fields[kind] = forms.DecimalField(
                label=label,
                required=False,
                min_value=Decimal("0.01"),
                max_digits=12,
                decimal_places=3,
                initial=initial,
                help_text=text.format(currency=session.currency),
                widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "min": "0"}),
            )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not any(value is not None for value in data.values()):
            self.add_error(None, "Give a limit.")
        return data

    def limits(self) -> dict[str, Decimal]:
        """Kind → number in the units of the service."""
        return {
            kind: value * self._FACTORS.get(kind, 1)
            for kind, value in self.cleaned_data.items()
            if value is not None
        }


class RetariffForm(forms.Form):
    """Another tariff of the session's currency."""

    tariff = forms.ModelChoiceField(
        label="Tariff", queryset=Tariff.objects.none(), widget=widgets.UnfoldAdminSelectWidget
    )

    def __init__(self, session: Transaction, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Tariff.objects.for_tenant(session.tenant_id).filter(is_active=True)
        field: Any = self.fields["tariff"]
        field.queryset = (rows.filter(currency=session.currency) if session.currency else rows).order_by(
            "name"
        )
