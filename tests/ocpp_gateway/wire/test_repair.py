import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16, V21, V201
from ocpp_gateway.wire.repair import MAX_NOTES, REPAIRABLE, Repaired, repair_request

T = "2026-11-22T12:00:00Z"
START = {"connectorId": 1, "idTag": "04E91C", "meterStart": 100, "timestamp": T}
STOP = {"transactionId": 7, "meterStop": 1500, "timestamp": T}
EVENT = {
    "eventType": "Updated",
    "timestamp": T,
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 3,
    "transactionInfo": {"transactionId": "tx-1"},
}


def repair(version: str, action: str, payload: dict[str, Any]) -> Repaired | None:
    violation = schemas.check_request(version, action, payload, strict=True)
    assert violation is not None, "nothing to repair"
    before = copy.deepcopy(payload)
    repaired = repair_request(version, action, payload, violation)
    assert payload == before
    return repaired


def mended(version: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    repaired = repair(version, action, payload)
    assert repaired is not None
    return repaired.payload


def meter_values(*samples: Any) -> dict[str, Any]:
    return {"connectorId": 1, "meterValue": [{"timestamp": T, "sampledValue": list(samples)}]}


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"connectorId": "1"}, {"connectorId": 1}),
        ({"connectorId": 1.0}, {"connectorId": 1}),
        ({"connectorId": " 1 "}, {"connectorId": 1}),
        ({"meterStart": "100"}, {"meterStart": 100}),
        ({"meterStart": "100.000"}, {"meterStart": 100}),
        ({"meterStart": 100.5}, {"meterStart": 101}),
        ({"meterStart": "99.4"}, {"meterStart": 99}),
        ({"meterStart": "1e2"}, {"meterStart": 100}),
        ({"idTag": 4711}, {"idTag": "4711"}),
        ({"idTag": 1e20}, {"idTag": "100000000000000000000"}),
        ({"vendor": {"a": 1}}, {}),
        ({"reservationId": None}, {}),
        ({"reservationId": "none"}, {}),
        ({"reservationId": 1.5}, {}),
        ({"reservationId": 2**63}, {}),
    ],
)
def test_repair_start_mends_types_and_drops_what_is_optional(
    change: dict[str, Any], result: dict[str, Any]
) -> None:
    assert mended(V16, "StartTransaction", START | change) == START | result


@pytest.mark.parametrize(
    "change",
    [
        {"connectorId": None},
        {"connectorId": True},
        {"connectorId": 1.5},
        {"connectorId": "one"},
        {"connectorId": [1]},
        {"meterStart": 2**63},
        {"meterStart": "9" * 40},
        {"meterStart": ""},
        {"meterStart": "١٢"},
        {"idTag": {}},
        {"idTag": False},
        {"idTag": "x" * 256},
    ],
)
def test_repair_start_with_unusable_required_field_is_none(change: dict[str, Any]) -> None:
    assert repair(V16, "StartTransaction", START | change) is None


@pytest.mark.parametrize("name", ["connectorId", "idTag", "meterStart"])
def test_repair_start_without_required_field_is_none(name: str) -> None:
    assert repair(V16, "StartTransaction", {key: START[key] for key in START if key != name}) is None


@pytest.mark.parametrize("timestamp", [None, 1732276730, {}, True])
def test_repair_unreadable_timestamp_is_left_out(timestamp: object) -> None:
    repaired = repair(V16, "StopTransaction", STOP | {"timestamp": timestamp})
    assert repaired is not None
    assert repaired.payload == {"transactionId": 7, "meterStop": 1500}
    assert "timestamp: timestamp missing or unreadable" in repaired.notes


def test_repair_missing_timestamp_is_left_to_the_handler() -> None:
    assert mended(V16, "StopTransaction", {"transactionId": 7, "meterStop": 1500}) == {
        "transactionId": 7,
        "meterStop": 1500,
    }


def test_repair_unreadable_timestamp_text_is_left_out_too() -> None:
    payload = STOP | {"timestamp": "yesterday", "meterStop": "1500"}
    assert "timestamp" not in mended(V16, "StopTransaction", payload)


def test_repair_over_long_id_tag_is_kept_whole() -> None:
    # Cut to 20 characters it could be the tag of somebody else.
    repaired = repair(V16, "StartTransaction", START | {"idTag": "x" * 40})
    assert repaired is not None
    assert repaired.payload["idTag"] == "x" * 40
    assert "idTag: longer than 20 characters" in repaired.notes


def test_repair_over_long_text_is_cut_and_named() -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": "i" * 60}
    repaired = repair(V16, "StatusNotification", payload)
    assert repaired is not None
    assert repaired.payload == payload | {"info": "i" * 50}
    assert repaired.notes == ("info: too long", "info: cut to 50 characters")


@pytest.mark.parametrize(
    ("reason", "result"),
    [("EVdisconnected", "EVDisconnected"), ("Gremlins", "Other"), (5, "Other")],
)
def test_repair_stop_reason_is_never_read_as_the_default(reason: object, result: str) -> None:
    assert mended(V16, "StopTransaction", STOP | {"reason": reason})["reason"] == result


def test_repair_meter_value_numbers_become_text() -> None:
    samples = [{"value": 1}, {"value": 1.5}, {"value": -0.25}, {"value": 1e21}, {"value": "7"}]
    payload = mended(V16, "MeterValues", meter_values(*samples))
    values = [sample["value"] for sample in payload["meterValue"][0]["sampledValue"]]
    assert values == ["1", "1.5", "-0.25", "1000000000000000000000", "7"]


def test_repair_keeps_unknown_enum_values_of_samples() -> None:
    payload = meter_values({"value": "1", "measurand": "Energy.Vendor", "unit": "MWh", "phase": "L4"})
    repaired = repair(V16, "MeterValues", payload)
    assert repaired is not None
    assert repaired.payload == payload
    assert "meterValue.0.sampledValue.0.unit: unknown value, kept" in repaired.notes


def test_repair_drops_only_the_unusable_samples() -> None:
    payload = mended(
        V16, "MeterValues", meter_values({"value": None}, {"unit": "Wh"}, {"value": "5"}, 3, {"value": True})
    )
    assert payload["meterValue"] == [{"timestamp": T, "sampledValue": [{"value": "5"}]}]


def test_repair_meter_values_without_one_usable_sample_is_none() -> None:
    assert repair(V16, "MeterValues", meter_values({"value": None})) is None
    assert repair(V16, "MeterValues", {"connectorId": 1, "meterValue": "none"}) is None


def test_repair_single_sample_without_its_list_is_wrapped() -> None:
    payload = {"connectorId": 1, "meterValue": {"timestamp": T, "sampledValue": {"value": "5"}}}
    assert mended(V16, "MeterValues", payload) == meter_values({"value": "5"})


def test_repair_meter_value_without_timestamp_is_kept() -> None:
    payload = {"connectorId": 1, "meterValue": [{"sampledValue": [{"value": "5"}]}]}
    assert mended(V16, "MeterValues", payload) == payload


def test_repair_stop_with_broken_samples_keeps_the_stop() -> None:
    assert mended(V16, "StopTransaction", STOP | {"transactionData": [{"sampledValue": 1}]}) == STOP
    assert mended(V16, "StopTransaction", STOP | {"transactionData": "x"}) == STOP


def test_repair_value_of_any_length_is_kept() -> None:
    payload = meter_values({"value": "OCMF|" + "x" * 20_000, "format": "Signed"})
    assert mended(V16, "MeterValues", payload) == payload


def test_repair_keeps_a_signature_whole_though_its_method_is_missing() -> None:
    signed = {"signedMeterData": "d" * 3000, "encodingMethod": "OCMF", "publicKey": "k" * 3000}
    sample = {"value": 5.5, "signedMeterValue": signed}
    payload = EVENT | {"meterValue": [{"timestamp": T, "sampledValue": [sample]}]}
    result = mended(V201, "TransactionEvent", payload)["meterValue"][0]["sampledValue"][0]
    assert result["signedMeterValue"] == signed | {"signingMethod": ""}


@pytest.mark.parametrize("version", [V201, V21])
@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"seqNo": "3"}, {}),
        ({"vendor": 1}, {}),
        ({"offline": "true"}, {"offline": True}),
        ({"offline": 0}, {"offline": False}),
        ({"offline": "maybe"}, {}),
        ({"evse": {"connectorId": 1}}, {}),
        ({"evse": {"id": "1"}}, {"evse": {"id": 1}}),
        ({"triggerReason": "FullMoon"}, {"triggerReason": "FullMoon"}),
        ({"eventType": "updated"}, {}),
        ({"transactionInfo": {"transactionId": 5}}, {"transactionInfo": {"transactionId": "5"}}),
        (
            {"transactionInfo": {"transactionId": "tx-1", "stoppedReason": "Gremlins"}},
            {"transactionInfo": {"transactionId": "tx-1", "stoppedReason": "Other"}},
        ),
        ({"meterValue": []}, {}),
        (
            {"meterValue": [{"timestamp": T, "sampledValue": [{"value": "5.25"}]}]},
            {"meterValue": [{"timestamp": T, "sampledValue": [{"value": 5.25}]}]},
        ),
        ({"customData": {"noVendor": 1}}, {}),
    ],
)
def test_repair_transaction_event(version: str, change: dict[str, Any], result: dict[str, Any]) -> None:
    assert mended(version, "TransactionEvent", EVENT | change) == EVENT | result


@pytest.mark.parametrize(
    "change", [{"eventType": "Paused"}, {"seqNo": None}, {"transactionInfo": {}}, {"transactionInfo": []}]
)
def test_repair_transaction_event_without_its_core_is_none(change: dict[str, Any]) -> None:
    assert repair(V201, "TransactionEvent", EVENT | change) is None


def test_repair_over_long_transaction_id_is_kept_whole() -> None:
    payload = EVENT | {"transactionInfo": {"transactionId": "t" * 40}}
    assert mended(V201, "TransactionEvent", payload) == payload


@pytest.mark.parametrize(("error_code", "result"), [(None, "NoError"), ("Meltdown", "OtherError")])
def test_repair_status_without_known_error_code_is_taken(error_code: object, result: str) -> None:
    payload = {"connectorId": 1, "status": "Available", "errorCode": error_code}
    assert mended(V16, "StatusNotification", payload)["errorCode"] == result


def test_repair_status_unknown_is_none() -> None:
    assert (
        repair(V16, "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Busy"})
        is None
    )


def test_repair_boot_drops_and_cuts() -> None:
    payload = {"chargePointVendor": "V" * 30, "chargePointModel": 22, "iccid": None, "meterType": ["x"]}
    assert mended(V16, "BootNotification", payload) == {
        "chargePointVendor": "V" * 20,
        "chargePointModel": "22",
    }


def test_repair_of_other_actions_is_none() -> None:
    violation = schemas.check_request(V16, "Authorize", {"idTag": 5})
    assert violation is not None
    assert repair_request(V16, "Authorize", {"idTag": 5}, violation) is None


def test_repair_notes_do_not_quote_names_of_the_charger() -> None:
    repaired = repair(V16, "StartTransaction", START | {"<script>": 1, "vendorField": 1})
    assert repaired is not None
    assert not [note for note in repaired.notes if "script" in note]
    assert "vendorField: unknown, dropped" in repaired.notes


def test_repair_notes_are_bounded() -> None:
    repaired = repair(V16, "MeterValues", meter_values(*[{"value": n} for n in range(2000)]))
    assert repaired is not None
    assert len(repaired.notes) == MAX_NOTES + 2
    assert repaired.notes[-1] == f"and {2000 - MAX_NOTES} more"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["Wh", "1", "true", T, "Updated", "tx"])
    | st.text(max_size=60),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "timestamp", "sampledValue", "unit", "id", "x"]), inner)
    ),
    max_leaves=8,
)
EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    (V16, "StartTransaction", START),
    (V16, "StopTransaction", STOP | {"idTag": "a", "reason": "Local", "transactionData": []}),
    (V16, "MeterValues", meter_values({"value": "1"}) | {"transactionId": 1}),
    (V16, "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Faulted", "info": ""}),
    (V201, "TransactionEvent", EVENT | {"meterValue": [], "evse": {}, "idToken": {}, "offline": True}),
    (V21, "TransactionEvent", EVENT | {"meterValue": [], "evse": {}, "idToken": {}, "offline": True}),
]


@given(example=st.sampled_from(EXAMPLES), data=st.data())
def test_repair_any_damage_gives_a_payload_that_passes_or_says_why(
    example: tuple[str, str, dict[str, Any]], data: st.DataObject
) -> None:
    version, action, payload = example
    payload = payload | data.draw(st.dictionaries(st.sampled_from(sorted(payload)), JSON))
    violation = schemas.check_request(version, action, payload, strict=True)
    repaired = violation and repair_request(version, action, payload, violation)
    if not repaired:
        return
    orjson.dumps(repaired.payload)
    left = schemas.check_request(version, action, repaired.payload, strict=True)
    excuses = ("timestamp missing or unreadable", "unknown value, kept", "longer than", "empty list")
    assert left is None or any(excuse in note for note in repaired.notes for excuse in excuses)


def test_repairable_actions_exist() -> None:
    assert schemas.actions(V16) | schemas.actions(V201) >= REPAIRABLE
