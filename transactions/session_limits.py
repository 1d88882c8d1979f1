"""Limits of one session in cost, energy, time and state of charge (OCPP 2.1 E16, C17).

Pure. A session keeps them as JSON: `wanted` by us, `told` to the charger, `reported` by it, each by kind with the
number as text; `met` are those that the charger keeps by a lower limit of its own, `unknown` the kinds that it does not
know, and `prepaid` says that the cost is taken from a balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_COST, MAX_ENERGY, MAX_TIME, MAX_SOC = "maxCost", "maxEnergy", "maxTime", "maxSoC"
KINDS = (MAX_COST, MAX_ENERGY, MAX_TIME, MAX_SOC)
WHOLE = frozenset({MAX_TIME, MAX_SOC})
HIGHEST = Decimal(10) ** 9

Limits = dict[str, Any]


def read(given: Mapping[str, Any]) -> dict[str, str]:
    """The limits that can be used of what somebody has sent: by kind, as text; others are left out."""
    found = {}
    for kind in KINDS:
        number = _number(given.get(kind))
        if number is not None:
            found[kind] = f"{number:f}"
    return found


def _number(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) <= HIGHEST else None


def wanting(limits: Limits | None, wanted: Mapping[str, Any], *, prepaid: bool = False) -> Limits:
    """The limits with these wishes of ours; of two for the same kind the one that was given last holds."""
    kept = dict(limits or {})
    kept["wanted"] = {**kept.get("wanted", {}), **read(wanted)}
    if prepaid:
        kept["prepaid"] = True
    return kept


def lowest(*many: Mapping[str, Any]) -> dict[str, str]:
    """Of each kind the lowest limit."""
    found: dict[str, str] = {}
    for limits in many:
        for kind, text in read(limits).items():
            if kind not in found or Decimal(text) < Decimal(found[kind]):
                found[kind] = text
    return found


def reporting(limits: Limits | None, reported: Mapping[str, Any]) -> Limits:
    """The limits with what the charger says that it keeps to."""
    kept = dict(limits or {})
    kept["reported"] = {**kept.get("reported", {}), **read(reported)}
    return kept


def to_tell(limits: Limits | None, supported: Iterable[str]) -> tuple[dict[str, str], Limits]:
    """What is to be said in the next answer, once, and the limits as they are kept then.

    Only kinds that the charger supports (E16.FR.12), only what it was not told yet (E16.FR.02), and nothing where its
    own limit is as low (E16.FR.08).
    """
    kept = dict(limits or {})
    told, reported, met = kept.get("told", {}), kept.get("reported", {}), kept.get("met", {})
    known = set(supported)
    due, by_itself = {}, {}
    for kind, text in kept.get("wanted", {}).items():
        if kind not in known or text in (told.get(kind), met.get(kind)):
            continue
        if kind not in told and kind in reported and Decimal(reported[kind]) <= Decimal(text):
            by_itself[kind] = text
        else:
            due[kind] = text
    unknown = sorted(kept.get("wanted", {}).keys() - known)
    news = {"told": {**told, **due}, "met": {**met, **by_itself}, "unknown": unknown}
    for name, value in news.items():
        if value or name in kept:
            kept[name] = value
    return due, kept


def is_pending(limits: Limits | None) -> bool:
    """Whether something is still to be said, without a look at what the charger supports."""
    if not limits:
        return False
    told, met, unknown = limits.get("told", {}), limits.get("met", {}), limits.get("unknown", ())
    return any(
        kind not in unknown and text not in (told.get(kind), met.get(kind))
        for kind, text in limits.get("wanted", {}).items()
    )


def unconfirmed(limits: Limits | None) -> dict[str, str]:
    """What was told and not confirmed by the charger: said again in the answer to a message that was repeated."""
    reported = (limits or {}).get("reported", {})
    return {kind: text for kind, text in (limits or {}).get("told", {}).items() if reported.get(kind) != text}


def on_the_wire(due: Mapping[str, str]) -> dict[str, int | float]:
    """TransactionLimitType."""
    return {
        kind: int(Decimal(text)) if kind in WHOLE else float(round(Decimal(text), 6))
        for kind, text in due.items()
    }
