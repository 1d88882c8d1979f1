"""The door of a port with TLS, without a network."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from ocpp_gateway import door
from ocpp_gateway.door import Door
from ocpp_gateway.tls import TlsKeeper


class Behind(asyncio.Protocol):
    """What the server would use behind the door."""

    def __init__(self, **options: Any) -> None:
        self.seen: list[Any] = options["seen"]

    def connection_made(self, transport: Any) -> None:
        self.seen.append("made")

    def data_received(self, data: bytes) -> None:
        self.seen.append(data)


class Line:
    """A transport."""

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return SimpleNamespace(fileno=lambda: 0, getpeername=lambda: ("192.0.2.1", 1))

    def is_closing(self) -> bool:
        return False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


def test_data_right_behind_the_handshake_reaches_the_server() -> None:
    """The loop may hand it to the door before the door is told that the handshake has ended."""
    seen: list[Any] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        async def start_tls(transport: Any, protocol: Door, context: Any, **options: Any) -> Line:
            protocol.data_received(b"GET /ocpp/A HTTP/1.1\r\n")
            return Line()

        options = {"server_state": SimpleNamespace(connections=set()), "seen": seen}
        keeper = cast(TlsKeeper, SimpleNamespace(context=object()))
        opened = Door(keeper, Behind, _loop=_LoopOf(loop, start_tls), **options)
        opened.connection_made(cast(Any, Line()))
        opened.data_received(bytes([door._CLIENT_HELLO]) + b"hello")
        await asyncio.sleep(0.05)

    asyncio.run(scenario())
    assert seen == ["made", b"GET /ocpp/A HTTP/1.1\r\n"]


class _LoopOf:
    """The running loop with another `start_tls`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_tls: Any) -> None:
        self._loop, self.start_tls = loop, start_tls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)
