"""Secrets in payloads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoints import redaction
from chargepoints.redaction import MASK, is_secret_name, redact
from ocpp_gateway.wire import redact as wire


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
        ({"vpn": {"key": "k", "user": "u"}}, {"vpn": {"key": MASK, "user": "u"}}),
        (
            {"eventData": [{"variable": {"name": "WifiPassword"}, "actualValue": "k"}]},
            {"eventData": [{"variable": {"name": "WifiPassword"}, "actualValue": MASK}]},
        ),
        ({"idToken": "04AB", "id_token": "04AB"}, {"idToken": "04AB", "id_token": "04AB"}),
        (
            {"idToken": {"idToken": "04AB", "type": "ISO14443"}},
            {"idToken": {"idToken": "04AB", "type": "ISO14443"}},
        ),
    ],
)
def test_redact_hides_secrets_and_nothing_else(payload: Any, expected: Any) -> None:
    assert redact(payload) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://u:hunter2@h:21/x", "ftp://***@h:21/x"),
        ("sftp://hunter2@h/", "sftp://***@h/"),
        ("ftp://u:hunt@er2@h/x", "ftp://***@h/x"),
        ("ftp://u:hunter/2?#'@h/x", "ftp://***@h/x"),
        ("ftp://:hunter2@[2001:db8::1]/x", "ftp://***@[2001:db8::1]/x"),
        ("first ftp://u:hunter2@h, then http://v:hunter2@h", "first ftp://***@h, then http://***@h"),
        ("https://h/x?a=1&token=hunter2&b=2#c", "https://h/x?a=1&token=***&b=2#c"),
        ("https://h/x?access_key=hunter2", "https://h/x?access_key=***"),
        ("https://h/files/upload/hunter2/", "https://h/files/upload/***/"),
        ("http://h:1/files/firmware/hunter2/fw.bin", "http://h:1/files/firmware/***/fw.bin"),
    ],
)
def test_redact_hides_credentials_in_urls(text: str, shown: str) -> None:
    assert redact({"log": [{"remoteLocation": text}]}) == {"log": [{"remoteLocation": shown}]}


@pytest.mark.parametrize(
    "text",
    [
        "https://h:8080/user@host",
        "https://[2001:db8::1]:80/a@b",
        "https://h/x?v=1",
        "me@example.org",
        "a: b@c",
    ],
)
def test_redact_leaves_text_without_credentials(text: str) -> None:
    assert redact(text) == text


@pytest.mark.timeout(10)
def test_redact_hostile_text_takes_linear_time() -> None:
    text = "a://b:" * 100_000 + "?token=" * 50_000

    assert redact(text).startswith("a://b:a://")


def test_redact_leaves_the_original_as_it_is() -> None:
    payload = {"list": [{"key": "AuthorizationKey", "value": "k"}]}

    redact(payload)

    assert payload == {"list": [{"key": "AuthorizationKey", "value": "k"}]}


def test_redact_makes_text_that_a_database_takes() -> None:
    assert redact({"da\0ta": ["a\0b", "half \ud800 pair", "whole 🔌", 2**63, True]}) == {
        "da\ufffdta": ["a\ufffdb", "half ? pair", "whole 🔌", "9223372036854775808", True]
    }


@pytest.mark.parametrize(
    "name",
    [
        *("AuthorizationKey", "Authorization_Key", "BasicAuthPassword", "apiKey", "simPin", "security_key"),
        *("SecurityKey", "pin_code", "PinCode", "pin", "accessToken", "PSK", "passphrase"),
    ],
)
def test_secret_names_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["key", "idToken", "id_token", "idTokenType", "token_type", "NumberOfConnectors", "Pinned"]
)
def test_plain_names_are_not_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_secret_names_are_those_of_the_message_log() -> None:
    """The wire imports nothing of the domain, nor the domain the wire: the pattern stands in both."""
    assert redaction.HIDDEN_NAMES == wire.HIDDEN_NAMES


@given(path=st.lists(st.text("u:@/?#.a1[]' ")))
def test_redact_url_twice_is_as_once(path: list[str]) -> None:
    once = redact("://".join(path))

    assert redact(once) == once


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=JSON)
def test_redact_twice_is_as_once(value: Any) -> None:
    once = redact(value)

    assert redact(once) == once
