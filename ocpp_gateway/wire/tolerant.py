"""Bounds for decoded JSON, and a second decoder for frames that the strict one refuses.

Real chargers send byte order marks, raw newlines, NaN and half surrogates, mostly inside messages that
matter. Such a frame is decoded here, within the same bounds; where that fails too, the message id is
still looked for, so that the charger gets an answer that it can match.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

REPLACEMENT: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one frame may hold.

    chars       length of the text (the socket limits bytes before)
    depth       nested arrays and objects, the frame itself is the first
    digits      digits of one number, exponent included
    containers  arrays and objects in all: a megabyte of empty ones would take the event loop for a third of a second;
                10,000 samples have 11,000
    """

    chars: int = 1_048_576
    depth: int = 50
    digits: int = 40
    containers: int = 50_000


DEFAULT_LIMITS: Final = Limits()


class NumericId(str):
    """A message id that came as a JSON number; reads like any id and is echoed as the number it was."""

    __slots__ = ()


class Undecodable(Exception):
    """No usable JSON, with what its beginning still tells.

    reason       in our words
    kind         message type, None when unreadable
    message_id   None when unreadable
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind: int | None = None
        self.message_id: str | None = None
        if match := _HEAD.match(text[:_HEAD_LENGTH]):
            kind, quoted, number = match.groups()
            self.kind = int(kind)
            self.message_id = quoted or (NumericId(int(number)) if number else None)


_JUNK: Final = "\ufeff\x00 \t\r\n"  # a byte order mark, C strings sent with their end, blanks
_HEAD_LENGTH: Final = 128
_HEAD: Final = re.compile(
    r"[\ufeff\x00\s]*\[\s*([0-9]{1,4})\s*,\s*"
    r'(?:(?:"([^"\\\x00-\x1f\x7f\ud800-\udfff]{1,36})"|(-?[0-9]{1,18}))\s*[,\]])?'
)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# The second alternative ends an unterminated string at the end of the text. Possessive: linear on any input.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NUMBER: Final = re.compile(r"[0-9][0-9.eE+-]*+")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NUMBER_AS_ZERO: Final = bytes(ord("0") if byte in b"0123456789.eE+-" else ord(" ") for byte in range(256))
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


def is_too_large(text: str, limits: Limits) -> bool:
    """Whether not even decoding it is worth the time, or has to be looked at closely first."""
    size = len(text)
    return size > limits.chars or (size > limits.containers and _brackets(text) > limits.containers)


def is_within(message: object, text: str, limits: Limits) -> bool:
    """Whether decoded JSON keeps the bounds; costs next to nothing for a usual frame.

    Nesting needs as many brackets, so few brackets need no walk.
    """
    if _brackets(text) > limits.depth and not _depth_within(message, limits.depth):
        return False
    return not _may_have_long_number(text, limits) or find_excess(text, limits) is None


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def _depth_within(message: object, depth: int) -> bool:
    level = [message] if isinstance(message, (list, dict)) else []
    for _ in range(depth):
        if not level:
            return True
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (list, dict))
        ]
    return not level


def _may_have_long_number(text: str, limits: Limits) -> bool:
    """Whether some run of number characters is too long; a harmless one in a string counts as well.

    A run that is too long covers at least four of the characters at every tenth place (for 40 digits), which are
    looked at first: a fifth of the cost of looking at all.
    """
    step = max(1, (limits.digits + 1) // 4)
    if b"0000" not in _runs(text[::step]):
        return False
    return b"0" * (limits.digits + 1) in _runs(text)


def _runs(text: str) -> bytes:
    return text.encode("utf-8", "replace").translate(_NUMBER_AS_ZERO)


def find_excess(text: str, limits: Limits) -> str | None:
    """The bound that a text breaks, read from its brackets and numbers without decoding it."""
    if _brackets(text) <= limits.depth and not _may_have_long_number(text, limits):
        return None
    # What stands in strings is never a bracket or a number.
    bare = _STRING.sub('""', text)
    brackets = _brackets(bare)
    if brackets > limits.containers:
        return "too many arrays and objects"
    if brackets > limits.depth and _is_deep(bare, limits.depth):
        return "nested too deeply"
    if _may_have_long_number(bare, limits):
        for match in _NUMBER.finditer(bare):
            if sum(map(str.isdigit, match[0])) > limits.digits:
                return "a number has too many digits"
    return None


def _is_deep(bare: str, limit: int) -> bool:
    depth = 0
    for bracket in bare.encode("utf-8", "replace").translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def loads(text: str, limits: Limits) -> Any:
    """Decode leniently and bounded; raises Undecodable.

    Repaired: byte order mark, NUL after the end, raw control characters in strings, half surrogates,
    NaN and infinities (null), integers beyond 64 bits (float). The last of equal keys counts.
    """
    if len(text) > limits.chars:
        raise Undecodable("the message is too long", text)
    if excess := find_excess(text, limits):
        raise Undecodable(excess, text)
    try:
        return clean(_DECODER.decode(_SURROGATE.sub(REPLACEMENT, text.strip(_JUNK))))
    except (ValueError, RecursionError):
        raise Undecodable("not valid JSON", text) from None


def clean(value: Any) -> Any:
    """The value with unstorable characters replaced and integers within 64 bits; nesting must be bounded."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value) if _UNSTORABLE.search(value) else value
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    if type(value) is int and not _MIN_INT <= value <= _MAX_INT:
        return _shorten(value)
    return value


def _shorten(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None


def _read_float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _read_int(text: str) -> int | float | None:
    number = int(text)  # bounded by Limits.digits, far below what int() refuses
    return number if _MIN_INT <= number <= _MAX_INT else _shorten(number)


def _read_constant(_name: str) -> None:
    return None


_DECODER: Final = json.JSONDecoder(
    strict=False, parse_float=_read_float, parse_int=_read_int, parse_constant=_read_constant
)
