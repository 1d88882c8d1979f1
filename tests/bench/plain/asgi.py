"""`uvicorn tests.bench.plain.asgi:application`."""

from __future__ import annotations

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.plain.settings"
django.setup()

from tests.bench.plain.consumers import ChargePointConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([re_path(r"^ocpp/(?P<identity>[^/]+)$", ChargePointConsumer.as_asgi())]),
    }
)
