"""Chargers that speak to the gateway inline: no thread, no network, the clock is set by the test.

A frame takes the way of the product: `Socket.take` (frame, registration, schema, repair), then `Batcher.run`
(read → act → write in one database transaction), then the answer. Every answer is checked against its schema.
Commands take the way of the product as well: `Csms.order` queues one, the dispatcher sends it, `Order.answer` answers.
"""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from django.db import models

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, RegistrationStatus
from chargepoints.models import ChargePoint, Command, Connection
from chargepoints.services.connections import Connected
from csms_project.common.bulk import Row
from ocpp_gateway.dispatcher import Dispatcher
from ocpp_gateway.lines import AsgiLine
from ocpp_gateway.node import Node
from ocpp_gateway.sockets import Socket
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16
from ocpp_gateway.writer import Batcher, RowsWork, Work, Writer
from tests.factories import T0, ConnectionFactory
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


class InlineNode:
    """What a socket needs of its node."""

    def __init__(self) -> None:
        self.writer = InlineWriter()
        self.dispatcher = Dispatcher(cast(Writer, self.writer))
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


@dataclass
class Order:
    """A command of ours, as it reached the charger; action "" where nothing was sent."""

    csms: Csms
    charge_point: ChargePoint
    command: Command
    message_id: str = ""
    action: str = ""
    payload: Payload = field(default_factory=dict)

    def answer(self, payload: Payload | None = None, **fields: Any) -> Command:
        """The charger's CALLRESULT; the command as it is stored then."""
        return self._answer([3, self.message_id, {**(payload or {}), **fields}])

    def refuse(self, code: str, description: str = "") -> Command:
        """The charger's CALLERROR."""
        return self._answer([4, self.message_id, code, description, {}])

    def _answer(self, frame: list[Any]) -> Command:
        self.csms.text(self.charge_point, json.dumps(frame))
        self.command.refresh_from_db()
        return self.command


class Csms:
    """The system under test, as its chargers see it. `now` moves only when a test says so."""

    version = V16

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
            node=cast(Node, self.node), connected=connected, version=self.version, line=AsgiLine(send, close)
        )
        self._sockets[row.pk] = socket
        self._sent[row.pk] = sent
        return socket

    # -- commands

    def order(self, charge_point: ChargePoint, action: str, payload: Payload | None = None) -> Order:
        """A command of ours to a charger that is connected; the frame that it gets for it, checked by its schema."""
        self.connect(charge_point)
        row = ChargePoint.objects.get(pk=charge_point.pk)
        actor = Actor.system("test")
        command = commands.queue(actor=actor, charge_point=row, action=action, payload=payload or {})
        order = Order(self, charge_point, command)
        frame = next(iter(self.due(charge_point)), None)
        command.refresh_from_db()
        if frame is not None:
            order.message_id, order.action, order.payload = frame
        return order

    def due(self, charge_point: ChargePoint) -> list[tuple[str, str, Payload]]:
        """What the charger gets of what is queued for it now: (message id, action, payload); one at a time."""
        socket = self.connect(charge_point)
        sent = self._sent[charge_point.pk]
        before = len(sent)
        # The database asks its own clock whether a command has expired.
        waiting = Command.objects.filter(charge_point=charge_point, status=CommandStatus.QUEUED)
        waiting.update(expires_at=datetime.now(UTC) + timedelta(days=1))
        self.node.dispatcher.look([socket])
        self.node.writer.run()
        calls = [(frame[1], frame[2], frame[3]) for frame in sent[before:] if frame[0] == 2]
        for _, action, payload in calls:
            violation = schemas.check_request(self.version, action, payload, strict=True)
            assert violation is None, f"{action}: {violation}"
        return calls

    def connect(self, charge_point: ChargePoint) -> Socket:
        """The charger's socket, known to the database as its live one."""
        socket = self.socket(charge_point)
        found = Connection.objects.filter(charge_point=charge_point).update(token=socket.token)
        if not found:
            ConnectionFactory(
                charge_point=charge_point,
                token=socket.token,
                ocpp_version=self.version,
                node__lease_until=datetime.now(UTC) + timedelta(days=365),
            )
        ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version=self.version)
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
        violation = schemas.check_response(self.version, action, frame[2], strict=True)
        assert violation is None, f"{action}: {violation}"
        return Answer(payload=frame[2])


def _accepted(answer: Answer) -> Payload:
    assert not answer.is_held, "no answer"
    assert not answer.code, f"CALLERROR {answer.code}: {answer.description}"
    return answer.payload
