"""The simulated clock: every wait of a simulated charge point is a timer of the one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """Something that can be called off."""

    def cancel(self) -> None: ...


class Clock:
    """Simulated time: `speed` simulated seconds pass in one real second.

    origin   simulated time at creation, aware; default is the wall clock
    Waits for the network (answers, reconnects, resends) are real seconds, all else simulated ones.
    """

    def __init__(self, *, speed: float = 1.0, origin: datetime | None = None) -> None:
        if speed <= 0:
            raise ValueError("speed must be above zero")
        self.speed = speed
        self._origin = origin or datetime.now(UTC)
        self._zero = time.monotonic()

    def now(self) -> datetime:
        """Simulated time of day, aware UTC."""
        return self._origin + timedelta(seconds=(self.monotonic() - self._zero) * self.speed)

    def monotonic(self) -> float:
        """Real seconds from an arbitrary zero, for latencies."""
        return time.monotonic()

    def call_later(
        self, seconds: float, callback: Callable[[], None], *, name: str, real: bool = False
    ) -> Timer:
        """Call back after so many simulated (or real) seconds; `name` tells the timers of a test apart."""
        return asyncio.get_running_loop().call_later(seconds if real else seconds / self.speed, callback)

    async def sleep(self, seconds: float, *, name: str, real: bool = False) -> None:
        """Wait so many simulated (or real) seconds."""
        done = asyncio.Event()
        timer = self.call_later(seconds, done.set, name=name, real=real)
        try:
            await done.wait()
        finally:
            timer.cancel()
