"""Functional block C: ad hoc payment (C18 to C25)."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def _web_payment(payload: Payload) -> Payload:
    return mapping.copied(payload, connector="evseId", timeout_s="timeout")


BLOCK = Block(calls={"web_payment_started": sent_as("NotifyWebPaymentStarted", _web_payment)})
