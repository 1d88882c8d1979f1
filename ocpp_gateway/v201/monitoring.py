"""Functional block N: monitors and events."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
