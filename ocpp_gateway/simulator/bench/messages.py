"""WebSocket frames of a load test, built from bytes: no JSON library, no masking, no objects per message."""

from __future__ import annotations

import itertools
import secrets
import time
from datetime import UTC, datetime

from ocpp_gateway.wire.timestamps import format_timestamp

_NO_MASK = b"\x00\x00\x00\x00"  # a valid masking key that changes nothing (RFC 6455 §5.3)
_RUN = secrets.token_hex(4).encode()
_numbers = itertools.count(1)
_stamp = (0, b"")


def encode(payload: bytes, *, opcode: int = 0x1) -> bytes:
    """One client frame."""
    length, first = len(payload), bytes((0x80 | opcode,))
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


def call(action: bytes, payload: bytes) -> tuple[str, bytes, bytes]:
    """Action, message id and frame of a CALL."""
    message_id = b"%b-%x" % (_RUN, next(_numbers))
    return action.decode(), message_id, encode(b'[2,"%b","%b",%b]' % (message_id, action, payload))


def boot(serial: bytes) -> tuple[str, bytes, bytes]:
    payload = b'{"chargePointVendor":"Simulated","chargePointModel":"Load","chargePointSerialNumber":"%b"}'
    return call(b"BootNotification", payload % serial[:25])


def heartbeat() -> tuple[str, bytes, bytes]:
    return call(b"Heartbeat", b"{}")


def authorize(tag: bytes) -> tuple[str, bytes, bytes]:
    return call(b"Authorize", b'{"idTag":"%b"}' % tag)


def status(connector: int, status: bytes) -> tuple[str, bytes, bytes]:
    payload = b'{"connectorId":%d,"errorCode":"NoError","status":"%b","timestamp":"%b"}'
    return call(b"StatusNotification", payload % (connector, status, stamp()))


def start(tag: bytes, register_wh: int) -> tuple[str, bytes, bytes]:
    payload = b'{"connectorId":1,"idTag":"%b","meterStart":%d,"timestamp":"%b"}'
    return call(b"StartTransaction", payload % (tag, register_wh, stamp()))


def meter_values(transaction_id: int, register_wh: int) -> tuple[str, bytes, bytes]:
    """One reading with register, power and state of charge."""
    payload = (
        b'{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%b","sampledValue":['
        b'{"value":"%d","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"},'
        b'{"value":"11000","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
        b'{"value":"50","context":"Sample.Periodic","measurand":"SoC","location":"EV","unit":"Percent"}]}]}'
    )
    return call(b"MeterValues", payload % (transaction_id, stamp(), register_wh))


def stop(transaction_id: int, register_wh: int) -> tuple[str, bytes, bytes]:
    payload = b'{"transactionId":%d,"meterStop":%d,"timestamp":"%b","reason":"Local"}'
    return call(b"StopTransaction", payload % (transaction_id, register_wh, stamp()))
