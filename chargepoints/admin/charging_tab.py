"""The tab “Charging profiles” of a charge point's page: what stands there, what it should do, and what it does."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.admin_base import allowed
from chargepoints.admin.buttons import buttons
from chargepoints.admin.charging_charts import connector_chart, window
from chargepoints.admin.charging_form import words
from chargepoints.admin.charging_rows import limit_words
from chargepoints.admin.charging_told import told_context
from chargepoints.admin.shared import ago
from chargepoints.admin.tabs import Tab, register
from chargepoints.charging import outlook
from chargepoints.charging.composite import Slice, Standing, limit_at
from chargepoints.charging.plan import AMPERE, CHARGE_POINT_MAX, DEFAULT_PHASES, WATT, Unreadable
from chargepoints.charging.running import RunningSession, running_sessions
from chargepoints.choices import AssignmentState
from chargepoints.command_fields import SEND, SEND_DANGEROUS
from chargepoints.models import ChargePoint, ChargingProfileAssignment, ReportedSchedule
from csms_project.common.admin import chip

STATE_TONES = {
    AssignmentState.REQUESTED: "info",
    AssignmentState.ACTIVE: "ok",
    AssignmentState.REJECTED: "warn",
    AssignmentState.UNKNOWN: "warn",
}
#: Offered where the charger's protocol has them.
BUTTONS = (
    "clear_charging_profile",
    "use_priority_charging",
    "update_dynamic_schedule",
    "allow_energy_transfer",
    "afrr_signal",
)
#: Rows of the table; connectors with a chart.
MAX_ROWS, MAX_CONNECTORS = 100, 24


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    standing = outlook.standing_profiles(obj)
    sessions = running_sessions(obj, with_power=True)
    reports, now = outlook.reports_of(obj), timezone.now()
    others, priority = outlook.limits_of_others(obj), outlook.sessions_with_priority(obj)
    may_set = allowed(request, SEND_DANGEROUS, obj) and obj.archived_at is None
    numbers = obj.connectors.order_by("ocpp_number").values_list("ocpp_number", flat=True).distinct()
    has_own = _has_own(standing, reports) or any(one.connector == 0 for one in others)
    shown = [0, *numbers[:MAX_CONNECTORS]] if has_own else list(numbers[:MAX_CONNECTORS])
    may_ask = allowed(request, SEND, obj) and obj.archived_at is None
    set_url = reverse("admin:chargepoints_chargingprofile_set")
    return {
        "profile_rows": [_row(row, may_set) for row in _rows(obj)],
        "outlooks": [
            _outlook(number, standing, sessions.get(number), reports.get(number), now, others, priority)
            for number in shown or [0]
        ],
        "set_url": f"{set_url}?charge_points={obj.pk}" if may_set else "",
        "may_ask": may_ask,
        "ask_url": reverse("admin:chargepoints_chargingprofile_ask", args=[obj.pk]),
        "list_url": reverse("admin:chargepoints_chargingprofile_list", args=[obj.pk]),
        "buttons": buttons(request, obj, names=BUTTONS),
        **told_context(obj, may_ask=may_ask),
    }


def _has_own(standing: Sequence[ChargingProfileAssignment], reports: dict[int, ReportedSchedule]) -> bool:
    """Whether there is something to say of the charger as a whole."""
    return 0 in reports or any(row.purpose == CHARGE_POINT_MAX for row in standing)


def _rows(obj: ChargePoint) -> list[ChargingProfileAssignment]:
    """What the charger may hold first, then what it has held, the latest first."""
    rows = list(outlook.assignments_of(obj).order_by("-since", "-pk")[:MAX_ROWS])
    return sorted(rows, key=lambda row: (not row.is_open, row.connector_number if row.is_open else 0))


def _row(row: ChargingProfileAssignment, may_set: bool) -> dict[str, Any]:
    try:
        lines = words(row.plan_now)
    except Unreadable:
        lines = []
    return {
        "row": row,
        "chip": chip(
            row.get_state_display(), STATE_TONES.get(AssignmentState(row.state), "neutral"), title=row.note
        ),
        "lines": lines[:4],
        "more": max(len(lines) - 4, 0),
        "since": ago(row.since),
        "name": row.name,
        "is_outdated": row.is_outdated,
        "updated": ago(row.dynamic_at) if row.is_dynamic and row.dynamic_at is not None else "",
        "clear_url": reverse("admin:chargepoints_chargingprofile_clear", args=[row.pk])
        if may_set and row.is_open
        else "",
        "again_url": _again(row) if may_set and row.is_outdated else "",
    }


def _again(row: ChargingProfileAssignment) -> str:
    url = reverse("admin:chargepoints_chargingprofile_set")
    return (
        f"{url}?profile={row.profile_id}&charge_points={row.charge_point_id}&connector={row.connector_number}"
    )


def _outlook(
    number: int,
    standing: Sequence[ChargingProfileAssignment],
    session: RunningSession | None,
    report: ReportedSchedule | None,
    now: datetime,
    others: Sequence[Standing],
    priority: Set[str],
) -> dict[str, Any]:
    start, end = window(session, now)
    slices = outlook.computed(
        standing,
        connector=number,
        start=start,
        duration=end - start,
        unit=WATT,
        session=session,
        others=others,
        priority=priority,
    )
    held = limit_at(slices, now)
    source = held.source if held is not None else None
    return {
        "number": number,
        "title": f"Connector {number}" if number else "The whole charger",
        "session": session,
        "has_priority": session is not None and session.transaction_id in priority,
        "now_words": _now_words(held),
        "source": source.name if source is not None else "",
        "chart": connector_chart(slices, start=start, end=end, report=report, session=session),
        "report": report,
        "reported": ago(report.reported_at) if report is not None else "",
        "is_limited": any(one.limit is not None for one in slices),
    }


def _now_words(held: Slice | None) -> str:
    """The limit of this moment in kW, and in A where the profile says it so."""
    if held is None or held.limit is None or held.source is None:
        return "no limit"
    text = limit_words(held.limit, WATT)
    if held.source.plan.charging_rate_unit != AMPERE:
        return text
    voltage = settings.CHARGING_LINE_VOLTAGE
    amperes = held.limit / (voltage * (held.number_phases or DEFAULT_PHASES))
    return f"{text} ({limit_words(round(amperes, 1), AMPERE)})"


register(
    Tab(
        name="charging_profiles",
        title="Charging profiles",
        permission="charging_profiles.view",
        template="admin/chargepoints/chargepoint/charging_profiles.html",
        context=_context,
        order=30,
    )
)
