"""A WebSocket client that plays a script of calls from callbacks: no task and no future per message."""

from __future__ import annotations

import asyncio
import base64
import secrets
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlsplit

import orjson

from ocpp_gateway.simulator.bench.deflate import OFFER, Deflate, agreed
from ocpp_gateway.simulator.bench.messages import Message, encode
from ocpp_gateway.simulator.bench.pace import Pace
from ocpp_gateway.simulator.stats import Latencies

Script = Generator[Message, bytes, None]
"""Yields messages one by one and is sent the text of each answer; Failed is thrown in for a CALLERROR."""

MAX_MESSAGE = 1 << 20


class Failed(Exception):
    """A call was answered with a CALLERROR, or the socket is gone."""


class Refused(Exception):
    """The upgrade was refused."""


@dataclass
class Tally:
    """What all sockets of a load test count.

    latencies  of the answers that came while `measuring`: these are the messages of the result
    sent, answered  all CALLs by action, for comparing with what is stored
    compressed  sockets on which the server agreed to permessage-deflate
    open  TCP connections at this moment, also those that are still being upgraded
    """

    measuring: bool = False
    latencies: dict[str, Latencies] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    compressed: int = 0
    open: int = 0

    def record(self, action: str, seconds: float) -> None:
        """Count an answer or a handshake."""
        if self.measuring:
            if action not in self.latencies:
                self.latencies[action] = Latencies()
            self.latencies[action].record(seconds)


class LoadSocket(asyncio.Protocol):
    """One charge point's socket."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._pace: Pace | None = None
        self._slot: asyncio.TimerHandle | None = None
        self._waiting: Message | None = None
        self._deflate: Deflate | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._fragments = b""
        self._is_compressed = False
        self._upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._script: Script | None = None
        self._played: asyncio.Future[None] | None = None
        self._action = ""
        self._message_id = b""
        self._refusable = False
        self._sent_at = 0.0
        self.closing = False

    @classmethod
    async def open(
        cls,
        tally: Tally,
        *,
        url: str,
        identity: str,
        key: str,
        timeout_s: float,
        deflate: bool = False,
        protocol: str = "ocpp1.6",
    ) -> LoadSocket:
        """Connect and upgrade.

        deflate  offer permessage-deflate, and compress if the server agrees
        Raises   Refused (with the HTTP status), OSError, TimeoutError
        """
        parts = urlsplit(url)
        context = ssl.create_default_context() if parts.scheme == "wss" else None
        port = parts.port or (443 if context else 80)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            _, socket = await loop.create_connection(
                lambda: cls(tally), parts.hostname or "127.0.0.1", port, ssl=context
            )
            path = f"{parts.path.rstrip('/')}/{quote(identity, safe='')}"
            socket._upgrade(path, parts.netloc, identity, key, deflate, protocol)
            try:
                await socket._upgraded
            except BaseException:
                socket.close()
                raise
        return socket

    def _upgrade(self, path: str, host: str, identity: str, key: str, deflate: bool, protocol: str) -> None:
        assert self._transport is not None
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {protocol}",
        ]
        if deflate:
            lines.append(f"Sec-WebSocket-Extensions: {OFFER}")
        if key:
            credentials = base64.b64encode(f"{identity}:{key}".encode()).decode()
            lines.append(f"Authorization: Basic {credentials}")
        self._transport.write("\r\n".join([*lines, "", ""]).encode())

    # ---------------------------------------------------------------- scripts
    def play(self, script: Script, pace: Pace | None = None) -> asyncio.Future[None]:
        """Run a script; the future ends with it, with Failed when the script did not get to its end.

        pace  when its messages may be sent; without one at once
        """
        self._pace = pace
        self._script = script
        self._played = asyncio.get_running_loop().create_future()
        self._step(None)
        return self._played

    def _step(self, answer: bytes | None, failure: Failed | None = None) -> None:
        script, played = self._script, self._played
        assert script is not None
        assert played is not None
        try:
            if self._transport is None:
                raise Failed("the socket is closed")
            if failure is not None:
                message = script.throw(failure)
            else:
                message = next(script) if answer is None else script.send(answer)
        except StopIteration:
            self._script = None
            if not played.done():
                played.set_result(None)
        except Failed as error:
            self._script = None
            if not played.done():
                played.set_exception(error)
        else:
            delay_s = self._pace.wait_s() if self._pace is not None else 0.0
            if delay_s > 0:
                self._waiting = message
                self._slot = asyncio.get_running_loop().call_later(delay_s, self._send, message)
            else:
                self._send(message)

    def hurry(self) -> None:
        """From now on without a pace; what waits for its slot is sent at once."""
        self._pace = None
        if self._slot is not None and self._waiting is not None:
            self._slot.cancel()
            self._send(self._waiting)

    def _send(self, message: Message) -> None:
        self._slot = self._waiting = None
        if self._transport is None:
            return  # lost while it waited: the script has been told
        self._action, self._message_id, text, self._refusable = message
        self._tally.sent[self._action] += 1
        self._sent_at = time.perf_counter()
        if self._deflate is None:
            self._transport.write(encode(text))
        else:
            self._transport.write(encode(self._deflate.compress(text), compressed=True))

    def overdue(self, limit_s: float) -> bool:
        """Say whether an answer is missing for so long."""
        return self._message_id != b"" and time.perf_counter() - self._sent_at > limit_s

    def fail(self, kind: str) -> None:
        """Count an error of this socket and drop it."""
        self._tally.errors[kind] += 1
        self.close()

    def close(self) -> None:
        """Drop the TCP connection."""
        self.closing = True
        if self._transport is not None:
            self._transport.close()

    # ---------------------------------------------------------------- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._tally.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._tally.open -= 1
        if not self._upgraded.done():
            self._upgraded.set_exception(Refused("closed"))
        elif not self.closing:
            self._tally.errors["disconnect"] += 1
        self._message_id = b""
        if self._slot is not None:
            self._slot.cancel()
        if self._script is not None:
            self._step(None, Failed("the socket closed"))

    def data_received(self, data: bytes) -> None:
        # The usual case: one short frame in one packet.
        size = len(data)
        if 1 < size < 128 and data[0] == 0x81 and data[1] + 2 == size and self._idle_buffer:
            self._on_text(data[2:])
            return
        self._buffer += data
        if not self._upgraded.done() and not self._on_upgrade():
            return
        while self._next_frame():
            pass

    @property
    def _idle_buffer(self) -> bool:
        return not self._buffer and not self._fragments and self._upgraded.done()

    def _on_upgrade(self) -> bool:
        head, separator, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not separator:
            return False
        status = head.split(b" ", 2)[1].decode() if head.startswith(b"HTTP/") else "none"
        if status != "101":
            self._upgraded.set_exception(Refused(status))
            return False
        self._buffer = bytearray(rest)
        extension = agreed(head)
        if extension is not None:
            self._deflate = Deflate(extension)
            self._tally.compressed += 1
        self._upgraded.set_result(None)
        return True

    def _next_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return False
            length = int.from_bytes(buffer[2:start], "big")
        if length > MAX_MESSAGE:
            self.fail("message_too_big")
            return False
        if len(buffer) < start + length:
            return False
        first, payload = buffer[0], bytes(buffer[start : start + length])
        del buffer[: start + length]
        self._on_frame(first, payload)
        return self._transport is not None

    def _on_frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode in (0x0, 0x1):
            self._is_compressed |= bool(first & 0x40)
            self._fragments += payload
            if first & 0x80:
                self._on_message()
        elif opcode == 0x9 and self._transport is not None:
            self._transport.write(encode(payload, opcode=0xA))
        elif opcode == 0x8:
            code = int.from_bytes(payload[:2], "big")
            if not self.closing:
                self.fail(f"close:{code}")

    def _on_message(self) -> None:
        text, is_compressed = self._fragments, self._is_compressed
        self._fragments, self._is_compressed = b"", False
        if is_compressed:
            try:
                text = self._deflate.decompress(text) if self._deflate is not None else b""
            except zlib.error:
                text = b""
        self._on_text(text)

    # ---------------------------------------------------------------- OCPP
    def _on_text(self, text: bytes) -> None:
        expected = self._message_id
        if text.startswith(b'[3,"') and text[4 : 4 + len(expected)] == expected and expected:
            self._on_result(text)
            return
        try:
            kind, message_id, *rest = orjson.loads(text)
        except (ValueError, TypeError):
            self._tally.errors["invalid_frame"] += 1
            return
        mine = bool(expected) and message_id == expected.decode()
        if kind == 3 and mine:
            self._on_result(text)
        elif kind == 4 and mine and self._refusable:
            self._answered(text)
        elif kind == 4 and mine:
            self._message_id = b""
            self._tally.errors[f"callerror:{rest[0] if rest else ''}"] += 1
            self._step(None, Failed(self._action))
        elif kind == 2 and self._transport is not None:
            refusal = orjson.dumps([4, message_id, "NotSupported", "", {}])
            self._transport.write(encode(refusal))
        else:
            self._tally.errors["unasked_answer"] += 1

    def _on_result(self, text: bytes) -> None:
        if self._refusable:
            self._tally.errors[f"not_refused:{self._action}"] += 1
        self._answered(text)

    def _answered(self, text: bytes) -> None:
        self._message_id = b""
        self._tally.answered[self._action] += 1
        self._tally.record(self._action, time.perf_counter() - self._sent_at)
        if self._script is not None:
            self._step(text)
