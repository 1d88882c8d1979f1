"""Reading the environment: values, and secrets that may stand in files."""

from __future__ import annotations

import os
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):  # type: ignore[misc]
    """django-environ that names the variable whose value cannot be read."""

    NO = ("0", "false", "off", "no", "n", "f", "")

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **kwargs: Any) -> Any:
        given = os.environ.get(var, "").strip().lower()
        if cast is bool and given not in {*self.BOOLEAN_TRUE_STRINGS, *self.NO}:
            raise ImproperlyConfigured(f"{var}={given} is not true or false.")
        try:
            return super().get_value(var, cast=cast, default=default, **kwargs)
        except (ValueError, TypeError, InvalidOperation) as error:
            kind = "a whole number" if cast is int else "a number"
            raise ImproperlyConfigured(f"{var}={os.environ.get(var, '')} is not {kind}.") from error


def read_secret(name: str) -> str:
    """A secret from NAME, else from the file that NAME_FILE names; empty when neither is set.

    Raises  ImproperlyConfigured  the file cannot be read
    """
    if value := os.environ.get(name):
        return value
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {reason}.") from error
