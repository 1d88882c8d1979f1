"""Tuples written over rows that are there: found by any of their attributes, or inserted where they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

from csms_project.common.bulk.columns import Column, array_of, columns_of, execute, is_postgresql
from csms_project.common.bulk.writing import model_of

Rows = Sequence[Sequence[Any]]


def write(model: type[models.Model], keys: tuple[str, ...], names: tuple[str, ...], rows: Rows) -> None:
    """Write attributes of the rows that have these keys, in one statement.

    rows   the values of `keys`, then those of `names`; keys that fit no row are no error
    """
    if not rows:
        return
    columns = columns_of(model, (*keys, *names))
    if is_postgresql():
        execute(_update_statement(model, keys, names), _arrays(columns, rows))
        return
    limit = max(1, (connection.features.max_query_params or 999) // len(columns))
    fields = _fields(model, (*keys, *names))
    with connection.cursor() as cursor:
        for start in range(0, len(rows), limit):
            part = rows[start : start + limit]
            one = "(" + ", ".join(["%s"] * len(columns)) + ")"
            source = f"(VALUES {', '.join([one] * len(part))}) AS v"
            sql = _update(model, columns, len(keys), source, "v.column{}", first=1)
            cursor.execute(sql, [value for row in part for value in _prepared(fields, row)])


@cache
def _update_statement(model: type[models.Model], keys: tuple[str, ...], names: tuple[str, ...]) -> str:
    columns = columns_of(model, (*keys, *names))
    listed = ", ".join(f"c{number}" for number in range(len(columns)))
    return _update(model, columns, len(keys), f"{_unnest(columns)} AS v({listed})", "v.c{}", first=0)


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
        execute(_upsert(model, columns, _unnest(columns), unique, add, keep), _arrays(columns, rows))
        return
    fields = _fields(model, kind._fields)
    with connection.cursor() as cursor:
        # "WHERE true" tells ON CONFLICT from a join's ON.
        places = "(SELECT " + ", ".join(["%s"] * len(columns)) + ") WHERE true"
        sql = _upsert(model, columns, places, unique, add, keep)
        cursor.executemany(sql, [_prepared(fields, row) for row in rows])


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


def _unnest(columns: Sequence[Column]) -> str:
    return "unnest(" + ", ".join(f"%s::{column.array}[]" for column in columns) + ")"


def _arrays(columns: Sequence[Column], rows: Rows) -> list[str]:
    lists = zip(*rows, strict=True)
    return [array_of(column, values) for column, values in zip(columns, lists, strict=True)]


def _fields(model: type[models.Model], names: Sequence[str]) -> list[Any]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


def _prepared(fields: Sequence[Any], row: Sequence[Any]) -> list[Any]:
    return [field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)]
