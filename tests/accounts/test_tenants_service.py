"""Tenants and the first start."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts import errors
from accounts.models import Tenant, User
from accounts.permissions import Actor
from accounts.selectors import default_tenant, members_of, tenants_of
from accounts.services import tenants
from csms_project.common.models import AuditEntry, Event
from tests import factories

ROOT = Actor(name="root", via="admin", is_superuser=True)


@pytest.mark.django_db
def test_ensure_default_tenant_is_made_once_with_the_currency_of_the_settings(settings: Settings) -> None:
    settings.TARIFF_CURRENCY = "IDR"

    first = tenants.ensure_default_tenant()
    second = tenants.ensure_default_tenant()

    assert (first, first.slug, first.currency) == (second, "default", "IDR")
    assert default_tenant() == first


@pytest.mark.django_db
def test_ensure_first_admin_without_password_generates_one_that_works() -> None:
    user, password = tenants.ensure_first_admin("admin", None)

    assert password is not None
    assert len(password) >= 12
    assert user.check_password(password)
    assert user.is_superuser
    assert user.is_staff


@pytest.mark.django_db
def test_ensure_first_admin_again_changes_nothing() -> None:
    user, password = tenants.ensure_first_admin("admin", None)

    again, generated = tenants.ensure_first_admin("admin", "another password")

    assert (again, generated) == (user, None)
    assert User.objects.get().check_password(str(password))


@pytest.mark.django_db
def test_ensure_first_admin_with_password_uses_it_and_shows_none() -> None:
    user, generated = tenants.ensure_first_admin("chief", "a password of mine")

    assert generated is None
    assert user.check_password("a password of mine")


@pytest.mark.django_db
def test_create_tenant_as_superuser_is_audited_and_told() -> None:
    tenant = tenants.create_tenant(actor=ROOT, slug="north", name="North", currency="SEK")

    assert (tenant.slug, tenant.currency) == ("north", "SEK")
    assert AuditEntry.objects.get().action == "tenant.create"
    assert Event.objects.get().kind == "tenant.created"


def test_create_tenant_as_owner_is_refused(owner: Actor) -> None:
    with pytest.raises(errors.PermissionRefused):
        tenants.create_tenant(actor=owner, slug="north", name="North")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "acme", "name": "Again"}, "slug"),
        ({"slug": "no spaces", "name": "X"}, "slug"),
        ({"slug": "x", "name": "X", "currency": "euro"}, "currency"),
        ({"slug": "x", "name": "X", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"slug": "x", "name": "X", "is_demo": True}, "is_demo"),
    ],
)
def test_create_tenant_with_wrong_values_names_the_field(
    tenant: Tenant, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        tenants.create_tenant(actor=ROOT, **fields)

    assert field in caught.value.errors


def test_update_tenant_by_owner_writes_and_audits_the_change(owner: Actor, tenant: Tenant) -> None:
    tenants.update_tenant(actor=owner, tenant=tenant, time_zone="Europe/Berlin", name="Acme")

    assert Tenant.objects.get(pk=tenant.pk).time_zone == "Europe/Berlin"
    entry = AuditEntry.objects.get(action="tenant.change")
    assert entry.changes == {"time_zone": ["UTC", "Europe/Berlin"]}
    assert (entry.actor_name, entry.source_address) == (owner.name, "192.0.2.1")


def test_update_tenant_with_a_foreign_tariff_is_refused(
    owner: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    foreign = factories.TariffFactory(tenant=other_tenant)

    with pytest.raises(errors.Invalid) as caught:
        tenants.update_tenant(actor=owner, tenant=tenant, default_tariff=foreign)

    assert "default_tariff" in caught.value.errors


def test_update_tenant_by_operator_or_stranger_is_refused(
    operator: Actor, stranger: Actor, tenant: Tenant
) -> None:
    for actor in (operator, stranger):
        with pytest.raises(errors.PermissionRefused):
            tenants.update_tenant(actor=actor, tenant=tenant, name="Taken over")


def test_tenants_of_member_and_superuser(tenant: Tenant, other_tenant: Tenant, superuser: User) -> None:
    member = factories.MembershipFactory(tenant=tenant).user

    assert list(tenants_of(member)) == [tenant]
    assert list(tenants_of(superuser)) == [tenant, other_tenant]
    assert list(members_of(tenant)) == [member]
    assert set(members_of(None)) == {member, superuser}
