"""Reads of tenants and people."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import Driver, IdToken, Membership, Tenant, User


def default_tenant() -> Tenant:
    """The tenant that every installation has; raises Tenant.DoesNotExist before `up` has made it."""
    return Tenant.objects.get(slug=settings.DEFAULT_TENANT)


def tenants_of(user: User) -> QuerySet[Tenant]:
    """Tenants that a user may act for: all for a superuser."""
    if user.is_superuser:
        return Tenant.objects.all()
    return Tenant.objects.filter(memberships__user=user)


def find_membership(user: User, tenant: Tenant) -> Membership | None:
    """The user's membership of this tenant, if any."""
    return Membership.objects.filter(user=user, tenant=tenant).first()


def members_of(tenant: Tenant | None) -> QuerySet[User]:
    """Users who are members of a tenant; None: all users."""
    if tenant is None:
        return User.objects.all()
    return User.objects.filter(memberships__tenant=tenant)


def find_token(*, tenant: Tenant, value: str) -> IdToken | None:
    """A token by its value, without regard to case; of several types the RFID card first."""
    found = IdToken.objects.for_tenant(tenant).filter(value_key=value.casefold())
    return min(found, key=lambda token: (token.type != "ISO14443", token.pk), default=None)


def drivers_of(tenant: Tenant | None) -> QuerySet[Driver]:
    """Drivers of a tenant; None: all."""
    drivers: QuerySet[Driver] = Driver.objects.for_tenant(tenant)
    return drivers
