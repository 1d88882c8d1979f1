"""Tenants: the organisation's own settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from accounts.admin_base import TenantModelAdmin, actor_of, changed_values, register, take_over
from accounts.models import Tenant
from accounts.services import tenants


@register(Tenant)
class TenantAdmin(TenantModelAdmin):
    permission_area = "tenant"
    may_delete = False
    needs_tenant = False
    exclude = None
    list_display = ("name", "slug", "currency", "time_zone", "onboarding_mode", "pricing_mode")
    search_fields = ("name", "slug")
    autocomplete_fields = ("default_tariff",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "currency", "time_zone", "support_contact", "brand_color")}),
        (
            "Chargers",
            {
                "classes": ["tab"],
                "fields": (
                    "onboarding_mode",
                    "auto_configure",
                    "heartbeat_interval_s",
                    "accepted_vendor_ids",
                    "keep_local_lists",
                ),
            },
        ),
        (
            "Who may charge",
            {
                "classes": ["tab"],
                "fields": (
                    "authorization_mode",
                    "group_block_applies",
                    "max_active_sessions",
                    "stop_on_block",
                ),
            },
        ),
        (
            "Prices and sessions",
            {
                "classes": ["tab"],
                "fields": (
                    "pricing_mode",
                    "default_tariff",
                    "cost_display",
                    "cost_interval_s",
                    "local_tariffs",
                    "accepts_direct_payment",
                    "stale_after_days",
                    "close_stale_after_days",
                ),
            },
        ),
        (
            "Certificates",
            {
                "classes": ["tab"],
                "fields": ("cpo_name", "signing_policy", "certificate_days", "renew_certificate_days"),
            },
        ),
        (
            "Alerts",
            {
                "classes": ["tab"],
                "fields": ("alert_severity", "alert_types", "quiet_types", "alert_event_severity"),
            },
        ),
        ("Roaming", {"classes": ["tab"], "fields": ("country_code", "party_id")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("slug",) if obj is not None else ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        actor = actor_of(request)
        return actor.is_superuser and actor.tenant is None

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            stored = Tenant.objects.get(pk=obj.pk)
            tenants.update_tenant(actor=actor, tenant=stored, **changed_values(form))
        else:
            values = {name: value for name, value in form.cleaned_data.items() if name != "default_tariff"}
            take_over(obj, tenants.create_tenant(actor=actor, **values))
