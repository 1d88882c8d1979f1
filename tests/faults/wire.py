"""The socket of a test charger: calls and their answers, and what happens to the line."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from contextlib import suppress
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from tests.faults.journal import Journal
from tests.faults.seed import KEY

NO_CLOSE_FRAME = 1006


class Unanswered(Exception):
    """The answer did not come in time, or the socket was closed before it."""


class Wire:
    """One socket after the other to one of several gateways.

    answer_s   it waits so long for an answer
    commands   CALLs of the server so far, all of them answered Accepted
    """

    def __init__(
        self, *, identity: str, urls: list[str], journal: Journal, answer_s: float, version: str
    ) -> None:
        self.version = version
        self.identity, self.urls, self.journal, self.answer_s = identity, urls, journal, answer_s
        self.gateway = 0
        self.socket: ClientConnection | None = None
        self.commands: list[list[Any]] = []
        self.left: list[ClientConnection] = []  # still open
        self.has_left = asyncio.Event()
        self._pending: dict[str, asyncio.Future[list[Any]]] = {}
        self._asked: dict[str, str] = {}

    async def connect(self) -> bool:
        """Open a socket; false when nobody answers or the handshake is refused: then the next gateway is due."""
        pair = base64.b64encode(f"{self.identity}:{KEY}".encode()).decode()
        status = 101
        try:
            self.socket = await connect(
                f"{self.urls[self.gateway]}/{self.identity}",
                subprotocols=[Subprotocol(self.version)],
                additional_headers={"Authorization": f"Basic {pair}"},
                compression=None,
                proxy=None,
                open_timeout=max(20.0, self.answer_s),
                ping_interval=None,
                close_timeout=max(1.0, self.answer_s / 3),
            )
        except InvalidStatus as error:
            status = error.response.status_code
        except (OSError, InvalidHandshake, ConnectionClosed):
            status = 0
        self.journal.handshakes[status] += 1
        if status == 101:
            self.journal.connected.append((time.monotonic(), self.identity, self.gateway))
            self._pending = {}
            self.has_left.clear()
            return True
        self.socket = None
        self.gateway = (self.gateway + 1) % len(self.urls)
        return False

    async def hang_up(self) -> None:
        """Close the socket in good order."""
        for socket in (self.socket, *self.left):
            if socket is not None:
                await socket.close()

    def drop(self) -> None:
        """Lose the line without a word."""
        for socket in (self.socket, *self.left):
            if socket is not None:
                socket.transport.abort()

    def leave(self) -> None:
        """Turn to the next gateway and forget the socket without closing it, as after a change of network."""
        self.gateway = (self.gateway + 1) % len(self.urls)
        if self.socket is not None:
            self.left.append(self.socket)
            self.has_left.set()

    async def listen(self) -> None:
        """Read until the socket is closed; then nobody waits for an answer any longer."""
        socket = self.socket
        assert socket is not None
        try:
            async for text in socket:
                await self._take(orjson.loads(text))
        except ConnectionClosed:
            pass
        finally:
            if socket not in self.left:
                self.journal.closed[int(socket.close_code or NO_CLOSE_FRAME)] += 1
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(Unanswered("the socket closed"))
                    answer.exception()  # nobody may be waiting

    async def _take(self, frame: list[Any]) -> None:
        if frame[0] == 2:
            self.commands.append(frame)
            await self.send([3, frame[1], {"status": "Accepted"}])
            return
        if frame[0] == 4:
            self.journal.note_error(self.identity, self._asked.get(frame[1], "?"), frame)
        answer = self._pending.get(frame[1])
        if answer is not None and not answer.done():
            answer.set_result(frame)

    async def send(self, frame: list[Any]) -> None:
        """Write a frame; a line that is gone says so by its end."""
        assert self.socket is not None
        if frame[0] == 2:
            self._asked[frame[1]] = frame[2]
        with suppress(ConnectionClosed):
            await self.socket.send(orjson.dumps(frame).decode())

    async def ask(self, action: str, payload: dict[str, Any], message_id: str | None = None) -> list[Any]:
        """Send a CALL and return the frame that answers it. Raises Unanswered."""
        message_id = message_id or str(uuid.uuid4())
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._pending[message_id] = answer
        await self.send([2, message_id, action, payload])
        try:
            if self.socket is None or self.socket.close_code is not None:
                raise Unanswered("the socket is closed")
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes with the answer.
            async with asyncio.timeout(self.answer_s):
                frame = await answer
        except TimeoutError:
            raise Unanswered(f"{action}: no answer in time") from None
        finally:
            self._pending.pop(message_id, None)
        return frame

    async def tell(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Send a CALL that is not repeated and return its answer; None when there is none."""
        try:
            frame = await self.ask(action, payload)
        except Unanswered:
            return None
        return dict(frame[2]) if frame[0] == 3 else None
