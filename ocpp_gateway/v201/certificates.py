"""Functional block M: certificates of ISO 15118."""

from __future__ import annotations

from ocpp_gateway.dialect import Block

BLOCK = Block()
