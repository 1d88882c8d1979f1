"""How the values of model fields travel to PostgreSQL as text, and running statements of our own."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models

from csms_project.common.fields import dumps

#: A row without an object of its own.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """How the values of a field are written as text for PostgreSQL.

    array    the type of the array that holds many of them; text and numeric without their limits, because a cast cuts
             silently, while an assignment complains
    is_bare  stands in an array without quotes
    """

    name: str
    quoted: str
    array: str
    encode: Callable[[Any], str]
    is_text: bool
    is_json: bool
    is_bare: bool


def _bool(value: Any) -> str:
    return "t" if value else "f"


def _column(field: Any) -> Column:
    kind = str(field.rel_db_type(connection) if field.primary_key else field.db_type(connection))
    kind = kind.split(" GENERATED")[0]
    is_json = kind == "jsonb"
    is_text = kind.startswith(("varchar", "text", "char", "inet"))
    array = "text" if is_text else kind.split("(")[0]
    encode: Callable[[Any], str] = dumps if is_json else _bool if kind == "boolean" else str
    is_bare = array in ("bigint", "integer", "smallint", "boolean", "numeric")
    return Column(field.attname, f'"{field.column}"', array, encode, is_text, is_json, is_bare)


@cache
def columns_of(model: type[models.Model], names: tuple[str, ...]) -> tuple[Column, ...]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return tuple(_column(by_name[name]) for name in names)


@cache
def attributes(model: type[models.Model]) -> tuple[str, ...]:
    """The attributes of all columns of a model."""
    return tuple(field.attname for field in model._meta.concrete_fields)


# ---------------------------------------------------------------- text for COPY and arrays


def copy_texts(column: Column, values: Collection[Any]) -> list[str]:
    """The fields of a column for COPY."""
    texts = _texts(column, values, null="\\N")
    if column.is_text or column.is_json:
        whole = "".join(texts)
        if "\\" in whole or "\n" in whole or "\t" in whole or "\r" in whole:
            return [
                text if value is None else _escaped(text) for value, text in zip(values, texts, strict=True)
            ]
    return texts


def _escaped(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        if plain in text:
            text = text.replace(plain, escaped)
    return text


def array_of(column: Column, values: Collection[Any]) -> str:
    """An array literal of PostgreSQL."""
    texts = _texts(column, values, null="NULL")
    if column.is_bare:
        return "{" + ",".join(texts) + "}"
    return (
        "{"
        + ",".join(
            "NULL" if value is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
            for value, text in zip(values, texts, strict=True)
        )
        + "}"
    )


def _texts(column: Column, values: Collection[Any], *, null: str) -> list[str]:
    """The texts of a column's values: what all rows of a batch share is encoded once."""
    encode = column.encode
    if len(set(map(id, values))) == 1:
        value = next(iter(values))
        return [null if value is None else encode(value)] * len(values)
    if None in values:
        return [null if value is None else encode(value) for value in values]
    return list(map(encode, values))


def arrays_of(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> list[str]:
    """The values of rows, an array literal for each column."""
    lists = zip(*rows, strict=True)
    return [array_of(column, values) for column, values in zip(columns, lists, strict=True)]


def unnest(columns: Sequence[Column]) -> str:
    """The rows of arrays that are given as parameters."""
    return "unnest(" + ", ".join(f"%s::{column.array}[]" for column in columns) + ")"


# ---------------------------------------------------------------- values on SQLite


def fields_of(model: type[models.Model], names: Sequence[str]) -> list[Any]:
    """The fields with these attributes."""
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


def prepared(fields: Sequence[Any], row: Sequence[Any]) -> list[Any]:
    """The values of a row as the ORM would write them."""
    return [field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)]


# ---------------------------------------------------------------- statements on PostgreSQL


@contextmanager
def counted(sql: str) -> Iterator[psycopg.RawCursor[Row]]:
    """A cursor with server-side binding; the statement is seen by whoever counts queries, errors are Django's."""
    ours: Any = connections[DEFAULT_DB_ALIAS]  # the proxy `connection` looks for it at each attribute
    ours.ensure_connection()
    started = time.monotonic()
    try:
        with ours.wrap_database_errors, psycopg.RawCursor(ours.connection) as cursor:
            yield cursor
    finally:
        if ours.queries_logged:
            ours.queries_log.append({"sql": sql, "time": f"{time.monotonic() - started:.3f}"})


def execute(sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run a statement of our own on PostgreSQL, prepared where the connection allows it; returns its rows, if any.

    Parameters are %s; a literal percent sign has no place in it.
    """
    with counted(sql) as cursor:
        cursor.execute(_numbered(sql), parameters, prepare=True, binary=True)
        # `description` would describe every column.
        result = cursor.pgresult
        return cursor.fetchall() if result is not None and result.nfields else []


@lru_cache(maxsize=1000)
def _numbered(sql: str) -> bytes:
    """The statement with $1, $2 …: the driver searches long statements for %s at every call."""
    first, *others = sql.split("%s")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(others, start=1))).encode()


def is_postgresql() -> bool:
    return connections[DEFAULT_DB_ALIAS].vendor == "postgresql"
