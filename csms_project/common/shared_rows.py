"""Rows that many share and few change, such as tenants and tariffs, remembered for a moment.

Every batch of the gateway needs them; an operator's change takes effect within SHARED_ROWS_S seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models

from csms_project.common import bulk

MAX_ROWS = 5_000


class SharedRows:
    """Whole rows by their keys. For one thread; the rows are read, never changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[type[models.Model], int], tuple[float, Any]] = {}
        self._lists: dict[tuple[type[models.Model], int], tuple[float, list[Any]]] = {}

    def get(self, model: Any, keys: Iterable[int | None]) -> dict[int | None, Any]:
        """The rows with these keys, at most SHARED_ROWS_S old; missing ones are absent."""
        wanted = {key for key in keys if key is not None}
        since = time.monotonic() - settings.SHARED_ROWS_S
        found: dict[int | None, Any] = {}
        for key in wanted:
            known = self._known.get((model, key))
            if known is not None and known[0] > since:
                found[key] = known[1]
        missing = wanted - found.keys()
        if missing:
            found |= self._read(model, missing)
        return found

    def owned(self, model: Any, owner: str, keys: Iterable[int]) -> dict[int, list[Any]]:
        """All rows of these owners, such as the profiles of tenants, at most SHARED_ROWS_S old; empty where none are.

        owner  the attribute of the owner's key
        """
        since = time.monotonic() - settings.SHARED_ROWS_S
        wanted = set(keys)
        known = {key: self._lists.get((model, key)) for key in wanted}
        found = {key: entry[1] for key, entry in known.items() if entry is not None and entry[0] > since}
        missing = wanted - found.keys()
        if not missing:
            return found
        if len(self._lists) > MAX_ROWS:
            self._lists.clear()
        read_at = time.monotonic()
        found |= {key: [] for key in missing}
        for row in bulk.load(model, bulk.attributes(model), {owner: list(missing)}):
            found[getattr(row, owner)].append(row)
        self._lists.update({(model, key): (read_at, found[key]) for key in missing})
        return found

    def _read(self, model: Any, keys: Iterable[int]) -> dict[int | None, Any]:
        if len(self._known) > MAX_ROWS:
            self._known.clear()
        read_at = time.monotonic()
        rows = {row.pk: row for row in bulk.load(model, bulk.attributes(model), {"id": list(keys)})}
        self._known.update({(model, key): (read_at, row) for key, row in rows.items()})
        return rows
