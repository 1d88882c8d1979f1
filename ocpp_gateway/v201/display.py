"""Functional block O: display messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chargepoints.choices import CommandStatus
from chargepoints.services import display_reports
from chargepoints.services.display_reports import DisplayReport
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend, Effect
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]

#: What 2.1 has added.
_MAX_CONTENT = 512
_LATER_STATES = ("Suspended", "Discharging")
_PLAIN = {"priority": "priority", "state": "state", "transaction_id": "transactionId"}
_TIMES = {"starts_at": "startDateTime", "ends_at": "endDateTime"}


# ---------------------------------------------------------------- our commands
def set_message(payload: Payload) -> Payload:
    """SetDisplayMessageRequest, as 2.1 has it; 2.0.1 knows a part of it."""
    message = {
        "id": payload["message_id"],
        **mapping.copied(payload, **_PLAIN),
        **mapping.times(payload, **_TIMES),
        "message": _content(payload),
    }
    if payload.get("connector"):
        message["display"] = {"name": "Display", "evse": {"id": payload["connector"]}}
    if payload.get("extra"):
        message["messageExtra"] = [_content(part) for part in payload["extra"]]
    return {"message": message}


def _content(part: Mapping[str, Any]) -> Payload:
    return {
        "format": part.get("format", "UTF8"),
        **mapping.copied(dict(part), language="language", content="content"),
    }


def _set_message_201(payload: Payload) -> Payload:
    if payload.get("extra"):
        raise CannotSend("OCPP 2.0.1 knows one language for a message: send one message for each.")
    if payload.get("format") == "QRCODE":
        raise CannotSend("OCPP 2.0.1 knows no QR codes on displays: send the address of a picture of it.")
    _check_state(payload)
    if len(payload["content"]) > _MAX_CONTENT:
        raise CannotSend(f"A message may have {_MAX_CONTENT} characters in OCPP 2.0.1.")
    return set_message(payload)


def _check_state(payload: Payload) -> None:
    if payload.get("state") in _LATER_STATES:
        raise CannotSend(f"OCPP 2.0.1 knows no messages for the state {payload['state']}.")


def get_messages(payload: Payload) -> Payload:
    """GetDisplayMessagesRequest"""
    call = mapping.copied(payload, request_id="requestId", priority="priority", state="state")
    if payload.get("message_ids"):
        call["id"] = [int(number) for number in payload["message_ids"]]
    return call


def _get_messages_201(payload: Payload) -> Payload:
    _check_state(payload)
    return get_messages(payload)


# ---------------------------------------------------------------- what the charger says
def _read_message(info: Mapping[str, Any]) -> Payload:
    """MessageInfoType → a message as our command has it."""
    content = info.get("message")
    message: Payload = {
        ours: mapping.text(info, theirs, 36)
        for ours, theirs in _PLAIN.items()
        if info.get(theirs) is not None
    }
    message |= {ours: mapping.timestamp(info.get(theirs)) for ours, theirs in _TIMES.items()}
    message |= _read_content(content if isinstance(content, Mapping) else {})
    extra = info.get("messageExtra")
    if isinstance(extra, Sequence) and not isinstance(extra, str):
        message["extra"] = [_read_content(part) for part in extra[:4] if isinstance(part, Mapping)]
    return message


def _read_content(content: Mapping[str, Any]) -> Payload:
    limits = {"format": 10, "language": 8, "content": 1024}
    return {name: mapping.text(content, name, limit) for name, limit in limits.items() if content.get(name)}


def report_in(link: Link, payload: Payload) -> DisplayReport:
    infos = payload.get("messageInfo") or ()
    return DisplayReport(
        **link.facts(),
        request_id=mapping.whole(payload.get("requestId"), -1),
        messages={
            mapping.whole(info.get("id"), -1): _read_message(info)
            for info in infos[: display_reports.MAX_PART]
            if isinstance(info, Mapping)
        },
        is_last=payload.get("tbc") is not True,
    )


def nothing_out(done: object) -> Payload:
    return {}


# ---------------------------------------------------------------- answers
_SET_SENTENCES = {
    "NotSupportedMessageFormat": "The charger cannot show messages in this format.",
    "NotSupportedPriority": "The charger does not know this priority.",
    "NotSupportedState": "The charger shows no messages for this state.",
    "UnknownTransaction": "The charger does not know this session.",
    "Rejected": "The charger does not take this message; it may have no room for more.",
}


def _set_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    info = request.get("message")
    if not isinstance(info, Mapping):
        return ()
    number, status = mapping.whole(info.get("id"), -1), str(response.get("status"))
    if status == "Accepted":
        message = {**_read_message(info), "connector": _connector(info)}
        return [lambda command: display_reports.taken(command, number=number, message=message)]
    reason = SENTENCES.get(("SetDisplayMessage", status), status)
    return [lambda command: display_reports.refused(command, number=number, reason=reason)]


def _connector(info: Mapping[str, Any]) -> int | None:
    display = info.get("display")
    evse = display.get("evse") if isinstance(display, Mapping) else None
    return mapping.evse_numbers(evse)[0] or None


def _get_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    number = mapping.whole(request.get("requestId"), -1)
    is_whole = not any(request.get(name) for name in ("id", "priority", "state"))
    act = {"Accepted": display_reports.asked, "Unknown": display_reports.nothing_held}
    found = act.get(str(response.get("status")))
    return [partial(found, request_id=number, is_whole=is_whole)] if found is not None else ()


def _clear_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") not in ("Accepted", "Unknown"):
        return ()
    return [partial(display_reports.cleared, number=mapping.whole(request.get("id"), -1))]


SENTENCES = {
    **{("SetDisplayMessage", status): sentence for status, sentence in _SET_SENTENCES.items()},
    ("SetDisplayMessage", "LanguageNotSupported"): "The charger does not know a language of this message.",
    ("GetDisplayMessages", "Accepted"): "The charger tells its messages one after the other.",
    ("GetDisplayMessages", "Unknown"): "The charger holds no such messages.",
    ("ClearDisplayMessage", "Unknown"): "The charger has no message of this number.",
    ("ClearDisplayMessage", "Rejected"): "The charger could not remove the message.",
}


BLOCK = Block(
    actions={"NotifyDisplayMessages": Action(report_in, display_reports.REPORT, nothing_out)},
    calls={
        "set_display_message": sent_as("SetDisplayMessage", _set_message_201),
        "get_display_messages": sent_as("GetDisplayMessages", _get_messages_201),
        "clear_display_message": sent_as("ClearDisplayMessage", partial(mapping.copied, message_id="id")),
    },
    # That it holds none is an answer as well.
    status_of={"GetDisplayMessages": lambda response: CommandStatus.ACCEPTED},
    sentences=SENTENCES,
    effects={
        "SetDisplayMessage": _set_effects,
        "GetDisplayMessages": _get_effects,
        "ClearDisplayMessage": _clear_effects,
    },
    asks_for={"GetDisplayMessages": lambda request: "NotifyDisplayMessages"},
)
