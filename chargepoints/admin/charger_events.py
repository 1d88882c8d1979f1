"""Events of chargers (OCPP 2.x): how grave they are, what goes on, and which of them wait for somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from accounts.admin_base import ScopedAutocompleteFilter, actor_of, allowed, register, require
from chargepoints.admin.logs import LogAdmin
from chargepoints.admin.shared import ERRORS
from chargepoints.charger_events import SEVERITIES, severity_name
from chargepoints.models import ChargerEvent
from chargepoints.monitoring_choices import EventState
from chargepoints.services import charger_events
from csms_project.common.admin import OptionFilter, TimeFilter, chip
from csms_project.common.big_tables import read_all
from csms_project.common.csv_files import csv_response

#: Lines of one file.
MAX_EXPORT = 50_000
_GRAVE, _SERIOUS = 3, 4
_COLUMNS = (
    "charge point", "received at", "at", "component", "variable", "value", "trigger", "severity", "state", "over since",
    "alert", "acknowledged by", "tech code", "tech info", "monitor", "event", "caused by", "session", "kind",
)  # fmt: skip


def severity_chip(event: ChargerEvent) -> SafeString | str:
    """How grave an event is, and whether it waits for somebody."""
    name = severity_name(event.severity)
    if event.is_alert and event.acknowledged_at is None:
        label = "Alert" if event.severity is None else f"Alert: {event.severity} {name}"
        return chip(label, "bad", title="Nobody has acknowledged it.")
    if event.severity is None:
        return "–"
    tone = "bad" if event.severity <= _GRAVE else "warn" if event.severity <= _SERIOUS else "neutral"
    return chip(f"{event.severity} {name}", tone)


def state_chip(event: ChargerEvent) -> SafeString | str:
    """Whether what it reports goes on."""
    match event.state:
        case EventState.OPEN:
            return chip("Goes on", "warn")
        case EventState.ENDED:
            return chip("Over", "neutral")
    return chip("Cleared", "ok") if event.is_cleared else ""


def event_row(row: ChargerEvent) -> dict[str, Any]:
    """An event in a table of its charge point's page."""
    return {
        "row": row,
        "severity": severity_chip(row),
        "state": state_chip(row),
        "url": reverse("admin:chargepoints_chargerevent_change", args=[row.pk]),
    }


class SeverityFilter(OptionFilter):
    title = "severity"
    parameter_name = "severity"
    options = tuple((str(number), f"{number} {name} and graver") for number, name in SEVERITIES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(severity__lte=int(value)) if value in dict(self.options) else queryset


class AlertFilter(OptionFilter):
    title = "alert"
    parameter_name = "alert"
    options = (("open", "Open alerts"), ("acknowledged", "Acknowledged"), ("all", "All alerts"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return queryset.filter(is_alert=True, acknowledged_at=None)
            case "acknowledged":
                return queryset.exclude(acknowledged_at=None)
            case "all":
                return queryset.filter(is_alert=True)
        return queryset


class StateFilter(OptionFilter):
    title = "state"
    parameter_name = "state"
    options = (("open", "Goes on"), ("ended", "Over"), ("moment", "Moments"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() in dict(self.options) else queryset


class TriggerFilter(OptionFilter):
    title = "trigger"
    parameter_name = "trigger"
    options = (("Alerting", "Alert"), ("Delta", "Change"), ("Periodic", "Periodic"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(trigger=self.value()) if self.value() in dict(self.options) else queryset


@register(ChargerEvent)
class ChargerEventAdmin(LogAdmin):
    permission_area = "charger_events"
    domain_errors = ERRORS
    list_before_template = "admin/chargepoints/chargerevent/list_tools.html"
    list_display = (
        "received_at",
        "where",
        "grave",
        "about",
        "value_column",
        "state_column",
        "detail",
        "acknowledged",
    )
    list_filter = (
        AlertFilter,
        SeverityFilter,
        StateFilter,
        TriggerFilter,
        ("charge_point", ScopedAutocompleteFilter),
        ("received_at", TimeFilter),
    )
    quick_filters = (*LogAdmin.quick_filters, "alert=open")
    search_fields = ("variable", "component", "tech_code")
    actions = ("acknowledge", "end")
    fields = (
        "received_at",
        "where",
        "grave",
        "about",
        "value_column",
        "state_column",
        "ended_at",
        "at",
        "trigger",
        "tech_code",
        "tech_info",
        "kind",
        "monitor_id",
        "event_id",
        "cause_id",
        "transaction_ocpp_id",
        "acknowledged",
        "acknowledged_at",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export_view), name="chargepoints_chargerevent_export"),
            *super().get_urls(),
        ]

    @display(description="Severity")
    def grave(self, obj: ChargerEvent) -> str:
        return severity_chip(obj)

    @display(description="What")
    def about(self, obj: ChargerEvent) -> str:
        return str(obj)

    @display(description="Value")
    def value_column(self, obj: ChargerEvent) -> str:
        return Truncator(obj.value).chars(60) or "–"

    @display(description="State")
    def state_column(self, obj: ChargerEvent) -> str:
        return state_chip(obj)

    @display(description="Details")
    def detail(self, obj: ChargerEvent) -> str:
        return Truncator(" ".join(filter(None, (obj.tech_code, obj.tech_info)))).chars(80)

    @display(description="Acknowledged", empty_value="–")
    def acknowledged(self, obj: ChargerEvent) -> str | None:
        return obj.acknowledged_by_name if obj.acknowledged_at is not None else None

    @admin.action(description="Acknowledge", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[ChargerEvent]) -> None:
        actor = actor_of(request)
        self.attempt_all(
            request,
            list(queryset.select_related("charge_point")),
            lambda row: charger_events.acknowledge(actor=actor, event=row),
            done="{count} acknowledged.",
        )

    @admin.action(description="Say that it is over", permissions=["acknowledge"])
    def end(self, request: HttpRequest, queryset: QuerySet[ChargerEvent]) -> None:
        actor = actor_of(request)
        self.attempt_all(
            request,
            list(queryset.select_related("charge_point")),
            lambda row: charger_events.end(actor=actor, event=row),
            done="{count} over.",
        )

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return allowed(request, charger_events.ACKNOWLEDGE)

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """The events of the list's filters as CSV; times in the tenant's zone with their offset."""
        require(request, "charger_events.view")
        rows = self.get_changelist_instance(request).queryset
        found = read_all(rows, MAX_EXPORT, all_tenants=self.merges_tenants(request))
        return csv_response(
            request, "charger-events.csv", _COLUMNS, _lines(found, timezone.get_current_timezone())
        )


def _lines(rows: Any, zone: tzinfo) -> Iterator[Sequence[Any]]:
    for row in rows:
        times = (row.received_at, row.at, row.ended_at)
        received, at, ended = (when.astimezone(zone).isoformat() if when else "" for when in times)
        yield (
            row.charge_point.identity, received, at, row.place, row.what, row.value, row.trigger,
            "" if row.severity is None else row.severity, row.state, ended, "yes" if row.is_alert else "no",
            row.acknowledged_by_name, row.tech_code, row.tech_info, row.monitor_id or "", row.event_id,
            row.cause_id or "", row.transaction_ocpp_id, row.kind,
        )  # fmt: skip
