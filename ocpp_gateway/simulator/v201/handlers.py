"""Contents: which call of the CSMS is answered by what (2.0.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocpp_gateway.simulator.answers import Handler
from ocpp_gateway.simulator.v201 import (
    availability,
    certificates,
    charging,
    files,
    information,
    monitoring,
    networks,
    remote,
    reports,
    reservations,
    tokens,
)

HANDLERS: Mapping[str, Handler[Any]] = {
    **availability.HANDLERS,
    **certificates.HANDLERS,
    **charging.HANDLERS,
    **files.HANDLERS,
    **information.HANDLERS,
    **monitoring.HANDLERS,
    **networks.HANDLERS,
    **remote.HANDLERS,
    **reports.HANDLERS,
    **reservations.HANDLERS,
    **tokens.HANDLERS,
}
