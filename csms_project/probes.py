"""Health and metrics of a process that serves no site: no middleware, no sessions, no check of the host name."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpResponse

from csms_project.health import health, live
from csms_project.metrics_view import metrics

_VIEWS = {"/health": health, "/health/live": live, "/metrics": metrics}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer one HTTP request."""
    response = await sync_to_async(_answer, thread_sensitive=False)(scope)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.content
    await send({"type": "http.response.body", "body": body})


def _answer(scope: Any) -> HttpResponse:
    view = _VIEWS.get(scope["path"].rstrip("/"))
    if view is None:
        return HttpResponse("Not found.\n", status=404, content_type="text/plain")
    try:
        response: HttpResponse = view(ASGIRequest(scope, BytesIO()))
        return response
    finally:
        close_old_connections()
