from pathlib import Path
from typing import Any

import pytest

from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16, V21, V201, VERSIONS

START = {"connectorId": 1, "idTag": "04E91C", "meterStart": 100, "timestamp": "2026-11-22T12:00:00Z"}
STATUS_201 = {
    "evseId": 1,
    "connectorId": 1,
    "connectorStatus": "Available",
    "timestamp": "2026-11-22T12:00:00Z",
}


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


@pytest.mark.parametrize("version", VERSIONS)
def test_warm_compiles_every_schema(version: str) -> None:
    schemas.warm(version)
    assert {"BootNotification", "Heartbeat", "DataTransfer", "Reset"} <= schemas.actions(version)


def test_actions_differ_by_version() -> None:
    assert "StartTransaction" in schemas.actions(V16)
    assert "StartTransaction" not in schemas.actions(V201)
    assert "NotifyPeriodicEventStream" in schemas.actions(V21) - schemas.actions(V201)
    assert {"SignCertificate", "SecurityEventNotification", "GetLog"} <= schemas.actions(V16)


def test_actions_have_no_endings() -> None:
    names = set().union(*map(schemas.actions, VERSIONS))
    assert not [name for name in names if name.endswith(("Request", "Response"))]


def test_actions_of_unknown_version_raises() -> None:
    with pytest.raises(ValueError, match="unknown OCPP version"):
        schemas.actions("ocpp1.5")


def test_check_request_of_custom_action_raises_key_error() -> None:
    with pytest.raises(KeyError):
        schemas.check_request(V16, "CustomOperation", {})


def test_check_request_valid_is_none() -> None:
    assert schemas.check_request(V16, "StartTransaction", START) is None
    assert schemas.check_request(V201, "StatusNotification", STATUS_201) is None


@pytest.mark.parametrize(
    ("change", "code", "path", "keyword"),
    [
        ({"idTag": None}, "TypeConstraintViolation", "idTag", "type"),
        ({"connectorId": "1"}, "TypeConstraintViolation", "connectorId", "type"),
        ({"connectorId": True}, "TypeConstraintViolation", "connectorId", "type"),
        ({"meterStart": 1.5}, "TypeConstraintViolation", "meterStart", "type"),
        ({"idTag": "x" * 21}, "PropertyConstraintViolation", "idTag", "maxLength"),
        ({"meterStart": 2**63}, "PropertyConstraintViolation", "meterStart", "maximum"),
    ],
)
def test_check_request_16_names_code_and_place(
    change: dict[str, Any], code: str, path: str, keyword: str
) -> None:
    violation = schemas.check_request(V16, "StartTransaction", START | change)
    assert violation is not None
    assert (violation.code, violation.path, violation.keyword) == (code, path, keyword)


@pytest.mark.parametrize(
    ("version", "action", "code"),
    [
        (V16, "StartTransaction", "OccurenceConstraintViolation"),
        (V201, "TransactionEvent", "OccurrenceConstraintViolation"),
        (V21, "TransactionEvent", "OccurrenceConstraintViolation"),
    ],
)
def test_check_request_missing_field_is_an_occurrence_violation(version: str, action: str, code: str) -> None:
    violation = schemas.check_request(version, action, {})
    assert violation is not None
    assert (violation.code, violation.keyword) == (code, "required")


def test_check_request_names_the_missing_field_inside_lists() -> None:
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "x", "sampledValue": [{"unit": "Wh"}]}]}
    violation = schemas.check_request(V16, "MeterValues", payload)
    assert violation is not None
    assert violation.path == "meterValue.0.sampledValue.0.value"
    assert violation.description == "meterValue.0.sampledValue.0.value: required field is missing"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"connectorStatus": "Charging"}, "PropertyConstraintViolation"),
        ({"evseId": "1"}, "TypeConstraintViolation"),
        ({"evseId": 1e30}, "PropertyConstraintViolation"),
        ({"vendorField": 1}, "FormatViolation"),
    ],
)
def test_check_request_201_maps_codes(change: dict[str, Any], code: str) -> None:
    violation = schemas.check_request(V201, "StatusNotification", STATUS_201 | change)
    assert violation is not None
    assert violation.code == code


def test_check_request_too_few_entries_is_an_occurrence_violation() -> None:
    violation = schemas.check_request(V201, "MeterValues", {"evseId": 1, "meterValue": []})
    assert violation is not None
    assert (violation.code, violation.keyword) == ("OccurrenceConstraintViolation", "minItems")


def test_check_request_extra_fields_follow_version_and_strict() -> None:
    extra = {"vendorField": {"a": 1}}
    assert schemas.check_request(V16, "StartTransaction", START | extra) is None
    strict = schemas.check_request(V16, "StartTransaction", START | extra, strict=True)
    assert strict is not None
    assert (strict.code, strict.path) == ("FormationViolation", "vendorField")
    assert schemas.check_request(V201, "StatusNotification", STATUS_201 | extra) is not None
    assert schemas.check_request(V201, "StatusNotification", STATUS_201 | extra, strict=False) is None


def test_check_request_16_extra_fields_inside_objects_are_accepted() -> None:
    sample = {"value": "1", "vendor": 1}
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "x", "sampledValue": [sample], "v": 1}]}
    assert schemas.check_request(V16, "MeterValues", payload) is None


def test_violation_never_quotes_the_charger() -> None:
    violation = schemas.check_request(V201, "Heartbeat", {"<script>" + "x" * 500: 1})
    assert violation is not None
    assert (violation.path, violation.description) == ("", "unknown field")


def test_violation_description_is_bounded() -> None:
    for value in ("x" * 5000, 10**30, ["y" * 5000]):
        violation = schemas.check_request(V16, "StartTransaction", START | {"idTag": value})
        assert violation is not None
        assert len(violation.description) <= 255


def test_check_request_data_of_a_custom_data_object_is_open() -> None:
    custom = {"customData": {"vendorId": "org.example", "anything": [1]}}
    assert schemas.check_request(V201, "Heartbeat", custom) is None
    assert schemas.check_request(V201, "Heartbeat", {"customData": {}}) is not None


@pytest.mark.parametrize("unit", ["Celcius", "Celsius", "Hertz", "Percent"])
@pytest.mark.parametrize("action", ["MeterValues", "StopTransaction"])
def test_check_request_16_knows_units_of_the_errata(action: str, unit: str) -> None:
    values = [{"timestamp": "x", "sampledValue": [{"value": "1", "unit": unit}]}]
    payload: dict[str, Any] = {"connectorId": 1, "meterValue": values}
    if action == "StopTransaction":
        payload = {"transactionId": 1, "meterStop": 1, "timestamp": "x", "transactionData": values}
    assert schemas.check_request(V16, action, payload) is None


def test_check_request_unknown_unit_is_a_property_violation() -> None:
    values = [{"timestamp": "x", "sampledValue": [{"value": "1", "unit": "Joule"}]}]
    violation = schemas.check_request(V16, "MeterValues", {"connectorId": 1, "meterValue": values})
    assert violation is not None
    assert violation.code == "PropertyConstraintViolation"


@pytest.mark.parametrize(("limit", "accepted"), [(8.1, True), (16, True), (0.3, True), (8.15, False)])
def test_check_request_limit_counts_in_decimal(limit: float, accepted: bool) -> None:
    period = {"startPeriod": 0, "limit": limit}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]},
    }
    payload = {"connectorId": 1, "csChargingProfiles": profile}
    assert (schemas.check_request(V16, "SetChargingProfile", payload) is None) is accepted


def test_check_response_checks_the_answer() -> None:
    answer = {"currentTime": "2026-11-22T12:00:00Z", "interval": 300, "status": "Accepted"}
    assert schemas.check_response(V16, "BootNotification", answer, strict=True) is None
    assert schemas.check_response(V16, "BootNotification", without(answer, "interval")) is not None
    assert schemas.check_response(V16, "BootNotification", answer | {"extra": 1}, strict=True) is not None


def test_check_response_to_a_send_raises_key_error() -> None:
    with pytest.raises(KeyError):
        schemas.check_response(V21, "NotifyPeriodicEventStream", {})


@pytest.mark.parametrize("version", [V201, V21])
def test_check_request_empty_report_is_accepted(version: str) -> None:
    payload = {"requestId": 1, "generatedAt": "2026-11-22T12:00:00Z", "seqNo": 1, "reportData": []}
    assert schemas.check_request(version, "NotifyReport", payload) is None


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Heartbeat", ("Heartbeat", False)),
        ("HeartbeatResponse", ("Heartbeat", True)),
        ("HeartbeatRequest ", ("Heartbeat", False)),
        ("NotifyPeriodicEventStream", ("NotifyPeriodicEventStream", False)),
    ],
)
def test_message_name_knows_all_endings(stem: str, name: tuple[str, bool]) -> None:
    assert schemas._message_name(stem) == name


def test_schema_files_with_byte_order_mark_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in schemas._folder(V16).iterdir():
        (tmp_path / source.name).write_text(source.read_text("utf-8-sig"), "utf-8-sig")
    (tmp_path / "README.txt").write_text("no schema")
    monkeypatch.setattr(schemas, "_folder", lambda version: tmp_path)
    found = schemas._schemas.__wrapped__(V16)
    assert ("StartTransaction", False) in found
    assert len(found) == 2 * len(schemas.actions(V16))


def test_missing_schema_package_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="'ocpp'"):
        schemas._folder(V16)
