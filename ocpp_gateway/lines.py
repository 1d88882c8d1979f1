"""The way from us to a charger: texts out, close. Two kinds of it, so that any ASGI server will do."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from types import coroutine
from typing import Any, Final, Protocol

logger = logging.getLogger(__name__)

MAX_BACKLOG: Final = 2000  # answers that a charger may leave unread before its socket is cut
DIRECT: Final = "ocpp_gateway.direct"  # the extension of the ASGI scope under which a server offers its line
CLOSE_WAIT_S: Final = 2.0  # for a charger to read what is left, when we close

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]
Close = Callable[[int, str], Awaitable[None]]


class Line(Protocol):
    """What a socket needs of the server."""

    def write(self, text: str) -> bool:
        """Send a text without waiting; False: the charger leaves too much unread, nothing was sent."""

    async def close(self, code: int, reason: str) -> None:
        """Send what is left, then close."""


class Taker(Protocol):
    """Who is called with the frames of a socket, by a server that hands them over directly."""

    def take(self, text: str | None) -> Awaitable[None] | None:
        """Handle a frame (None: a binary one); returns what to wait for before the next."""

    def left(self, code: int) -> None:
        """The socket has ended; nothing follows."""


class DirectLine(Line, Protocol):
    """A line whose server calls the taker for every frame, instead of a task for each socket that waits for them."""

    def hand_over(self, taker: Taker) -> None:
        """Give the frames from now on to `taker`; the ASGI application is to return."""


class AsgiLine:
    """The line through the `send` of ASGI, which may block.

    A send is started by hand and becomes a task only when it blocks, because the charger does not read fast enough.
    """

    __slots__ = ("_backlog", "_close", "_send", "_sending")

    def __init__(self, send: Send, close: Close) -> None:
        self._send, self._close = send, close
        self._backlog: deque[str] = deque()
        self._sending: asyncio.Task[None] | None = None

    def write(self, text: str) -> bool:
        if self._sending is not None:
            self._backlog.append(text)
            return len(self._backlog) <= MAX_BACKLOG
        step = self._send({"type": "websocket.send", "text": text})
        try:
            blocker = step.send(None)
        except StopIteration:
            return True
        except Exception as error:
            logger.debug("line.send_failed", extra={"error": repr(error)})
            return True
        self._sending = asyncio.get_running_loop().create_task(self._send_rest(step, blocker))
        return True

    async def _send_rest(self, step: Coroutine[Any, Any, None], blocker: Any) -> None:
        try:
            await _resume(step, blocker)
            while self._backlog:
                await self._send({"type": "websocket.send", "text": self._backlog.popleft()})
        except Exception as error:
            logger.debug("line.send_failed", extra={"error": repr(error)})
        finally:
            self._sending = None

    async def close(self, code: int, reason: str) -> None:
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=CLOSE_WAIT_S)
        await self._close(code, reason)


@coroutine
def _resume(step: Any, blocker: Any) -> Any:
    """Go on with a coroutine that was started by hand and waits for `blocker`."""
    while True:
        try:
            value = yield blocker
        except BaseException as error:
            try:
                blocker = step.throw(error)
            except StopIteration as done:
                return done.value
        else:
            try:
                blocker = step.send(value)
            except StopIteration as done:
                return done.value
