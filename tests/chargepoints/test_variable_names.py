"""How configuration values are written, and what means the same in all versions."""

from __future__ import annotations

import pytest

from chargepoints.configuration_keys import doubt, find_key, is_same, refusal_in_template
from chargepoints.device_model import find_component, find_variable, list_variables
from chargepoints.variable_names import (
    SAME,
    VariableName,
    canonical,
    key_of,
    names_to_look_for,
    parse,
    parse_component,
    variable_of,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "OCPPCommCtrlr/HeartbeatInterval",
            VariableName(component="OCPPCommCtrlr", name="HeartbeatInterval"),
        ),
        ("EVSE(1)/Power#MaxSet", VariableName(component="EVSE", evse=1, name="Power", attribute="MaxSet")),
        (
            "Connector(2.1)/AvailabilityState",
            VariableName(component="Connector", evse=2, connector=1, name="AvailabilityState"),
        ),
        (
            "Display[left/top](1)/Text[de, en]",
            VariableName(
                component="Display", component_instance="left/top", evse=1, name="Text", instance="de, en"
            ),
        ),
        (
            "DeviceDataCtrlr/ItemsPerMessage[GetVariables]",
            VariableName(component="DeviceDataCtrlr", name="ItemsPerMessage", instance="GetVariables"),
        ),
    ],
)
def test_variable_is_read_as_it_is_written(text: str, name: VariableName) -> None:
    assert parse(text) == name
    assert name.key == text


@pytest.mark.parametrize(
    "text",
    [
        "HeartbeatInterval", "", "/", "A/", "/B", "A/B#Sometimes", f"{'A' * 51}/B", f"A/{'B' * 51}", "A[b/C",
        "A(x)/B", "A(1.2.3)/B", "A(12345678901)/B", "A/B\0",
    ],
)  # fmt: skip
def test_what_names_no_variable_is_a_key(text: str) -> None:
    assert parse(text) is None


def test_component_alone_may_be_meant() -> None:
    found = parse_component("EVSE(1)")
    assert found is not None
    assert (found.component, found.evse, found.name) == ("EVSE", 1, "")
    assert found.key == "EVSE(1)"


@pytest.mark.parametrize(("key", "variable"), SAME.items())
def test_key_of_16_and_its_variable_are_one(key: str, variable: str) -> None:
    assert parse(variable) is not None
    assert canonical(variable) == canonical(key) == key.casefold()
    assert key_of(variable.upper()) == key
    name = variable_of(key.lower())
    assert name is not None
    assert name.key == variable
    assert find_variable(name.component, name.name, name.instance) is not None


def test_names_are_compared_without_regard_to_case() -> None:
    assert canonical("evse(1)/POWER#Actual") == canonical("EVSE(1)/Power")
    assert canonical("EVSE(1)/Power#Target") != canonical("EVSE(1)/Power")
    assert canonical("EVSE(2)/Power") != canonical("EVSE(1)/Power")


def test_rows_are_looked_for_under_both_names() -> None:
    assert names_to_look_for("ConnectionTimeOut") == {"connectiontimeout", "evconnectiontimeout"}
    assert "power" in names_to_look_for("EVSE(1)/Power")


def test_key_that_16_does_not_know_stays_as_it_is() -> None:
    assert key_of("EVSE(1)/Power") == "EVSE(1)/Power"
    assert key_of("Vendor/Own") == "Vendor/Own"
    assert variable_of("MinimumStatusDuration") is None


def test_appendix_tells_what_a_variable_is() -> None:
    spec = find_key("SampledDataCtrlr/TxUpdatedInterval")
    assert spec is not None
    assert (spec.type, spec.unit, spec.profile) == ("integer", "s", "SampledDataCtrlr")
    assert "sampl" in spec.text
    assert find_key("Vendor/Own") is None
    assert find_component("evse") != ""
    assert len(list_variables()) > 300


@pytest.mark.parametrize(
    ("key", "wanted", "actual", "same"),
    [
        ("AuthCtrlr/LocalPreAuthorize", "TRUE", "true", True),
        ("OCPPCommCtrlr/HeartbeatInterval", "60", "060", True),
        ("TxCtrlr/TxStartPoint", "EVConnected,Authorized", "Authorized, EVConnected", True),
        ("OCPPCommCtrlr/NetworkConfigurationPriority", "1,2", "2,1", False),
        ("OCPPCommCtrlr/NetworkConfigurationPriority", "1,2", "1, 2", True),
    ],
)
def test_values_mean_the_same(key: str, wanted: str, actual: str, same: bool) -> None:
    assert is_same(key, wanted, actual) is same


def test_doubts_and_refusals_know_variables() -> None:
    assert "whole number" in doubt("OCPPCommCtrlr/HeartbeatInterval", "often")
    assert "should be a number" in doubt("EVSE/Power", "much")
    assert "secret" in refusal_in_template("SecurityCtrlr/BasicAuthPassword")
    assert refusal_in_template("OCPPCommCtrlr/HeartbeatInterval") == ""
