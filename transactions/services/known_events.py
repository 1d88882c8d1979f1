"""Events of sessions that are stored already: a repeated event is known by its digest."""

from __future__ import annotations

from collections.abc import Callable

from csms_project.common import bulk
from transactions.models import Transaction, TransactionEvent

Key = tuple[int, str]  # charge point, digest


class KnownEvents:
    """What is stored of the events that a batch asks about, and what the batch adds."""

    def __init__(self) -> None:
        self._wanted: list[tuple[Key, Key, int]] = []
        self._known: set[Key] = set()
        self._asked: set[Key] = set()

    def want(self, charge_point_id: int, ocpp_id: str, digest: str, seq_no: int) -> None:
        """An event will be decided about."""
        self._wanted.append(((charge_point_id, digest), (charge_point_id, ocpp_id), seq_no))

    def load(self, find: Callable[[Key], Transaction | None]) -> None:
        """Read which are stored: none of a session that is new or has come less far; one query for the others."""
        keys: set[Key] = set()
        for key, session, seq_no in self._wanted:
            row = find(session)
            if row is not None and (row.last_seq_no is None or seq_no <= row.last_seq_no):
                keys.add(key)
            self._asked.add(key)
        self._wanted = []
        self._read(keys - self._known)

    def has(self, charge_point_id: int, digest: str) -> bool:
        """Whether this event was stored before or came earlier in the batch."""
        key = (charge_point_id, digest)
        if key not in self._asked:
            self._asked.add(key)
            self._read({key})
        return key in self._known

    def add(self, charge_point_id: int, digest: str) -> None:
        """An event of this batch."""
        self._known.add((charge_point_id, digest))

    def _read(self, keys: set[Key]) -> None:
        if keys:
            where: bulk.Where = {("charge_point_id", "digest"): bulk.Known(keys)}
            names = ("charge_point_id", "digest")
            self._known.update(bulk.fetch(TransactionEvent, names, where))
