"""Model fields shared by all apps."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
from django.db import models
from django.db.models.fields.json import KeyTransform


def dumps(value: Any) -> str:
    """Compact JSON; Decimal becomes text so that no digit is lost."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_NON_STR_KEYS).decode()


class FastJSONEncoder(json.JSONEncoder):
    """Encodes with orjson."""

    def encode(self, o: Any) -> str:
        return dumps(o)


class FastJSONDecoder(json.JSONDecoder):
    """Decodes with orjson."""

    def decode(self, s: str, _w: Any = None) -> Any:
        return orjson.loads(s)


def _default(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


class FastJSONField(models.JSONField):
    """A JSON column written with orjson.

    `get_placeholder` keeps Django 5.2 off its UNNEST path for bulk inserts, which is four times slower for
    large JSON on PostgreSQL.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("encoder", FastJSONEncoder)
        kwargs.setdefault("decoder", FastJSONDecoder)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("encoder", None)
        kwargs.pop("decoder", None)
        return name, path, args, kwargs

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "%s::jsonb" if connection.vendor == "postgresql" else "%s"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or hasattr(value, "as_sql"):
            return super().get_db_prep_value(value, connection, prepared)
        return dumps(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if isinstance(value, str) and not isinstance(expression, KeyTransform):
            return orjson.loads(value)
        return super().from_db_value(value, expression, connection)


class LogTextField(models.TextField):  # type: ignore[type-arg]
    """A long text that is written in bulk: kept off the UNNEST path of Django 5.2 as well."""

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "%s"


def energy_field(**kwargs: Any) -> models.DecimalField[Any, Any]:
    """An energy or register column: Wh, 3 places (SQLite keeps 15 digits exactly)."""
    return models.DecimalField(max_digits=15, decimal_places=3, **kwargs)


def money_field(**kwargs: Any) -> models.DecimalField[Any, Any]:
    """An amount of money; the currency stands beside it."""
    return models.DecimalField(max_digits=14, decimal_places=4, **kwargs)
