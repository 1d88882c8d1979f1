"""Functional block S: swapping batteries."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from accounts.choices import TokenType
from chargepoints.choices import BatteryDirection
from chargepoints.services import battery_swaps
from chargepoints.services.battery_swaps import Battery, SwapEvent
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201.display import nothing_out

Payload = dict[str, Any]

_DIRECTIONS = {
    "BatteryIn": BatteryDirection.IN,
    "BatteryOut": BatteryDirection.OUT,
    "BatteryOutTimeout": BatteryDirection.OFFERED,
}


def _request(payload: Payload) -> Payload:
    token = {"idToken": payload["id_token"], "type": payload.get("token_type") or TokenType.ISO14443.value}
    return {"requestId": payload["request_id"], "idToken": token}


def swap_in(link: Link, payload: Payload) -> SwapEvent:
    value, kind = mapping.id_token(payload["idToken"]) or ("", "")
    return SwapEvent(
        **link.facts(),
        request_id=mapping.whole(payload.get("requestId"), -1),
        direction=_DIRECTIONS[payload["eventType"]],
        id_token=value,
        token_type=kind,
        batteries=[_battery(item) for item in payload["batteryData"][: battery_swaps.MAX_BATTERIES]],
    )


def _battery(item: Mapping[str, Any]) -> Battery:
    produced = mapping.timestamp(item.get("productionDate"))
    return Battery(
        evse_number=max(0, mapping.whole(item.get("evseId"))),
        serial_number=mapping.text(item, "serialNumber", 50),
        soc=_percent(item.get("soC")),
        soh=_percent(item.get("soH")),
        produced_on=produced.date() if produced is not None else None,
        vendor_info=mapping.text(item, "vendorInfo", 500),
    )


def _percent(value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return (
        min(max(number, Decimal(0)), Decimal(100)).quantize(Decimal("0.01"))
        if number.is_finite()
        else Decimal(0)
    )


BLOCK = Block(
    actions={"BatterySwap": Action(swap_in, battery_swaps.SWAP, nothing_out)},
    calls={"request_battery_swap": sent_as("RequestBatterySwap", _request)},
    sentences={
        ("RequestBatterySwap", "Accepted"): "The station waits for the batteries.",
        ("RequestBatterySwap", "Rejected"): "The station swaps no batteries now; it may have too few.",
    },
)
