"""What one frame costs the event loop, without kernel, client and database.

    python -m tests.bench.wire [--frames N] [--profile KIND]

Real protocol, consumer and socket objects on a transport that goes nowhere and a writer that answers nobody. The
figures are CPU time of this process for each frame, the best of several rounds; the kernel's share (epoll, recv, send)
comes on top and is the same for every server.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import itertools
import math
import os
import pstats
import sys
import time
import uuid
from typing import Any

import django
import uvloop
from uvicorn.server import ServerState

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csms_project.settings")
ROUNDS = 5
SAMPLES = ",".join(
    f'{{"value":"{value}","context":"Sample.Periodic","measurand":"{measurand}","unit":"{unit}"{more}}}'
    for value, measurand, unit, more in [
        (123456, "Energy.Active.Import.Register", "Wh", ""),
        (11000, "Power.Active.Import", "W", ""),
        *((16, "Current.Import", "A", f',"phase":"L{n}"') for n in (1, 2, 3)),
        *((230, "Voltage", "V", f',"phase":"L{n}"') for n in (1, 2, 3)),
        (50, "Frequency", "Hertz", ""),
        (55, "SoC", "Percent", ',"location":"EV"'),
    ]
)
KINDS: dict[str, tuple[str, str]] = {
    "unknown": ("CustomOperation", "{}"),
    "heartbeat": ("Heartbeat", "{}"),
    "status": (
        "StatusNotification",
        '{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-03-02T10:00:00Z"}',
    ),
    "meter": (
        "MeterValues",
        '{"connectorId":1,"transactionId":1073741823,"meterValue":[{"timestamp":"2026-03-02T10:00:00Z",'
        f'"sampledValue":[{SAMPLES}]}}]}}',
    ),
}


class Transport(asyncio.Transport):
    """Keeps nothing."""

    def __init__(self, protocols: list[Any]) -> None:
        super().__init__()
        self.protocols = protocols
        self.written = 0
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += 1

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40000) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocols.append(protocol)


def mask(text: bytes) -> bytes:
    """A client's text frame with a masking key that does its work."""
    key = b"\x12\x34\x56\x78"
    masked = bytes(byte ^ key[n & 3] for n, byte in enumerate(text))
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + key + masked


def request(number: int) -> bytes:
    lines = [
        f"GET /ocpp/BENCH{number:05d} HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: ocpp1.6",
        "Authorization: Basic QkVOQ0gwMDAwMTowMDExMjIzMzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZjAwMTEyMjMz",
        "User-Agent: bench/1.0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Bench:
    """A gateway without database, and its sockets."""

    def __init__(self) -> None:
        from chargepoints.choices import RegistrationStatus
        from chargepoints.services.connections import Connected
        from ocpp_gateway.node import Node, set_node
        from ocpp_gateway.server import make_config
        from ocpp_gateway.wire import schemas

        schemas.warm("ocpp1.6")
        self.works: list[Any] = []
        self.notes = 0
        node, numbers = Node(), itertools.count(1)

        async def start() -> None: ...

        async def call(work: Any) -> Any:
            return Connected(
                charge_point_id=(number := next(numbers)),
                tenant_id=1,
                identity=f"BENCH{number:05d}",
                token=uuid.uuid4(),
                registration=RegistrationStatus.ACCEPTED,
                was_accepted=True,
                strict_schema=False,
                replaced=None,
            )

        def note(row: Any) -> None:
            self.notes += 1

        node.start = start  # type: ignore[method-assign]
        node.writer.call = call  # type: ignore[method-assign]
        node.writer.submit = self.works.append  # type: ignore[method-assign,assignment]
        node.writer.note = note  # type: ignore[method-assign]
        node.dispatcher.look_soon = lambda wire: None  # type: ignore[method-assign]
        set_node(node)
        self.node = node
        self.config = make_config("csms_project.asgi:application", host="127.0.0.1", port=0)
        self.config.load()
        self.state = ServerState()
        self.protocols: list[Any] = []
        self.numbers = itertools.count(1)

    async def connect(self, count: int) -> None:
        """Open sockets."""
        from ocpp_gateway.upgrades import ChargerHttpProtocol

        self.node._ticked_at = math.inf  # nobody ticks here
        wanted = len(self.node.sockets) + count
        for number in range(count):
            http = ChargerHttpProtocol(self.config, self.state, {})
            transport = Transport(self.protocols)
            http.connection_made(transport)
            http.data_received(request(number))
        while len(self.node.sockets) < wanted:
            await asyncio.sleep(0)

    async def frames(self, kind: str, count: int) -> float:
        """CPU seconds for one frame of this kind, a frame of each socket in each turn of the loop."""
        action, payload = KINDS.get(kind, ("", ""))
        for socket in self.node.sockets.values():
            socket.state.bucket.rate = socket.state.bucket.burst = 1e9
        turns = max(1, count // len(self.protocols))
        texts = [
            b"no JSON"
            if kind == "malformed"
            else f'[2,"{kind}-{next(self.numbers)}","{action}",{payload}]'.encode()
            for _ in range(turns)
        ]
        data = [mask(text) for text in texts]
        answers = 0
        began = time.process_time()
        for frame in data:
            for protocol in self.protocols:
                protocol.data_received(frame)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for work in self.works:
                work._answer = f'[3,"{work.arrived.call.message_id}",{{}}]'
                work._result = None
                work.deliver()
                answers += 1
            self.works.clear()
            await asyncio.sleep(0)
        return (time.process_time() - began) / (turns * len(self.protocols))


def say(kind: str, seconds: float) -> None:
    """One line of the result."""
    sys.stdout.write(f"{kind:12} {1e6 * seconds:7.1f} µs\n")


async def main(options: argparse.Namespace) -> None:
    from ocpp_gateway.server import tune_garbage_collection

    bench = Bench()
    await bench.connect(10)
    tune_garbage_collection()
    began = time.process_time()
    await bench.connect(options.sockets)
    say("handshake", (time.process_time() - began) / options.sockets)
    for kind in [options.profile] if options.profile else ["malformed", *KINDS]:
        profile = cProfile.Profile() if options.profile else None
        gc.collect()
        if profile:
            profile.enable()
        best = min([await bench.frames(kind, options.frames // ROUNDS) for _ in range(ROUNDS)])
        if profile:
            profile.disable()
            pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(45)
        say(kind, best)


def run(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--sockets", type=int, default=100)
    parser.add_argument("--profile", choices=["malformed", *KINDS])
    options = parser.parse_args(argv)
    django.setup()
    from ocpp_gateway.server import quiet_uvicorn

    quiet_uvicorn()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(options))


if __name__ == "__main__":
    run(sys.argv[1:])
