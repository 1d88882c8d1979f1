"""Waking the gateway that holds a charger's socket.  A hint only: the gateway polls for rows as well."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

LocalWaker = Callable[[uuid.UUID, int], bool]
_local_waker: LocalWaker | None = None


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
        layer = get_channel_layer()
        if layer is not None:
            message = {"type": "command.wake", "charge_point_id": charge_point_id}
            async_to_sync(layer.group_send)(group_name(node_id), message)
    except Exception:  # the row is the truth; the gateway finds it within seconds
        logger.warning(
            "command.wake_failed",
            exc_info=True,
            extra={"node": str(node_id), "charge_point_id": charge_point_id},
        )
