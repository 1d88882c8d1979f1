"""Calling the REST API in tests."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from accounts.permissions import Actor

V1 = "/api/v1/"
PROBLEM = "application/problem+json"


def client_of(actor: Actor | None, **headers: str) -> APIClient:
    """A client signed in as the actor's user; headers by name, as `HTTP_X_TENANT="acme"`."""
    client = APIClient(raise_request_exception=False)
    if actor is not None:
        client.force_authenticate(user=actor.user)
    client.credentials(**headers)
    return client


def names(response: Any, field: str) -> list[Any]:
    """One field of all rows of a list."""
    assert response.status_code == 200, response.content
    return [row[field] for row in response.json()["results"]]


def problem_of(response: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer, which must have this status."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["detail"]
    assert "Traceback" not in response.text
    return document
