"""RPC frames of OCPP-J: text to frame and frame to text.

``parse`` never raises. What it returns is safe for everything behind it: nesting and digits are bounded,
strings hold neither NUL nor lone surrogates (PostgreSQL refuses the one, UTF-8 the other; both are
replaced by U+FFFD), numbers are finite and no integer exceeds 64 bits, so that ``orjson.dumps`` and the
database take it.

Spec: OCPP-J 1.6 §4, OCPP 2.0.1 part 4 §4, OCPP 2.1 part 4 §4.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from ocpp_gateway.wire import tolerant
from ocpp_gateway.wire.errors import MAX_DESCRIPTION, V16, V21, V201, ErrorCode, spell_code
from ocpp_gateway.wire.tolerant import DEFAULT_LIMITS, Limits, NumericId

__all__ = [
    "DEFAULT_LIMITS",
    "UNREADABLE_ID",
    "Call",
    "CallError",
    "CallResult",
    "CallResultError",
    "Frame",
    "Limits",
    "Malformed",
    "NumericId",
    "Send",
    "call",
    "error",
    "parse",
    "result",
    "result_error",
    "send",
]

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4
CALL_RESULT_ERROR: Final = 5
SEND: Final = 6

UNREADABLE_ID: Final = "-1"  # stands for the id of a message whose id cannot be read (2.0.1 part 4 §4.2.3)
MAX_ID: Final = 36


class Call(NamedTuple):
    """A request; must be answered once, with its id. A tuple: made for every message, a third of a dataclass's time."""

    message_id: str
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallResult:
    """The other side's answer to a CALL of ours. More than three elements are tolerated."""

    message_id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallError:
    """The other side's refusal of a CALL of ours, tolerated in every shape.

    code and description are "" when absent, of any length and any wording; details may be any JSON value;
    message_id is "-1" when it cannot be read.
    """

    message_id: str
    code: str
    description: str
    details: Any


@dataclass(frozen=True, slots=True)
class CallResultError:
    """OCPP 2.1, type 5: the other side could not use a CALLRESULT of ours. Never answered."""

    message_id: str
    code: str
    description: str
    details: Any


@dataclass(frozen=True, slots=True)
class Send:
    """OCPP 2.1, type 6: a message that is never answered, not even when it is wrong."""

    message_id: str
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A text that is no valid frame.

    message_id   the id where it can be read, else "-1"
    code         the CALLERROR code to answer, spelled for the version; None: log, count, do not answer.
                 With None and a readable id it was an unusable answer: an open command of that id has failed
    description  says what is wrong in our words, never in those of the sender
    """

    message_id: str
    code: str | None
    description: str


Frame = Call | CallResult | CallError | CallResultError | Send | Malformed


def parse(text: str, *, version: str, limits: Limits = DEFAULT_LIMITS) -> Frame:
    """Read one text frame in the version spoken on its socket; never raises.

    An unreadable CALL is answered with CALLERROR. Where not even an id is found 2.x wants a CALLERROR with
    id "-1"; 1.6 has no such id (some chargers fail on an answer they did not ask for), so it is ignored.
    Message types: unknown ones are answered in 2.0.1 (part 4 §4.4), ignored in 1.6 and 2.1; 5 and 6 exist
    in 2.1 and are ignored before.
    """
    try:
        message = None if tolerant.is_too_large(text, limits) else orjson.loads(text)
    except orjson.JSONDecodeError:
        message = None
    if message is None or not tolerant.is_within(message, text, limits):
        try:
            message = tolerant.loads(text, limits)
        except tolerant.Undecodable as trouble:
            return _undecodable(trouble, version)
    elif "\\" in text and "\\u0000" in text:
        message = tolerant.clean(message)
    return _read(message, version)


def _read(message: object, version: str) -> Frame:
    if type(message) is not list or len(message) < 2:
        return _no_frame(message, version)
    kind = message[0]
    if type(kind) is int:  # excludes true, which equals 1, and 2.0
        if kind == CALL:
            return _read_call(message, version)
        if kind == CALL_RESULT:
            return _read_result(message)
        if kind == CALL_ERROR:
            return CallError(*_error_parts(message))
        if kind == CALL_RESULT_ERROR and version == V21:
            return CallResultError(*_error_parts(message))
        if kind == SEND:
            return _read_send(message, version)
    return _unknown_kind(message, version)


def _read_call(message: list[Any], version: str) -> Call | Malformed:
    message_id = _message_id(message[1])
    if message_id is None:
        code = spell_code(ErrorCode.RPC_FRAMEWORK_ERROR, version)
        return Malformed(UNREADABLE_ID, code, f"message id is not a string of 1 to {MAX_ID} characters")
    wrong = _wrong_call(message)
    if wrong:
        code = ErrorCode.FORMAT_VIOLATION if version == V16 else ErrorCode.PROTOCOL_ERROR
        return Malformed(message_id, spell_code(code, version), wrong)
    return Call(message_id, message[2], message[3] or {})


def _wrong_call(message: list[Any]) -> str | None:
    if len(message) != 4:
        return "a CALL has four elements"
    action, payload = message[2], message[3]
    if type(action) is not str or not action:
        return "action is not a string"
    if payload is not None and type(payload) is not dict:
        return "payload is not an object"
    return None


def _read_send(message: list[Any], version: str) -> Send | Malformed:
    message_id = _message_id(message[1])
    if version != V21:
        return Malformed(message_id or UNREADABLE_ID, None, "message type 6 is not known in this version")
    wrong = "message id is not a string" if message_id is None else _wrong_call(message)
    if message_id is None or wrong:
        return Malformed(message_id or UNREADABLE_ID, None, wrong or "")
    return Send(message_id, message[2], message[3] or {})


def _read_result(message: list[Any]) -> CallResult | Malformed:
    message_id = _message_id(message[1])
    if message_id is None:
        return Malformed(UNREADABLE_ID, None, "a CALLRESULT without a readable id")
    if len(message) < 3:
        return Malformed(message_id, None, "a CALLRESULT has three elements")
    payload = message[2]
    if payload is not None and type(payload) is not dict:
        return Malformed(message_id, None, "payload is not an object")
    return CallResult(message_id, payload or {})


def _error_parts(message: list[Any]) -> tuple[str, str, str, Any]:
    """Id, code, description and details of types 4 and 5, whatever the sender made of them."""
    code, description, details = [*message[2:5], None, None, None][:3]
    return (
        _message_id(message[1]) or UNREADABLE_ID,
        _text(code),
        _text(description),
        {} if details is None else details,
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _message_id(value: object) -> str | None:
    """The id, or None when it is none. Numbers are no ids by the letter, but are served and echoed."""
    if type(value) is str:
        return value if 0 < len(value) <= MAX_ID else None
    return NumericId(value) if type(value) is int else None


def _unknown_kind(message: list[Any], version: str) -> Malformed:
    message_id = _message_id(message[1]) or UNREADABLE_ID
    known_later = type(message[0]) is int and message[0] in (CALL_RESULT_ERROR, SEND)
    answered = version == V201 and not known_later
    code = spell_code(ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, version) if answered else None
    return Malformed(message_id, code, "message type is not supported")


def _no_frame(message: object, version: str) -> Malformed | CallError:
    """An answer for JSON that is no frame at all: no array, or too short to hold an id."""
    kind = message[0] if type(message) is list and message else None
    if type(kind) is int and CALL_RESULT <= kind <= SEND:
        return Malformed(UNREADABLE_ID, None, "an answer without an id")
    return Malformed(UNREADABLE_ID, _unreadable_code(version), "not a JSON array of a message type and an id")


def _undecodable(trouble: tolerant.Undecodable, version: str) -> Malformed:
    if trouble.kind is not None and trouble.kind != CALL:
        return Malformed(trouble.message_id or UNREADABLE_ID, None, trouble.reason)
    if trouble.message_id is None:
        return Malformed(UNREADABLE_ID, _unreadable_code(version), trouble.reason)
    return Malformed(trouble.message_id, spell_code(ErrorCode.FORMAT_VIOLATION, version), trouble.reason)


def _unreadable_code(version: str) -> str | None:
    return None if version == V16 else spell_code(ErrorCode.RPC_FRAMEWORK_ERROR, version)


def call(message_id: str, action: str, payload: dict[str, Any]) -> str:
    """A CALL as compact JSON text. Decimals become JSON numbers."""
    return _dumps([CALL, message_id, action, payload])


def result(message_id: str, payload: dict[str, Any]) -> str:
    """A CALLRESULT as compact JSON text; the id of a Call that came as a number goes back as a number."""
    return _dumps([CALL_RESULT, _echo(message_id), payload])


def error(message_id: str, code: str, description: str = "", details: dict[str, Any] | None = None) -> str:
    """A CALLERROR as compact JSON text: always five elements, the description cut to 255 characters.

    code is written as given: spell it for the version first.
    """
    return _dumps([CALL_ERROR, _echo(message_id), code, description[:MAX_DESCRIPTION], details or {}])


def result_error(
    message_id: str, code: str, description: str = "", details: dict[str, Any] | None = None
) -> str:
    """A CALLRESULTERROR of OCPP 2.1 as compact JSON text: a CALLRESULT of the other side cannot be used."""
    return _dumps([CALL_RESULT_ERROR, _echo(message_id), code, description[:MAX_DESCRIPTION], details or {}])


def send(message_id: str, action: str, payload: dict[str, Any]) -> str:
    """A SEND of OCPP 2.1 as compact JSON text; it is never answered."""
    return _dumps([SEND, message_id, action, payload])


def _echo(message_id: str) -> str | int:
    return int(message_id) if isinstance(message_id, NumericId) else message_id


def _dumps(message: list[Any]) -> str:
    try:
        return orjson.dumps(message, default=_encode, option=orjson.OPT_UTC_Z).decode()
    except orjson.JSONEncodeError:
        # A lone surrogate or an integer beyond 64 bits in our own data must not cost the answer.
        return orjson.dumps(tolerant.clean(message), default=_encode, option=orjson.OPT_UTC_Z).decode()


def _encode(value: object) -> int | float:
    """Exact amounts as JSON numbers: integers stay integers, the rest the shortest float that reads back."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
