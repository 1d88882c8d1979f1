"""Functional block F: remote control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def start(payload: Payload) -> Payload:
    """RequestStartTransaction: the group matters only where the EVSE is reserved for it."""
    if payload.get("limits"):
        raise CannotSend(
            "OCPP 2.0.1 has no limits of cost, energy, time or state of charge for a session: leave them out."
        )
    return mapping.without_none(
        remoteStartId=payload.get("remote_start_id", 1),
        idToken=mapping.said_token(payload),
        groupIdToken=mapping.said_group(payload),
        **mapping.copied(payload, connector="evseId", charging_profile="chargingProfile"),
    )


def stop(payload: Payload) -> Payload:
    """RequestStopTransaction"""
    return {"transactionId": payload["transaction_id"]}


def unlock(payload: Payload) -> Payload:
    """UnlockConnector: the only connector of most EVSEs is the first."""
    return {"evseId": payload["connector"], "connectorId": payload.get("within", 1)}


#: Messages of ours that have another name here; the upload of diagnostics is that of a log.
_NAMES = {
    "SignedFirmwareStatusNotification": "FirmwareStatusNotification",
    "DiagnosticsStatusNotification": "LogStatusNotification",
    "SignCertificate": "SignChargingStationCertificate",
}
#: By which name a message comes that is asked for by another one.
_COMES_AS: dict[str, str | None] = {
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignV2G20Certificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
    "CustomTrigger": None,
}
TRIGGERS = frozenset(
    {
        "BootNotification",
        "LogStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "SignChargingStationCertificate",
        "SignV2GCertificate",
        "StatusNotification",
        "TransactionEvent",
        "SignCombinedCertificate",
        "PublishFirmwareStatusNotification",
    }
)


def trigger_of(triggers: frozenset[str], label: str) -> Callable[[Payload], Payload]:
    """TriggerMessage in a version that knows these messages."""

    def trigger(payload: Payload) -> Payload:
        message = _NAMES.get(payload["message"], payload["message"])
        if message not in triggers:
            raise CannotSend(f"{label} knows no {message} that could be asked for.")
        evse = mapping.said_evse(payload)
        if message == "StatusNotification":
            # It exists for connectors only (F06.FR.13).
            if evse is None:
                raise CannotSend(f"In {label} one connector at a time tells its status: name it.")
            evse.setdefault("connectorId", 1)
        return mapping.without_none(
            requestedMessage=message, evse=evse, **mapping.copied(payload, custom_trigger="customTrigger")
        )

    return trigger


def asked_message(payload: Mapping[str, Any]) -> str | None:
    """The message that a TriggerMessage asks for, by the name under which it comes."""
    asked = str(payload.get("requestedMessage", ""))
    return _COMES_AS.get(asked, asked)


# ---------------------------------------------------------------- words
def tell_start(response: Payload) -> str:
    """A session that began when the cable was plugged in goes on under its id (F01.FR.13)."""
    session = response.get("transactionId")
    return f"It becomes the session {session}, which has begun already." if session else ""


def tell_status(response: Payload) -> str:
    """GetTransactionStatus; without a session only the queue is told (E14.FR.06 to .08)."""
    going_on: dict[Any, str] = {True: "The session goes on.", False: "The session has ended."}
    queue = "The charger still holds messages." if response.get("messagesInQueue") else "All was delivered."
    return " ".join(filter(None, (going_on.get(response.get("ongoingIndicator"), ""), queue)))


BLOCK = Block(
    calls={
        "remote_start": sent_as("RequestStartTransaction", start),
        "remote_stop": sent_as("RequestStopTransaction", stop),
        "get_transaction_status": sent_as(
            "GetTransactionStatus", lambda payload: mapping.copied(payload, transaction_id="transactionId")
        ),
        "unlock_connector": sent_as("UnlockConnector", unlock),
        "trigger_message": sent_as("TriggerMessage", trigger_of(TRIGGERS, "OCPP 2.0.1")),
    },
    sentences={
        ("RequestStopTransaction", "Rejected"): "The charger knows no running session with this id.",
        ("UnlockConnector", "UnlockFailed"): "The charger could not release the cable.",
        (
            "UnlockConnector",
            "OngoingAuthorizedTransaction",
        ): "A session is running there: stop it, and the cable is released.",
        ("UnlockConnector", "UnknownConnector"): "The charger has no such connector.",
        ("TriggerMessage", "NotImplemented"): "The charger cannot send this message on request.",
    },
    tell={"RequestStartTransaction": tell_start, "GetTransactionStatus": tell_status},
    asks_for={"TriggerMessage": asked_message},
)
