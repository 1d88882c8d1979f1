"""What charging stations that speak OCPP 2.x say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ocpp_gateway.wire.errors import V21, V201
from ocpp_gateway.wire.timestamps import format_timestamp
from tests.factories import T0
from tests.ocpp_gateway.csms import Answer, Call, Order, Payload
from tests.ocpp_gateway.csms import Csms as AnyCsms
from transactions.models import Transaction

__all__ = ["Answer", "Call", "Csms", "Csms21", "Order", "Payload"]


class Csms(AnyCsms):
    """The system under test, as charging stations of 2.0.1 see it."""

    version = V201


class Csms21(AnyCsms):
    """The system under test, as charging stations of 2.1 see it."""

    version = V21


def clock(at: datetime | None = None, **since: float) -> str:
    """A charger's timestamp: `clock(minutes=5)` is five minutes after T0."""
    return format_timestamp((at or T0) + timedelta(**since))


def boot(reason: str = "PowerUp", **station: Any) -> Payload:
    """BootNotificationRequest"""
    return {"reason": reason, "chargingStation": {"vendorName": "Amperia", "model": "Duo 22", **station}}


def status(evse: int, value: str, at: datetime | str = T0, connector: int = 1, **more: Any) -> Payload:
    """StatusNotificationRequest"""
    timestamp = at if isinstance(at, str) else format_timestamp(at)
    return {
        "evseId": evse,
        "connectorId": connector,
        "connectorStatus": value,
        "timestamp": timestamp,
        **more,
    }


def token(value: str = "04A1B2C3", kind: str = "ISO14443", **more: Any) -> Payload:
    """IdTokenType"""
    return {"idToken": value, "type": kind, **more}


def moment(*samples: Payload | float, at: datetime | str = T0, context: str | None = None) -> Payload:
    """One MeterValueType; a number stands for the energy register in Wh."""
    given: list[Payload] = [
        dict(sample) if isinstance(sample, dict) else {"value": sample} for sample in samples
    ]
    for sample in given:
        if context is not None:
            sample.setdefault("context", context)
    timestamp = at if isinstance(at, str) else format_timestamp(at)
    return {"timestamp": timestamp, "sampledValue": given}


def meter(*moments: Payload, evse: int = 1) -> Payload:
    """MeterValuesRequest"""
    return {"evseId": evse, "meterValue": list(moments)}


def event(
    kind: str,
    seq: int,
    *moments: Payload,
    tx: str = "tx-1",
    at: datetime | str = T0,
    trigger: str | None = None,
    evse: int | Payload | None = None,
    info: Payload | None = None,
    **more: Any,
) -> Payload:
    """TransactionEventRequest

    kind   Started, Updated, Ended
    evse   a number stands for its connector 1
    info   more of transactionInfo: chargingState, stoppedReason, remoteStartId …
    """
    usual = {"Started": "CablePluggedIn", "Updated": "MeterValuePeriodic", "Ended": "EVCommunicationLost"}
    payload: Payload = {
        "eventType": kind,
        "timestamp": at if isinstance(at, str) else format_timestamp(at),
        "triggerReason": trigger or usual[kind],
        "seqNo": seq,
        "transactionInfo": {"transactionId": tx, **(info or {})},
        **more,
    }
    if evse is not None:
        payload["evse"] = {"id": evse, "connectorId": 1} if isinstance(evse, int) else evse
    if moments:
        payload["meterValue"] = list(moments)
    return payload


def session(ocpp_id: str = "tx-1") -> Transaction:
    """The session with this id on the wire, as stored."""
    row: Transaction = Transaction.objects.get(ocpp_id=ocpp_id)
    return row
