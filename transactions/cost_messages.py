"""Messages of “OCPP & California Pricing Requirements” (Open Charge Alliance, version 3): names and fields.

Pure.  They travel as vendor messages: JSON in a string.  Charge points that know them say so with the configuration
key CustomDisplayCostAndPrice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from transactions.price_now import PriceNow

#: The version that these messages extend.
VERSION = "ocpp1.6"
VENDOR_ID = "org.openchargealliance.costmsg"
SET_USER_PRICE, RUNNING_COST, FINAL_COST = "SetUserPrice", "RunningCost", "FinalCost"
CONNECTOR_UNPLUGGED = "ConnectorUnplugged"

SUPPORT_KEY, DEFAULT_PRICE_KEY = "CustomDisplayCostAndPrice", "DefaultPrice"
#: ChangeConfiguration takes 500 characters (OCPP 1.6 §6.7).
MAX_DEFAULT_PRICE = 500

#: At these changes of state the charger sends a meter reading, so that a new cost can follow it.
TRIGGER_STATUSES = ("Charging", "SuspendedEV", "SuspendedEVSE", "Finishing")


def user_price(*, id_token: str, text: str) -> dict[str, Any]:
    """SetUserPrice: the price that this driver pays, for the display."""
    return {"idToken": id_token, "priceText": text}


def running_cost(
    *,
    at: datetime,
    meter_wh: Decimal,
    is_charging: bool,
    now: PriceNow,
    then: tuple[datetime, PriceNow] | None,
    step_kwh: Decimal | None,
) -> dict[str, Any]:
    """RunningCost without session and cost: up to which reading the cost is, and by which prices it goes on.

    at, meter_wh  the reading that the cost is for
    then          the next period's beginning and prices
    step_kwh      energy of the session at which prices may change
    """
    message = {
        "timestamp": _time(at),
        "meterValue": int(meter_wh),
        "state": "Charging" if is_charging else "Idle",
        "chargingPrice": _charging(now),
        **_idle(now),
    }
    trigger: dict[str, Any] = {"atCPStatus": list(TRIGGER_STATUSES)}
    if then is not None:
        message["nextPeriod"] = {
            "atTime": _time(then[0]),
            "chargingPrice": _charging(then[1]),
            **_idle(then[1]),
        }
        trigger["atTime"] = _time(then[0])
    if step_kwh is not None:
        trigger["atEnergykWh"] = float(step_kwh)
    message["triggerMeterValue"] = trigger
    return message


def final_cost(*, transaction_id: int, cost: Decimal, text: str, url: str = "") -> dict[str, Any]:
    """FinalCost: what the session has cost; `url` becomes a QR code."""
    message = {"transactionId": transaction_id, "cost": float(cost), "priceText": text}
    return message | ({"qrCodeText": url} if url else {})


def default_price(prices: PriceNow, *, text: str, offline_text: str) -> dict[str, Any]:
    """Value of the key DefaultPrice: what is shown before anybody is known, and while the charger is offline."""
    return {"priceText": text, "priceTextOffline": offline_text, "chargingPrice": _charging(prices)}


def _charging(prices: PriceNow) -> dict[str, float]:
    named = (("kWhPrice", prices.kwh), ("hourPrice", prices.hour), ("flatFee", prices.flat))
    return {name: _number(price) for name, price in named if price is not None}


def _idle(prices: PriceNow) -> dict[str, Any]:
    return {} if prices.idle_hour is None else {"idlePrice": {"hourPrice": _number(prices.idle_hour)}}


def _number(price: Decimal) -> float:
    return float(round(price, 4))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
