"""The tariff editor: OCPI elements as rows of a form, read from and written to JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseFormSet, formset_factory
from unfold import widgets

from accounts.admin_base import OwnRowsForm
from transactions.pricing import Tariff as PricingTariff
from transactions.pricing import TariffError
from transactions.pricing_tariff import DAYS, MAX_PLACES, Dimension

#: Prefix of a dimension's fields, what it is called, what a price is for, and the unit of its steps.
DIMENSIONS = (
    (Dimension.ENERGY, "energy", "Energy", "per kWh", "Wh"),
    (Dimension.TIME, "time", "Charging time", "per hour", "s"),
    (Dimension.PARKING_TIME, "parking", "Parking (not charging)", "per hour", "s"),
    (Dimension.FLAT, "flat", "Start fee", "per session", ""),
)
_DAY_CHOICES = [(day, day[:3].title()) for day in DAYS]
#: Restrictions without a field of their own; what an element has of them is kept.
_KEPT = ("min_current", "max_current", "min_power", "max_power", "reservation")
_PLAIN = ("start_time", "end_time", "start_date", "end_date", "min_kwh", "max_kwh")
_DURATIONS = ("min_duration", "max_duration")
_PATH = re.compile(r"^elements\.(\d+)\.?(.*)$")
_WORDS = {
    "start_time": "from time",
    "end_time": "to time",
    "start_date": "from date",
    "end_date": "to date",
    "min_kwh": "from kWh",
    "max_kwh": "to kWh",
    "min_duration": "from minutes",
    "max_duration": "to minutes",
    "day_of_week": "weekdays",
}


def _number(label: str, *, whole: bool = False, **kwargs: Any) -> forms.Field:
    options = {"label": label, "required": False, "min_value": 0, **kwargs}
    if whole:
        return forms.IntegerField(widget=widgets.UnfoldAdminIntegerFieldWidget, **options)
    return forms.DecimalField(
        max_digits=15,
        decimal_places=MAX_PLACES,
        widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        **options,
    )


class ElementForm(forms.Form):
    """One element: up to four prices, and when they apply."""

    start_time = forms.TimeField(
        label="From time",
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "time"}),
    )
    end_time = forms.TimeField(
        label="To time",
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "time"}),
    )
    day_of_week = forms.MultipleChoiceField(
        label="Weekdays",
        required=False,
        choices=_DAY_CHOICES,
        widget=forms.CheckboxSelectMultiple,
    )
    min_kwh = _number("From kWh")
    max_kwh = _number("To kWh")
    min_duration = _number("From minutes")
    max_duration = _number("To minutes")
    start_date = forms.DateField(
        label="From date",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    end_date = forms.DateField(
        label="To date",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    kept = forms.JSONField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for dimension, name, title, per, step in DIMENSIONS:
            self.fields[f"{name}_price"] = _number(f"{title}: price {per}")
            self.fields[f"{name}_vat"] = _number(f"{title}: VAT %", max_value=100)
            if dimension is not Dimension.FLAT:
                self.fields[f"{name}_step"] = _number(f"{title}: step ({step})", whole=True, min_value=1)

    def prices(self) -> list[dict[str, Any]]:
        """Bound fields by dimension, for the template."""
        return [
            {
                "title": title,
                "per": per,
                "unit": unit,
                "price": self[f"{name}_price"],
                "vat": self[f"{name}_vat"],
                "step": self[f"{name}_step"] if f"{name}_step" in self.fields else None,
            }
            for _, name, title, per, unit in DIMENSIONS
        ]

    def restrictions(self) -> list[Any]:
        """Bound fields of the restrictions, in pairs."""
        return [self[name] for name in (*_PLAIN[:2], *_PLAIN[4:], *_DURATIONS, *_PLAIN[2:4])]

    def is_restricted(self) -> bool:
        """Whether the row applies only at times."""
        return any(self[name].value() for name in (*_PLAIN, *_DURATIONS, "day_of_week")) or bool(
            self.kept_text()
        )

    def kept_text(self) -> str:
        """What the element has beyond these fields."""
        kept = self.initial.get("kept") or {}
        return ", ".join(f"{name} {value}" for name, value in kept.items()) if isinstance(kept, dict) else ""

    def clean_kept(self) -> dict[str, Any]:
        kept = self.cleaned_data["kept"] or {}
        if not isinstance(kept, dict) or not set(kept) <= set(_KEPT):
            raise ValidationError("These restrictions are not known.")
        return kept

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        if data.get("DELETE"):
            return data
        for _, name, title, _, _ in DIMENSIONS:
            extras = [data.get(f"{name}_vat"), data.get(f"{name}_step")]
            if data.get(f"{name}_price") is None and any(value is not None for value in extras):
                self.add_error(f"{name}_price", f"{title} has VAT or a step, but no price.")
        has_price = any(data.get(f"{name}_price") is not None for _, name, *_ in DIMENSIONS)
        if not has_price and not self.errors and self.has_changed():
            self.add_error(None, "Give at least one price, or remove the row.")
        for name in _DURATIONS:
            minutes = data.get(name)
            if minutes is not None and minutes * 60 != int(minutes * 60):
                self.add_error(name, "Is finer than a second.")
        return data

    def element(self) -> dict[str, Any]:
        """The OCPI element; numbers as text, so that no digit is lost."""
        data = self.cleaned_data
        element: dict[str, Any] = {
            "price_components": [
                {
                    "type": dimension.value,
                    "price": _text(data[f"{name}_price"]),
                    "vat": _text(data.get(f"{name}_vat")),
                    "step_size": data.get(f"{name}_step"),
                }
                for dimension, name, *_ in DIMENSIONS
                if data.get(f"{name}_price") is not None
            ]
        }
        found: dict[str, Any] = {**data["kept"]}
        for name in _PLAIN:
            value = data.get(name)
            if value is not None:
                found[name] = _restriction(name, value)
        for name in _DURATIONS:
            if data.get(name) is not None:
                found[name] = int(data[name] * 60)
        if data["day_of_week"]:
            found["day_of_week"] = [day for day in DAYS if day in data["day_of_week"]]
        return {**element, "restrictions": found} if found else element

    def add_problem(self, path: str, message: str) -> None:
        """Show what the pricing found wrong, where it stands."""
        part, _, rest = path.partition(".")
        if part == "restrictions" and rest in self.fields:
            self.add_error(rest, message)
        else:
            words = _WORDS.get(rest, rest.replace("_", " "))
            self.add_error(None, f"{words}: {message}" if words else message)


class _Elements(BaseFormSet):  # type: ignore[type-arg]
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["ORDER"].widget = widgets.UnfoldAdminIntegerFieldWidget(attrs={"min": 1})
        form.fields["ORDER"].label = "Order"
        form.fields["DELETE"].widget = widgets.UnfoldBooleanWidget()
        form.fields["DELETE"].label = "Remove this row"


ElementFormSet = formset_factory(
    ElementForm, formset=_Elements, extra=0, can_delete=True, can_order=True, max_num=50, validate_max=True
)


class TariffForm(OwnRowsForm):
    """The tariff with its elements; `elements` and both bounds are written to the row."""

    min_excl_vat = _number("Minimum price, excluding VAT")
    min_incl_vat = _number("Minimum price, including VAT")
    max_excl_vat = _number("Maximum price, excluding VAT")
    max_incl_vat = _number("Maximum price, including VAT")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("min", "max"):
            bound = getattr(self.instance, f"{name}_price") or {}
            for part in ("excl_vat", "incl_vat"):
                self.initial.setdefault(f"{name}_{part}", bound.get(part))
        if self.tenant is not None and not self.instance.pk:
            self.initial.setdefault("currency", self.tenant.currency)
        initial = [initial_of(element) for element in self.instance.elements or []]
        self.element_forms = ElementFormSet(
            self.data if self.is_bound else None,
            initial=initial or [{"ORDER": 1}],
            prefix="elements",
        )

    def is_valid(self) -> bool:
        # Both, so that all that is wrong is shown at once.
        rows_are_valid = self.element_forms.is_valid()
        return super().is_valid() and rows_are_valid

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("min", "max"):
            setattr(self.instance, f"{name}_price", self._bound(name))
        if not self.element_forms.is_valid():
            self.add_error(None, "Correct the prices below.")
            return data
        rows = self._rows()
        self.instance.elements = [row.element() for row in rows]
        if not rows:
            self.add_error(None, "A tariff needs at least one row with a price.")
            return data
        snapshot = {**self.instance.snapshot(), "currency": data.get("currency") or "XXX"}
        try:
            PricingTariff.parse(snapshot)
        except TariffError as error:
            self._place(error, rows)
        return data

    def values(self) -> dict[str, Any]:
        """What the services take."""
        fields = {name: self.cleaned_data[name] for name in ("name", "currency", "description", "is_active")}
        written = {name: getattr(self.instance, name) for name in ("elements", "min_price", "max_price")}
        return {**fields, **written}

    def _rows(self) -> list[Any]:
        forms_in_order = [
            form
            for form in self.element_forms.forms
            if not form.cleaned_data.get("DELETE")
            and (form.has_changed() or form.initial.get("kept") is not None)
        ]
        return sorted(forms_in_order, key=lambda form: form.cleaned_data.get("ORDER") or 10_000)

    def _bound(self, name: str) -> dict[str, str] | None:
        excl, incl = (self.cleaned_data.get(f"{name}_{part}") for part in ("excl_vat", "incl_vat"))
        if excl is None:
            if incl is not None:
                self.add_error(f"{name}_excl_vat", "Give the price excluding VAT too.")
            return None
        bound = {"excl_vat": str(_text(excl))}
        return {**bound, "incl_vat": str(_text(incl))} if incl is not None else bound

    def _place(self, error: TariffError, rows: list[Any]) -> None:
        found = _PATH.match(error.field)
        if found and int(found[1]) < len(rows):
            rows[int(found[1])].add_problem(found[2], error.message)
            self.add_error(None, "Correct the prices below.")
            return
        bound, _, part = error.field.partition(".")
        field = f"{bound.removesuffix('_price')}_{part}"
        if error.field == "currency" and "currency" in self.errors:
            return
        self.add_error(field if field in self.fields else None, error.message)


def initial_of(element: Mapping[str, Any]) -> dict[str, Any]:
    """Initial values of a row from an OCPI element."""
    initial: dict[str, Any] = {}
    names = {dimension.value: name for dimension, name, *_ in DIMENSIONS}
    for component in element.get("price_components", ()):
        name = names.get(component.get("type"), "")
        initial[f"{name}_price"] = component.get("price")
        initial[f"{name}_vat"] = component.get("vat")
        initial[f"{name}_step"] = component.get("step_size")
    restrictions = element.get("restrictions") or {}
    for name in (*_PLAIN, "day_of_week"):
        if restrictions.get(name) is not None:
            initial[name] = restrictions[name]
    for name in _DURATIONS:
        if restrictions.get(name) is not None:
            initial[name] = Decimal(str(restrictions[name])) / 60
    initial["kept"] = {name: restrictions[name] for name in _KEPT if restrictions.get(name) is not None}
    return initial


def _restriction(name: str, value: Any) -> str | None:
    if name.endswith("_time"):
        return str(value.strftime("%H:%M"))
    if name.endswith("_date"):
        return str(value.isoformat())
    return _text(value)


def _text(value: Decimal | None) -> str | None:
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
