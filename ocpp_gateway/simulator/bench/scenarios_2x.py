"""What charge points of OCPP 2.0.1 do in a load test."""

from __future__ import annotations

from ocpp_gateway.simulator.bench import messages_2x as messages
from ocpp_gateway.simulator.bench.scenarios import READINGS, Booked, Charger, Scenario, nothing
from ocpp_gateway.simulator.bench.socket import Failed, Script

PROTOCOL = "ocpp2.0.1"


def boot(charger: Charger) -> Script:
    """Register, as after power-up, and report the connector."""
    answer = yield messages.boot(charger.identity.encode())
    if b'"Accepted"' not in answer:
        raise Failed("not accepted")
    yield messages.status(1, b"Available")


def start(charger: Charger) -> Script:
    """Begin a session."""
    charger.session_number += 1
    charger.seq_no = 0
    start_wh = charger.register_wh
    answer = yield messages.started(_id(charger), charger.tag, start_wh)
    if b'"Accepted"' not in answer:
        raise Failed("token not accepted")
    charger.sessions.append(Booked(_id(charger).decode(), start_wh, readings=1, readings_sent=1))


def read_meter(charger: Charger) -> Script:
    """A reading of the running session."""
    charger.register_wh += 7
    charger.seq_no += 1
    booked = charger.sessions[-1]
    booked.readings_sent += 1
    yield messages.updated(_id(charger), charger.seq_no, charger.register_wh)
    booked.readings += 1


def stop(charger: Charger) -> Script:
    """End the session that runs."""
    if not charger.sessions or charger.sessions[-1].is_stop_sent:
        return
    booked = charger.sessions[-1]
    booked.is_stop_sent = True
    booked.readings_sent += 1
    yield messages.ended(_id(charger), charger.seq_no + 1, charger.register_wh)
    booked.readings += 1
    booked.stop_wh = charger.register_wh


def boot_and_start(charger: Charger) -> Script:
    """Register and begin a session."""
    yield from boot(charger)
    yield from start(charger)


def _id(charger: Charger) -> bytes:
    return messages.transaction_id(charger.session_number)


def _events(charger: Charger) -> Script:
    while charger.running:
        yield from read_meter(charger)


def _sessions(charger: Charger) -> Script:
    while charger.running:
        yield messages.authorize(charger.tag)
        yield messages.status(1, b"Occupied")
        yield from start(charger)
        for _ in range(READINGS):
            yield from read_meter(charger)
        yield from stop(charger)
        yield messages.status(1, b"Available")


SCENARIOS_2X = {
    "events": Scenario(
        "OCPP 2.0.1: TransactionEvent of a long session, ten samples each",
        boot_and_start,
        _events,
        stop,
        protocol=PROTOCOL,
    ),
    "sessions-2x": Scenario(
        "OCPP 2.0.1: whole sessions, one after the other", boot, _sessions, nothing, protocol=PROTOCOL
    ),
}
