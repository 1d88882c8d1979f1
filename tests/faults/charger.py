"""A charger as they are in the field: it keeps a transaction message and repeats it until it is acknowledged."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ocpp_gateway.wire.timestamps import format_timestamp
from tests.faults.journal import START, STOP, Journal, Session, plan_session
from tests.faults.wire import Unanswered, Wire

BOOT = {"chargePointVendor": "Volta Works", "chargePointModel": "AC-Duo"}
BOOT_2X = {"reason": "PowerUp", "chargingStation": {"vendorName": "Volta Works", "model": "AC-Duo"}}
STATUS_AFTER = {START: "Charging", STOP: "Available"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a charger behaves. Times in seconds.

    answer_s    it waits so long for an answer, then sends the message again
    retry_s     pause after a refused or unanswered message, and before it connects again
    think_s     pause between two messages
    window      messages that it sends without waiting for answers
    samples     MeterValues of a session
    lose        chance that an answer is lost on the way: the message is sent again
    cut         chance that the line breaks as soon as a message is written
    double      chance that a message is sent twice at once
    shuffle     samples arrive in any order, some of them after the stop
    hop         it takes any gateway each time it connects
    stay_s      it loses the line about so often, None: never
    beat_s      heartbeat interval, None: no heartbeats
    leave_after messages without an answer, after which it takes the line for dead; None: never
    gapless     each session begins when and where the one before has ended
    """

    answer_s: float = 10.0
    retry_s: float = 0.3
    think_s: float = 0.05
    window: int = 1
    samples: int = 3
    lose: float = 0.0
    cut: float = 0.0
    double: float = 0.0
    shuffle: bool = False
    hop: bool = False
    stay_s: float | None = None
    beat_s: float | None = None
    leave_after: int | None = None
    gapless: bool = False


class Charger(Wire):
    """One charger; `run` it until it is told to finish: then everything that it has begun is delivered."""

    def __init__(
        self,
        *,
        identity: str,
        id_tag: str,
        urls: list[str],
        journal: Journal,
        habits: Habits,
        origin: datetime,
        version: str = "ocpp1.6",
    ) -> None:
        super().__init__(
            identity=identity, urls=urls, journal=journal, answer_s=habits.answer_s, version=version
        )
        self.is_event_by_event = version != "ocpp1.6"
        self.id_tag, self.habits = id_tag, habits
        self.rng = random.Random(identity)
        self.gateway = self.rng.randrange(len(urls))
        self.has_booted = False
        self.is_wanted = True  # off: it stays offline
        self._origin = origin
        self._planned = 0
        self._queue: deque[tuple[Session, int]] = deque()
        self._unanswered = 0
        self._last: Session | None = None
        self._finishing = False
        self._news = asyncio.Event()

    # -- sessions

    def plan(self, count: int = 1) -> list[Session]:
        """Queue the messages of so many more sessions."""
        planned = []
        for number in range(self._planned, self._planned + count):
            session = plan_session(
                identity=self.identity,
                id_tag=self.id_tag,
                number=number,
                origin=self._origin,
                samples=self.habits.samples,
                after=self._last if self.habits.gapless else None,
                is_event_by_event=self.is_event_by_event,
            )
            self._last = session
            later = [*range(1, len(session.samples) + 1), STOP]
            if self.habits.shuffle:
                self.rng.shuffle(later)
            self._queue.extend((session, message) for message in (START, *later))
            planned.append(session)
        self._planned += count
        self.journal.sessions += planned
        self._news.set()
        return planned

    def take_back(self) -> None:
        """Leave it to the test to send what is planned."""
        self._queue.clear()

    @property
    def undelivered(self) -> int:
        """Messages that nobody has acknowledged yet."""
        return len(self._queue)

    def finish(self) -> None:
        """Plan nothing further, deliver what is queued, then end."""
        self._finishing = True
        self._news.set()

    # -- life

    async def run(self, *, endless: bool = True) -> None:
        """Connect, deliver, connect again until finished; `endless`: a new session whenever one has ended."""
        while not (self._finishing and not self._queue):
            if not self.is_wanted:
                await asyncio.sleep(0.02)
                continue
            if self.habits.hop:
                self.gateway = self.rng.randrange(len(self.urls))
            if await self.connect():
                await self._serve(endless)
            else:
                await self._pause(self.habits.retry_s)
        await self.hang_up()

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.rng.uniform(0.5, 1.5))

    async def _serve(self, endless: bool) -> None:
        """Read and deliver until the socket is gone or everything is delivered."""
        listener = asyncio.create_task(self.listen())
        delivery = asyncio.create_task(self._deliver(endless))
        leaving = asyncio.create_task(self._leaving())
        beside = [leaving, *(asyncio.create_task(work) for work in self._beside())]
        try:
            await asyncio.wait([listener, delivery, leaving], return_when=asyncio.FIRST_COMPLETED)
            if not listener.done() and not leaving.done():
                await self.hang_up()
                await listener
        finally:
            for task in (delivery, listener, *beside):
                task.cancel()
            results = await asyncio.gather(delivery, listener, *beside, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                raise error

    async def _leaving(self) -> None:
        await self.has_left.wait()

    def _beside(self) -> list[Coroutine[Any, Any, None]]:
        work: list[Coroutine[Any, Any, None]] = []
        if self.habits.stay_s is not None:
            work.append(self._drop_later(self.habits.stay_s))
        if self.habits.beat_s is not None:
            work.append(self._beat(self.habits.beat_s))
        return work

    async def _drop_later(self, seconds: float) -> None:
        await self._pause(seconds)
        self.drop()

    async def _beat(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.tell("Heartbeat", {})

    # -- delivery

    async def _deliver(self, endless: bool) -> None:
        if not self.has_booted and not await self.boot():
            return
        while True:
            if self._queue:
                await self._deliver_head()
            elif self._finishing:
                return
            elif endless:
                self.plan()
            else:
                self._news.clear()
                await self._news.wait()

    async def boot(self) -> bool:
        """Register; false when that was not answered with Accepted."""
        answer = await self.tell("BootNotification", BOOT_2X if self.is_event_by_event else BOOT)
        self.has_booted = answer is not None and answer["status"] == "Accepted"
        return self.has_booted

    async def _deliver_head(self) -> None:
        batch = self._head()
        session, message = batch[0]
        if message == START:
            await self.authorize()
        delivered = await asyncio.gather(*(self._deliver_item(item) for item in batch))
        self._unanswered = 0 if any(delivered) else self._unanswered + 1
        if self.habits.leave_after is not None and self._unanswered >= self.habits.leave_after:
            self._unanswered = 0
            self.leave()
        if not all(delivered):
            await self._pause(self.habits.retry_s)
        elif len(batch) == 1 and message in STATUS_AFTER:
            await self.report(session.connector, STATUS_AFTER[message])
        await self._pause(self.habits.think_s)

    async def authorize(self) -> None:
        """Ask about its tag."""
        token: Any = {"idToken": self.id_tag, "type": "ISO14443"}
        await self.tell("Authorize", {"idToken": token} if self.is_event_by_event else {"idTag": self.id_tag})

    async def _deliver_item(self, item: tuple[Session, int]) -> bool:
        is_delivered = await self.deliver_one(*item)
        if is_delivered:
            self._queue.remove(item)
        return is_delivered

    def _head(self) -> list[tuple[Session, int]]:
        """The messages that are due: nothing of a session before its id is known."""
        batch: list[tuple[Session, int]] = []
        for session, message in self._queue:
            if len(batch) == self.habits.window or (message != START and session.transaction_id is None):
                break
            batch.append((session, message))
        return batch

    async def report(self, connector: int, status: str) -> dict[str, Any] | None:
        """Send the status of a connector; None when no answer came."""
        now = format_timestamp(datetime.now(UTC))
        if self.is_event_by_event:
            state = "Available" if status == "Available" else "Occupied"
            place = {"evseId": connector, "connectorId": 1}
            return await self.tell(
                "StatusNotification", {**place, "connectorStatus": state, "timestamp": now}
            )
        payload = {"connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": now}
        return await self.tell("StatusNotification", payload)

    async def deliver_one(self, session: Session, message: int) -> bool:
        """Send a message once, with what may happen to it on the way; false: it has to be sent again."""
        action, payload = session.payload(message)
        session.has_begun = True
        # A repeat carries the old message id or a new one (OCPP 1.6 J errata 3.1).
        message_id = f"{session.number}/{message}/{self.rng.choice(('', uuid.uuid4().hex[:12]))}"
        fate, habits = self.rng.random(), self.habits
        if fate < habits.cut:
            await self.send([2, message_id, action, payload])
            self.drop()
            return False
        fate -= habits.cut
        asks = [self.ask(action, payload, message_id)]
        if 0 <= fate < habits.double:
            asks.append(self._repeat(action, payload, message_id))
        try:
            frames = await asyncio.gather(*asks)
        except Unanswered:
            return False
        for frame in frames:
            if message == START and frame[:1] == [3]:
                session.take_answer(frame[2])
        fate -= habits.double
        if frames[0][0] != 3 or 0 <= fate < habits.lose:
            return False
        self.journal.acknowledge(session, message)
        return True

    async def _repeat(self, action: str, payload: dict[str, Any], message_id: str) -> list[Any]:
        """Send a message once more at once: the very same frame, which is answered once, or under another id."""
        if self.rng.random() < 0.5:
            return await self.ask(action, payload)
        await self.send([2, message_id, action, payload])
        return []
