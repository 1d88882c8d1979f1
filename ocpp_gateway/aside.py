"""A transaction message that our own code fails on: no error for the charger, and no end of its queue either.

The frame is kept when it fails for the first time. The charger gets no answer, after a while its socket is closed, and
it comes again with the same message; a fault that passes or is mended has done no harm. Where that goes on for too
long the message is put aside: acknowledged with an answer that does the least harm, and left to people.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from chargepoints.services import anomalies
from ocpp_gateway import calls
from ocpp_gateway.wire import frames
from transactions.services.batch import SessionBatch

if TYPE_CHECKING:
    from ocpp_gateway.calls import CallWork

logger = logging.getLogger(__name__)


class FailedWork:
    """Keeps the frame of a failed work and decides whether it is put aside; the work itself is over."""

    __slots__ = ("_answer", "_failure", "_work", "owner", "size")

    def __init__(self, work: CallWork, error: Exception) -> None:
        self._work = work
        self.owner, self.size = work.owner, 0
        self._answer: dict[str, Any] | None = None
        call, link = work.arrived.call, work.link
        self._failure = anomalies.Failure(
            charge_point_id=link.charge_point_id,
            tenant_id=link.tenant_id,
            received_at=link.received_at,
            action=call.action,
            message_id=call.message_id,
            frame=calls.frame_text(call),
            problem=f"{type(error).__name__}: our own fault; see the log of the gateway",
        )

    def __repr__(self) -> str:
        return f"failed {self._work!r}"

    def want(self, batch: SessionBatch) -> None:
        """Nothing: rare, and read when it is needed."""

    def run(self, batch: SessionBatch) -> None:
        """Count the attempt; put the message aside when there were enough."""
        link, name = self._work.link, self._work.name
        self._answer = None
        row = anomalies.note_failure(self._failure)
        if row.answer:  # put aside before; the charger has not heard it
            self._answer = orjson.loads(row.answer)
        elif anomalies.is_overdue(row, batch.now):
            self._answer = self._work.action.put_aside(link, self._work.arrived.call.payload, batch)
            text = orjson.dumps(self._answer).decode()
            anomalies.put_aside(row, answer=text, now=batch.now, batch=batch)
        if self._answer is not None and settings.OCPP_STORE_MESSAGES:
            request = self._work.arrived.call.payload
            batch.add(calls.exchange(link=link, action=name, request=request, response=self._answer))

    def deliver(self) -> None:
        """Acknowledge what was put aside; else leave the charger without an answer."""
        work, socket = self._work, self._work.socket
        if self._answer is None:
            socket.note_trouble(self._failure.digest)
            socket.hold(work.arrived)
            return
        logger.error("message.put_aside", extra={"work": repr(work)})
        text = frames.result(work.link.message_id, self._answer)
        socket.answer(work.arrived, text, keep=True)

    def fail(self, error: Exception) -> None:
        """Not even the frame can be kept here: the charger must keep it."""
        self.give_up()

    def give_up(self) -> None:
        """Storage is away: no answer."""
        self._work.socket.abandon(self._work.arrived)
