"""Signing in, and for which tenant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.models import Tenant, User
from accounts.permissions import Actor
from accounts.services import tenants
from chargepoints.models import ChargePoint
from tests import factories
from tests.api import client_of, names, problem_of

TOKEN, REFRESH, LOGOUT = "/api/v1/auth/token/", "/api/v1/auth/token/refresh/", "/api/v1/auth/logout/"


@pytest.fixture(autouse=True)
def no_failures_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def client() -> APIClient:
    return APIClient()


def sign_in(client: APIClient, user: User, password: str = factories.PASSWORD) -> dict[str, str]:
    response = client.post(TOKEN, {"username": user.username, "password": password})
    assert response.status_code == 200, response.content
    tokens: dict[str, str] = response.json()
    return tokens


def user_of(actor: Actor) -> User:
    assert actor.user is not None
    return actor.user


def test_token_with_password_opens_the_api(client: APIClient, viewer: Actor) -> None:
    tokens = sign_in(client, user_of(viewer))
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")

    assert set(tokens) == {"access", "refresh"}
    assert client.get("/api/v1/id-tokens/").status_code == 200


def test_token_with_wrong_password_is_problem(client: APIClient, viewer: Actor) -> None:
    response = client.post(TOKEN, {"username": user_of(viewer).username, "password": "wrong"})

    assert problem_of(response, 401)["code"] == "no_active_account"
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_token_with_missing_field_names_it(client: APIClient, db: None) -> None:
    assert problem_of(client.post(TOKEN, {"username": "x"}), 400)["errors"] == {
        "password": ["This field is required."]
    }


def test_token_of_inactive_user_is_refused(client: APIClient, viewer: Actor) -> None:
    tokens = sign_in(client, user_of(viewer))
    User.objects.filter(pk=user_of(viewer).pk).update(is_active=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")

    problem_of(client.get("/api/v1/id-tokens/"), 401)
    client.credentials()
    problem_of(client.post(REFRESH, {"refresh": tokens["refresh"]}), 401)


def test_refresh_rotates_and_ends_the_old_token(client: APIClient, viewer: Actor) -> None:
    tokens = sign_in(client, user_of(viewer))

    fresh = client.post(REFRESH, {"refresh": tokens["refresh"]})

    assert fresh.status_code == 200
    assert fresh.json()["refresh"] != tokens["refresh"]
    assert problem_of(client.post(REFRESH, {"refresh": tokens["refresh"]}), 401)["code"] == "token_not_valid"


def test_refresh_after_new_password_is_refused(client: APIClient, viewer: Actor) -> None:
    user = user_of(viewer)
    tokens = sign_in(client, user)
    user.set_password("another good password")
    user.save()

    assert problem_of(client.post(REFRESH, {"refresh": tokens["refresh"]}), 401)["code"] == "password_changed"
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    problem_of(client.get("/api/v1/id-tokens/"), 401)


def test_refresh_of_deleted_user_is_refused(client: APIClient, db: None) -> None:
    user = factories.UserFactory()
    tokens = sign_in(client, user)
    user.delete()

    problem_of(client.post(REFRESH, {"refresh": tokens["refresh"]}), 401)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u00e9.\u00e9.\u00e9"])
def test_refresh_with_garbage_is_refused(client: APIClient, db: None, token: str) -> None:
    assert client.post(REFRESH, {"refresh": token}).status_code in (400, 401)


def test_logout_ends_the_refresh_token(client: APIClient, viewer: Actor) -> None:
    tokens = sign_in(client, user_of(viewer))

    assert client.post(LOGOUT, {"refresh": tokens["refresh"]}).status_code == 204
    problem_of(client.post(REFRESH, {"refresh": tokens["refresh"]}), 401)
    problem_of(client.post(LOGOUT, {"refresh": tokens["refresh"]}), 401)


def test_many_failures_are_throttled_and_name_the_wait(client: APIClient, viewer: Actor) -> None:
    name = user_of(viewer).username
    for _ in range(20):
        assert client.post(TOKEN, {"username": name, "password": "wrong"}).status_code == 401

    response = client.post(TOKEN, {"username": name, "password": factories.PASSWORD})

    assert problem_of(response, 429)["code"] == "throttled"
    assert 0 < int(response["Retry-After"]) <= 60


def test_many_successes_are_not_throttled(client: APIClient, viewer: Actor) -> None:
    for _ in range(25):
        sign_in(client, user_of(viewer))


def test_forwarded_address_does_not_escape_the_throttle(client: APIClient, viewer: Actor) -> None:
    wrong = {"username": user_of(viewer).username, "password": "wrong"}
    codes = {client.post(TOKEN, wrong, HTTP_X_FORWARDED_FOR=f"192.0.2.{n}").status_code for n in range(21)}

    assert codes == {401, 429}


# --- API keys ---


@pytest.mark.parametrize("header", ["HTTP_AUTHORIZATION", "HTTP_X_API_KEY"])
def test_api_key_by_header_acts_with_its_role(client: APIClient, tenant: Tenant, header: str) -> None:
    key = factories.ApiKeyFactory(tenant=tenant, role=Role.OPERATOR)
    prefix = "Api-Key " if header == "HTTP_AUTHORIZATION" else ""
    client.credentials(**{header: prefix + key.plain_key})

    assert client.post("/api/v1/id-tokens/", {"value": "04AA"}).status_code == 201
    problem_of(client.post("/api/v1/users/", {"username": "x"}), 403)


@pytest.mark.parametrize("spoil", ["revoked", "expired", "wrong", "empty"])
def test_api_key_that_is_not_valid_is_401(client: APIClient, tenant: Tenant, spoil: str) -> None:
    key = factories.ApiKeyFactory(tenant=tenant)
    text = {"wrong": key.plain_key + "x", "empty": ""}.get(spoil, key.plain_key)
    key.revoked = spoil == "revoked"
    key.expiry_date = datetime(2020, 1, 1, tzinfo=UTC) if spoil == "expired" else None
    key.save()
    client.credentials(HTTP_X_API_KEY=text)

    problem_of(client.get("/api/v1/id-tokens/"), 401)


def test_api_key_for_another_tenant_is_404(client: APIClient, tenant: Tenant) -> None:
    key = factories.ApiKeyFactory(tenant=tenant)
    client.credentials(HTTP_X_API_KEY=key.plain_key, HTTP_X_TENANT="rival")

    assert problem_of(client.get("/api/v1/id-tokens/"), 404)["code"] == "unknown_tenant"


# --- for which tenant ---


def test_member_of_two_tenants_must_name_one(
    viewer: Actor, other_tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    factories.MembershipFactory(user=viewer.user, tenant=other_tenant)

    unnamed = client_of(viewer).get("/api/v1/charge-points/")
    named = client_of(viewer, HTTP_X_TENANT="rival").get("/api/v1/charge-points/")

    assert problem_of(unnamed, 400)["code"] == "tenant_required"
    assert "X-Tenant" in unnamed.json()["detail"]
    assert names(named, "identity") == ["CP-B"]


def test_foreign_tenant_in_header_is_unknown(viewer: Actor, other_tenant: Tenant) -> None:
    foreign = client_of(viewer, HTTP_X_TENANT="rival").get("/api/v1/id-tokens/")
    absent = client_of(viewer, HTTP_X_TENANT="nobody").get("/api/v1/id-tokens/")

    assert problem_of(foreign, 404) == problem_of(absent, 404)


def test_user_without_membership_is_403(db: None) -> None:
    client = client_of(None)
    client.force_authenticate(user=factories.UserFactory())

    assert problem_of(client.get("/api/v1/id-tokens/"), 403)["code"] == "no_membership"


def test_superuser_without_header_reads_all_and_writes_to_default(
    superuser: User, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    default = tenants.ensure_default_tenant()
    client = client_of(None)
    client.force_authenticate(user=superuser)

    listed = client.get("/api/v1/charge-points/")
    made = client.post("/api/v1/charge-points/", {"identity": "NEW"})

    assert names(listed, "identity") == ["CP-A", "CP-B"]
    assert made.status_code == 201
    assert ChargePoint.objects.get(identity="NEW").tenant == default


def test_superuser_with_header_sees_that_tenant_only(
    superuser: User, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    client = client_of(None, HTTP_X_TENANT="acme")
    client.force_authenticate(user=superuser)

    assert names(client.get("/api/v1/charge-points/"), "identity") == ["CP-A"]
    problem_of(client.get("/api/v1/charge-points/CP-B/"), 404)


def test_session_without_csrf_token_cannot_write(viewer: Actor) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user_of(viewer))

    assert client.get("/api/v1/id-tokens/").status_code == 200
    problem_of(client.post("/api/v1/id-tokens/", {"value": "04AA"}), 403)
