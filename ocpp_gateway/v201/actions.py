"""OCPP 2.0.1: which message of a charging station is served by what, and how our commands are said."""

from __future__ import annotations

from ocpp_gateway.dialect import dialect_of
from ocpp_gateway.v201 import (
    authorization,
    availability,
    certificates,
    cost,
    data_transfer,
    diagnostics,
    display,
    firmware,
    local_list,
    monitoring,
    provisioning,
    remote_control,
    reservation,
    security,
    smart_charging,
    transactions,
    variables,
)
from ocpp_gateway.wire.errors import V201

#: In the order of part 2.
BLOCKS = (
    security.BLOCK,
    provisioning.BLOCK,
    variables.BLOCK,
    authorization.BLOCK,
    local_list.BLOCK,
    transactions.BLOCK,
    remote_control.BLOCK,
    availability.BLOCK,
    reservation.BLOCK,
    cost.BLOCK,
    smart_charging.BLOCK,
    firmware.BLOCK,
    certificates.BLOCK,
    diagnostics.BLOCK,
    monitoring.BLOCK,
    display.BLOCK,
    data_transfer.BLOCK,
)

#: Characters of an idToken (2.0.1 part 2, IdTokenType).
TAG_LENGTH = 36

# Answered by the gateway itself from memory; liveness is flushed once a second.
IN_MEMORY = frozenset({"Heartbeat"})

DIALECT = dialect_of(V201, "OCPP 2.0.1", BLOCKS, tag_length=TAG_LENGTH)
