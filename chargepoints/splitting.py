"""Orders about many variables, cut into messages that the charger takes (2.0.1 B05.FR.11, B06.FR.05, B08.FR.17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chargepoints.models import ChargePoint, Variable
from chargepoints.selectors import has_device_model

#: Neutral order → the argument that holds its entries, and the instance under which chargers tell their limits.
_SPLIT = {
    "get_configuration": ("keys", "GetVariables"),
    "get_variables": ("variables", "GetVariables"),
    "set_variables": ("variables", "SetVariables"),
    "get_report": ("variables", "GetReport"),
}
_ITEMS, _BYTES = "itemspermessage", "bytespermessage"
#: What a charger of 2.x gets in one message as long as it has not said how much it takes.
_DEFAULT_ITEMS = 50
#: Bytes of JSON around the names and the value of an entry, and around all entries; rather too many.
_ENTRY, _FRAME = 170, 150


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a charger takes in one message; None: it does not say."""

    items: int | None = None
    bytes: int | None = None


def pieces(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The payloads of the orders that one order becomes; mostly itself alone."""
    if action not in _SPLIT:
        return [dict(payload)]
    name, instance = _SPLIT[action]
    entries = payload.get(name) or []
    if len(entries) < 2:
        return [dict(payload)]
    limits = limits_of(charge_point, instance)
    groups = cut(entries, limits) if limits is not None else [entries]
    found = [{**payload, name: group} for group in groups]
    for later in found[1:]:
        later.pop("request_id", None)  # a report of its own
    return found


def limits_of(charge_point: ChargePoint, instance: str) -> Limits | None:
    """What the charger said of these messages; None where it has no device model."""
    rows = Variable.objects.filter(
        charge_point=charge_point,
        component__iexact="DeviceDataCtrlr",
        name_key__in=(_ITEMS, _BYTES),
        gone_at=None,
    )
    said = {
        row.name_key: _whole(row.value)
        for row in rows.filter(instance__iexact=instance, attribute="Actual", is_unknown=False)
    }
    if not said and not has_device_model(charge_point):
        return None
    return Limits(items=said.get(_ITEMS) or _DEFAULT_ITEMS, bytes=said.get(_BYTES))


def cut(entries: list[Any], limits: Limits) -> list[list[Any]]:
    """Groups of entries, in their order, each of which fits; one that is too long by itself stands alone."""
    groups: list[list[Any]] = [[]]
    size = _FRAME
    for entry in entries:
        length = _ENTRY + _length(entry)
        too_many = limits.items is not None and len(groups[-1]) >= limits.items
        too_long = limits.bytes is not None and size + length > limits.bytes
        if groups[-1] and (too_many or too_long):
            groups.append([])
            size = _FRAME
        groups[-1].append(entry)
        size += length
    return groups


def key_of(idempotency_key: str, number: int) -> str:
    """The idempotency key of a later piece of an order."""
    return f"{idempotency_key[:120]}.{number}" if idempotency_key else ""


def _length(entry: Any) -> int:
    texts = entry.values() if isinstance(entry, Mapping) else (entry,)
    # Characters outside of ASCII take up to 4 bytes; quotes and backslashes are doubled.
    return sum(len(str(text).encode()) + str(text).count('"') + str(text).count("\\") for text in texts)


def _whole(text: str | None) -> int | None:
    cleaned = (text or "").strip()
    return int(cleaned) if cleaned.isascii() and cleaned.isdigit() and 0 < int(cleaned) < 2**31 else None
