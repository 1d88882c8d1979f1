"""The editor of a charging profile: rows of a clock instead of seconds, amperes or kilowatts, and presets."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold import widgets

from accounts.admin_base import OwnRowsForm
from chargepoints.admin.charging_later import LaterFields
from chargepoints.admin.charging_rows import (
    KILOWATT,
    RowFormSet,
    initial_rows,
    kept,
    read_row,
    row_words,
    shown,
    stored_rows,
    unit_of,
)
from chargepoints.charging import clock
from chargepoints.charging.plan import (
    ABSOLUTE,
    AMPERE,
    DAILY,
    DYNAMIC,
    RECURRING,
    RELATIVE,
    WATT,
    WEEKLY,
    Plan,
    Unreadable,
)
from chargepoints.charging.rules import problems_of
from chargepoints.choices import ProfilePurpose

#: What the times of the rows mean → kind and recurrency.
TIMES = {
    "daily": (RECURRING, DAILY),
    "weekly": (RECURRING, WEEKLY),
    "relative": (RELATIVE, ""),
    "absolute": (ABSOLUTE, ""),
    "dynamic": (DYNAMIC, ""),
}
_TIMES_CHOICES = (
    ("daily", "Every day, by the time of day"),
    ("weekly", "Every week, by weekday and time"),
    ("relative", "From the start of charging"),
    ("absolute", "Once, from a date on"),
)
_LATER_TIMES = (("dynamic", "Updated while it holds (OCPP 2.1)"),)
_PURPOSE_CHOICES = (
    (ProfilePurpose.TX_DEFAULT, "Every session (TxDefaultProfile)"),
    (ProfilePurpose.CHARGE_POINT_MAX, "The whole charger, all sessions together (ChargePointMaxProfile)"),
    (ProfilePurpose.TX, "One running session, chosen when it is set (TxProfile)"),
)
_LATER_PURPOSES = (
    (ProfilePurpose.PRIORITY, "A session with priority, instead of its other limits (OCPP 2.1)"),
    (ProfilePurpose.LOCAL_GENERATION, "Power of the site, on top of the limits (OCPP 2.1)"),
)
_UNIT_CHOICES = ((AMPERE, "Ampere per phase"), (KILOWATT, "Kilowatt in total"), (WATT, "Watt in total"))

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


class ChargingProfileForm(LaterFields, OwnRowsForm):
    """A profile with its rows; kind, recurrence, start, periods and details are written to the row.

    knows_later  there are chargers that know more than OCPP 1.6: what only they know is offered
    """

    knows_later = False

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
        self._offer_later()
        self.row_forms = RowFormSet(
            self.data if self.is_bound else None,
            # What was sent counts, also where it is what was offered.
            initial=None if self.is_bound else rows or [{"at": "00:00", "limit": 16}],
            prefix="elements",
        )

    def _offer_later(self) -> None:
        """What only chargers of 2.x know, where there are some or the profile has it already."""
        for name, choices, later in (
            ("purpose", _PURPOSE_CHOICES, _LATER_PURPOSES),
            ("times", _TIMES_CHOICES, _LATER_TIMES),
        ):
            if name in self.fields:
                has = self.initial.get(name) in dict(later)
                field: Any = self.fields[name]
                field.choices = [*choices, *(later if self.knows_later or has else ())]
        if not self.knows_later:
            self.drop_later()

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
        unit = unit_of(plan)
        self.initial = {
            **self.initial,
            "purpose": plan.purpose,
            "times": next(
                (name for name, kind in TIMES.items() if kind == (plan.kind, plan.recurrency_kind)), ""
            ),
            "start": plan.start_schedule if plan.kind == ABSOLUTE else None,
            "unit": unit,
            "ends_after": clock.show_time(plan.duration) if plan.duration else "",
            "min_charging_rate": shown(plan.min_charging_rate, unit),
            **self.later_initial(plan, unit),
        }
        return initial_rows(plan, unit)

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
        self.instance.periods = stored_rows(plan)
        self.instance.details = plan.details
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
            min_charging_rate=kept(data.get("min_charging_rate"), unit),
            periods=periods,
            details=self.later_details(unit),
        )
        problems = problems_of(plan)
        for name, text in problems.items():
            field = {"start_schedule": "start", "duration": "ends_after", "limit_at_soc": "soc"}.get(
                name, name
            )
            self.add_error(field if field in self.fields else None, text)
        return None if problems else plan

    def _periods(self, kind: str, recurrency: str, unit: str) -> tuple[datetime | None, Any]:
        rows = [
            read_row(row, unit)
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
            "details",
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
    unit = unit_of(plan)
    zone = timezone.get_current_timezone()
    lines = []
    for row in clock.rows_of(plan, zone=zone, now=timezone.now()):
        of_day = plan.kind == RECURRING
        when = clock.show_time(row.seconds, of_day=of_day)
        if plan.recurrency_kind == WEEKLY:
            when = f"{clock.WEEKDAYS[row.weekday][:3]} {when}"
        lines.append(f"{when if of_day else f'after {when}'} {row_words(row, unit)}")
    if plan.kind != RECURRING and len(lines) == 1:
        return [lines[0].removeprefix("after 0:00 ")]
    return lines


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
