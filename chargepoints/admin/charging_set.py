"""The form that sets a charging profile on chargers."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold import widgets

from chargepoints.charging.plan import CHARGE_POINT_MAX, TX
from chargepoints.models import ChargePoint, ChargingProfile

#: For more chargers use the API.
MAX_CHARGERS = 2000
_WAIT = (("", "Do not send"), ("3600", "Send within an hour"), ("86400", "Send within a day"))


class SetForm(forms.Form):
    """A profile, the chargers that are to get it, and where on them."""

    profile = forms.ModelChoiceField(
        label="Profile", queryset=ChargingProfile.objects.none(), widget=widgets.UnfoldAdminSelectWidget
    )
    charge_points = forms.ModelMultipleChoiceField(
        label="Charge points",
        queryset=ChargePoint.objects.none(),
        widget=widgets.UnfoldAdminSelectMultipleWidget(attrs={"size": 10}),
        help_text="One or many; many become a task. The list of charge points has filters for choosing.",
    )
    connector = forms.IntegerField(
        label="Connector",
        min_value=0,
        max_value=1000,
        initial=0,
        help_text="The number that the charger itself uses. 0: every connector, or the whole charger.",
        widget=widgets.UnfoldAdminIntegerFieldWidget,
    )
    if_offline = forms.ChoiceField(
        label="If offline", required=False, choices=_WAIT, widget=widgets.UnfoldAdminSelectWidget
    )
    confirm = forms.BooleanField(
        label="Change what these chargers may draw?",
        widget=widgets.UnfoldBooleanWidget,
        error_messages={"required": "Tick the box to go on."},
    )

    def __init__(self, tenant: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields
        profiles = ChargingProfile.objects.for_tenant(tenant).exclude(purpose=TX)
        chosen["profile"].queryset = profiles.order_by("name")
        chargers = ChargePoint.objects.for_tenant(tenant).filter(archived_at=None)
        chosen["charge_points"].queryset = chargers.order_by("identity")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        profile, chargers = data.get("profile"), data.get("charge_points")
        if profile is None or not chargers:
            return data
        if profile.purpose == CHARGE_POINT_MAX and data.get("connector"):
            self.add_error("connector", "A limit of the whole charger is set on connector 0.")
        if any(row.tenant_id != profile.tenant_id for row in chargers):
            self.add_error(
                "charge_points", "Choose chargers of the organisation that the profile belongs to."
            )
        if len(chargers) > MAX_CHARGERS:
            self.add_error("charge_points", f"Choose up to {MAX_CHARGERS} at once.")
        return data
