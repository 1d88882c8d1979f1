"""Tariffs: the list, the editor and a worked example."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin import display
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold import widgets

from accounts.admin_base import TenantModelAdmin, actor_of, register, require, take_over
from csms_project.common.admin import chip
from transactions import pricing
from transactions.admin.shared import ERRORS, money
from transactions.admin.tariff_form import DIMENSIONS, TariffForm
from transactions.energy import Reading
from transactions.models import Tariff
from transactions.services import price_lists

_DIMENSION_WORDS = {dimension.value: (title, per) for dimension, _, title, per, _ in DIMENSIONS}


class ExampleForm(forms.Form):
    """A session to try the tariff on."""

    ex_kwh = forms.DecimalField(
        label="kWh", initial=20, min_value=0, max_value=1000, widget=widgets.UnfoldAdminDecimalFieldWidget
    )
    ex_hours = forms.DecimalField(
        label="Hours charging",
        initial=2,
        min_value=0,
        max_value=72,
        widget=widgets.UnfoldAdminDecimalFieldWidget,
    )
    ex_parked = forms.DecimalField(
        label="Hours parked after",
        initial=1,
        min_value=0,
        max_value=72,
        widget=widgets.UnfoldAdminDecimalFieldWidget,
    )
    ex_start = forms.DateTimeField(
        label="Start",
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )

    @staticmethod
    def first_values() -> dict[str, Any]:
        """Ten in the morning of the day that is shown."""
        start = timezone.localtime().replace(hour=10, minute=0, second=0, microsecond=0)
        return {"ex_kwh": 20, "ex_hours": 2, "ex_parked": 1, "ex_start": start.strftime("%Y-%m-%dT%H:%M")}


@register(Tariff)
class TariffAdmin(TenantModelAdmin):
    permission_area = "tariffs"
    domain_errors = ERRORS
    form = TariffForm
    change_form_template = "admin/transactions/tariff/editor.html"
    list_display = ("name", "currency", "in_words", "active")
    list_filter = ("is_active", "currency")
    search_fields = ("name", "description")
    exclude = None
    fieldsets = (
        (None, {"fields": ("name", "currency", "description", "is_active")}),
        (
            "Bounds of a session's cost",
            {"fields": (("min_excl_vat", "min_incl_vat"), ("max_excl_vat", "max_incl_vat"))},
        ),
    )
    _view_fieldsets = (
        (None, {"fields": ("name", "currency", "description", "is_active", "min_price", "max_price")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        # The fields of the editor belong to its form, which a reader does not get.
        if obj is not None and not self.has_change_permission(request, obj):
            return self._view_fieldsets
        return self.fieldsets

    @display(description="Prices")
    def in_words(self, obj: Tariff) -> str:
        return format_html_join("; ", "{}", ((text,) for text in words(obj.elements)[:3]))

    @display(description="State", ordering="is_active")
    def active(self, obj: Tariff) -> str:
        return chip("In use", "ok") if obj.is_active else chip("Not in use", "neutral")

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            price_lists.update_tariff(actor=actor, tariff=Tariff.objects.get(pk=obj.pk), **form.values())
        else:
            take_over(obj, price_lists.create_tariff(actor=actor, tenant=obj.tenant, **form.values()))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        price_lists.delete_tariff(actor=actor_of(request), tariff=obj)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("example/", wrap(self.example_view), name="transactions_tariff_example"),
            path("of/<int:pk>/<slug:step>/", wrap(self.step_view), name="transactions_tariff_step"),
            *super().get_urls(),
        ]

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """What is done about the tariffs of one charger, from its page."""
        from transactions.admin.tariff_tab import step_view

        return step_view(self, request, pk, step)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        form, obj = context["adminform"].form, context.get("original")
        first = ExampleForm.first_values()
        editor = getattr(form, "element_forms", None)
        may_edit = self.has_change_permission(request, obj) if obj is not None else True
        snapshot = obj.snapshot() if obj is not None else None
        context |= {
            "element_forms": editor if may_edit else None,
            "element_words": words(obj.elements) if obj is not None else [],
            "example_form": ExampleForm(initial=first),
            "example": example(snapshot, ExampleForm(first)) if snapshot else None,
            "example_url": reverse("admin:transactions_tariff_example"),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def example_view(self, request: HttpRequest) -> HttpResponse:
        """What a session would cost under the prices in the form, saved or not."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        require(request, "tariffs.change")
        form_class = self.get_form(request, None)
        form = form_class(request.POST)
        form.is_valid()
        shown = example(_snapshot(form), ExampleForm(request.POST))
        return render(request, "admin/transactions/tariff/example.html", {"example": shown})


def example(snapshot: dict[str, Any] | None, form: ExampleForm) -> dict[str, Any]:
    """The bill of the example session, or why there is none."""
    if not form.is_valid():
        return {"problem": "Give the example's energy, hours and start."}
    if snapshot is None:
        return {"problem": "Correct the prices to see what they come to."}
    values = form.cleaned_data
    try:
        tariff = pricing.Tariff.parse(snapshot)
        priced = pricing.price(tariff, _usage(values))
    except pricing.TariffError as error:
        return {"problem": error.message}
    return {
        "total": money(priced.total, priced.currency),
        "vat": money(priced.total_vat, priced.currency),
        "lines": [
            {
                "text": line.description,
                "quantity": f"{line.quantity.normalize():f} {line.unit}",
                "unit_price": _price(line.unit_price),
                "amount": money(line.amount, priced.currency),
            }
            for line in priced.lines
        ],
    }


def words(elements: list[dict[str, Any]]) -> list[str]:
    """Each element in a sentence."""
    sentences = []
    for element in elements or []:
        prices = []
        for component in element.get("price_components", ()):
            title, per = _DIMENSION_WORDS.get(component.get("type"), (str(component.get("type")), ""))
            vat = component.get("vat")
            prices.append(f"{title} {component.get('price')} {per}" + (f" + {vat} % VAT" if vat else ""))
        limits = [_limit(name, value) for name, value in (element.get("restrictions") or {}).items()]
        sentences.append(", ".join(prices) + (f" ({', '.join(limits)})" if limits else ""))
    return sentences


def _price(amount: Decimal) -> str:
    """At least two decimals, and all that there are."""
    text = f"{amount.normalize():f}"
    return text if len(text.partition(".")[2]) > 2 else f"{amount:.2f}"


def _limit(name: str, value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(day)[:3].title() for day in value)
    if name.endswith("_duration"):
        return f"{name.removesuffix('_duration')} {Decimal(str(value)) / 60:g} min"
    return f"{name.replace('_', ' ')} {value}"


def _snapshot(form: Any) -> dict[str, Any] | None:
    """The tariff of a form, if its prices are right; other fields, such as the name, may still be empty."""
    if not form.element_forms.is_valid() or any(row.errors for row in form.element_forms.forms):
        return None
    if {"currency", "min_excl_vat", "min_incl_vat", "max_excl_vat", "max_incl_vat"} & set(form.errors):
        return None
    if not form.instance.elements:
        return None
    return {**form.instance.snapshot(), "currency": form.cleaned_data.get("currency")}


def _usage(values: dict[str, Any]) -> pricing.Usage:
    start: datetime = values["ex_start"]
    charged = start + timedelta(hours=float(values["ex_hours"]))
    end = charged + timedelta(hours=float(values["ex_parked"]))
    energy_wh = values["ex_kwh"] * 1000
    readings = [Reading(start, Decimal(0)), Reading(charged, energy_wh), Reading(end, energy_wh)]
    return pricing.Usage(
        started_at=start,
        ended_at=end,
        time_zone=timezone.get_current_timezone_name(),
        meter_start_wh=Decimal(0),
        energy_wh=energy_wh,
        readings=readings,
    )
