"""Functional block L: firmware."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
