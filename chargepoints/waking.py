"""Waking the gateway that holds a charger's socket.  A hint only: the gateway polls for rows as well."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

LocalWaker = Callable[[uuid.UUID, int], bool]
_local_waker: LocalWaker | None = None

SEND_S = 0.5
AWAY_S = 5.0
_away_until = 0.0  # by the monotonic clock


def group_name(node_id: uuid.UUID) -> str:
    """Channel layer group of a gateway node."""
    return f"gateway.{node_id.hex}"


def register_local_waker(waker: LocalWaker | None) -> None:
    """Let the gateway of this process be woken without the channel layer.

    `waker(node_id, charge_point_id)` is called from any thread and returns whether the node is its own.
    """
    global _local_waker
    _local_waker = waker


def wake_node(node_id: uuid.UUID, charge_point_id: int) -> None:
    """Tell a gateway node that a charge point has a command waiting; a failure is logged and ignored."""
    try:
        if _local_waker is not None and _local_waker(node_id, charge_point_id):
            return
        if time.monotonic() >= _away_until:
            async_to_sync(send)(node_id, {"type": "command.wake", "charge_point_id": charge_point_id})
    except Exception:  # the row is the truth; the gateway finds it within seconds
        logger.warning(
            "command.wake_failed",
            exc_info=True,
            extra={"node": str(node_id), "charge_point_id": charge_point_id},
        )


async def send(node_id: uuid.UUID, message: dict[str, Any]) -> bool:
    """Send a hint to a gateway node, in bounded time; false when the channel layer is away.

    After a failure nothing is sent for a while: a layer that does not answer must not cost each request its time-out.
    """
    global _away_until
    layer = get_channel_layer()
    if layer is None or time.monotonic() < _away_until:
        return False
    try:
        await asyncio.wait_for(layer.group_send(group_name(node_id), message), SEND_S)
    except Exception as error:
        _away_until = time.monotonic() + AWAY_S
        logger.warning("waking.layer_away", extra={"error": f"{type(error).__name__}: {error}"[:200]})
        return False
    return True
