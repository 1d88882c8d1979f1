"""Sessions, and the queue of their messages: in order, resent until acknowledged (OCPP 1.6 §3.7, 2.0.1 E13)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ocpp_gateway.simulator.clock import Clock, Timer
from ocpp_gateway.simulator.faults import Faults
from ocpp_gateway.simulator.rpc import AnswerLost, CallFailed, NoAnswer

#: Real seconds that a message is held back which is to be overtaken.
LATE_S = 2.0


@dataclass(eq=False, kw_only=True)
class Session:
    """One charging session as its charge point knows it; energy in whole Wh.

    transaction_id   1.6: None until StartTransaction has been acknowledged
    samples          readings that were acknowledged
    ended            set as soon as the charge point stops it
    settled          set when that has been acknowledged
    """

    connector: int
    id_tag: str
    started_at: datetime
    meter_start_wh: int
    reservation_id: int | None = None
    transaction_id: int | str | None = None
    tag_status: str = ""
    stopped_at: datetime | None = None
    meter_stop_wh: int | None = None
    reason: str = ""
    samples: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def energy_wh(self) -> int:
        """Energy delivered; 0 while the session runs."""
        return 0 if self.meter_stop_wh is None else self.meter_stop_wh - self.meter_start_wh


class InvalidAnswer(Exception):
    """The answer lacks what the version asks of it."""


@dataclass(eq=False, kw_only=True)
class Entry:
    """A transaction-related message that waits for its acknowledgement."""

    action: str
    payload: dict[str, Any]
    session: Session
    attempts: int = 0
    lost_id: int | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def content(self) -> dict[str, Any]:
        """The payload as it is sent now."""
        return self.payload


class Outbox:
    """Delivers entries one after the other; the same entry again after a growing delay, without end.

    deliver   sends one entry and raises CallFailed, NoAnswer or InvalidAnswer when it was not acknowledged
    faults    may hold a message back, so that later ones overtake it
    retry_s   real seconds, times the number of attempts so far, at most max_retry_s
    """

    def __init__(
        self,
        *,
        clock: Clock,
        deliver: Callable[[Entry], Awaitable[None]],
        is_open: Callable[[], bool],
        retry_s: Callable[[], float],
        faults: Faults | None = None,
        max_retry_s: float = 60.0,
    ) -> None:
        self._clock = clock
        self._deliver = deliver
        self._is_open = is_open
        self._retry_s = retry_s
        self._max_retry_s = max_retry_s
        self._faults = faults or Faults()
        self._entries: deque[Entry] = deque()
        self._late: list[Entry] = []
        self._late_timer: Timer | None = None
        self._pump: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._entries) + len(self._late)

    def of_session(self, transaction_id: object = None) -> int:
        """Messages that wait; of one transaction, if it is named."""
        waiting = [*self._entries, *self._late]
        if transaction_id is None:
            return len(waiting)
        return sum(entry.session.transaction_id == transaction_id for entry in waiting)

    def put(self, entry: Entry) -> None:
        """Queue a message behind the earlier ones, or hold it back until later ones have gone."""
        self._empty.clear()
        if self._faults.is_late(entry.action):
            self._late.append(entry)
            if self._late_timer is None:
                self._late_timer = self._clock.call_later(LATE_S, self._take_late, name="late", real=True)
            return
        self._entries.append(entry)
        if self._timer is None:
            self.wake()

    def wake(self) -> None:
        """Try now: the charge point is connected (again) or a retry is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pump is None and self._entries and self._is_open():
            self._pump = asyncio.create_task(self._run())

    def _take_late(self) -> None:
        """Queue what was held back."""
        self._late_timer = None
        self._entries.extend(self._late)
        self._late.clear()
        if self._timer is None:
            self.wake()

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        await self._empty.wait()

    def close(self) -> None:
        """Stop trying."""
        if self._timer is not None:
            self._timer.cancel()
        if self._late_timer is not None:
            self._late_timer.cancel()
        if self._pump is not None:
            self._pump.cancel()

    async def _run(self) -> None:
        try:
            while self._entries and self._is_open():
                if not await self._try(self._entries[0]):
                    return
                self._entries.popleft().done.set()
        finally:
            self._pump = None
            if not self._entries and not self._late:
                self._empty.set()

    async def _try(self, entry: Entry) -> bool:
        entry.attempts += 1
        try:
            await self._deliver(entry)
        except (CallFailed, NoAnswer, InvalidAnswer) as error:
            if isinstance(error, AnswerLost) and error.answer is not None:
                entry.lost_id = error.answer.get("transactionId")
            delay = min(self._retry_s() * entry.attempts, self._max_retry_s)
            self._timer = self._clock.call_later(delay, self._retry, name="resend", real=True)
            return False
        return True

    def _retry(self) -> None:
        self._timer = None
        self.wake()
