"""Group commit: one thread, one database connection, one transaction for whatever is queued.

Nothing is answered before its transaction is durable. A message that fails does not fail its neighbours; a
database that is away fails nobody: the batch is held and done again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

from csms_project.common import metrics
from csms_project.common.bulk import Row
from ocpp_gateway.batcher import Batcher, StorageAway, Work
from ocpp_gateway.works import CallableWork, RowsWork

__all__ = ["Batcher", "CallableWork", "RowsWork", "StorageAway", "Work", "Writer"]

logger = logging.getLogger(__name__)

RETRY_S = 0.2
MAX_RETRY_S = 2.0
STEP_S = 0.02
STOP_S = 5.0  # how long the end of the process waits for a database that does not say anything
MAX_BATCH_SIZE = 2_000_000  # characters of the messages in one transaction
SOON_ROWS = 500  # log rows that are stored without waiting for a work
FULL_ROWS = 10_000  # log rows that wait before receiving is held back: heartbeats are answered without a work
MAX_WAITING_ROWS = 20_000  # log rows kept in memory while the database is away


class Writer:
    """The queue in front of the batcher and the thread behind it.

    limit   works that may wait before receiving is held back
    batch   works in one transaction
    hold_s  seconds that a work may wait for the database before its socket is closed
    """

    def __init__(self, *, limit: int, batch: int, hold_s: float) -> None:
        self._limit, self._batch, self._hold_s = limit, batch, hold_s
        self._queue: deque[tuple[float, Work]] = deque()
        self._waiting: list[tuple[float, Work]] = []
        self._retry_at, self._pause = 0.0, RETRY_S
        self._rows: deque[models.Model | Row] = deque(maxlen=MAX_WAITING_ROWS)
        self._rows_lost = 0
        self._wake = threading.Condition()
        self._room: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._in_hand = 0
        self._batcher: Batcher | None = None
        self._watched, self._watched_s = 0, 0.0
        self._is_away = False
        self.on_storage_back: Callable[[], Any] | None = None
        self.storage_ok = True
        self.last_commit_at: float | None = None

    # -- on the event loop

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; results are delivered on this loop."""
        self._loop = loop
        self._room = asyncio.Event()
        self._room.set()
        self._thread = threading.Thread(target=self._main, name="ocpp-writer", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """The thread runs and the database takes what it writes."""
        return self._thread is not None and self._thread.is_alive() and self.storage_ok

    @property
    def depth(self) -> int:
        """Works that are not delivered or given up yet."""
        return len(self._queue) + len(self._waiting) + self._in_hand

    def submit(self, work: Work) -> None:
        """Queue one work; never blocks. Look at `is_full` and `wait_for_room` before reading on."""
        with self._wake:
            self._queue.append((time.monotonic(), work))
            if len(self._queue) >= self._limit and self._room is not None:
                self._room.clear()
            self._wake.notify()

    def note(self, row: models.Model | Row) -> None:
        """Store a log row with the next batch, or within a second; the oldest go when the database stays away."""
        rows = self._rows
        if len(rows) == MAX_WAITING_ROWS:
            self._rows_lost += 1
        rows.append(row)
        if len(rows) == SOON_ROWS:
            with self._wake:
                self._wake.notify()
        elif len(rows) == FULL_ROWS and self.storage_ok and self._room is not None:
            self._room.clear()

    @property
    def is_full(self) -> bool:
        """Receiving must wait."""
        return len(self._queue) >= self._limit or (len(self._rows) >= FULL_ROWS and self.storage_ok)

    async def wait_for_room(self) -> None:
        """Wait until the queue has room again."""
        assert self._room is not None
        await self._room.wait()

    async def call(self, work: CallableWork) -> Any:
        """Queue a work and wait for its result. Raises StorageAway when the database stays away."""
        assert self._loop is not None
        work.future = self._loop.create_future()
        self.submit(work)
        return await work.future

    def watch(self, seconds: float, *, patience_s: float | None = None) -> None:
        """Cut a connection on which nothing comes back for longer than works are held; called every so many seconds.

        A server that stands still, or a network that swallows everything, would keep the thread for ever: an error
        never comes. Counted in calls, so that a process that was stopped itself does not blame the database.
        """
        batcher = self._batcher
        if batcher is None or batcher.attempt == 0 or batcher.attempt != self._watched:
            self._watched, self._watched_s = batcher.attempt if batcher is not None else 0, 0.0
            return
        self._watched_s += seconds
        if self._watched_s <= (self._hold_s if patience_s is None else patience_s):
            return
        logger.error("writer.connection_cut", extra={"seconds": self._watched_s})
        self._watched_s = 0.0
        self.storage_ok = False
        batcher.cut(self._watched)

    async def stop(self) -> None:
        """Finish what is queued, commit, deliver, end the thread."""
        if self._thread is None:
            return
        with self._wake:
            self._stopping = True
            self._wake.notify()
        while self._thread.is_alive():
            await asyncio.sleep(STEP_S)
            self.watch(STEP_S, patience_s=STOP_S)
        await asyncio.sleep(0)

    # -- on the writer's thread

    def _main(self) -> None:
        _leave_the_pool()
        self._batcher = Batcher()
        try:
            while True:
                works = self._take()
                if works is None:
                    return
                try:
                    self._process(works)
                except (
                    Exception
                ):  # a fault of our own must not end the thread: all chargers would wait for ever
                    logger.exception("writer.batch_failed")
                    connection.close()
                    self._settle(works, [], [work for _, work in works])
                # After the delivery was handed to the loop: who sees 0 and lets the loop run sees the answers sent.
                self._in_hand = 0
        finally:
            connection.close()

    def _take(self) -> list[tuple[float, Work]] | None:
        """The next batch: what waited for a lock and is due again, else what is queued."""
        with self._wake:
            has_work = self._queue or len(self._rows) >= SOON_ROWS
            if not has_work and (not self._stopping or self._waiting):
                self._wake.wait(timeout=RETRY_S if self._waiting else 1.0)
            if self._stopping and not self._queue and not self._waiting and not self._rows:
                return None
            if self._waiting and time.monotonic() >= self._retry_at:
                works, self._waiting = self._waiting, []
            else:
                works = self._take_fresh()
            self._in_hand = len(works)
        is_closed = self._room is not None and not self._room.is_set()  # to wake the loop costs a system call
        if is_closed and len(self._queue) < self._limit // 2 and len(self._rows) < FULL_ROWS:
            self._tell(self._open_room)
        return works

    def _take_fresh(self) -> list[tuple[float, Work]]:
        blocked = {work.owner for _, work in self._waiting}
        works: list[tuple[float, Work]] = []
        size = 0
        while self._queue and len(works) < self._batch and size < MAX_BATCH_SIZE:
            item = self._queue.popleft()
            if item[1].owner in blocked:
                # Behind the work of the same owner that waits: works of an owner stay in order.
                self._waiting.append(item)
            else:
                works.append(item)
                size += item[1].size
        return works

    def _say_back(self) -> None:
        """On the event loop: what waited for the database goes before new handshakes."""
        if self.on_storage_back is not None:
            self.on_storage_back()
        self.storage_ok = True

    def _open_room(self) -> None:
        if self._room is not None:
            self._room.set()

    def _process(self, works: list[tuple[float, Work]]) -> None:
        assert self._batcher is not None
        rows = RowsWork(self._rows)
        if self._rows_lost:
            logger.warning("writer.log_rows_lost", extra={"rows": self._rows_lost})
            self._rows_lost = 0
        todo: list[Work] = [work for _, work in works]
        if rows.rows:
            todo.append(rows)
        if not todo:
            return
        started = time.monotonic()
        pause = RETRY_S
        while True:
            try:
                settled, waiting = self._batcher.run(todo)
                break
            except StorageAway as error:
                if not self._is_away:
                    logger.error("writer.storage_away", extra={"error": str(error)[:300], "held": len(todo)})
                self._is_away, self.storage_ok = True, False
                todo = self._drop_overdue(works, todo)
                if not todo:
                    return
                time.sleep(pause)
                pause = min(MAX_RETRY_S, pause * 2)
        if self._is_away:
            logger.info("writer.storage_back")
            self._is_away = False
        if not self.storage_ok:
            self._tell(self._say_back)
        self.last_commit_at = time.monotonic()
        metrics.observe_batch(len(todo), self.last_commit_at - started)
        self._settle(works, settled, waiting)

    def _settle(
        self,
        works: list[tuple[float, Work]],
        settled: list[tuple[Work, Exception | None]],
        waiting: list[Work],
    ) -> None:
        if waiting:
            since = {id(work): at for at, work in works}
            now = time.monotonic()
            kept = [(since.get(id(work), now), work) for work in waiting]
            late = [work for at, work in kept if now - at > self._hold_s]
            # Older than what was put behind others of the same owner meanwhile.
            self._waiting = [item for item in kept if item[1] not in late] + self._waiting
            self._pause = min(MAX_RETRY_S, self._pause * 2)
            self._retry_at = now + self._pause
            self._tell(lambda: _give_up(late))
        elif not self._waiting:
            self._pause = RETRY_S
        self._tell(lambda: _deliver(settled))

    def _drop_overdue(self, works: list[tuple[float, Work]], todo: list[Work]) -> list[Work]:
        """Let go of what has waited too long for the database: its sockets are closed and keep their queues."""
        now = time.monotonic()
        with self._wake:
            queued = [item for item in self._queue if now - item[0] > self._hold_s]
            if queued:
                fresh = [item for item in self._queue if now - item[0] <= self._hold_s]
                self._queue.clear()
                self._queue.extend(fresh)
        late = [work for at, work in works if now - at > self._hold_s and work in todo]
        late += [work for _, work in queued]
        if self._stopping:
            late = todo
        if late:
            self._tell(lambda: _give_up(late))
        self._tell(self._open_room)
        return [work for work in todo if work not in late]

    def _tell(self, callback: Callable[[], Any]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: the process ends
            logger.warning("writer.loop_closed")


def _leave_the_pool() -> None:
    """Give this thread a connection of its own.

    The web's pool would let us wait half a minute for a database that is away, and try it ever more rarely.
    """
    pooled = connections[DEFAULT_DB_ALIAS]
    options = pooled.settings_dict["OPTIONS"]
    if options.get("pool"):
        own = {**options, "pool": None}
        connections[DEFAULT_DB_ALIAS] = type(pooled)(
            {**pooled.settings_dict, "OPTIONS": own, "CONN_MAX_AGE": None}, DEFAULT_DB_ALIAS
        )


def _give_up(works: Sequence[Work]) -> None:
    for work in works:
        work.give_up()


def _deliver(settled: Sequence[tuple[Work, Exception | None]]) -> None:
    for work, error in settled:
        try:
            if error is None:
                work.deliver()
            else:
                work.fail(error)
        except Exception:
            logger.exception("writer.deliver_failed")
