"""Messages of OCPP 2.0.1 for a load test, built from bytes as those of 1.6 in `messages`."""

from __future__ import annotations

from ocpp_gateway.simulator.bench.messages import RUN, Message, call, stamp

#: Under this name starts are counted.
STARTED = "TransactionEvent Started"


def _sample(value: str, measurand: str, unit: str, more: str = "") -> str:
    what = f'"context":"Sample.Periodic","measurand":"{measurand}"{more}'
    return f'{{"value":{value},{what},"unitOfMeasure":{{"unit":"{unit}"}}}}'


#: What a three-phase charger reports; the register and the power change with each reading.
_SAMPLES = ",".join(
    (
        _sample("%d", "Energy.Active.Import.Register", "Wh"),
        _sample("%d", "Power.Active.Import", "W"),
        *(_sample(f"15.{n}", "Current.Import", "A", f',"phase":"L{n}"') for n in (1, 2, 3)),
        *(_sample(f"23{n}.4", "Voltage", "V", f',"phase":"L{n}-N"') for n in (1, 2, 3)),
        _sample("50", "SoC", "Percent", ',"location":"EV"'),
        _sample("31.5", "Power.Factor", "Percent"),
    )
).encode()
_HEAD = b'{"eventType":"%b","timestamp":"%b","triggerReason":"%b","seqNo":%d,"transactionInfo":{"transactionId":"%b"%b}'
_TOKEN = b',"evse":{"id":1,"connectorId":1},"idToken":{"idToken":"%b","type":"ISO14443"}'
_REGISTER = b',"meterValue":[{"timestamp":"%b","sampledValue":[{"value":%d,"context":"Transaction.%b"}]}]'
_READING = b',"meterValue":[{"timestamp":"%b","sampledValue":[' + _SAMPLES + b"]}]"


def boot(serial: bytes) -> Message:
    """BootNotification."""
    payload = b'{"reason":"PowerUp","chargingStation":{"vendorName":"Simulated","model":"Load","serialNumber":"%b"}}'
    return call(b"BootNotification", payload % serial[:25])


def status(evse: int, status: bytes) -> Message:
    """StatusNotification of connector 1 of an EVSE."""
    payload = b'{"evseId":%d,"connectorId":1,"connectorStatus":"%b","timestamp":"%b"}'
    return call(b"StatusNotification", payload % (evse, status, stamp()))


def authorize(tag: bytes) -> Message:
    """Authorize."""
    return call(b"Authorize", b'{"idToken":{"idToken":"%b","type":"ISO14443"}}' % tag)


def transaction_id(number: int) -> bytes:
    """An id of this run; unique for the charger."""
    return f"{RUN}-{number}".encode()


def started(tx: bytes, tag: bytes, register_wh: int) -> Message:
    """TransactionEvent Started on EVSE 1."""
    at = stamp()
    info = b',"chargingState":"EVConnected"'
    head = _HEAD % (b"Started", at, b"Authorized", 0, tx, info)
    message = call(b"TransactionEvent", head + _TOKEN % tag + _REGISTER % (at, register_wh, b"Begin") + b"}")
    return message._replace(action=STARTED)


def updated(tx: bytes, seq_no: int, register_wh: int) -> Message:
    """TransactionEvent Updated with a reading of ten samples."""
    at = stamp()
    head = _HEAD % (b"Updated", at, b"MeterValuePeriodic", seq_no, tx, b"")
    reading = _READING % (at, register_wh, 10_000 + register_wh % 1000)
    return call(b"TransactionEvent", head + reading + b"}")


def ended(tx: bytes, seq_no: int, register_wh: int) -> Message:
    """TransactionEvent Ended."""
    at = stamp()
    info = b',"stoppedReason":"EVDisconnected"'
    head = _HEAD % (b"Ended", at, b"EVCommunicationLost", seq_no, tx, info)
    return call(b"TransactionEvent", head + _REGISTER % (at, register_wh, b"End") + b"}")
