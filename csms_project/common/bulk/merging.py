"""Tuples written over the rows with the same unique attributes, or inserted where there are none."""

from __future__ import annotations

from collections.abc import Sequence
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
from csms_project.common.bulk.writing import model_of


def upsert(
    rows: Sequence[Any], *, unique: tuple[str, ...], add: tuple[str, ...] = (), keep: tuple[str, ...] = ()
) -> None:
    """Insert tuples of a registered kind, or write them over the rows that have the same unique attributes.

    No two of them may be about the same row.

    add    numbers that are added to those of the row that is there
    keep   attributes that the row that is there keeps
    """
    if not rows:
        return
    kind: Any = type(rows[0])
    model = model_of(kind)
    columns = columns_of(model, kind._fields)
    if is_postgresql():
        execute(_upsert(model, columns, unnest(columns), unique, add, keep), arrays_of(columns, rows))
        return
    fields = fields_of(model, kind._fields)
    with connection.cursor() as cursor:
        # "WHERE true" tells ON CONFLICT from a join's ON.
        places = "(SELECT " + ", ".join(["%s"] * len(columns)) + ") WHERE true"
        sql = _upsert(model, columns, places, unique, add, keep)
        cursor.executemany(sql, [prepared(fields, row) for row in rows])


def _upsert(
    model: type[models.Model],
    columns: Sequence[Column],
    source: str,
    unique: tuple[str, ...],
    add: tuple[str, ...],
    keep: tuple[str, ...],
) -> str:
    table, listed = f'"{model._meta.db_table}"', ", ".join(column.quoted for column in columns)
    assignments = ", ".join(
        f"{column.quoted} = excluded.{column.quoted}"
        + (f" + {table}.{column.quoted}" if column.name in add else "")
        for column in columns
        if column.name not in (*unique, *keep)
    )
    target = ", ".join(column.quoted for column in columns if column.name in unique)
    # The names come from the models, the values are parameters.
    return (
        f"INSERT INTO {table} ({listed}) SELECT * FROM {source} "  # noqa: S608
        f"ON CONFLICT ({target}) DO UPDATE SET {assignments}"
    )
