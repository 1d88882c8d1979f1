"""EVSEs by their number, and refusals with a reason."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.simulator.answers import Answer
from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.connector import Connector


def find_evse(cp: ChargePoint, number: object) -> Connector | None:
    """An EVSE that there is."""
    if isinstance(number, int) and 0 < number < len(cp.connectors):
        return cp.connectors[number]
    return None


def rejected(reason: str, **more: Any) -> Answer:
    """Rejected, with a reason code of the appendices."""
    return Answer({"status": "Rejected", "statusInfo": {"reasonCode": reason}, **more})
