"""Security events: how grave they are, and which of them wait for somebody."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin_base import ScopedAutocompleteFilter, actor_of, allowed, register
from chargepoints.admin.logs import LogAdmin
from chargepoints.admin.shared import ERRORS
from chargepoints.models import SecurityEvent
from chargepoints.security_events import CRITICAL, NORMAL
from chargepoints.services import security_alerts
from csms_project.common.admin import OptionFilter, TimeFilter, chip


def severity_chip(event: SecurityEvent) -> SafeString:
    """How grave an event is, and whether it waits for somebody."""
    if event.is_alert and event.acknowledged_at is None:
        return chip("Alert", "bad", title=f"{event.severity}, nobody has acknowledged it")
    if event.severity == CRITICAL:
        return chip("Critical", "warn")
    return chip("Normal", "neutral")


class SeverityFilter(OptionFilter):
    title = "severity"
    parameter_name = "severity"
    options = ((CRITICAL, "Critical"), (NORMAL, "Not critical"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return security_alerts.with_severity(queryset, value) if value else queryset


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


@register(SecurityEvent)
class SecurityEventAdmin(LogAdmin):
    domain_errors = ERRORS
    list_display = ("received_at", "where", "grave", "type", "tech_info", "at", "acknowledged")
    list_filter = (
        AlertFilter,
        SeverityFilter,
        ("charge_point", ScopedAutocompleteFilter),
        ("received_at", TimeFilter),
    )
    quick_filters = (*LogAdmin.quick_filters, "alert=open")
    search_fields = ("type",)
    actions = ("acknowledge",)
    fields = ("received_at", "where", "grave", "type", "tech_info", "at", "acknowledged")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Severity")
    def grave(self, obj: SecurityEvent) -> str:
        return severity_chip(obj)

    @display(description="Acknowledged", empty_value="–")
    def acknowledged(self, obj: SecurityEvent) -> str | None:
        return obj.acknowledged_by_name if obj.acknowledged_at is not None else None

    @admin.action(description="Acknowledge", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[SecurityEvent]) -> None:
        actor = actor_of(request)
        self.attempt_all(
            request,
            list(queryset.select_related("charge_point")),
            lambda row: security_alerts.acknowledge(actor=actor, event=row),
            done="{count} acknowledged.",
        )

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return allowed(request, security_alerts.ACKNOWLEDGE)
