"""The socket of the load test: frames cut anywhere, compression, answers nobody asked for; its messages."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest

from ocpp_gateway.simulator.bench import messages
from ocpp_gateway.simulator.bench.deflate import Deflate, agreed
from ocpp_gateway.simulator.bench.pace import Pace
from ocpp_gateway.simulator.bench.socket import LoadSocket, Refused, Tally
from ocpp_gateway.wire import frames, schemas
from tests.ocpp_gateway.simulator.helpers import Csms, play


def test_load_socket_refused_tells_the_status() -> None:
    async def run() -> None:
        async with Csms(refuse=[404]) as csms:
            with pytest.raises(Refused, match="404"):
                await LoadSocket.open(Tally(), url=csms.url, identity="CP", key="", timeout_s=5)

    play(run())


def test_load_socket_answers_a_command_with_not_supported() -> None:
    async def run() -> None:
        async with Csms() as csms:
            socket = await LoadSocket.open(Tally(), url=csms.url, identity="RDAM 123", key="k", timeout_s=5)
            await csms.until(lambda: csms.sockets == 1)
            answer = await csms.call("ClearCache", {})
            assert isinstance(answer, frames.CallError)
            assert answer.code == "NotSupported"
            socket.close()

    play(run())


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        pass


def _upgraded(tally: Tally) -> tuple[LoadSocket, Wire]:
    socket, wire = LoadSocket(tally), Wire()
    socket.connection_made(wire)
    socket.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return socket, wire


@pytest.mark.parametrize("size", [1, 2, 3, 5000])
@pytest.mark.parametrize("padding", [0, 60, 120, 300, 70_000])
def test_load_socket_reads_answers_cut_anywhere(size: int, padding: int) -> None:
    async def run() -> None:
        tally = Tally(measuring=True)
        socket, _ = _upgraded(tally)
        message = messages.heartbeat()
        answers: list[bytes] = []

        def script() -> Any:
            answers.append((yield message))

        played = socket.play(script())
        text = b'[3,"%b",{"x":"%b"}]' % (message.message_id, b"x" * padding)
        raw = _server_frame(text)
        for start in range(0, len(raw), size):
            socket.data_received(raw[start : start + size])
        await played
        assert answers == [text]
        assert tally.latencies["Heartbeat"].count == 1

    play(run())


def _server_frame(text: bytes, first: int = 0x81) -> bytes:
    if len(text) < 126:
        return bytes((first, len(text))) + text
    if len(text) < 65_536:
        return bytes((first, 126)) + len(text).to_bytes(2, "big") + text
    return bytes((first, 127)) + len(text).to_bytes(8, "big") + text


def test_load_socket_reads_fragments_and_answers_pings_between() -> None:
    async def run() -> None:
        socket, wire = _upgraded(Tally())
        message = messages.heartbeat()

        def script() -> Any:
            yield message

        played = socket.play(script())
        text = b'[3, "%b", {}]' % message.message_id
        socket.data_received(_server_frame(text[:5], 0x01) + _server_frame(b"hi", 0x89))
        socket.data_received(_server_frame(text[5:], 0x80))
        await played
        assert wire.written[-1] == messages.encode(b"hi", opcode=0xA)

    play(run())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"junk", "invalid_frame"),
        (b'[3,"stranger",{}]', "unasked_answer"),
        (b'[4,"-1","X","",{}]', "unasked_answer"),
    ],
)
def test_load_socket_counts_what_it_did_not_ask_for(text: bytes, error: str) -> None:
    async def run() -> None:
        tally = Tally()
        socket, _ = _upgraded(tally)
        socket.data_received(_server_frame(text))
        assert tally.errors == {error: 1}

    play(run())


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_encode_writes_a_masked_frame_of_the_right_length(length: int) -> None:
    frame = messages.encode(b"a" * length)
    header = 6 if length < 126 else 8 if length < 65_536 else 14
    assert len(frame) == header + length
    assert frame[0] == 0x81
    assert frame[1] & 0x80


def test_prepared_messages_are_valid_calls() -> None:
    made = [
        messages.boot(b"CP1"),
        messages.heartbeat(),
        messages.authorize(b"TAG1"),
        messages.status(1, b"Charging"),
        messages.start(b"TAG1", 5),
        *(messages.meter_values(7, 12, samples) for samples in range(1, messages.MAX_SAMPLES + 1)),
        messages.stop(7, 12),
    ]
    for message in made:
        call = frames.parse(message.text.decode(), version="ocpp1.6")
        assert isinstance(call, frames.Call)
        assert (call.action, call.message_id) == (message.action, message.message_id.decode())
        assert schemas.check_request("ocpp1.6", call.action, call.payload) is None


def test_messages_that_shall_be_refused_are_wrong_in_their_way() -> None:
    unknown = frames.parse(messages.unknown_action().text.decode(), version="ocpp1.6")
    assert isinstance(unknown, frames.Call)
    assert unknown.action not in schemas.actions("ocpp1.6")
    malformed = frames.parse(messages.malformed().text.decode(), version="ocpp1.6")
    assert isinstance(malformed, frames.Malformed)
    assert malformed.code is not None
    invalid = frames.parse(messages.unacceptable().text.decode(), version="ocpp1.6")
    assert isinstance(invalid, frames.Call)
    assert schemas.check_request("ocpp1.6", invalid.action, invalid.payload) is not None


@pytest.mark.parametrize("hurried", [False, True])
def test_paced_message_waits_for_its_slot_and_is_not_sent_on_a_closed_socket(hurried: bool) -> None:
    async def run() -> None:
        tally = Tally()
        socket, wire = _upgraded(tally)

        def script() -> Any:
            yield messages.heartbeat()
            yield messages.heartbeat()

        played = socket.play(script(), Pace(0.001, lambda: 5.0))
        assert len(wire.written) == 1
        sent = frames.parse(wire.written[0][6:].decode(), version="ocpp1.6")
        assert isinstance(sent, frames.Call)
        socket.data_received(_server_frame(f'[3,"{sent.message_id}",{{}}]'.encode()))
        assert len(wire.written) == 1  # the second has its slot in 1,000 s
        if hurried:
            socket.hurry()
            assert len(wire.written) == 2
        socket.closing = True
        socket.connection_lost(None)
        with pytest.raises(Exception, match="closed"):
            await played
        assert tally.sent == {"Heartbeat": 2 if hurried else 1}

    play(run())


# ---------------------------------------------------------------- compression
def test_load_with_compression_is_understood_both_ways() -> None:
    async def run() -> None:
        async with Csms() as csms:
            tally = Tally()
            socket = await LoadSocket.open(
                tally, url=csms.url, identity="CP", key="k", timeout_s=5, deflate=True
            )
            assert socket._deflate is not None
            answers: list[bytes] = []

            def script() -> Any:
                for _ in range(3):
                    answers.append((yield messages.boot(b"CP")))

            await socket.play(script())
            assert [b"Accepted" in answer for answer in answers] == [True] * 3
            assert csms.violations == []
            assert tally.compressed == 1
            socket.close()

    play(run())


@pytest.mark.parametrize("size", [0, 1, 125, 5000, 65_535])
def test_stored_block_is_what_any_inflater_reads(size: int) -> None:
    payload = b"a" * size
    inflater = zlib.decompressobj(-9)
    for _ in range(2):
        assert inflater.decompress(Deflate("").compress(payload) + b"\x00\x00\xff\xff") == payload


@pytest.mark.parametrize(
    "extension", ["permessage-deflate", "permessage-deflate; server_no_context_takeover"]
)
def test_inflater_keeps_or_drops_its_context_as_agreed(extension: str) -> None:
    ours, theirs = Deflate(extension), zlib.compressobj(wbits=-15)
    for text in (b"StatusNotification " * 9, b"StatusNotification " * 8):
        packed = (theirs.compress(text) + theirs.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
        assert ours.decompress(packed) == text
        if "no_context" in extension:
            theirs = zlib.compressobj(wbits=-15)


def test_agreed_extension_is_read_from_the_answer() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: permessage-deflate; x\r\nA: b"
    assert agreed(head) == "permessage-deflate; x"
    assert agreed(b"HTTP/1.1 101 Switching Protocols\r\nA: permessage-deflate") is None


def test_broken_compression_is_an_invalid_frame() -> None:
    async def run() -> None:
        tally = Tally()
        socket, _ = _upgraded(tally)
        socket._deflate = Deflate("")
        socket.data_received(_server_frame(b"\xff\xff\xff", 0xC1))
        assert tally.errors == {"invalid_frame": 1}

    play(run())
