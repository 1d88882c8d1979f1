"""The permission table."""

from __future__ import annotations

import pytest

from accounts.actors import require
from accounts.choices import Role
from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import PERMISSIONS, Actor, may
from tests import factories
from tests.conftest import ActorFor


@pytest.mark.parametrize("role", list(Role))
def test_may_every_action_follows_the_table(tenant: Tenant, actor_for: ActorFor, role: Role) -> None:
    actor = actor_for(tenant, role)

    allowed = {action for action in PERMISSIONS if may(actor, action, tenant)}

    assert allowed == {action for action, roles in PERMISSIONS.items() if role in roles}


def test_owner_may_everything_and_viewer_changes_nothing() -> None:
    # The keys of the certificate authority are the installation's, not a tenant's.
    assert [name for name, roles in PERMISSIONS.items() if Role.OWNER not in roles] == ["authorities.change"]
    assert not [
        name for name, roles in PERMISSIONS.items() if Role.VIEWER in roles and not name.endswith("view")
    ]


def test_support_may_help_a_driver_but_not_cut_power() -> None:
    assert Role.SUPPORT in PERMISSIONS["commands.send"]
    assert Role.SUPPORT not in PERMISSIONS["commands.send_dangerous"]


@pytest.mark.parametrize("action", sorted(PERMISSIONS))
def test_may_on_another_tenants_object_is_never_allowed(
    owner: Actor, other_tenant: Tenant, action: str
) -> None:
    assert not may(owner, action, other_tenant)
    assert not may(owner, action, factories.DriverFactory.build(tenant=other_tenant))


def test_may_on_object_without_tenant_is_for_superusers_only(owner: Actor) -> None:
    stranger = factories.RefusedConnectionFactory.build(tenant=None)

    assert not may(owner, "refusals.change", stranger)
    assert may(Actor.system("test"), "refusals.change", stranger)


def test_may_as_superuser_within_a_tenant_is_bound_to_it(tenant: Tenant, other_tenant: Tenant) -> None:
    actor = Actor(name="root", via="admin", tenant=tenant, is_superuser=True)

    assert may(actor, "tenant.change", tenant)
    assert not may(actor, "tenant.change", other_tenant)


def test_may_without_tenant_and_role_is_nothing() -> None:
    nobody = Actor(name="nobody", via="api")

    assert not any(may(nobody, action) for action in PERMISSIONS)


def test_may_unknown_action_is_a_mistake_of_ours(owner: Actor) -> None:
    with pytest.raises(KeyError):
        may(owner, "charge_points.explode")


def test_require_of_a_role_without_the_right_is_refused(viewer: Actor, tenant: Tenant) -> None:
    require(viewer, "charge_points.view", tenant)
    with pytest.raises(PermissionRefused):
        require(viewer, "charge_points.change", tenant)
