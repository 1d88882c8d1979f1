"""Functional block F, G, H: what 2.1 adds to commands."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
