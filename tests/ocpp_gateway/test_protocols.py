"""The short way of frames past ASGI: what the taker is given, whatever the network makes of the bytes (RFC 6455 §5)."""

from __future__ import annotations

import asyncio
import gc
import weakref
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.uri import parse_uri

from ocpp_gateway import protocols
from ocpp_gateway.lines import DIRECT, MAX_BACKLOG
from ocpp_gateway.protocols import FRAMES_AT_ONCE, ChargerWebSocketProtocol
from ocpp_gateway.upgrades import UPGRADES_AT_ONCE, ChargerHttpProtocol
from tests.e2e.sockets import BINARY, CLOSE, PING, TEXT, frame, upgrade_request

LIMIT = 2_000


class Transport(asyncio.Transport):
    """Keeps what is written, and says how reading is meant to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reads = True
        self.is_closed = self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class DoorTransport(Transport):
    """One that is given the protocol of the WebSocket."""

    is_open = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.is_open = True


class Taker:
    """Keeps what it is given; `hold` says what to wait for after a text."""

    def __init__(self, hold: Callable[[str], Awaitable[None] | None] = lambda text: None) -> None:
        self.taken: list[str | None] = []
        self.codes: list[int] = []
        self._hold = hold

    def take(self, text: str | None) -> Awaitable[None] | None:
        self.taken.append(text)
        return self._hold(text or "")

    def left(self, code: int) -> None:
        self.codes.append(code)


class Link:
    """A client, the protocol, and between them what the test makes of it."""

    def __init__(self, taker: Taker, *, deflate: bool = False, early: bytes = b"") -> None:
        self.taker, self._early = taker, early
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            proxy_headers=False,
            ws_max_size=LIMIT,
            ws_ping_interval=None,
            ws_per_message_deflate=deflate,
            log_config=None,
        )
        config.load()
        self.transport = Transport()
        self.protocol = ChargerWebSocketProtocol(config, ServerState(), {})
        self.client = ClientProtocol(
            parse_uri("ws://charging.example/ocpp/CP1"),
            extensions=[ClientPerMessageDeflateFactory(compress_settings={"memLevel": 4})]
            if deflate
            else None,
            max_size=None,
        )

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        scope["extensions"][DIRECT]["line"].hand_over(self.taker)

    async def open(self) -> Link:
        self.protocol.connection_made(self.transport)
        self.client.send_request(self.client.connect())
        self.protocol.data_received(b"".join(self.client.data_to_send()) + self._early)
        await turns()
        assert not self.transport.is_closed
        self.client_events()
        return self

    def client_events(self) -> list[Any]:
        """What the client makes of all that was written since."""
        for data in self.transport.written:
            self.client.receive_data(data)
        self.transport.written.clear()
        return self.client.events_received()

    def texts(self) -> list[str]:
        """The texts among them."""
        return [
            bytes(event.data).decode()
            for event in self.client_events()
            if isinstance(event, Frame) and event.opcode == TEXT
        ]


async def turns(count: int = 5) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def play(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def masked(opcode: int, payload: bytes, *, fin: bool = True, key: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """A frame of a client whose mask does its work."""
    plain = frame(opcode, payload, fin=fin)
    head = plain[: len(plain) - len(payload) - 4]
    return head + key + bytes(byte ^ key[n % 4] for n, byte in enumerate(payload))


def packed(payload: bytes) -> bytes:
    """A compressed message of a client."""
    packer = zlib.compressobj(wbits=-12)
    data = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
    return frame(TEXT, data.removesuffix(b"\0\0\xff\xff"), compressed=True)


# ---------------------------------------------------------------- handshakes
class Door:
    """Chargers that ask for an upgrade over HTTP."""

    def __init__(self) -> None:
        self.config = uvicorn.Config(
            self._application, interface="asgi3", proxy_headers=False, log_config=None, ws_ping_interval=None
        )
        self.config.load()
        self.state = ServerState()

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    def knock(self) -> tuple[ChargerHttpProtocol, DoorTransport]:
        protocol, transport = ChargerHttpProtocol(self.config, self.state, {}), DoorTransport()
        protocol.connection_made(transport)
        protocol.data_received(upgrade_request("/ocpp/CP1", []))
        return protocol, transport


def test_handshakes_in_a_storm_take_turns() -> None:
    async def main() -> None:
        door = Door()
        transports = [door.knock()[1] for _ in range(2 * UPGRADES_AT_ONCE + 1)]
        assert [transport.is_open for transport in transports].count(True) == UPGRADES_AT_ONCE
        assert all(transport.is_open == transport.reads for transport in transports)
        await turns(1)
        assert [transport.is_open for transport in transports] == [True] * 2 * UPGRADES_AT_ONCE + [False]
        transports.append(door.knock()[1])
        assert [transport.is_open for transport in transports[-2:]] == [False, False]
        await turns()
        assert all(transport.is_open and transport.reads for transport in transports)
        assert door.knock()[1].is_open

    play(main)


def test_handshake_of_a_client_that_has_gone_while_it_waited_is_dropped() -> None:
    async def main() -> None:
        door = Door()
        for _ in range(UPGRADES_AT_ONCE):
            door.knock()
        protocol, gone = door.knock()
        gone.is_closed = True
        protocol.connection_lost(None)
        _, last = door.knock()
        await turns()
        assert (gone.is_open, last.is_open) == (False, True)

    play(main)


# ---------------------------------------------------------------- reading
texts = st.text(max_size=300, alphabet=st.characters(codec="utf-8"))


@st.composite
def traffic(draw: st.DrawFn) -> tuple[bytes, list[str | None], bool]:
    """Messages of a client in any frames, with pings between, what they say, and whether one is compressed."""
    data, said, is_packed = b"", [], False
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["text", "text", "text", "packed", "fragments", "binary", "ping"]))
        text = draw(texts)
        payload = text.encode()
        if kind == "ping":
            data += masked(PING, payload[:125])
            continue
        said.append(None if kind == "binary" else text)
        if kind == "packed":
            data, is_packed = data + packed(payload), True
        elif kind == "fragments":
            cut = draw(st.integers(0, len(payload)))
            data += masked(TEXT, payload[:cut], fin=False) + masked(PING, b"") + masked(0, payload[cut:])
        else:
            data += masked(BINARY if kind == "binary" else TEXT, payload)
    return data, said, is_packed


@given(traffic(), st.lists(st.integers(1, 200), max_size=20), st.booleans())
@settings(deadline=None)
def test_frames_in_any_pieces_are_handed_on_in_order(
    sent: tuple[bytes, list[str | None], bool], sizes: list[int], early: bool
) -> None:
    data, said, is_packed = sent

    async def main() -> None:
        taker = Taker()
        # What is sent together with the handshake cannot be compressed: nothing is agreed yet.
        first = sizes[0] if early and sizes and not is_packed else 0
        link = await Link(taker, deflate=True, early=data[:first]).open()
        position = first
        for size in sizes[1:] if first else sizes:
            link.protocol.data_received(data[position : position + size] or b"")
            position += size
        link.protocol.data_received(data[position:])
        await turns()
        assert taker.taken == said
        assert link.transport.reads

    play(main)


@pytest.mark.parametrize("length", [0, 1, 125, 126, LIMIT])
def test_frame_of_any_length_is_unmasked(length: int) -> None:
    async def main() -> None:
        taker = Taker()
        link = await Link(taker).open()
        link.protocol.data_received(masked(TEXT, b"x" * length))
        assert taker.taken == ["x" * length]

    play(main)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02hi", 1002),
        (masked(TEXT, b"\xff\xfe"), 1007),
        (masked(TEXT, b"x" * (LIMIT + 1)), 1009),
        (masked(3, b""), 1002),
        (frame(TEXT, b"", compressed=True), 1002),
        (masked(0, b"lost"), 1002),
        (masked(TEXT, b"a", fin=False) + masked(TEXT, b"b"), 1002),
        (masked(CLOSE, (4321).to_bytes(2, "big")), 4321),
    ],
    ids=["unmasked", "UTF-8", "size", "opcode", "RSV1", "continuation", "interleaved", "close"],
)
def test_frame_that_ends_the_socket_comes_after_what_was_read_before(data: bytes, code: int) -> None:
    async def main() -> None:
        taker = Taker()
        link = await Link(taker).open()
        link.protocol.data_received(masked(TEXT, b"before") + data + masked(TEXT, b"after"))
        assert (taker.taken, taker.codes) == (["before"], [code])
        closes = [event for event in link.client_events() if event.opcode == CLOSE]
        assert int.from_bytes(closes[0].data[:2], "big") == code
        assert link.transport.is_closed
        link.protocol.connection_lost(None)
        assert taker.codes == [code]

    play(main)


def test_burst_gives_others_their_turn() -> None:
    async def main() -> None:
        taker = Taker()
        link = await Link(taker).open()
        link.protocol.data_received(masked(TEXT, b"x") * (2 * FRAMES_AT_ONCE + 1))
        assert len(taker.taken) == FRAMES_AT_ONCE
        await turns(1)
        link.protocol.data_received(masked(TEXT, b"last"))
        await turns()
        assert len(taker.taken) == 2 * FRAMES_AT_ONCE + 2
        assert taker.taken[-1] == "last"

    play(main)


def test_taker_that_fails_ends_the_socket(caplog: pytest.LogCaptureFixture) -> None:
    def explode(text: str) -> None:
        raise ValueError(text)

    async def main() -> None:
        taker = Taker(explode)
        link = await Link(taker).open()
        link.protocol.data_received(masked(TEXT, b"x") * 3)
        assert (taker.taken, taker.codes, link.transport.is_closed) == (["x"], [1006], True)

    play(main)
    assert "protocol.frame_failed" in caplog.text


# ---------------------------------------------------------------- holding back
def test_held_socket_is_not_read_and_goes_on_in_order() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        taker = Taker(lambda text: wait() if text == "hold" else None)
        link = await Link(taker).open()
        data = masked(TEXT, b"hold") + masked(TEXT, b"2") + masked(TEXT, b"3", fin=False)
        link.protocol.data_received(data)
        link.protocol.data_received(masked(0, b"4") + masked(PING, b"") + masked(TEXT, b"5"))
        await turns()
        assert (taker.taken, link.transport.reads) == (["hold"], False)
        gate.set()
        await turns()
        assert taker.taken == ["hold", "2", "34", "5"]
        assert link.transport.reads

    play(main)


def test_held_by_a_message_in_fragments_the_next_wait() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        taker = Taker(lambda text: wait() if text == "hold" else None)
        link = await Link(taker).open()
        parts = masked(TEXT, b"ho", fin=False) + masked(0, b"ld")
        link.protocol.data_received(parts + masked(TEXT, b"2") + parts + masked(TEXT, b"3"))
        await turns()
        assert (taker.taken, link.transport.reads) == (["hold"], False)
        gate.set()
        await turns(10)
        assert taker.taken == ["hold", "2", "hold", "3"]
        assert link.transport.reads

    play(main)


@pytest.mark.parametrize("ends", ["lost", "close frame", "shutdown"])
def test_end_while_held_comes_after_what_was_read(ends: str) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        taker = Taker(lambda text: wait() if text == "hold" else None)
        link = await Link(taker).open()
        link.protocol.data_received(masked(TEXT, b"hold") + masked(TEXT, b"stop"))
        if ends == "close frame":
            link.protocol.data_received(masked(CLOSE, (1000).to_bytes(2, "big")))
        elif ends == "shutdown":
            link.protocol.shutdown()
        link.transport.is_closed = link.transport.is_closed or ends == "lost"
        if ends != "close frame":
            link.protocol.connection_lost(None)
        await turns()
        assert taker.codes == []
        gate.set()
        await turns()
        expected = {"lost": 1005, "close frame": 1000, "shutdown": 1012}[ends]
        assert (taker.taken, taker.codes) == (["hold", "stop"], [expected])

    play(main)


def test_pong_that_waits_behind_held_frames_is_not_missed() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        link = await Link(Taker(lambda text: wait())).open()
        link.protocol.data_received(masked(TEXT, b"hold"))
        link.protocol.keepalive_timeout()
        assert not link.transport.is_closed
        assert link.protocol.pong_timer is not None
        link.protocol.pong_timer.cancel()
        gate.set()
        await turns()
        link.protocol.keepalive_timeout()
        assert link.transport.is_closed

    play(main)


# ---------------------------------------------------------------- writing
@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("deflate", [False, True])
def test_text_of_any_length_is_read_by_the_client(length: int, deflate: bool) -> None:
    async def main() -> None:
        link = await Link(Taker(), deflate=deflate).open()
        assert link.protocol.write("x" * length)
        assert link.protocol.write("é")
        compresses = deflate and length >= protocols.COMPRESS_FROM
        assert (sum(map(len, link.transport.written)) < length) == compresses
        assert link.texts() == ["x" * length, "é"]

    play(main)


def test_compressed_frames_of_the_client_are_read() -> None:
    async def main() -> None:
        taker = Taker()
        link = await Link(taker, deflate=True).open()
        for text in ("short", "long " * 300):
            link.client.send_text(text.encode())
        data = b"".join(link.client.data_to_send())
        assert len(data) < 200
        link.protocol.data_received(data + masked(TEXT, b"plain"))
        assert taker.taken == ["short", "long " * 300, "plain"]

    play(main)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (packed(b"x" * (LIMIT + 1)), 1009),
        (packed(b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xff\xff\xff", compressed=True), 1002),
    ],
    ids=["bomb", "UTF-8", "no deflate"],
)
def test_compressed_message_that_is_refused_ends_the_socket(data: bytes, code: int) -> None:
    async def main() -> None:
        taker = Taker()
        link = await Link(taker, deflate=True).open()
        link.protocol.data_received(packed(b"x" * LIMIT) + data)
        assert (taker.taken, taker.codes) == (["x" * LIMIT], [code])

    play(main)


def test_texts_that_are_not_read_wait_in_order_up_to_a_bound() -> None:
    async def main() -> None:
        link = await Link(Taker()).open()
        link.protocol.pause_writing()
        assert all(link.protocol.write(str(number)) for number in range(MAX_BACKLOG))
        assert not link.protocol.write("too many")
        assert link.transport.written == []
        link.protocol.resume_writing()
        link.protocol.write("after")
        assert link.texts()[:MAX_BACKLOG] == [str(number) for number in range(MAX_BACKLOG)]

    play(main)


def test_close_says_why_and_writes_nothing_more() -> None:
    async def main() -> None:
        taker = Taker()
        link = await Link(taker).open()
        await link.protocol.close(4000, "replaced")
        assert taker.codes == [4000]
        assert link.protocol.write("late")
        link.protocol.data_received(masked(TEXT, b"late"))
        assert taker.taken == []
        (close,) = link.client_events()
        assert close.data == (4000).to_bytes(2, "big") + b"replaced"
        link.protocol.data_received(masked(CLOSE, bytes(close.data)))
        assert link.transport.is_closed

    play(main)


def test_close_of_a_socket_that_reads_nothing_cuts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "CLOSE_WAIT_S", 0.01)

    async def main() -> None:
        link = await Link(Taker()).open()
        link.protocol.pause_writing()
        await link.protocol.close(1008, "answers are not read")
        assert link.transport.is_aborted

    play(main)


def test_application_learns_that_its_client_has_gone_during_the_handshake() -> None:
    messages: list[str] = []

    class Slow(Link):
        async def _application(self, scope: Any, receive: Any, send: Any) -> None:
            messages.append((await receive())["type"])
            await asyncio.sleep(0)
            messages.append((await receive())["type"])

    async def main() -> None:
        link = Slow(Taker())
        link.protocol.connection_made(link.transport)
        link.client.send_request(link.client.connect())
        link.protocol.data_received(b"".join(link.client.data_to_send()))
        await asyncio.sleep(0)
        link.protocol.connection_lost(None)
        await turns()
        assert messages == ["websocket.connect", "websocket.disconnect"]

    play(main)


def test_line_keeps_nothing_of_the_handshake() -> None:
    async def main() -> None:
        link = await Link(Taker()).open()
        kept = vars(link.protocol)
        assert not {"scope", "request", "response"} & kept.keys()
        assert not link.protocol.tasks

    play(main)


@pytest.mark.parametrize("is_held", [False, True])
def test_socket_that_has_ended_is_freed_without_the_garbage_collector(is_held: bool) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        taker = Taker(lambda text: wait() if is_held else None)
        link = await Link(taker).open()
        protocol = vars(link).pop("protocol")
        ended = weakref.ref(protocol)
        protocol.data_received(masked(TEXT, b"1") + masked(TEXT, b"2", fin=False))
        protocol.connection_lost(None)
        del protocol
        gate.set()
        await turns()
        assert (taker.taken, taker.codes) == (["1"], [1005])
        assert ended() is None

    gc.disable()
    try:
        play(main)
    finally:
        gc.enable()
