"""Chargers of the tests: one that speaks OCPP, and one that writes bytes as it likes."""

from __future__ import annotations

import base64
import socket
import struct
import uuid
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from ocpp_gateway.wire.errors import V16
from tests.factories import CHARGER_KEY, T0

TIMEOUT_S = 40.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
BOOT = {"chargePointVendor": "Volta Works", "chargePointModel": "AC-Duo"}
BOOT_2X = {"reason": "PowerUp", "chargingStation": {"vendorName": "Volta Works", "model": "AC-Duo"}}


def basic(username: str | bytes, password: str | bytes) -> str:
    """An Authorization header."""
    pair = b":".join(part.encode() if isinstance(part, str) else part for part in (username, password))
    return "Basic " + base64.b64encode(pair).decode()


class Charger:
    """A charge point over a real WebSocket; closes with its `with` block."""

    def __init__(self, url: str, identity: str, *, version: str = V16, **options: Any) -> None:
        self.identity, self.version = identity, version
        self._opening = connect(
            f"{url}/{quote(identity, safe='')}",
            subprotocols=[Subprotocol(version)],
            additional_headers={"Authorization": basic(identity, CHARGER_KEY)},
            proxy=None,
            open_timeout=TIMEOUT_S,
            close_timeout=1,
            **{"compression": None, **options},
        )
        self.ws: ClientConnection = self._opening.__enter__()

    def __enter__(self) -> Charger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket in good order."""
        self._opening.__exit__(None, None, None)

    def send(self, message: Any) -> None:
        """Send a frame: text as it is, anything else as JSON."""
        self.ws.send(message if isinstance(message, str) else orjson.dumps(message).decode())

    def receive(self, timeout_s: float = TIMEOUT_S) -> list[Any]:
        """The next frame."""
        return list(orjson.loads(self.ws.recv(timeout_s)))

    def ask(self, action: str, payload: dict[str, Any], message_id: str | None = None) -> list[Any]:
        """Send a CALL and return the frame that answers it."""
        message_id = message_id or str(uuid.uuid4())
        self.send([2, message_id, action, payload])
        answer = self.receive()
        assert answer[1] == message_id, answer
        return answer

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL and return the payload of its CALLRESULT."""
        answer = self.ask(action, payload)
        assert answer[0] == 3, answer
        return dict(answer[2])

    def boot(self) -> dict[str, Any]:
        """Register."""
        return self.call("BootNotification", BOOT if self.version == V16 else BOOT_2X)

    def start(self, id_tag: str, *, meter_start: int = 1000, at: str = T0.isoformat()) -> int:
        """Begin a session on connector 1 and return its id."""
        payload = {"connectorId": 1, "idTag": id_tag, "meterStart": meter_start, "timestamp": at}
        return int(self.call("StartTransaction", payload)["transactionId"])

    def closed_with(self, timeout_s: float = TIMEOUT_S) -> int:
        """The code that the server closes with; frames before it are dropped."""
        try:
            while True:
                self.ws.recv(timeout_s)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006


class RawSocket:
    """A TCP connection that may break every rule."""

    def __init__(self, port: int) -> None:
        self.tcp = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)

    def __enter__(self) -> RawSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.tcp.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.tcp.sendall(data)

    def read_to_end(self) -> bytes:
        """All bytes until the server closes."""
        data = b""
        try:
            while chunk := self.tcp.recv(65536):
                data += chunk
        except ConnectionError:
            pass
        return data

    def read_head(self) -> bytes:
        """The status line and header of the answer."""
        head = b""
        while not head.endswith(b"\r\n\r\n") and (byte := self.tcp.recv(1)):
            head += byte
        return head

    def upgrade(self, path: str, headers: Iterable[tuple[str, str]]) -> int:
        """Ask for a WebSocket and return the HTTP status."""
        self.send(upgrade_request(path, headers))
        return status_of(self.read_head())

    def open(self, identity: str) -> None:
        """Open the WebSocket of a charger."""
        path = f"/ocpp/{quote(identity, safe='')}"
        assert self.upgrade(path, [VERSION, ("Authorization", basic(identity, CHARGER_KEY))]) == 101

    def read_frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame that is no ping."""
        while True:
            first, length = self._exactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", self._exactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._exactly(8))
            payload = self._exactly(length)
            if first & 15 != PING:
                return first & 15, payload
            self.send(frame(PONG, payload))

    def read_close(self) -> int:
        """The close code; frames before it are dropped."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = self.tcp.recv(count - len(data))
            if not chunk:
                raise ConnectionError("the server closed without a close frame")
            data += chunk
        return data


VERSION = ("Sec-WebSocket-Protocol", "ocpp1.6")


def upgrade_request(path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """An upgrade request as bytes."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: charging.example",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status_of(head: bytes) -> int:
    """The status of an HTTP answer, 0 when the connection was closed without one."""
    return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0


def frame(opcode: int, payload: bytes, *, fin: bool = True, compressed: bool = False) -> bytes:
    """A WebSocket frame of a client, masked with zeros."""
    first = (0x80 if fin else 0) | (0x40 if compressed else 0) | opcode
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        length = bytes([0x80 | 126]) + struct.pack("!H", len(payload))
    else:
        length = bytes([0x80 | 127]) + struct.pack("!Q", len(payload))
    return bytes([first]) + length + b"\0\0\0\0" + payload


def call_text(action: str, payload: dict[str, Any], message_id: str = "m1") -> bytes:
    """A CALL as bytes."""
    return orjson.dumps([2, message_id, action, payload])


def ids_of(answers: Sequence[list[Any]]) -> list[Any]:
    """The message ids of answers."""
    return [answer[1] for answer in answers]
