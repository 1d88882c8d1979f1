"""Functional block C, E: what 2.1 adds to transactions: prepaid and limits (C17, E16, E17)."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
