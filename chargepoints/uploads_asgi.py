"""Where chargers put diagnostics and logs: an ASGI application of its own, below Django.

Django would first write a body of any size to its disk and then ask whether it is wanted. Here the token is looked at
before a byte is read, and the size while the bytes come. What is taken is never executed, parsed or rendered.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.db import DatabaseError, close_old_connections
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils import timezone

from chargepoints import file_links
from chargepoints.models import LogRequest
from chargepoints.services import log_requests
from csms_project.common import file_store

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

METHODS = ("PUT", "POST")
#: What a form may add around the file.
FORM_OVERHEAD = 64 * 1024
FOLDER = log_requests.FOLDER


class _Refused(Exception):
    """The upload is answered with this status."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _ClientGone(Exception):
    """The charger has closed the connection."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """What stands before the body."""

    method: str
    token: str
    file_name: str
    content_type: str
    content_length: int | None
    address: str

    @property
    def is_form(self) -> bool:
        return self.content_type.lower().startswith("multipart/form-data")


async def upload_application(scope: Any, receive: Receive, send: Send) -> None:
    """Serve one request below `file_links.UPLOAD_PATH`."""
    async with ThreadSensitiveContext():
        try:
            status, text = await _serve(_read(scope), receive)
        except _ClientGone:
            return
        except _Refused as refused:
            status, text = refused.status, str(refused)
        except DatabaseError:
            logger.error("upload.storage_away")
            status, text = HTTPStatus.SERVICE_UNAVAILABLE, "Try again later."
        except OSError as error:
            logger.error("upload.disk", extra={"error": error.strerror})
            status, text = HTTPStatus.INSUFFICIENT_STORAGE, "The file cannot be stored."
        finally:
            await sync_to_async(close_old_connections)()
    await _answer(send, status, text)


def _read(scope: Any) -> _Upload:
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    rest = str(scope["path"])[len(file_links.UPLOAD_PATH) :]
    token, _, name = rest.partition("/")
    length = headers.get(b"content-length", "")
    client = scope.get("client") or ("", 0)
    return _Upload(
        method=scope["method"],
        token=token,
        file_name=_base_name(name),
        content_type=headers.get(b"content-type", ""),
        content_length=int(length) if length.isdecimal() and len(length) < 19 else None,
        address=str(client[0]),
    )


def _base_name(name: str) -> str:
    """Shown and offered for saving, never a path of ours."""
    last = unquote(name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return "".join(mark for mark in last if mark.isprintable())[:255]


async def _serve(upload: _Upload, receive: Receive) -> tuple[HTTPStatus, str]:
    if upload.method not in METHODS:
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Send the file by PUT or POST.")
    request = await sync_to_async(_find)(upload.token)
    limit: int = settings.UPLOAD_MAX_BYTES
    overhead = FORM_OVERHEAD if upload.is_form else 0
    if upload.content_length is not None and upload.content_length > limit + overhead:
        raise await _too_large(request, limit)
    with await sync_to_async(file_store.Incoming)(FOLDER, limit=limit + overhead) as incoming:
        try:
            await _take_body(receive, incoming)
        except file_store.FileTooLarge:
            raise await _too_large(request, limit) from None
        await sync_to_async(_keep)(request, upload, incoming)
    created = upload.method == "PUT"
    return (HTTPStatus.CREATED if created else HTTPStatus.OK), "Stored."


def _find(token: str) -> LogRequest:
    close_old_connections()
    request = log_requests.find_by_token(token, timezone.now())
    if request is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing at this address, or not any more.")
    if request.has_file or not log_requests.may_still_come(request):
        raise _Refused(HTTPStatus.CONFLICT, "The file has been taken already, or is not wanted any more.")
    return request


async def _too_large(request: LogRequest, limit: int) -> _Refused:
    text = f"The charger's file was refused: it is larger than {limit} bytes (UPLOAD_MAX_BYTES)."
    await sync_to_async(log_requests.note_refused)(request, text)
    return _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The file is larger than {limit} bytes.")


async def _take_body(receive: Receive, incoming: file_store.Incoming) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        if piece := message.get("body", b""):
            await sync_to_async(incoming.write)(piece)
        if not message.get("more_body", False):
            return


def _keep(request: LogRequest, upload: _Upload, incoming: file_store.Incoming) -> None:
    if upload.is_form:
        stored, name = _from_form(request, upload, incoming)
    else:
        if not incoming.size:
            raise _Refused(HTTPStatus.BAD_REQUEST, "The file is empty.")
        stored, name = incoming.finish(), upload.file_name
    taken = False
    try:
        taken = log_requests.take_file(
            request, stored, file_name=name, address=upload.address, now=timezone.now()
        )
    finally:
        if not taken:
            file_store.remove(FOLDER, stored.name)
    if not taken:
        raise _Refused(HTTPStatus.CONFLICT, "The file has been taken already, or is not wanted any more.")


# ---------------------------------------------------------------- forms


class _FirstFile(FileUploadHandler):
    """Writes the first file of a form into the store and leaves the others."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._is_first = False
        self.incoming: file_store.Incoming | None = None
        self.name = ""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._is_first = self.incoming is None
        if self._is_first:
            self.name = _base_name(self.file_name or "")
            self.incoming = file_store.Incoming(FOLDER, limit=self._limit)
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._is_first and self.incoming is not None:
            self.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        return None


def _from_form(
    request: LogRequest, upload: _Upload, body: file_store.Incoming
) -> tuple[file_store.Stored, str]:
    handler = _FirstFile(settings.UPLOAD_MAX_BYTES)
    body.flush()
    try:
        with body.partial.open("rb") as raw:
            meta = {"CONTENT_TYPE": upload.content_type, "CONTENT_LENGTH": str(body.size)}
            fields: QueryDict
            fields, _ = MultiPartParser(meta, raw, [handler], "utf-8").parse()
        del fields
        if handler.incoming is None or not handler.incoming.size:
            raise _Refused(HTTPStatus.BAD_REQUEST, "The form holds no file.")
        return handler.incoming.finish(), handler.name or upload.file_name
    except file_store.FileTooLarge as error:
        log_requests.note_refused(request, f"The charger's file was refused: {error}")
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except MultiPartParserError as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, "The form cannot be read.") from error
    finally:
        if handler.incoming is not None:
            handler.incoming.discard()


async def _answer(send: Send, status: HTTPStatus, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status >= HTTPStatus.BAD_REQUEST:
        # What follows of the body is not read.
        headers.append((b"connection", b"close"))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", ", ".join(METHODS).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
