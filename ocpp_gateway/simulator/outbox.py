"""Sessions, and the queue of their messages: in order, resent until acknowledged (OCPP 1.6 §3.7)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ocpp_gateway.simulator.clock import Clock, Timer
from ocpp_gateway.simulator.rpc import AnswerLost, CallFailed, NoAnswer


@dataclass(eq=False, kw_only=True)
class Session:
    """One charging session as its charge point knows it; energy in whole Wh.

    transaction_id   None until StartTransaction has been acknowledged
    samples          MeterValues messages that were acknowledged
    ended            set as soon as the charge point stops it
    settled          set when that has been acknowledged
    """

    connector: int
    id_tag: str
    started_at: datetime
    meter_start_wh: int
    reservation_id: int | None = None
    transaction_id: int | None = None
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
    """The answer lacks what OCPP 1.6 asks of it."""


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
        """The payload with the real transaction id, which is known once the start was acknowledged."""
        if self.action == "StartTransaction" or self.session.transaction_id is None:
            return self.payload
        return {**self.payload, "transactionId": self.session.transaction_id}


class Outbox:
    """Delivers entries one after the other; the same entry again after a growing delay, without end.

    deliver   sends one entry and raises CallFailed, NoAnswer or InvalidAnswer when it was not acknowledged
    retry_s   real seconds, times the number of attempts so far, at most max_retry_s
    """

    def __init__(
        self,
        *,
        clock: Clock,
        deliver: Callable[[Entry], Awaitable[None]],
        is_open: Callable[[], bool],
        retry_s: Callable[[], float],
        max_retry_s: float = 60.0,
    ) -> None:
        self._clock = clock
        self._deliver = deliver
        self._is_open = is_open
        self._retry_s = retry_s
        self._max_retry_s = max_retry_s
        self._entries: deque[Entry] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Queue a message behind the earlier ones."""
        self._entries.append(entry)
        self._empty.clear()
        if self._timer is None:
            self.wake()

    def wake(self) -> None:
        """Try now: the charge point is connected (again) or a retry is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pump is None and self._entries and self._is_open():
            self._pump = asyncio.create_task(self._run())

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        await self._empty.wait()

    def close(self) -> None:
        """Stop trying."""
        if self._timer is not None:
            self._timer.cancel()
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
            if not self._entries:
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
