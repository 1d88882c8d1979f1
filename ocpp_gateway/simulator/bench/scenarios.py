"""What the charge points of a load test do: each script yields calls and is sent their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from ocpp_gateway.simulator.bench import messages
from ocpp_gateway.simulator.bench.socket import Failed, Message, Script


@dataclass
class Charger:
    """One charge point of a load test. `running` is cleared when its load shall end."""

    identity: str
    tag: bytes
    key: str = ""
    register_wh: int = 0
    transaction_id: int = 0
    running: bool = True

    def meter(self) -> Message:
        """The next reading of the running session."""
        self.register_wh += 7
        return messages.meter_values(self.transaction_id, self.register_wh)


def boot(charger: Charger) -> Script:
    """Register and report the connectors, as after power-up."""
    answer = yield messages.boot(charger.identity.encode())
    if b'"Accepted"' not in answer:
        raise Failed("not accepted")
    yield messages.status(0, b"Available")
    yield messages.status(1, b"Available")


def nothing(charger: Charger) -> Script:
    """Send nothing at all."""
    yield from ()


def start(charger: Charger) -> Script:
    """Begin a session."""
    answer = yield messages.start(charger.tag, charger.register_wh)
    payload = orjson.loads(answer)[2]
    if not isinstance(payload.get("transactionId"), int):
        raise Failed("no transactionId")
    charger.transaction_id = payload["transactionId"]


def stop(charger: Charger) -> Script:
    """End the session."""
    yield messages.stop(charger.transaction_id, charger.register_wh)


def boot_and_start(charger: Charger) -> Script:
    """Register and begin a session."""
    yield from boot(charger)
    yield from start(charger)


def heartbeats(charger: Charger) -> Script:
    """Heartbeats without a pause."""
    while charger.running:
        yield messages.heartbeat()


def meter_values(charger: Charger) -> Script:
    """Readings of one long session without a pause."""
    while charger.running:
        yield charger.meter()


def _session(charger: Charger, readings: int) -> Iterator[Message | Script]:
    yield messages.authorize(charger.tag)
    yield messages.status(1, b"Preparing")
    yield start(charger)
    yield messages.status(1, b"Charging")
    for _ in range(readings):
        yield charger.meter()
    yield stop(charger)
    yield messages.status(1, b"Available")


def _flatten(steps: Iterator[Message | Script]) -> Script:
    for step in steps:
        if isinstance(step, tuple):
            yield step
        else:
            yield from step


def sessions(charger: Charger) -> Script:
    """Complete short sessions, one after the other; one that has begun is ended."""
    while charger.running:
        yield from _flatten(_session(charger, 3))


def mixed(charger: Charger) -> Script:
    """Sessions with ten readings and a heartbeat after every second of them, as in daily operation."""
    while charger.running:
        for number, step in enumerate(_session(charger, 10)):
            yield from _flatten(iter((step,)))
            if number % 2:
                yield messages.heartbeat()


@dataclass(frozen=True)
class Scenario:
    """prepare and finish are not measured; with `reconnect` connecting and preparing are the load.

    "idle" gives the memory of a connection: measure it on a server that has just been started.
    """

    prepare: Callable[[Charger], Script]
    load: Callable[[Charger], Script]
    finish: Callable[[Charger], Script] = nothing
    reconnect: bool = False


SCENARIOS = {
    "boot-storm": Scenario(boot, nothing, reconnect=True),
    "heartbeats": Scenario(boot, heartbeats),
    "meter-values": Scenario(boot_and_start, meter_values, stop),
    "sessions": Scenario(boot, sessions),
    "mixed": Scenario(boot, mixed),
    "idle": Scenario(boot, nothing),
}
