"""What all endpoints share: problem documents, pages, orderings, bodies, idempotency."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.test import APIClient

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint
from csms_project.common.api import fields, idempotency, problems
from csms_project.common.models import IdempotencyRecord
from tests import factories
from tests.api import client_of, names, problem_of

TOKENS = "/api/v1/id-tokens/"


@pytest.fixture
def client(operator: Actor) -> APIClient:
    return client_of(operator)


def post_raw(client: APIClient, body: Any, content_type: str = "application/json") -> Any:
    return client.generic("POST", TOKENS, body, content_type=content_type)


# --- documents ---


def test_nested_errors_become_dotted_paths() -> None:
    error = exceptions.ValidationError({"a": [{}, {"b": ["Wrong."]}], "c": {"non_field_errors": ["No."]}})

    shown = problems.exception_handler(error, {})

    assert shown is not None
    assert shown.data["errors"] == {"a.1.b": ["Wrong."], "c": ["No."]}
    assert shown.data["detail"] == "a.1.b: Wrong. c: No."


def test_bug_is_no_problem_of_the_caller() -> None:
    assert problems.exception_handler(RuntimeError("x"), {}) is None


def test_anonymous_gets_401_with_challenge(db: None) -> None:
    response = client_of(None).get(TOKENS)

    assert problem_of(response, 401)["title"] == "Unauthorized"
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_unknown_method_is_405(client: APIClient) -> None:
    assert problem_of(client.put(TOKENS, {}), 405)["code"] == "method_not_allowed"


def test_unacceptable_type_is_406(client: APIClient) -> None:
    problem_of(client.get(TOKENS, HTTP_ACCEPT="image/png"), 406)


def test_other_content_type_is_415(client: APIClient) -> None:
    problem_of(post_raw(client, b"<a/>", "application/xml"), 415)


def test_body_that_is_too_large_is_413(client: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    problem_of(post_raw(client, b'{"value": "' + b"x" * 200 + b'"}'), 413)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"balance": NaN}',
        b'{"balance": 1e999}',
        b'{"value": "a\\u0000b"}',
        b'{"a\\u0000b": 1}',
        b'{"value": "\\ud800"}',
        b"[" * 100_000,
        b'{"value": ' + b"[" * 100 + b"]" * 100 + b"}",
        b"1" * 5000,
        b"[]",
        b'"text"',
        b"null",
    ],
)
def test_unusable_body_is_400(client: APIClient, body: bytes) -> None:
    problem_of(post_raw(client, body), 400)


# --- lists ---


def test_page_has_count_and_links(client: APIClient, tenant: Tenant, other_tenant: Tenant) -> None:
    for number in range(3):
        factories.IdTokenFactory(tenant=tenant, value=f"T{number}")
    factories.IdTokenFactory(tenant=other_tenant)

    page = client.get(TOKENS, {"page_size": 2}).json()

    assert (page["count"], page["previous"]) == (3, None)
    assert [row["value"] for row in page["results"]] == ["T0", "T1"]
    assert names(client.get(page["next"]), "value") == ["T2"]


def test_page_size_is_capped(client: APIClient, tenant: Tenant) -> None:
    IdToken.objects.bulk_create(IdToken(tenant=tenant, value=f"T{n}", value_key=f"t{n}") for n in range(501))

    assert len(client.get(TOKENS, {"page_size": 100_000}).json()["results"]) == 500


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "٣", "9" * 30])
def test_unusable_page_size_is_400(client: APIClient, value: str) -> None:
    assert "page_size" in problem_of(client.get(TOKENS, {"page_size": value}), 400)["errors"]


def test_page_behind_the_last_is_404(client: APIClient) -> None:
    problem_of(client.get(TOKENS, {"page": 2}), 404)


def test_ordering_by_known_field_sorts(client: APIClient, tenant: Tenant) -> None:
    for value in ("A", "C", "B"):
        factories.IdTokenFactory(tenant=tenant, value=value)

    assert names(client.get(TOKENS, {"ordering": "-value"}), "value") == ["C", "B", "A"]


def test_ordering_by_unknown_field_is_400(client: APIClient) -> None:
    document = problem_of(client.get(TOKENS, {"ordering": "tenant__slug"}), 400)

    assert "value" in document["errors"]["ordering"][0]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "Lost"},
        {"expires_after": "yesterday"},
        {"driver": "x"},
        {"driver": "1.5"},
        {"driver": "9" * 40},
        {"value": "a\0b"},
    ],
)
def test_unusable_filter_value_is_400(client: APIClient, query: dict[str, str]) -> None:
    document = problem_of(client.get(TOKENS, query), 400)

    assert list(document["errors"]) == list(query)


@pytest.mark.parametrize("pk", ["0", "9" * 18, "9" * 30, "x", "%00"])
def test_id_that_cannot_exist_is_404(client: APIClient, pk: str) -> None:
    problem_of(client.get(f"{TOKENS}{pk}/"), 404)


# --- numbers ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1234.567", "1234.567"),
        ("0.100", "0.1"),
        ("1000.000", "1000"),
        ("999999999999.999", "999999999999.999"),
        ("100000000000.001", "100000000000.001"),
        ("0.001", "0.001"),
    ],
)
def test_energy_is_an_exact_json_number(value: str, text: str) -> None:
    assert json.dumps(fields.NumberField().to_representation(Decimal(value))) == text


@pytest.mark.parametrize(
    ("value", "text"), [("12.5000", "12.50"), ("12.3450", "12.345"), ("7", "7.00"), ("0.0000", "0.00")]
)
def test_money_is_text_with_two_decimals_or_more(value: str, text: str) -> None:
    assert fields.MoneyField().to_representation(Decimal(value)) == text


# --- Idempotency-Key ---


def test_repeat_with_key_gets_first_answer(client: APIClient) -> None:
    first = client.post(TOKENS, {"value": "04AA"}, HTTP_IDEMPOTENCY_KEY="k1")
    again = client.post(TOKENS, {"value": "04AA"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert IdToken.objects.count() == 1


def test_repeat_without_key_is_a_second_request(client: APIClient) -> None:
    client.post(TOKENS, {"value": "04AA"})

    assert problem_of(client.post(TOKENS, {"value": "04AA"}), 409)["code"] == "id_token_exists"


def test_key_with_another_body_is_422(client: APIClient) -> None:
    client.post(TOKENS, {"value": "04AA"}, HTTP_IDEMPOTENCY_KEY="k1")

    document = problem_of(client.post(TOKENS, {"value": "04BB"}, HTTP_IDEMPOTENCY_KEY="k1"), 422)

    assert document["code"] == "idempotency_conflict"
    assert IdToken.objects.count() == 1


def test_key_after_failure_may_be_tried_again(client: APIClient) -> None:
    problem_of(client.post(TOKENS, {"value": ""}, HTTP_IDEMPOTENCY_KEY="k1"), 400)

    assert client.post(TOKENS, {"value": "04AA"}, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201


def test_key_of_another_caller_is_another_key(client: APIClient, owner: Actor, stranger: Actor) -> None:
    for caller, value in ((client, "04AA"), (client_of(owner), "04BB"), (client_of(stranger), "04CC")):
        assert caller.post(TOKENS, {"value": value}, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201


def test_key_after_a_day_is_forgotten(client: APIClient) -> None:
    client.post(TOKENS, {"value": "04AA"}, HTTP_IDEMPOTENCY_KEY="k1")
    late = timezone.now() - idempotency.KEPT_FOR - timedelta(minutes=1)
    IdempotencyRecord.objects.update(created_at=late)

    assert client.post(TOKENS, {"value": "04BB"}, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201


def test_repeat_shows_the_generated_key_again_and_stores_it_encrypted(client: APIClient) -> None:
    first, again = (
        client.post("/api/v1/charge-points/", {"identity": "NEW"}, HTTP_IDEMPOTENCY_KEY="k1").json()
        for _ in range(2)
    )

    assert first["authorization_key"] == again["authorization_key"]
    assert first["authorization_key"] not in IdempotencyRecord.objects.get().response
    assert ChargePoint.objects.count() == 1


@pytest.mark.parametrize("key", ["a b", "x" * 129, "é"])
def test_unusable_key_is_400(client: APIClient, key: str) -> None:
    response = client.post(TOKENS, {"value": "04AA"}, HTTP_IDEMPOTENCY_KEY=key)

    assert "Idempotency-Key" in problem_of(response, 400)["errors"]
