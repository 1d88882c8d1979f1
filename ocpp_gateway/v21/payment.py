"""Functional block C: ad hoc payment (C18 to C25)."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
