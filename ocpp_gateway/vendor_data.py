"""DataTransfer of a charger, which all versions write alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from chargepoints.services.vendor_messages import VendorMessage, find_handler
from ocpp_gateway.link import Link
from ocpp_gateway.reading import text

Payload = dict[str, Any]


def data_transfer_in(link: Link, payload: Payload) -> VendorMessage:
    """The message; an object or a list as its JSON."""
    data = payload.get("data")
    is_text = data is None or isinstance(data, str)
    return VendorMessage(
        **link.facts(),
        vendor_id=text(payload, "vendorId"),
        vendor_message_id=text(payload, "messageId", 50),
        data=(data or "") if is_text else orjson.dumps(data).decode(),
        is_text=is_text,
        prepared=link.prepared,
    )


def data_transfer_prepare(link: Link, payload: Payload) -> Callable[[], Any] | None:
    """What its handler asks of others first."""
    request = data_transfer_in(link, payload)
    handler = find_handler(request)
    if handler is None or handler.prepare is None:
        return None
    return partial(handler.prepare, request)
