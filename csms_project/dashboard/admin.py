"""Admin of what belongs to no app alone: the outbox and the audit trail.

They are registered here and not in `common`, which knows neither tenants nor permissions.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin, actor_of, register
from chargepoints.choices import Via
from chargepoints.selectors import find_charge_point
from csms_project.common.admin import BigTable, OptionFilter, TimeFilter
from csms_project.common.models import AuditEntry, Event

# Of other packages, only what is ours to manage: token lists and plain API keys know no tenants.
_OURS = {"accounts", "chargepoints", "transactions", "common"}
for _model in [model for model in admin.site._registry if model._meta.app_label not in _OURS]:
    admin.site.unregister(_model)


def _code(value: Any) -> str:
    return format_html('<pre class="cs-code">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


@register(Event)
class EventAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "events"
    list_display = ("created_at", "kind", "charge_point", "object_type", "object_id", "dispatched_at")
    list_filter = (("created_at", TimeFilter),)
    time_field = "created_at"
    anchors = ()
    quick_filters = ("created_at",)
    has_quick_search = True
    search_fields = ("kind",)
    search_help_text = "Kind, charge point or object id, in full"
    fields = ("created_at", "kind", "charge_point", "object_type", "object_id", "details", "dispatched_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # One condition, so that one index serves it.
        text = search_term.strip()
        if not text:
            return queryset, False
        if self.is_anchored(request):
            return queryset.filter(charge_point__iexact=text), False
        return queryset.filter(**{"kind" if "." in text else "object_id": text}), False

    def is_anchored(self, request: HttpRequest) -> bool:
        text = request.GET.get("q", "")
        return bool(text and find_charge_point(actor_of(request).tenant, text))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Data")
    def details(self, obj: Event) -> str:
        return _code(obj.data)


class ViaFilter(OptionFilter):
    title = "way"
    parameter_name = "via"
    options = tuple(Via.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(via=self.value()) if self.value() else queryset


@register(AuditEntry)
class AuditEntryAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "audit"
    list_display = (
        "created_at",
        "actor_name",
        "via",
        "action",
        "object_type",
        "object_name",
        "source_address",
    )
    list_filter = (("created_at", TimeFilter), ViaFilter)
    time_field = "created_at"
    anchors = ()
    quick_filters = ("created_at",)
    search_fields = ("=actor_name", "^action", "^object_name")
    search_help_text = "Who, action or object"
    fields = (
        "created_at",
        "actor_name",
        "via",
        "action",
        "object_type",
        "object_id",
        "object_name",
        "details",
        "source_address",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        rows = super().get_queryset(request)
        # Entries of the installation itself have no tenant.
        return rows if actor_of(request).tenant is None else rows.exclude(tenant=None)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Changes")
    def details(self, obj: AuditEntry) -> str:
        return _code(obj.changes)
