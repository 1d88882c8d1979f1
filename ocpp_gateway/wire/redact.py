"""Take secrets out of what is logged and shown: keys, passwords, PINs, credentials in URLs.

Only the message log and log lines use this; handlers see the payload as it came.
"""

import re
from typing import Any, Final

MASK: Final = "***"

# Messages of a usual day, none of which can hold a secret: returned as they are, not walked.
_PLAIN: Final = frozenset(
    {
        "ClearCache",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "Reset",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "UnlockConnector",
    }
)

#: What the names of configuration keys, variables and fields contain whose value is hidden; the same pattern as in
#: chargepoints.redaction. "token" excludes idToken, "key" alone would hide too much (1.6 calls every name a key).
HIDDEN_NAMES: Final = (
    r"passw|passphrase|\bpwd\b|secret|credential|\bpsk\b|\bpin\b|pin_?code|sim_?pin"
    r"|(?:auth|authorization|private|api|access|encryption|shared|security|vpn)_?key"
    r"|(?<!id)(?<!id_)token(?!s?_?type)"
)
_HIDDEN_NAME: Final = re.compile(HIDDEN_NAMES, re.IGNORECASE)
# One of these is part of every name above: a megabyte without them is seen to hold none in 2 ms instead of 150.
_PARTS: Final = ("passw", "passphrase", "pwd", "secret", "credential", "psk", "pin", "key", "token")
_VALUE_FIELDS: Final = ("value", "attributeValue", "actualValue")
# User and password of a URL, up to the last "@" before its path; what follows the first ":" may hold "/", "?" and "#"
# unless it is a port. Bounded, so that time stays linear.
_USER_INFO: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)"
    r"(?:[^/?#\s@:\[\"'\\]{0,64}:(?!\d*(?:[/?#]|$))[^\s\"'\\]{0,255}@(?:[^/?#\s\"'\\]*@)?"
    r"|[^/?#\s\"'\\]*@)"
)
# Our own addresses of one-time use.
_LINK: Final = re.compile(r"(/files/(?:firmware|upload)/)[^/?#\s\"'\\]+")


def redact_payload(action: str, payload: Any) -> Any:
    """The payload of a request or response of this action with secrets replaced by "***".

    Parts without secrets are shared with the original, which is not changed. Covers the AuthorizationKey
    of 1.6, BasicAuthPassword and network profiles of 2.x, any key or variable that is named like a secret,
    KeyCode tokens (2.0.1 C04.FR.04), user and password inside URLs, and the text of DataTransfer.
    """
    if action in _PLAIN:
        return payload
    if action == "NotifyCustomerInformation" and isinstance(payload, dict):
        # Personal data: kept where those who may read it look for it, and no longer than that.
        return {name: MASK if name == "data" else item for name, item in payload.items()}
    if action == "TransactionEvent" and isinstance(payload, dict):
        # The busiest message of 2.x: only its tokens can be secret, the samples need no walk.
        return {
            name: _redact(item, name) if name.startswith("idToken") else item
            for name, item in payload.items()
        }
    return _redact(payload, None)


def _redact(value: Any, parent: str | None) -> Any:
    if isinstance(value, dict):
        return _redact_object(value, parent)
    if isinstance(value, list):
        return [_redact(item, parent) for item in value]
    if isinstance(value, str):
        return _redact_string(value, parent)
    return value


def _redact_object(value: dict[str, Any], parent: str | None) -> dict[str, Any]:
    hidden = _hidden_fields(value)
    if parent == "vpn":
        hidden.add("key")
    return {
        name: _mask(item) if name in hidden or _hides(name, item) else _redact(item, name)
        for name, item in value.items()
    }


def _hidden_fields(value: dict[str, Any]) -> set[str]:
    """The fields of one object that its other fields make secret."""
    variable = value.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else value.get("key")
    hidden: set[str] = set()
    if isinstance(name, str) and _HIDDEN_NAME.search(name):
        hidden.update(_VALUE_FIELDS, ("variableAttribute",))
    if str(value.get("type")).casefold() == "keycode":
        hidden.update(("idToken", "additionalIdToken"))
    return hidden


def _hides(name: str, item: Any) -> bool:
    return not isinstance(item, (dict, list, bool)) and _HIDDEN_NAME.search(name) is not None


def _mask(value: Any) -> Any:
    """Hide a value; of attributes only their values, so that type and mutability stay readable."""
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if isinstance(value, dict):
        return {name: MASK if name in _VALUE_FIELDS else item for name, item in value.items()}
    return value if value is None else MASK


def _redact_string(value: str, name: str | None) -> str:
    return redact_text(value) if name == "data" or "://" in value else value


# Text that is no valid JSON, or JSON inside a string (quotes with backslashes). Values are hidden up to
# their closing quote or the end of the text; numbers and bare words up to the next delimiter.
_BARE: Final = r"[^\s,\]}\"'\\]+"
_QUOTED: Final = r"(?P<quote>\\*[\"'])(?:(?!(?P=quote))(?:\\.|.))*(?:(?P=quote)|\Z)"
_FIELD: Final = r"(?P<name>{name}\\*[\"']?\s*[:=]\s*)(?:{quoted}|{bare})"
_KEY_CODE: Final = re.compile(r"keycode", re.IGNORECASE)


def _field_pattern(name: str) -> re.Pattern[str]:
    return re.compile(_FIELD.format(name=name, quoted=_QUOTED, bare=_BARE), re.IGNORECASE | re.DOTALL)


_HIDDEN_FIELD: Final = _field_pattern(rf"(?:{HIDDEN_NAMES})[\w.-]{{0,40}}")
_VALUE_FIELD: Final = _field_pattern(r"\b(?:value|attributeValue|actualValue)")
_TOKEN_FIELD: Final = _field_pattern(r"\b(?:idToken|additionalIdToken)")


def redact_text(text: str) -> str:
    """Raw text, of a frame that could not be parsed, with secrets replaced; hides rather too much.

    Where any name looks like a secret, the values of all keys and variables in the text are hidden. Cut
    long text afterwards, not before: the name may follow its value. About one second per megabyte at worst.
    """
    if "://" in text:
        text = _LINK.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1{MASK}@", text))
    if _may_name_a_secret(text) and _HIDDEN_NAME.search(text):
        text = _VALUE_FIELD.sub(_masked, _HIDDEN_FIELD.sub(_masked, text))
    if _KEY_CODE.search(text):
        text = _TOKEN_FIELD.sub(_masked, text)
    return text


def _may_name_a_secret(text: str) -> bool:
    if not text.isascii():
        return True  # letters such as the dotless i are equal to others without regard to case
    lowered = text.lower()
    return any(part in lowered for part in _PARTS)


def _masked(match: re.Match[str]) -> str:
    quote = match["quote"] or ""
    return f"{match['name']}{quote}{MASK}{quote}"
