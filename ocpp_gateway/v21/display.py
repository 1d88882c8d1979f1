"""Functional block O: what 2.1 adds to display messages."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
