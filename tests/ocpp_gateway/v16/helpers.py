"""What chargers that speak OCPP 1.6 say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpp_gateway.wire.timestamps import format_timestamp
from tests.factories import T0
from tests.ocpp_gateway.csms import Answer, Call, Csms, Payload
from transactions.models import Transaction

__all__ = ["Answer", "Call", "Csms", "Payload"]


def clock(at: datetime | None = None, **since: float) -> str:
    """A charger's timestamp: `clock(minutes=5)` is five minutes after T0."""
    return format_timestamp((at or T0) + timedelta(**since))


def start(
    connector: int = 1,
    tag: str = "04A1B2C3",
    meter: int = 1000,
    at: datetime | str = T0,
    **more: Any,
) -> Payload:
    """StartTransaction.req"""
    timestamp = at if isinstance(at, str) else format_timestamp(at)
    return {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": timestamp, **more}


def stop(transaction_id: int, meter: int = 11000, at: datetime | str | None = None, **more: Any) -> Payload:
    """StopTransaction.req of the smallest kind: no tag, no reason; one hour after T0 unless told."""
    at = at or T0 + timedelta(hours=1)
    timestamp = at if isinstance(at, str) else format_timestamp(at)
    return {"transactionId": transaction_id, "meterStop": meter, "timestamp": timestamp, **more}


def moment(samples: Sequence[Payload] | str, at: datetime | str | None = T0) -> Payload:
    """One MeterValue; a text stands for one sample with nothing but this value."""
    if isinstance(samples, str):
        samples = [{"value": samples}]
    element: Payload = {"sampledValue": list(samples)}
    if at is not None:
        element["timestamp"] = at if isinstance(at, str) else format_timestamp(at)
    return element


def meter(*moments: Payload, connector: int = 1, transaction: int | None = None) -> Payload:
    """MeterValues.req"""
    payload: Payload = {"connectorId": connector, "meterValue": list(moments)}
    if transaction is not None:
        payload["transactionId"] = transaction
    return payload


def status(
    connector: int, value: str, at: datetime | None = None, error: str = "NoError", **more: Any
) -> Payload:
    """StatusNotification.req; without a time unless told."""
    payload: Payload = {"connectorId": connector, "status": value, "errorCode": error, **more}
    if at is not None:
        payload["timestamp"] = format_timestamp(at)
    return payload


def boot(**more: Any) -> Payload:
    """BootNotification.req"""
    return {"chargePointVendor": "Amperia", "chargePointModel": "Duo 22", **more}


def session(transaction_id: int | str) -> Transaction:
    """The session with this id on the wire, as stored."""
    row: Transaction = Transaction.objects.get(ocpp_id=str(transaction_id))
    return row


def wh(text: str) -> Decimal:
    """An energy."""
    return Decimal(text)
