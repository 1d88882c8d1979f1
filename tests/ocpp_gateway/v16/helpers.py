"""Chargers that speak OCPP 1.6 to the gateway inline: no thread, no network, the clock is set by the test.

A frame takes the way of the product: `Socket.take` (frame, registration, schema, repair), then `Batcher.run`
(read → act → write in one database transaction), then the answer. Every answer is checked against its schema.
"""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from django.db import models

from chargepoints.choices import RegistrationStatus
from chargepoints.models import ChargePoint
from chargepoints.services.connections import Connected
from csms_project.common.bulk import Row
from ocpp_gateway.lines import AsgiLine
from ocpp_gateway.node import Node
from ocpp_gateway.sockets import Socket
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16
from ocpp_gateway.wire.timestamps import format_timestamp
from ocpp_gateway.writer import Batcher, RowsWork, Work
from tests.factories import T0
from transactions.models import Transaction
from transactions.services import batch as session_batch

Payload = dict[str, Any]
Call = tuple[ChargePoint, str, Payload]


class InlineWriter:
    """Collects works until the test runs them, all in one batch."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.rows: list[models.Model | Row] = []

    def submit(self, work: Work) -> None:
        self.works.append(work)

    def note(self, row: models.Model | Row) -> None:
        self.rows.append(row)

    def run(self) -> None:
        """One batch with everything that is queued, then the answers, then what they queue."""
        while self.works:
            works, self.works = self.works, []
            settled, waiting = Batcher().run(works)
            assert not waiting
            for work, error in settled:
                work.deliver() if error is None else work.fail(error)

    def flush(self) -> None:
        """Store the log rows that nobody waits for."""
        if self.rows:
            rows: deque[models.Model | Row] = deque(self.rows)
            self.rows = []
            Batcher().run([RowsWork(rows)])


class QuietDispatcher:
    """No command of ours is open."""

    def answered(self, socket: Socket, frame: object) -> bool:
        return False


class InlineNode:
    """What a socket needs of its node."""

    def __init__(self) -> None:
        self.writer = InlineWriter()
        self.dispatcher = QuietDispatcher()
        self.is_stopping = False
        self.troubled: dict[int, set[str]] = {}
        self.timers: list[tuple[float, Callable[[], Any]]] = []

    def later(self, seconds: float, callback: Callable[[], Any]) -> None:
        """Time does not pass by itself here."""
        self.timers.append((seconds, callback))

    def saw(self, socket: Socket) -> None:
        """Liveness is not flushed here."""

    def ask_aside(self, asking: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Others answer at once here."""
        try:
            answer = asking()
        except Exception as error:
            answer = error
        then(answer)


@dataclass
class Answer:
    """A CALLRESULT (`payload`), a CALLERROR (`code`), or none: the message is held."""

    payload: Payload = field(default_factory=dict)
    code: str = ""
    description: str = ""
    is_held: bool = False


class Csms:
    """The system under test, as its chargers see it. `now` moves only when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = T0
        self.node = InlineNode()
        self._sockets: dict[int, Socket] = {}
        self._sent: dict[int, list[Any]] = {}
        self._ids = 0
        monkeypatch.setattr("django.utils.timezone.now", lambda: self.now)
        # Layouts are remembered for the life of the process; a test's database is rolled back.
        session_batch._layouts.clear()

    # -- sockets

    def socket(self, charge_point: ChargePoint) -> Socket:
        """The charger's socket, opened on first use as one of a charger that was accepted before."""
        if charge_point.pk not in self._sockets:
            self.reconnect(charge_point)
        return self._sockets[charge_point.pk]

    def reconnect(self, charge_point: ChargePoint, *, was_accepted: bool = True) -> Socket:
        """A new socket: what the old one remembered of message ids is gone."""
        row = ChargePoint.objects.get(pk=charge_point.pk)
        sent: list[Any] = []

        async def send(message: Payload) -> None:
            sent.append(json.loads(message["text"]))

        async def close(code: int, reason: str) -> None:
            raise AssertionError(f"the socket was closed: {code} {reason}")

        connected = Connected(
            charge_point_id=row.pk,
            tenant_id=row.tenant_id,
            identity=row.identity,
            token=uuid.uuid4(),
            registration=RegistrationStatus(row.registration_status),
            was_accepted=was_accepted,
            strict_schema=row.is_strict,
            replaced=None,
        )
        socket = Socket(
            node=cast(Node, self.node), connected=connected, version=V16, line=AsgiLine(send, close)
        )
        self._sockets[row.pk] = socket
        self._sent[row.pk] = sent
        return socket

    # -- frames

    def ask(self, calls: Iterable[Call], *, at: datetime | None = None) -> list[Answer]:
        """Several CALLs, of one charger or many, in one batch; their answers in the same order."""
        if at is not None:
            self.now = at
        asked = [self._take(*call) for call in calls]
        self.node.writer.run()
        return [self._answer_to(*item) for item in asked]

    def ask_one(
        self,
        charge_point: ChargePoint,
        action: str,
        payload: Payload,
        *,
        at: datetime | None = None,
        message_id: str | None = None,
    ) -> Answer:
        """One CALL in a batch of its own; the answer may be a CALLERROR."""
        if at is not None:
            self.now = at
        asked = self._take(charge_point, action, payload, message_id)
        self.node.writer.run()
        return self._answer_to(*asked)

    def batch(self, calls: Iterable[Call], *, at: datetime | None = None) -> list[Payload]:
        """Several CALLs in one batch, each of which must be answered with a CALLRESULT."""
        return [_accepted(answer) for answer in self.ask(calls, at=at)]

    def send(
        self,
        charge_point: ChargePoint,
        action: str,
        payload: Payload,
        *,
        at: datetime | None = None,
        message_id: str | None = None,
    ) -> Payload:
        """One CALL that must be answered with a CALLRESULT; `at` is our clock when it arrives."""
        return _accepted(self.ask_one(charge_point, action, payload, at=at, message_id=message_id))

    def text(self, charge_point: ChargePoint, frame: str) -> list[Any]:
        """A frame as text; all that the socket answered."""
        socket = self.socket(charge_point)
        before = len(self._sent[charge_point.pk])
        socket.take(frame)
        self.node.writer.run()
        return self._sent[charge_point.pk][before:]

    def queue(
        self, charge_point: ChargePoint, action: str, payload: Payload, *, message_id: str | None = None
    ) -> None:
        """A CALL that waits in the writer until the test runs it; see `answers`."""
        self.answers(charge_point)
        self._take(charge_point, action, payload, message_id)

    def answers(self, charge_point: ChargePoint) -> list[Any]:
        """The frames that the charger has received since this was last asked."""
        self.socket(charge_point)
        frames = list(self._sent[charge_point.pk])
        self._sent[charge_point.pk].clear()
        return frames

    def _take(
        self, charge_point: ChargePoint, action: str, payload: Payload, message_id: str | None = None
    ) -> tuple[ChargePoint, str, str, int]:
        if message_id is None:
            self._ids += 1
            message_id = f"m-{self._ids}"
        socket = self.socket(charge_point)
        before = len(self._sent[charge_point.pk])
        socket.take(json.dumps([2, message_id, action, payload]))
        return charge_point, action, message_id, before

    def _answer_to(self, charge_point: ChargePoint, action: str, message_id: str, before: int) -> Answer:
        answers = [frame for frame in self._sent[charge_point.pk][before:] if frame[1] == message_id]
        if not answers and self.node.timers:
            return Answer(is_held=True)
        assert len(answers) == 1, f"{action} was answered {len(answers)} times"
        frame = answers[0]
        if frame[0] == 4:
            return Answer(code=frame[2], description=frame[3])
        violation = schemas.check_response(V16, action, frame[2], strict=True)
        assert violation is None, f"{action}: {violation}"
        return Answer(payload=frame[2])


def _accepted(answer: Answer) -> Payload:
    assert not answer.is_held, "no answer"
    assert not answer.code, f"CALLERROR {answer.code}: {answer.description}"
    return answer.payload


# ------------------------------------------------------------------ what chargers say


def clock(at: datetime | None = None, **since: float) -> str:
    """A charger's timestamp: `clock(minutes=5)` is five minutes after T0."""
    return format_timestamp((at or T0) + timedelta(**since))


def start(
    connector: int = 1,
    tag: str = "04A1B2C3",
    meter: int = 1000,
    at: datetime | str = T0,
    **more: Any,
) -> Payload:
    """StartTransaction.req"""
    timestamp = at if isinstance(at, str) else format_timestamp(at)
    return {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": timestamp, **more}


def stop(transaction_id: int, meter: int = 11000, at: datetime | str | None = None, **more: Any) -> Payload:
    """StopTransaction.req of the smallest kind: no tag, no reason; one hour after T0 unless told."""
    at = at or T0 + timedelta(hours=1)
    timestamp = at if isinstance(at, str) else format_timestamp(at)
    return {"transactionId": transaction_id, "meterStop": meter, "timestamp": timestamp, **more}


def moment(samples: Sequence[Payload] | str, at: datetime | str | None = T0) -> Payload:
    """One MeterValue; a text stands for one sample with nothing but this value."""
    if isinstance(samples, str):
        samples = [{"value": samples}]
    element: Payload = {"sampledValue": list(samples)}
    if at is not None:
        element["timestamp"] = at if isinstance(at, str) else format_timestamp(at)
    return element


def meter(*moments: Payload, connector: int = 1, transaction: int | None = None) -> Payload:
    """MeterValues.req"""
    payload: Payload = {"connectorId": connector, "meterValue": list(moments)}
    if transaction is not None:
        payload["transactionId"] = transaction
    return payload


def status(
    connector: int, value: str, at: datetime | None = None, error: str = "NoError", **more: Any
) -> Payload:
    """StatusNotification.req; without a time unless told."""
    payload: Payload = {"connectorId": connector, "status": value, "errorCode": error, **more}
    if at is not None:
        payload["timestamp"] = format_timestamp(at)
    return payload


def boot(**more: Any) -> Payload:
    """BootNotification.req"""
    return {"chargePointVendor": "Amperia", "chargePointModel": "Duo 22", **more}


def session(transaction_id: int | str) -> Transaction:
    """The session with this id on the wire, as stored."""
    row: Transaction = Transaction.objects.get(ocpp_id=str(transaction_id))
    return row


def wh(text: str) -> Decimal:
    """An energy."""
    return Decimal(text)
