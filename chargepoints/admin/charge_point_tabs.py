"""The tabs of a charge point's page that are about the charge point itself."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from accounts.admin_base import allowed
from chargepoints.admin.buttons import button_groups, buttons
from chargepoints.admin.charger_events import event_row
from chargepoints.admin.security_events import severity_chip
from chargepoints.admin.shared import command_chip, reservation_chip
from chargepoints.admin.tabs import Tab, panels_of, register
from chargepoints.choices import FleetItemStatus
from chargepoints.command_fields import SEND
from chargepoints.models import (
    ChargePoint,
    Command,
    DataTransfer,
    FleetTaskItem,
    OcppMessage,
    Reservation,
    SecurityEvent,
    StatusEvent,
    StatusReport,
)
from chargepoints.models.events import LogRow
from chargepoints.services import charger_events

_PAGES = "admin/chargepoints/chargepoint"


def _overview(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    going_on = charger_events.going_on(obj) if allowed(request, "charger_events.view", obj) else []
    return {
        "panels": panels_of(request, obj, live=False),
        "buttons": buttons(request, obj),
        "going_on": [event_row(row) for row in going_on],
    }


def _commands(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    rows = Command.objects.filter(charge_point=obj).order_by("-id")[:50]
    waiting = FleetTaskItem.objects.filter(charge_point=obj, status=FleetItemStatus.WAITING)
    return {
        "in_tasks": list(waiting.select_related("task").order_by("pk")[:20]),
        "commands": [{"command": row, "chip": command_chip(row)} for row in rows],
        "groups": button_groups(request, obj),
    }


def _reservations(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    rows = Reservation.objects.filter(charge_point=obj).select_related("connector").order_by("-id")[:50]
    return {
        "reservations": [{"row": row, "chip": reservation_chip(row)} for row in rows],
        "may_send": allowed(request, SEND, obj) and obj.archived_at is None,
        "buttons": buttons(request, obj, names=("reserve_now", "cancel_reservation")),
    }


def _messages(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    return {"log": _newest(OcppMessage, obj, 50)}


def _events(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    return {
        "status_events": _newest(StatusEvent, obj, 50),
        "security_events": [
            {"event": row, "chip": severity_chip(row)} for row in _newest(SecurityEvent, obj, 20)
        ],
        "reports": _newest(StatusReport, obj, 20),
        "transfers": _newest(DataTransfer, obj, 20),
    }


def _settings(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    return {}


def _newest(model: type[LogRow], obj: ChargePoint, count: int) -> list[Any]:
    """The latest rows about a charge point."""
    return list(model.objects.filter(charge_point=obj).order_by("-received_at", "-id")[:count])


for _order, _name, _title, _permission, _context in (
    (0, "overview", "Overview", "charge_points.view", _overview),
    (10, "commands", "Commands", "commands.view", _commands),
    (50, "reservations", "Reservations", "reservations.view", _reservations),
    (80, "messages", "Messages", "messages.view", _messages),
    (85, "events", "Status and events", "charge_points.view", _events),
    (90, "settings", "Settings", "charge_points.view", _settings),
):
    register(
        Tab(
            name=_name,
            title=_title,
            permission=_permission,
            template=f"{_PAGES}/{_name}.html",
            context=_context,
            order=_order,
        )
    )
