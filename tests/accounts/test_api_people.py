"""Users, drivers, tokens, groups and events over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.choices import Role
from accounts.models import Driver, IdToken, Membership, Tenant, TokenGroup
from accounts.permissions import Actor
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.api import client_of, names, problem_of

USERS, DRIVERS, GROUPS = "/api/v1/users/", "/api/v1/drivers/", "/api/v1/token-groups/"
TOKENS, EVENTS = "/api/v1/id-tokens/", "/api/v1/events/"


# --- users ---


def test_create_user_makes_a_member_who_can_sign_in(owner: Actor, tenant: Tenant) -> None:
    body = {"username": "kim", "email": "kim@example.com", "password": "long enough 42", "role": "technician"}

    response = client_of(owner).post(USERS, body)

    assert response.status_code == 201
    assert response.json()["role"] == "technician"
    assert "password" not in response.json()
    assert authenticate(username="kim", password="long enough 42") is not None
    assert Membership.objects.get(user__username="kim").tenant == tenant


def test_create_user_with_weak_password_names_the_field(owner: Actor) -> None:
    document = problem_of(client_of(owner).post(USERS, {"username": "kim", "password": "123"}), 400)

    assert list(document["errors"]) == ["password"]


def test_create_user_with_taken_name_is_409(owner: Actor) -> None:
    assert owner.user is not None

    document = problem_of(client_of(owner).post(USERS, {"username": owner.user.username}), 409)

    assert document["code"] == "user_exists"


def test_list_users_shows_members_with_their_role_here(
    owner: Actor, viewer: Actor, stranger: Actor, other_tenant: Tenant
) -> None:
    factories.MembershipFactory(user=viewer.user, tenant=other_tenant, role=Role.OWNER)

    rows = client_of(owner).get(USERS).json()["results"]

    assert {(row["username"], row["role"]) for row in rows} == {
        (owner.name, "owner"),
        (viewer.name, "viewer"),
    }


def test_role_filter_ignores_roles_elsewhere(owner: Actor, viewer: Actor, other_tenant: Tenant) -> None:
    factories.MembershipFactory(user=viewer.user, tenant=other_tenant, role=Role.SUPPORT)

    assert names(client_of(owner).get(USERS, {"role": "support"}), "username") == []
    assert names(client_of(owner).get(USERS, {"role": "viewer"}), "username") == [viewer.name]


def test_change_user_sets_role_and_names(owner: Actor, viewer: Actor) -> None:
    assert viewer.user is not None

    response = client_of(owner).patch(f"{USERS}{viewer.user.pk}/", {"role": "operator", "first_name": "Kim"})

    assert (response.json()["role"], response.json()["first_name"]) == ("operator", "Kim")


def test_change_of_user_name_is_refused(owner: Actor, viewer: Actor) -> None:
    assert viewer.user is not None

    problem_of(client_of(owner).patch(f"{USERS}{viewer.user.pk}/", {"username": "other"}), 400)


def test_change_that_fails_halfway_changes_nothing(owner: Actor, viewer: Actor) -> None:
    assert viewer.user is not None
    body = {"role": "operator", "password": "123"}

    problem_of(client_of(owner).patch(f"{USERS}{viewer.user.pk}/", body), 400)

    assert Membership.objects.get(user=viewer.user).role == Role.VIEWER


def test_remove_user_ends_the_membership_only(owner: Actor, viewer: Actor) -> None:
    assert viewer.user is not None

    assert client_of(owner).delete(f"{USERS}{viewer.user.pk}/").status_code == 204

    viewer.user.refresh_from_db()
    assert not viewer.user.memberships.exists()


def test_remove_last_owner_is_409(owner: Actor) -> None:
    assert owner.user is not None

    assert problem_of(client_of(owner).delete(f"{USERS}{owner.user.pk}/"), 409)["code"] == "last_owner"


# --- drivers ---


def test_driver_is_made_changed_and_deleted(support: Actor, tenant: Tenant) -> None:
    client = client_of(support)
    made = client.post(DRIVERS, {"name": "Ada", "email": "ada@example.com"}).json()

    changed = client.patch(f"{DRIVERS}{made['id']}/", {"phone": "+49 1"})
    deleted = client.delete(f"{DRIVERS}{made['id']}/")

    assert (changed.json()["phone"], deleted.status_code) == ("+49 1", 204)
    assert not Driver.objects.exists()
    assert AuditEntry.objects.filter(tenant=tenant, action="drivers.delete").exists()


def test_driver_with_tokens_cannot_be_deleted(support: Actor, tenant: Tenant) -> None:
    driver = factories.DriverFactory(tenant=tenant)
    factories.IdTokenFactory(tenant=tenant, driver=driver)

    assert problem_of(client_of(support).delete(f"{DRIVERS}{driver.pk}/"), 409)["code"] == "in_use"
    assert not AuditEntry.objects.filter(action="drivers.delete").exists()


def test_driver_with_taken_address_is_refused(support: Actor, tenant: Tenant) -> None:
    factories.DriverFactory(tenant=tenant, email="ada@example.com")

    document = problem_of(client_of(support).post(DRIVERS, {"name": "B", "email": "ADA@example.com"}), 400)

    assert list(document["errors"]) == ["email"]


# --- tokens ---


def test_create_token_answers_its_value_as_entered(operator: Actor) -> None:
    response = client_of(operator).post(TOKENS, {"value": "04aBcD", "balance": "12.50"})

    assert response.status_code == 201
    shown = response.json()
    assert (shown["value"], shown["type"], shown["status"]) == ("04aBcD", "ISO14443", "Accepted")
    assert (shown["balance"], shown["group"]) == ("12.5000", None)


def test_token_is_found_without_regard_to_case(operator: Actor, tenant: Tenant) -> None:
    factories.IdTokenFactory(tenant=tenant, value="04aBcD")

    assert names(client_of(operator).get(TOKENS, {"value": "04ABCD"}), "value") == ["04aBcD"]


def test_token_in_unknown_group_makes_the_group(operator: Actor, tenant: Tenant) -> None:
    client = client_of(operator)
    first = client.post(TOKENS, {"value": "A", "group": "Fleet"})
    second = client.post(TOKENS, {"value": "B", "group": "fleet"})

    assert first.json()["group"] == second.json()["group"] == "Fleet"
    assert TokenGroup.objects.get().tenant == tenant


def test_failed_token_leaves_no_group(operator: Actor) -> None:
    problem_of(client_of(operator).post(TOKENS, {"value": " spaced ", "group": "Fleet", "driver": 99}), 400)

    assert not TokenGroup.objects.exists()


def test_token_leaves_its_group_with_null(operator: Actor, tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant)
    token = factories.IdTokenFactory(tenant=tenant, group=group)

    assert client_of(operator).patch(f"{TOKENS}{token.pk}/", {"group": None}).json()["group"] is None


def test_blocked_token_is_told_to_the_outbox(operator: Actor, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant)

    response = client_of(operator).patch(f"{TOKENS}{token.pk}/", {"status": "Blocked"})

    assert response.json()["authorization_status"] == "Blocked"
    assert Event.objects.get(kind="id_token.blocked").tenant == tenant


def test_expired_is_derived_and_cannot_be_set(operator: Actor, tenant: Tenant) -> None:
    past = timezone.now() - timedelta(minutes=1)
    token = factories.IdTokenFactory(tenant=tenant, expires_at=past)
    client = client_of(operator)

    shown = client.get(f"{TOKENS}{token.pk}/").json()

    assert (shown["status"], shown["authorization_status"]) == ("Accepted", "Expired")
    problem_of(client.patch(f"{TOKENS}{token.pk}/", {"status": "Expired"}), 400)


@pytest.mark.parametrize("field", ["driver", "tariff"])
def test_token_cannot_name_a_foreign_row(
    operator: Actor, tenant: Tenant, other_tenant: Tenant, field: str
) -> None:
    factory: Any = {"driver": factories.DriverFactory, "tariff": factories.TariffFactory}[field]
    foreign = factory(tenant=other_tenant)
    token = factories.IdTokenFactory(tenant=tenant)
    client = client_of(operator)

    for response in (
        client.post(TOKENS, {"value": "X", field: foreign.pk}),
        client.patch(f"{TOKENS}{token.pk}/", {field: foreign.pk}),
    ):
        assert list(problem_of(response, 400)["errors"]) == [field]


def test_token_with_sessions_cannot_be_deleted(operator: Actor, tenant: Tenant) -> None:
    charge_point = factories.ChargePointFactory(tenant=tenant)
    token = factories.IdTokenFactory(tenant=tenant)
    factories.TransactionFactory(connector__evse__charge_point=charge_point, id_token=token)

    assert problem_of(client_of(operator).delete(f"{TOKENS}{token.pk}/"), 409)["code"] == "in_use"
    assert IdToken.objects.filter(pk=token.pk).exists()


def test_list_of_tokens_costs_the_same_for_any_number(
    operator: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(operator)
    for number in (1, 5):
        for _ in range(number):
            factories.IdTokenFactory(tenant=tenant, group=factories.TokenGroupFactory(tenant=tenant))
        with django_assert_num_queries(2):  # membership, rows
            client.get(TOKENS)


# --- groups and events ---


def test_group_is_blocked_and_renamed(operator: Actor, tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, name="Fleet")

    response = client_of(operator).patch(f"{GROUPS}{group.pk}/", {"status": "Blocked", "name": "Cars"})

    assert (response.json()["status"], response.json()["name"]) == ("Blocked", "Cars")
    assert AuditEntry.objects.filter(tenant=tenant, action="id_tokens.change_group").exists()


def test_group_with_taken_name_is_409(operator: Actor, tenant: Tenant) -> None:
    factories.TokenGroupFactory(tenant=tenant, name="Fleet")

    assert problem_of(client_of(operator).post(GROUPS, {"name": "FLEET"}), 409)["code"] == "duplicate"


def test_group_with_tokens_cannot_be_deleted(operator: Actor, tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant)
    factories.IdTokenFactory(tenant=tenant, group=group)

    problem_of(client_of(operator).delete(f"{GROUPS}{group.pk}/"), 409)


def test_events_are_filtered_and_own(viewer: Actor, tenant: Tenant, other_tenant: Tenant) -> None:
    factories.EventFactory(tenant=tenant, kind="transaction.started", charge_point="CP-A")
    factories.EventFactory(tenant=tenant, kind="transaction.ended", charge_point="CP-A")
    factories.EventFactory(tenant=other_tenant, kind="transaction.ended")
    client = client_of(viewer)

    assert names(client.get(EVENTS), "kind") == ["transaction.ended", "transaction.started"]
    assert names(client.get(EVENTS, {"kind": "transaction.ended"}), "charge_point") == ["CP-A"]


def test_lists_of_people_cost_the_same_for_any_number(
    owner: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(owner)
    for number in (1, 5):
        for _ in range(number):
            factories.MembershipFactory(tenant=tenant)
            factories.DriverFactory(tenant=tenant)
            factories.EventFactory(tenant=tenant)
        with django_assert_num_queries(3):  # membership, rows, memberships
            client.get(USERS)
        for path in (DRIVERS, EVENTS, GROUPS):
            with django_assert_num_queries(2):
                client.get(path)


# --- words of OCPP 2.x ---


def test_token_with_words_for_the_driver(owner: Actor) -> None:
    body = {
        "value": "04D",
        "type": "HouseNumber",
        "language1": "de-CH",
        "language2": "en",
        "personal_message": "Guten Tag",
        "charging_priority": -3,
    }

    made = client_of(owner).post(TOKENS, body).json()

    assert {name: made[name] for name in body} == body
    assert client_of(owner).get(TOKENS, {"type": "HouseNumber"}).json()["results"][0]["id"] == made["id"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"language1": "Deutsch!"}, "language1"),
        ({"language2": "en"}, "language2"),
        ({"language1": "en", "language2": "en"}, "language2"),
        ({"charging_priority": 10}, "charging_priority"),
        ({"type": "x" * 21}, "type"),
    ],
)
def test_token_with_unusable_words_is_refused(owner: Actor, fields: dict[str, Any], wrong: str) -> None:
    """2.0.1 C01.FR.10, .11, .17"""
    document = problem_of(client_of(owner).post(TOKENS, {"value": "04D", **fields}), 400)

    assert wrong in document["errors"]


def test_key_code_is_never_shown_again(owner: Actor) -> None:
    made = client_of(owner).post(TOKENS, {"value": "739154", "type": "KeyCode"}).json()
    path = f"{TOKENS}{made['id']}/"

    assert made["value"] == client_of(owner).get(path).json()["value"] == "***"
    problem_of(client_of(owner).patch(path, {"value": "***"}), 400)
    assert IdToken.objects.get(pk=made["id"]).value == "739154"


def test_group_has_a_type_and_may_be_a_master_pass(owner: Actor) -> None:
    made = client_of(owner).post(GROUPS, {"name": "POLICE", "is_master_pass": True, "type": "Local"}).json()

    assert (made["type"], made["is_master_pass"]) == ("Local", True)
    assert client_of(owner).post(GROUPS, {"name": "G"}).json()["type"] == "Central"
