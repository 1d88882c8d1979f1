"""GET /health, GET /api/v1/status and the routes around the API."""

from __future__ import annotations

import threading

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from accounts.models import User
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Connection
from csms_project import health
from tests import factories
from tests.api import client_of, problem_of


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> dict[str, health.Check]:
    """The registry, without what this process has registered."""
    registry: dict[str, health.Check] = {}
    monkeypatch.setattr(health, "_checks", registry)
    monkeypatch.setattr(health, "_liveness", {})
    return registry


@pytest.mark.django_db
def test_health_with_database_is_ok(client: Client, checks: dict[str, health.Check]) -> None:
    checks.update(database=health.check_database, channel_layer=health.check_channel_layer)

    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok", "channel_layer": "ok"}}
    assert b'"status":"ok"' in response.content
    assert "no-store" in response["Cache-Control"]


def test_health_with_registered_part_shows_it(client: Client, checks: dict[str, health.Check]) -> None:
    health.register_check("writer", lambda: None)

    assert client.get("/health").json() == {"status": "ok", "checks": {"writer": "ok"}}


def test_health_with_failing_part_is_503(client: Client, checks: dict[str, health.Check]) -> None:
    health.register_check("writer", lambda: "the queue is full")

    response = client.get("/health")

    assert response.status_code == 503
    assert response.json() == {"status": "failing", "checks": {"writer": "the queue is full"}}


def test_health_without_the_channel_layer_is_degraded_and_answers_200(
    client: Client, checks: dict[str, health.Check]
) -> None:
    checks.update(channel_layer=lambda: "does not answer", writer=lambda: None)

    response = client.get("/health")

    assert response.status_code == 200
    assert response.json()["status"] == "degraded"

    checks["writer"] = lambda: "cannot store"
    assert client.get("/health").json()["status"] == "failing"


@pytest.mark.parametrize("path", ["/health/live", "/health/live/"])
def test_liveness_fails_only_where_a_restart_helps(
    client: Client, checks: dict[str, health.Check], path: str
) -> None:
    checks.update(database=lambda: "does not answer", writer=lambda: "cannot store")
    health.register_liveness("writer", lambda: None)
    assert client.get(path).json() == {"status": "ok", "checks": {"writer": "ok"}}

    health.register_liveness("writer", lambda: "its thread has ended")
    response = client.get(path)
    assert response.status_code == 503
    assert response.json()["status"] == "failing"


def test_page_asks_for_the_channel_layer_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def check() -> str | None:
        asked.append(1)
        raise ConnectionError("no redis")

    monkeypatch.setattr(health, "check_channel_layer", check)
    monkeypatch.setattr(health, "_layer_looked_at", -health.LOOK_S - 1)
    monkeypatch.setattr(health, "_layer_is_away", False)
    assert [health.layer_is_away() for _ in range(3)] == [True] * 3
    assert len(asked) == 1


def test_health_with_raising_part_tells_no_details(client: Client, checks: dict[str, health.Check]) -> None:
    def broken() -> str | None:
        raise ConnectionError("password=secret")

    health.register_check("database", broken)

    response = client.get("/health")

    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "fails (ConnectionError)"}


def test_health_with_hanging_part_answers_in_time(checks: dict[str, health.Check]) -> None:
    release = threading.Event()

    def hang() -> str | None:
        release.wait(30)
        return None

    health.register_check("database", hang)
    try:
        assert health.run_checks(timeout_s=0.05) == {"database": "does not answer"}
    finally:
        release.set()


def test_unregister_check_of_stopped_part_forgets_it(checks: dict[str, health.Check]) -> None:
    health.register_check("jobs", lambda: "stopped")
    health.unregister_check("jobs")

    assert health.run_checks() == {}


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/status/"])
def test_status_as_anonymous_has_version_only(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert set(response.json()) == {"version", "uptime_s"}


def test_status_as_member_counts_own_tenant(
    viewer: Actor, charge_point: ChargePoint, connection: Connection, other_charge_point: ChargePoint
) -> None:
    factories.TransactionFactory(connector__evse__charge_point=charge_point)
    factories.TransactionFactory(connector__evse__charge_point=other_charge_point)

    shown = client_of(viewer).get("/api/v1/status").json()

    assert shown["tenant"] == "acme"
    assert shown["counts"]["charge_points"]["total"] == 1
    assert shown["counts"]["charge_points"]["online"] == 1
    assert shown["counts"]["active_transactions"] == 1


def test_status_as_superuser_counts_all(
    superuser: User, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    client = client_of(None)
    client.force_authenticate(user=superuser)

    shown = client.get("/api/v1/status").json()

    assert shown["tenant"] is None
    assert shown["counts"]["charge_points"]["total"] == 2


def test_root_redirects_to_admin(client: Client) -> None:
    response = client.get("/")

    assert response.status_code == 302
    assert response["Location"] == "/admin/"


def test_docs_load_nothing_from_other_hosts(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()

    assert "swagger-ui-bundle.js" in page
    assert "https://" not in page
    assert "cdn" not in page


@pytest.mark.django_db
def test_metrics_is_served(client: Client) -> None:
    assert client.get("/metrics").status_code == 200


def test_unknown_address_below_api_is_problem(client: Client) -> None:
    response = client.get("/api/v1/nothing/here/")

    assert problem_of(response, 404)["instance"] == "/api/v1/nothing/here/"


@pytest.mark.parametrize("method", ["get", "post", "patch"])
def test_address_without_slash_redirects_and_keeps_the_body(method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)("/api/v1/id-tokens?page_size=3")

    assert response.status_code == 308
    assert response["Location"] == "/api/v1/id-tokens/?page_size=3"


def test_server_error_below_api_is_problem_without_details(
    viewer: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a secret of the database")

    monkeypatch.setattr("accounts.api.views.IdTokenViewSet.list", broken)

    response = client_of(viewer).get("/api/v1/id-tokens/")

    assert "secret" not in problem_of(response, 500)["detail"]


@pytest.mark.parametrize("error", [OperationalError("connection lost"), InterfaceError("closed")])
def test_database_away_is_503_below_api(
    viewer: Actor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("accounts.api.views.IdTokenViewSet.list", broken)

    response = client_of(viewer).get("/api/v1/id-tokens/")

    assert "does not answer" in problem_of(response, 503)["detail"]
    assert response["Retry-After"] == "5"


def test_database_away_is_a_page_that_asks_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection lost")

    client = Client(raise_request_exception=False)
    monkeypatch.setattr("accounts.middleware.actor_of_session", broken)

    response = client.get("/admin/")

    assert response.status_code == 503
    assert "Please try again" in response.content.decode()
