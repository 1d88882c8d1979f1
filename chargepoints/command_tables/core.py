"""Starting, stopping, restarting, settings (profile Core)."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from chargepoints.command_fields import (
    CONNECTOR_HELP,
    MAX_TOKEN,
    SEND_DANGEROUS,
    TOKEN_TYPE,
    WITHIN,
    CommandSpec,
    FieldSpec,
)
from chargepoints.variable_names import MAX_KEY

#: Limits of one session (OCPP 2.1, TransactionLimitType).
_LIMITS = ("maxCost", "maxEnergy", "maxTime", "maxSoC")


def _check_limits(limits: dict[str, Any]) -> str:
    for kind, value in limits.items():
        if kind not in _LIMITS:
            return f"There are limits of {', '.join(_LIMITS)}."
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return f"{kind} must be a number."
        if isinstance(value, bool) or not number.is_finite() or not 0 < number <= 10**9:
            return f"{kind} must be a number above 0."
    return ""


def _check_start(given: dict[str, Any]) -> dict[str, str]:
    """A profile that comes with a start is for that session, which has no id yet (OCPP 1.6 §5.16.2)."""
    if problem := _check_limits(given.get("limits", {})):
        return {"limits": problem}
    profile = given.get("charging_profile", {})
    if profile.get("chargingProfilePurpose", "TxProfile") != "TxProfile":
        return {"charging_profile": "Must be a TxProfile: it is for this session only."}
    if "transactionId" in profile:
        return {"charging_profile": "Leave transactionId out: the session has none yet."}
    return {}


def _check_availability(given: dict[str, Any]) -> dict[str, str]:
    if "within" in given and not given["connector"]:
        return {"within": "Name the connector (EVSE) that it belongs to as well."}
    return {}


def _check_data(given: dict[str, Any]) -> dict[str, str]:
    if not given.get("as_json"):
        return {}
    try:
        json.loads(given.get("data", ""))
    except (ValueError, RecursionError):
        return {"data": "This is no JSON."}
    return {}


CORE = (
    CommandSpec(
        action="remote_start",
        label="Start a session",
        description="Ask the charger to start charging for a tag. Accepted is not yet a session.",
        fields=(
            FieldSpec(
                name="id_token",
                type="string",
                label="Tag",
                required=True,
                max_length=MAX_TOKEN,
                help="Value of the tag that is charged for; 20 characters in OCPP 1.6, 36 in 2.0.1.",
            ),
            TOKEN_TYPE,
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=1,
                help=f"{CONNECTOR_HELP} Empty: the charger chooses.",
            ),
            FieldSpec(
                name="parent_id_token",
                type="string",
                label="Group",
                max_length=MAX_TOKEN,
                help="OCPP 2.x: the group of the tag, where the place is reserved for it.",
            ),
            FieldSpec(
                name="charging_profile",
                type="object",
                label="Charging profile",
                help="TxProfile in the form of the version spoken.",
            ),
            FieldSpec(
                name="limits",
                type="object",
                label="Limits",
                help="OCPP 2.1, told when the session begins: maxCost, maxEnergy (Wh), maxTime (s), maxSoC (%).",
            ),
        ),
        check=_check_start,
    ),
    CommandSpec(
        action="remote_stop",
        label="Stop a session",
        description="Ask the charger to end a session.",
        fields=(
            FieldSpec(
                name="transaction_id",
                type="string",
                label="Transaction id",
                required=True,
                max_length=36,
                help="The id used on the wire (ocpp_id of the session).",
            ),
        ),
        confirm="Stop this session?",
    ),
    CommandSpec(
        action="get_transaction_status",
        label="Ask about a session",
        description="Whether a session goes on, and whether the charger still holds messages (OCPP 2.x).",
        fields=(
            FieldSpec(
                name="transaction_id",
                type="string",
                label="Transaction id",
                max_length=36,
                help="The id used on the wire (ocpp_id of the session). Empty: whether it holds messages at all.",
            ),
        ),
    ),
    CommandSpec(
        action="reset",
        label="Reset",
        description="Restart the charger; running sessions are ended first.",
        fields=(
            FieldSpec(
                name="kind",
                type="enum",
                label="Kind",
                required=True,
                choices=("Soft", "Hard", "OnIdle", "Immediate", "ImmediateAndResume"),
                choice_labels=(
                    "Soft: in good order",
                    "Hard: at once",
                    "When nobody charges (2.x)",
                    "At once, ending sessions (2.x)",
                    "At once, then go on charging (2.1)",
                ),
                help="In OCPP 1.6 Soft ends sessions and restarts in good order; a charger of 2.x waits until nobody "
                "charges (OnIdle). Hard restarts at once (Immediate).",
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="EVSE",
                minimum=1,
                help="Only this EVSE (2.x); empty: the whole charger.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Restart the charger? Running sessions will end.",
    ),
    CommandSpec(
        action="unlock_connector",
        label="Unlock connector",
        description="Release a stuck cable. A running session is ended.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                required=True,
                minimum=1,
                help=CONNECTOR_HELP,
            ),
            WITHIN,
        ),
        confirm="Unlock the connector? A running session on it will end.",
    ),
    CommandSpec(
        action="change_availability",
        label="Change availability",
        description="Take a connector or the whole charger out of service, or back into it.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: the whole charger.",
            ),
            WITHIN,
            FieldSpec(
                name="operative",
                type="boolean",
                label="In service",
                required=True,
                help="Yes: available for charging. No: out of service.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the availability?",
        check=_check_availability,
    ),
    CommandSpec(
        action="get_configuration",
        label="Read configuration",
        description="Read configuration keys, or the variables of 2.x; the answer updates the list of them.",
        fields=(
            FieldSpec(
                name="keys",
                type="strings",
                label="Keys",
                max_length=200,
                item_length=MAX_KEY,
                help="Empty: all keys. A key of OCPP 1.6, or a variable of 2.x such as "
                "OCPPCommCtrlr/HeartbeatInterval; what both have may be written either way.",
            ),
        ),
    ),
    CommandSpec(
        action="change_configuration",
        label="Change configuration",
        description="Set one configuration key, or one variable of 2.x.",
        fields=(
            FieldSpec(
                name="key",
                type="string",
                label="Key",
                required=True,
                max_length=MAX_KEY,
                help="A key of OCPP 1.6, or a variable of 2.x such as OCPPCommCtrlr/HeartbeatInterval.",
            ),
            FieldSpec(
                name="value",
                type="string",
                label="Value",
                required=True,
                max_length=2500,
                help="Hidden afterwards where the key is a secret such as AuthorizationKey.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the charger's configuration?",
    ),
    CommandSpec(
        action="clear_cache",
        label="Clear authorization cache",
        description="Let the charger forget tags that it has remembered.",
    ),
    CommandSpec(
        action="data_transfer",
        label="Data transfer",
        description="Send a vendor-specific message.",
        fields=(
            FieldSpec(name="vendor_id", type="string", label="Vendor id", required=True, max_length=255),
            FieldSpec(name="message_id", type="string", label="Message id", max_length=50),
            FieldSpec(name="data", type="string", label="Data", max_length=10_000),
            FieldSpec(
                name="as_json",
                type="boolean",
                label="Data is JSON",
                help="OCPP 2.x: send what the JSON means, an object for example, instead of its text.",
            ),
        ),
        check=_check_data,
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Send this message? What it does is up to the charger's vendor.",
    ),
)
