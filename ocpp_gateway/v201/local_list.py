"""Functional block D: local list of tokens."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
