"""Words of OCPP 2.x and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from accounts.choices import TokenType
from accounts.models import IdToken
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
    "amount",
    "copied",
    "evse_numbers",
    "group",
    "id_token",
    "id_token_info",
    "message_content",
    "moments",
    "register",
    "said_evse",
    "said_group",
    "said_token",
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
#: Decimals of a number that we send (2.1 part 2 §2.1.4).
MAX_DECIMALS = 6
#: Characters of a text for the driver (2.0.1 part 2, MessageContentType).
MAX_TEXT = 512


def amount(value: Decimal) -> int | float:
    """An amount of money as a number on the wire."""
    return float(round(value, MAX_DECIMALS))


def message_content(text: str, language: str = "") -> dict[str, Any]:
    """MessageContentType: words for a display."""
    content: dict[str, Any] = {"format": "UTF8", "content": text[:MAX_TEXT]}
    return content | ({"language": language[:8]} if language else {})


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
    """IdTokenInfoType (2.0.1 §2.29): the time until which it may be cached is the token's expiry.

    An expiry in the past is not sent: it has its own status.
    """
    if authorization is None:
        return None
    expires_at, token = authorization.cache_until or authorization.expires_at, authorization.token
    info = without_none(
        status=_status(authorization),
        cacheExpiryDateTime=format_timestamp(expires_at) if expires_at is not None else None,
        groupIdToken=group(authorization.group_name, authorization.group_type),
    )
    if token is not None:
        info |= _more_of(token)
    said = token.personal_message if token is not None else ""
    if said or authorization.message:
        language = token.language1 if token is not None and said else ""
        info["personalMessage"] = message_content(
            "\n".join(filter(None, (said, authorization.message))), language
        )
    return info


def _status(authorization: Authorization) -> str:
    """A token that nobody knows is Unknown, but a key code is Invalid (C04.FR.01)."""
    if authorization.is_unknown and authorization.type != TokenType.KEY_CODE:
        return "Unknown"
    return str(authorization.status)


def _more_of(token: IdToken) -> dict[str, Any]:
    """What the driver is told, and in which language; rarely anything."""
    more: dict[str, Any] = {}
    if token.language1:
        more["language1"] = token.language1
    if token.language2:
        more["language2"] = token.language2
    if token.charging_priority is not None:
        more["chargingPriority"] = token.charging_priority
    return more


# ---------------------------------------------------------------- our words in theirs
def said_token(payload: Mapping[str, Any]) -> dict[str, str]:
    """IdTokenType of the tag that an order names."""
    return {"idToken": payload["id_token"], "type": payload.get("id_token_type") or TokenType.ISO14443.value}


def said_group(payload: Mapping[str, Any]) -> dict[str, str] | None:
    """IdTokenType of the group that an order names, if it names one."""
    return group(payload.get("parent_id_token") or "", payload.get("group_type") or TokenType.CENTRAL.value)


def group(name: str, kind: str) -> dict[str, str] | None:
    """A group as IdTokenType; None for none."""
    return {"idToken": name, "type": kind} if name else None


def said_evse(payload: Mapping[str, Any]) -> dict[str, int] | None:
    """EVSEType of the place that an order names; None for the charging station as a whole."""
    if not payload.get("connector"):
        return None
    return {"id": payload["connector"], **copied(payload, within="connectorId")}
