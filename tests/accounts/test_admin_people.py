"""Users, roles, drivers, API keys and the organisation in the admin."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.models import ApiKey, Driver, Membership, Tenant, User
from accounts.permissions import Actor
from csms_project.common.models import AuditEntry
from tests import factories
from tests.browsing import messages_of, sign_in


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    sign_in(client, owner)
    return client


def test_add_user_makes_a_member_who_can_sign_in(signed_in: Client, tenant: Tenant, client: Client) -> None:
    data = {"username": "kim", "is_active": "on", "role": "support", "new_password": "a long pass phrase"}
    signed_in.post(reverse("admin:accounts_user_add"), data)
    membership = Membership.objects.get(user__username="kim")
    assert (membership.tenant, membership.role) == (tenant, "support")
    assert client.login(username="kim", password="a long pass phrase")


def test_add_user_with_a_weak_password_is_an_error_of_the_form(signed_in: Client) -> None:
    data = {"username": "kim", "is_active": "on", "role": "support", "new_password": "short"}
    answer = signed_in.post(reverse("admin:accounts_user_add"), data)
    assert "new_password" in answer.context["adminform"].form.errors
    assert not User.objects.filter(username="kim").exists()


def test_change_of_the_role_takes_effect_in_this_tenant_only(
    signed_in: Client, tenant: Tenant, other_tenant: Tenant
) -> None:
    user = factories.MembershipFactory(tenant=tenant, role=Role.VIEWER).user
    factories.MembershipFactory(tenant=other_tenant, user=user, role=Role.VIEWER)
    path = reverse("admin:accounts_user_change", args=[user.pk])
    signed_in.post(path, {"email": user.email, "is_active": "on", "role": "operator"})
    roles = dict(Membership.objects.filter(user=user).values_list("tenant__slug", "role"))
    assert roles == {"acme": "operator", "rival": "viewer"}


def test_demotion_of_the_last_owner_is_refused_in_words(signed_in: Client, owner: Actor) -> None:
    assert owner.user is not None
    path = reverse("admin:accounts_user_change", args=[owner.user.pk])
    answer = signed_in.post(
        path, {"email": owner.user.email, "is_active": "on", "role": "viewer"}, follow=True
    )
    assert messages_of(answer) == ["A tenant keeps at least one owner."]
    assert Membership.objects.get(user=owner.user).role == "owner"


def test_name_of_a_user_who_also_belongs_elsewhere_is_not_changed(
    signed_in: Client, tenant: Tenant, other_tenant: Tenant
) -> None:
    user = factories.MembershipFactory(tenant=tenant).user
    factories.MembershipFactory(tenant=other_tenant, user=user)
    path = reverse("admin:accounts_user_change", args=[user.pk])
    signed_in.post(path, {"email": "taken@over.example", "is_active": "on", "role": "viewer"})
    user.refresh_from_db()
    assert user.email != "taken@over.example"


def test_removed_member_stays_a_user(signed_in: Client, tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant).user
    path = reverse("admin:accounts_user_changelist")
    data = {"action": "remove_from_tenant", "_selected_action": [user.pk]}
    assert user.username in signed_in.post(path, data).content.decode()
    assert Membership.objects.filter(user=user).exists()
    signed_in.post(path, {**data, "confirmed": "1"})
    assert not Membership.objects.filter(user=user).exists()
    assert User.objects.filter(pk=user.pk).exists()


def test_superuser_of_all_tenants_gives_a_role_by_the_table_of_memberships(
    superuser: User, tenant: Tenant, other_tenant: Tenant, client: Client
) -> None:
    membership = factories.MembershipFactory(tenant=tenant, role=Role.VIEWER)
    client.force_login(superuser)
    data = {
        "email": membership.user.email,
        "is_active": "on",
        "memberships-TOTAL_FORMS": 2,
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": membership.pk,
        "memberships-0-user": membership.user.pk,
        "memberships-0-tenant": tenant.pk,
        "memberships-0-role": "operator",
        "memberships-1-user": membership.user.pk,
        "memberships-1-tenant": other_tenant.pk,
        "memberships-1-role": "support",
    }
    client.post(reverse("admin:accounts_user_change", args=[membership.user.pk]), data)
    roles = dict(Membership.objects.filter(user=membership.user).values_list("tenant__slug", "role"))
    assert roles == {"acme": "operator", "rival": "support"}


def test_new_api_key_is_shown_once(signed_in: Client, tenant: Tenant) -> None:
    answer = signed_in.post(reverse("admin:accounts_apikey_add"), {"name": "ERP", "role": "viewer"})
    key = ApiKey.objects.get(name="ERP")
    secret = answer.context["secrets"][0]["value"]
    assert key.is_valid(secret)
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    later = signed_in.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert secret not in later


def test_revoked_api_key_is_out(signed_in: Client, tenant: Tenant) -> None:
    key = factories.ApiKeyFactory(tenant=tenant)
    data = {"action": "revoke", "_selected_action": [key.pk], "confirmed": "1"}
    signed_in.post(reverse("admin:accounts_apikey_changelist"), data)
    assert ApiKey.objects.get(pk=key.pk).revoked


def test_driver_is_made_and_changed(signed_in: Client, tenant: Tenant) -> None:
    signed_in.post(reverse("admin:accounts_driver_add"), {"name": "Robin", "is_active": "on"})
    driver = Driver.objects.get(name="Robin")
    path = reverse("admin:accounts_driver_change", args=[driver.pk])
    signed_in.post(path, {"name": "Robin", "email": "robin@example.com", "is_active": "on"})
    driver.refresh_from_db()
    assert (driver.tenant, driver.email) == (tenant, "robin@example.com")


def test_second_driver_of_an_address_is_an_error_of_the_form(signed_in: Client, tenant: Tenant) -> None:
    factories.DriverFactory(tenant=tenant, email="robin@example.com")
    data = {"name": "Other", "email": "Robin@example.com", "is_active": "on"}
    answer = signed_in.post(reverse("admin:accounts_driver_add"), data)
    assert "A driver with this e-mail address exists already." in answer.content.decode()


def test_settings_of_the_organisation_are_changed_and_audited(signed_in: Client, tenant: Tenant) -> None:
    path = reverse("admin:accounts_tenant_change", args=[tenant.pk])
    form = signed_in.get(path).context["adminform"].form
    data = {name: value for name, value in form.initial.items() if value not in (None, False)}
    signed_in.post(path, {**data, "time_zone": "Asia/Jakarta"})
    tenant.refresh_from_db()
    assert tenant.time_zone == "Asia/Jakarta"
    assert AuditEntry.objects.get(action="tenant.change").changes == {"time_zone": ["UTC", "Asia/Jakarta"]}


def test_organisation_is_made_by_who_sees_all_tenants(
    superuser: User, tenant: Tenant, client: Client
) -> None:
    client.force_login(superuser)
    path = reverse("admin:accounts_tenant_add")
    form = client.get(path).context["adminform"].form
    data = {name: field.initial for name, field in form.fields.items() if field.initial not in (None, False)}
    client.post(path, {**data, "slug": "third", "name": "Third"})
    assert Tenant.objects.get(slug="third").name == "Third"
