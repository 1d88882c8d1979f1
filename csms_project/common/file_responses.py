"""Files to save, sent piece by piece, whole or in part (RFC 9110 §14); browsers must neither run nor guess them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

PIECE = 64 * 1024
BINARY = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

#: Called with the number of the byte up to which the file was sent, and whether the answer has ended.
Progress = Callable[[int, bool], None]


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    stop: int


def file_response(
    request: HttpRequest, path: Path, *, name: str, etag: str, progress: Progress | None = None
) -> HttpResponseBase:
    """The file as an attachment: 200, 206 for one range, 416 for one beyond its end.

    name      what it is saved as
    etag      what tells this content from another
    progress  called while the file is sent, and once when that has ended
    Raises    FileNotFoundError
    """
    size = path.stat().st_size
    part = _part(request, size, f'"{etag}"')
    response: HttpResponseBase
    if part is None:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
    else:
        response = _answer(request, path, part, progress)
        response["Content-Length"] = str(part.stop - part.start)
        if part != _Part(0, size):
            response.status_code = 206
            response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    response["Content-Type"] = BINARY
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{etag}"'
    harmless(response)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def harmless(response: HttpResponseBase) -> None:
    """Headers after which a browser does nothing with the content but save it."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"


def _part(request: HttpRequest, size: int, etag: str) -> _Part | None:
    """What is asked for; the whole where the range cannot be understood, None where it lies outside."""
    whole = _Part(0, size)
    match = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if match is None or not (match[1] or match[2]) or request.headers.get("If-Range", etag) != etag:
        return whole
    if not match[1]:
        last = int(match[2])
        return _Part(max(0, size - last), size) if last and size else None
    start = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return whole
    return _Part(start, stop) if start < size else None


def _answer(request: HttpRequest, path: Path, part: _Part, progress: Progress | None) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse()
    pieces = _pieces(path, part, progress)
    # A plain iterator would be read to its end first where the server is asynchronous.
    return StreamingHttpResponse(_asynchronous(pieces) if isinstance(request, ASGIRequest) else pieces)


def _pieces(path: Path, part: _Part, progress: Progress | None) -> Generator[bytes, None, None]:
    position = part.start
    try:
        with path.open("rb") as file:
            file.seek(position)
            while position < part.stop and (piece := file.read(min(PIECE, part.stop - position))):
                # Counted when it is handed over: a client that has got all of it may close before we go on.
                position += len(piece)
                yield piece
                if progress is not None:
                    progress(position, False)
    finally:
        if progress is not None:
            progress(position, True)


async def _asynchronous(pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(pieces, None))
    try:
        while (piece := await following()) is not None:
            yield piece
    finally:
        # The client may have gone: the file is closed in the thread that reads it.
        await sync_to_async(pieces.close)()
