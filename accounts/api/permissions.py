"""Roles at the door of the API: each view names its area, the table in `accounts.permissions` decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.api.authentication import actor_of
from accounts.permissions import may

if TYPE_CHECKING:
    from rest_framework.views import APIView


def permission_of(view: APIView, method: str) -> str:
    """The action of the permission table that a request needs: area.view, area.change or an override.

    A view declares `permission_area` and, by the name of its own action, `permission_overrides`.
    """
    area: str = view.permission_area  # type: ignore[attr-defined]
    overrides: dict[str, str] = getattr(view, "permission_overrides", {})
    action = getattr(view, "action", None) or method.lower()
    return overrides.get(action) or (f"{area}.view" if method in SAFE_METHODS else f"{area}.change")


class RolePermission(BasePermission):
    """Signed in, and with a role that allows it; objects must be of the actor's tenant."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        actor = actor_of(request)
        if getattr(view, "action", "") is None and request.method not in SAFE_METHODS:
            return True  # no such method here: DRF answers 405
        return may(actor, permission_of(view, request.method or ""))

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        if getattr(obj, "tenant_id", None) is None:
            return True  # rows of the installation: the queryset decides who sees them
        return may(actor_of(request), permission_of(view, request.method or ""), obj)
