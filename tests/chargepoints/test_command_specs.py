"""The neutral commands and the check of their payloads."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.permissions import PERMISSIONS
from chargepoints.command_specs import NEUTRAL, clean, get_spec
from chargepoints.errors import InvalidPayload, UnknownAction

VALID: dict[str, dict[str, Any]] = {
    "remote_start": {"id_token": "04A1", "connector": 1, "charging_profile": {"chargingProfileId": 1}},
    "remote_stop": {"transaction_id": "17"},
    "reset": {"kind": "Hard"},
    "unlock_connector": {"connector": 2},
    "change_availability": {"connector": 0, "operative": False},
    "trigger_message": {"message": "MeterValues", "connector": 1},
    "get_configuration": {"keys": ["HeartbeatInterval"]},
    "change_configuration": {"key": "HeartbeatInterval", "value": "300"},
    "clear_cache": {},
    "data_transfer": {"vendor_id": "com.example", "message_id": "m", "data": "d"},
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


def test_clean_empty_configuration_value_is_kept() -> None:
    assert clean("change_configuration", {"key": "K", "value": ""}) == {"key": "K", "value": ""}


@pytest.mark.parametrize(
    ("action", "payload", "field"),
    [
        ("remote_start", {}, "id_token"),
        ("remote_start", {"id_token": ""}, "id_token"),
        ("remote_start", {"id_token": "x" * 37}, "id_token"),
        ("remote_start", {"id_token": 5}, "id_token"),
        ("remote_start", {"id_token": "a\0b"}, "id_token"),
        ("remote_start", {"id_token": "a", "connector": 0}, "connector"),
        ("remote_start", {"id_token": "a", "connector": True}, "connector"),
        ("remote_start", {"id_token": "a", "connector": "1"}, "connector"),
        ("remote_start", {"id_token": "a", "connector": 2**31}, "connector"),
        ("remote_start", {"id_token": "a", "charging_profile": []}, "charging_profile"),
        ("remote_start", {"id_token": "a", "charging_profile": "x"}, "charging_profile"),
        ("remote_start", {"id_token": "a", "speed": 1}, "speed"),
        ("reset", {"kind": "soft"}, "kind"),
        ("reset", {"kind": []}, "kind"),
        ("change_availability", {"operative": "yes"}, "operative"),
        ("change_availability", {"connector": -1, "operative": True}, "connector"),
        ("get_configuration", {"keys": "HeartbeatInterval"}, "keys"),
        ("get_configuration", {"keys": [""]}, "keys"),
        ("get_configuration", {"keys": ["k"] * 201}, "keys"),
        ("change_configuration", {"key": "K"}, "value"),
        ("clear_cache", {"all": True}, "all"),
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
