"""Reservations on command (2.0.1 part 2, block H)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, required_time, status
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.v201.places import find_evse, rejected

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201


def reserve_now(cp: ChargePoint201, payload: Payload) -> Answer:
    if not cp.device.flag("ReservationCtrlr", "Enabled"):
        return rejected("NotEnabled")
    number, expires_at = int(payload["id"]), required_time(payload["expiryDateTime"])
    if "evseId" in payload:
        plug = find_evse(cp, payload["evseId"])
        if plug is None:
            return rejected("UnknownEvse")
    else:
        plug = next((each for each in cp.connectors[1:] if each.is_free), cp.connectors[1])
    refusal = _refusal(plug, number)
    if refusal:
        return status(refusal)
    token = str(payload["idToken"]["idToken"])
    cp.tokens.learn_type(token, str(payload["idToken"]["type"]))
    group = (payload.get("groupIdToken") or {}).get("idToken")
    cp.reserve(plug, number, token, group, expires_at)
    return status("Accepted", cp.set_status(plug.number, "Reserved"))


def _refusal(plug: Connector, number: int) -> str:
    held = plug.reservation
    replaces = held is not None and held.reservation_id == number
    if plug.status in ("Faulted", "Unavailable"):
        return plug.status
    return "" if (plug.status == "Available" or replaces) and not plug.claimed else "Occupied"


def cancel_reservation(cp: ChargePoint201, payload: Payload) -> Answer:
    for plug in cp.connectors[1:]:
        if plug.reservation is not None and plug.reservation.reservation_id == payload["reservationId"]:
            plug.reservation.expiry.cancel()
            plug.reservation = None
            return status("Accepted", cp.release(plug))
    return rejected("NotFound")


HANDLERS = {"CancelReservation": cancel_reservation, "ReserveNow": reserve_now}
