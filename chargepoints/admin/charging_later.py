"""Fields of the editor of charging profiles that only chargers of OCPP 2.x know."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from unfold import widgets

from chargepoints.admin.charging_rows import kept, shown, text
from chargepoints.charging.details import Details, plain_number
from chargepoints.charging.plan import Plan

#: name → where it stands in the details
_PLAIN = ("max_offline_duration", "dyn_update_interval", "randomized_delay")
_FLAGS = ("invalid_after_offline_duration", "use_local_time")
LATER = (
    ("max_offline_duration", "invalid_after_offline_duration"),
    ("randomized_delay", "use_local_time"),
    ("soc", "soc_limit"),
    "dyn_update_interval",
)
NAMES = (*_PLAIN, *_FLAGS, "soc", "soc_limit")


def _seconds(label: str, told: str, least: int = 0) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        help_text=told,
        required=False,
        min_value=least,
        max_value=2**31 - 1,
        widget=widgets.UnfoldAdminIntegerFieldWidget,
    )


class LaterFields(forms.Form):
    """Mixin of the editor's form."""

    max_offline_duration = _seconds(
        "Rests without a connection after (s)",
        "When the charger has been offline for so long, the profile no longer counts. Empty: it always counts.",
        1,
    )
    invalid_after_offline_duration = forms.BooleanField(
        label="And does not come back",
        required=False,
        help_text="Even when the charger is connected again.",
        widget=widgets.UnfoldBooleanWidget,
    )
    randomized_delay = _seconds(
        "Changes later by up to (s)",
        "At random for each charger, so that many do not change at the same second.",
    )
    use_local_time = forms.BooleanField(
        label="Times are local times of the charger",
        required=False,
        help_text="The same hours in summer and winter.",
        widget=widgets.UnfoldBooleanWidget,
    )
    soc = forms.IntegerField(
        label="Slower from a charge of (%)",
        required=False,
        min_value=0,
        max_value=100,
        help_text="When the battery is so full, the limit beside it counts.",
        widget=widgets.UnfoldAdminIntegerFieldWidget,
    )
    soc_limit = forms.DecimalField(
        label="Limit from there on",
        required=False,
        min_value=0,
        max_digits=13,
        decimal_places=4,
        help_text="In the unit of the limits.",
        widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "min": "0"}),
    )
    dyn_update_interval = _seconds(
        "Asks for updates every (s)",
        "Only for “Updated while it holds”: the charger asks what the limit is now. Empty: it is told.",
        1,
    )

    def drop_later(self) -> None:
        """Offer none of them; what the profile has of them stays as it is."""
        for name in NAMES:
            self.fields.pop(name, None)

    def later_initial(self, plan: Plan, unit: str) -> dict[str, Any]:
        """Their values for a plan."""
        at_soc = plan.details.get("limit_at_soc") or {}
        limit = at_soc.get("limit")
        return {
            **{name: plan.details.get(name) for name in (*_PLAIN, *_FLAGS)},
            "soc": at_soc.get("soc"),
            "soc_limit": "" if limit is None else text(shown(Decimal(str(limit)), unit)),
        }

    def later_details(self, unit: str) -> Details:
        """The details of the profile: those of the fields, and those that have none."""
        before: Details = dict(self.instance.details or {})  # type: ignore[attr-defined]
        if "soc" not in self.fields:
            return before
        data = self.cleaned_data
        found = {name: value for name, value in before.items() if name not in (*NAMES, "limit_at_soc")}
        found |= {name: data[name] for name in _PLAIN if data.get(name) is not None}
        found |= {name: True for name in _FLAGS if data.get(name)}
        limit = kept(data.get("soc_limit"), unit)
        if (data.get("soc") is None) != (limit is None):
            self.add_error("soc", "Give both the charge and the limit from there on, or neither.")
        elif limit is not None:
            found["limit_at_soc"] = {"soc": data["soc"], "limit": plain_number(limit)}
        return found
