"""Availability and resets on command (2.0.1 part 2, blocks G and B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.v201.device_tables import cables_of
from ocpp_gateway.simulator.v201.places import find_evse, rejected

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201


def change_availability(cp: ChargePoint201, payload: Payload) -> Answer:
    operative = payload["operationalStatus"] == "Operative"
    evse = payload.get("evse") or {}
    if not evse or evse["id"] == 0:
        return _change(cp, cp.connectors, operative)
    plug = find_evse(cp, evse["id"])
    cables = cables_of(cp.station, plug.number) if plug is not None else 0
    cable = evse.get("connectorId")
    if plug is None or not 0 < (cable or 1) <= cables:
        return rejected("UnknownEvse" if plug is None else "UnknownConnectorId")
    if cable is None or cables == 1:
        return _change(cp, [plug], operative)
    if operative:
        plug.closed.discard(cable)
    else:
        plug.closed.add(cable)
    return status("Accepted", cp.report_cables(plug, only=cable))


def _change(cp: ChargePoint201, plugs: list[Connector], operative: bool) -> Answer:
    for plug in plugs:
        plug.operative = operative
    busy = not operative and any(plug.session is not None for plug in plugs)
    return status("Scheduled" if busy else "Accepted", cp.report_availability(plugs))


def reset(cp: ChargePoint201, payload: Payload) -> Answer:
    evse = payload.get("evseId", 0)
    plug = find_evse(cp, evse) if evse else None
    if cp.rebooting or (evse and plug is None):
        return rejected("UnknownEvse" if evse else "Unspecified")
    plugs = [plug] if plug is not None else cp.connectors[1:]
    is_busy = any(each.session is not None for each in plugs)
    if payload["type"] == "OnIdle" and is_busy:
        return status("Scheduled", cp.reset_when_idle(plugs, whole=plug is None))
    if plug is not None:
        return status("Accepted", cp.reset_evse(plug))
    return status("Accepted", cp.reset(boot_reason="RemoteReset"))


HANDLERS = {"ChangeAvailability": change_availability, "Reset": reset}
