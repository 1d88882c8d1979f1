"""Locations."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin_base import TenantModelAdmin, register
from chargepoints.models import Location


@register(Location)
class LocationAdmin(TenantModelAdmin):
    permission_area = "locations"
    list_display = ("name", "address", "postal_code", "city", "country", "charge_points_here", "tariff")
    list_filter = ("country",)
    list_select_related = ("tariff",)
    search_fields = ("name", "address", "city", "postal_code")
    autocomplete_fields = ("tariff",)
    fieldsets = (
        (None, {"fields": ("name", "address", "postal_code", "city", "country")}),
        ("Map and clock", {"fields": ("latitude", "longitude", "time_zone")}),
        ("Price", {"fields": ("tariff",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Location]:
        here = Count("charge_points", filter=Q(charge_points__archived_at=None))
        rows: QuerySet[Location] = super().get_queryset(request)
        return rows.annotate(charge_point_count=here).order_by("name", "pk")

    @display(description="Charge points", ordering="charge_point_count")
    def charge_points_here(self, obj: Any) -> str:
        url = reverse("admin:chargepoints_chargepoint_changelist")
        return format_html(
            '<a class="cs-link" href="{}?location__id__exact={}">{}</a>', url, obj.pk, obj.charge_point_count
        )
