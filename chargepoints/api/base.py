"""What hangs on a charge point is found below its address."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema

from accounts.api.base import TenantViewSet
from chargepoints.api import problems  # noqa: F401  the statuses of our exceptions
from chargepoints.models import ChargePoint

#: Identities may hold dots, spaces and “|”, but no slash.
IDENTITY_REGEX = "[^/]+"

IDENTITY = OpenApiParameter(
    "identity",
    str,
    OpenApiParameter.PATH,
    description="Identity of the charge point, compared without regard to case.",
)


def get_charge_point(rows: QuerySet[ChargePoint], identity: str) -> ChargePoint:
    """The charge point of this identity among these; raises Http404."""
    # Unprintable text is no identity, and PostgreSQL refuses some of it.
    found = rows.filter(identity_key=identity.casefold()).first() if identity.isprintable() else None
    if found is None:
        raise Http404
    return found


@extend_schema(parameters=[IDENTITY])
class ChargePointPartViewSet(TenantViewSet):
    """Rows of one charge point of the actor's tenant."""

    @cached_property
    def charge_point(self) -> ChargePoint:
        """The charge point that the address names; raises Http404."""
        return get_charge_point(ChargePoint.objects.for_tenant(self.actor.tenant), self.kwargs["identity"])

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        return rows.filter(charge_point=self.charge_point)
