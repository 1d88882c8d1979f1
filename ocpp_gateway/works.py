"""Works that are no messages of chargers: functions of the batch, and log rows."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from django.db import models

from chargepoints.services.batch import Act
from csms_project.common.bulk import Row
from ocpp_gateway.batcher import StorageAway
from transactions.services.batch import SessionBatch

logger = logging.getLogger(__name__)

MAX_ROWS = 1000  # log rows in one transaction


class RowsWork:
    """Log rows that nobody waits for."""

    owner: object = "rows"
    size = 0

    def __init__(self, rows: deque[models.Model | Row]) -> None:
        self.rows = [rows.popleft() for _ in range(min(len(rows), MAX_ROWS))]

    def want(self, batch: SessionBatch) -> None:
        """Nothing."""

    def run(self, batch: SessionBatch) -> None:
        """Add all."""
        for row in self.rows:
            if isinstance(row, models.Model):
                row.pk = None
            batch.add(row)

    def deliver(self) -> None:
        """Nobody waits."""

    def fail(self, error: Exception) -> None:
        """Say what is lost; the batcher has logged why."""
        logger.error("writer.log_rows_lost", extra={"rows": len(self.rows)})

    def give_up(self) -> None:
        """Log rows are not worth a longer wait."""
        logger.warning("writer.log_rows_lost", extra={"rows": len(self.rows)})


class CallableWork:
    """A function of the batch, whose result somebody awaits.

    want   what it will read; without it the function reads and writes tables by itself, and finds there what was
           decided before it
    """

    def __init__(
        self,
        run: Callable[[SessionBatch], Any],
        *,
        want: Callable[[SessionBatch], None] | None = None,
        owner: object = None,
        then: Callable[[Any], None] | None = None,
    ) -> None:
        self.owner = owner if owner is not None else self
        self.size = 0
        self._run, self._want, self._then = run, want, then
        self._result: Any = None
        self.failed: Callable[[], Any] | None = None
        self.given_up: Callable[[], Any] | None = None
        self.future: asyncio.Future[Any] | None = None

    @classmethod
    def of(
        cls,
        act: Act[Any, Any],
        request: Any,
        *,
        owner: object = None,
        then: Callable[[Any], None] | None = None,
    ) -> CallableWork:
        """A domain act."""
        return cls(
            lambda batch: act.decide(request, batch),
            want=lambda batch: act.want(request, batch),
            owner=owner,
            then=then,
        )

    def want(self, batch: SessionBatch) -> None:
        """Say what will be read."""
        if self._want is not None:
            self._want(batch)

    def run(self, batch: SessionBatch) -> None:
        """Run the function."""
        if self._want is None:
            batch.settle()
        self._result = self._run(batch)

    def deliver(self) -> None:
        """Resolve the future."""
        if self._then is not None:
            self._then(self._result)
        if self.future is not None and not self.future.done():
            self.future.set_result(self._result)

    def fail(self, error: Exception) -> None:
        """Pass the error on."""
        if self.failed is not None:
            self.failed()
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)

    def give_up(self) -> None:
        """Say that storage is away, or let somebody else decide what becomes of the work."""
        if self.given_up is not None:
            self.given_up()
            return
        self.fail(StorageAway("the database did not answer in time"))
