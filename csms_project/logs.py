"""Logging: readable lines in a terminal, one JSON object a line otherwise.

Code logs with `logging.getLogger(__name__)`: an event name and fields in `extra`. Values come from chargers
and strangers, so control characters are escaped (nobody forges a line) and secret fields are masked.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

Fields = MutableMapping[str, Any]

SECRET = re.compile(r"password|secret|token$|authorization|cookie|api_key|private_key|pepper", re.IGNORECASE)
# Harmless fields whose names would match: who asked, not with what.
PUBLIC = frozenset({"connection_token", "authorization_status"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escape(text: str) -> str:
    """Text without control characters, line separators and lone surrogates: they become \\xNN or \\uNNNN."""
    return _CONTROL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    )


def mask_secrets(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Replace the values of fields whose name says that they are secret, and the query of a request."""
    for name in fields:
        if SECRET.search(name) and name not in PUBLIC:
            fields[name] = "***"
    request = fields.get("request")
    if isinstance(request, str) and "?" in request:
        # A filter may name an RFID tag or a driver.
        fields["request"] = request.partition("?")[0] + "?…"
    return fields


def escape_texts(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Escape the event and all text fields; tracebacks keep their lines."""
    for name, value in fields.items():
        if name not in {"exception", "stack"} and isinstance(value, str):
            fields[name] = escape(value)
    return fields


class NowAndThen(logging.Filter):
    """Turns what a library repeats each second of an outage into one line a minute, without the stack."""

    PAUSE_S = 60.0

    def __init__(self, event: str) -> None:
        super().__init__()
        self._event, self._next = event, 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if record.levelno < logging.WARNING or now < self._next:
            return record.levelno < logging.WARNING
        self._next = now + self.PAUSE_S
        error = record.exc_info[1] if record.exc_info else None
        record.error = f"{type(error).__name__}: {error}"[:200] if error else record.getMessage()
        record.msg, record.args, record.exc_info = self._event, (), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def pre_chain() -> list[Any]:
    """What happens to every record, ours and those of libraries."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def renderer(*, human: bool) -> list[Any]:
    """The last steps: masking, escaping, and the output format."""
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if human:
        console = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            repr_native_str=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        return [meta, mask_secrets, escape_texts, console]
    return [
        meta,
        structlog.processors.format_exc_info,
        mask_secrets,
        escape_texts,
        structlog.processors.JSONRenderer(),
    ]


def configure(*, level: str, style: str) -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING.

    style  console, json, or auto: console when standard error is a terminal
    """
    human = style == "console" or (style == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *pre_chain(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            name: {"()": NowAndThen, "event": event}
            for name, event in {
                "layer_away": "channel_layer.away",
                "pool_away": "database.away",
                "listener_away": "queue.listener_away",
            }.items()
        },
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": renderer(human=human),
                "foreign_pre_chain": pre_chain(),
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Its own handlers would bypass the format; the root handler prints.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # The request middleware reports requests and their failures.
            "django.request": {"level": "CRITICAL"},
            "uvicorn.access": {"level": logging.WARNING},
            "daphne": {"level": logging.WARNING},
            # Three lines for each of its runs; `csms_project.common.jobs` has one for those that did something.
            "procrastinate": {"level": logging.WARNING},
            # A stack each second while Redis is away.
            "channels_redis.pubsub": {"filters": ["layer_away"]},
            # And while PostgreSQL is.
            "psycopg.pool": {"filters": ["pool_away"]},
            "procrastinate.utils": {"filters": ["listener_away"]},
            "asyncio": {"level": logging.WARNING},
        },
    }
