"""Functional block K: what 2.1 adds to smart charging (K18 to K29)."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
