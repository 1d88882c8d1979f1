"""Rows collected while decisions are made, then written in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection, models

Late = Callable[[], models.Model | None]


class UnitOfWork:
    """New and changed rows of one database transaction.

    `add` and `change` only note; `store` writes: one bulk statement per model, in the order in which the models
    were first noted, new rows before changed ones, late rows (those that need the key of a new row) last.
    """

    def __init__(self) -> None:
        self._new: dict[type[models.Model], list[Any]] = {}
        self._changed: dict[type[models.Model], dict[int, Any]] = {}
        self._fields: dict[type[models.Model], set[str]] = {}
        self._late: list[Late] = []

    def add(self, row: models.Model) -> None:
        """Insert this row."""
        self._new.setdefault(type(row), []).append(row)

    def add_late(self, make: Late) -> None:
        """Insert what `make` returns once the new rows have their keys; None: nothing."""
        self._late.append(make)

    def change(self, row: models.Model, *fields: str) -> None:
        """Update these fields of a row that exists, or is about to be inserted (then there is nothing to do)."""
        if row.pk is None:
            return
        self._changed.setdefault(type(row), {})[row.pk] = row
        self._fields.setdefault(type(row), set()).update(fields)

    def added(self, model: type[models.Model]) -> Sequence[Any]:
        """The new rows of a model so far."""
        return self._new.get(model, ())

    def store(self) -> None:
        """Write everything in the current transaction."""
        self._insert_new()
        for model, rows in self._changed.items():
            bulk_change(list(rows.values()), sorted(self._fields[model]))
        self._changed.clear()
        late, self._late = self._late, []
        for make in late:
            if (row := make()) is not None:
                self.add(row)
        self._insert_new()

    def _insert_new(self) -> None:
        new, self._new = self._new, {}
        for model, rows in new.items():
            model._default_manager.bulk_create(rows)


def bulk_change(rows: Sequence[Any], fields: Iterable[str]) -> None:
    """Write the named fields of rows of one model with UPDATE … FROM (VALUES …).

    The same statement serves PostgreSQL and SQLite ≥ 3.33. Django's bulk_update builds a CASE per field and row,
    which costs ten times the CPU; an upsert would need every column and can revive deleted rows.
    """
    if not rows:
        return
    meta = type(rows[0])._meta
    columns = [meta.get_field(name) for name in fields]
    typed = connection.vendor == "postgresql"
    quote = connection.ops.quote_name
    table, key = quote(meta.db_table), meta.pk
    assert key is not None
    assignments = ", ".join(
        f"{quote(field.column)} = v.column{n}" for n, field in enumerate(columns, start=2)
    )
    width = 1 + len(columns)
    limit = max(1, (connection.features.max_query_params or 30000) // width)
    # CAST and not "::", which binds tighter than the sign of a negative number.
    casts = [f"CAST(%s AS {_type_of(field)})" if typed else "%s" for field in [key, *columns]]
    first = f"({', '.join(casts)})"
    other = "(" + ", ".join(["%s"] * width) + ")"
    with connection.cursor() as cursor:
        for start in range(0, len(rows), limit):
            part = rows[start : start + limit]
            values = ", ".join([first] + [other] * (len(part) - 1))
            parameters = [
                field.get_db_prep_save(getattr(row, field.attname), connection)
                for row in part
                for field in [key, *columns]
            ]
            # The names come from the models, the values are parameters.
            update = f"UPDATE {table} SET {assignments} FROM (VALUES {values}) AS v"  # noqa: S608
            cursor.execute(f"{update} WHERE {table}.{quote(key.column)} = v.column1", parameters)


def _type_of(field: Any) -> str:
    # Identity columns call themselves "bigint GENERATED …"; relations answer with the type they point to.
    return str(field.rel_db_type(connection) if field.primary_key else field.db_type(connection)).split(
        " GENERATED"
    )[0]
