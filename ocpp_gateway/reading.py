"""Values out of the charger's messages, and into ours: what all versions share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp
from transactions.services.sessions import usable_register

EARLIEST_YEAR = 2015


def timestamp(value: object) -> datetime | None:
    """A charger's time as it is, even from a dead clock; None when it cannot be read."""
    return parse_timestamp(value)


def status_timestamp(value: object) -> datetime | None:
    """A charger's time where only the order matters: None as well when its clock was never set."""
    at = parse_timestamp(value)
    return at if at is not None and at.year >= EARLIEST_YEAR else None


def register(value: object) -> tuple[Decimal | None, str]:
    """A meter register in Wh and its text as received; None when it is no number, negative or too large."""
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None, text
    return (usable_register(number) if number.is_finite() else None), text


def whole(value: object, default: int = 0) -> int:
    """A whole number that fits the database; anything else is the default."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return default
    number = int(value)
    return number if abs(number) < 2**31 else default


def text(payload: Mapping[str, Any], name: str, limit: int = 255) -> str:
    """A text field, "" when it is absent."""
    value = payload.get(name)
    return "" if value is None else str(value)[:limit]


def without_none(**fields: Any) -> dict[str, Any]:
    """A payload without its absent fields: chargers fail on null."""
    return {name: value for name, value in fields.items() if value is not None}


def copied(payload: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """ours → theirs, absent arguments stay absent."""
    return {theirs: payload[ours] for ours, theirs in names.items() if payload.get(ours) is not None}


def times(payload: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """As `copied`, for moments: in UTC, as chargers read them."""
    return {
        theirs: format_timestamp(datetime.fromisoformat(moment))
        for theirs, moment in copied(payload, **names).items()
    }
