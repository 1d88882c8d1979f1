"""CSV files that are sent while they are made: the first lines at once, and never the whole in memory."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from csms_project.common.admin import without_formula

#: Lines that are sent together.
LINES = 200


class _Line:
    """What csv.writer writes to: hands the line back."""

    def write(self, text: str) -> str:
        return text


def csv_response(
    request: HttpRequest, name: str, header: Sequence[str], lines: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """A file to save; text that a spreadsheet would run as a formula is neutralised."""
    pieces = _pieces(header, lines)
    # A plain iterator would be read to its end first where the server is asynchronous.
    content = _asynchronous(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _pieces(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    write = csv.writer(_Line()).writerow
    # Spreadsheets read UTF-8 only with this mark.
    piece = ["\ufeff", write(header)]
    for line in lines:
        piece.append(write([without_formula(value) for value in line]))
        if len(piece) > LINES:
            yield "".join(piece).encode()
            piece = []
    yield "".join(piece).encode()


async def _asynchronous(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece
