"""Batches: many works in one transaction, and what becomes of each when something goes wrong."""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.models import BatchReceipt
from ocpp_gateway.troubles import Trouble, is_repeat_of_other, trouble_of
from transactions.services.batch import SessionBatch

logger = logging.getLogger(__name__)

# A lock is waited for only shortly: the work that needs it is tried again later, and its neighbours go on. A process
# that freezes within a transaction, or whose host has gone, must not hold its chargers' rows: they are served by
# another process by then.
TIMEOUTS = "SET lock_timeout = '300ms'; SET statement_timeout = '15s'; SET idle_in_transaction_session_timeout = '5s'"
# The batch has waited already: a work that is done alone hardly waits, and many that must wait hold up nobody.
TIMEOUT_ALONE = "SET LOCAL lock_timeout = '50ms'"
LOG_AGAIN_S = 60.0
MAX_BLOCKED = 10  # owners whose locks were not to be had, after which a batch is not gone through any further

Settled = list[tuple["Work", Exception | None]]
_logged: dict[str, float] = {}


class Work(Protocol):
    """Something that the writer does in a batch.

    owner    works of one owner are done in order; one that must wait makes its later ones wait
    want     say what will be read
    run      decide; may be called again after a rollback, so it keeps nothing but its latest result
    deliver  on the event loop, after the commit
    fail     on the event loop: it can never succeed
    give_up  on the event loop: the database stayed away too long; nothing was stored
    size     characters of its message: a batch is bounded by count and by size
    """

    owner: object
    size: int

    def want(self, batch: SessionBatch) -> None: ...
    def run(self, batch: SessionBatch) -> None: ...
    def deliver(self) -> None: ...
    def fail(self, error: Exception) -> None: ...
    def give_up(self) -> None: ...


class StorageAway(Exception):
    """The database cannot be reached."""


class Batcher:
    """Runs batches on the calling thread's database connection, which is its own (see `Writer`)."""

    def __init__(self) -> None:
        self._ready_connection: object = None
        # The receipt and the works of a COMMIT whose outcome is not known yet, and what is known by now to have taken
        # place without being settled.
        self._unsure: tuple[uuid.UUID, list[Work]] | None = None
        self._done: list[Work] = []
        self._is_alone = False
        self._attempts = 0
        self._wrapper: Any = None
        # The number of the attempt that is under way, 0: none. Read by other threads.
        self.attempt = 0

    def run(self, works: Sequence[Work]) -> tuple[Settled, list[Work]]:
        """Do the works; returns those that are settled (with their error, if any) and those that must wait.

        Raises  StorageAway  nothing is settled, try all again later
        """
        self._ask_receipt()
        settled: Settled = [(work, None) for work in works if work in self._done]
        works = [work for work in works if work not in self._done]
        self._done = [work for work in self._done if (work, None) not in settled]
        if not works:
            return settled, []
        try:
            self._attempt(works)
        except StorageAway:
            if not settled:
                raise
            return settled, works
        except Exception as error:
            if len(works) == 1:
                more, waiting = self._again_or_judge(works[0], error)
            else:
                more, waiting = self._one_by_one(works)
            return settled + more, waiting
        return settled + [(work, None) for work in works], []

    def _one_by_one(self, works: Sequence[Work]) -> tuple[Settled, list[Work]]:
        """Do works alone; where one lock after the other is not to be had, the rest waits for the next time."""
        settled: Settled = []
        waiting: list[Work] = []
        untried: list[Work] = []
        blocked: set[object] = set()
        for position, work in enumerate(works):
            if work.owner in blocked:
                waiting.append(work)
                continue
            if len(blocked) >= MAX_BLOCKED:
                untried.append(work)
                continue
            self._is_alone = True
            try:
                done, later = self.run([work])
            except StorageAway:
                # What is settled is committed and stays so; the rest is tried again.
                return settled, [*waiting, *works[position:]]
            finally:
                self._is_alone = False
            settled += done
            waiting += later
            blocked.update(item.owner for item in later)
        # Those that had no turn come first the next time; none of them belongs to an owner that is blocked.
        return settled, untried + waiting

    def _again_or_judge(self, work: Work, error: Exception) -> tuple[Settled, list[Work]]:
        if is_repeat_of_other(error):
            try:
                self._attempt([work])
            except StorageAway:
                return [], [work]
            except Exception as another:
                error = another
            else:
                return [(work, None)], []
        return self._judge(work, error)

    @staticmethod
    def _judge(work: Work, error: Exception) -> tuple[Settled, list[Work]]:
        trouble = trouble_of(error)
        if trouble is Trouble.PASSING:
            return [], [work]
        if trouble is Trouble.OURS:
            # The charger can do nothing about it and must not lose its message: hold it, then close the socket.
            _log_now_and_then("writer.work_held", error, work)
            return [], [work]
        logger.error("writer.work_failed", exc_info=error, extra={"work": repr(work)})
        return [(work, error)], []

    def cut(self, attempt: int) -> None:
        """Break the connection of an attempt that hangs, so that it fails; called by another thread."""
        driver: Any = getattr(self._wrapper, "connection", None)
        try:
            line = socket.socket(fileno=os.dup(driver.pgconn.socket))
        except (AttributeError, OSError, psycopg.Error):  # SQLite, or just closed
            return
        with line, suppress(OSError):
            if self.attempt == attempt:
                line.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        self._attempts += 1
        self._wrapper, self.attempt = connections[DEFAULT_DB_ALIAS], self._attempts
        try:
            yield
        finally:
            self.attempt = 0

    def _attempt(self, works: Sequence[Work]) -> None:
        try:
            with self._under_way():
                batch = self._commit(works)
        except Exception as error:
            if trouble_of(error) is Trouble.AWAY:
                connection.close()
                raise StorageAway(str(error)) from error
            # The server has answered: the transaction did not take place.
            self._unsure = None
            raise
        batch.committed()

    def _commit(self, works: Sequence[Work]) -> SessionBatch:
        batch = SessionBatch(now=timezone.now())
        self._prepare_connection()
        with atomic():
            if self._is_alone and connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(TIMEOUT_ALONE)
            for work in works:
                work.want(batch)
            batch.load()
            for work in works:
                work.run(batch)
            receipt = BatchReceipt(id=uuid.uuid4(), created_at=batch.now)
            batch.add(receipt)
            batch.store()
            self._unsure = receipt.id, list(works)
        self._unsure = None
        return batch

    def _prepare_connection(self) -> None:
        """Once for each new connection: time limits, and statements that repeat are prepared."""
        if connection.vendor != "postgresql":
            return
        connection.ensure_connection()
        if connection.connection is self._ready_connection:
            return
        connection.connection.prepare_threshold = 1
        connection.connection.prepared_max = (
            200  # some 60 are in use; one too many would be prepared again and again
        )
        with connection.cursor() as cursor:
            cursor.execute(TIMEOUTS)
        self._ready_connection = connection.connection

    def _ask_receipt(self) -> None:
        """Find out whether a COMMIT during which the connection died took place after all.

        Raises  StorageAway  the database cannot say yet
        """
        if self._unsure is None:
            return
        receipt, works = self._unsure
        try:
            with self._under_way():
                took_place = BatchReceipt.objects.filter(pk=receipt).exists()
        except DatabaseError as error:
            connection.close()
            raise StorageAway(str(error)) from error
        self._unsure = None
        if took_place:
            self._done = works


def _log_now_and_then(event: str, error: Exception, work: Work) -> None:
    now, text = time.monotonic(), str(error)[:300]
    if now - _logged.get(text, -LOG_AGAIN_S) >= LOG_AGAIN_S:
        _logged.clear()
        _logged[text] = now
        logger.error(event, exc_info=error, extra={"work": repr(work)})
