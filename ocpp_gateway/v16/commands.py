"""Our commands as calls of OCPP 1.6, and what the answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.models import Command
from chargepoints.services.variables import Entry, store_snapshot, store_value
from ocpp_gateway.outcome import CannotSend, Effect, Outcome, outcome_of_status

Payload = dict[str, Any]


def _copy(payload: Mapping[str, Any], **names: str) -> Payload:
    """ours → theirs, absent arguments stay absent."""
    return {theirs: payload[ours] for ours, theirs in names.items() if payload.get(ours) is not None}


def _remote_start(payload: Payload) -> Payload:
    names = {"id_token": "idTag", "connector": "connectorId", "charging_profile": "chargingProfile"}
    return _copy(payload, **names)


def _remote_stop(payload: Payload) -> Payload:
    try:
        return {"transactionId": int(payload["transaction_id"])}
    except ValueError:
        raise CannotSend("transaction_id must be a whole number for OCPP 1.6.") from None


def _availability(payload: Payload) -> Payload:
    kind = "Operative" if payload["operative"] else "Inoperative"
    return {"connectorId": payload.get("connector", 0), "type": kind}


# neutral action → OCPP action, arguments
CALLS: dict[str, tuple[str, Callable[[Payload], Payload]]] = {
    "remote_start": ("RemoteStartTransaction", _remote_start),
    "remote_stop": ("RemoteStopTransaction", _remote_stop),
    "reset": ("Reset", partial(_copy, kind="type")),
    "unlock_connector": ("UnlockConnector", partial(_copy, connector="connectorId")),
    "change_availability": ("ChangeAvailability", _availability),
    "trigger_message": (
        "TriggerMessage",
        partial(_copy, message="requestedMessage", connector="connectorId"),
    ),
    "get_configuration": ("GetConfiguration", partial(_copy, keys="key")),
    "change_configuration": ("ChangeConfiguration", partial(_copy, key="key", value="value")),
    "clear_cache": ("ClearCache", partial(_copy)),
    "data_transfer": (
        "DataTransfer",
        partial(_copy, vendor_id="vendorId", message_id="messageId", data="data"),
    ),
}


def to_call(action: str, payload: Payload) -> tuple[str, Payload]:
    """The OCPP action and payload of a command; raw ones go out as they are.

    Raises  CannotSend  there is no such message in OCPP 1.6, or an argument does not fit it
    """
    if action[:1].isupper():
        return action, payload
    if action not in CALLS:
        raise CannotSend(f"OCPP 1.6 has no message for {action}.")
    name, convert = CALLS[action]
    return name, convert(payload)


def read_answer(action: str, request: Payload, response: Payload) -> Outcome:
    """What a CALLRESULT means: our state, and what it tells us about the charger."""
    effects: Sequence[Effect] = ()
    status = outcome_of_status(response.get("status"))
    if action == "GetConfiguration":
        effects = [partial(_keep_configuration, response, not request.get("key"))]
    elif action == "ChangeConfiguration" and response.get("status") in ("Accepted", "RebootRequired"):
        effects = [partial(_keep_value, response.get("status") == "RebootRequired")]
    return Outcome(status=status, effects=effects)


def _keep_configuration(response: Payload, complete: bool, command: Command) -> None:
    entries = [
        Entry(
            key=str(entry["key"]),
            value=None if entry.get("value") is None else str(entry["value"]),
            is_readonly=entry.get("readonly") is True,
        )
        for entry in response.get("configurationKey") or ()
        if isinstance(entry, Mapping) and entry.get("key")
    ]
    store_snapshot(command.charge_point_id, entries, at=timezone.now(), is_complete=complete)


def _keep_value(reboot_required: bool, command: Command) -> None:
    request = command.request if isinstance(command.request, dict) else {}
    key, value = request.get("key"), request.get("value")
    if isinstance(key, str) and isinstance(value, str):
        store_value(command.charge_point_id, key, value, reboot_required=reboot_required, at=timezone.now())
