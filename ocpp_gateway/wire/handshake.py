"""What a charger says in its HTTP upgrade request: who it is, which versions it speaks, its key."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_IDENTITY: Final = 48
_MAX_RAW_IDENTITY: Final = MAX_IDENTITY * 4 * 3  # four UTF-8 bytes a character, each percent-encoded
_MAX_HEADER: Final = 1024

_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
# Controls, invisible format characters, line and paragraph separators: they make two identities look alike.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})


class BadIdentity(ValueError):
    """The identity in the URL is not acceptable."""


def parse_identity(raw: bytes) -> str:
    """The identity from its part of the request path, percent-decoded once.

    1 to 48 characters of valid UTF-8, also when case-folded, no ":" (2.0.1 part 4 §3.1.1; it would split the
    user name of basic authentication), no "/", no control or invisible characters, not only blanks. "+" stays
    a plus sign.  Raises BadIdentity with the reason, without the identity itself.
    """
    if len(raw) > _MAX_RAW_IDENTITY:
        raise BadIdentity("identity is too long")
    try:
        identity = _PERCENT.sub(_decode_percent, raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadIdentity("identity is not UTF-8") from None
    if not identity.strip():
        raise BadIdentity("identity is empty")
    # Identities are told apart without case, and "ß" without case is "ss".
    if max(len(identity), len(identity.casefold())) > MAX_IDENTITY:
        raise BadIdentity("identity is too long")
    if ":" in identity or "/" in identity:
        raise BadIdentity("identity contains ':' or '/'")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in identity):
        raise BadIdentity("identity contains control characters")
    return identity


def _decode_percent(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        raise BadIdentity("identity is not percent-encoded correctly")
    return bytes([int(match[1], 16)])


def choose_subprotocol(offered: Sequence[str], supported: Sequence[str]) -> str | None:
    """The first of the client's subprotocols that we support; None when there is none (2.1 part 4 §3.1.2)."""
    return next((name for name in offered if name in supported), None)


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password of HTTP basic authentication, as bytes: a 1.6 key need not be text."""

    username: bytes
    password: bytes = field(repr=False)


def parse_basic(header: bytes | None) -> Basic | None:
    """Read an Authorization header; None when absent or not readable as Basic.

    Split at the first ":", so that the password may hold more of them. Missing "=" at the end is tolerated.
    """
    if header is None or len(header) > _MAX_HEADER:
        return None
    scheme, _, encoded = header.strip().partition(b" ")
    encoded = encoded.strip()
    if scheme.lower() != b"basic" or not encoded:
        return None
    encoded = encoded.rstrip(b"=")
    try:
        decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        return None
    username, colon, password = decoded.partition(b":")
    return Basic(username, password) if colon else None
