"""Words of OCPP 1.6 and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.choices import AuthorizationStatus
from accounts.services.authorization import Authorization
from ocpp_gateway.reading import register, status_timestamp, text, timestamp, whole, without_none
from ocpp_gateway.wire.timestamps import format_timestamp
from transactions.energy import Sample
from transactions.services.batch import Moment

__all__ = [
    "id_tag_info",
    "moments",
    "register",
    "status_timestamp",
    "text",
    "timestamp",
    "transaction_id",
    "whole",
    "without_none",
]


def transaction_id(value: object) -> str:
    """The id of a session as we keep it; "" where the charger named none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)[:36]


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


#: What OCPP 1.6 has no word for (§7.2).
_STATUS = {
    AuthorizationStatus.NO_CREDIT: AuthorizationStatus.BLOCKED,
    AuthorizationStatus.NOT_ALLOWED_TYPE_EVSE: AuthorizationStatus.INVALID,
    AuthorizationStatus.NOT_AT_THIS_LOCATION: AuthorizationStatus.INVALID,
    AuthorizationStatus.NOT_AT_THIS_TIME: AuthorizationStatus.INVALID,
}


def id_tag_info(authorization: Authorization | None) -> dict[str, Any] | None:
    """IdTagInfo (§7.8). An expiry in the past never goes with Accepted."""
    if authorization is None:
        return None
    expires_at = authorization.expires_at
    return without_none(
        status=str(_STATUS.get(authorization.status, authorization.status)),
        parentIdTag=authorization.group_name[:20] or None,
        expiryDate=format_timestamp(expires_at) if expires_at is not None else None,
    )
