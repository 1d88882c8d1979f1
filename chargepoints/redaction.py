"""Take secrets out of command payloads before they are stored in the open, shown or audited."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"

# "token" excludes idToken; "key" alone would hide too much: OCPP 1.6 calls every configuration name a key.
_SECRET = re.compile(
    r"passw|passphrase|\bpwd\b|secret|credential|(authorization|auth|private|api|access|encryption|shared)_?key"
    r"|\bpsk\b|(?<!id)(?<!id_)token(?!s?type)|\bpin\b|sim_?pin",
    re.IGNORECASE,
)
_MAX_INTEGER = 2**63
_VALUES = frozenset({"value", "attributeValue"})


def is_secret_name(name: str) -> bool:
    """Whether a configuration key, variable or field of this name holds a secret."""
    return _SECRET.search(name) is not None


def redact(value: Any) -> Any:
    """A copy with the values of secret keys, variables and fields replaced by `***`; structure stays.

    What no database column takes is replaced as well: NUL, halves of surrogate pairs, numbers over 64 bits.
    """
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        return str(value)
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = _VALUES if _names_a_secret(value) else frozenset()
    return {
        _storable(name): MASK if name in hidden or _is_secret_field(name, item) else redact(item)
        for name, item in value.items()
    }


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _names_a_secret(value: dict[str, Any]) -> bool:
    variable = value.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else value.get("key")
    return isinstance(name, str) and is_secret_name(name)


def _is_secret_field(name: str, item: Any) -> bool:
    return isinstance(item, str | int) and not isinstance(item, bool) and is_secret_name(name)
