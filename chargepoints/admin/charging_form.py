"""The editor of a charging profile: rows of a clock instead of seconds, amperes or kilowatts, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseFormSet, formset_factory
from django.utils import timezone
from unfold import widgets

from accounts.admin_base import OwnRowsForm
from chargepoints.charging import clock
from chargepoints.charging.plan import (
    ABSOLUTE,
    AMPERE,
    DAILY,
    RECURRING,
    RELATIVE,
    WATT,
    WEEKLY,
    Plan,
    Unreadable,
    period_rows,
)
from chargepoints.charging.rules import problems_of
from chargepoints.choices import ProfilePurpose

KILOWATT = "kW"
_KILO = Decimal(1000)
#: What the times of the rows mean → kind and recurrency.
TIMES = {
    "daily": (RECURRING, DAILY),
    "weekly": (RECURRING, WEEKLY),
    "relative": (RELATIVE, ""),
    "absolute": (ABSOLUTE, ""),
}
_TIMES_CHOICES = (
    ("daily", "Every day, by the time of day"),
    ("weekly", "Every week, by weekday and time"),
    ("relative", "From the start of charging"),
    ("absolute", "Once, from a date on"),
)
_PURPOSE_CHOICES = (
    (ProfilePurpose.TX_DEFAULT, "Every session (TxDefaultProfile)"),
    (ProfilePurpose.CHARGE_POINT_MAX, "The whole charger, all sessions together (ChargePointMaxProfile)"),
    (ProfilePurpose.TX, "One running session, chosen when it is set (TxProfile)"),
)
_UNIT_CHOICES = ((AMPERE, "Ampere per phase"), (KILOWATT, "Kilowatt in total"), (WATT, "Watt in total"))
_PHASES = (("", "usual"), ("1", "1"), ("2", "2"), ("3", "3"))
_WEEKDAYS = tuple((str(number), name) for number, name in enumerate(clock.WEEKDAYS))

Preset = tuple[str, str, dict[str, Any], list[dict[str, Any]]]
#: name → title, what it is for, fields, rows
PRESETS: dict[str, Preset] = {
    "constant": (
        "Constant limit",
        "One limit for every session",
        {"name": "Constant limit", "times": "relative", "unit": AMPERE},
        [{"at": "0:00", "limit": 16}],
    ),
    "night": (
        "Night tariff",
        "Full power at night, little by day",
        {"name": "Night tariff", "times": "daily", "unit": AMPERE},
        [{"at": "22:00", "limit": 32}, {"at": "06:00", "limit": 10}],
    ),
    "peak": (
        "Pause at the evening peak",
        "No charging from 17:00 to 20:00",
        {"name": "Pause at the evening peak", "times": "daily", "unit": AMPERE},
        [{"at": "17:00", "limit": 0}, {"at": "20:00", "limit": 32}],
    ),
    "weekend": (
        "Less on working days",
        "Full power from Friday evening to Monday morning",
        {"name": "Less on working days", "times": "weekly", "unit": KILOWATT},
        [{"weekday": 0, "at": "07:00", "limit": Decimal("7.4")}, {"weekday": 4, "at": "19:00", "limit": 22}],
    ),
    "site": (
        "Grid connection",
        "An upper bound of the whole charger",
        {
            "name": "Grid connection",
            "purpose": ProfilePurpose.CHARGE_POINT_MAX,
            "times": "daily",
            "unit": KILOWATT,
        },
        [{"at": "00:00", "limit": 22}],
    ),
}


class RowForm(forms.Form):
    """A limit from a time on."""

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

    def clean_at(self) -> int:
        try:
            return clock.read_time(self.cleaned_data["at"])
        except clock.WrongRows as error:
            raise ValidationError(str(error)) from error


class _Rows(BaseFormSet):  # type: ignore[type-arg]
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["DELETE"].widget = widgets.UnfoldBooleanWidget()
        form.fields["DELETE"].label = "Remove"


RowFormSet = formset_factory(
    RowForm, formset=_Rows, extra=0, can_delete=True, max_num=1000, absolute_max=1100, validate_max=True
)


class ChargingProfileForm(OwnRowsForm):
    """A profile with its rows; kind, recurrence, start and periods are written to the row."""

    purpose = forms.ChoiceField(
        label="Limits", choices=_PURPOSE_CHOICES, widget=widgets.UnfoldAdminSelectWidget
    )
    times = forms.ChoiceField(label="Times", choices=_TIMES_CHOICES, widget=widgets.UnfoldAdminSelectWidget)
    start = forms.SplitDateTimeField(
        label="Start",
        required=False,
        help_text="Only for “Once, from a date on”: when 0:00 is.",
        widget=widgets.UnfoldAdminSplitDateTimeWidget,
    )
    unit = forms.ChoiceField(label="Limits in", choices=_UNIT_CHOICES, widget=widgets.UnfoldAdminSelectWidget)
    ends_after = forms.CharField(
        label="Ends after",
        required=False,
        max_length=9,
        help_text="Hours and minutes from the first limit on, as 8:00. Empty: the last limit goes on.",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"placeholder": "8:00"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan: Plan | None = None
        rows = self._first_values()
        if "name" in self.fields:
            self.fields["name"].help_text = "For people; chargers do not see it."
        for name in ("start", "valid_from", "valid_to"):
            if name in self.fields:
                _name_parts(self.fields[name])
        self.row_forms = RowFormSet(
            self.data if self.is_bound else None,
            # What was sent counts, also where it is what was offered.
            initial=None if self.is_bound else rows or [{"at": "00:00", "limit": 16}],
            prefix="elements",
        )

    def _first_values(self) -> list[dict[str, Any]]:
        """Initial values of the fields, and the rows."""
        preset = PRESETS.get(str(self.initial.get("preset", "")))
        if not self.instance.pk:
            _, _, fields, rows = preset or PRESETS["constant"]
            given = fields if preset else {name: value for name, value in fields.items() if name != "name"}
            for name, value in {"purpose": ProfilePurpose.TX_DEFAULT, **given}.items():
                self.initial[name] = value
            return rows
        try:
            plan = self.instance.plan
        except Unreadable:
            return []
        unit = _unit_of(plan)
        self.initial = {
            **self.initial,
            "purpose": plan.purpose,
            "times": next(
                (name for name, kind in TIMES.items() if kind == (plan.kind, plan.recurrency_kind)), ""
            ),
            "start": plan.start_schedule if plan.kind == ABSOLUTE else None,
            "unit": unit,
            "ends_after": clock.show_time(plan.duration) if plan.duration else "",
            "min_charging_rate": _shown(plan.min_charging_rate, unit),
        }
        return _initial_rows(plan, unit)

    def is_valid(self) -> bool:
        # Both, so that all that is wrong is shown at once.
        rows_are_valid = self.row_forms.is_valid()
        return super().is_valid() and rows_are_valid

    def clean_ends_after(self) -> int | None:
        text = self.cleaned_data["ends_after"]
        try:
            return clock.read_time(text) if text else None
        except clock.WrongRows as error:
            raise ValidationError("Give hours and minutes as 8:00.") from error

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.row_forms.is_valid():
            self.add_error(None, "Correct the limits below.")
        # A name is no part of the plan: the preview does without.
        self.plan = plan = self.read() if set(self.errors) <= {"name"} else None
        if plan is None:
            return data
        for name in ("kind", "recurrency_kind", "charging_rate_unit", "duration", "start_schedule"):
            setattr(self.instance, name, getattr(plan, name))
        self.instance.min_charging_rate = data["min_charging_rate"] = plan.min_charging_rate
        self.instance.periods = _stored(plan)
        return data

    def read(self) -> Plan | None:
        """The plan of the form; what is wrong with it is added to the errors."""
        data = self.cleaned_data
        kind, recurrency = TIMES.get(data.get("times", ""), (RELATIVE, ""))
        unit = data.get("unit", AMPERE)
        try:
            start, periods = self._periods(kind, recurrency, unit)
        except clock.WrongRows as error:
            self.add_error(None, str(error))
            return None
        plan = Plan(
            purpose=data.get("purpose", ""),
            kind=kind,
            recurrency_kind=recurrency,
            stack_level=data.get("stack_level") or 0,
            charging_rate_unit=WATT if unit == KILOWATT else unit,
            duration=data.get("ends_after"),
            start_schedule=start,
            valid_from=_utc(data.get("valid_from")),
            valid_to=_utc(data.get("valid_to")),
            min_charging_rate=_kept(data.get("min_charging_rate"), unit),
            periods=periods,
        )
        problems = problems_of(plan)
        for name, text in problems.items():
            field = {"start_schedule": "start", "duration": "ends_after"}.get(name, name)
            self.add_error(field if field in self.fields else None, text)
        return None if problems else plan

    def _periods(self, kind: str, recurrency: str, unit: str) -> tuple[datetime | None, Any]:
        rows = [
            clock.Row(
                seconds=row["at"],
                limit=_limit(row["limit"], unit),
                number_phases=row["phases"],
                weekday=row["weekday"] or 0,
            )
            for row in (form.cleaned_data for form in self.row_forms.forms)
            if row and not row.get("DELETE")
        ]
        if kind != RECURRING:
            return (_utc(self.cleaned_data.get("start")) if kind == ABSOLUTE else None), clock.counted(rows)
        zone = timezone.get_current_timezone()
        start, periods = clock.recurring(rows, kind=recurrency, zone=zone, today=timezone.localdate())
        return self._same_start(kind, recurrency, start, periods), periods

    def _same_start(self, kind: str, recurrency: str, start: datetime, periods: Any) -> datetime:
        """The start as it was, where only whole days or weeks lie between: chargers need not get it anew."""
        if not self.instance.pk or self.instance.start_schedule is None:
            return start
        old = self.instance.start_schedule
        probe = Plan(
            purpose="",
            kind=kind,
            recurrency_kind=recurrency,
            charging_rate_unit="",
            periods=periods,
            start_schedule=start,
        )
        before = Plan(
            purpose="",
            kind=self.instance.kind,
            recurrency_kind=self.instance.recurrency_kind,
            charging_rate_unit="",
            periods=periods,
            start_schedule=old,
        )
        return old if clock.same_times(probe, before) else start

    def values(self) -> dict[str, Any]:
        """What the services take."""
        names = ("name", "purpose", "stack_level", "valid_from", "valid_to")
        written = (
            "kind",
            "recurrency_kind",
            "charging_rate_unit",
            "duration",
            "start_schedule",
            "min_charging_rate",
            "periods",
        )
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data} | {
            name: getattr(self.instance, name) for name in written
        }


def _name_parts(field: Any) -> None:
    """Date and time are two inputs under one label: each says which it is."""
    for part, widget in zip(("date", "time"), field.widget.widgets, strict=True):
        widget.attrs["aria-label"] = f"{field.label}: {part}"


def words(plan: Plan) -> list[str]:
    """Each limit in a line, as people read it."""
    unit = _unit_of(plan)
    zone = timezone.get_current_timezone()
    lines = []
    for row in clock.rows_of(plan, zone=zone, now=timezone.now()):
        of_day = plan.kind == RECURRING
        when = clock.show_time(row.seconds, of_day=of_day)
        if plan.recurrency_kind == WEEKLY:
            when = f"{clock.WEEKDAYS[row.weekday][:3]} {when}"
        phases = (
            f" on {row.number_phases} phase{'s' if row.number_phases != 1 else ''}"
            if row.number_phases
            else ""
        )
        lines.append(f"{when if of_day else f'after {when}'} {_text(_shown(row.limit, unit))} {unit}{phases}")
    if plan.kind != RECURRING and len(lines) == 1:
        return [lines[0].removeprefix("after 0:00 ")]
    return lines


def limit_words(limit: Decimal, unit: str) -> str:
    """A limit for people: 16 A, 7.4 kW."""
    return f"{_text(limit / _KILO)} kW" if unit == WATT else f"{_text(limit)} A"


def _initial_rows(plan: Plan, unit: str) -> list[dict[str, Any]]:
    rows = clock.rows_of(plan, zone=timezone.get_current_timezone(), now=timezone.now())
    return [
        {
            "weekday": row.weekday,
            "at": clock.show_time(row.seconds, of_day=plan.kind == RECURRING),
            "limit": _text(_shown(row.limit, unit)),
            "phases": row.number_phases or "",
        }
        for row in rows
    ]


def _unit_of(plan: Plan) -> str:
    """Watts are shown as kilowatts unless that hides digits."""
    if plan.charging_rate_unit == AMPERE:
        return AMPERE
    return KILOWATT if all(not (period.limit or 0) % 10 for period in plan.periods) else WATT


def _limit(limit: Decimal, unit: str) -> Decimal:
    return limit * _KILO if unit == KILOWATT else limit


def _kept(limit: Decimal | None, unit: str) -> Decimal | None:
    return None if limit is None else _limit(limit, unit)


def _shown(limit: Decimal | None, unit: str) -> Any:
    return None if limit is None else limit / _KILO if unit == KILOWATT else limit


def _text(limit: Decimal | None) -> str:
    if limit is None:
        return ""
    text = f"{limit:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _stored(plan: Plan) -> list[Mapping[str, Any]]:
    return [{**row, "limit": _text(row["limit"])} for row in period_rows(plan.periods)]


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
