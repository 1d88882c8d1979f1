"""A TCP proxy that loses what it likes: a line that swallows everything, and a COMMIT whose outcome nobody hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from tests.e2e.product import free_port

CHUNK = 65536
#: psycopg sends it as a simple query.
COMMIT = b"COMMIT\x00"


class Line:
    """One connection through the proxy.

    swallows   what comes from either side is read and dropped; nobody is told that the other one has gone
    """

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.swallows_up = self.swallows_down = False

    def cut(self) -> None:
        """End both sides at once."""
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """Listens on a port of its own while its `async with` block lasts; `port` may be given to others before.

    on_up   looks at what a client sends before it is passed on; false: it is dropped
    on_down   the same for what the server sends
    """

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self.lines: set[Line] = set()
        self.on_up: Callable[[Line, bytes], bool] = lambda line, data: True
        self.on_down: Callable[[Line, bytes], bool] = lambda line, data: True
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for line in list(self.lines):
            line.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self, *, up: bool = True, down: bool = True) -> None:
        """From now on all present lines are dead in these directions, and nobody is told."""
        for line in self.lines:
            line.swallows_up, line.swallows_down = line.swallows_up or up, line.swallows_down or down

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            back, onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        line = Line(writer, onward)
        self.lines.add(line)
        try:
            await asyncio.gather(self._pass_up(line, reader), self._pass_down(line, back))
        finally:
            self.lines.discard(line)
            line.cut()

    async def _pass_up(self, line: Line, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if not line.swallows_up and self.on_up(line, data):
                    line.server.write(data)
                    await line.server.drain()
        if not line.swallows_up:
            line.server.close()

    async def _pass_down(self, line: Line, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if not line.swallows_down and self.on_down(line, data):
                    line.client.write(data)
                    await line.client.drain()
        if not line.swallows_down:
            line.client.close()


class LosesCommits:
    """Breaks the connection at every `every`th COMMIT: in turn before it reaches the server and after it was done."""

    def __init__(self, proxy: Proxy, *, every: int) -> None:
        self._every, self._seen = every, 0
        self._waits: set[Line] = set()
        self.lost = self.done = 0
        proxy.on_up, proxy.on_down = self._up, self._down

    def _up(self, line: Line, data: bytes) -> bool:
        if COMMIT not in data:
            return True
        self._seen += 1
        if self._seen % self._every:
            return True
        if self._seen // self._every % 2:
            self.lost += 1
            line.cut()
            return False
        self._waits.add(line)
        return True

    def _down(self, line: Line, data: bytes) -> bool:
        if line not in self._waits:
            return True
        self._waits.discard(line)
        self.done += 1
        line.cut()
        return False
