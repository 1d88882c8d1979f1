"""The charge points of each version of OCPP."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v16.charge_point import ChargePoint16
from ocpp_gateway.simulator.v21.charge_point import ChargePoint21
from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

DEFAULT_VERSION = "1.6"

#: By the version as people write it.
VERSIONS: dict[str, type[ChargePoint]] = {
    "1.6": ChargePoint16,
    "2.0.1": ChargePoint201,
    "2.1": ChargePoint21,
}


def new_charge_point(station: Station, *, ocpp: str = DEFAULT_VERSION, **more: Any) -> ChargePoint:
    """A charge point that speaks a version."""
    return VERSIONS[ocpp](station, **more)
