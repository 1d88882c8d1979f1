"""The address where chargers put files: an ASGI application, driven as a server drives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints import commands, uploads_asgi
from chargepoints.choices import LogState
from chargepoints.models import Connection, LogRequest
from chargepoints.services import log_requests
from csms_project.asgi_parts import with_uploads
from csms_project.common import file_store
from tests import factories

pytestmark = pytest.mark.django_db
LOG = b"<script>alert(1)</script>\n" * 50
FORM = "multipart/form-data; boundary=XX"


@asynccontextmanager
async def _here() -> AsyncIterator[None]:
    yield


@pytest.fixture(autouse=True)
def _in_this_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    # A thread of its own would not see the transaction of the test.
    monkeypatch.setattr(uploads_asgi, "ThreadSensitiveContext", _here)
    monkeypatch.setattr(uploads_asgi, "close_old_connections", lambda: None)
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "http://testserver"


@pytest.fixture
def request_row(technician: Actor, connection: Connection) -> LogRequest:
    return log_requests.request_log(
        actor=technician, charge_point=connection.charge_point, kind="diagnostics"
    )


@pytest.fixture
def path(request_row: LogRequest) -> str:
    assert request_row.command is not None
    return str(commands.payload_of(request_row.command)["location"]).removeprefix("http://testserver")


def form(content: bytes = LOG, name: str = "file", file_name: str = "diag.log") -> bytes:
    head = f'--XX\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'
    note = b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    return note + head.encode() + content + b"\r\n--XX--\r\n"


def send(
    path: str,
    pieces: Iterable[bytes] = (LOG,),
    *,
    method: str = "PUT",
    headers: dict[str, str] | None = None,
    breaks_off: bool = False,
    application: Any = None,
) -> tuple[int, dict[str, str]]:
    """One request; its status and headers."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": ("192.0.2.7", 1234),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    waiting: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    waiting.append({"type": "http.disconnect"} if breaks_off else {"type": "http.request", "body": b""})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def answer(message: dict[str, Any]) -> None:
        sent.append(message)

    async def other(*_: Any) -> None:
        raise AssertionError("Django was asked")

    async_to_sync(application or with_uploads(other))(scope, receive, answer)
    if not sent:
        return 0, {}
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def kept(request: LogRequest) -> bytes:
    request.refresh_from_db()
    return file_store.path_of("uploads", request.stored_as).read_bytes()


@pytest.mark.parametrize(("method", "status"), [("PUT", 201), ("POST", 200)])
def test_raw_body_is_kept(path: str, request_row: LogRequest, method: str, status: int) -> None:
    assert send(path + "my%20diag.log", [LOG[:10], LOG[10:]], method=method)[0] == status
    assert kept(request_row) == LOG
    assert request_row.state == LogState.UPLOADED
    assert (request_row.size, request_row.received_from) == (len(LOG), "192.0.2.7")
    assert request_row.charger_file_name == "my diag.log"


def test_form_is_unpacked(path: str, request_row: LogRequest) -> None:
    assert send(path, [form()], method="POST", headers={"Content-Type": FORM})[0] == 200
    assert kept(request_row) == LOG
    assert request_row.charger_file_name == "diag.log"


def test_of_a_form_with_two_files_the_first_is_kept(
    path: str, request_row: LogRequest, tmp_path: Path
) -> None:
    body = form().removesuffix(b"--XX--\r\n") + form(b"second")
    assert send(path, [body], method="POST", headers={"Content-Type": FORM})[0] == 200
    assert kept(request_row) == LOG
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--XX--\r\n", FORM),
        (form(b""), FORM),
        (b"nonsense", "multipart/form-data"),
        (b"", "text/plain"),
    ],
)
def test_body_without_a_file_is_refused(
    path: str, request_row: LogRequest, tmp_path: Path, body: bytes, kind: str
) -> None:
    assert send(path, [body], method="POST", headers={"Content-Type": kind})[0] == 400
    assert files(tmp_path) == []
    assert send(path)[0] == 201


def test_only_one_file_is_taken(path: str, request_row: LogRequest, tmp_path: Path) -> None:
    assert send(path)[0] == 201
    status, headers = send(path, [b"second"])
    assert (status, headers["connection"]) == (409, "close")
    assert kept(request_row) == LOG
    assert len(files(tmp_path)) == 1


def test_of_two_at_once_one_is_kept(
    path: str, request_row: LogRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second one was let in while the first was still coming.
    found = log_requests.find_by_token(path.split("/")[3], factories.now())
    assert send(path)[0] == 201
    monkeypatch.setattr(uploads_asgi, "_find", lambda token: found)
    assert send(path, [b"second"])[0] == 409
    assert kept(request_row) == LOG
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_file_over_the_limit_is_refused_and_told(
    path: str, request_row: LogRequest, tmp_path: Path, settings: Settings, announced: bool
) -> None:
    settings.UPLOAD_MAX_BYTES = 100
    headers = {"Content-Length": str(len(LOG))} if announced else {}
    pieces = [] if announced else [LOG[:60], LOG[60:]]
    assert send(path, pieces, headers=headers)[0] == 413
    assert files(tmp_path) == []
    request_row.refresh_from_db()
    assert "larger than 100 bytes" in request_row.note
    assert send(path, [b"small"])[0] == 201


def test_form_over_the_limit_is_refused(path: str, tmp_path: Path, settings: Settings) -> None:
    settings.UPLOAD_MAX_BYTES = 100
    assert send(path, [form()], method="POST", headers={"Content-Type": FORM})[0] == 413
    assert files(tmp_path) == []


def test_upload_that_breaks_off_leaves_nothing_and_may_be_tried_again(
    path: str, request_row: LogRequest, tmp_path: Path
) -> None:
    assert send(path, [LOG[:10]], breaks_off=True)[0] == 0
    assert files(tmp_path) == []
    assert send(path)[0] == 201


def test_nobody_uploads_without_the_token(path: str, request_row: LogRequest, tmp_path: Path) -> None:
    token = path.split("/")[3]
    for wrong in ("", "x", token[:-1], token + "A", "../" + token, request_row.token_hash):
        assert send(f"/files/upload/{wrong}/")[0] == 404
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["asgi", "asgi_web"])
def test_processes_that_serve_the_site_take_uploads(name: str, tmp_path: Path) -> None:
    module = import_module(f"csms_project.{name}")
    assert send(f"/files/upload/{'x' * 32}/", application=module.application)[0] == 404
    assert files(tmp_path) == []


def test_time_that_is_over_takes_nothing(path: str, request_row: LogRequest) -> None:
    LogRequest.objects.update(expires_at=factories.now())
    assert send(path)[0] == 404


def test_cancelled_request_takes_nothing(technician: Actor, path: str, request_row: LogRequest) -> None:
    log_requests.cancel(actor=technician, request=request_row)
    assert send(path)[0] == 409


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_nothing_can_be_read_there(path: str, method: str) -> None:
    status, headers = send(path, [], method=method)
    assert (status, headers["allow"]) == (405, "PUT, POST")


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fetc%2Fpasswd", "a%00b", "x" * 400, "C:\\dir\\log.txt", "a/b/c.log"]
)
def test_name_that_the_charger_gives_is_only_shown(path: str, request_row: LogRequest, name: str) -> None:
    assert send(path + name)[0] == 201
    request_row.refresh_from_db()
    shown = request_row.charger_file_name
    assert "/" not in shown
    assert "\\" not in shown
    assert shown.isprintable()
    assert len(shown) <= 255


def test_disk_that_is_full_is_told(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def write(self: file_store.Incoming, piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_store.Incoming, "write", write)
    assert send(path)[0] == 507
    assert files(tmp_path) == []
