"""CALLs of chargers as works of the writer, and the rows of the message log."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import models

from chargepoints.log_rows import MessageRow
from chargepoints.models import FrameAnomaly
from csms_project.common import metrics
from csms_project.common.bulk import Row
from ocpp_gateway.action import Action
from ocpp_gateway.link import Link
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import ErrorCode, spell_code
from ocpp_gateway.wire.redact import redact_payload, redact_text
from transactions.services.batch import SessionBatch

if TYPE_CHECKING:
    from ocpp_gateway.connection import Arrived
    from ocpp_gateway.sockets import Socket

logger = logging.getLogger(__name__)

MAX_RAW = 20_000  # characters of an unreadable frame that are kept


class CallWork:
    """One CALL of a charger: read, decided and answered in the writer's batch."""

    __slots__ = (
        "_answer",
        "_begun_at",
        "_payload",
        "_result",
        "action",
        "arrived",
        "link",
        "name",
        "owner",
        "size",
        "socket",
    )

    def __init__(
        self,
        *,
        socket: Socket,
        arrived: Arrived,
        action: Action,
        payload: dict[str, Any],
        link: Link,
        size: int = 0,
    ) -> None:
        self.size = size
        self.socket = socket
        self.owner: object = link.charge_point_id
        self.arrived = arrived
        self.action = action
        self.name = arrived.call.action
        self._payload = payload
        self.link = link
        self._answer = ""
        self._begun_at = time.monotonic()
        self._result: Any = None

    def __repr__(self) -> str:
        return f"{self.name} {self.arrived.call.message_id} of charge point {self.link.charge_point_id}"

    def want(self, batch: SessionBatch) -> None:
        """Read the payload and say what the act needs."""
        request = self.action.read(self.link, self._payload)
        self.action.act.want(request, batch)
        self._result = request

    def run(self, batch: SessionBatch) -> None:
        """Decide, write the answer, log the exchange."""
        done = self.action.act.decide(self._result, batch)
        payload = self.action.write(done)
        if settings.OCPP_CHECK_RESPONSES:
            check_answer(self.link.ocpp_version, self.name, payload)
        self._answer = frames.result(self.link.message_id, payload)
        self._result = done
        if settings.OCPP_STORE_MESSAGES:
            batch.add(
                exchange(
                    link=self.link, action=self.name, request=self.arrived.call.payload, response=payload
                )
            )
        if self.link.repairs and self.socket.keeps_repairs:
            batch.add(
                anomaly(
                    link=self.link,
                    call=self.arrived.call,
                    problem="; ".join(self.link.repairs),
                    served=True,
                )
            )

    def deliver(self) -> None:
        """Send the answer: everything is durable."""
        duration = time.monotonic() - self._begun_at
        metrics.count_message(self.link.ocpp_version, self.name)
        metrics.observe_handling(self.name, duration)
        if logger.isEnabledFor(logging.DEBUG):
            self._log(duration)
        self.socket.settled(self.name, self._result)
        if self.action.is_transactional:
            self.socket.served(self.arrived.call)
        self.socket.release(self.size)
        self.socket.answer(self.arrived, self._answer, keep=self.action.is_transactional)

    def _log(self, duration: float) -> None:
        fields = {
            "charge_point": self.socket.identity,
            "message_id": self.link.message_id,
            "action": self.name,
            "duration_ms": round(duration * 1000, 1),
        }
        logger.debug("message.answered", extra=fields)

    def fail(self, error: Exception) -> None:
        """Our own fault: keep the frame; say so, unless the charger would drop what we cannot bill without."""
        metrics.count_message(self.link.ocpp_version, self.name, "error")
        self.socket.release(self.size)
        if self.action.is_transactional:
            self.socket.failed(self, error)
            return
        code = spell_code(ErrorCode.INTERNAL_ERROR, self.link.ocpp_version)
        text = frames.error(self.link.message_id, code, "The message could not be processed; it was kept.")
        row = anomaly(link=self.link, call=self.arrived.call, problem=type(error).__name__, served=False)
        self.socket.submit(ReadyWork(socket=self.socket, arrived=self.arrived, text=text, row=row))

    def give_up(self) -> None:
        """Storage is away: no answer, so that the charger keeps the message; the socket closes."""
        metrics.count_message(self.link.ocpp_version, self.name, "held")
        self.socket.release(self.size)
        self.socket.abandon(self.arrived)


class SendWork:
    """A SEND of a charger (OCPP 2.1): read and decided in the writer's batch; nobody waits for an answer."""

    __slots__ = ("_request", "action", "link", "owner", "send", "size", "socket")

    def __init__(
        self, *, socket: Socket, send: frames.Send, action: Action, link: Link, size: int = 0
    ) -> None:
        self.socket, self.send, self.action, self.link, self.size = socket, send, action, link, size
        self.owner: object = link.charge_point_id
        self._request: Any = None

    def want(self, batch: SessionBatch) -> None:
        """Read the payload and say what the act needs."""
        self._request = self.action.read(self.link, self.send.payload)
        self.action.act.want(self._request, batch)

    def run(self, batch: SessionBatch) -> None:
        """Decide, log the message."""
        self.action.act.decide(self._request, batch)
        if settings.OCPP_STORE_MESSAGES:
            batch.add(exchange(link=self.link, action=self.send.action, request=self.send.payload))

    def deliver(self) -> None:
        """Nothing is answered."""
        metrics.count_message(self.link.ocpp_version, self.send.action)
        self.socket.release(self.size)

    def fail(self, error: Exception) -> None:
        """Our own fault: keep the message for a person."""
        metrics.count_message(self.link.ocpp_version, self.send.action, "error")
        self.socket.release(self.size)
        row = anomaly(link=self.link, call=self.send, problem=type(error).__name__, served=False)
        self.socket.note(row)

    def give_up(self) -> None:
        """Storage stayed away: the charger will not send it again, so it waits among the log rows."""
        metrics.count_message(self.link.ocpp_version, self.send.action, "held")
        self.socket.release(self.size)
        row = anomaly(link=self.link, call=self.send, problem="storage was away", served=False)
        self.socket.note(row)


class ReadyWork:
    """An answer that is known already and waits its turn behind those that are being stored.

    row  stored before the answer leaves
    """

    __slots__ = ("_row", "_text", "arrived", "owner", "size", "socket")

    def __init__(
        self, *, socket: Socket, arrived: Arrived | None, text: str, row: models.Model | Row | None = None
    ) -> None:
        self.socket = socket
        self.size = 0
        self._row = row
        self.owner: object = socket.charge_point_id
        self.arrived = arrived
        self._text = text

    def want(self, batch: SessionBatch) -> None:
        """Nothing."""

    def run(self, batch: SessionBatch) -> None:
        """Keep the row, if any."""
        if self._row is not None:
            if isinstance(self._row, models.Model):
                self._row.pk = None
            batch.add(self._row)

    def deliver(self) -> None:
        """Send it."""
        self.socket.answer(self.arrived, self._text)

    def fail(self, error: Exception) -> None:
        """What must be kept cannot be: as if storage were away."""
        self.give_up()

    def give_up(self) -> None:
        """The socket closes."""
        self.socket.abandon(self.arrived)


def check_answer(version: str, action: str, payload: dict[str, Any]) -> None:
    """Raise on an answer of ours that breaks the specification; on in tests and while debugging."""
    violation = schemas.check_response(version, action, payload, strict=True)
    if violation is not None:
        raise AssertionError(f"{action}: {violation.path} {violation.description}")


def exchange(
    *,
    link: Link,
    action: str,
    request: Any,
    response: Any = None,
    error_code: str = "",
    error_description: str = "",
    sent_by_charger: bool = True,
    answered_at: datetime | None = None,
) -> MessageRow:
    """One row of the message log, without secrets."""
    return MessageRow(
        link.tenant_id,
        link.charge_point_id,
        link.received_at,
        sent_by_charger,
        link.message_id[:64],
        action[:64],
        _text(action, request),
        _text(action, response),
        error_code[:64],
        error_description[:255],
        answered_at or datetime.now(UTC),
    )


def raw_frame(*, link: Link, text: str, problem: str, code: str | None) -> MessageRow:
    """The row of a frame that could not be read."""
    return MessageRow(
        link.tenant_id,
        link.charge_point_id,
        link.received_at,
        True,
        link.message_id[:64],
        "",
        storable(redact_text(text)) if len(text) <= MAX_RAW else f"({len(text)} characters, not kept)",
        "",
        (code or "ignored")[:64],
        problem[:255],
        link.received_at,
    )


def anomaly(*, link: Link, call: frames.Call | frames.Send, problem: str, served: bool) -> FrameAnomaly:
    """The row of a frame that had to be mended or could not be served; nothing is lost."""
    return FrameAnomaly(
        tenant_id=link.tenant_id,
        charge_point_id=link.charge_point_id,
        received_at=link.received_at,
        action=call.action[:64],
        message_id=call.message_id[:64],
        frame=frame_text(call),
        problem=problem[:500],
        was_served=served,
    )


def frame_text(call: frames.Call | frames.Send) -> str:
    """The payload of a CALL as it is kept, without secrets."""
    return _text(call.action, call.payload)


def storable(text: str) -> str:
    """Text that PostgreSQL takes: no NUL, no lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _text(action: str, payload: Any) -> str:
    if payload is None:
        return ""
    return orjson.dumps(redact_payload(action, payload)).decode()
