"""Functional blocks E and J: transactions and meter values."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from transactions.choices import EventKind
from transactions.services import events, metering
from transactions.services.batch import SessionBatch
from transactions.services.events import Answered, SessionEvent
from transactions.services.metering import Metered
from transactions.services.sessions import Authorize
from transactions.services.unserved import judge_unserved

Payload = dict[str, Any]

#: What is kept of an event beside the facts of its session: theirs → ours.
_DETAILS = {"numberOfPhasesUsed": "phases", "cableMaxCurrent": "cable_max_current"}
_INFO_DETAILS = {
    "chargingState": "charging_state",
    "timeSpentCharging": "time_spent_charging",
    "stoppedReason": "stopped_reason",
    "remoteStartId": "remote_start_id",
}


def event_in(link: Link, payload: Payload) -> SessionEvent:
    info = payload["transactionInfo"]
    place, within = mapping.evse_numbers(payload.get("evse"))
    token = mapping.id_token(payload.get("idToken"))
    kind = EventKind(payload["eventType"])
    trigger = mapping.text(payload, "triggerReason", 32)
    remote_start, reservation = info.get("remoteStartId"), payload.get("reservationId")
    details = _details(payload, info)
    request = SessionEvent(
        **link.facts(),
        kind=kind,
        ocpp_id=mapping.text(info, "transactionId", 36),
        seq_no=_seq_no(payload.get("seqNo")),
        at=mapping.timestamp(payload.get("timestamp")),
        digest=_digest(payload, info),
        trigger=trigger,
        is_offline=payload.get("offline") is True,
        place=place,
        within=within,
        id_token=None if token is None else token[0],
        token_type="" if token is None else token[1],
        reservation_number=None if reservation is None else mapping.whole(reservation, -1),
        remote_start_number=None if remote_start is None else mapping.whole(remote_start, -1),
        charging_state=mapping.text(info, "chargingState", 20),
        stopped_reason=mapping.text(info, "stoppedReason", 32),
        moments=mapping.moments(payload.get("meterValue")),
        details=details,
    )
    if token is not None:
        details["has_token"] = True
        if request.is_stop_token:
            details["is_stop_token"] = True
    return request


def _details(payload: Payload, info: Payload) -> Payload:
    found = {ours: payload[theirs] for theirs, ours in _DETAILS.items() if payload.get(theirs) is not None}
    for theirs, ours in _INFO_DETAILS.items():
        if info.get(theirs) is not None:
            found[ours] = info[theirs]
    return found


def _seq_no(value: object) -> int:
    """Beyond 64 bits nothing can be counted."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    return max(-events.MAX_SEQ_NO, min(events.MAX_SEQ_NO, number))


def _digest(payload: Payload, info: Payload) -> str:
    """Equal for the same event sent again; a charger may number all events 0 and split one moment over several."""
    what = (
        info.get("transactionId"),
        payload.get("eventType"),
        payload.get("seqNo"),
        payload.get("timestamp"),
        payload.get("triggerReason"),
        info.get("chargingState"),
        payload.get("meterValue"),
    )
    return hashlib.sha1(orjson.dumps(what), usedforsecurity=False).hexdigest()


def event_out(done: Answered) -> Payload:
    """Of the cost what the answer has room for: the total at the end, and words for the display."""
    costs = done.costs
    return mapping.without_none(
        idTokenInfo=mapping.id_token_info(done.authorization),
        totalCost=None if costs.total_cost is None else mapping.amount(costs.total_cost),
        updatedPersonalMessage=mapping.message_content(costs.message) if costs.message else None,
    )


def event_put_aside(link: Link, payload: Payload, batch: SessionBatch) -> Payload:
    """The least harm: the status of the token, where the event names one."""
    token = mapping.id_token(payload.get("idToken"))
    if token is None:
        return {}
    request = Authorize(**link.facts(), id_token=token[0], token_type=token[1])
    return {"idTokenInfo": mapping.id_token_info(judge_unserved(request, batch))}


def meter_in(link: Link, payload: Payload) -> Metered:
    return Metered(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        ocpp_id="",
        moments=mapping.moments(payload.get("meterValue")),
    )


def nothing_out(done: object) -> Payload:
    return {}


BLOCK = Block(
    actions={
        "MeterValues": Action(meter_in, metering.METERED, nothing_out, is_transactional=True),
        "TransactionEvent": Action(
            event_in,
            events.EVENT,
            event_out,
            is_transactional=True,
            put_aside=event_put_aside,
        ),
    }
)
