"""The neutral commands and the check of their payloads."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.permissions import PERMISSIONS
from chargepoints.command_specs import NEUTRAL, clean, get_spec
from chargepoints.errors import InvalidPayload, UnknownAction
from tests.chargepoints.command_examples import examples

LATER = "2099-03-02T10:00:00Z"
PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMII=\n-----END EC PRIVATE KEY-----\n"

VALID: dict[str, dict[str, Any]] = {
    "remote_start": {"id_token": "04A1", "connector": 1, "charging_profile": {"chargingProfileId": 1}},
    "remote_stop": {"transaction_id": "17"},
    "reset": {"kind": "Hard"},
    "unlock_connector": {"connector": 2},
    "change_availability": {"connector": 0, "operative": False},
    "trigger_message": {"message": "MeterValues", "connector": 1},
    "get_configuration": {"keys": ["HeartbeatInterval"]},
    "change_configuration": {"key": "HeartbeatInterval", "value": "300"},
    "get_transaction_status": {"transaction_id": "17"},
    "clear_cache": {},
    "data_transfer": {"vendor_id": "com.example", "message_id": "m", "data": "d"},
    "get_local_list_version": {},
    "send_local_list": {
        "update_type": "Differential",
        "version": 3,
        "entries": [
            {"id_token": "04A1", "status": "Accepted", "expires_at": LATER, "parent_id_token": "G"},
            {"id_token": "04A2"},
        ],
    },
    "reserve_now": {
        "id_token": "04A1",
        "expires_at": LATER,
        "connector": 1,
        "parent_id_token": "G",
        "reservation_id": 7,
    },
    "cancel_reservation": {"reservation_id": 7},
    "set_charging_profile": {
        "connector": 1,
        "profile_id": 5,
        "purpose": "TxProfile",
        "kind": "Recurring",
        "periods": [
            {"start_period": 0, "limit": 16.1, "number_phases": 3},
            {"start_period": 3600, "limit": 8},
        ],
        "charging_rate_unit": "W",
        "stack_level": 2,
        "transaction_id": "17",
        "recurrency_kind": "Daily",
        "start_schedule": LATER,
        "duration": 86_400,
        "valid_from": LATER,
        "valid_to": LATER,
        "min_charging_rate": 6.5,
    },
    "clear_charging_profile": {
        "profile_id": 5,
        "connector": 1,
        "purpose": "TxProfile",
        "stack_level": 2,
    },
    "get_composite_schedule": {"connector": 1, "duration": 3600, "charging_rate_unit": "A"},
    "update_firmware": {
        "location": "https://files.example.org/f.bin",
        "retrieve_at": LATER,
        "retries": 3,
        "retry_interval": 60,
        "request_id": 9,
    },
    "publish_firmware": {
        "location": "https://files.example.org/f.bin",
        "checksum": "0123456789abcdef0123456789ABCDEF",
        "retries": 3,
        "retry_interval": 60,
        "request_id": 9,
    },
    "unpublish_firmware": {"checksum": "0123456789abcdef0123456789ABCDEF"},
    "signed_update_firmware": {
        "location": "https://files.example.org/f.bin",
        "signing_certificate": PEM,
        "signature": "c2ln",
        "retrieve_at": LATER,
        "install_at": LATER,
        "retries": 3,
        "retry_interval": 60,
        "request_id": 9,
    },
    "get_diagnostics": {
        "location": "ftp://files.example.org/",
        "oldest_at": LATER,
        "latest_at": LATER,
        "retries": 3,
        "retry_interval": 60,
    },
    "get_log": {
        "log_type": "SecurityLog",
        "location": "https://files.example.org/",
        "oldest_at": LATER,
        "latest_at": LATER,
        "retries": 3,
        "retry_interval": 60,
        "request_id": 9,
    },
    "get_installed_certificate_ids": {"certificate_type": "CentralSystemRootCertificate"},
    "install_certificate": {"certificate_type": "ManufacturerRootCertificate", "certificate": PEM},
    "delete_certificate": {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": "ab",
        "issuer_key_hash": "cd",
        "serial_number": "FFF",
    },
    "certificate_signed": {"certificate_chain": PEM},
    **examples(),
}
#: The least that a profile needs.
PROFILE: dict[str, Any] = {
    "profile_id": 1,
    "purpose": "TxDefaultProfile",
    "periods": [{"start_period": 0, "limit": 16}],
}


def test_every_neutral_command_has_a_valid_example_and_a_known_permission() -> None:
    assert VALID.keys() == NEUTRAL.keys()
    for action, spec in NEUTRAL.items():
        assert clean(action, VALID[action]) == VALID[action]
        assert spec.permission in PERMISSIONS
        assert spec.dangerous == (spec.permission == "commands.send_dangerous")
        assert spec.confirm or not spec.dangerous


def test_clean_without_optional_arguments_leaves_them_out() -> None:
    assert clean("remote_start", {"id_token": "04A1", "connector": None}) == {"id_token": "04A1"}
    assert clean("get_configuration", {"keys": []}) == {}


def test_clean_with_default_fills_it_in() -> None:
    assert clean("change_availability", {"operative": True}) == {"connector": 0, "operative": True}


def test_clean_profile_with_defaults_fills_them_in_and_keeps_the_digits_of_limits() -> None:
    periods = [{"start_period": 0, "limit": "16.0"}, {"start_period": 60, "limit": Decimal("6.1")}]

    cleaned = clean("set_charging_profile", {**PROFILE, "periods": periods})

    defaults = {"connector": 0, "kind": "Relative", "charging_rate_unit": "A", "stack_level": 0}
    assert cleaned.items() >= defaults.items()
    assert json.dumps([period["limit"] for period in cleaned["periods"]]) == "[16, 6.1]"


def test_clean_entry_that_is_wrong_is_named_by_its_number() -> None:
    entries = [{"id_token": "A", "status": "Accepted"}, {"id_token": "B", "status": "accepted"}]

    with pytest.raises(InvalidPayload) as caught:
        clean("send_local_list", {"update_type": "Full", "entries": entries})

    assert caught.value.errors["entries"].startswith("Entry 2, status: Must be one of")


def test_clean_empty_configuration_value_is_kept() -> None:
    assert clean("change_configuration", {"key": "K", "value": ""}) == {"key": "K", "value": ""}


@pytest.mark.parametrize(
    ("action", "payload", "field"),
    [
        ("remote_start", {}, "id_token"),
        ("remote_start", {"id_token": ""}, "id_token"),
        ("remote_start", {"id_token": "x" * 256}, "id_token"),
        ("remote_start", {"id_token": "a", "id_token_type": "x" * 21}, "id_token_type"),
        ("change_availability", {"operative": True, "within": 1}, "within"),
        ("trigger_message", {"message": "Heartbeat", "within": 1}, "within"),
        ("trigger_message", {"message": "CustomTrigger"}, "custom_trigger"),
        ("trigger_message", {"message": "Heartbeat", "custom_trigger": "x"}, "custom_trigger"),
        ("data_transfer", {"vendor_id": "v", "as_json": True}, "data"),
        ("publish_firmware", {"location": "https://x.example/f", "checksum": "abc"}, "checksum"),
        ("remote_start", {"id_token": 5}, "id_token"),
        ("remote_start", {"id_token": "a\0b"}, "id_token"),
        ("remote_start", {"id_token": "a", "connector": 0}, "connector"),
        ("remote_start", {"id_token": "a", "connector": True}, "connector"),
        ("remote_start", {"id_token": "a", "connector": "1"}, "connector"),
        ("remote_start", {"id_token": "a", "connector": 2**31}, "connector"),
        ("remote_start", {"id_token": "a", "charging_profile": []}, "charging_profile"),
        ("remote_start", {"id_token": "a", "charging_profile": "x"}, "charging_profile"),
        ("remote_start", {"id_token": "a", "speed": 1}, "speed"),
        (
            "remote_start",
            {"id_token": "a", "charging_profile": {"chargingProfilePurpose": "TxDefaultProfile"}},
            "charging_profile",
        ),
        ("remote_start", {"id_token": "a", "charging_profile": {"transactionId": 1}}, "charging_profile"),
        ("reset", {"kind": "soft"}, "kind"),
        ("reset", {"kind": []}, "kind"),
        ("change_availability", {"operative": "yes"}, "operative"),
        ("change_availability", {"connector": -1, "operative": True}, "connector"),
        ("get_configuration", {"keys": "HeartbeatInterval"}, "keys"),
        ("get_configuration", {"keys": [""]}, "keys"),
        ("get_configuration", {"keys": ["k"] * 201}, "keys"),
        ("change_configuration", {"key": "K"}, "value"),
        ("clear_cache", {"all": True}, "all"),
        ("trigger_message", {"message": "Everything"}, "message"),
        ("get_local_list_version", {"x": 1}, "x"),
        ("send_local_list", {}, "update_type"),
        ("send_local_list", {"update_type": "Partly"}, "update_type"),
        ("send_local_list", {"update_type": "Full", "version": 0}, "version"),
        ("send_local_list", {"update_type": "Full", "version": -1}, "version"),
        ("send_local_list", {"update_type": "Full", "entries": {}}, "entries"),
        ("send_local_list", {"update_type": "Full", "entries": ["04A1"]}, "entries"),
        ("send_local_list", {"update_type": "Full", "entries": [{"status": "Accepted"}]}, "entries"),
        ("send_local_list", {"update_type": "Full", "entries": [{"id_token": "A"}]}, "entries"),
        (
            "send_local_list",
            {"update_type": "Full", "entries": [{"id_token": "A", "status": "ConcurrentTx"}]},
            "entries",
        ),
        (
            "send_local_list",
            {"update_type": "Differential", "entries": [{"id_token": "ab"}, {"id_token": "AB"}]},
            "entries",
        ),
        (
            "send_local_list",
            {"update_type": "Differential", "entries": [{"id_token": "A", "expires_at": LATER}]},
            "entries",
        ),
        (
            "send_local_list",
            {"update_type": "Differential", "entries": [{"id_token": str(n)} for n in range(10_001)]},
            "entries",
        ),
        ("reserve_now", {"expires_at": LATER}, "id_token"),
        ("reserve_now", {"id_token": "A"}, "expires_at"),
        ("reserve_now", {"id_token": "A", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ("reserve_now", {"id_token": "A", "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ("reserve_now", {"id_token": "A", "expires_at": "0001-01-01T00:00:00+10:00"}, "expires_at"),
        ("reserve_now", {"id_token": "A", "expires_at": LATER, "connector": -1}, "connector"),
        ("reserve_now", {"id_token": "A", "expires_at": LATER, "reservation_id": 0}, "reservation_id"),
        ("cancel_reservation", {}, "reservation_id"),
        ("cancel_reservation", {"reservation_id": 2**31}, "reservation_id"),
        ("set_charging_profile", {**PROFILE, "profile_id": None}, "profile_id"),
        ("set_charging_profile", {**PROFILE, "purpose": "Other"}, "purpose"),
        ("set_charging_profile", {**PROFILE, "kind": "Other"}, "kind"),
        ("set_charging_profile", {**PROFILE, "periods": []}, "periods"),
        ("set_charging_profile", {**PROFILE, "periods": [{"start_period": 60, "limit": 1}]}, "periods"),
        ("set_charging_profile", {**PROFILE, "periods": [{"start_period": 0}]}, "periods"),
        ("set_charging_profile", {**PROFILE, "periods": PROFILE["periods"] * 2}, "periods"),
        ("set_charging_profile", {**PROFILE, "min_charging_rate": 6.55}, "min_charging_rate"),
        ("set_charging_profile", {**PROFILE, "min_charging_rate": -1}, "min_charging_rate"),
        ("set_charging_profile", {**PROFILE, "min_charging_rate": 1e10}, "min_charging_rate"),
        ("set_charging_profile", {**PROFILE, "min_charging_rate": float("nan")}, "min_charging_rate"),
        ("set_charging_profile", {**PROFILE, "min_charging_rate": "much"}, "min_charging_rate"),
        ("set_charging_profile", {**PROFILE, "min_charging_rate": True}, "min_charging_rate"),
        ("set_charging_profile", {**PROFILE, "purpose": "TxProfile"}, "connector"),
        (
            "set_charging_profile",
            {**PROFILE, "purpose": "ChargePointMaxProfile", "connector": 1},
            "connector",
        ),
        ("set_charging_profile", {**PROFILE, "transaction_id": "17"}, "transaction_id"),
        ("set_charging_profile", {**PROFILE, "recurrency_kind": "Daily"}, "recurrency_kind"),
        ("set_charging_profile", {**PROFILE, "valid_from": "tomorrow"}, "valid_from"),
        ("clear_charging_profile", {"stack_level": -1}, "stack_level"),
        ("get_composite_schedule", {"duration": 0}, "duration"),
        ("get_composite_schedule", {"charging_rate_unit": "kW"}, "charging_rate_unit"),
        ("update_firmware", {}, "location"),
        ("update_firmware", {"location": "https://f", "retries": -1}, "retries"),
        ("signed_update_firmware", {"location": "x", "signature": "s"}, "signing_certificate"),
        ("signed_update_firmware", {"location": "x", "signing_certificate": PEM}, "signature"),
        (
            "signed_update_firmware",
            {"location": "x" * 2001, "signing_certificate": PEM, "signature": "s"},
            "location",
        ),
        ("get_diagnostics", {"location": "x", "oldest_at": 5}, "oldest_at"),
        ("get_log", {"location": "x"}, "log_type"),
        ("get_log", {"log_type": "SecurityLog"}, "location"),
        ("get_log", {"log_type": "SecurityLog", "location": "x", "request_id": -1}, "request_id"),
        ("get_installed_certificate_ids", {"certificate_type": "VehicleRootCertificate"}, "certificate_type"),
        ("install_certificate", {"certificate": PEM}, "certificate_type"),
        (
            "install_certificate",
            {"certificate_type": "ManufacturerRootCertificate", "certificate": "MII="},
            "certificate",
        ),
        (
            "install_certificate",
            {"certificate_type": "ManufacturerRootCertificate", "certificate": PEM + KEY},
            "certificate",
        ),
        ("delete_certificate", {**VALID["delete_certificate"], "hash_algorithm": "MD5"}, "hash_algorithm"),
        ("delete_certificate", {**VALID["delete_certificate"], "serial_number": "F" * 41}, "serial_number"),
        ("certificate_signed", {"certificate_chain": KEY}, "certificate_chain"),
        ("certificate_signed", {"certificate_chain": PEM + "x" * 10_000}, "certificate_chain"),
    ],
)
def test_clean_wrong_argument_is_named(action: str, payload: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        clean(action, payload)

    assert list(caught.value.errors) == [field]


def test_clean_several_wrong_arguments_are_all_named() -> None:
    with pytest.raises(InvalidPayload) as caught:
        clean("change_availability", {"connector": -1, "operative": 1, "x": 1})

    assert set(caught.value.errors) == {"connector", "operative", "x"}


@pytest.mark.parametrize("payload", [None, [], "text", 5])
def test_clean_payload_that_is_no_object_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        clean("reset", payload)


@pytest.mark.parametrize("action", ["", "no_such", "Reset", "reset "])
def test_clean_unknown_action_is_refused(action: str) -> None:
    with pytest.raises(UnknownAction):
        clean(action, {})


def test_get_spec_of_ocpp_action_is_dangerous_and_confirmed() -> None:
    spec = get_spec("GetDiagnostics")

    assert (spec.action, spec.dangerous, spec.permission) == (
        "GetDiagnostics",
        True,
        "commands.send_dangerous",
    )
    assert spec.confirm


@pytest.mark.parametrize("action", ["", "get-diagnostics", "Get Diagnostics", "X" * 65, "Ünlock"])
def test_get_spec_of_what_is_neither_form_is_refused(action: str) -> None:
    with pytest.raises(UnknownAction):
        get_spec(action)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(action=st.sampled_from(sorted(NEUTRAL)), payload=st.dictionaries(st.text(), JSON), value=JSON)
def test_clean_any_json_is_checked_without_surprise(action: str, payload: dict[str, Any], value: Any) -> None:
    fields = {field.name: value for field in NEUTRAL[action].fields}

    for candidate in (payload, fields, payload | fields):
        with suppress(InvalidPayload):
            assert clean(action, candidate).keys() <= fields.keys()
