import dataclasses
import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.wire import frames
from ocpp_gateway.wire.errors import V16, V21, V201, VERSIONS
from ocpp_gateway.wire.frames import (
    Call,
    CallError,
    CallResult,
    CallResultError,
    Limits,
    Malformed,
    NumericId,
    Send,
    parse,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
PAYLOADS = st.dictionaries(
    STORABLE, st.recursive(STORABLE | st.integers(-(2**63), 2**63), lambda inner: st.lists(inner, max_size=3))
)


def test_parse_call_returns_its_parts() -> None:
    frame = parse('[2,"19223201","BootNotification",{"chargePointModel":"M"}]', version=V16)
    assert frame == Call("19223201", "BootNotification", {"chargePointModel": "M"})


def test_parse_call_with_null_payload_takes_it_as_empty() -> None:
    assert parse('[2,"1","Heartbeat",null]', version=V201) == Call("1", "Heartbeat", {})


@pytest.mark.parametrize(("version", "code"), [(V16, "FormationViolation"), (V201, "ProtocolError")])
@pytest.mark.parametrize("payload", ["[]", '"x"', "1", "true"])
def test_parse_call_with_payload_no_object_is_refused(version: str, code: str, payload: str) -> None:
    frame = parse(f'[2,"1","Heartbeat",{payload}]', version=version)
    assert frame == Malformed("1", code, "payload is not an object")


@pytest.mark.parametrize("text", ['[2,"1"]', '[2,"1","Heartbeat"]', '[2,"1","Heartbeat",{},{}]'])
def test_parse_call_with_wrong_count_is_refused_under_its_id(text: str) -> None:
    assert parse(text, version=V21) == Malformed("1", "ProtocolError", "a CALL has four elements")


@pytest.mark.parametrize("action", ["1", "null", '""', "{}"])
def test_parse_call_with_action_no_text_is_refused(action: str) -> None:
    assert parse(f'[2,"1",{action},{{}}]', version=V16) == Malformed(
        "1", "FormationViolation", "action is not a string"
    )


@pytest.mark.parametrize("bad_id", ["true", "2.5", '""', "null", "{}", '"' + "x" * 37 + '"', "1e30"])
@pytest.mark.parametrize(("version", "code"), [(V16, "FormationViolation"), (V201, "RpcFrameworkError")])
def test_parse_call_with_bad_id_is_answered_under_minus_one(bad_id: str, version: str, code: str) -> None:
    frame = parse(f'[2,{bad_id},"Heartbeat",{{}}]', version=version)
    assert isinstance(frame, Malformed)
    assert (frame.message_id, frame.code) == ("-1", code)


def test_parse_call_with_id_of_36_characters_is_accepted() -> None:
    assert parse(f'[2,"{"x" * 36}","Heartbeat",{{}}]', version=V16) == Call("x" * 36, "Heartbeat", {})


def test_result_for_numeric_id_echoes_the_number() -> None:
    frame = parse('[2,4711,"Heartbeat",{}]', version=V16)
    assert isinstance(frame, Call)
    assert frame.message_id == "4711"
    assert frames.result(frame.message_id, {}) == "[3,4711,{}]"
    assert frames.error(frame.message_id, "GenericError") == '[4,4711,"GenericError","",{}]'


@pytest.mark.parametrize("kind", ["true", "2.5", '"2"', "2.0", "null", "7", "-2", "0", "1e400"])
def test_parse_unknown_type_is_answered_in_201_and_ignored_elsewhere(kind: str) -> None:
    text = f'[{kind},"1","Heartbeat",{{}}]'
    codes = []
    for version in VERSIONS:
        frame = parse(text, version=version)
        assert isinstance(frame, Malformed)
        assert frame.message_id == "1"
        codes.append(frame.code)
    assert codes == [None, "MessageTypeNotSupported", None]


def test_parse_call_result_error_is_known_in_21_only() -> None:
    text = '[5,"1","FormatViolation","bad",{"a":1}]'
    assert parse(text, version=V21) == CallResultError("1", "FormatViolation", "bad", {"a": 1})
    for version in (V16, V201):
        assert parse(text, version=version) == Malformed("1", None, "message type is not supported")


def test_parse_send_is_known_in_21_only() -> None:
    text = '[6,"1","NotifyPeriodicEventStream",{"id":1}]'
    assert parse(text, version=V21) == Send("1", "NotifyPeriodicEventStream", {"id": 1})
    for version in (V16, V201):
        frame = parse(text, version=version)
        assert isinstance(frame, Malformed)
        assert frame.code is None


@pytest.mark.parametrize(
    "text", ['[6,"1"]', '[6,true,"X",{}]', '[6,"1","X",[]]', '[6,"1",3,{}]', '[6,"1","X",{']
)
def test_parse_bad_send_is_never_answered(text: str) -> None:
    frame = parse(text, version=V21)
    assert isinstance(frame, Malformed)
    assert frame.code is None


@pytest.mark.parametrize("text", ["", "hello", "null", "{}", "[]", "[2]", '"2"', "12", "[[]]", "]", "[2,"])
def test_parse_no_frame_is_answered_under_minus_one_in_2x_and_ignored_in_16(text: str) -> None:
    in_201, in_16 = parse(text, version=V201), parse(text, version=V16)
    assert isinstance(in_201, Malformed)
    assert isinstance(in_16, Malformed)
    assert (in_201.message_id, in_201.code) == ("-1", "RpcFrameworkError")
    assert (in_16.message_id, in_16.code) == ("-1", None)


@pytest.mark.parametrize(("version", "code"), [(V16, "FormationViolation"), (V21, "FormatViolation")])
@pytest.mark.parametrize("rest", ['{"a":', '{"a":}]', "{a:1}]", '{"a":1,}]', "", "{}] x"])
def test_parse_broken_call_finds_its_id(version: str, code: str, rest: str) -> None:
    frame = parse(f' [ 2 , "a-1" , "StopTransaction",{rest}', version=version)
    assert frame == Malformed("a-1", code, "not valid JSON")


@pytest.mark.parametrize("head", ['[3,"a"', '[4,"a"', '[5,"a"', '[3,"a",{]'])
def test_parse_broken_answer_is_not_answered(head: str) -> None:
    frame = parse(head + ',{"x":', version=V201)
    assert isinstance(frame, Malformed)
    assert (frame.message_id, frame.code) == ("a", None)


@pytest.mark.parametrize("text", ['[3,"a"]', '[3,"a",[]]', '[3,"a",1]'])
def test_parse_unusable_result_is_malformed_with_its_id(text: str) -> None:
    frame = parse(text, version=V201)
    assert isinstance(frame, Malformed)
    assert (frame.message_id, frame.code) == ("a", None)


@pytest.mark.parametrize("text", ["[3]", "[4]", '[3,null,{"x":1}]', "[3,[],{}]"])
def test_parse_answer_without_id_is_not_answered(text: str) -> None:
    frame = parse(text, version=V201)
    assert isinstance(frame, Malformed)
    assert (frame.message_id, frame.code) == ("-1", None)


@pytest.mark.parametrize("payload", ["null", "{}", "{},1"])
def test_parse_result_tolerates_null_and_extra_elements(payload: str) -> None:
    assert parse(f'[3,"a",{payload}]', version=V16) == CallResult("a", {})


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[4,"-1","X","y",{}]', CallError("-1", "X", "y", {})),
        ('[4,"a"]', CallError("a", "", "", {})),
        ('[4,"a","X"]', CallError("a", "X", "", {})),
        ('[4,"a","X","y"]', CallError("a", "X", "y", {})),
        ('[4,"a","X","y","text"]', CallError("a", "X", "y", "text")),
        ('[4,"a",5,{"b":1},[1]]', CallError("a", "5", '{"b":1}', [1])),
        ('[4,null,null,null,null,"more"]', CallError("-1", "", "", {})),
        ('[4,7,"X","y",{}]', CallError("7", "X", "y", {})),
        (f'[4,"a","X","{"y" * 999}",{{}}]', CallError("a", "X", "y" * 999, {})),
    ],
)
def test_parse_call_error_is_tolerated_in_every_shape(text: str, frame: CallError) -> None:
    assert parse(text, version=V16) == frame


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('"a\\u0000b"', "a\ufffdb"),
        ('"a\\\\u0000b"', "a\\u0000b"),
        ('"a\\ud800b"', "a\ufffdb"),
        ('"a\ud800b"', "a\ufffdb"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"a\nb\tc\x01"', "a\nb\tc\x01"),
        ("NaN", None),
        ("-Infinity", None),
        ("1e999", None),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_parse_odd_value_comes_out_storable(raw: str, value: object) -> None:
    assert parse(f'[2,"1","A",{{"v":{raw}}}]', version=V16) == Call("1", "A", {"v": value})


def test_parse_odd_key_comes_out_storable() -> None:
    assert parse('[2,"1","A",{"a\\u0000":1}]', version=V16) == Call("1", "A", {"a\ufffd": 1})


def test_parse_integer_beyond_64_bits_next_to_nan_becomes_float() -> None:
    frame = parse(f'[2,"1","A",{{"v":{2**80},"w":NaN}}]', version=V16)
    assert frame == Call("1", "A", {"v": float(2**80), "w": None})


@pytest.mark.parametrize("text", ['\ufeff[2,"1","A",{}]', '[2,"1","A",{}]\x00', '\r\n[2,"1","A",{}]\n'])
def test_parse_call_with_junk_around_is_read(text: str) -> None:
    assert parse(text, version=V16) == Call("1", "A", {})


def test_parse_equal_keys_takes_the_last() -> None:
    assert parse('[2,"1","A",{"v":1,"v":2}]', version=V16) == Call("1", "A", {"v": 2})


@pytest.mark.parametrize("odd", ["", ',"n":NaN'])
def test_parse_bounds_depth(odd: str) -> None:
    deepest = "[" * 48 + "]" * 48  # in the payload, in the frame
    assert isinstance(parse(f'[2,"1","A",{{"v":{deepest}{odd}}}]', version=V16), Call)
    frame = parse(f'[2,"1","A",{{"v":[{deepest}]{odd}}}]', version=V16)
    assert frame == Malformed("1", "FormationViolation", "nested too deeply")


@pytest.mark.parametrize("nest", ["[", '{"a":'])
def test_parse_very_deep_nesting_finds_the_id(nest: str) -> None:
    frame = parse('[2,"1","A",' + nest * 40_000, version=V16)
    assert frame == Malformed("1", "FormationViolation", "nested too deeply")


def test_parse_many_brackets_side_by_side_is_read() -> None:
    frame = parse('[2,"1","A",{"v":[' + ",".join(["{}"] * 2000) + "]}]", version=V16)
    assert isinstance(frame, Call)


def test_parse_brackets_and_digits_inside_text_are_no_matter() -> None:
    text = "[" * 200 + "9" * 200
    assert parse(f'[2,"1","A",{{"v":"{text}"}}]', version=V16) == Call("1", "A", {"v": text})
    assert parse(f'[2,"1","A",{{"v":"{text}","w":NaN}}]', version=V16) == Call(
        "1", "A", {"v": text, "w": None}
    )


@pytest.mark.parametrize("number", ["9" * 41, "-" + "9" * 5000, "0." + "1" * 40, "1e" + "9" * 60])
@pytest.mark.parametrize("odd", ["", ',"n":NaN'])
def test_parse_bounds_digits(number: str, odd: str) -> None:
    frame = parse(f'[2,"1","A",{{"v":{number}{odd}}}]', version=V201)
    assert frame == Malformed("1", "FormatViolation", "a number has too many digits")


@pytest.mark.parametrize("end", ["1]}]", "1", "NaN]}]"])
def test_parse_bounds_the_number_of_arrays_and_objects(end: str) -> None:
    frame = parse('[2,"1","A",{"v":[' + "{}," * 60_000 + end, version=V16)
    assert frame == Malformed("1", "FormationViolation", "too many arrays and objects")


def test_parse_many_brackets_in_a_string_are_read() -> None:
    text = "[{" * 60_000
    assert parse(f'[2,"1","A",{{"v":"{text}"}}]', version=V16) == Call("1", "A", {"v": text})


def test_parse_number_of_40_digits_is_read() -> None:
    assert isinstance(parse(f'[2,"1","A",{{"v":{"9" * 40}}}]', version=V16), Call)


def test_parse_too_long_text_finds_the_id() -> None:
    text = f'[2,"1","A",{{"v":"{"x" * 500}"}}]'
    assert isinstance(parse(text, version=V16), Call)
    frame = parse(text, version=V16, limits=Limits(chars=500))
    assert frame == Malformed("1", "FormationViolation", "the message is too long")


def test_parse_never_echoes_what_it_refuses() -> None:
    for text in ("<script>", '[2,"<script>\\n","A",{', '[2,"1","<script>",[]]', '["<script>","1"]'):
        frame = parse(text, version=V201)
        assert isinstance(frame, Malformed)
        assert "script" not in frame.description + str(frame.code) + frame.message_id


@given(text=st.text(st.characters(exclude_categories=[])), version=st.sampled_from(VERSIONS))
def test_parse_any_text_does_not_raise(text: str, version: str) -> None:
    for start in ("", "[2,", '[2,"1","A",{"v":'):
        _storable(parse(start + text, version=version))


@given(data=st.binary(), version=st.sampled_from(VERSIONS))
def test_parse_any_bytes_as_text_does_not_raise(data: bytes, version: str) -> None:
    _storable(parse(data.decode("latin-1"), version=version))
    _storable(parse(data.decode("utf-8", "surrogateescape"), version=version))


@given(message=st.lists(st.integers(2, 6) | JSON, max_size=6) | JSON, version=st.sampled_from(VERSIONS))
def test_parse_any_json_does_not_raise(message: Any, version: str) -> None:
    for ensure_ascii in (True, False):
        _storable(parse(json.dumps(message, ensure_ascii=ensure_ascii), version=version))


def _storable(frame: frames.Frame) -> None:
    """Everything in a frame can be written as JSON and holds no character that PostgreSQL refuses."""
    parts = list(frame) if isinstance(frame, Call) else list(dataclasses.astuple(frame))
    assert b"\\u0000" not in orjson.dumps(parts).replace(b"\\\\", b"")


@given(
    message_id=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=36
    ),
    action=STORABLE.filter(bool),
    payload=PAYLOADS,
)
def test_parse_call_reads_back_what_was_written(
    message_id: str, action: str, payload: dict[str, Any]
) -> None:
    text = frames.call(message_id, action, payload)
    assert parse(text, version=V16) == Call(message_id, action, payload)


def test_call_writes_compact_json_and_decimals_as_numbers() -> None:
    text = frames.call("1", "A", {"limit": Decimal("8.1"), "whole": Decimal("16.0")})
    assert text == '[2,"1","A",{"limit":8.1,"whole":16}]'


def test_result_with_unwritable_text_is_still_written() -> None:
    text = frames.result("1", {"a": "\ud800", "b": 2**70, "c": 10**400})
    assert parse(text, version=V16) == CallResult("1", {"a": "\ufffd", "b": float(2**70), "c": None})


def test_result_with_foreign_object_raises() -> None:
    with pytest.raises(TypeError):
        frames.result("1", {"a": object()})


def test_error_has_five_elements_and_a_short_description() -> None:
    message = orjson.loads(frames.error("1", "GenericError", "x" * 300))
    assert message == [4, "1", "GenericError", "x" * 255, {}]


def test_error_keeps_details() -> None:
    assert orjson.loads(frames.error("1", "X", details={"a": 1}))[4] == {"a": 1}


def test_numeric_id_is_the_text_of_its_number() -> None:
    assert NumericId(12) == "12"
