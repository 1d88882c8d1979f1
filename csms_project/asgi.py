"""The ASGI application: chargers on /ocpp/, everything else is Django's."""

from __future__ import annotations

import os
import warnings
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csms_project.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

django_application: Any = get_asgi_application()

from csms_project.health import register_check  # noqa: E402
from ocpp_gateway.consumers import ChargerConsumer  # noqa: E402 - needs the applications loaded
from ocpp_gateway.node import get_node  # noqa: E402

register_check("writer", lambda: get_node().problem())

# Static files are small and read by a thread pool; Django warns at each of them under ASGI.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

_OCPP = settings.OCPP_PATH.encode()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Route by the raw path: a router that decodes it would lose %2F and fail on %FF."""
    if scope["type"] == "websocket":
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        if path.startswith(_OCPP):
            await ChargerConsumer()(scope, receive, send)
        else:
            await _unknown_socket(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await django_application(scope, receive, send)


async def _unknown_socket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"Not found.\n"})
    else:
        await send({"type": "websocket.close"})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
