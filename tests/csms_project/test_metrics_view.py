from __future__ import annotations

import pytest
from django.db import DatabaseError
from django.test import RequestFactory
from pytest_django import Settings

from csms_project import metrics_view
from tests.factories import TransactionFactory
from transactions.models import Transaction

pytestmark = pytest.mark.django_db
get = RequestFactory().get
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_machine_itself_gets_the_metrics(address: str) -> None:
    response = metrics_view.metrics(get("/metrics", REMOTE_ADDR=address))
    assert response.status_code == 200
    assert b"csms_connections" in response.content
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "", "unix:"])
def test_others_are_refused(address: str) -> None:
    assert metrics_view.metrics(get("/metrics", REMOTE_ADDR=address)).status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_request_through_a_local_proxy_is_not_local(header: str) -> None:
    request = get("/metrics", REMOTE_ADDR="127.0.0.1", headers={header: "127.0.0.1"})
    assert metrics_view.metrics(request).status_code == 403


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Bearer wrong", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer \u00fc", 401),
        ("", 401),
    ],
)
def test_token_decides_for_others(settings: Settings, header: str, status: int) -> None:
    settings.METRICS_TOKEN = TOKEN
    request = get("/metrics", REMOTE_ADDR="192.0.2.1", headers={"Authorization": header})
    response = metrics_view.metrics(request)
    assert response.status_code == status
    assert response.headers.get("WWW-Authenticate") == (None if status == 200 else "Bearer")


def test_empty_token_opens_nothing(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    request = get("/metrics", REMOTE_ADDR="192.0.2.1", headers={"Authorization": "Bearer "})
    assert metrics_view.metrics(request).status_code == 403


def test_running_sessions_are_counted_in_the_rows() -> None:
    TransactionFactory()
    response = metrics_view.metrics(get("/metrics"))
    assert b"csms_sessions_active 1.0" in response.content


def test_metrics_are_served_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(Transaction.objects, "filter", away)
    assert metrics_view.metrics(get("/metrics")).status_code == 200


def test_post_is_not_allowed() -> None:
    assert metrics_view.metrics(RequestFactory().post("/metrics")).status_code == 405
