"""Functional block O of 2.1: several languages in one message, QR codes, more states."""

from __future__ import annotations

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.v201 import display

BLOCK = Block(
    calls={
        "set_display_message": sent_as("SetDisplayMessage", display.set_message),
        "get_display_messages": sent_as("GetDisplayMessages", display.get_messages),
    },
)
