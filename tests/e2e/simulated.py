"""Simulated chargers that live beside a test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from ocpp_gateway.simulator import ChargePoint, Clock, Station, new_charge_point
from tests.e2e.conftest import is_online, register
from tests.e2e.product import Product, wait_until
from tests.factories import CHARGER_KEY

T = TypeVar("T")


class Life:
    """An event loop of its own on which chargers run; `do` lets one of them do something."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.chargers: list[ChargePoint] = []
        self._tasks: list[asyncio.Task[None]] = []

    def do(self, work: Coroutine[Any, Any, T], timeout_s: float = 40.0) -> T:
        """Run a coroutine of a charger and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    async def begin(self, stations: list[Station], *, ocpp: str, speed: float, **more: Any) -> None:
        """Switch chargers on."""
        made = [new_charge_point(each, ocpp=ocpp, clock=Clock(speed=speed), **more) for each in stations]
        self.chargers += made
        self._tasks += [asyncio.create_task(cp.keep_connected()) for cp in made]

    def end(self) -> None:
        """Switch all off."""
        self.do(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for cp in self.chargers:
            await cp.close()


@contextmanager
def living(
    product: Product,
    *identities: str,
    ocpp: str = "1.6",
    speed: float = 100,
    registered: bool = False,
    **station: Any,
) -> Iterator[Life]:
    """Chargers that run by themselves, a hundred times as fast; `BROKEN` ones cannot install firmware."""
    life = Life()
    for identity in identities:
        if not registered:
            register(identity)
    stations = [
        Station(
            url=product.url,
            identity=identity,
            key=CHARGER_KEY,
            install_fails="BROKEN" in identity,
            **station,
        )
        for identity in identities
    ]
    try:
        life.do(life.begin(stations, ocpp=ocpp, speed=speed))
        for identity in identities:
            wait_until(partial(is_online, identity), f"{identity} is online")
        yield life
    finally:
        life.end()
