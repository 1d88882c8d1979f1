"""What a charger has said about the lists that it takes (OCPP 1.6 §9.2; 2.0.1 LocalAuthListCtrlr)."""

from __future__ import annotations

from chargepoints.list_plan import DEFAULT_MESSAGE_LENGTH, MAX_MESSAGE_LENGTH, Limits
from chargepoints.models import ChargePoint, Variable

ENABLED = "LocalAuthListEnabled"
LIST_LENGTH = "LocalAuthListMaxLength"
MESSAGE_LENGTH = "SendLocalListMaxLength"
KEYS = (ENABLED, LIST_LENGTH, MESSAGE_LENGTH)

_COMPONENT = "LocalAuthListCtrlr"
_BYTES, _ITEMS, _ENTRIES = "BytesPerMessage", "ItemsPerMessage", "entries"
#: The same of the device model; how many tags a list may have is the limit of a variable, which a report tells.
VARIABLES = tuple(f"{_COMPONENT}/{name}" for name in ("Enabled", _ITEMS, _BYTES))
# Variable of the device model → what we call it.
_OF_DEVICE_MODEL = {"enabled": ENABLED, "itemspermessage": MESSAGE_LENGTH, "bytespermessage": _BYTES}


def limits_of(charge_point: ChargePoint) -> Limits:
    """How much it takes: in all, and in one message."""
    said = _said(charge_point)
    message_length = _whole(said.get(MESSAGE_LENGTH)) or DEFAULT_MESSAGE_LENGTH
    return Limits(
        list_length=_whole(said.get(LIST_LENGTH)),
        message_length=min(message_length, MAX_MESSAGE_LENGTH),
        message_bytes=_whole(said.get(_BYTES)),
    )


def has_limits(charge_point: ChargePoint) -> bool:
    """Whether it has said how much it takes."""
    return bool({LIST_LENGTH, MESSAGE_LENGTH, _BYTES} & _said(charge_point).keys())


def is_switched_off(charge_point: ChargePoint) -> bool:
    """Whether the charger said that it does not use its list."""
    return (_said(charge_point).get(ENABLED) or "").strip().casefold() == "false"


def _said(charge_point: ChargePoint) -> dict[str, str | None]:
    """What the version says that the charger speaks now; a key of 1.6 where both are known."""
    names = {name.casefold(): name for name in KEYS}
    rows = Variable.objects.filter(charge_point=charge_point, gone_at=None, attribute="Actual")
    keys = rows.filter(component="", name_key__in=names)
    variables = rows.filter(component__iexact=_COMPONENT, name_key__in=(*_OF_DEVICE_MODEL, _ENTRIES))
    said: dict[str, str | None] = {}
    for key, value, limit in variables.values_list("name_key", "value", "max_limit"):
        if key != _ENTRIES:
            said[_OF_DEVICE_MODEL[key]] = value
        elif limit is not None:
            said[LIST_LENGTH] = f"{limit:.0f}"
    return said | {names[key]: value for key, value in keys.values_list("name_key", "value")}


def _whole(text: str | None) -> int | None:
    """A number above zero; what is no number or makes no sense limits nothing."""
    cleaned = (text or "").strip()
    return int(cleaned) if cleaned.isascii() and cleaned.isdigit() and 0 < int(cleaned) < 2**31 else None
