"""Limiting a running session from its page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from unfold import widgets

from accounts.admin_base import allowed
from chargepoints.admin.charging_form import words
from chargepoints.charging.plan import AMPERE, WATT, Plan, Unreadable
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import ChargingProfile
from chargepoints.services.charging_profiles import constant
from transactions.models import Transaction
from transactions.services.limits import limit_of

_UNITS = ((AMPERE, "Ampere per phase"), ("kW", "Kilowatt in total"))
_PHASES = (("", "usual"), ("1", "1"), ("2", "2"), ("3", "3"))
_KILO = Decimal(1000)


class LimitForm(forms.Form):
    """One limit, or the times and limits of a profile."""

    limit = forms.DecimalField(
        label="Limit",
        required=False,
        min_value=0,
        max_digits=13,
        decimal_places=4,
        help_text="0 pauses the session.",
        widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "min": "0"}),
    )
    unit = forms.ChoiceField(label="Unit", choices=_UNITS, widget=widgets.UnfoldAdminSelectWidget)
    phases = forms.TypedChoiceField(
        label="Phases",
        choices=_PHASES,
        coerce=int,
        required=False,
        empty_value=None,
        widget=widgets.UnfoldAdminSelectWidget,
    )
    profile = forms.ModelChoiceField(
        label="Or a profile",
        required=False,
        queryset=ChargingProfile.objects.none(),
        help_text="Its times and limits are used for this session only.",
        widget=widgets.UnfoldAdminSelectWidget,
    )

    def __init__(self, session: Transaction, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["profile"]
        field.queryset = ChargingProfile.objects.for_tenant(session.tenant_id).order_by("name")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        limit, profile = data.get("limit"), data.get("profile")
        if self.errors:
            return data
        if (limit is None) == (profile is None):
            self.add_error("limit", "Give a limit or choose a profile, one of them.")
        elif limit is not None and self._limit() != round(self._limit(), 1):
            self.add_error("limit", "Must not be finer than 0.1 A or 0.1 W.")
        return data

    def _limit(self) -> Decimal:
        limit: Decimal = self.cleaned_data["limit"]
        return limit * _KILO if self.cleaned_data["unit"] == "kW" else limit

    def plan(self) -> Plan:
        """What the session is to keep below."""
        profile: ChargingProfile | None = self.cleaned_data["profile"]
        if profile is not None:
            return profile.plan
        unit = WATT if self.cleaned_data["unit"] == "kW" else AMPERE
        return constant(self._limit(), unit, number_phases=self.cleaned_data["phases"])


def limit_facts(obj: Transaction) -> list[tuple[str, str]]:
    """The limit that a running session has of its own, for the facts of its page."""
    row = limit_of(obj)
    if row is None:
        return []
    try:
        text = ", ".join(words(row.plan)[:4])
    except Unreadable:
        text = f"profile {row.profile_number}"
    state = "" if row.state == "active" else f" ({row.get_state_display().lower()})"
    return [("Own limit", f"{text}{state}")]


def limit_buttons(request: HttpRequest, obj: Transaction) -> list[dict[str, Any]]:
    """Buttons of a session that can be limited."""
    fits = obj.is_active and obj.ocpp_id and obj.connector_number
    if not fits or not allowed(request, SEND_DANGEROUS, obj):
        return []
    acts = [("limit", "Limit this session")]
    if limit_of(obj) is not None:
        acts.append(("unlimit", "Remove the limit"))
    return [
        {
            "label": label,
            "url": reverse(f"admin:transactions_transaction_{act}", args=[obj.pk]),
            "is_dangerous": True,
        }
        for act, label in acts
    ]
