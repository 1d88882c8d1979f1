"""Functional block A, M: what 2.1 adds to certificates."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
