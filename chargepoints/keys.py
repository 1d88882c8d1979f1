"""Authorization keys of charge points: made, hashed and verified without ever being stored.

A key of OCPP 1.6 is 16–20 bytes whose configuration text is hexadecimal; real chargers send either the
bytes or that text as Basic password, so both spellings of a key hash alike.  A password of 2.x is UTF-8 text and
nothing else: bytes that a text may spell are none.  Hashes are HMAC-SHA-256 with a
salt per key and a pepper of the installation: keys are random, so no slow hash is needed where thousands of
chargers log in at once.
Spec: OCPP-J 1.6 §6.2.2; OCPP 1.6 security whitepaper A00.FR.204–207; OCPP 2.0.1 part 2 A00.FR.204–207.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string

from django.conf import settings

MIN_LENGTH = 16
MAX_LENGTH = 64

_VERSION = "v1"
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_ALPHANUMERIC = string.ascii_letters + string.digits


class UnusableKey(ValueError):
    """A key has 16 to 64 printable ASCII characters."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


def generate_key(ocpp_version: str = "ocpp1.6") -> str:
    """Make a key: 20 random bytes as 40 hexadecimal digits for OCPP 1.6, 40 letters and digits for 2.x."""
    if ocpp_version == "ocpp1.6":
        return secrets.token_hex(20)
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(40))


def check_key(text: str) -> None:
    """Raise UnusableKey for a text that no charger could use as its key."""
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH or not text.isascii() or not text.isprintable():
        raise UnusableKey


def canonical(text: str) -> bytes:
    """The bytes that a key stands for: hexadecimal text is its bytes, any other text its characters."""
    raw = text.encode()
    return bytes.fromhex(text) if _HEX.fullmatch(raw) else raw


def candidates(password: bytes) -> tuple[bytes, ...]:
    """What a received password may be the spelling of; it is bytes and need not be UTF-8."""
    if _HEX.fullmatch(password):
        return password, bytes.fromhex(password.decode("ascii"))
    return (password,)


def hash_key(text: str) -> str:
    """Hash a key with the newest pepper: `v1$salt$hexdigest`."""
    salt = secrets.token_hex(16)
    return f"{_VERSION}${salt}${_digest(settings.CHARGER_KEY_PEPPERS[0], salt, canonical(text))}"


def is_text(password: bytes) -> bool:
    """Whether received bytes can be a password of 2.x (2.0.1 A00.FR.205)."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        return False
    return MIN_LENGTH <= len(text) <= MAX_LENGTH and text.isprintable()


def verify_key(password: bytes, stored_hash: str, *, text_only: bool = False) -> bool:
    """Whether a received password is the hashed key, under any pepper; in constant time.

    text_only  it is one of 2.x
    """
    if text_only and not is_text(password):
        return False
    version, _, rest = stored_hash.partition("$")
    salt, _, digest = rest.partition("$")
    if version != _VERSION or not salt or not digest.isascii():
        return False
    matches = [
        hmac.compare_digest(_digest(pepper, salt, candidate), digest)
        for pepper in settings.CHARGER_KEY_PEPPERS
        for candidate in ((canonical(password.decode()),) if text_only else candidates(password))
    ]
    return any(matches)


def _digest(pepper: str, salt: str, key: bytes) -> str:
    return hmac.digest(pepper.encode(), salt.encode() + b"$" + key, "sha256").hex()
