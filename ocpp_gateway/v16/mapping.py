"""Words of OCPP 1.6 and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from accounts.services.authorization import Authorization
from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp
from transactions.energy import Sample
from transactions.services.batch import Moment
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


def transaction_id(value: object) -> str:
    """The id of a session as we keep it; "" where the charger named none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)[:36]


def text(payload: Mapping[str, Any], name: str, limit: int = 255) -> str:
    """A text field, "" when it is absent."""
    value = payload.get(name)
    return "" if value is None else str(value)[:limit]


def moments(values: object) -> tuple[Moment, ...]:
    """The MeterValue elements of MeterValues.req or of transactionData."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ()
    return tuple(
        Moment(at=timestamp(value.get("timestamp")), samples=_samples(value.get("sampledValue")))
        for value in values
        if isinstance(value, Mapping)
    )


def _samples(values: object) -> tuple[Sample, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ()
    return tuple(
        [_sample(value) for value in values if isinstance(value, dict) and value.get("value") is not None]
    )


def _sample(value: dict[str, Any]) -> Sample:
    get = value.get
    return Sample(
        str(value["value"]),
        get("measurand"),
        get("unit"),
        get("phase"),
        get("context"),
        get("location"),
        get("format"),
    )


def id_tag_info(authorization: Authorization | None) -> dict[str, Any] | None:
    """IdTagInfo (§7.8). An expiry in the past never goes with Accepted."""
    if authorization is None:
        return None
    expires_at = authorization.expires_at
    return without_none(
        status=str(authorization.status),
        parentIdTag=authorization.group_name[:20] or None,
        expiryDate=format_timestamp(expires_at) if expires_at is not None else None,
    )


def without_none(**fields: Any) -> dict[str, Any]:
    """A payload without its absent fields: chargers fail on null."""
    return {name: value for name, value in fields.items() if value is not None}
