"""The tab “Tariffs” of a charge point's page: the tariffs that it holds itself, and its QR code for payments."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from unfold import widgets

from accounts.admin_base import actor_of, allowed, require
from chargepoints.admin import tabs
from chargepoints.admin.buttons import buttons
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import ChargePoint
from csms_project.common.admin import chip
from transactions import totp
from transactions.admin.shared import local
from transactions.admin.tariffs import words
from transactions.cost_features import TARIFFS, has_feature, supported_limits
from transactions.models import ChargerTariff, QrPayment, Tariff
from transactions.pricing_tariff import TariffError
from transactions.services import charger_tariffs, qr_payments

_STEPS = ("send", "qr", "off")
MAX_ROWS = 200


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    now = timezone.now()
    rows = list(ChargerTariff.objects.filter(charge_point=obj)[:MAX_ROWS])
    try:
        wanted, problem = charger_tariffs.wanted_of(obj), ""
    except TariffError as error:
        wanted, problem = None, error.message
    holding = charger_tariffs.in_force(rows, now)
    may_set = allowed(request, SEND_DANGEROUS, obj) and obj.archived_at is None
    return {
        "charger_tariffs": [_row(row, wanted, holding) for row in rows],
        "wanted": wanted,
        "wanted_words": words(wanted.content["elements"]) if wanted is not None else [],
        "wanted_problem": problem,
        "differing": charger_tariffs.differs(obj, wanted, now),
        "calculates": has_feature(obj, TARIFFS),
        "limits": ", ".join(supported_limits(obj)) or "none that it has told",
        "is_kept": obj.tenant.local_tariffs,
        "qr": QrPayment.objects.filter(charge_point=obj).select_related("command").first(),
        "urls": {name: reverse("admin:transactions_tariff_step", args=[obj.pk, name]) for name in _STEPS}
        if may_set
        else {},
        "buttons": buttons(request, obj, names=("get_tariffs", "clear_tariffs")),
    }


def _row(
    row: ChargerTariff, wanted: charger_tariffs.Wanted | None, holding: dict[int, ChargerTariff]
) -> dict[str, Any]:
    return {
        "evse": row.evse_number or "any",
        "tariff_id": row.tariff_id,
        "kind": "Driver" if row.kind == charger_tariffs.DRIVER else "Default",
        "chip": _state(row, wanted, holding),
        "words": words(row.content["elements"]) if row.content else [],
        "valid_from": local(row.valid_from) if row.valid_from else "",
        "tokens": ", ".join(str(token) for token in row.id_tokens[:5]),
        "known": local(row.read_at or row.set_at),
    }


def _state(
    row: ChargerTariff, wanted: charger_tariffs.Wanted | None, holding: dict[int, ChargerTariff]
) -> str:
    if row.kind == charger_tariffs.DRIVER:
        return chip("In use", "info")
    if holding.get(row.evse_number) is not row:
        return chip("Later", "neutral")
    if wanted is not None and row.tariff_id == wanted.tariff_id:
        return chip("As it should be", "ok")
    return chip(
        "Differs", "warn", title="Sessions without a driver's tariff are priced otherwise on the charger."
    )


tabs.register(
    tabs.Tab(
        name="tariffs",
        title="Tariffs",
        permission="tariffs.view",
        template="admin/transactions/charge_point_tariffs.html",
        context=_context,
        order=40,
    )
)


class SendForm(forms.Form):
    """Which tariff, where and from when."""

    tariff = forms.ModelChoiceField(
        label="Tariff",
        required=False,
        queryset=Tariff.objects.none(),
        empty_label="The one that it should have",
        widget=widgets.UnfoldAdminSelectWidget,
    )
    connector = forms.IntegerField(
        label="EVSE",
        initial=0,
        min_value=0,
        help_text="0: every one.",
        widget=widgets.UnfoldAdminTextInputWidget,
    )
    valid_from = forms.DateTimeField(
        label="Valid from",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help_text="Empty: at once.",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )

    def __init__(self, obj: ChargePoint, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["tariff"]
        field.queryset = Tariff.objects.for_tenant(obj.tenant_id).filter(is_active=True).order_by("name")


class QrForm(forms.Form):
    """How long codes are, and how long they are good."""

    validity_s = forms.IntegerField(
        label="A code is good for (s)",
        initial=30,
        min_value=totp.MIN_VALIDITY_S,
        max_value=totp.MAX_VALIDITY_S,
        widget=widgets.UnfoldAdminTextInputWidget,
    )
    length = forms.IntegerField(
        label="Characters of a code",
        initial=8,
        min_value=totp.MIN_LENGTH,
        max_value=totp.MAX_LENGTH,
        widget=widgets.UnfoldAdminTextInputWidget,
    )


def step_view(model_admin: Any, request: HttpRequest, pk: int, step: str) -> HttpResponse:
    """Send a tariff, or set up the QR code, after a look at what it means."""
    rows = ChargePoint.objects.for_tenant(actor_of(request).tenant)
    obj: ChargePoint = get_object_or_404(
        rows.select_related("tenant__default_tariff", "tariff", "location__tariff"), pk=pk
    )
    require(request, SEND_DANGEROUS, obj)
    if step not in _STEPS:
        raise Http404
    back = f"{reverse('admin:chargepoints_chargepoint_change', args=[obj.pk])}?tab=tariffs"
    data = request.POST if request.method == "POST" else None
    form: forms.Form | None = (
        SendForm(obj, data) if step == "send" else QrForm(data) if step == "qr" else None
    )
    if request.method == "POST" and (form is None or form.is_valid()):
        values = form.cleaned_data if form is not None else {}
        acts = {
            "send": (
                lambda: charger_tariffs.send_default(actor=actor_of(request), charge_point=obj, **values),
                "The tariff is on its way; the list shows it once the charger has taken it.",
            ),
            "qr": (
                lambda: qr_payments.set_up(actor=actor_of(request), charge_point=obj, **values),
                "The charger is given its secret and the address for its QR code.",
            ),
            "off": (
                lambda: qr_payments.switch_off(actor=actor_of(request), charge_point=obj),
                "Codes of this charger are no longer taken.",
            ),
        }
        act, done = acts[step]
        model_admin.attempt(request, act, done)
        return HttpResponseRedirect(back)
    title, lead, submit = _WORDS[step]
    context = {
        "title": title.format(obj),
        "lead": lead,
        "submit": submit,
        "form": form,
        "is_dangerous": True,
        "back_url": back,
    }
    page: HttpResponse = model_admin.page(request, "admin/form_page.html", context)
    return page


_WORDS = {
    "send": (
        "Send a tariff to {}",
        "The charger prices new sessions of drivers without their own tariff by it. Running sessions keep theirs.",
        "Send the tariff",
    ),
    "qr": (
        "Payments by QR code at {}",
        "The charger gets a new secret and the address that its QR code names. Codes of the secret before stay good "
        "until the next time.",
        "Set it up",
    ),
    "off": (
        "No payments by QR code at {}",
        "Codes of this charger are refused from now on. The charger may go on showing them: switch off "
        "WebPaymentsCtrlr/Enabled there.",
        "Switch off",
    ),
}
