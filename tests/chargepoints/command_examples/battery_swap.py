"""Swapping batteries."""

from __future__ import annotations

from typing import Any

EXAMPLES: dict[str, dict[str, Any]] = {
    "request_battery_swap": {"id_token": "04A1B2C3", "token_type": "ISO14443", "request_id": 5}
}
