"""Who acts: made once at the edge (admin, API, command line) and handed to every service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts import errors
from accounts.choices import Role
from accounts.models import Membership, Tenant
from accounts.permissions import Actor, may

if TYPE_CHECKING:
    from accounts.models import ApiKey, User


def actor_for_user(user: User, *, tenant_slug: str | None, via: str, address: str = "") -> Actor:
    """The actor of a signed-in user, for the tenant named or the only one that it may be.

    A superuser without a slug acts for all tenants.  A tenant of which the user is no member is unknown to
    it: its existence is not disclosed.

    Raises  TenantRequired  several memberships and no slug
            UnknownTenant   no such tenant, or not the user's
            NoMembership    belongs to no tenant
    """
    if user.is_superuser:
        tenant = _tenant(tenant_slug) if tenant_slug else None
        return Actor(
            name=user.username, via=via, tenant=tenant, user=user, is_superuser=True, address=address
        )
    membership = _membership(user, tenant_slug)
    return Actor(
        name=user.username,
        via=via,
        tenant=membership.tenant,
        role=Role(membership.role),
        user=user,
        address=address,
    )


def actor_for_api_key(key: ApiKey, *, tenant_slug: str | None = None, address: str = "") -> Actor:
    """The actor of a program: the key's tenant and role.

    Raises  KeyRevoked     revoked or expired
            UnknownTenant  the slug names another tenant than the key's
    """
    if key.revoked or key.has_expired:
        raise errors.KeyRevoked
    if tenant_slug and tenant_slug != key.tenant.slug:
        raise errors.UnknownTenant
    return Actor(name=f"key {key.name}", via="api", tenant=key.tenant, role=Role(key.role), address=address)


def require(actor: Actor, action: str, obj: object | None = None) -> None:
    """Raise PermissionRefused unless the actor may do this, to this object if one is given."""
    if not may(actor, action, obj):
        raise errors.PermissionRefused


def _tenant(slug: str) -> Tenant:
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise errors.UnknownTenant
    return tenant


def _membership(user: User, slug: str | None) -> Membership:
    memberships = Membership.objects.select_related("tenant").filter(user=user)
    if slug:
        membership = memberships.filter(tenant__slug=slug).first()
        if membership is None:
            raise errors.UnknownTenant
        return membership
    found = list(memberships[:2])
    if not found:
        raise errors.NoMembership
    if len(found) > 1:
        raise errors.TenantRequired
    return found[0]
