"""Rows of the editor of charging profiles: a limit from a time on, and what only OCPP 2.x says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseFormSet, formset_factory
from django.utils import timezone
from unfold import widgets

from chargepoints.charging import clock
from chargepoints.charging.details import OPERATION_MODE, PERIOD, Details, read_details
from chargepoints.charging.modes import CHARGING_ONLY, MODES
from chargepoints.charging.plan import AMPERE, RECURRING, WATT, Plan, period_rows

KILOWATT = "kW"
_KILO = Decimal(1000)
_PHASES = (("", "usual"), ("1", "1"), ("2", "2"), ("3", "3"))
_WHICH = (("", "any"), ("1", "L1"), ("2", "L2"), ("3", "L3"))
_WEEKDAYS = tuple((str(number), name) for number, name in enumerate(clock.WEEKDAYS))
_MODES = (
    ("", MODES[CHARGING_ONLY]),
    *((name, text) for name, text in MODES.items() if name != CHARGING_ONLY),
)
#: Details with a field of their own; the others are carried along.
_SHOWN = ("setpoint", "discharge_limit")


class RowForm(forms.Form):
    """A limit from a time on; `rest` holds what has no field here."""

    weekday = forms.TypedChoiceField(
        label="Day",
        choices=_WEEKDAYS,
        coerce=int,
        required=False,
        empty_value="",
        widget=widgets.UnfoldAdminSelectWidget,
    )
    at = forms.CharField(
        label="From",
        max_length=9,
        widget=widgets.UnfoldAdminTextInputWidget(
            attrs={"placeholder": "6:30", "autocomplete": "off", "inputmode": "text"}
        ),
    )
    limit = forms.DecimalField(
        label="Limit",
        required=False,
        min_value=0,
        max_digits=13,
        decimal_places=4,
        widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "min": "0"}),
    )
    phases = forms.TypedChoiceField(
        label="Phases",
        choices=_PHASES,
        coerce=int,
        required=False,
        empty_value=None,
        widget=widgets.UnfoldAdminSelectWidget,
    )
    which = forms.TypedChoiceField(
        label="Which phase",
        choices=_WHICH,
        coerce=int,
        required=False,
        empty_value=None,
        widget=widgets.UnfoldAdminSelectWidget,
    )
    mode = forms.ChoiceField(
        label="Mode", choices=_MODES, required=False, widget=widgets.UnfoldAdminSelectWidget
    )
    setpoint = forms.DecimalField(
        label="Setpoint",
        required=False,
        max_digits=13,
        decimal_places=4,
        widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    discharge_limit = forms.DecimalField(
        label="Feed back up to",
        required=False,
        min_value=0,
        max_digits=13,
        decimal_places=4,
        widget=widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "min": "0"}),
    )
    rest = forms.CharField(required=False, max_length=20_000, widget=forms.HiddenInput)

    def clean_at(self) -> int:
        try:
            return clock.read_time(self.cleaned_data["at"])
        except clock.WrongRows as error:
            raise ValidationError(str(error)) from error

    def clean_rest(self) -> Details:
        try:
            given = json.loads(self.cleaned_data["rest"] or "{}")
            return read_details(given, PERIOD)
        except (ValueError, TypeError, AttributeError, ArithmeticError, KeyError) as error:
            raise ValidationError("What was carried along cannot be read: open the page again.") from error

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("limit") is None and not data.get("mode") and "limit" not in self.errors:
            self.add_error("limit", self.fields["limit"].error_messages["required"])
        return data


class _Rows(BaseFormSet):  # type: ignore[type-arg]
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["DELETE"].widget = widgets.UnfoldBooleanWidget()
        form.fields["DELETE"].label = "Remove"


RowFormSet = formset_factory(
    RowForm, formset=_Rows, extra=0, can_delete=True, max_num=1000, absolute_max=1100, validate_max=True
)


# --- between form and plan ---


def read_row(given: Mapping[str, Any], unit: str) -> clock.Row:
    """A row of the form, in the unit that is kept."""
    details: Details = dict(given.get("rest") or {})
    fields = {
        OPERATION_MODE: given.get("mode") or None,
        "setpoint": kept(given.get("setpoint"), unit),
        # People say how much is fed back; on the wire it counts below 0.
        "discharge_limit": None if (fed := kept(given.get("discharge_limit"), unit)) is None else -fed,
    }
    details |= {name: value for name, value in fields.items() if value is not None}
    return clock.Row(
        seconds=given["at"],
        limit=kept(given["limit"], unit),
        number_phases=given["phases"],
        phase_to_use=given.get("which"),
        weekday=given["weekday"] or 0,
        details=details,
    )


def initial_rows(plan: Plan, unit: str) -> list[dict[str, Any]]:
    """The rows of a plan as the form shows them."""
    rows = clock.rows_of(plan, zone=timezone.get_current_timezone(), now=timezone.now())
    return [
        {
            "weekday": row.weekday,
            "at": clock.show_time(row.seconds, of_day=plan.kind == RECURRING),
            "limit": text(shown(row.limit, unit)),
            "phases": row.number_phases or "",
            "which": row.phase_to_use or "",
            "mode": row.details.get(OPERATION_MODE, ""),
            "setpoint": text(shown(row.details.get("setpoint"), unit)),
            "discharge_limit": text(shown(_negated(row.details.get("discharge_limit")), unit)),
            "rest": _rest(row.details),
        }
        for row in rows
    ]


def _negated(value: Decimal | None) -> Decimal | None:
    return None if value is None else -value


def _rest(details: Details) -> str:
    carried = {name: value for name, value in details.items() if name not in (*_SHOWN, OPERATION_MODE)}
    return json.dumps(carried, default=str) if carried else ""


def row_words(row: clock.Row, unit: str) -> str:
    """What a row says, as people read it: 16 A on 3 phases."""
    parts = []
    mode = row.details.get(OPERATION_MODE)
    if row.limit is not None:
        parts.append(f"{text(shown(row.limit, unit))} {unit}")
    if (setpoint := row.details.get("setpoint")) is not None:
        parts.append(f"setpoint {text(shown(setpoint, unit))} {unit}")
    if (fed := row.details.get("discharge_limit")) is not None:
        parts.append(f"feeds back up to {text(shown(-fed, unit))} {unit}")
    if not parts:
        parts.append(MODES.get(str(mode), "no limit").lower())
    phases = row.number_phases
    return f"{', '.join(parts)}{f' on {phases} phase' + ('s' if phases != 1 else '') if phases else ''}"


def limit_words(limit: Decimal, unit: str) -> str:
    """A limit for people: 16 A, 7.4 kW."""
    return f"{text(limit / _KILO)} kW" if unit == WATT else f"{text(limit)} A"


def unit_of(plan: Plan) -> str:
    """Watts are shown as kilowatts unless that hides digits."""
    if plan.charging_rate_unit == AMPERE:
        return AMPERE
    figures = [value for period in plan.periods for value in (period.limit, period.details.get("setpoint"))]
    return KILOWATT if all(not (value or 0) % 10 for value in figures) else WATT


def kept(value: Decimal | None, unit: str) -> Decimal | None:
    """A number of the form in the unit that is kept."""
    if value is None:
        return None
    return value * _KILO if unit == KILOWATT else value


def shown(value: Decimal | None, unit: str) -> Decimal | None:
    """A number that is kept, in the unit of the form."""
    if value is None:
        return None
    return value / _KILO if unit == KILOWATT else value


def text(value: Decimal | None) -> str:
    """Without zeros at its end."""
    if value is None:
        return ""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def stored_rows(plan: Plan) -> list[Mapping[str, Any]]:
    """The periods as they are stored: decimals as text."""
    return [{name: _stored(value) for name, value in row.items()} for row in period_rows(plan.periods)]


def _stored(value: Any) -> Any:
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, list):
        return [_stored(item) for item in value]
    return {name: _stored(item) for name, item in value.items()} if isinstance(value, Mapping) else value
