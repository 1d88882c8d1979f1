"""WebSocket frames of a load test, built from bytes: no JSON library, no masking, no objects per message."""

from __future__ import annotations

import functools
import itertools
import secrets
import time
from datetime import UTC, datetime
from typing import NamedTuple

from ocpp_gateway.wire.timestamps import format_timestamp

_NO_MASK = b"\x00\x00\x00\x00"  # a valid masking key that changes nothing (RFC 6455 §5.3)
_RUN = secrets.token_hex(4).encode()
RUN = _RUN.decode()
"""How the message ids of this process begin."""
_numbers = itertools.count(1)
_stamp = (0, b"")


class Message(NamedTuple):
    """A CALL ready to be sent.

    text       the frame's payload
    refusable  a CALLERROR is the right answer
    """

    action: str
    message_id: bytes
    text: bytes
    refusable: bool = False


def encode(payload: bytes, *, opcode: int = 0x1, compressed: bool = False) -> bytes:
    """One client frame; `compressed` payloads carry RSV1 (RFC 7692 §6)."""
    length, first = len(payload), bytes((0x80 | opcode | compressed << 6,))
    if length < 126:
        return first + bytes((0x80 | length,)) + _NO_MASK + payload
    if length < 65_536:
        return first + b"\xfe" + length.to_bytes(2, "big") + _NO_MASK + payload
    return first + b"\xff" + length.to_bytes(8, "big") + _NO_MASK + payload


def stamp() -> bytes:
    """The time now as OCPP writes it; made anew once a millisecond."""
    global _stamp
    millisecond = time.time_ns() // 1_000_000
    if _stamp[0] != millisecond:
        now = datetime.fromtimestamp(millisecond / 1000, UTC)
        _stamp = (millisecond, format_timestamp(now).encode())
    return _stamp[1]


def call(action: bytes, payload: bytes) -> Message:
    """A CALL with a message id of its own."""
    message_id = b"%b-%x" % (_RUN, next(_numbers))
    return Message(action.decode(), message_id, b'[2,"%b","%b",%b]' % (message_id, action, payload))


def unknown_action() -> Message:
    """A CALL of an action that no version has: to be answered NotImplemented."""
    return call(b"LoadTest", b'{"value":1}')._replace(refusable=True)


def malformed() -> Message:
    """A CALL whose payload is no object: to be answered with FormationViolation."""
    return call(b"Heartbeat", b"[1]")._replace(action="malformed", refusable=True)


def unacceptable() -> Message:
    """A CALL that breaks its schema beyond repair: the tag is missing."""
    return call(b"Authorize", b"{}")._replace(action="invalid Authorize", refusable=True)


def boot(serial: bytes) -> Message:
    """BootNotification; a serial number holds 25 characters."""
    payload = b'{"chargePointVendor":"Simulated","chargePointModel":"Load","chargePointSerialNumber":"%b"}'
    return call(b"BootNotification", payload % serial[:25])


def heartbeat() -> Message:
    """Heartbeat."""
    return call(b"Heartbeat", b"{}")


def authorize(tag: bytes) -> Message:
    """Authorize."""
    return call(b"Authorize", b'{"idTag":"%b"}' % tag)


def status(connector: int, status: bytes) -> Message:
    """StatusNotification without an error."""
    payload = b'{"connectorId":%d,"errorCode":"NoError","status":"%b","timestamp":"%b"}'
    return call(b"StatusNotification", payload % (connector, status, stamp()))


def start(tag: bytes, register_wh: int) -> Message:
    """StartTransaction on connector 1."""
    payload = b'{"connectorId":1,"idTag":"%b","meterStart":%d,"timestamp":"%b"}'
    return call(b"StartTransaction", payload % (tag, register_wh, stamp()))


def _sample(measurand: str, unit: str, value: str, more: str = "") -> str:
    context = '"context":"Sample.Periodic"'
    return f'{{"value":"{value}",{context},"measurand":"{measurand}"{more},"unit":"{unit}"}}'


#: What a three-phase charger reports; the register and the power change with each reading.
_SAMPLES = (
    _sample("Energy.Active.Import.Register", "Wh", "%d"),
    _sample("Power.Active.Import", "W", "%d"),
    *(_sample("Current.Import", "A", f"15.{n}", f',"phase":"L{n}"') for n in (1, 2, 3)),
    *(_sample("Voltage", "V", f"23{n}.4", f',"phase":"L{n}-N"') for n in (1, 2, 3)),
    _sample("SoC", "Percent", "50", ',"location":"EV"'),
    _sample("Temperature", "Celsius", "31.5", ',"location":"Body"'),
)
MAX_SAMPLES = len(_SAMPLES)


@functools.cache
def _readings(samples: int) -> bytes:
    head = '{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%b","sampledValue":['
    return (head + ",".join(_SAMPLES[:samples]) + "]}]}").encode()


def meter_values(transaction_id: int, register_wh: int, samples: int = MAX_SAMPLES) -> Message:
    """One reading of up to ten samples: register, power, currents, voltages, state of charge, temperature."""
    values = (transaction_id, stamp(), register_wh, 10_000 + register_wh % 1000)
    return call(b"MeterValues", _readings(samples) % values[: 3 if samples == 1 else 4])


def stop(transaction_id: int, register_wh: int) -> Message:
    """StopTransaction."""
    payload = b'{"transactionId":%d,"meterStop":%d,"timestamp":"%b","reason":"Local"}'
    return call(b"StopTransaction", payload % (transaction_id, register_wh, stamp()))
