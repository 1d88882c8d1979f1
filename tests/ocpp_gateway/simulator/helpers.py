"""A tiny CSMS on loopback and a clock that moves only when told: what the simulator is tested against."""

from __future__ import annotations

import asyncio
import base64
import http
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import V16

ORIGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DEADLINE_S = 40.0  # a busy machine is slow, a test that hangs is no faster


Reply = dict[str, Any] | None | tuple[str, str]
Answerer = Callable[[str, frames.Call], Reply]

T = TypeVar("T")


def play(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; a test that hangs fails soon."""

    async def limited() -> T:
        async with asyncio.timeout(DEADLINE_S):
            return await work

    return asyncio.run(limited())


class ManualClock(Clock):
    """Timers fire only by name and on demand."""

    def __init__(self) -> None:
        super().__init__(origin=ORIGIN)
        self._now = ORIGIN
        self._timers: list[ManualTimer] = []
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass without firing anything."""
        self._now += timedelta(seconds=seconds)

    def call_later(
        self, seconds: float, callback: Callable[[], None], *, name: str, real: bool = False
    ) -> ManualTimer:
        timer = ManualTimer(name, self._now + timedelta(seconds=seconds), callback, seconds, self._timers)
        self._timers.append(timer)
        self._changed.set()
        return timer

    def pending(self, name: str) -> list[float]:
        """Delays of the waiting timers of a name."""
        return [timer.seconds for timer in self._timers if timer.name == name]

    async def fire(self, name: str) -> float:
        """Wait until a timer of this name is set, jump to its time, fire it; return its delay."""
        while True:
            named = sorted((t for t in self._timers if t.name == name), key=lambda timer: timer.due)
            if named:
                break
            self._changed.clear()
            await self._changed.wait()
        timer = named[0]
        timer.cancel()
        self._now = max(self._now, timer.due)
        timer.callback()
        return timer.seconds


@dataclass(eq=False)
class ManualTimer:
    name: str
    due: datetime
    callback: Callable[[], None]
    seconds: float
    among: list[ManualTimer]

    def cancel(self) -> None:
        if self in self.among:
            self.among.remove(self)


def default_answer(csms: Csms, call: frames.Call) -> Reply:
    match call.action:
        case "BootNotification":
            return {"status": "Accepted", "currentTime": "2026-03-01T12:00:00.000Z", "interval": 300}
        case "Authorize" | "TransactionEvent" if csms.version != V16:
            return {"idTokenInfo": {"status": "Accepted"}} if "idToken" in call.payload else {}
        case "NotifySettlement":
            return {"receiptUrl": "https://pay.example.org/1"}
        case "VatNumberValidation":
            return {"status": "Accepted", "vatNumber": call.payload["vatNumber"]}
        case "OpenPeriodicEventStream":
            return {"status": "Accepted"}
        case "PullDynamicScheduleUpdate":
            return {"status": "Accepted", "scheduleUpdate": {"limit": 1380.0}}
        case "SignCertificate" | "NotifyEVChargingNeeds" | "NotifyEVChargingSchedule" | "DataTransfer":
            return {"status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": "2026-03-01T12:00:00.000Z"}
        case "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        case "StartTransaction":
            return {"transactionId": csms.transaction_id(call.payload), "idTagInfo": {"status": "Accepted"}}
        case _:
            return {}


@dataclass
class Csms:
    """Answers as `script` says for an action (each entry once, then the default) and keeps every call.

    An answer is a payload, a pair (code, description) for a CALLERROR, or None for silence. Calls that break their
    schema are noted, and with `strict` refused.
    """

    script: dict[str, list[Reply]] = field(default_factory=dict)
    refuse: list[int] = field(default_factory=list)
    calls: list[frames.Call] = field(default_factory=list)
    junk: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    sockets: int = 0
    unknown: int = 0
    strict: bool = False
    version: str = V16
    sends: list[frames.Send] = field(default_factory=list)
    result_errors: list[frames.CallResultError] = field(default_factory=list)
    url: str = ""
    _server: Server | None = None
    _socket: ServerConnection | None = None
    _commands: dict[str, asyncio.Future[frames.CallResult | frames.CallError]] = field(default_factory=dict)
    _ids: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Csms:
        self._server = await serve(
            self._talk,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(self.version)],
            process_request=self._admit,
            ping_interval=None,
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/ocpp"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        self.credentials.append(base64.b64decode(encoded).decode() if scheme == "Basic" else "")
        if not self.refuse:
            return None
        status = http.HTTPStatus(self.refuse.pop(0))
        return Response(status.value, status.phrase, Headers(), b"")

    async def _talk(self, socket: ServerConnection) -> None:
        self.sockets += 1
        self._socket = socket
        self._changed.set()
        try:
            async for text in socket:
                assert isinstance(text, str)
                await self._receive(socket, text)
        except ConnectionClosed:
            pass

    async def _receive(self, socket: ServerConnection, text: str) -> None:
        frame = frames.parse(text, version=self.version)
        if isinstance(frame, frames.Call):
            await self._serve(socket, frame)
        elif isinstance(frame, frames.Send):
            self.sends.append(frame)
        elif isinstance(frame, frames.CallResultError):
            self.result_errors.append(frame)
        elif isinstance(frame, frames.CallResult | frames.CallError):
            future = self._commands.pop(frame.message_id, None)
            if future is not None:
                future.set_result(frame)
        else:
            self.junk.append(text)
            if frame.code is not None:
                await socket.send(frames.error(frame.message_id, frame.code, frame.description))
        self._changed.set()

    async def _serve(self, socket: ServerConnection, call: frames.Call) -> None:
        if call.action not in schemas.actions(self.version):
            self.unknown += 1
            await socket.send(frames.error(call.message_id, "NotImplemented"))
            return
        violation = schemas.check_request(self.version, call.action, call.payload)
        if violation is not None:
            self.violations.append(f"{call.action}: {violation.description}")
        if violation is not None and self.strict:
            await socket.send(frames.error(call.message_id, "FormationViolation"))
            return
        self.calls.append(call)
        scripted = self.script.get(call.action)
        reply = scripted.pop(0) if scripted else default_answer(self, call)
        if isinstance(reply, tuple):
            await socket.send(frames.error(call.message_id, *reply))
        elif reply is not None:
            await socket.send(frames.result(call.message_id, reply))

    def transaction_id(self, payload: dict[str, Any]) -> int:
        """One id per start, the same for a repeat of it."""
        return self._ids.setdefault(tuple(sorted(payload.items())), len(self._ids) + 101)

    # ---------------------------------------------------------------- what tests ask
    def named(self, action: str) -> list[frames.Call]:
        """The calls of one action in the order of arrival."""
        return [call for call in self.calls if call.action == action]

    @property
    def actions(self) -> list[str]:
        return [call.action for call in self.calls]

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until a condition on what has arrived is met."""
        while not met():
            self._changed.clear()
            await self._changed.wait()

    async def arrived(self, action: str, count: int = 1) -> frames.Call:
        """Wait for the n-th call of an action."""
        await self.until(lambda: len(self.named(action)) >= count)
        return self.named(action)[count - 1]

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The transaction events of 2.x, of one type or all."""
        found = [call.payload for call in self.named("TransactionEvent")]
        return [payload for payload in found if kind in ("", payload["eventType"])]

    async def event(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait for the n-th transaction event of a type."""
        await self.until(lambda: len(self.events(kind)) >= count)
        return self.events(kind)[count - 1]

    async def status(self, connector: int, status: str) -> None:
        """Wait until a connector's latest status is this one."""

        def met() -> bool:
            mine = [c for c in self.named("StatusNotification") if c.payload["connectorId"] == connector]
            return bool(mine) and mine[-1].payload["status"] == status

        await self.until(met)

    async def call(self, action: str, payload: dict[str, Any]) -> frames.CallResult | frames.CallError:
        """Send a command on the latest socket and return the answer, checked against its schema."""
        assert self._socket is not None
        message_id = f"command-{len(self._commands)}-{action}"[:36]
        future = asyncio.get_running_loop().create_future()
        self._commands[message_id] = future
        await self._socket.send(frames.call(message_id, action, payload))
        answer: frames.CallResult | frames.CallError = await future
        if isinstance(answer, frames.CallResult):
            violation = schemas.check_response(self.version, action, answer.payload)
            assert violation is None, violation
        return answer

    async def ask(self, action: str, **payload: Any) -> dict[str, Any]:
        """Send a command and return the payload of its CALLRESULT."""
        answer = await self.call(action, payload)
        assert isinstance(answer, frames.CallResult), answer
        return answer.payload

    async def drop(self) -> None:
        """Close the latest socket."""
        assert self._socket is not None
        await self._socket.close()
