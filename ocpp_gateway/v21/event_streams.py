"""Functional block N: periodic event streams (N11 to N15)."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
