"""How often somebody has tried something lately: kept in this process, bounded, forgotten with it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

#: Names that are remembered at most: the oldest are forgotten first.
MAX_NAMES = 10_000


class Attempts:
    """Counts attempts by name within a period.

    Each process counts for itself, so that of n processes somebody has n times the attempts: enough against guessing
    what has many millions of possibilities.
    """

    def __init__(self, *, limit: int, period_s: float) -> None:
        self._limit, self._period_s = limit, period_s
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """One attempt more."""
        with self._lock:
            times = self._times.pop(name, deque(maxlen=self._limit))
            times.append(time.monotonic())
            self._times[name] = times
            while len(self._times) > MAX_NAMES:
                self._times.popitem(last=False)

    def is_over(self, name: str) -> bool:
        """Whether the limit is reached for now."""
        with self._lock:
            times = self._times.get(name)
            if times is None or len(times) < self._limit:
                return False
            return time.monotonic() - times[0] < self._period_s

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._times.clear()
