"""What chargers reported: the log of frames and all that follows from it.  Never edited."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, allowed, register
from chargepoints.admin.shared import charge_point_link, connector_chip
from chargepoints.choices import ConnectorStatus
from chargepoints.models import (
    DataTransfer,
    FrameAnomaly,
    OcppMessage,
    StatusEvent,
    StatusReport,
)
from csms_project.common import audit
from csms_project.common.admin import BigTable, OptionFilter, TimeFilter, chip


def pretty(text: str) -> str:
    """JSON set out in lines; what is no JSON as it came."""
    try:
        shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        shown = text
    return format_html('<pre class="cs-code">{}</pre>', shown) if shown else "–"


class LogAdmin(BigTable, ReadOnlyAdmin):
    """Newest first, found by charge point and time."""

    permission_area = "messages"
    list_select_related = ("charge_point",)

    @display(description="Charge point")
    def where(self, obj: Any) -> str:
        return charge_point_link(obj.charge_point)


class DirectionFilter(OptionFilter):
    title = "direction"
    parameter_name = "direction"
    options = (("in", "From the charger"), ("out", "To the charger"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(sent_by_charger=self.value() == "in") if self.value() else queryset


class ErrorFilter(OptionFilter):
    title = "outcome"
    parameter_name = "outcome"
    options = (("error", "Errors only"), ("unanswered", "Without an answer"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "error":
                return queryset.exclude(error_code="")
            case "unanswered":
                return queryset.filter(answered_at=None)
        return queryset


class ActionFilter(OptionFilter):
    title = "action"
    parameter_name = "action"
    options = tuple(
        (name, name)
        for name in (
            "Authorize",
            "BootNotification",
            "ChangeAvailability",
            "ChangeConfiguration",
            "ClearCache",
            "DataTransfer",
            "DiagnosticsStatusNotification",
            "FirmwareStatusNotification",
            "GetConfiguration",
            "Heartbeat",
            "MeterValues",
            "RemoteStartTransaction",
            "RemoteStopTransaction",
            "Reset",
            "SecurityEventNotification",
            "StartTransaction",
            "StatusNotification",
            "StopTransaction",
            "TriggerMessage",
            "UnlockConnector",
        )
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@register(OcppMessage)
class OcppMessageAdmin(LogAdmin):
    list_display = ("received_at", "where", "direction", "action", "outcome", "preview")
    list_filter = (
        ("charge_point", ScopedAutocompleteFilter),
        ActionFilter,
        DirectionFilter,
        ErrorFilter,
        ("received_at", TimeFilter),
    )
    quick_filters = (*LogAdmin.quick_filters, "outcome=error")
    search_fields = ("message_id__exact", "action__exact")
    search_help_text = "Message id or action, in full"
    fields = (
        "received_at",
        "where",
        "direction",
        "action",
        "message_id",
        "request_text",
        "response_text",
        "outcome",
        "error_description",
        "answered_at",
    )
    readonly_fields = fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Direction")
    def direction(self, obj: OcppMessage) -> str:
        return chip("from charger", "neutral") if obj.sent_by_charger else chip("to charger", "info")

    @display(description="Outcome")
    def outcome(self, obj: OcppMessage) -> str:
        if obj.error_code:
            return chip(obj.error_code, "bad", title=obj.error_description)
        return chip("answered", "ok") if obj.answered_at else chip("no answer", "warn")

    @display(description="Payload")
    def preview(self, obj: OcppMessage) -> str:
        return format_html('<code class="cs-mono">{}</code>', Truncator(obj.request).chars(80))

    @display(description="Request")
    def request_text(self, obj: OcppMessage) -> str:
        return pretty(obj.request)

    @display(description="Answer")
    def response_text(self, obj: OcppMessage) -> str:
        return pretty(obj.response)


class OpenFilter(OptionFilter):
    title = "state"
    parameter_name = "state"
    options = (("open", "Open"), ("resolved", "Resolved"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=self.value() == "open") if self.value() else queryset


@register(FrameAnomaly)
class FrameAnomalyAdmin(LogAdmin):
    list_display = ("received_at", "where", "action", "problem_text", "served", "resolved_at")
    quick_filters = (*LogAdmin.quick_filters, "state=open")
    list_filter = (
        OpenFilter,
        "was_served",
        ("charge_point", ScopedAutocompleteFilter),
        ("received_at", TimeFilter),
    )
    search_fields = ("problem", "action")
    actions = ("resolve",)
    fields = (
        "received_at",
        "where",
        "action",
        "message_id",
        "problem",
        "served",
        "frame_text",
        "answer",
        "resolved_at",
    )
    readonly_fields = fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Problem")
    def problem_text(self, obj: FrameAnomaly) -> str:
        return Truncator(obj.problem).chars(90)

    @display(description="What we did")
    def served(self, obj: FrameAnomaly) -> str:
        if obj.answer:
            return chip(f"put aside after {obj.attempts} attempts", "bad")
        if obj.attempts and not obj.was_served:
            return chip(f"held, failed {obj.attempts} times", "bad")
        if obj.attempts:
            return chip(f"failed {obj.attempts} times, then stored", "ok")
        return (
            chip("repaired and stored", "warn") if obj.was_served else chip("answered with an error", "bad")
        )

    @display(description="Frame")
    def frame_text(self, obj: FrameAnomaly) -> str:
        return pretty(obj.frame)

    @admin.action(description="Mark as resolved", permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[FrameAnomaly]) -> None:
        for row in queryset.filter(resolved_at=None):
            row.resolved_at = timezone.now()
            row.save(update_fields=["resolved_at"])
            audit.record(actor_of(request), "anomalies.resolve", row)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return allowed(request, "charge_points.change")


class ReportedStatusFilter(OptionFilter):
    title = "status"
    parameter_name = "status"
    options = tuple(choice for choice in ConnectorStatus.choices if choice[0])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@register(StatusEvent)
class StatusEventAdmin(LogAdmin):
    permission_area = "charge_points"
    list_display = ("received_at", "where", "state", "error_code", "info", "vendor_error_code", "at")
    list_filter = (
        ("charge_point", ScopedAutocompleteFilter),
        ReportedStatusFilter,
        ("received_at", TimeFilter),
    )

    @display(description="Status")
    def state(self, obj: StatusEvent) -> str:
        return connector_chip(obj.label, obj.status, error_code=obj.error_code)


@register(StatusReport)
class StatusReportAdmin(LogAdmin):
    list_display = ("received_at", "where", "kind", "status", "request_id")
    list_filter = (("charge_point", ScopedAutocompleteFilter), "kind", ("received_at", TimeFilter))


@register(DataTransfer)
class DataTransferAdmin(LogAdmin):
    list_display = ("received_at", "where", "vendor_id", "message_id", "answer")
    list_filter = (("charge_point", ScopedAutocompleteFilter), ("received_at", TimeFilter))
    search_fields = ("vendor_id",)
