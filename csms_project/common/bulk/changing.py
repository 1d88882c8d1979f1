"""Attributes written over rows that are there.

Django's `bulk_update` builds a CASE per field and row, which costs ten times the CPU; an upsert needs every column and
can revive deleted rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

from csms_project.common.bulk.columns import (
    Column,
    arrays_of,
    columns_of,
    execute,
    fields_of,
    is_postgresql,
    prepared,
    unnest,
)

Rows = Sequence[Sequence[Any]]


def write(model: type[models.Model], keys: tuple[str, ...], names: tuple[str, ...], rows: Rows) -> None:
    """Write attributes of the rows that have these keys, in one statement.

    rows   the values of `keys`, then those of `names`; keys that fit no row are no error
    """
    if not rows:
        return
    if is_postgresql():
        execute(*update_statement(model, keys, names, rows))
    else:
        _write_on_sqlite(model, keys, names, rows)


def update_statement(
    model: type[models.Model], keys: tuple[str, ...], names: tuple[str, ...], rows: Rows
) -> tuple[str, list[str]]:
    """The statement and the parameters of `write` on PostgreSQL."""
    return _from_arrays(model, keys, names), arrays_of(columns_of(model, (*keys, *names)), rows)


def _write_on_sqlite(
    model: type[models.Model], keys: tuple[str, ...], names: tuple[str, ...], rows: Rows
) -> None:
    columns = columns_of(model, (*keys, *names))
    limit = max(1, (connection.features.max_query_params or 999) // len(columns))
    fields = fields_of(model, (*keys, *names))
    with connection.cursor() as cursor:
        for start in range(0, len(rows), limit):
            part = rows[start : start + limit]
            one = "(" + ", ".join(["%s"] * len(columns)) + ")"
            source = f"(VALUES {', '.join([one] * len(part))}) AS v"
            sql = _update(model, columns, len(keys), source, "v.column{}", first=1)
            cursor.execute(sql, [value for row in part for value in prepared(fields, row)])


@cache
def _from_arrays(model: type[models.Model], keys: tuple[str, ...], names: tuple[str, ...]) -> str:
    columns = columns_of(model, (*keys, *names))
    listed = ", ".join(f"c{number}" for number in range(len(columns)))
    return _update(model, columns, len(keys), f"{unnest(columns)} AS v({listed})", "v.c{}", first=0)


def _update(
    model: type[models.Model],
    columns: Sequence[Column],
    keys: int,
    source: str,
    name: str,
    *,
    first: int,
) -> str:
    table = f'"{model._meta.db_table}"'
    pairs = [(column.quoted, name.format(number)) for number, column in enumerate(columns, first)]
    assignments = ", ".join(f"{quoted} = {value}" for quoted, value in pairs[keys:])
    same = " AND ".join(f"{table}.{quoted} = {value}" for quoted, value in pairs[:keys])
    # The names come from the models, the values are parameters.
    return f"UPDATE {table} SET {assignments} FROM {source} WHERE {same}"  # noqa: S608
