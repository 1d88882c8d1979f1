"""What a charger of OCPP 2.x has told of smart charging, for its tab: its profiles, limits of others, vehicles."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone

from chargepoints.admin.charging_form import words
from chargepoints.admin.shared import ago
from chargepoints.charging.plan import EXTERNAL, WATT, Plan, Unreadable, convert, read_periods
from chargepoints.charging.speech import speech_of
from chargepoints.choices import NeedsAnswer, ProfilePurpose, ProfileReportState
from chargepoints.models import ChargePoint, ExternalLimit, PriorityCharging, ProfileReport, VehicleNeeds
from chargepoints.services import charging_reports
from csms_project.common.admin import chip

#: Lines of a profile that are shown; rows of a table.
MAX_LINES, MAX_ROWS = 4, 100
_SOURCES = {
    "CSO": "us",
    "EMS": "energy management",
    "SO": "the grid operator",
    "Other": "somebody else",
}
_TRANSFERS = {
    "AC_single_phase": "AC, one phase",
    "AC_two_phase": "AC, two phases",
    "AC_three_phase": "AC, three phases",
    "DC": "DC",
    "AC_BPT": "AC, both ways",
    "DC_BPT": "DC, both ways",
    "WPT": "wireless",
}
PURPOSES = {**dict(ProfilePurpose.choices), EXTERNAL: "Limit of others"}
_ANSWERS = {
    NeedsAnswer.ACCEPTED: ("planned", "ok"),
    NeedsAnswer.PROCESSING: ("planning", "info"),
    NeedsAnswer.REJECTED: ("refused", "warn"),
    NeedsAnswer.NO_PROFILE: ("no plan of ours", "neutral"),
}
_SCHEDULES = {"Accepted": ("keeps to the limits", "ok"), "Rejected": ("above the limits", "warn")}


def told_context(obj: ChargePoint, *, may_ask: bool) -> dict[str, Any]:
    """Context of the tab's lower part; empty lists for chargers that cannot tell."""
    speech = speech_of(obj.ocpp_version)
    report = ProfileReport.objects.filter(charge_point=obj).order_by("-asked_at").first()
    return {
        "lists_profiles": speech.lists_profiles,
        "may_list": may_ask and speech.lists_profiles,
        "report_words": _report_words(report),
        "reported": [_reported(one) for one in charging_reports.compared(obj)[:MAX_ROWS]],
        "limits_of_others": [_limit(row) for row in _limits(obj)],
        "vehicles": [_vehicle(row) for row in VehicleNeeds.objects.filter(charge_point=obj)[:MAX_ROWS]],
        "priorities": list(
            PriorityCharging.objects.filter(charge_point=obj, is_active=True).order_by("-changed_at")[:20]
        ),
    }


def _limits(obj: ChargePoint) -> list[ExternalLimit]:
    rows = ExternalLimit.objects.filter(charge_point=obj, cleared_at=None)
    return list(rows.order_by("connector_number", "source")[:MAX_ROWS])


def _report_words(report: ProfileReport | None) -> str:
    if report is None:
        return ""
    when = ago(report.ended_at or report.asked_at)
    return {
        ProfileReportState.OPEN: f"The charger is telling its profiles, asked {ago(report.asked_at)}.",
        ProfileReportState.INCOMPLETE: f"The last list broke off {when}: some profiles may be missing.",
    }.get(ProfileReportState(report.state), f"The charger last listed its profiles {when}.")


def _lines(plan: Plan | None) -> dict[str, Any]:
    try:
        lines = words(plan) if plan is not None else []
    except Unreadable:
        lines = []
    return {"lines": lines[:MAX_LINES], "more": max(len(lines) - MAX_LINES, 0)}


def _reported(one: charging_reports.Compared) -> dict[str, Any]:
    tone = "ok" if one.is_as_ours else "warn"
    return {
        "row": one.told,
        "purpose": PURPOSES.get(one.told.purpose, one.told.purpose).lower(),
        "source": source_words(one.told.source),
        "chip": chip(
            one.verdict.rstrip("."), "neutral" if one.verdict == charging_reports.BY_OTHERS else tone
        ),
        "when": ago(one.told.reported_at),
        **_lines(one.plan),
    }


def source_words(source: str) -> str:
    """Who has given a limit; what a charger calls by a name of its own stays that name."""
    return _SOURCES.get(source, source)


def _limit(row: ExternalLimit) -> dict[str, Any]:
    try:
        plan = row.plan
    except Unreadable:
        plan = None
    return {"row": row, "source": source_words(row.source), "since": ago(row.since), **_lines(plan)}


def _vehicle(row: VehicleNeeds) -> dict[str, Any]:
    answer = _ANSWERS.get(NeedsAnswer(row.answer)) if row.answer else None
    schedule = _SCHEDULES.get(row.schedule_answer)
    return {
        "row": row,
        "wants": _wants(row),
        "leaves": row.departure_at,
        "answer": chip(*answer) if answer is not None else "",
        "told": ago(row.needs_at) if row.needs_at is not None else "",
        "schedule": _schedule_words(row),
        "schedule_chip": chip(*schedule) if schedule is not None else "",
        "allowed": ", ".join(_TRANSFERS.get(mode, mode) for mode in row.allowed_transfers or ()),
    }


def _wants(row: VehicleNeeds) -> str:
    parts = [f"{row.energy_wh / 1000:.1f} kWh" if row.energy_wh is not None else ""]
    parts.append(_TRANSFERS.get(row.transfer, row.transfer))
    return ", ".join(part for part in parts if part)


def _schedule_words(row: VehicleNeeds) -> str:
    """What the vehicle will draw at most, and now."""
    try:
        periods = read_periods(row.schedule or ())
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return ""
    voltage, unit = settings.CHARGING_LINE_VOLTAGE, row.schedule_unit or WATT
    watts = [
        convert(one.limit, phases=one.number_phases, unit=unit, to=WATT, voltage=voltage)
        for one in periods
        if one.limit is not None
    ]
    if not watts or row.schedule_from is None:
        return ""
    begins = timezone.localtime(row.schedule_from)
    steps = f"{len(watts)} step{'s' if len(watts) != 1 else ''}"
    return f"up to {max(watts) / 1000:.1f} kW in {steps}, from {begins:%H:%M}"
