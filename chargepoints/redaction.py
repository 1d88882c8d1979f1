"""Take secrets out of command payloads before they are stored in the open, shown or audited."""

from __future__ import annotations

import re
from typing import Any, Final

MASK = "***"

#: What the names of secrets contain; the same pattern as in the gateway's message log, which imports nothing of ours.
#: "token" excludes idToken; "key" alone would hide too much: OCPP 1.6 calls every configuration name a key.
HIDDEN_NAMES: Final = (
    r"passw|passphrase|\bpwd\b|secret|credential|\bpsk\b|\bpin\b|pin_?code|sim_?pin"
    r"|(?:auth|authorization|private|api|access|encryption|shared|security|vpn)_?key"
    r"|(?<!id)(?<!id_)token(?!s?_?type)"
)
_SECRET = re.compile(HIDDEN_NAMES, re.IGNORECASE)
# User and password of a URL, up to the last "@" before its path. People paste passwords as they are: what follows
# the first ":" is one unless it is a port, and may hold any character. Bounded, so that time stays linear.
_USER_INFO = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)"
    r"(?:[^/?#\s@:\[]{0,64}:(?!\d*(?:[/?#]|$))\S{0,255}@(?:[^/?#\s]*@)?|[^/?#\s]*@)"
)
_QUERY = re.compile(r"([?&])([^?&=#\s]{1,64})=([^&#\s]+)")
# Our own addresses of one-time use: who reads them could fetch the firmware, or upload something else.
_LINK = re.compile(r"(/files/(?:firmware|upload)/)[^/?#\s\"'\\]+")
_MAX_INTEGER = 2**63
_VALUES = frozenset({"value", "attributeValue", "actualValue"})
_TOKENS = frozenset({"id_token", "idToken", "additionalIdToken"})


def is_secret_name(name: str) -> bool:
    """Whether a configuration key, variable or field of this name holds a secret."""
    return _SECRET.search(name) is not None


def redact(value: Any) -> Any:
    """A copy with secret values and the credentials in URLs replaced by `***`; structure stays.

    Secret is the value of a key, variable or field named so, the key of a VPN (2.0.1 VPNType), and a token that is a
    key code (C04.FR.04).
    What no database column takes is replaced as well: NUL, halves of surrogate pairs, numbers over 64 bits.
    """
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        return str(value)
    if isinstance(value, str):
        return redact_url(_storable(value))
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = (_VALUES if _names_a_secret(value) else frozenset()) | _key_code(value)
    return {
        _storable(name): MASK
        if name in hidden or _is_secret_field(name, item)
        else _redact_vpn(item)
        if name == "vpn"
        else redact(item)
        for name, item in value.items()
    }


def redact_url(text: str) -> str:
    """Text with user, password, secret query parameters and one-time links of the URLs in it replaced by `***`."""
    if "://" not in text:
        return text
    text = _LINK.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1{MASK}@", text))
    return _QUERY.sub(_masked_parameter, text)


def _masked_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={MASK}" if is_secret_name(match[2]) else match[0]


def _redact_vpn(item: Any) -> Any:
    if isinstance(item, dict) and isinstance(item.get("key"), str):
        item = {**item, "key": MASK}
    return redact(item)


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _names_a_secret(value: dict[str, Any]) -> bool:
    variable = value.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else value.get("key")
    return isinstance(name, str) and is_secret_name(name)


def _key_code(value: dict[str, Any]) -> frozenset[str]:
    """The fields that hold a key code, in orders of ours and in those of OCPP 2.x."""
    if "keycode" in (str(value.get("type")).casefold(), str(value.get("id_token_type")).casefold()):
        return _TOKENS
    return frozenset()


def _is_secret_field(name: str, item: Any) -> bool:
    return isinstance(item, str | int) and not isinstance(item, bool) and is_secret_name(name)
