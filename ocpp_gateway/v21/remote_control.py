"""Functional block F, G, H: what 2.1 adds to commands."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.v201.remote_control import TRIGGERS, start, trigger_of

Payload = dict[str, Any]

_TRIGGERS = TRIGGERS | {"SignV2G20Certificate", "CustomTrigger"}


def _start(payload: Payload) -> Payload:
    """The limits of the session go out with the answer to its first event (E16.FR.02)."""
    return start({name: value for name, value in payload.items() if name != "limits"})


BLOCK = Block(
    calls={
        "remote_start": sent_as("RequestStartTransaction", _start),
        "trigger_message": sent_as("TriggerMessage", trigger_of(_TRIGGERS, "OCPP 2.1")),
    }
)
