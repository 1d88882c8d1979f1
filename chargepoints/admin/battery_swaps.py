"""Batteries that were swapped: the list, its filters and its export, and one swap."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, register, require
from chargepoints.admin.shared import ERRORS, charge_point_link
from chargepoints.choices import BatteryDirection, BatterySwapState
from chargepoints.models import BatterySwap, SwappedBattery
from csms_project.common.admin import TimeFilter, chip
from csms_project.common.csv_files import csv_response

#: Batteries that one file holds.
MAX_EXPORT = 50_000
_TONES = {
    BatterySwapState.DONE: "ok",
    BatterySwapState.BROUGHT: "info",
    BatterySwapState.TAKEN: "info",
    BatterySwapState.NOT_TAKEN: "warn",
    BatterySwapState.REFUSED: "bad",
}
_COLUMNS = (
    "swap",
    "charge_point",
    "request_id",
    "state",
    "tag",
    "authorization",
    "direction",
    "slot",
    "serial_number",
    "charge_percent",
    "health_percent",
    "produced_on",
    "vendor_info",
    "at",
)


@register(BatterySwap)
class BatterySwapAdmin(ReadOnlyAdmin):
    permission_area = "battery_swaps"
    domain_errors = ERRORS
    change_form_template = "admin/chargepoints/batteryswap/page.html"
    list_before_template = "admin/chargepoints/batteryswap/tools.html"
    list_display = ("last_event_at", "where", "state_column", "tag", "brought", "taken", "request_id")
    list_filter = (
        "status",
        ("charge_point", ScopedAutocompleteFilter),
        ("last_event_at", TimeFilter),
    )
    list_select_related = ("charge_point", "id_token")
    search_fields = ("id_token_value", "batteries__serial_number", "charge_point__identity")
    search_help_text = "Tag, serial number of a battery, or charge point"
    ordering = ("-id",)
    fields = (
        "where",
        "request_id",
        "state_column",
        "tag",
        "authorization",
        "in_at",
        "out_at",
        "command",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[BatterySwap]:
        rows: QuerySet[BatterySwap] = super().get_queryset(request)
        return rows.annotate(
            brought_count=Count(
                "batteries", filter=Q(batteries__direction=BatteryDirection.IN), distinct=True
            ),
            taken_count=Count(
                "batteries", filter=Q(batteries__direction=BatteryDirection.OUT), distinct=True
            ),
        )

    @display(description="Charge point")
    def where(self, obj: BatterySwap) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="State", ordering="status")
    def state_column(self, obj: BatterySwap) -> str:
        state = BatterySwapState(obj.status)
        return chip(state.label, _TONES.get(state, "neutral"))

    @display(description="Tag", ordering="id_token_value")
    def tag(self, obj: BatterySwap) -> str:
        if obj.authorization in ("", "Accepted"):
            return obj.id_token_value or "–"
        return format_html("{} {}", obj.id_token_value, chip(obj.authorization, "warn"))

    @display(description="Brought")
    def brought(self, obj: Any) -> int:
        return int(obj.brought_count)

    @display(description="Taken")
    def taken(self, obj: Any) -> int:
        return int(obj.taken_count)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["batteries"] = list(context["original"].batteries.all())
        return super().render_change_form(request, context, *args, **kwargs)

    # ------------------------------------------------------------ export

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export_view), name="chargepoints_batteryswap_export"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """The batteries of the list's filters as CSV; times in the tenant's zone with their offset."""
        require(request, "battery_swaps.view")
        swaps = self.get_changelist_instance(request).queryset.order_by().values("pk")
        rows = (
            SwappedBattery.objects.filter(swap__in=swaps).select_related("swap__charge_point").order_by("-id")
        )
        zone = timezone.get_current_timezone()
        lines = (
            [
                row.swap_id,
                row.swap.charge_point.identity,
                row.swap.request_id,
                row.swap.status,
                row.swap.id_token_value,
                row.swap.authorization,
                row.direction,
                row.evse_number,
                row.serial_number,
                f"{row.soc:f}",
                f"{row.soh:f}",
                row.produced_on or "",
                row.vendor_info,
                row.at.astimezone(zone).isoformat(timespec="seconds"),
            ]
            for row in rows[:MAX_EXPORT].iterator(chunk_size=1000)
        )
        return csv_response(request, "battery-swaps.csv", _COLUMNS, lines)
