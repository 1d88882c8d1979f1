"""Functional block B: what 2.1 adds to booting and resuming (B13)."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
