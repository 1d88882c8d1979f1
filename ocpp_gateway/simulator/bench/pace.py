"""How many messages per second a load test sends at most."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """Slots at a fixed rate, shared by many sockets: each message takes the next one.

    A slot that nobody took is lost: after a pause there is no burst.
    """

    __slots__ = ("_clock", "_next_at", "_step_s")

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._step_s = 1 / per_second
        self._next_at = 0.0

    def wait_s(self) -> float:
        """Take a slot; returns the seconds until it."""
        now = self._clock()
        at = max(now, self._next_at)
        self._next_at = at + self._step_s
        return at - now
