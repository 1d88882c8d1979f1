"""uvicorn's WebSocket protocol with what chargers need, above all a short way for frames.

Once a charger is accepted, frames do not travel through ASGI (a queue, a task that is woken, a dictionary for each
message) but are handed to the consumer where they are read, and answers are written where they are made. The usual
frame (complete, text, masked) is read and written here; all others, and everything that breaks RFC 6455, go the way of
the library, whose behaviour stays in force.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Awaitable
from typing import Any, Final

from django.conf import settings
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import apply_mask  # type: ignore[attr-defined]
from websockets.protocol import OPEN

from ocpp_gateway import peers
from ocpp_gateway.lines import CLOSE_WAIT_S, DIRECT, MAX_BACKLOG, Taker

logger = logging.getLogger(__name__)

FRAMES_AT_ONCE: Final = 32  # of one charger, before the others have their turn
COMPRESS_FROM: Final = 512  # bytes; a shorter answer only gets dearer

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain\r\ncontent-length: 22\r\nconnection: close\r\n\r\n"
    b"The header is too long"
)
_TEXT: Final = 0x81  # final frame, no extension, text
_PACKED: Final = 0xC1  # the same, compressed
_HEADS: Final = [bytes((_TEXT, length)) for length in range(126)]

# Without context takeover a compressing connection keeps no window of 64 kB. One for all: it has no state.
_DEFLATE: Final = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=12,
    client_max_window_bits=12,
    compress_settings={"memLevel": 4},
)

#: What waits while reading is held back: bytes not read yet, a text, a binary message (None), the close code.
_Waiting = bytes | str | int | None


class _Nobody:
    """In the place of a queue that nobody reads any more."""

    def put_nowait(self, message: Any) -> None: ...


_NOBODY: Final[Any] = _Nobody()


class ChargerWebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets of chargers: answers over-long headers, forgives a late pong while we hold back reading.

    After `hand_over` it is the line of its socket, and calls the taker for every frame.
    """

    _taker: Taker | None = None
    _is_handed_over = _is_held = False
    _packed = _TEXT  # the first byte of a compressed message, where that was agreed
    _window_bits = 0
    _holding: asyncio.Task[None] | None = None
    _waiting: deque[_Waiting] | None = None
    _unsent: deque[bytes] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.config.ws_per_message_deflate:
            self.conn.available_extensions = [_DEFLATE]

    # -- handshake

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"][DIRECT] = {"line": self}
            if self.scheme == "wss" or settings.TLS_CLIENT_CERT_HEADER:
                tls = peers.extension_of(self.transport, self.client, self.scope["headers"])
                if tls is not None:
                    self.scope["extensions"]["tls"] = tls  # type: ignore[assignment]

    async def run_asgi(self) -> None:
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
            elif self._taker is not None:
                return
        if self.close_timer is None:
            self.transport.close()

    def hand_over(self, taker: Taker) -> None:
        """Give the frames from now on to `taker`; what is not needed any more is let go of."""
        queue, self._taker, self._is_handed_over = self.queue, taker, True
        # uvicorn puts messages where we get them: all that it does about fragments, errors and ends stays in force.
        self.queue = self  # type: ignore[assignment]
        del self.scope, self.request, self.response
        match self.conn.extensions:
            case [PerMessageDeflate(remote_no_context_takeover=True, remote_max_window_bits=bits)]:
                self._packed, self._window_bits = _PACKED, bits
        self._is_held = self.read_paused
        while not queue.empty():
            self._waiting_messages().append(_content(queue.get_nowait()))  # type: ignore[arg-type]
        if self._is_held or self._waiting:
            self._is_held = True
            self.loop.call_soon(self._release)

    # -- frames of the charger

    def data_received(self, data: bytes) -> None:
        if self._is_held and not self.close_sent:
            # It was on its way when reading was paused.
            self._waiting_messages().append(data)
        elif self._taker is not None:
            self._read(data)
        else:
            super().data_received(data)
            if not self.handshake_initiated and self.conn.handshake_exc is not None:
                # The parser refuses header lines over 8 kB; uvicorn would leave the client without an answer.
                self.handshake_complete = True
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def _read(self, data: bytes) -> None:
        """Hand over the usual frames at the beginning of what was read, and leave the rest to the library.

        A third of the cost of the library's reader, a generator for each part of a frame. The library sees none of
        these frames; it is between two messages as before.
        """
        conn = self.conn
        if conn.reader.buffer or conn.current_size is not None or conn.state is not OPEN:
            super().data_received(data)
            return
        position, size, limit = 0, len(data), self.config.ws_max_size
        last_turn = FRAMES_AT_ONCE
        while size - position >= 6 and ((first := data[position]) == _TEXT or first == self._packed):
            length, start = data[position + 1] - 0x80, position + 6
            if length == 126:
                length, start = (data[position + 2] << 8) | data[position + 3], position + 8
            end = start + length
            if length < 0 or data[position + 1] == 0xFF or end > size or length > limit:
                break
            payload = apply_mask(data[start:end], data[start - 4 : start])
            try:
                text = (payload if first == _TEXT else self._inflate(payload)).decode()
            except (UnicodeDecodeError, zlib.error):
                break
            position = end
            self._hand_on(text)
            last_turn -= 1
            if not last_turn and position < size and not self._is_held:
                self._is_held = True
                self.loop.call_soon(self._release)
            if self._is_held:
                if position < size:
                    self._waiting_messages().append(data[position:])
                return
        if position < size:
            super().data_received(data[position:] if position else data)

    def _inflate(self, payload: bytes) -> bytes:
        """The text of a compressed message; raises zlib.error for one that the library has to refuse."""
        decoder = zlib.decompressobj(wbits=-self._window_bits)
        text = decoder.decompress(payload + b"\x00\x00\xff\xff", self.config.ws_max_size)
        if decoder.unconsumed_tail:
            raise zlib.error("too long")
        return text

    def send_receive_event_to_app(self) -> None:
        """A message that the library has put together."""
        if not self._is_handed_over:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        if self.close_sent:
            return
        if self.curr_msg_data_type != "text":
            self._pass(None)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            self._pass(text)

    def put_nowait(self, message: Any) -> None:
        """Take what uvicorn has for the application: after `hand_over` nothing but the end."""
        self._pass(_content(message))

    def _pass(self, content: str | int | None) -> None:
        if self._is_held:
            self._waiting_messages().append(content)
        else:
            self._hand_on(content)

    def _hand_on(self, content: str | int | None) -> None:
        taker = self._taker
        if taker is None:
            return
        if type(content) is int:
            self._taker = None
            taker.left(content)
            return
        try:
            hold = taker.take(content)  # type: ignore[arg-type]
        except Exception:
            logger.exception("protocol.frame_failed")
            self._taker = None
            taker.left(1006)
            self.transport.close()
            return
        if hold is not None:
            if not self.read_paused and not self.transport.is_closing():
                self.transport.pause_reading()
            self._is_held = self.read_paused = True
            self._holding = self.loop.create_task(self._wait(hold))

    async def _wait(self, hold: Awaitable[None]) -> None:
        try:
            await hold
        finally:
            self._release()

    def _release(self) -> None:
        """Go on with what waits; read again when nothing is left."""
        self._is_held = False
        while self._waiting and not self._is_held:
            content = self._waiting.popleft()
            if type(content) is bytes:
                # What it holds comes before what was read later.
                later, self._waiting = self._waiting, None
                self._read(content)
                self._waiting_messages().extend(later)
            else:
                self._hand_on(content)  # type: ignore[arg-type]
        if not self._is_held:
            self._waiting = None
            if self.disconnected:
                self._let_go()
            elif self.read_paused:
                self.read_paused = False
                if not self.transport.is_closing():
                    self.transport.resume_reading()

    def _waiting_messages(self) -> deque[_Waiting]:
        if self._waiting is None:
            self._waiting = deque()
        return self._waiting

    # -- the line

    def write(self, text: str) -> bool:
        if self.close_sent or self.transport.is_closing():
            return True
        data = text.encode()
        length = len(data)
        if length >= COMPRESS_FROM and self.conn.extensions and self.conn.state is OPEN:
            self.conn.send_text(data)
            data = b"".join(self.conn.data_to_send())
        elif length < 126:
            data = _HEADS[length] + data
        elif length < 65536:
            data = b"\x81\x7e" + length.to_bytes(2, "big") + data
        else:
            data = b"\x81\x7f" + length.to_bytes(8, "big") + data
        if self.writable.is_set():
            self.transport.write(data)
            return True
        if self._unsent is None:
            self._unsent = deque()
        self._unsent.append(data)
        return len(self._unsent) <= MAX_BACKLOG

    def resume_writing(self) -> None:
        super().resume_writing()
        while self._unsent and self.writable.is_set():
            self.transport.write(self._unsent.popleft())
        if not self._unsent:
            self._unsent = None

    async def close(self, code: int, reason: str) -> None:
        deadline = self.loop.time() + CLOSE_WAIT_S
        while not self.writable.is_set() and self.loop.time() < deadline:
            await asyncio.sleep(CLOSE_WAIT_S / 20)
        if self.writable.is_set():
            await self.send({"type": "websocket.close", "code": code, "reason": reason})
        else:
            # It reads nothing: a close frame would not arrive either.
            self.transport.abort()

    # -- life

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._is_held:
            self._let_go()

    def _let_go(self) -> None:
        """Cut what holds itself: thousands of sockets end at once, and should not wait for the garbage collector."""
        if self._is_handed_over:
            self.queue = _NOBODY
        self.conn.parser = None  # type: ignore[assignment]

    def keepalive_timeout(self) -> None:
        if self.read_paused and not self.transport.is_closing():
            # The pong may lie unread behind frames that we have not taken yet.
            self.pong_timer = self.loop.call_later(self.ping_timeout or 20, self.keepalive_timeout)
            return
        super().keepalive_timeout()


def _content(message: dict[str, Any]) -> str | int | None:
    """What an ASGI message says: a text, None for a binary message, the code of the end."""
    if message["type"] == "websocket.receive":
        text: str | None = message.get("text")
        return text
    return int(message.get("code") or 1005)
