"""Functional block I: local cost calculation (I07 to I12)."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
