"""Users, roles, drivers and API keys."""

from __future__ import annotations

import pytest

from accounts import errors
from accounts.actors import actor_for_api_key
from accounts.choices import Role
from accounts.models import ApiKey, Driver, Membership, Tenant, User
from accounts.permissions import Actor
from accounts.selectors import find_membership
from accounts.services import people
from csms_project.common.models import AuditEntry
from tests import factories
from tests.factories import PASSWORD


def test_create_user_is_member_with_the_role_and_may_sign_in(owner: Actor, tenant: Tenant) -> None:
    user = people.create_user(
        actor=owner,
        tenant=tenant,
        username="kim",
        email="kim@example.com",
        password=PASSWORD,
        role=Role.SUPPORT,
    )

    membership = find_membership(user, tenant)
    assert membership is not None
    assert membership.role == Role.SUPPORT
    assert user.check_password(PASSWORD)
    assert not user.is_superuser


def test_create_user_without_password_cannot_sign_in(owner: Actor, tenant: Tenant) -> None:
    assert not people.create_user(actor=owner, tenant=tenant, username="kim").has_usable_password()


def test_create_user_with_taken_name_is_refused(owner: Actor, tenant: Tenant) -> None:
    factories.UserFactory(username="kim")

    with pytest.raises(errors.UserExists) as caught:
        people.create_user(actor=owner, tenant=tenant, username="kim")

    assert "username" in caught.value.errors


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"password": "short"}, "password"),
        ({"role": "emperor"}, "role"),
        ({"email": "nonsense"}, "email"),
        ({"username": "with space"}, "username"),
    ],
)
def test_create_user_with_wrong_values_makes_nobody(
    owner: Actor, tenant: Tenant, fields: dict[str, str], field: str
) -> None:
    before = User.objects.count()

    with pytest.raises(errors.Invalid) as caught:
        people.create_user(actor=owner, tenant=tenant, **{"username": "kim", **fields})

    assert field in caught.value.errors
    assert User.objects.count() == before


def test_create_user_by_operator_or_stranger_is_refused(
    operator: Actor, stranger: Actor, tenant: Tenant
) -> None:
    for actor in (operator, stranger):
        with pytest.raises(errors.PermissionRefused):
            people.create_user(actor=actor, tenant=tenant, username="kim")


def test_audit_of_a_password_change_does_not_hold_it(owner: Actor, tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant).user

    people.update_user(
        actor=owner, tenant=tenant, user=user, password="another fine password", first_name="Kim"
    )

    user.refresh_from_db()
    assert user.check_password("another fine password")
    changes = AuditEntry.objects.get(action="users.change").changes
    assert changes == {"user": [None, user.username], "first_name": ["", "Kim"], "password": ["***", "***"]}


def test_update_user_who_belongs_elsewhere_too_is_refused(
    owner: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    user = factories.MembershipFactory(tenant=tenant).user
    factories.MembershipFactory(tenant=other_tenant, user=user)

    with pytest.raises(errors.PermissionRefused):
        people.update_user(actor=owner, tenant=tenant, user=user, password="another fine password")


def test_update_superuser_by_owner_is_refused(owner: Actor, tenant: Tenant, superuser: User) -> None:
    factories.MembershipFactory(tenant=tenant, user=superuser)

    with pytest.raises(errors.PermissionRefused):
        people.update_user(actor=owner, tenant=tenant, user=superuser, password="another fine password")


def test_update_user_of_a_right_that_cannot_be_set_is_refused(owner: Actor, tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant).user

    with pytest.raises(errors.Invalid):
        people.update_user(actor=owner, tenant=tenant, user=user, is_superuser=True)


def test_set_role_changes_it_and_is_audited(owner: Actor, tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant, role=Role.VIEWER).user

    people.set_role(actor=owner, tenant=tenant, user=user, role=Role.OPERATOR)

    assert Membership.objects.get(user=user).role == Role.OPERATOR
    changes = AuditEntry.objects.get(action="users.set_role").changes
    assert changes["role"] == ["viewer", "operator"]


def test_set_role_of_the_last_owner_is_refused(owner: Actor, tenant: Tenant) -> None:
    assert owner.user is not None

    with pytest.raises(errors.LastOwner):
        people.set_role(actor=owner, tenant=tenant, user=owner.user, role=Role.VIEWER)

    factories.MembershipFactory(tenant=tenant, role=Role.OWNER)
    people.set_role(actor=owner, tenant=tenant, user=owner.user, role=Role.VIEWER)
    assert Membership.objects.get(user=owner.user).role == Role.VIEWER


def test_deactivate_or_remove_the_last_owner_is_refused(owner: Actor, tenant: Tenant) -> None:
    assert owner.user is not None
    factories.MembershipFactory(tenant=tenant, role=Role.OWNER, user__is_active=False)

    with pytest.raises(errors.LastOwner):
        people.remove_member(actor=owner, tenant=tenant, user=owner.user)
    with pytest.raises(errors.LastOwner):
        people.update_user(actor=owner, tenant=tenant, user=owner.user, is_active=False)


def test_remove_member_ends_the_membership_and_keeps_the_user(owner: Actor, tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant).user

    people.remove_member(actor=owner, tenant=tenant, user=user)

    assert find_membership(user, tenant) is None
    assert User.objects.filter(pk=user.pk).exists()
    with pytest.raises(errors.NoMembership):
        people.remove_member(actor=owner, tenant=tenant, user=user)


def test_roles_by_operator_or_stranger_are_refused(operator: Actor, stranger: Actor, tenant: Tenant) -> None:
    user = factories.MembershipFactory(tenant=tenant).user

    for actor in (operator, stranger):
        with pytest.raises(errors.PermissionRefused):
            people.set_role(actor=actor, tenant=tenant, user=user, role=Role.OWNER)
        with pytest.raises(errors.PermissionRefused):
            people.remove_member(actor=actor, tenant=tenant, user=user)
        with pytest.raises(errors.PermissionRefused):
            people.update_user(actor=actor, tenant=tenant, user=user, first_name="X")


def test_create_driver_with_the_address_of_another_is_refused_within_the_tenant(
    support: Actor, stranger: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    people.create_driver(actor=support, tenant=tenant, name="Ann", email="ann@example.com")
    people.create_driver(actor=stranger, tenant=other_tenant, name="Ann", email="ann@example.com")

    with pytest.raises(errors.Invalid) as caught:
        people.create_driver(actor=support, tenant=tenant, name="Bob", email="ANN@example.com")

    assert "email" in caught.value.errors
    assert Driver.objects.count() == 2


def test_update_driver_audits_fields_without_personal_data(support: Actor, tenant: Tenant) -> None:
    driver = factories.DriverFactory(tenant=tenant, phone="")

    people.update_driver(actor=support, driver=driver, phone="+49 30 1234")

    assert Driver.objects.get(pk=driver.pk).phone == "+49 30 1234"
    assert "1234" not in str(AuditEntry.objects.get(action="drivers.change").changes)


def test_drivers_by_viewer_or_stranger_are_refused(viewer: Actor, stranger: Actor, tenant: Tenant) -> None:
    driver = factories.DriverFactory(tenant=tenant)

    for actor in (viewer, stranger):
        with pytest.raises(errors.PermissionRefused):
            people.create_driver(actor=actor, tenant=tenant, name="Ann")
        with pytest.raises(errors.PermissionRefused):
            people.update_driver(actor=actor, driver=driver, name="Ann")


def test_create_api_key_gives_a_text_that_opens_the_door_until_revoked(owner: Actor, tenant: Tenant) -> None:
    key, text = people.create_api_key(actor=owner, tenant=tenant, name="billing", role=Role.VIEWER)

    found = ApiKey.objects.get_from_key(text)
    assert isinstance(found, ApiKey)
    assert actor_for_api_key(found).role == Role.VIEWER

    people.revoke_api_key(actor=owner, key=key)
    assert not ApiKey.objects.is_valid(text)
    entries = list(AuditEntry.objects.order_by("id").values())
    assert [entry["action"] for entry in entries] == ["api_keys.create", "api_keys.revoke"]
    assert text not in str(entries)
    assert key.hashed_key not in str(entries)


def test_api_keys_by_operator_or_stranger_are_refused(
    operator: Actor, stranger: Actor, tenant: Tenant
) -> None:
    key = factories.ApiKeyFactory(tenant=tenant)

    for actor in (operator, stranger):
        with pytest.raises(errors.PermissionRefused):
            people.create_api_key(actor=actor, tenant=tenant, name="x", role=Role.OWNER)
        with pytest.raises(errors.PermissionRefused):
            people.revoke_api_key(actor=actor, key=key)
