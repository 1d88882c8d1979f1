"""Secrets in payloads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoints.redaction import MASK, is_secret_name, redact


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"key": "AuthorizationKey", "value": "k"}, {"key": "AuthorizationKey", "value": MASK}),
        ({"key": "authorizationkey", "value": "k"}, {"key": "authorizationkey", "value": MASK}),
        ({"key": "HeartbeatInterval", "value": "300"}, {"key": "HeartbeatInterval", "value": "300"}),
        (
            {"configurationKey": [{"key": "WifiPassword", "value": "k", "readonly": False}]},
            {"configurationKey": [{"key": "WifiPassword", "value": MASK, "readonly": False}]},
        ),
        (
            {"setVariableData": [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": "k"}]},
            {"setVariableData": [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": MASK}]},
        ),
        ({"apn": {"apnPassword": "k", "simPin": 1234}}, {"apn": {"apnPassword": MASK, "simPin": MASK}}),
        ({"idToken": "04AB", "id_token": "04AB"}, {"idToken": "04AB", "id_token": "04AB"}),
        (
            {"idToken": {"idToken": "04AB", "type": "ISO14443"}},
            {"idToken": {"idToken": "04AB", "type": "ISO14443"}},
        ),
    ],
)
def test_redact_hides_secrets_and_nothing_else(payload: Any, expected: Any) -> None:
    assert redact(payload) == expected


def test_redact_leaves_the_original_as_it_is() -> None:
    payload = {"list": [{"key": "AuthorizationKey", "value": "k"}]}

    redact(payload)

    assert payload == {"list": [{"key": "AuthorizationKey", "value": "k"}]}


def test_redact_makes_text_that_a_database_takes() -> None:
    assert redact({"da\0ta": ["a\0b", "half \ud800 pair", "whole 🔌", 2**63, True]}) == {
        "da\ufffdta": ["a\ufffdb", "half ? pair", "whole 🔌", "9223372036854775808", True]
    }


@pytest.mark.parametrize(
    "name", ["AuthorizationKey", "Authorization_Key", "BasicAuthPassword", "apiKey", "simPin"]
)
def test_secret_names_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["key", "idToken", "id_token", "idTokenType", "NumberOfConnectors", "Pinned"]
)
def test_plain_names_are_not_secrets(name: str) -> None:
    assert not is_secret_name(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=JSON)
def test_redact_twice_is_as_once(value: Any) -> None:
    once = redact(value)

    assert redact(once) == once
