"""The writer without its thread, and a node with it: every work runs, commits and delivers at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

from csms_project.common.bulk import Row
from ocpp_gateway.dispatcher import Dispatcher
from ocpp_gateway.node import Node
from ocpp_gateway.writer import Batcher, CallableWork, StorageAway, Work, Writer


class InlineWriter(Writer):
    """`before_delivery` is called between a work's commit and its delivery; `is_away` loses the database."""

    def __init__(self, *, limit: int = 100) -> None:
        super().__init__(limit=limit, batch=10, hold_s=1.0)
        self.before_delivery: Callable[[], Any] = lambda: None
        self.is_away = False
        self.notes: list[models.Model | Row] = []
        self._connection = connections[DEFAULT_DB_ALIAS]

    def use_connection(self) -> None:
        """Let the running task use the connection, and so the transaction, of the test."""
        connections[DEFAULT_DB_ALIAS] = self._connection

    def submit(self, work: Work) -> None:
        if self.is_away:
            work.give_up()
            return
        self.use_connection()
        settled, _ = Batcher().run([work])
        self.before_delivery()
        for done, error in settled:
            if error is None:
                done.deliver()
            else:
                done.fail(error)

    def note(self, row: models.Model | Row) -> None:
        self.notes.append(row)

    async def call(self, work: CallableWork) -> Any:
        if self.is_away:
            raise StorageAway
        results: list[Any] = []
        then = work._then

        def keep(result: Any) -> None:
            results.append(result)
            if then is not None:
                then(result)

        work._then = keep
        self.submit(work)
        return results[0]


class InlineNode(Node):
    """A node without threads and loops."""

    writer: InlineWriter

    def __init__(self) -> None:
        super().__init__()
        self.writer = InlineWriter()
        self.dispatcher = Dispatcher(self.writer)

    async def start(self) -> None:
        pass
