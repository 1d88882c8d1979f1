"""Who acts, and for which tenant."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import errors
from accounts.actors import actor_for_api_key, actor_for_user
from accounts.choices import Role
from accounts.models import Tenant, User
from tests import factories


def test_actor_of_single_member_gets_the_only_tenant(tenant: Tenant) -> None:
    member = factories.MembershipFactory(tenant=tenant, role=Role.SUPPORT)

    actor = actor_for_user(member.user, tenant_slug=None, via="api", address="192.0.2.1")

    assert (actor.tenant, actor.role, actor.is_superuser) == (tenant, Role.SUPPORT, False)
    assert (actor.name, actor.via, actor.address) == (member.user.username, "api", "192.0.2.1")


def test_actor_of_two_tenants_without_slug_is_refused(tenant: Tenant, other_tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant).user
    factories.MembershipFactory(tenant=other_tenant, user=user)

    with pytest.raises(errors.TenantRequired):
        actor_for_user(user, tenant_slug=None, via="api")


def test_actor_of_two_tenants_with_slug_has_the_role_there(tenant: Tenant, other_tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant, role=Role.OWNER).user
    factories.MembershipFactory(tenant=other_tenant, user=user, role=Role.VIEWER)

    actor = actor_for_user(user, tenant_slug="rival", via="api")

    assert (actor.tenant, actor.role) == (other_tenant, Role.VIEWER)


@pytest.mark.parametrize("slug", ["rival", "no-such-tenant"])
def test_actor_for_foreign_or_missing_tenant_is_told_unknown(tenant: Tenant, slug: str) -> None:
    user = factories.MembershipFactory(tenant=tenant).user

    with pytest.raises(errors.UnknownTenant):
        actor_for_user(user, tenant_slug=slug, via="api")


def test_actor_without_membership_is_refused(tenant: Tenant) -> None:
    with pytest.raises(errors.NoMembership):
        actor_for_user(factories.UserFactory(), tenant_slug=None, via="api")


def test_actor_of_superuser_without_slug_spans_all_tenants(tenant: Tenant, superuser: User) -> None:
    actor = actor_for_user(superuser, tenant_slug=None, via="admin")

    assert actor.tenant is None
    assert actor.is_superuser


def test_actor_of_superuser_with_slug_is_bound_to_it(tenant: Tenant, superuser: User) -> None:
    assert actor_for_user(superuser, tenant_slug="acme", via="admin").tenant == tenant


def test_actor_of_superuser_with_unknown_slug_is_refused(tenant: Tenant, superuser: User) -> None:
    with pytest.raises(errors.UnknownTenant):
        actor_for_user(superuser, tenant_slug="nowhere", via="admin")


def test_actor_of_api_key_has_its_tenant_and_role(tenant: Tenant) -> None:
    key = factories.ApiKeyFactory(tenant=tenant, role=Role.TECHNICIAN, name="billing")

    actor = actor_for_api_key(key, address="192.0.2.7")

    assert (actor.tenant, actor.role, actor.name) == (tenant, Role.TECHNICIAN, "key billing")
    assert actor.user is None


def test_actor_of_api_key_for_another_tenant_is_told_unknown(tenant: Tenant) -> None:
    with pytest.raises(errors.UnknownTenant):
        actor_for_api_key(factories.ApiKeyFactory(tenant=tenant), tenant_slug="rival")


def test_actor_of_revoked_or_expired_api_key_is_refused(tenant: Tenant) -> None:
    revoked = factories.ApiKeyFactory(tenant=tenant, revoked=True)
    expired = factories.ApiKeyFactory(tenant=tenant, expiry_date=timezone.now() - timedelta(days=1))

    for key in (revoked, expired):
        with pytest.raises(errors.KeyRevoked):
            actor_for_api_key(key)
