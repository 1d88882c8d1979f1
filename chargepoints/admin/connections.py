"""Live connections and the processes that hold them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, register
from chargepoints.admin.shared import ago, charge_point_link, online_dot
from chargepoints.models import Connection, GatewayNode
from csms_project.common.admin import chip


@register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    permission_area = "connections"
    list_display = (
        "where",
        "connected_at",
        "last_frame",
        "ocpp_version",
        "security_profile",
        "remote_address",
        "node",
    )
    list_filter = (("charge_point", ScopedAutocompleteFilter), "ocpp_version", "security_profile")
    list_select_related = ("charge_point", "node")
    search_fields = ("charge_point__identity", "remote_address")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        rows: QuerySet[Connection] = super().get_queryset(request)
        return rows.annotate(is_live=Q(node__lease_until__gt=Now()))

    @display(description="Charge point")
    def where(self, obj: Any) -> str:
        return online_dot(obj.is_live) + " " + charge_point_link(obj.charge_point)

    @display(description="Last message")
    def last_frame(self, obj: Connection) -> str:
        return ago(obj.last_frame_at)


@register(GatewayNode)
class GatewayNodeAdmin(ReadOnlyAdmin):
    """Processes serve all tenants: only for administrators of the installation."""

    permission_area = "connections"
    list_display = ("name", "state", "connection_count", "version", "started_at", "lease_until")
    search_fields = ("host",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_superuser

    def get_queryset(self, request: HttpRequest) -> QuerySet[GatewayNode]:
        rows: QuerySet[GatewayNode] = super().get_queryset(request)
        live = Count("connections")
        return rows.annotate(live=live, is_alive=Q(lease_until__gt=Now())).order_by("-started_at", "pk")

    @display(description="Process")
    def name(self, obj: GatewayNode) -> str:
        return str(obj)

    @display(description="State")
    def state(self, obj: Any) -> str:
        if obj.stopped_at is not None:
            return chip("Stopped", "neutral")
        return chip("Alive", "ok") if obj.is_alive else chip("Gone", "bad")

    @display(description="Connections", ordering="live")
    def connection_count(self, obj: Any) -> int:
        return int(obj.live)
