"""CostDetailsType (I12): what a charger has calculated, in our form: numbers as text, lists bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]

MAX_PERIODS = 200
_PARTS = ("fixed", "energy", "chargingTime", "idleTime", "reservationTime", "reservationFixed")


def read_cost_details(given: object) -> Payload | None:
    """The details of an event; None where it has none."""
    if not isinstance(given, Mapping):
        return None
    cost, usage = _object(given.get("totalCost")), _object(given.get("totalUsage"))
    total = _object(cost.get("total"))
    read = {
        "currency": mapping.text(cost, "currency", 3),
        "kind": mapping.text(cost, "typeOfCost", 20),
        "total_excl": _number(total.get("exclTax")),
        "total_incl": _number(total.get("inclTax")),
        "parts": [_part(name, _object(cost[name])) for name in _PARTS if cost.get(name) is not None],
        "usage": {name: _number(value) for name, value in usage.items() if name != "customData"},
        "periods": [_period(row) for row in (given.get("chargingPeriods") or ())[:MAX_PERIODS]],
        "failed": True if given.get("failureToCalculate") is True else None,
        "reason": mapping.text(given, "failureReason", 500),
    }
    return {name: value for name, value in read.items() if value not in (None, "", [], {})}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _part(name: str, price: Mapping[str, Any]) -> Payload:
    part = {"name": name, "excl": _number(price.get("exclTax")), "incl": _number(price.get("inclTax"))}
    rates = [
        {"type": mapping.text(rate, "type", 20), "tax": _number(rate.get("tax"))}
        for rate in (price.get("taxRates") or ())[:5]
        if isinstance(rate, Mapping)
    ]
    return {key: value for key, value in part.items() if value is not None} | (
        {"taxes": rates} if rates else {}
    )


def _period(row: object) -> Payload:
    given = _object(row)
    return {
        "start": mapping.text(given, "startPeriod", 40),
        "tariff_id": mapping.text(given, "tariffId", 60),
        "used": {
            mapping.text(item, "type", 20): _number(item.get("volume"))
            for item in (given.get("dimensions") or ())[:10]
            if isinstance(item, Mapping)
        },
    }


def _number(value: object) -> str | None:
    """A number as text; None where it is none that makes sense."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return f"{round(number, 6):.6f}".rstrip("0").rstrip(".") if abs(number) < 1e12 else None
