"""Functional block I: tariff and cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def cost_updated(payload: Payload) -> Payload:
    """CostUpdated: the amount alone; what other versions tell besides it has no field."""
    return {
        "transactionId": payload["transaction_id"],
        "totalCost": mapping.amount(Decimal(payload["total_cost"])),
    }


BLOCK = Block(calls={"cost_updated": sent_as("CostUpdated", cost_updated)})
