"""Reading rows in sets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from django.db import connection, models
from django.db.models import Q
from django.db.models.base import ModelState

from csms_project.common.bulk.columns import (
    Column,
    Row,
    array_of,
    attributes,
    columns_of,
    execute,
    is_postgresql,
)

Model = TypeVar("Model", bound=models.Model)
#: The attributes and the kinds of the conditions, without their values.
Shape = tuple[tuple[tuple[str, ...], str], ...]

_CONSTANT = re.compile(r"[A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Known:
    """A condition: one of these values, whose last one is a text that is not empty; partial indexes of those apply."""

    values: Collection[Any]


@dataclass(frozen=True, slots=True)
class Is:
    """A condition on a constant of ours, written into the statement so that partial indexes apply."""

    value: str

    def __post_init__(self) -> None:
        if not _CONSTANT.fullmatch(self.value):
            raise ValueError(f"not a constant: {self.value!r}")


@dataclass(frozen=True, slots=True)
class From:
    """A condition: at this time or later; prunes the partitions before it."""

    at: datetime


#: attribute → the values that it may have, or one of the conditions above; all must hold. Several attributes at once
#: have a collection of tuples: two lists would be looked up in all their combinations.
Where = Mapping[str | tuple[str, ...], Collection[Any] | Known | Is | From]


def load(
    model: type[Model], names: Sequence[str], *wheres: Where, lock: bool = False, order_by: str = ""
) -> list[Model]:
    """Instances of the rows that fit one of the conditions, with these attributes; others are read when asked for.

    lock   FOR NO KEY UPDATE, in the order of `order_by`
    """
    chosen, alias = tuple(names), connection.alias
    made: list[Model] = []
    for values in fetch(model, chosen, *wheres, lock=lock, order_by=order_by):
        row = model.__new__(model)
        state = ModelState()
        state.adding, state.db = False, alias
        row.__dict__["_state"] = state
        row.__dict__.update(zip(chosen, values, strict=True))
        made.append(row)
    return made


def complete(rows: Iterable[Any]) -> None:
    """Read what `load` has left out of rows of one model, in one statement; what they have stays as it is."""
    rows = [row for row in rows if _missing(row)]
    if not rows:
        return
    model: Any = type(rows[0])
    names, key = attributes(model), model._meta.pk.attname
    found = {values[0]: values for values in fetch(model, (key, *names), {key: [row.pk for row in rows]})}
    for row in rows:
        for name, value in zip(names, found.get(row.pk, ())[1:], strict=False):
            row.__dict__.setdefault(name, value)


def _missing(row: models.Model) -> bool:
    return not row._state.adding and any(name not in row.__dict__ for name in attributes(type(row)))


def fetch(
    model: type[models.Model],
    names: Sequence[str],
    *wheres: Where,
    lock: bool = False,
    order_by: str = "",
) -> list[Row]:
    """The values of these attributes of the rows that fit one of the conditions."""
    chosen = tuple(names)
    if not is_postgresql():
        return _fetch_on_sqlite(model, chosen, wheres, order_by)
    shapes = tuple(tuple((_names(name), _kind(value)) for name, value in where.items()) for where in wheres)
    sql, json_places = _select(model, chosen, shapes, lock, order_by)
    parameters: list[Any] = []
    for where in wheres:
        for name, value in where.items():
            parameters += _parameters(model, _names(name), value)
    rows = execute(sql, parameters)
    return [_decoded(row, json_places) for row in rows] if json_places else rows


def _names(name: str | tuple[str, ...]) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else name


def _kind(value: Any) -> str:
    if isinstance(value, Is):
        return f"= '{value.value}'"
    return "known" if isinstance(value, Known) else ">=" if isinstance(value, From) else "any"


def _parameters(model: type[models.Model], names: tuple[str, ...], value: Any) -> list[Any]:
    if isinstance(value, Is):
        return []
    if isinstance(value, From):
        return [value.at]
    values = value.values if isinstance(value, Known) else value
    columns = columns_of(model, names)
    lists = zip(*values, strict=True) if len(names) > 1 else [values]
    return [array_of(column, items) for column, items in zip(columns, lists, strict=True)]


def _decoded(row: Row, json_places: Sequence[int]) -> Row:
    values = list(row)
    for place in json_places:
        if values[place] is not None:
            values[place] = orjson.loads(values[place])
    return tuple(values)


@lru_cache(maxsize=500)
def _select(
    model: type[models.Model],
    names: tuple[str, ...],
    shapes: tuple[Shape, ...],
    lock: bool,
    order_by: str,
) -> tuple[str, tuple[int, ...]]:
    columns = columns_of(model, names)
    # Django keeps jsonb as text for `from_db_value`; here it is decoded once.
    listed = ", ".join(f"t.{column.quoted}" + ("::text" if column.is_json else "") for column in columns)
    if len(shapes) == 1:
        sql = _select_one(model, listed, shapes[0])
    else:
        # Each condition finds keys by its own index; an OR of joins would read the whole table.
        assert model._meta.pk is not None
        key = f't."{model._meta.pk.column}"'
        found = " UNION ".join(_select_one(model, key, shape) for shape in shapes)
        sql = f'SELECT {listed} FROM "{model._meta.db_table}" AS t WHERE {key} IN ({found})'  # noqa: S608
    if order_by:
        sql += " ORDER BY " + ", ".join(f't."{name}"' for name in order_by.split())
    json_places = tuple(number for number, column in enumerate(columns) if column.is_json)
    return sql + (" FOR NO KEY UPDATE OF t" if lock else ""), json_places


def _select_one(model: type[models.Model], listed: str, shape: Shape) -> str:
    tables, conditions = [f'"{model._meta.db_table}" AS t'], []
    for chosen, kind in shape:
        tables += _sources(columns_of(model, chosen))
        conditions += _conditions(columns_of(model, chosen), kind)
    # The names come from the models, the values are parameters.
    return f"SELECT {listed} FROM {', '.join(tables)} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _sources(columns: Sequence[Column]) -> list[str]:
    if len(columns) == 1:
        return []
    arrays = ", ".join(f"%s::{column.array}[]" for column in columns)
    return [f"unnest({arrays}) AS w({', '.join(column.quoted for column in columns)})"]


def _conditions(columns: Sequence[Column], kind: str) -> list[str]:
    found = [f"t.{columns[-1].quoted} <> ''"] if kind == "known" else []
    if len(columns) > 1:
        return found + [f"t.{column.quoted} = w.{column.quoted}" for column in columns]
    [column] = columns
    if kind in ("any", "known"):
        return [*found, f"t.{column.quoted} = ANY (%s::{column.array}[])"]
    return [f"t.{column.quoted} >= %s" if kind == ">=" else f"t.{column.quoted} {kind}"]


def _fetch_on_sqlite(
    model: type[models.Model], names: tuple[str, ...], wheres: Sequence[Where], order_by: str
) -> list[Row]:
    condition = Q()
    for where in wheres:
        condition |= _q(where)
    rows = model._default_manager.filter(condition).order_by(*order_by.split())
    return list(rows.values_list(*names))


def _q(where: Where) -> Q:
    condition = Q()
    for name, value in where.items():
        if isinstance(value, Is):
            condition &= Q(**{str(name): value.value})
            continue
        if isinstance(value, From):
            condition &= Q(**{f"{name}__gte": value.at})
            continue
        values = list(value.values if isinstance(value, Known) else value)
        if isinstance(name, str):
            condition &= Q(**{f"{name}__in": values})
        else:
            pairs = Q()
            for items in values:
                pairs |= Q(**dict(zip(name, items, strict=True)))
            condition &= pairs
    return condition
