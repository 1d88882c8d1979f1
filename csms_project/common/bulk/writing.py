"""Writing rows in sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models.base import ModelState

from csms_project.common.bulk.changing import update_statement, write
from csms_project.common.bulk.columns import (
    Row,
    arrays_of,
    attributes,
    columns_of,
    copy_texts,
    counted,
    execute,
    fields_of,
    is_postgresql,
    prepared,
    unnest,
)

#: From this number of rows of a kind on they go in by COPY, which costs a statement of its own.
COPY_FROM = 20

_models: dict[type[Row], type[models.Model]] = {}
Model = TypeVar("Model", bound=models.Model)


def register(row: type[Row], model: type[models.Model]) -> None:
    """Say which table the rows of a NamedTuple go to; its fields are named like the model's attributes."""
    names = {field.attname for field in model._meta.concrete_fields}
    unknown = set(row._fields) - names  # type: ignore[attr-defined]
    if unknown:
        raise TypeError(f"{row.__name__}: {model.__name__} has no {', '.join(sorted(unknown))}")
    _models[row] = model


def model_of(kind: type[Row]) -> type[models.Model]:
    """The model whose table the rows of a registered NamedTuple go to."""
    return _models[kind]


def insert(rows: Sequence[Any]) -> None:
    """Insert rows of one kind: model instances that have their keys, or tuples of a registered kind.

    The database gives tuples their keys; nobody is told them.
    """
    store([rows], [])


def update(rows: Sequence[Any], names: Iterable[str]) -> None:
    """Write the named attributes of stored rows of one model in one statement."""
    store([], [(rows, names)])


def store(new: Iterable[Sequence[Any]], changed: Iterable[tuple[Sequence[Any], Iterable[str]]]) -> None:
    """Insert the rows of several kinds and change those of others.

    On PostgreSQL many rows of a kind are copied; all the rest is one statement, for each costs both sides a good
    50 µs. Its parts see none of each other's effects, so that no row may be in two of them.
    """
    parts = _Parts()
    for rows in new:
        if rows:
            _insert(rows, parts)
    for rows, names in changed:
        if rows:
            _update(rows, names, parts)
    parts.run()


class _Parts:
    """Statements that are run as one.

    In the order of their texts, not of their coming: the database prepares every combination once.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[str, list[str]]] = []

    def add(self, statement: str, parameters: list[str]) -> None:
        self._parts.append((statement, parameters))

    def run(self) -> None:
        if not self._parts:
            return
        self._parts.sort(key=itemgetter(0))
        *first, last = (statement for statement, _ in self._parts)
        named = ", ".join(f"p{number} AS ({statement})" for number, statement in enumerate(first))
        sql = f"WITH {named} {last}" if first else last
        execute(sql, [value for _, parameters in self._parts for value in parameters])


# ---------------------------------------------------------------- new rows


def make(model: type[Model], **values: Any) -> Model:
    """A new instance from the values of its attributes (`tariff_id`, not `tariff`), at a tenth of `Model(...)`'s cost.

    Attributes that are not named get the defaults of their fields.
    """
    row = model.__new__(model)
    state = ModelState()
    row.__dict__["_state"] = state
    constant, called = _defaults(model)
    row.__dict__.update(constant)
    for name, default in called:
        row.__dict__[name] = default()
    unknown = values.keys() - row.__dict__.keys()
    if unknown:
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(unknown))}")
    row.__dict__.update(values)
    return row


@cache
def _defaults(
    model: type[models.Model],
) -> tuple[dict[str, Any], tuple[tuple[str, Callable[[], Any]], ...]]:
    fields: Any = model._meta.concrete_fields
    # "No default" is a class, and classes are callable.
    called = {
        field.attname: field.get_default
        for field in fields
        if field.has_default() and callable(field.default)
    }
    constant = {field.attname: field.get_default() for field in fields if field.attname not in called}
    return constant, tuple(called.items())


def _insert(rows: Sequence[Any], parts: _Parts) -> None:
    kind: Any = type(rows[0])
    model: type[models.Model] = _models.get(kind, kind)
    names: tuple[str, ...] = kind._fields if kind in _models else attributes(model)
    values = rows if kind in _models else _values(rows, names)
    if not is_postgresql():
        _insert_on_sqlite(model, names, values)
    elif len(rows) >= COPY_FROM:
        _copy(model, names, values)
    else:
        parts.add(_insert_statement(model, names), arrays_of(columns_of(model, names), values))
    if kind not in _models:
        for row in rows:
            row._state.adding, row._state.db = False, connection.alias


@cache
def _insert_statement(model: type[models.Model], names: tuple[str, ...]) -> str:
    columns = columns_of(model, names)
    listed = ", ".join(column.quoted for column in columns)
    # The names come from the models, the values are parameters.
    return f'INSERT INTO "{model._meta.db_table}" ({listed}) SELECT * FROM {unnest(columns)}'  # noqa: S608


@cache
def _copy_statement(model: type[models.Model], names: tuple[str, ...]) -> str:
    listed = ", ".join(column.quoted for column in columns_of(model, names))
    return f'COPY "{model._meta.db_table}" ({listed}) FROM STDIN'


def _copy(model: type[models.Model], names: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> None:
    statement = _copy_statement(model, names)
    values = zip(*rows, strict=True)
    columns = [copy_texts(*both) for both in zip(columns_of(model, names), values, strict=True)]
    lines = ["\t".join(row) for row in zip(*columns, strict=True)]
    lines.append("")
    with counted(statement) as cursor, cursor.copy(statement) as copy:
        copy.write("\n".join(lines))


def _insert_on_sqlite(
    model: type[models.Model], names: tuple[str, ...], rows: Iterable[Sequence[Any]]
) -> None:
    fields = fields_of(model, names)
    listed = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    # The names come from the models, the values are parameters.
    sql = f'INSERT INTO "{model._meta.db_table}" ({listed}) VALUES ({places})'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(sql, [prepared(fields, row) for row in rows])


class Keys:
    """Primary keys for rows that others of the same transaction point to before they are inserted."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        self._taken: int | None = None

    def take(self, count: int) -> list[int]:
        """That many unused keys; those that are not used leave a gap."""
        table, column = self._model._meta.db_table, self._model._meta.pk.column
        if is_postgresql():
            sql = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"
            return [row[0] for row in execute(sql, [f'"{table}"', column, count])]
        if self._taken is None:
            # The transaction holds the only right to write.
            with connection.cursor() as cursor:
                cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
                self._taken = (cursor.fetchone() or (0,))[0]
        first, self._taken = self._taken + 1, self._taken + count
        return list(range(first, first + count))


def _values(rows: Sequence[Any], names: tuple[str, ...]) -> list[Row]:
    """The attributes of instances; all of them are loaded, so that nothing has to go through their descriptors."""
    pick = itemgetter(*names, names[0])  # one more: of a single name it would return no tuple
    return [pick(row.__dict__)[:-1] for row in rows]


# ---------------------------------------------------------------- changed rows


def _update(rows: Sequence[Any], names: Iterable[str], parts: _Parts) -> None:
    model: Any = type(rows[0])
    key, chosen = model._meta.pk.attname, tuple(_attname(model, name) for name in names)
    values = _values(rows, (key, *chosen))
    if is_postgresql():
        parts.add(*update_statement(model, (key,), chosen, values))
    else:
        write(model, (key,), chosen, values)


@cache
def _attname(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return str(field.attname)
