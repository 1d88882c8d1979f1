"""The tab “Monitors and events” of a charge point's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin_base import allowed
from chargepoints.admin.buttons import buttons
from chargepoints.admin.charger_events import event_row
from chargepoints.admin.customer_information import asked_text, report_chip
from chargepoints.admin.event_streams import rate_text, stream_chip
from chargepoints.admin.shared import ago
from chargepoints.admin.tabs import Tab, register
from chargepoints.charger_events import severity_name
from chargepoints.command_fields import SEND, SEND_DANGEROUS
from chargepoints.command_tables.monitoring import CUSTOMER
from chargepoints.models import (
    ChargePoint,
    ChargerEvent,
    CustomerInformation,
    Monitor,
    MonitoringReport,
    MonitorResult,
)
from chargepoints.monitoring_choices import MonitorKind
from chargepoints.services import charger_events, event_streams, monitoring

#: Rows of each table.
MAX_MONITORS, MAX_EVENTS, MAX_STREAMS, MAX_OTHERS = 300, 50, 30, 10
_COMMANDS = (
    "get_monitoring_report",
    "set_monitoring_base",
    "set_monitoring_level",
    "get_event_streams",
    "adjust_event_stream",
)


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    is_kept = obj.archived_at is None
    may_set = allowed(request, SEND, obj) and is_kept
    may_remove = allowed(request, SEND_DANGEROUS, obj) and is_kept
    state = monitoring.state_of(obj)
    monitors = list(monitoring.monitors_of(obj)[:MAX_MONITORS])
    streams = list(monitoring.streams_of(obj)[:MAX_STREAMS])
    return {
        "monitoring": state,
        "level_name": severity_name(state.level) if state is not None else "",
        "is_doubtful": bool(monitors) and monitoring.are_doubtful(obj, state),
        "read": ago(state.read_at) if state is not None and state.read_at else "",
        "monitors": [_monitor(row, obj, may_set, may_remove) for row in monitors],
        "refused": _refused(obj),
        "report": _last_report(obj),
        "streams": [_stream(row, {monitor.monitor_id: monitor for monitor in monitors}) for row in streams],
        "going_on": [event_row(row) for row in charger_events.going_on(obj)],
        "events": [event_row(row) for row in _events(obj)],
        "customers": _customers(request, obj),
        "may_read_customers": allowed(request, "customer_information.view", obj),
        "set_url": reverse("admin:chargepoints_monitor_set", args=[obj.pk]) if may_set else "",
        "remove_url": reverse("admin:chargepoints_monitor_remove", args=[obj.pk]) if may_remove else "",
        "customer_url": reverse("admin:chargepoints_customerinformation_ask", args=[obj.pk])
        if allowed(request, CUSTOMER, obj) and is_kept
        else "",
        "events_url": f"{reverse('admin:chargepoints_chargerevent_changelist')}?charge_point__id__exact={obj.pk}",
        "buttons": buttons(request, obj, names=_COMMANDS),
    }


def _monitor(row: Monitor, obj: ChargePoint, may_set: bool, may_remove: bool) -> dict[str, Any]:
    is_ours = row.kind not in (MonitorKind.HARD_WIRED, MonitorKind.HARD_WIRED_NOTIFICATION)
    url = reverse("admin:chargepoints_monitor_set", args=[obj.pk])
    return {
        "row": row,
        "severity": f"{row.severity} {severity_name(row.severity)}",
        "change_url": f"{url}?monitor={row.monitor_id}" if may_set and is_ours else "",
        "may_remove": may_remove and is_ours,
    }


def _refused(obj: ChargePoint) -> list[MonitorResult]:
    """What the charger did not take lately."""
    rows = MonitorResult.objects.filter(charge_point=obj).exclude(status="Accepted")
    return list(rows.order_by("-received_at", "-id")[:MAX_OTHERS])


def _last_report(obj: ChargePoint) -> dict[str, Any] | None:
    row = MonitoringReport.objects.filter(charge_point=obj).order_by("-id").first()
    if row is None:
        return None
    return {"row": row, "chip": report_chip(row.state), "since": ago(row.created_at)}


def _stream(row: Any, monitors: dict[int, Monitor]) -> dict[str, Any]:
    pending, grows = event_streams.pending_of(row) if row.closed_at is None else (0, False)
    return {
        "row": row,
        "monitor": monitors.get(row.monitor_id),
        "chip": stream_chip(row),
        "rate": rate_text(row),
        "pending": pending,
        "grows": grows,
        "url": reverse("admin:chargepoints_eventstream_change", args=[row.pk]),
    }


def _events(obj: ChargePoint) -> list[ChargerEvent]:
    rows = ChargerEvent.objects.filter(charge_point=obj).order_by("-received_at", "-id")
    return list(rows[:MAX_EVENTS])


def _customers(request: HttpRequest, obj: ChargePoint) -> list[dict[str, Any]]:
    if not allowed(request, "customer_information.view", obj):
        return []
    rows = CustomerInformation.objects.filter(charge_point=obj).order_by("-id")[:MAX_OTHERS]
    return [
        {
            "row": row,
            "asked": asked_text(row),
            "chip": report_chip(row.state, row.note),
            "url": reverse("admin:chargepoints_customerinformation_change", args=[row.pk]),
        }
        for row in rows
    ]


register(
    Tab(
        name="monitoring",
        title="Monitors and events",
        permission="monitors.view",
        template="admin/chargepoints/chargepoint/monitoring.html",
        context=_context,
        order=70,
    )
)
