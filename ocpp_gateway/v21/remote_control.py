"""Functional block F, G, H: what 2.1 adds to commands."""

from __future__ import annotations

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.v201.remote_control import TRIGGERS, trigger_of

_TRIGGERS = TRIGGERS | {"SignV2G20Certificate", "CustomTrigger"}

BLOCK = Block(calls={"trigger_message": sent_as("TriggerMessage", trigger_of(_TRIGGERS, "OCPP 2.1"))})
