"""Tariffs for chargers that calculate costs themselves: what they are called there, and what stands in them.

Pure.
"""

from __future__ import annotations

import hashlib
from typing import Any

from csms_project.common.fields import dumps
from transactions.pricing_tariff import Tariff

_KEPT = ("name", "description", "currency", "elements", "min_price", "max_price")


def content_of(snapshot: dict[str, Any], description: str = "") -> dict[str, Any]:
    """What is sent of a tariff: without empty parts.

    Raises  TariffError
    """
    read = Tariff.parse(snapshot).as_snapshot()
    content = {"name": snapshot.get("name") or "", "description": description, **read}
    return {name: content[name] for name in _KEPT if content.get(name)}


def tariff_id_of(content: dict[str, Any]) -> str:
    """An id that follows from the contents: other prices never have the same one (OCPP 2.1 I08.FR.08)."""
    return f"csms-{hashlib.sha256(dumps(content).encode()).hexdigest()[:20]}"
