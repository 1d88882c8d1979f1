"""Reading JSON bodies: bounded, and only what every database can store."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from csms_project.common.api.problems import TooLarge

MAX_DEPTH = 64


class StrictJSONParser(BaseParser):
    """application/json in UTF-8 without NaN, infinities, NUL characters, lone surrogates and deep nesting."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        body = stream.read(limit + 1) if limit else stream.read()
        if limit and len(body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        try:
            value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not JSON: {str(error)[:200]}.") from error
        _check(value)
        return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise ParseError("The body is nested too deeply.")
    match value:
        case str():
            _check_text(value)
        case float():
            if not math.isfinite(value):
                raise ParseError("The body holds a number that is too large.")
        case dict():
            for name, item in value.items():
                _check_text(name)
                _check(item, depth + 1)
        case list():
            for item in value:
                _check(item, depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ParseError("The body holds a NUL character.")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise ParseError("The body holds a lone surrogate.")
