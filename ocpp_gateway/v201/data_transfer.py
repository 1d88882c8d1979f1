"""Functional block P: vendor messages."""

from __future__ import annotations

from typing import Any

import orjson

from chargepoints.services import vendor_messages
from chargepoints.services.vendor_messages import VendorAnswer, read_json
from ocpp_gateway import vendor_data
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def data_transfer(payload: Payload) -> Payload:
    """DataTransfer: text, or with `as_json` what the JSON means."""
    call = mapping.copied(payload, vendor_id="vendorId", message_id="messageId", data="data")
    if payload.get("as_json"):
        try:
            call["data"] = orjson.loads(payload.get("data", ""))
        except orjson.JSONDecodeError:
            raise CannotSend("The data is no JSON.") from None
    return call


def data_transfer_out(done: VendorAnswer) -> Payload:
    """An object is answered with an object, text with text: vendors expect their own kind (P02)."""
    data = done.data if done.is_text or done.data is None else read_json(done.data)
    return mapping.without_none(status=done.status, data=data)


BLOCK = Block(
    actions={
        "DataTransfer": Action(
            vendor_data.data_transfer_in,
            vendor_messages.VENDOR_MESSAGE,
            data_transfer_out,
            prepare=vendor_data.data_transfer_prepare,
        )
    },
    calls={"data_transfer": sent_as("DataTransfer", data_transfer)},
)
