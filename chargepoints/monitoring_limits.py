"""How many monitors fit into one message to a charger (2.x N04, N06: ItemsPerMessage, BytesPerMessage)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Variable

#: Where a charger has not said how many it takes.
USUAL: Final = 10
_COMPONENTS: Final = ("monitoringctrlr", "monitoringctrl")
# action → instance of the variables, argument
_LISTS: Final = {
    "set_variable_monitoring": ("setvariablemonitoring", "monitors"),
    "clear_variable_monitoring": ("clearvariablemonitoring", "monitor_ids"),
}
#: What a message needs beside its list, and an entry beside its values.
_FRAME, _ENTRY = 40, 160


@dataclass(frozen=True, slots=True)
class Limits:
    """What a charger said that it takes in one message; None: nothing."""

    items: int | None = None
    size: int | None = None


def limits_of(charge_point: ChargePoint, action: str) -> Limits:
    """What the charger's device model says about this command."""
    instance, _ = _LISTS[action]
    rows = Variable.objects.filter(
        charge_point=charge_point,
        name_key__in=("itemspermessage", "bytespermessage"),
        attribute="Actual",
        gone_at=None,
    )
    said = {
        row.name_key: row.value
        for row in rows
        if row.component.casefold() in _COMPONENTS and row.instance.casefold() == instance
    }
    return Limits(items=_whole(said.get("itemspermessage")), size=_whole(said.get("bytespermessage")))


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and 0 < int(text) < 2**31 else None


def in_pieces(charge_point: ChargePoint, action: str, items: Sequence[Any]) -> Iterator[list[Any]]:
    """The items as so many messages can carry them."""
    limits = limits_of(charge_point, action)
    most = limits.items or USUAL
    piece: list[Any] = []
    for item in items:
        if piece and (len(piece) >= most or not _fits(limits, [*piece, item])):
            yield piece
            piece = []
        piece.append(item)
    if piece:
        yield piece


def _fits(limits: Limits, items: Sequence[Any]) -> bool:
    return limits.size is None or _size(items) <= limits.size


def _size(items: Sequence[Any]) -> int:
    """About how long the message gets; rather too long."""
    entries = (
        len(json.dumps(item)) + _ENTRY if isinstance(item, Mapping) else len(str(item)) + 1 for item in items
    )
    return _FRAME + sum(entries)


def check(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """Refuse an order that the charger has said that it does not take (N06.FR.04).

    Raises  InvalidPayload
    """
    if action not in _LISTS:
        return
    _, name = _LISTS[action]
    items, limits = payload[name], limits_of(charge_point, action)
    if limits.items is not None and len(items) > limits.items:
        raise InvalidPayload({name: f"The charger takes {limits.items} in one message: send them in parts."})
    if not _fits(limits, items):
        raise InvalidPayload(
            {name: f"The charger takes messages of {limits.size} bytes: send fewer at once."}
        )
