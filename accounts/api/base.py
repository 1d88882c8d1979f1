"""What the viewsets of all apps have in common: the actor, its tenant, and rows of nobody else."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from accounts.api.authentication import ApiKeyCaller, actor_of
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.selectors import default_tenant
from csms_project.common.api.idempotency import IdempotentMixin

#: A primary key in a path; longer ones exist in no table.
ID_REGEX = "[0-9]{1,18}"


class TenantViewSet(IdempotentMixin, GenericViewSet[Any]):
    """Rows of the actor's tenant; another tenant's do not exist."""

    #: Area of the permission table; every viewset has one.
    permission_area = ""
    permission_overrides: dict[str, str] = {}
    lookup_value_regex = ID_REGEX
    #: The table grows without end: see `common.big_tables`.
    is_big = False
    #: Filters that choose what another index of a big table begins with.
    anchors: tuple[str, ...] = ()
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    @property
    def actor(self) -> Actor:
        """Who calls, and for which tenant."""
        return actor_of(self.request)

    @property
    def tenant(self) -> Tenant:
        """Where new rows go: a superuser who named no tenant writes to `default`."""
        return self.actor.tenant or default_tenant()

    @property
    def merges_tenants(self) -> bool:
        """Whether lists are of every tenant, and sorted by what only the indexes of a tenant hold."""
        is_anchored = any(self.request.query_params.get(name) for name in self.anchors)
        return self.actor.tenant is None and self.is_big and not is_anchored

    def get_queryset(self) -> QuerySet[Any]:
        rows: Any = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            found: QuerySet[Any] = rows.none()
            return found
        found = rows.for_tenant(self.actor.tenant)
        return found

    def idempotency_scope(self, request: Request) -> str:
        tenant = self.actor.tenant
        caller = (
            f"key {request.user.api_key.pk}" if isinstance(request.user, ApiKeyCaller) else request.user.pk
        )
        return f"{tenant.pk if tenant else '*'} {caller}"


@extend_schema_field(OpenApiTypes.INT64)
class OwnTenantField(serializers.PrimaryKeyRelatedField[Any]):
    """Names a row of the tenant that the object belongs, or will belong, to; the model's field says of what."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        view, serializer = self.context["view"], self.parent
        assert isinstance(serializer, serializers.ModelSerializer)
        meta: Any = serializer.Meta
        model: Any = meta.model._meta.get_field(str(self.source)).related_model
        tenant_id = getattr(serializer.instance, "tenant_id", None) or view.tenant.pk
        rows: QuerySet[Any] = model._default_manager.for_tenant(tenant_id)
        return rows
