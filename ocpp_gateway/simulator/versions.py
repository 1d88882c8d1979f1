"""The charge points of each version of OCPP."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v16.charge_point import ChargePoint16

#: By the version as people write it.
VERSIONS: dict[str, type[ChargePoint]] = {"1.6": ChargePoint16}


def new_charge_point(station: Station, *, ocpp: str = "1.6", **more: Any) -> ChargePoint:
    """A charge point that speaks a version."""
    return VERSIONS[ocpp](station, **more)
