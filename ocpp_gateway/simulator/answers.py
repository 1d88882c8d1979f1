"""What a charge point answers to a call of the CSMS, in any version."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ocpp_gateway.wire.errors import ErrorCode, spell_code
from ocpp_gateway.wire.timestamps import parse_timestamp

Payload = dict[str, Any]
Work = Coroutine[Any, Any, None]
C = TypeVar("C")


class Refused(Exception):
    """The call is answered with a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True)
class Answer:
    """The payload of a CALLRESULT and what is done after it has been sent."""

    payload: Payload
    then: Work | None = None


Handler = Callable[[C, Payload], Answer]


def status(value: str, then: Work | None = None) -> Answer:
    """An answer that is a status."""
    return Answer({"status": value}, then)


def handle(
    handlers: Mapping[str, Handler[C]], cp: C, action: str, payload: Payload, *, version: str
) -> Answer:
    """Answer a call. Raises Refused for an unknown action or a payload that cannot be read."""
    handler = handlers.get(action)
    if handler is None:
        raise Refused("NotImplemented", f"{action} is not known here")
    try:
        return handler(cp, payload)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        code = spell_code(ErrorCode.FORMAT_VIOLATION, version)
        raise Refused(code, f"{action}: {type(error).__name__} {error}"[:255]) from error


def required_time(value: object) -> datetime:
    """A moment. Raises ValueError."""
    moment = parse_timestamp(value)
    if moment is None:
        raise ValueError("not a time")
    return moment
