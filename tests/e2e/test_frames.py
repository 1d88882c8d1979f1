"""What chargers send after the handshake, readable or not (OCPP-J 1.6 §4; RFC 6455 §5)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from chargepoints.models import FrameAnomaly, OcppMessage
from tests.e2e.conftest import open_charger, register, register_tag
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import (
    BINARY,
    BOOT,
    CLOSE,
    PING,
    TEXT,
    VERSION,
    Charger,
    RawSocket,
    basic,
    call_text,
    frame,
    ids_of,
)
from tests.factories import CHARGER_KEY, T0
from transactions.models import Transaction

pytestmark = pytest.mark.server

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def messages(identity: str, **filters: Any) -> Any:
    return OcppMessage.objects.filter(charge_point__identity=identity, **filters)


# ---------------------------------------------------------------- order and repetition
def test_calls_hundred_at_once_are_answered_once_each_in_order(product: Product) -> None:
    actions = [("StatusNotification", STATUS), ("Heartbeat", {}), ("CustomOperation", {}), ("Authorize", {})]
    with open_charger(product, "PIPE-100") as charger:
        for number in range(100):
            charger.send([2, f"p{number}", *actions[number % len(actions)]])
        answers = [charger.receive() for _ in range(100)]
        assert ids_of(answers) == [f"p{number}" for number in range(100)]
        assert [answer[0] for answer in answers] == [3, 3, 4, 4] * 25
        assert charger.ask("Heartbeat", {})[0] == 3


def test_call_repeated_with_its_id_gets_the_same_answer_and_is_done_once(product: Product) -> None:
    register_tag("REPEAT-TAG")
    payload = {"connectorId": 1, "idTag": "REPEAT-TAG", "meterStart": 5, "timestamp": T0.isoformat()}
    with open_charger(product, "REPEAT-ID") as charger:
        first = charger.ask("StartTransaction", payload, message_id="same")
        assert charger.ask("StartTransaction", payload, message_id="same") == first
    assert Transaction.objects.filter(charge_point__identity="REPEAT-ID").count() == 1


def test_call_repeated_before_its_answer_is_answered_once(product: Product) -> None:
    with open_charger(product, "REPEAT-FAST") as charger:
        for _ in range(2):
            charger.send([2, "twin", "StatusNotification", STATUS])
        charger.send([2, "last", "Heartbeat", {}])
        answers = [charger.receive()]
        while answers[-1][1] != "last":
            answers.append(charger.receive())
        assert ids_of(answers) in (["twin", "last"], ["twin", "twin", "last"])
        assert messages("REPEAT-FAST", message_id="twin").count() == 1


def test_call_with_the_id_of_another_call_is_a_new_one(product: Product) -> None:
    with open_charger(product, "ONE-ID") as charger:
        assert charger.ask("Authorize", {"idTag": "A"}, message_id="1")[2] != {}
        assert charger.ask("StatusNotification", STATUS, message_id="1")[2] == {}


def test_call_with_a_number_as_id_is_echoed_as_a_number(product: Product) -> None:
    with open_charger(product, "NUMERIC") as charger:
        charger.send('[2,42,"Heartbeat",{}]')
        assert charger.receive()[:2] == [3, 42]


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("text", "message_id", "code"),
    [
        ('[2,"a","CustomOperation",{}]', "a", "NotImplemented"),
        ('[2,"a","heartbeat",{}]', "a", "NotImplemented"),
        ('[2,"a","Reset",{"type":"Soft"}]', "a", "NotSupported"),
        ('[2,"a","Heartbeat"]', "a", "FormationViolation"),
        ('[2,"a","Heartbeat",{},1]', "a", "FormationViolation"),
        ('[2,"a","Heartbeat",[]]', "a", "FormationViolation"),
        ('[2,"a","Heartbeat",true]', "a", "FormationViolation"),
        ('[2,"a",7,{}]', "a", "FormationViolation"),
        ('[2,"a","Authorize",{}]', "a", "OccurenceConstraintViolation"),
        ('[2,"a","Authorize",{"idTag":{}}]', "a", "TypeConstraintViolation"),
    ],
)
def test_call_that_cannot_be_served_gets_a_callerror(
    product: Product, text: str, message_id: str, code: str
) -> None:
    with open_charger(product, f"REFUSED-{abs(hash(text)) % 10**8}") as charger:
        charger.send(text)
        answer = charger.receive()
        assert answer[:3] == [4, message_id, code]
        assert len(answer) == 5
        assert answer[4] == {}
        assert charger.ask("Heartbeat", {})[0] == 3


def test_call_with_a_null_payload_is_served(product: Product) -> None:
    with open_charger(product, "NULL") as charger:
        charger.send('[2,"n","Heartbeat",null]')
        assert "currentTime" in charger.receive()[2]


def test_call_with_a_broken_schema_is_kept_for_the_operator(product: Product) -> None:
    with open_charger(product, "ANOMALY") as charger:
        assert charger.ask("StatusNotification", {"connectorId": 1, "status": "Confused"})[0] == 4
    row = wait_until(FrameAnomaly.objects.filter(charge_point__identity="ANOMALY").first, "it is kept")
    assert (row.action, row.was_served) == ("StatusNotification", False)


UNREADABLE = [
    "",
    "no JSON",
    "{}",
    "[]",
    "[2]",
    "null",
    '"text"',
    '[true,"x","Heartbeat",{}]',
    '["2","x","Heartbeat",{}]',
    '[2.5,"x","Heartbeat",{}]',
    '[7,"x","Heartbeat",{}]',
    "[" * 5_000,
    "[2" + "0" * 5_000 + "]",
    '[6,"x","Heartbeat",{}]',
]


def test_malformed_frames_in_a_flood_keep_the_socket_and_the_neighbours(product: Product) -> None:
    with open_charger(product, "FLOOD") as charger, open_charger(product, "NEIGHBOUR") as neighbour:
        for _ in range(20):
            for text in UNREADABLE:
                charger.send(text)
            assert neighbour.ask("Heartbeat", {})[0] == 3
        charger.send([2, "after", "Heartbeat", {}])
        answers = [charger.receive()]
        while answers[-1][1] != "after":
            answers.append(charger.receive())
        assert {answer[0] for answer in answers[:-1]} <= {4}
        assert answers[-1][0] == 3


def test_malformed_frame_is_logged_with_what_is_wrong(product: Product) -> None:
    with open_charger(product, "LOGGED") as charger:
        charger.send("no JSON")
        row = wait_until(messages("LOGGED", request="no JSON").first, "it is logged")
    assert row.error_description


@pytest.mark.parametrize(
    "text",
    [
        '[3,"nobody",{}]',
        '[3,"nobody"]',
        '[3,"nobody","text"]',
        "[3]",
        '[4,"-1","GenericError","",{}]',
        '[4,"-1"]',
        '[4,"x",17,null,"text"]',
        '[4,"x","InternalError","' + "d" * 3_000 + '",{}]',
        "[4]",
        "[3,null,{}]",
    ],
)
def test_answers_that_nobody_waits_for_are_ignored(product: Product, text: str) -> None:
    with open_charger(product, f"UNASKED-{abs(hash(text)) % 10**8}") as charger:
        charger.send(text)
        assert charger.ask("Heartbeat", {})[0] == 3


# ---------------------------------------------------------------- poison for databases
@pytest.mark.parametrize(
    "value",
    ["NUL\\u0000byte", "lone \\ud800 surrogate", "1" * 4_400, "emoji \\ud83d\\ude00", "\\u202e"],
)
def test_text_that_databases_refuse_is_stored_and_answered(product: Product, value: str) -> None:
    with open_charger(product, f"POISON-{abs(hash(value)) % 10**8}") as charger:
        charger.send(f'[2,"d","DataTransfer",{{"vendorId":"com.example","data":"{value}"}}]')
        assert charger.receive() == [3, "d", {"status": "UnknownVendorId"}]


@pytest.mark.parametrize("meter_start", ["1e400", "-5", "9" * 30, "2147483648", "NaN", "Infinity", '"12"'])
def test_start_with_a_number_out_of_all_bounds_is_answered(product: Product, meter_start: str) -> None:
    with open_charger(product, f"NUMBER-{meter_start[:9]}".replace('"', "q")) as charger:
        start = f'{{"connectorId":1,"idTag":"T","meterStart":{meter_start},"timestamp":"{T0.isoformat()}"}}'
        charger.send(f'[2,"s","StartTransaction",{start}]')
        answer = charger.receive()
        assert answer[1] == "s"
        assert (
            answer[0] == 3 or answer[2].endswith("ConstraintViolation") or answer[2] == "FormationViolation"
        )
        assert charger.ask("Heartbeat", {})[0] == 3


# ---------------------------------------------------------------- registration
def test_call_before_the_first_boot_is_a_security_error(product: Product) -> None:
    with open_charger(product, "UNBOOTED", boot=False) as charger:
        assert charger.ask("StatusNotification", STATUS)[2] == "SecurityError"
        assert charger.ask("Heartbeat", {})[2] == "SecurityError"
        assert charger.boot()["status"] == "Accepted"
        assert charger.ask("StatusNotification", STATUS)[0] == 3


def test_call_after_a_reconnect_without_boot_is_served(product: Product) -> None:
    with open_charger(product, "RETURNS"):
        pass
    with Charger(product.url, "RETURNS") as charger:
        assert charger.ask("StatusNotification", STATUS)[0] == 3
        assert charger.ask("Heartbeat", {})[0] == 3


# ---------------------------------------------------------------- WebSocket framing
def test_binary_frame_is_ignored(product: Product) -> None:
    with open_charger(product, "BINARY") as charger:
        charger.ws.send(b'[2,"b","Heartbeat",{}]')
        assert charger.ask("Heartbeat", {}, message_id="text")[0] == 3


def test_fragments_of_one_byte_with_pings_between_are_one_message(product: Product) -> None:
    register("FRAGMENTS")
    text = call_text("BootNotification", BOOT)
    with RawSocket(product.port) as raw:
        raw.open("FRAGMENTS")
        for position, byte in enumerate(text):
            opcode, fin = (0 if position else TEXT), position == len(text) - 1
            raw.send(frame(opcode, bytes([byte]), fin=fin) + (b"" if fin else frame(PING, b"")))
        opcode, payload = read_text(raw)
        assert b'"status":"Accepted"' in payload


def test_bytes_dripped_one_by_one_are_one_message(product: Product) -> None:
    register("DRIPPED")
    with RawSocket(product.port) as raw:
        raw.open("DRIPPED")
        for byte in frame(TEXT, call_text("BootNotification", BOOT)):
            raw.send(bytes([byte]))
        assert b'"status":"Accepted"' in read_text(raw)[1]


def read_text(raw: RawSocket) -> tuple[int, bytes]:
    """The next text frame; pongs are dropped."""
    while True:
        opcode, payload = raw.read_frame()
        if opcode in (TEXT, CLOSE):
            return opcode, payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff\xfe\xfd"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(0, b"("), 1007),
        (frame(TEXT, b"x" * (1024 * 1024 + 1)), 1009),
        (frame(TEXT, b"x" * 600_000, fin=False) + frame(0, b"x" * 600_000, fin=False), 1009),
        (frame(BINARY, b"x" * (1024 * 1024 + 1)), 1009),
        (frame(3, b""), 1002),
        (frame(TEXT, b"", compressed=True), 1002),
    ],
    ids=[
        "bad UTF-8",
        "bad UTF-8 over fragments",
        "too big",
        "endless fragments",
        "too big binary",
        "opcode",
        "RSV1",
    ],
)
def test_frame_against_the_protocol_closes_with_its_code(
    product: Product, request: pytest.FixtureRequest, data: bytes, code: int
) -> None:
    identity = f"CLOSED-{request.node.callspec.id}"
    register(identity)
    with RawSocket(product.port) as raw:
        raw.open(identity)
        raw.send(data)
        assert raw.read_close() == code


def test_deflate_bomb_closes_as_too_big(product: Product) -> None:
    register("BOMB")
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    bomb = packer.compress(b"x" * 50_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    headers = [
        VERSION,
        ("Authorization", basic("BOMB", CHARGER_KEY)),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=12"),
    ]
    with RawSocket(product.port) as raw:
        assert raw.upgrade("/ocpp/BOMB", headers) == 101
        raw.send(frame(TEXT, bomb.removesuffix(b"\0\0\xff\xff"), compressed=True))
        assert raw.read_close() == 1009


def test_compressed_frames_are_read(product: Product) -> None:
    register("DEFLATE")
    with Charger(product.url, "DEFLATE", compression="deflate") as charger:
        assert charger.boot()["status"] == "Accepted"
        answer = charger.ask("DataTransfer", {"vendorId": "com.example", "data": "x" * 10_000})
        assert answer[2] == {"status": "UnknownVendorId"}


def test_large_message_within_the_limit_is_served(product: Product) -> None:
    sample = {"value": "1", "measurand": "Voltage", "unit": "V"}
    values = [{"timestamp": T0.isoformat(), "sampledValue": [sample] * 20} for _ in range(500)]
    with open_charger(product, "LARGE") as charger:
        assert charger.ask("MeterValues", {"connectorId": 1, "meterValue": values})[0] == 3
