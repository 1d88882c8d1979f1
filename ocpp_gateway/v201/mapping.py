"""Words of OCPP 2.x and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from accounts.choices import TokenType
from accounts.services.authorization import Authorization
from ocpp_gateway.reading import (
    copied,
    register,
    status_timestamp,
    text,
    times,
    timestamp,
    whole,
    without_none,
)
from ocpp_gateway.wire.timestamps import format_timestamp
from transactions.energy import Sample
from transactions.services.batch import Moment

__all__ = [
    "copied",
    "evse_numbers",
    "id_token",
    "id_token_info",
    "moments",
    "register",
    "status_info",
    "status_timestamp",
    "text",
    "times",
    "timestamp",
    "whole",
    "without_none",
]

MAX_MULTIPLIER = 30
MAX_INFO = 512  # characters of StatusInfoType.additionalInfo


def id_token(value: object) -> tuple[str, str] | None:
    """IdTokenType: the value and its type; None where the message names none.

    A driver without any means of identification has the type NoAuthorization and an empty value (C02).
    """
    if not isinstance(value, Mapping):
        return None
    return text(value, "idToken"), text(value, "type", 20) or TokenType.ISO14443


def evse_numbers(value: object) -> tuple[int, int | None]:
    """EVSEType: the EVSE, and its connector if it is named; 0 is the charging station itself."""
    if not isinstance(value, Mapping):
        return 0, None
    connector = value.get("connectorId")
    return max(0, whole(value.get("id"))), None if connector is None else max(1, whole(connector, 1))


def moments(values: object) -> tuple[Moment, ...]:
    """MeterValueType elements of MeterValues and TransactionEvent."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ()
    return tuple(
        [
            Moment(at=timestamp(value.get("timestamp")), samples=_samples(value.get("sampledValue")))
            for value in values
            if isinstance(value, Mapping)
        ]
    )


def _samples(values: object) -> tuple[Sample, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ()
    found: list[Sample] = []
    for value in values:
        if isinstance(value, dict) and value.get("value") is not None:
            found.append(_sample(value))
            if (signed := value.get("signedMeterValue")) is not None:
                found.append(_signed(value, signed))
    return tuple(found)


def _sample(value: dict[str, Any]) -> Sample:
    get = value.get
    unit = get("unitOfMeasure")
    number = value["value"]
    if unit is None:
        return Sample(
            str(number), get("measurand"), None, get("phase"), get("context"), get("location"), None
        )
    multiplier = unit.get("multiplier")
    shown = _scaled(str(number), multiplier) if multiplier else str(number)
    return Sample(
        shown, get("measurand"), unit.get("unit"), get("phase"), get("context"), get("location"), None
    )


def _scaled(number: str, multiplier: object) -> str:
    """The value times 10^multiplier, exactly (UnitOfMeasureType); as received where that makes no number."""
    if not isinstance(multiplier, int) or abs(multiplier) > MAX_MULTIPLIER:
        return number
    try:
        return f"{Decimal(number).scaleb(multiplier):f}"
    except (InvalidOperation, ValueError):
        return number


def _signed(value: dict[str, Any], signed: Any) -> Sample:
    """The signed form of a value, verbatim, beside it; no figure is taken from it."""
    get = value.get
    kept = orjson.dumps(signed).decode()
    return Sample(kept, get("measurand"), None, get("phase"), get("context"), get("location"), "SignedData")


def status_info(problem: str) -> dict[str, Any] | None:
    """StatusInfoType: why something was refused, in words; None where there is nothing to say."""
    return {"reasonCode": "Unspecified", "additionalInfo": problem[:MAX_INFO]} if problem else None


def id_token_info(authorization: Authorization | None) -> dict[str, Any] | None:
    """IdTokenInfoType (2.0.1 §2.29): the time until which it may be cached is the token's expiry."""
    if authorization is None:
        return None
    expires_at = authorization.expires_at
    info = without_none(
        status=str(authorization.status),
        cacheExpiryDateTime=format_timestamp(expires_at) if expires_at is not None else None,
    )
    if authorization.group_name:
        info["groupIdToken"] = {"idToken": authorization.group_name[:36], "type": TokenType.CENTRAL.value}
    return info
