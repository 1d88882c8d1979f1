"""The device model of OCPP 2.x: variables, reports of them, network profiles (2.0.1 B05–B09)."""

from __future__ import annotations

from typing import Any

from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec, FieldSpec
from chargepoints.variable_names import MAX_KEY, canonical, parse_component, variable_of

#: Variables of one order; it is sent as several messages where the charger takes fewer at a time.
MAX_VARIABLES = 500
_WRITTEN = (
    "Written Component[instance](evse.connector)/Variable[instance]#Attribute, for example "
    "OCPPCommCtrlr/HeartbeatInterval or EVSE(1)/AvailabilityState."
)
_NAME = "OCPPCommCtrlr/HeartbeatInterval"
_NOT_A_NAME = "“{}” names no variable: write it as OCPPCommCtrlr/HeartbeatInterval."
_TWICE = "“{}” is in it twice."


def _check_names(given: dict[str, Any]) -> dict[str, str]:
    return _problem([str(key) for key in given.get("variables", ())])


def _check_values(given: dict[str, Any]) -> dict[str, str]:
    """A variable must not be in one message twice (B05.FR.13)."""
    return _problem([row["key"] for row in given.get("variables", ())])


def _problem(keys: list[str]) -> dict[str, str]:
    seen: set[str] = set()
    for key in keys:
        if variable_of(key) is None:
            return {"variables": _NOT_A_NAME.format(key)}
        if canonical(key) in seen:
            return {"variables": _TWICE.format(key)}
        seen.add(canonical(key))
    return {}


def _check_report(given: dict[str, Any]) -> dict[str, str]:
    criteria, variables = given.get("criteria", ()), given.get("variables", ())
    if not criteria and not variables:
        return {"variables": "Say which components or variables, or a criterion."}
    for name in criteria:
        if name not in CRITERIA:
            return {"criteria": f"“{name}” is none: {', '.join(CRITERIA)}."}
    for key in variables:
        if parse_component(key) is None:
            return {
                "variables": f"“{key}” names no component: write it as EVSE(1) or EVSE(1)/AvailabilityState."
            }
    return {}


#: ComponentCriterionEnumType (2.0.1 part 2).
CRITERIA = ("Active", "Available", "Enabled", "Problem")
_REQUEST_ID = FieldSpec(
    name="request_id", type="integer", label="Request id", minimum=0, help="Empty: a free one is taken."
)

DEVICE_MODEL = (
    CommandSpec(
        action="get_variables",
        label="Read variables",
        description="Ask for the values of some variables; the answer updates the list of them.",
        fields=(
            FieldSpec(
                name="variables",
                type="strings",
                label="Variables",
                required=True,
                max_length=MAX_VARIABLES,
                item_length=MAX_KEY,
                example=[_NAME],
                help=_WRITTEN,
            ),
        ),
        check=_check_names,
    ),
    CommandSpec(
        action="set_variables",
        label="Set variables",
        description="Set several variables at once; the charger answers about each of them.",
        fields=(
            FieldSpec(
                name="variables",
                type="rows",
                label="Variables and values",
                required=True,
                max_length=MAX_VARIABLES,
                help=_WRITTEN,
                fields=(
                    FieldSpec(
                        name="key",
                        type="string",
                        label="variable",
                        required=True,
                        max_length=MAX_KEY,
                        example=_NAME,
                    ),
                    FieldSpec(name="value", type="string", label="value", required=True, max_length=2500),
                ),
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the charger's configuration?",
        check=_check_values,
    ),
    CommandSpec(
        action="get_base_report",
        label="Ask for a report",
        description="Ask for a report of the device model; it comes in parts, which update the list of variables.",
        fields=(
            FieldSpec(
                name="base",
                type="enum",
                label="What",
                required=True,
                choices=("FullInventory", "ConfigurationInventory", "SummaryInventory"),
                choice_labels=("All variables", "What can be changed", "Availability and problems"),
            ),
            _REQUEST_ID,
        ),
    ),
    CommandSpec(
        action="get_report",
        label="Ask for a report of some components",
        description="Ask for chosen components and variables, or for those that are, say, in trouble.",
        fields=(
            FieldSpec(
                name="criteria",
                type="strings",
                label="Criteria",
                max_length=4,
                help=f"Only components to which one of these applies: {', '.join(CRITERIA)}.",
            ),
            FieldSpec(
                name="variables",
                type="strings",
                label="Components and variables",
                max_length=MAX_VARIABLES,
                item_length=MAX_KEY,
                example=["EVSE(1)/AvailabilityState"],
                help="A component such as EVSE(1), or a variable of it as EVSE(1)/AvailabilityState.",
            ),
            _REQUEST_ID,
        ),
        check=_check_report,
    ),
    CommandSpec(
        action="set_network_profile",
        label="Set a network profile",
        description="Store how the charger reaches a management system, in one of its slots. It is used once "
        "OCPPCommCtrlr/NetworkConfigurationPriority names the slot and the charger has restarted.",
        fields=(
            FieldSpec(
                name="slot",
                type="integer",
                label="Slot",
                required=True,
                minimum=0,
                help="One of the values that NetworkConfigurationPriority may have.",
            ),
            FieldSpec(
                name="url",
                type="string",
                label="Address",
                required=True,
                max_length=500,
                example="wss://csms.example.org/ocpp",
                help="wss://…, without the charger's identity at its end.",
            ),
            FieldSpec(
                name="security_profile",
                type="enum",
                label="Security profile",
                required=True,
                choices=("0", "1", "2", "3"),
                choice_labels=("0: none", "1: password", "2: TLS and password", "3: TLS and certificate"),
                help="Chargers refuse a lower one than they have.",
            ),
            FieldSpec(
                name="interface",
                type="enum",
                label="Interface",
                required=True,
                choices=(
                    "Wired0",
                    "Wired1",
                    "Wired2",
                    "Wired3",
                    "Wireless0",
                    "Wireless1",
                    "Wireless2",
                    "Wireless3",
                    "Any",
                ),
                help="Any: 2.1 only.",
            ),
            FieldSpec(
                name="message_timeout", type="integer", label="Message timeout (s)", default=30, minimum=1
            ),
            FieldSpec(
                name="ocpp_version",
                type="enum",
                label="OCPP version",
                choices=("OCPP16", "OCPP20", "OCPP201", "OCPP21"),
                help="Empty: that of the charger. 2.0.1 knows OCPP20 for itself.",
            ),
            FieldSpec(
                name="identity", type="string", label="Identity", max_length=48, help="Another one (2.1)."
            ),
            FieldSpec(
                name="basic_auth_password",
                type="string",
                label="Password",
                max_length=64,
                secret=True,
                help="Another one (2.1). Only for another system: ours changes it with “Change configuration”.",
            ),
            FieldSpec(name="apn", type="string", label="APN", max_length=500, help="Of a mobile network."),
            FieldSpec(
                name="apn_authentication",
                type="enum",
                label="APN authentication",
                choices=("NONE", "PAP", "CHAP", "AUTO"),
            ),
            FieldSpec(name="apn_user", type="string", label="APN user", max_length=50),
            FieldSpec(name="apn_password", type="string", label="APN password", max_length=64, secret=True),
            FieldSpec(name="apn_sim_pin", type="integer", label="SIM PIN", minimum=0, secret=True),
            FieldSpec(name="apn_preferred_network", type="string", label="Preferred network", max_length=6),
            FieldSpec(name="apn_only_preferred", type="boolean", label="Only the preferred network"),
            FieldSpec(name="vpn_server", type="string", label="VPN server", max_length=500),
            FieldSpec(
                name="vpn_type", type="enum", label="VPN type", choices=("IKEv2", "IPSec", "L2TP", "PPTP")
            ),
            FieldSpec(name="vpn_user", type="string", label="VPN user", max_length=50),
            FieldSpec(name="vpn_group", type="string", label="VPN group", max_length=50),
            FieldSpec(name="vpn_password", type="string", label="VPN password", max_length=64, secret=True),
            FieldSpec(name="vpn_key", type="string", label="VPN key", max_length=255, secret=True),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Store this network profile? With wrong values the charger may not come back.",
        check=lambda given: _check_network(given),
    ),
)

_VPN = ("vpn_server", "vpn_type", "vpn_user", "vpn_password", "vpn_key")


def _check_network(given: dict[str, Any]) -> dict[str, str]:
    if not given["url"].lower().startswith(("ws://", "wss://")):
        return {"url": "Must begin with ws:// or wss://."}
    if given["security_profile"] in ("2", "3") and not given["url"].lower().startswith("wss://"):
        return {"url": "With this security profile it must begin with wss://."}
    vpn = [name for name in (*_VPN, "vpn_group") if name in given]
    if vpn and (missing := [name for name in _VPN if name not in given]):
        return {missing[0]: "A VPN needs this as well."}
    apn = [name for name in given if name.startswith("apn_")]
    if apn and "apn" not in given:
        return {"apn": "An APN needs its name."}
    if "apn" in given and "apn_authentication" not in given:
        return {"apn_authentication": "An APN needs this as well."}
    return {}
