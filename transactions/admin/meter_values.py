"""Meter values as chargers sent them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, register
from csms_project.common.admin import BigTable, TimeFilter
from transactions.admin.shared import kwh
from transactions.models import MeterValue


@register(MeterValue)
class MeterValueAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "transactions"
    list_display = ("sampled_at", "charge_point", "connector_number", "transaction", "register", "samples")
    list_filter = (
        ("charge_point", ScopedAutocompleteFilter),
        ("transaction", ScopedAutocompleteFilter),
        ("sampled_at", TimeFilter),
    )
    list_select_related = ("charge_point", "transaction", "layout")
    time_field = "sampled_at"
    anchors = ("charge_point__id__exact", "transaction__id__exact")
    quick_filters = ("charge_point", "transaction", "sampled_at")
    # An index of the tenant would cost as much as each of the others, and serve this page only.
    has_tenant_index = False
    unanchored_note = (
        "Only the newest {rows:,} samples of all are looked at: choose a charge point or a session."
    )
    fields = (
        "sampled_at",
        "received_at",
        "charge_point",
        "connector_number",
        "transaction",
        "register",
        "samples",
    )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-sampled_at", "-id") if self.is_anchored(request) else ("-id",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Register (kWh)")
    def register(self, obj: MeterValue) -> str:
        return kwh(obj.register_wh)

    @display(description="Samples")
    def samples(self, obj: MeterValue) -> str:
        pairs = zip(obj.values, obj.layout.columns, strict=False)
        texts = ((value, " ".join(str(part) for part in column if part)) for value, column in pairs)
        return format_html_join(
            ", ", '<span class="cs-nowrap">{} <span class="cs-sub">{}</span></span>', texts
        ) or (format_html("–"))
