"""Starts, stops, triggers and unlocking on command (2.0.1 part 2, block F), and the state of transactions (E14)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.v201 import certificates
from ocpp_gateway.simulator.v201.charging import profile_refusal
from ocpp_gateway.simulator.v201.device_tables import cables_of
from ocpp_gateway.simulator.v201.places import find_evse, rejected
from ocpp_gateway.simulator.v201.sessions import RemoteStart

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

Messages = dict[str, Callable[[], Coroutine[Any, Any, None]]]


# ---------------------------------------------------------------- starting and stopping
def request_start(cp: ChargePoint201, payload: Payload) -> Answer:
    token, group = payload["idToken"], (payload.get("groupIdToken") or {}).get("idToken", "")
    id_tag = str(token["idToken"])
    wanted = find_evse(cp, payload["evseId"]) if "evseId" in payload else None
    if "evseId" in payload and wanted is None:
        return rejected("UnknownEvse")
    candidates = [wanted] if wanted is not None else cp.connectors[1:]
    plug = next((plug for plug in candidates if _can_start(plug, id_tag, group)), None)
    if plug is None or not cp.accepted or cp.rebooting or not cp.connectors[0].operative:
        return rejected("TxInProgress" if wanted is not None else "NotFound")
    if (profile := payload.get("chargingProfile")) is not None:
        reason = profile_refusal(cp, plug.number, profile, is_new=True)
        if reason:
            return rejected(reason)
        cp.install_profile(plug.number, profile)
    plug.claimed = True
    cp.remote_starts[plug.number] = RemoteStart(
        remote_start_id=int(payload["remoteStartId"]), token_type=str(token["type"]), group=group
    )
    cp.tokens.learn_type(id_tag, str(token["type"]))
    needs_check = cp.authorizes_remote_starts and token["type"] not in ("Central", "NoAuthorization")
    return status("Accepted", _start(cp, plug, id_tag, needs_check))


def _can_start(plug: Connector, id_tag: str, group: str) -> bool:
    held = plug.reservation
    return plug.can_start(id_tag) or bool(
        held is not None and group and plug.can_start(held.id_tag) and held.parent_id_tag == group
    )


async def _start(cp: ChargePoint201, plug: Connector, id_tag: str, needs_check: bool) -> None:
    try:
        await cp.start_remotely(plug, id_tag, authorize=needs_check)
    finally:
        cp.remote_starts.pop(plug.number, None)


def request_stop(cp: ChargePoint201, payload: Payload) -> Answer:
    session = cp.find_session(payload["transactionId"])
    if session is None:
        return rejected("TxNotFound")
    return status("Accepted", _stop(cp, session.connector, "Remote"))


async def _stop(cp: ChargePoint201, evse: int, reason: str) -> None:
    await cp.stop(evse, reason=reason, wait=False)


def get_transaction_status(cp: ChargePoint201, payload: Payload) -> Answer:
    wanted = payload.get("transactionId")
    answer: Payload = {"messagesInQueue": cp.outbox.of_session(wanted) > 0}
    if wanted is not None:
        answer["ongoingIndicator"] = cp.find_session(wanted) is not None
    return Answer(answer)


def unlock_connector(cp: ChargePoint201, payload: Payload) -> Answer:
    plug = find_evse(cp, payload["evseId"])
    if plug is None or not 0 < payload["connectorId"] <= cables_of(cp.station, plug.number):
        return status("UnknownConnector")
    if plug.session is not None:
        return status("OngoingAuthorizedTransaction")
    return status("Unlocked")


# ---------------------------------------------------------------- triggers
def trigger_message(cp: ChargePoint201, payload: Payload) -> Answer:
    evse = payload.get("evse") or {}
    plug = find_evse(cp, evse["id"]) if evse else None
    if evse and plug is None:
        return rejected("UnknownEvse")
    plugs = [plug] if plug is not None else cp.connectors[1:]
    wanted = payload["requestedMessage"]
    if wanted == "StatusNotification" and "connectorId" not in evse:
        return rejected("MissingParam")
    if wanted == "BootNotification" and cp.accepted:
        return rejected("Unspecified")  # F06.FR.17
    if wanted == "TransactionEvent" and all(each.session is None for each in plugs):
        return rejected("TxNotFound")
    send = _messages(cp, plugs, evse.get("connectorId")).get(wanted)
    return status("NotImplemented") if send is None else status("Accepted", send())


def _messages(cp: ChargePoint201, plugs: list[Connector], cable: int | None) -> Messages:
    return {
        "BootNotification": cp.boot,
        "Heartbeat": lambda: cp.notify("Heartbeat", {}),
        "StatusNotification": lambda: cp.report_cables(plugs[0], only=cable, again=True),
        "MeterValues": lambda: _meter(cp, plugs),
        "TransactionEvent": lambda: _events(cp, plugs),
        "LogStatusNotification": lambda: _state(cp, "LogStatusNotification", cp.log_request, "Uploading"),
        "FirmwareStatusNotification": lambda: _state(
            cp, "FirmwareStatusNotification", cp.firmware_request, "Downloading"
        ),
        "PublishFirmwareStatusNotification": lambda: _state(
            cp, "PublishFirmwareStatusNotification", None, "Idle"
        ),
        "SignChargingStationCertificate": lambda: certificates.ask(cp, "ChargingStationCertificate"),
        "SignV2GCertificate": lambda: certificates.ask(cp, "V2GCertificate"),
        "SignCombinedCertificate": lambda: certificates.ask(cp, "ChargingStationCertificate"),
    }


async def _meter(cp: ChargePoint201, plugs: list[Connector]) -> None:
    for plug in plugs:
        await cp.report_meter(plug, "Trigger")


async def _events(cp: ChargePoint201, plugs: list[Connector]) -> None:
    for plug in plugs:
        cp.queue_meter_values(plug.number, context="Trigger")


async def _state(cp: ChargePoint201, action: str, request_id: int | None, busy: str) -> None:
    """The state of a job; Idle where none runs."""
    if request_id is None:
        await cp.notify(action, {"status": "Idle"})
    else:
        await cp.notify(action, {"status": busy, "requestId": request_id})


HANDLERS = {
    "GetTransactionStatus": get_transaction_status,
    "RequestStartTransaction": request_start,
    "RequestStopTransaction": request_stop,
    "TriggerMessage": trigger_message,
    "UnlockConnector": unlock_connector,
}
