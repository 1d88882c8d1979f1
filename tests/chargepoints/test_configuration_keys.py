"""The standard keys, and whether two values mean the same."""

from __future__ import annotations

import pytest

from chargepoints.configuration_keys import KEYS, doubt, find_key, is_same, refusal_in_template


def test_every_key_stands_once_and_says_what_it_does() -> None:
    assert len({spec.name.casefold() for spec in KEYS}) == len(KEYS) == 52
    assert all(spec.text.endswith(".") and spec.text[:1].isupper() for spec in KEYS)


def test_key_is_found_in_any_spelling() -> None:
    found = find_key("localpreauthorize")
    assert found is not None
    assert (found.name, found.type, found.access) == ("LocalPreAuthorize", "boolean", "RW")
    assert find_key("VendorKey") is None


@pytest.mark.parametrize(
    ("key", "wanted", "actual", "same"),
    [
        ("LocalPreAuthorize", "true", "TRUE", True),
        ("LocalPreAuthorize", "true", "false", False),
        ("HeartbeatInterval", "60", "060", True),
        ("HeartbeatInterval", "60", "60.0", True),
        ("HeartbeatInterval", "60", "61", False),
        ("HeartbeatInterval", "", "", True),
        ("HeartbeatInterval", "60", "soon", False),
        ("MeterValuesSampledData", "Voltage,Power.Active.Import", "Power.Active.Import, Voltage", True),
        ("MeterValuesSampledData", "Voltage", "Voltage,Frequency", False),
        ("CpoName", "Acme", "Acme ", True),
        ("CpoName", "Acme", "ACME", False),
        ("VendorSwitch", "true", "True", True),
        ("VendorText", "a,b", "b,a", False),
        ("VendorNumber", "1", "1.0", False),
    ],
)
def test_values_are_the_same_as_the_type_says(key: str, wanted: str, actual: str, same: bool) -> None:
    assert is_same(key, wanted, actual) is same


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("HeartbeatInterval", "soon", "whole number (s)"),
        ("LocalPreAuthorize", "yes", "true or false"),
        ("NumberOfConnectors", "2", "read-only"),
        ("HeartbeatInterval", "300", ""),
        ("WebSocketPingInterval", "-1", ""),
        ("VendorKey", "anything", ""),
    ],
)
def test_doubtful_value_is_named(key: str, value: str, words: str) -> None:
    said = doubt(key, value)
    assert words in said
    assert bool(said) is bool(words)


@pytest.mark.parametrize("key", ["AuthorizationKey", "securityprofile", "", " A", "a\0"])
def test_key_that_no_template_may_set_has_a_reason(key: str) -> None:
    assert refusal_in_template(key).endswith(".")


def test_other_keys_may_be_in_a_template() -> None:
    assert refusal_in_template("HeartbeatInterval") == ""
