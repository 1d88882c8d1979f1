"""Rows made inside PostgreSQL by the statements in `sql/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Field, Model

_SQL = Path(__file__).parent / "sql"


def run(sql: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Run a statement; returns the rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return max(int(cursor.rowcount), 0)


def run_file(name: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Run the statements of sql/NAME.sql."""
    return run(_read(name), parameters or {})


def insert(model: type[Model], name: str, parameters: Mapping[str, Any]) -> int:
    """Insert what sql/NAME.sql selects; returns the rows made.

    Its columns are named after the fields of the model; the other fields get their default.
    """
    source = _read(name)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({source}) AS found LIMIT 0", parameters)  # noqa: S608
        given = {column.name for column in cursor.description}
    quote = connection.ops.quote_name
    values = dict(parameters)
    columns: dict[str, str] = {}
    for field in model._meta.concrete_fields:
        column = str(field.column)
        if field.name in given:
            columns[column] = f"found.{quote(field.name)}"
        elif not field.primary_key:
            columns[column] = _default(field, values)
    unknown = given - {field.name for field in model._meta.concrete_fields}
    assert not unknown, f"{name}: {model.__name__} has no {unknown}"
    names = ", ".join(map(quote, columns))
    # The names are those of the models, the statements those of this package, values are parameters.
    into = f"INSERT INTO {quote(model._meta.db_table)} ({names})"
    return run(f"{into} SELECT {', '.join(columns.values())} FROM ({source}) AS found", values)  # noqa: S608


def _read(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text()


def _default(field: Field[Any, Any], values: dict[str, Any]) -> str:
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return "now()"
    name = f"default_{field.column}"
    values[name] = field.get_db_prep_save(field.get_default(), connection)
    kind = str(field.rel_db_type(connection) if field.remote_field else field.db_type(connection))
    return f"CAST(%({name})s AS {kind})"
