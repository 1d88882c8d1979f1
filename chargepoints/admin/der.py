"""Controls for the grid: the tab of a charge point's page, and the list of alarms."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin_base import ScopedAutocompleteFilter, register
from chargepoints import der
from chargepoints.admin.buttons import buttons
from chargepoints.admin.logs import LogAdmin
from chargepoints.admin.shared import ERRORS
from chargepoints.admin.tabs import Tab
from chargepoints.admin.tabs import register as register_tab
from chargepoints.choices import DerControlState, DerEventKind
from chargepoints.command_tables.der import DER
from chargepoints.commands import can_be_said
from chargepoints.models import ChargePoint, DerControl, DerEvent, DerReading
from csms_project.common.admin import OptionFilter, TimeFilter, chip

#: Controls and events that the tab shows.
_SHOWN = 100
_WORDS = {
    "y_unit": "unit of y",
    "v_ref": "reference voltage",
    "autonomous_v_ref": "follow the voltage",
    "autonomous_v_ref_time": "time constant",
}


def event_chip(event: DerEvent) -> SafeString:
    """What happened; an alarm that lasts is red."""
    if event.kind == DerEventKind.ALARM:
        return chip("Alarm", "bad") if event.is_open else chip("Alarm, over", "warn")
    return chip(event.get_kind_display(), "ok" if event.kind == DerEventKind.ALARM_ENDED else "info")


class OpenFilter(OptionFilter):
    title = "alarm"
    parameter_name = "open"
    options = (("yes", "Lasts"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(is_open=True) if self.value() else queryset


@register(DerEvent)
class DerEventAdmin(LogAdmin):
    permission_area = "der"
    domain_errors = ERRORS
    list_display = ("received_at", "where", "what", "control_type", "control_id", "fault", "info", "at")
    list_filter = (
        OpenFilter,
        "kind",
        ("charge_point", ScopedAutocompleteFilter),
        ("received_at", TimeFilter),
    )
    quick_filters = (*LogAdmin.quick_filters, "open=yes")
    search_fields = ("control_id",)
    fields = ("received_at", "where", "what", "control_type", "control_id", "fault", "info", "at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="What")
    def what(self, obj: DerEvent) -> str:
        return event_chip(obj)


def words_of(control: DerControl) -> str:
    """Parameters of a control, for people."""
    parts = [
        f"{_WORDS.get(name, name.replace('_', ' '))} {_text(value)}"
        for name, value in control.content.items()
        if name != "points"
    ]
    points = control.content.get("points") or ()
    curve = " → ".join(f"({_text(point.get('x'))}; {_text(point.get('y'))})" for point in points)
    return "; ".join(filter(None, (curve, *parts)))


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    rows = list(DerControl.objects.filter(charge_point=obj))
    held = [row for row in rows if row.status == DerControlState.HELD]
    counts = {
        control.control_id for control in der.in_force([row.held for row in held], timezone.now()).values()
    }
    rows.sort(key=lambda row: (row.status != DerControlState.HELD, row.control_type, not row.is_default))
    shown = [
        {
            "row": row,
            "type": der.TYPES.get(row.control_type, row.control_type),
            "words": words_of(row),
            "chip": _control_chip(row, row.control_id in counts),
        }
        for row in rows[:_SHOWN]
    ]
    events = DerEvent.objects.filter(charge_point=obj).order_by("-received_at", "-id")
    return {
        "controls": shown,
        "more": max(0, len(rows) - _SHOWN),
        "der_events": [{"row": row, "chip": event_chip(row)} for row in events[:20]],
        "der_reading": DerReading.objects.filter(charge_point=obj).first(),
        "der_buttons": buttons(request, obj, names=[spec.action for spec in DER]),
    }


def _control_chip(row: DerControl, counts: bool) -> SafeString:
    if row.status != DerControlState.HELD:
        return chip(DerControlState(row.status).label, "neutral")
    if row.is_superseded:
        return chip("Superseded", "warn", title="The charger holds it and does not follow it.")
    return chip("In force", "ok") if counts else chip("Waits", "info", title="Another one counts now.")


def _is_for(obj: ChargePoint) -> bool:
    return can_be_said(obj, "get_der_control")


register_tab(
    Tab(
        name="grid",
        title="Grid",
        permission="der.view",
        template="admin/chargepoints/chargepoint/grid.html",
        context=_context,
        order=46,
        is_for=_is_for,
    )
)
