"""Display messages, customers, cost and vendor messages (2.0.1 part 2, blocks I, N, O and P)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.v201.device_model import Component
from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

MAX_MESSAGES = 50
PIECE = 512
PER_MESSAGE = 10


# ---------------------------------------------------------------- display
def set_display_message(cp: ChargePoint201, payload: Payload) -> Answer:
    message = payload["message"]
    refusal = _refusal(cp, message)
    if refusal:
        return status(refusal)
    cp.messages[message["id"]] = message
    _count(cp)
    ends_at = parse_timestamp(message.get("endDateTime"))
    if ends_at is not None:
        wait = max(0.0, (ends_at - cp.clock.now()).total_seconds())
        cp.clock.call_later(wait, lambda: _expire(cp, message), name="message")
    return status("Accepted")


def _refusal(cp: ChargePoint201, message: Payload) -> str:
    """Why a message cannot be shown (O01)."""
    if message["message"]["format"] not in cp.device.items("DisplayMessageCtrlr", "SupportedFormats"):
        return "NotSupportedMessageFormat"
    if message["priority"] not in cp.device.items("DisplayMessageCtrlr", "SupportedPriorities"):
        return "NotSupportedPriority"
    wanted = message.get("transactionId")
    if wanted is not None and cp.find_session(wanted) is None:
        return "UnknownTransaction"
    is_full = message["id"] not in cp.messages and len(cp.messages) >= MAX_MESSAGES
    return "Rejected" if is_full else ""


def _expire(cp: ChargePoint201, message: Payload) -> None:
    if cp.messages.get(message["id"]) is message:
        del cp.messages[message["id"]]
        _count(cp)


def _count(cp: ChargePoint201) -> None:
    cp.device.put(Component("DisplayMessageCtrlr"), "DisplayMessages", str(len(cp.messages)))


def clear_display_message(cp: ChargePoint201, payload: Payload) -> Answer:
    if cp.messages.pop(payload["id"], None) is None:
        return status("Unknown")
    _count(cp)
    return status("Accepted")


def get_display_messages(cp: ChargePoint201, payload: Payload) -> Answer:
    found = [
        message
        for number, message in cp.messages.items()
        if number in payload.get("id", [number])
        and payload.get("priority") in (None, message["priority"])
        and payload.get("state") in (None, message.get("state"))
    ]
    if not found:
        return status("Unknown")
    return status("Accepted", _report(cp, int(payload["requestId"]), found))


async def _report(cp: ChargePoint201, request_id: int, messages: list[Payload]) -> None:
    for start in range(0, len(messages), PER_MESSAGE):
        part = messages[start : start + PER_MESSAGE]
        is_last = start + PER_MESSAGE >= len(messages)
        await cp.notify(
            "NotifyDisplayMessages", {"requestId": request_id, "messageInfo": part, "tbc": not is_last}
        )


# ---------------------------------------------------------------- customers
def customer_information(cp: ChargePoint201, payload: Payload) -> Answer:
    asked = [name for name in ("customerIdentifier", "idToken", "customerCertificate") if name in payload]
    if len(asked) != 1 or not (payload["report"] or payload["clear"]):
        return status("Invalid")
    token = str((payload.get("idToken") or {}).get("idToken", payload.get("customerIdentifier", "")))
    text = _known_of(cp, token)
    if payload["clear"] and token:
        cp.tokens.forget(token)
        cp.show_list_length()
    return status("Accepted", _tell(cp, int(payload["requestId"]), text if payload["report"] else ""))


def _known_of(cp: ChargePoint201, token: str) -> str:
    lines = []
    if token.lower() in cp.local_list:
        lines.append(f"{token} stands in the local list.")
    if token.lower() in cp.tokens.cache:
        lines.append(f"{token} stands in the cache.")
    lines += [
        f"{token} charges at EVSE {plug.number}."
        for plug in cp.connectors[1:]
        if plug.session is not None and plug.session.id_tag.lower() == token.lower()
    ]
    return "\n".join(lines)


async def _tell(cp: ChargePoint201, request_id: int, text: str) -> None:
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)] or [""]
    for number, piece in enumerate(pieces):
        message = {
            "data": piece,
            "seqNo": number,
            "tbc": number < len(pieces) - 1,
            "generatedAt": format_timestamp(cp.clock.now()),
            "requestId": request_id,
        }
        await cp.notify("NotifyCustomerInformation", message)


# ---------------------------------------------------------------- cost, vendor messages
def cost_updated(cp: ChargePoint201, payload: Payload) -> Answer:
    session = cp.find_session(payload["transactionId"])
    if session is not None:
        session.cost = float(payload["totalCost"])
    return Answer({})


def data_transfer(cp: ChargePoint201, payload: Payload) -> Answer:
    return status("UnknownVendorId")


HANDLERS = {
    "ClearDisplayMessage": clear_display_message,
    "CostUpdated": cost_updated,
    "CustomerInformation": customer_information,
    "DataTransfer": data_transfer,
    "GetDisplayMessages": get_display_messages,
    "SetDisplayMessage": set_display_message,
}
