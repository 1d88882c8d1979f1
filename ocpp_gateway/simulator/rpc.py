"""One OCPP-J conversation over one WebSocket, seen from the charge point."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.simulator.faults import JUNK_PREFIX, LOST_ANSWERS, Fault
from ocpp_gateway.simulator.stats import Stats
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import V21

logger = logging.getLogger(__name__)


class CallFailed(Exception):
    """The CSMS answered with a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


class NoAnswer(Exception):
    """No answer arrived in time, or the socket closed first."""


class InvalidRequest(Exception):
    """A message of ours would break its schema."""


class AnswerLost(NoAnswer):
    """The answer was lost on purpose; `answer` is what the CSMS said, if it was read at all."""

    def __init__(self, answer: dict[str, Any] | None) -> None:
        super().__init__("lost on purpose")
        self.answer = answer


class Rpc:
    """Calls of ours one at a time (OCPP-J 1.6 §4.1.1), and the CSMS's calls handed to `serve`.

    answer_timeout_s   real seconds
    """

    def __init__(
        self,
        socket: ClientConnection,
        *,
        clock: Clock,
        stats: Stats,
        serve: Callable[[Rpc, frames.Call], Awaitable[None]],
        version: str,
        answer_timeout_s: float,
    ) -> None:
        self._socket = socket
        self._clock = clock
        self._stats = stats
        self._serve = serve
        self._version = version
        self._answer_timeout_s = answer_timeout_s
        self._turn = asyncio.Lock()
        self._pending: tuple[str, asyncio.Future[dict[str, Any]]] | None = None
        self._asked: set[str] = set()
        self._junk_sent = 0
        self.closed = False
        self.closing = False

    async def call(
        self, action: str, payload: dict[str, Any], *, fault: Fault = Fault.NONE
    ) -> dict[str, Any]:
        """Send a CALL and return the payload of its answer.

        Raises CallFailed, NoAnswer (AnswerLost when the fault asked for it).
        """
        async with self._turn:
            message_id, answer, started = await self._send_call(action, payload)
            if fault is Fault.CLOSE_SOCKET:
                self._stats.faults[fault.value] += 1
                self._pending = None
                self.cut()
                raise AnswerLost(None)
            timer = self._clock.call_later(
                self._answer_timeout_s,
                lambda: self._time_out(answer, action),
                name=f"answer:{action}",
                real=True,
            )
            try:
                result = await answer
            finally:
                timer.cancel()
                self._pending = None
            self._stats.answered(action, self._clock.monotonic() - started)
            await self._check_answer(action, message_id, result)
        if fault in LOST_ANSWERS:
            self._stats.faults[fault.value] += 1
            if fault is Fault.CLOSE_ON_ANSWER:
                self.cut()
            raise AnswerLost(result)
        return result

    async def _send_call(
        self, action: str, payload: dict[str, Any]
    ) -> tuple[str, asyncio.Future[dict[str, Any]], float]:
        self._check_request(action, payload)
        message_id = str(uuid.uuid4())
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self.closed:
            raise NoAnswer("the socket is closed")
        self._pending = (message_id, answer)
        started = self._clock.monotonic()
        try:
            await self.send(frames.call(message_id, action, payload))
        except NoAnswer:
            self._pending = None
            if not answer.cancel():
                answer.exception()  # the listener was faster; asyncio complains about errors nobody reads
            raise
        self._stats.sent[action] += 1
        return message_id, answer, started

    def _check_request(self, action: str, payload: dict[str, Any]) -> None:
        """Never send what breaks its schema: that would be a mistake of the simulator itself."""
        violation = schemas.check_request(self._version, action, payload, strict=True)
        if violation is not None:
            self._stats.errors[f"invalid_request:{action}"] += 1
            raise InvalidRequest(f"{action}: {violation.description}")

    async def _check_answer(self, action: str, message_id: str, payload: dict[str, Any]) -> None:
        """Count an answer of the CSMS that breaks its schema; 2.1 has a frame to say so."""
        violation = schemas.check_response(self._version, action, payload)
        if violation is None:
            return
        self._stats.errors[f"invalid_answer:{action}"] += 1
        if self._version == V21:
            await self.send(frames.result_error(message_id, violation.code, violation.description))

    async def tell(self, action: str, payload: dict[str, Any]) -> None:
        """Send a SEND, which is never answered (OCPP 2.1 part 4 §4.2.5).  Raises NoAnswer."""
        self._check_request(action, payload)
        await self.send(frames.send(str(uuid.uuid4()), action, payload))
        self._stats.sent[action] += 1

    async def send(self, text: str) -> None:
        """Write one text frame as it is."""
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise NoAnswer("the socket closed while sending") from error

    async def send_junk(self, text: str) -> None:
        """Write a frame that is wrong on purpose; its CALLERROR will not count as an error."""
        self._junk_sent += 1
        self._stats.faults["malformed_frames"] += 1
        await self.send(text)

    async def listen(self) -> None:
        """Read until the socket closes; afterwards nothing waits for an answer any more."""
        try:
            async for text in self._socket:
                await self._receive(text)
        except ConnectionClosed:
            pass
        finally:
            self.closed = True
            if self._pending is not None and not self._pending[1].done():
                self._pending[1].set_exception(NoAnswer("the socket closed before the answer"))

    async def _receive(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            self._stats.errors["invalid_frame"] += 1
            return
        frame = frames.parse(text, version=self._version)
        if isinstance(frame, frames.Call):
            await self._serve(self, frame)
        elif isinstance(frame, frames.CallResult):
            self._answer(frame.message_id, frame.payload)
        elif isinstance(frame, frames.CallError):
            self._refuse(frame)
        else:
            self._stats.errors["invalid_frame"] += 1
            logger.warning("simulator.invalid_frame", extra={"frame": text[:200]})

    def _answer(self, message_id: str, payload: dict[str, Any]) -> None:
        if self._pending is not None and self._pending[0] == message_id and not self._pending[1].done():
            self._pending[1].set_result(payload)
        else:
            self._unasked(message_id, "unasked_answer")

    def _refuse(self, frame: frames.CallError) -> None:
        if self._pending is not None and self._pending[0] == frame.message_id and not self._pending[1].done():
            self._stats.errors[f"callerror:{frame.code}"] += 1
            self._pending[1].set_exception(CallFailed(frame.code, frame.description))
        else:
            self._unasked(frame.message_id, f"callerror:{frame.code}")

    def _unasked(self, message_id: str, kind: str) -> None:
        if message_id in self._asked:
            self._stats.late_answers += 1
        elif message_id.startswith(JUNK_PREFIX) or (message_id == "-1" and self._junk_sent):
            self._stats.faults["malformed_frames_answered"] += 1
        else:
            self._stats.errors[kind] += 1

    def _time_out(self, answer: asyncio.Future[dict[str, Any]], action: str) -> None:
        if not answer.done() and self._pending is not None:
            self._asked.add(self._pending[0])
            self._stats.errors[f"timeout:{action}"] += 1
            answer.set_exception(NoAnswer("no answer in time"))

    def cut(self) -> None:
        """Drop the TCP connection without a close frame, as most charge points do."""
        self.closing = True
        self.closed = True
        self._socket.transport.close()

    async def close(self) -> None:
        """Close the WebSocket in good order."""
        self.closing = True
        await self._socket.close()

    @property
    def close_code(self) -> int | None:
        return self._socket.close_code
