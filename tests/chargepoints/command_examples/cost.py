"""Tariffs and costs on the charger, and payments on the web."""

from __future__ import annotations

from typing import Any

TARIFF: dict[str, Any] = {
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.4, "step_size": 1}]}],
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "cost_updated": {
        "transaction_id": "7",
        "total_cost": "4.35",
        "more": {
            "timestamp": "2099-03-02T10:00:00Z",
            "meterValue": 5000,
            "state": "Charging",
            "chargingPrice": {"kWhPrice": 0.4},
        },
    },
    "set_default_tariff": {
        "tariff": TARIFF,
        "tariff_id": "day",
        "connector": 1,
        "valid_from": "2099-03-02T10:00:00Z",
    },
    "get_tariffs": {"connector": 0},
    "clear_tariffs": {"tariff_ids": ["day"], "connector": 1},
    "change_transaction_tariff": {"transaction_id": "tx-1", "tariff": TARIFF, "tariff_id": "night"},
    "web_payment_started": {"connector": 1, "timeout_s": 120},
}
