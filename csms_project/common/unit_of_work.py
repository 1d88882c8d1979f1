"""Rows collected while decisions are made, then written in sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models

from csms_project.common import bulk


class UnitOfWork:
    """New and changed rows of one database transaction.

    `add` and `change` only note; `store` writes, in as few statements as `bulk.store` can. No row is added and changed.
    """

    def __init__(self) -> None:
        self._new: dict[type[Any], list[Any]] = {}
        self._changed: dict[int, tuple[models.Model, set[str]]] = {}

    def add(self, row: models.Model | bulk.Row) -> None:
        """Insert this row: a model instance, or a tuple of a kind registered with `bulk`."""
        rows = self._new.get(type(row))
        if rows is None:
            rows = self._new[type(row)] = []
        rows.append(row)

    def change(self, row: models.Model, *fields: str) -> None:
        """Update these fields of a row that exists, or is about to be inserted (then there is nothing to do)."""
        if row._state.adding:
            return
        noted = self._changed.get(id(row))
        if noted is None:
            self._changed[id(row)] = row, set(fields)
        else:
            noted[1].update(fields)

    def added(self, kind: type[Any]) -> Sequence[Any]:
        """The new rows of a kind so far."""
        return self._new.get(kind, ())

    def store(self) -> None:
        """Write everything in the current transaction."""
        new, self._new = self._new, {}
        keyed: list[list[Any]] = []
        for rows in new.values():
            if rows and isinstance(rows[0], models.Model) and rows[0].pk is None:
                type(rows[0])._default_manager.bulk_create(rows)
            else:
                keyed.append(rows)
        changed, self._changed = self._changed, {}
        groups: dict[tuple[type[Any], frozenset[str]], list[Any]] = {}
        for row, fields in changed.values():
            groups.setdefault((type(row), frozenset(fields)), []).append(row)
        bulk.store(keyed, [(rows, sorted(names)) for (_, names), rows in groups.items()])
