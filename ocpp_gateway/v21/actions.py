"""OCPP 2.1: OCPP 2.0.1 and what it adds or changes."""

from __future__ import annotations

from ocpp_gateway.dialect import dialect_of
from ocpp_gateway.v21 import (
    battery_swap,
    der,
    display,
    event_streams,
    payment,
    provisioning,
    remote_control,
    security,
    smart_charging,
    tariffs,
    transactions,
    v2x,
)
from ocpp_gateway.v201 import actions as v201
from ocpp_gateway.wire.errors import V21

BLOCKS = (
    *v201.BLOCKS,
    security.BLOCK,
    provisioning.BLOCK,
    transactions.BLOCK,
    remote_control.BLOCK,
    tariffs.BLOCK,
    payment.BLOCK,
    smart_charging.BLOCK,
    v2x.BLOCK,
    der.BLOCK,
    battery_swap.BLOCK,
    event_streams.BLOCK,
    display.BLOCK,
)

#: Characters of an idToken (2.1 part 2, IdTokenType).
TAG_LENGTH = 255

IN_MEMORY = v201.IN_MEMORY

DIALECT = dialect_of(V21, "OCPP 2.1", BLOCKS, tag_length=TAG_LENGTH, tells_bad_results=True)
