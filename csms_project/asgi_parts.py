"""What an ASGI application of ours is made of: sockets by the raw path, HTTP, and the lifespan."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from django.conf import settings

Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]

NOT_FOUND = b"Not found.\n"
NO_CHARGERS = b"Chargers are not served here: they connect to a gateway process.\n"


def make_application(*, http: Application, chargers: Application | None) -> Application:
    """Route by the raw path: a router that decodes it would lose %2F and fail on %FF.

    chargers  serves the sockets below OCPP_PATH; None: they are refused with 404
    """
    path = settings.OCPP_PATH.encode()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            is_charger = (scope.get("raw_path") or scope["path"].encode()).startswith(path)
            if is_charger and chargers is not None:
                await chargers(scope, receive, send)
            else:
                await refuse_socket(scope, receive, send, NO_CHARGERS if is_charger else NOT_FOUND)
        elif scope["type"] == "lifespan":
            await lifespan(receive, send)
        else:
            await http(scope, receive, send)

    return application


def with_uploads(http: Application) -> Application:
    """Django, and beside it where chargers put files: those are judged before their body is read.

    To be called once the applications are loaded.
    """
    from chargepoints.file_links import UPLOAD_PATH
    from chargepoints.uploads_asgi import upload_application

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(UPLOAD_PATH):
            await upload_application(scope, receive, send)
        else:
            await http(scope, receive, send)

    return application


async def refuse_socket(scope: Any, receive: Any, send: Any, text: bytes) -> None:
    """Answer a handshake with 404 where the server can, else close (403)."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": text})


async def lifespan(receive: Any, send: Any) -> None:
    """Nothing to start or stop: the server does that."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
