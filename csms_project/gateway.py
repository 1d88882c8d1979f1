"""The chargers' side of this process: its sockets, and what /health says of it. Importing it watches the writer."""

from __future__ import annotations

from typing import Any

from csms_project import health
from ocpp_gateway.consumers import ChargerConsumer
from ocpp_gateway.node import get_node


async def charger_application(scope: Any, receive: Any, send: Any) -> None:
    """Serve the socket of one charger."""
    await ChargerConsumer()(scope, receive, send)


def writer_ended() -> str | None:
    """What only a restart mends."""
    return "its thread has ended" if get_node().has_ended() else None


health.register_check("writer", lambda: get_node().problem())
health.register_liveness("writer", writer_ended)
