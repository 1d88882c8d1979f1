"""uvicorn's HTTP protocol with what chargers need: a time limit for the header, and turns for handshakes in a storm."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

UPGRADES_AT_ONCE: Final = 64  # handshakes in one turn of the loop, 100 µs each


class _Turnstile:
    """Lets few handshakes in at a time, so that a storm of them leaves the loop to the messages of others between."""

    def __init__(self) -> None:
        self._waiting: deque[ChargerHttpProtocol] = deque()
        self._room = UPGRADES_AT_ONCE
        self._turning: asyncio.AbstractEventLoop | None = None

    def lets_in(self, protocol: ChargerHttpProtocol) -> bool:
        """Let a handshake go on, or keep it for a later turn of the loop."""
        if self._turning is not protocol.loop:
            self._waiting.clear()
            self._room, self._turning = UPGRADES_AT_ONCE, protocol.loop
            protocol.loop.call_soon(self._turn, protocol.loop)
        if not self._room:
            self._waiting.append(protocol)
            return False
        self._room -= 1
        protocol.upgrade()
        return True

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        first = [self._waiting.popleft() for _ in range(min(UPGRADES_AT_ONCE, len(self._waiting)))]
        self._room = UPGRADES_AT_ONCE - len(first)
        self._turning = loop if first else None
        if first:
            loop.call_soon(self._turn, loop)
        for protocol in first:
            protocol.upgrade()


_turnstile: Final = _Turnstile()


class ChargerHttpProtocol(HttpToolsProtocol):
    """HTTP that cuts a client whose request header is not complete in time; uvicorn waits for ever."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        if not _turnstile.lets_in(self):
            self.transport.pause_reading()

    def upgrade(self) -> None:
        """Go on as a WebSocket, now or after waiting."""
        if self.transport.is_closing():
            return
        self.transport.resume_reading()
        super().handle_websocket_upgrade()
        # The parser and this object hold each other; 5,000 upgrades would wait for the garbage collector.
        self.parser = None  # type: ignore[assignment]

    def _start_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(settings.OCPP_HANDSHAKE_TIMEOUT_S, self._cut)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _cut(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.close()
