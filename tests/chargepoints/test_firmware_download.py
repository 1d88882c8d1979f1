"""Fetching firmware: by token only, whole or in part, and noted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints import commands, file_views
from chargepoints.models import Connection, FirmwareUpdate
from chargepoints.services import firmware_campaigns as campaigns
from csms_project.common import file_store
from csms_project.common.file_responses import file_response
from tests import factories
from tests.chargepoints.firmware import CONTENT, uploaded

pytestmark = pytest.mark.django_db


@pytest.fixture
def update(technician: Actor, connection: Connection, tmp_path: Path, settings: Settings) -> FirmwareUpdate:
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "http://testserver"
    file = uploaded(technician)
    return campaigns.update_one(actor=technician, charge_point=connection.charge_point, file=file)


@pytest.fixture
def path(update: FirmwareUpdate) -> str:
    assert update.command is not None
    return str(commands.payload_of(update.command)["location"]).removeprefix("http://testserver")


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_charger_fetches_its_firmware_without_a_login(
    client: Client, update: FirmwareUpdate, path: str
) -> None:
    response = client.get(path)
    assert (response.status_code, body(response)) == (200, CONTENT)
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Content-Disposition"] == 'attachment; filename="fw-2.0.0.bin"'
    update.refresh_from_db()
    assert (update.fetches, update.fetched_bytes, update.fetched_from) == (1, len(CONTENT), "127.0.0.1")
    assert update.fetched_at is not None
    assert update.fetch_ended_at is not None


def test_head_tells_the_size_and_counts_as_no_fetch(
    client: Client, update: FirmwareUpdate, path: str
) -> None:
    response = client.head(path)
    assert (response.status_code, response["Content-Length"], response.content) == (
        200,
        str(len(CONTENT)),
        b"",
    )
    assert response["Accept-Ranges"] == "bytes"
    update.refresh_from_db()
    assert update.fetches == 0


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, len(CONTENT)),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
        (f"bytes=20-{10**9}", 20, len(CONTENT)),
        ("bytes=-999999999", 0, len(CONTENT)),
    ],
)
def test_range_is_served(client: Client, path: str, asked: str, start: int, stop: int) -> None:
    response = client.get(path, headers={"Range": asked})
    assert body(response) == CONTENT[start:stop]
    whole = (start, stop) == (0, len(CONTENT))
    assert response.status_code == (200 if whole else 206)
    if not whole:
        assert response["Content-Range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked", ["bytes=x-", "lines=1-2", "bytes=5-2", "bytes=-", "bytes=1-2,5-6", "bytes=" + "9" * 40]
)
def test_range_that_cannot_be_understood_gets_the_whole(client: Client, path: str, asked: str) -> None:
    response = client.get(path, headers={"Range": asked})
    assert (response.status_code, body(response)) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=-0"])
def test_range_beyond_the_end_is_told(client: Client, update: FirmwareUpdate, path: str, asked: str) -> None:
    response = client.get(path, headers={"Range": asked})
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    update.refresh_from_db()
    assert update.fetches == 0


def test_range_of_other_content_gets_the_whole(client: Client, path: str) -> None:
    etag = client.head(path)["ETag"]
    assert client.get(path, headers={"Range": "bytes=5-", "If-Range": '"old"'}).status_code == 200
    assert client.get(path, headers={"Range": "bytes=5-", "If-Range": etag}).status_code == 206


def test_resumed_fetch_is_complete(client: Client, update: FirmwareUpdate, path: str) -> None:
    body(client.get(path, headers={"Range": "bytes=0-99"}))
    update.refresh_from_db()
    assert (update.fetched_bytes, update.fetch_ended_at) == (100, None)
    body(client.get(path, headers={"Range": "bytes=100-"}))
    update.refresh_from_db()
    assert (update.fetches, update.fetched_bytes) == (2, len(CONTENT))
    assert update.fetch_ended_at is not None


def test_fetch_that_breaks_off_shows_how_far_it_came(
    client: Client, update: FirmwareUpdate, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csms_project.common.file_responses.PIECE", 1000)
    response: Any = client.get(path)
    next(iter(response.streaming_content))
    # The end of a request closes its connection, which here is that of the test.
    monkeypatch.setattr(connections["default"], "close_if_unusable_or_obsolete", lambda: None)
    response.close()
    update.refresh_from_db()
    assert (update.fetched_bytes, update.fetch_ended_at) == (1000, None)


def test_slow_fetch_is_noted_on_the_way(
    client: Client, update: FirmwareUpdate, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_views, "NOTE_EVERY_S", 0.0)
    monkeypatch.setattr("csms_project.common.file_responses.PIECE", 1000)
    response: Any = client.get(path)
    pieces = iter(response.streaming_content)
    next(pieces), next(pieces)
    update.refresh_from_db()
    assert update.fetched_bytes == 1000
    list(pieces)


def test_nobody_fetches_without_the_token(client: Client, update: FirmwareUpdate, path: str) -> None:
    token = path.split("/")[3]
    wrong = [token[:-1], token + "x", token.swapcase(), "x" * 32, "%00", "..", "'", update.token_hash]
    assert [client.get(f"/files/firmware/{other}/fw.bin").status_code for other in wrong] == [404] * len(
        wrong
    )
    assert client.get(f"/files/firmware/{token}/whatever/name").status_code == 200
    assert client.get(f"/files/firmware/{token}/").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused(client: Client, path: str, method: str) -> None:
    assert getattr(client, method)(path).status_code == 405


def test_link_ends_with_the_update(
    client: Client, technician: Actor, update: FirmwareUpdate, path: str
) -> None:
    campaigns.cancel_update(actor=technician, update=update)
    assert client.get(path).status_code == 404


def test_link_ends_with_its_time(client: Client, update: FirmwareUpdate, path: str) -> None:
    FirmwareUpdate.objects.update(link_expires_at=factories.now() - timedelta(seconds=1))
    assert client.get(path).status_code == 404


def test_missing_file_is_a_404(client: Client, update: FirmwareUpdate, path: str) -> None:
    file_store.remove("firmware", update.campaign.file.stored_as)
    assert client.get(path).status_code == 404


async def _collected(request: ASGIRequest, path: Path) -> bytes:
    response = file_response(request, path, name="a b\r\n.bin", etag="e")
    assert "\n" not in response["Content-Disposition"]
    return b"".join([piece async for piece in response.streaming_content])  # type: ignore[attr-defined]


def test_asynchronous_server_gets_it_piece_by_piece(tmp_path: Path) -> None:
    import asyncio
    import io

    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    assert asyncio.run(_collected(ASGIRequest(scope, io.BytesIO()), path)) == CONTENT
