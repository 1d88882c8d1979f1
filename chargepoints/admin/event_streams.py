"""Event streams of chargers (OCPP 2.1): where they stand, and their values as a chart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.admin import display
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, register
from chargepoints.admin.monitors import tab_url
from chargepoints.admin.shared import charge_point_link
from chargepoints.models import EventStream
from chargepoints.services import event_streams
from chargepoints.services.event_streams import StreamValue
from csms_project.common.admin import chip
from csms_project.common.charts import LineChart, line_chart

#: Values of the chart, and of the table below it.
DRAWN, LISTED = 600, 50


def stream_chip(stream: EventStream) -> SafeString:
    """Whether values come."""
    return chip("Open", "ok") if stream.closed_at is None else chip("Closed", "neutral")


def rate_text(stream: EventStream) -> str:
    """How often its values are sent."""
    parts = []
    if stream.interval_s:
        parts.append(f"every {stream.interval_s} s")
    if stream.values_at_once:
        parts.append(f"every {stream.values_at_once} values")
    return " or ".join(parts) or "as they come"


def chart_of(title: str, values: list[StreamValue]) -> LineChart | None:
    """The values as a line; none where they are no numbers, or below zero."""
    points = [
        (timezone.localtime(value.at), number) for value in values if (number := value.number) is not None
    ]
    if not points or any(number < 0 for _, number in points) or not any(number for _, number in points):
        return None
    return line_chart(title, [(at, Decimal(number)) for at, number in points], unit="value")


@register(EventStream)
class EventStreamAdmin(ReadOnlyAdmin):
    permission_area = "monitors"
    change_form_template = "admin/chargepoints/eventstream/page.html"
    list_display = ("where", "stream_id", "monitor_id", "state", "rate", "opened_at", "closed_at")
    list_filter = (("charge_point", ScopedAutocompleteFilter),)
    list_select_related = ("charge_point",)
    search_fields = ("charge_point__identity",)

    @display(description="Charge point")
    def where(self, obj: EventStream) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="State")
    def state(self, obj: EventStream) -> str:
        return stream_chip(obj)

    @display(description="Values come")
    def rate(self, obj: EventStream) -> str:
        return rate_text(obj)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context["original"]
        monitor = event_streams.monitor_of(obj)
        name = f"{monitor.place} {monitor.what}" if monitor is not None else f"Monitor {obj.monitor_id}"
        values = event_streams.latest_values(obj, count=DRAWN)
        pending, grows = event_streams.pending_of(obj)
        context |= {
            "title": name,
            "subtitle": None,
            "row": obj,
            "chip": stream_chip(obj),
            "rate": rate_text(obj),
            "monitor": monitor,
            "chart": chart_of(name, values),
            "values": values[::-1][:LISTED],
            "pending": pending,
            "grows": grows,
            "tab_url": tab_url(obj.charge_point),
        }
        return super().render_change_form(request, context, *args, **kwargs)
