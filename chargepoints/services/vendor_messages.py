"""Vendor messages (DataTransfer): who answers which, and what is said to those that nobody knows.

An app registers a handler for a vendor id and a message id in its `ready()`. Handlers have the form of all messages of
chargers: `want` says what will be read, `decide` answers from what was loaded and adds rows to the batch; a rare one
may simply read and write. A handler that must ask somebody else first (a provider over the network) does so in
`prepare`, outside of the writer's transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.db import Error as DatabaseProblem

from chargepoints.errors import ChargePointsError
from chargepoints.models import DataTransfer, FrameAnomaly
from chargepoints.redaction import redact
from chargepoints.selectors import profile_of
from chargepoints.services.batch import Act, FromCharger, StationBatch

logger = logging.getLogger(__name__)

ACCEPTED, REJECTED = "Accepted", "Rejected"
UNKNOWN_VENDOR, UNKNOWN_MESSAGE = "UnknownVendorId", "UnknownMessageId"

_MAX_DEPTH_TEXT = 1_000_000  # characters of data that are read as JSON


class VendorMessageRefused(ChargePointsError):
    """The message cannot be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorMessage(FromCharger):
    """DataTransfer from a charger (OCPP 1.6 §4.3).

    data      as text; an object that came instead of text is its JSON
    is_text   it came as text, or not at all
    prepared  what `Handler.prepare` returned for it
    """

    vendor_id: str
    vendor_message_id: str
    data: str = ""
    is_text: bool = True
    prepared: Any = None

    def fields(self) -> dict[str, Any]:
        """The data as an object: JSON, even if it was put into a string twice; nothing is an empty object.

        Raises  VendorMessageRefused
        """
        content: Any = self.data
        for _ in range(2):
            if isinstance(content, str):
                content = read_json(content)
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise VendorMessageRefused("The data is no JSON object.")
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorAnswer:
    """Answer to a vendor message; `problem` is for the operator only.

    is_text  the message carried text, and so does the answer; else it carries what its JSON means (OCPP 2.x)
    """

    status: str
    data: str | None = None
    problem: str = ""
    is_text: bool = True

    @classmethod
    def of(cls, fields: Mapping[str, Any], status: str = ACCEPTED) -> VendorAnswer:
        """An answer with an object as its data: JSON in a string (OCPP 1.6 §6.18)."""
        return cls(status=status, data=orjson.dumps(fields, default=str).decode())


Decide = Callable[[VendorMessage, Any], VendorAnswer]


@dataclass(frozen=True, slots=True)
class Handler:
    """What answers a vendor's message.

    decide   answers it; raises VendorMessageRefused before it adds anything to the batch
    want     what it will need of the batch, besides the charge point
    prepare  asked before, in a thread of its own, what takes long; its result is `VendorMessage.prepared`
    """

    decide: Decide
    want: Callable[[VendorMessage, Any], None] = lambda request, batch: None
    prepare: Callable[[VendorMessage], Any] | None = None


_handlers: dict[tuple[str, str], Handler] = {}
_vendors: set[str] = set()


def register(vendor_id: str, message_id: str, handler: Handler) -> None:
    """Let a handler answer this message from now on; ids are compared without regard to case."""
    _handlers[_key(vendor_id, message_id)] = handler
    _vendors.add(vendor_id.casefold())


def register_vendor(vendor_id: str) -> None:
    """Know a vendor to whom we only send: other messages of his are answered UnknownMessageId."""
    _vendors.add(vendor_id.casefold())


def unregister(vendor_id: str, message_id: str) -> None:
    """Take a handler back."""
    _handlers.pop(_key(vendor_id, message_id), None)
    if not any(vendor == vendor_id.casefold() for vendor, _ in _handlers):
        _vendors.discard(vendor_id.casefold())


def find_handler(request: VendorMessage) -> Handler | None:
    """Who answers this message."""
    return _handlers.get(_key(request.vendor_id, request.vendor_message_id))


def registered() -> list[tuple[str, str]]:
    """The messages that have a handler: vendor id and message id, without capitals."""
    return sorted(_handlers)


def _key(vendor_id: str, message_id: str) -> tuple[str, str]:
    return vendor_id.casefold(), message_id.casefold()


def read_json(text: str) -> Any:
    """What a text says as JSON; None for an empty one, the text itself where it is no JSON."""
    if not text.strip():
        return None
    if len(text) > _MAX_DEPTH_TEXT:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def vendor_ids(text: str) -> set[str]:
    """The ids of a setting, one in each line, without capitals."""
    return {line.strip().casefold() for line in text.splitlines() if line.strip()}


def want_vendor_message(request: VendorMessage, batch: StationBatch) -> None:
    """A message reads its charge point, and what its handler needs."""
    batch.want_charge_point(request.charge_point_id)
    handler = find_handler(request)
    if handler is not None:
        handler.want(request, batch)


def decide_vendor_message(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    """Store a vendor message and answer it.

    Unknown vendors are answered UnknownVendorId, unknown messages of known ones UnknownMessageId, unless tenant or
    charge point name the vendor as one to be told Accepted: there are chargers that wait for that. What a handler
    cannot serve is answered Rejected, and kept for people.  Spec: OCPP 1.6 §4.3, §7.19
    """
    answer = _answer(request, batch)
    batch.add(
        DataTransfer(
            tenant_id=request.tenant_id,
            charge_point_id=request.charge_point_id,
            received_at=request.received_at,
            vendor_id=request.vendor_id,
            message_id=request.vendor_message_id,
            data=request.data,
            answer=answer.status,
        )
    )
    if answer.problem:
        batch.add(_anomaly(request, answer.problem))
    return answer if request.is_text else replace(answer, is_text=False)


def _answer(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    handler = find_handler(request)
    if handler is None:
        return VendorAnswer(status=_status_without_handler(request, batch))
    try:
        return handler.decide(request, batch)
    except VendorMessageRefused as error:
        return VendorAnswer(status=REJECTED, problem=str(error))
    except DatabaseProblem:
        raise  # what the writer does about the database is right for this message too
    except Exception as error:
        logger.exception(
            "vendor_message.failed",
            extra={"vendor": request.vendor_id, "vendor_message": request.vendor_message_id},
        )
        return VendorAnswer(status=REJECTED, problem=type(error).__name__)


def _status_without_handler(request: VendorMessage, batch: StationBatch) -> str:
    station = batch.charge_point(request.charge_point_id)
    vendor = request.vendor_id.casefold()
    for text in (station.accepted_vendor_ids, station.tenant.accepted_vendor_ids):
        if text and vendor in vendor_ids(text):
            return ACCEPTED
    if vendor in {name.casefold() for name in profile_of(station).accepted_vendor_ids}:
        return ACCEPTED
    return UNKNOWN_MESSAGE if vendor in _vendors else UNKNOWN_VENDOR


def _anomaly(request: VendorMessage, problem: str) -> FrameAnomaly:
    frame = {
        "vendorId": request.vendor_id,
        "messageId": request.vendor_message_id,
        "data": read_json(request.data),
    }
    return FrameAnomaly(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        received_at=request.received_at,
        action="DataTransfer",
        message_id=request.message_id[:64],
        frame=orjson.dumps(redact(frame)).decode(),
        problem=f"{request.vendor_id} {request.vendor_message_id}: {problem}"[:500],
        was_served=False,
    )


VENDOR_MESSAGE: Act[VendorMessage, StationBatch] = Act(decide_vendor_message, want_vendor_message)
