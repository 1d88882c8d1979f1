"""A booted charge point of 2.x against a tiny CSMS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ocpp_gateway.simulator import Station
from ocpp_gateway.simulator.v21.charge_point import ChargePoint21
from ocpp_gateway.simulator.v201.charge_point import ChargePoint201
from ocpp_gateway.wire.errors import V201
from tests.ocpp_gateway.simulator.helpers import Csms, ManualClock


def csms(version: str = V201, **more: Any) -> Csms:
    return Csms(version=version, strict=True, **more)


def new_station(url: str, **more: Any) -> Station:
    """Two EVSEs, the second with two connectors."""
    options: dict[str, Any] = {"connectors": 2, "cables": (1, 2), **more}
    return Station(url=url, identity="CS 1", key="a-key-of-16-chars", **options)


def new_charge_point(server: Csms, options: dict[str, Any], **more: Any) -> ChargePoint201:
    kind = ChargePoint201 if server.version == V201 else ChargePoint21
    return kind(new_station(server.url, **options), **more)


@asynccontextmanager
async def booted(
    server: Csms, *, station: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[ChargePoint201]:
    """A charge point that has booted; whatever it sent was valid."""
    more.setdefault("clock", ManualClock())
    cp = new_charge_point(server, station or {}, **more)
    await cp.connect()
    await cp.boot()
    try:
        yield cp
    finally:
        await cp.close()
    assert server.violations == []
    wrong = [kind for kind in cp.stats.errors if kind.startswith(("invalid", "internal"))]
    assert wrong == [], wrong


@asynccontextmanager
async def running(
    server: Csms, *, station: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[ChargePoint201]:
    """A charge point that reconnects by itself."""
    more.setdefault("clock", ManualClock())
    cp = new_charge_point(server, station or {}, **more)
    keeper = asyncio.create_task(cp.keep_connected())
    await server.arrived("StatusNotification", 3)
    try:
        yield cp
    finally:
        keeper.cancel()
        await cp.close()
    assert server.violations == []


async def set_variable(server: Csms, component: str, name: str, value: str, instance: str = "") -> str:
    """Set one variable and return the status."""
    variable = {"name": name, **({"instance": instance} if instance else {})}
    row = {"component": {"name": component}, "variable": variable, "attributeValue": value}
    answer = await server.ask("SetVariables", setVariableData=[row])
    return str(answer["setVariableResult"][0]["attributeStatus"])
