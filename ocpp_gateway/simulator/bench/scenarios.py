"""What the charge points of a load test do: each script yields calls and is sent their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from ocpp_gateway.simulator.bench import messages
from ocpp_gateway.simulator.bench.messages import Message
from ocpp_gateway.simulator.bench.pace import Pace
from ocpp_gateway.simulator.bench.socket import Failed, Script

READINGS = 10  # of a session
STATUSES = (b"Preparing", b"Charging", b"SuspendedEV", b"Charging", b"Finishing", b"Available")


@dataclass(slots=True)
class Booked:
    """A session that the server has acknowledged, and what of it: readings, and the register at its stop.

    transaction_id  the server's number, or the charger's own text (2.x)
    """

    transaction_id: int | str
    start_wh: int
    readings: int = 0
    readings_sent: int = 0
    stop_wh: int | None = None
    is_stop_sent: bool = False


@dataclass(slots=True)
class Charger:
    """One charge point of a load test. `running` is cleared when its load shall end.

    samples     in each reading
    connectors  whose status it reports after booting, beside its own
    """

    identity: str
    tag: bytes
    url: str
    scenario: Scenario
    key: str = ""
    samples: int = messages.MAX_SAMPLES
    connectors: int = 1
    pace: Pace | None = None
    register_wh: int = 0
    running: bool = True
    sessions: list[Booked] = field(default_factory=list)
    # Of chargers that name their sessions themselves (2.x).
    session_number: int = 0
    seq_no: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """prepare and finish are not measured.

    reconnect  connecting and preparing are the load, over and over
    phases     in place of the load: all charge points do the one, then all do the other, over and over, and the
               CPU of each is measured on its own
    weighs     the memory of a connection is measured
    soaks      the growth of the server is measured
    """

    about: str
    prepare: Callable[[Charger], Script]
    load: Callable[[Charger], Script]
    finish: Callable[[Charger], Script]
    reconnect: bool = False
    phases: tuple[tuple[str, Callable[[Charger], Script]], ...] = ()
    weighs: bool = False
    soaks: bool = False
    protocol: str = "ocpp1.6"


# ---------------------------------------------------------------- acts
def nothing(charger: Charger) -> Script:
    """Send nothing at all."""
    yield from ()


def boot(charger: Charger) -> Script:
    """Register, as after power-up."""
    answer = yield messages.boot(charger.identity.encode())
    if b'"Accepted"' not in answer:
        raise Failed("not accepted")


def boot_and_report(charger: Charger) -> Script:
    """Register and report the states of all connectors."""
    yield from boot(charger)
    for number in range(charger.connectors + 1):
        yield messages.status(number, b"Available")


def start(charger: Charger) -> Script:
    """Begin a session."""
    register_wh = charger.register_wh
    answer = yield messages.start(charger.tag, register_wh)
    transaction_id = orjson.loads(answer)[2].get("transactionId")
    if not isinstance(transaction_id, int):
        raise Failed("no transactionId")
    charger.sessions.append(Booked(transaction_id, register_wh))


def read_meter(charger: Charger) -> Script:
    """A reading of the running session."""
    charger.register_wh += 7
    booked = charger.sessions[-1]
    booked.readings_sent += 1
    assert isinstance(booked.transaction_id, int)
    yield messages.meter_values(booked.transaction_id, charger.register_wh, charger.samples)
    booked.readings += 1


def stop(charger: Charger) -> Script:
    """End the session that runs."""
    if not charger.sessions or charger.sessions[-1].is_stop_sent:
        return
    booked = charger.sessions[-1]
    booked.is_stop_sent = True
    assert isinstance(booked.transaction_id, int)
    yield messages.stop(booked.transaction_id, charger.register_wh)
    booked.stop_wh = charger.register_wh


def boot_and_start(charger: Charger) -> Script:
    """Register and begin a session."""
    yield from boot_and_report(charger)
    yield from start(charger)


def session(charger: Charger) -> Script:
    """One whole session."""
    yield messages.authorize(charger.tag)
    yield messages.status(1, b"Preparing")
    yield from start(charger)
    yield messages.status(1, b"Charging")
    for _ in range(READINGS):
        yield from read_meter(charger)
    yield messages.status(1, b"Finishing")
    yield from stop(charger)
    yield messages.status(1, b"Available")


# ---------------------------------------------------------------- loads
def _repeat(act: Callable[[Charger], Script]) -> Callable[[Charger], Script]:
    def load(charger: Charger) -> Script:
        while charger.running:
            yield from act(charger)

    return load


def _each(make: Callable[[], Message]) -> Callable[[Charger], Script]:
    def load(charger: Charger) -> Script:
        while charger.running:
            yield make()

    return load


def _authorize(charger: Charger) -> Script:
    yield messages.authorize(charger.tag)


def _statuses(charger: Charger) -> Script:
    for state in STATUSES:
        yield messages.status(1, state)


def _third_each(charger: Charger) -> Script:
    for state in STATUSES:
        yield messages.heartbeat()
        yield messages.status(1, state)
        yield from read_meter(charger)


def soak(charger: Charger) -> Script:
    """A life in brief: power-up, a session with what goes wrong in the field, and out."""
    yield from boot_and_report(charger)
    yield messages.heartbeat()
    yield messages.unknown_action()
    yield messages.malformed()
    yield messages.unacceptable()
    if len(charger.sessions) % 4 == 3:
        yield from start(charger)  # power failure: this session is never stopped
        yield from read_meter(charger)
        charger.sessions[-1].is_stop_sent = True
    else:
        yield from session(charger)


def _stop_later(charger: Charger) -> Script:
    charger.register_wh += 7
    yield from stop(charger)


def _measured(about: str, load: Callable[[Charger], Script], *, in_session: bool = False) -> Scenario:
    if in_session:
        return Scenario(about, boot_and_start, load, stop)
    return Scenario(about, boot_and_report, load, nothing)


BOOT_STORM = Scenario("connect and boot, all at once", boot, nothing, nothing, reconnect=True)
REPORTING_STORM = Scenario(BOOT_STORM.about, boot_and_report, nothing, nothing, reconnect=True)
HEARTBEATS = _measured("Heartbeat without a pause", _each(messages.heartbeat))
IDLE = Scenario("connected, and nothing else: memory of a connection", boot, nothing, nothing, weighs=True)
STARTS = Scenario(
    "StartTransaction by all, StopTransaction by all, in turn",
    boot_and_report,
    nothing,
    stop,
    phases=(("StartTransaction", start), ("StopTransaction", _stop_later)),
)
SOAK = Scenario(
    "lives in brief: boots, sessions, mistakes", soak, nothing, nothing, reconnect=True, soaks=True
)

SCENARIOS_16 = {
    "unknown-action": _measured("CALLs of an unknown action", _each(messages.unknown_action)),
    "malformed": _measured("CALLs that are no valid frame", _each(messages.malformed)),
    "heartbeats": HEARTBEATS,
    "authorize": _measured("Authorize without a pause", _repeat(_authorize)),
    "statuses": _measured("StatusNotification, another state each time", _repeat(_statuses)),
    "starts": STARTS,
    "meter-values": _measured("readings of a long session", _repeat(read_meter), in_session=True),
    "sessions": _measured("whole sessions, one after the other", _repeat(session)),
    "mixed": _measured("Heartbeat, status, reading: a third each", _repeat(_third_each), in_session=True),
    "boot-storm": BOOT_STORM,
    "idle": IDLE,
    "soak": SOAK,
}
