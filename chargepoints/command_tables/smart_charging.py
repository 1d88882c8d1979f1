"""Limits of power and current over time (profile Smart Charging)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from chargepoints.command_fields import CONNECTOR_HELP, SEND_DANGEROUS, CommandSpec, FieldSpec

_PURPOSE = FieldSpec(
    name="purpose",
    type="enum",
    label="Purpose",
    choices=("TxDefaultProfile", "TxProfile", "ChargePointMaxProfile"),
    choice_labels=(
        "Every session that begins (TxDefaultProfile)",
        "The session that is running (TxProfile)",
        "The whole charger (ChargePointMaxProfile)",
    ),
)
_UNIT = FieldSpec(
    name="charging_rate_unit",
    type="enum",
    label="Unit",
    choices=("A", "W"),
    choice_labels=("Ampere per phase", "Watt in total"),
)


def _check_profile(given: dict[str, Any]) -> dict[str, str]:
    """What the specification asks of us; what a charger can do is for the charger to say (OCPP 1.6 §3.13, §7.8)."""
    errors: dict[str, str] = {}
    purpose, connector = given["purpose"], given["connector"]
    if purpose == "ChargePointMaxProfile" and connector != 0:
        errors["connector"] = "A limit of the whole charger is set on connector 0."
    if purpose == "TxProfile" and connector == 0:
        errors["connector"] = "Say on which connector the session is running."
    if purpose != "TxProfile" and "transaction_id" in given:
        errors["transaction_id"] = "Only a profile for a running session (TxProfile) names a session."
    if given["kind"] != "Recurring" and "recurrency_kind" in given:
        errors["recurrency_kind"] = "Only a recurring profile has this."
    starts = [period["start_period"] for period in given["periods"]]
    if starts[0] != 0:
        errors["periods"] = "The first period must start at 0 seconds."
    elif any(later <= earlier for earlier, later in pairwise(starts)):
        errors["periods"] = "Each period must start after the one before it."
    return errors


SMART_CHARGING = (
    CommandSpec(
        action="set_charging_profile",
        label="Set a charging profile",
        description="Limit power or current. A profile of the same number, or of the same purpose and level, is "
        "replaced.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: the whole charger, or every connector.",
            ),
            FieldSpec(
                name="profile_id",
                type="integer",
                label="Number",
                required=True,
                minimum=1,
                help="Yours to choose; the profile is removed by it.",
            ),
            FieldSpec(
                name="purpose",
                type="enum",
                label="Limits",
                required=True,
                choices=_PURPOSE.choices,
                choice_labels=_PURPOSE.choice_labels,
            ),
            FieldSpec(
                name="kind",
                type="enum",
                label="Times count",
                default="Relative",
                choices=("Relative", "Absolute", "Recurring"),
                choice_labels=(
                    "From the start of charging (Relative)",
                    "From the time given as start (Absolute)",
                    "From the time given as start, again and again (Recurring)",
                ),
            ),
            FieldSpec(
                name="periods",
                type="rows",
                label="Limits over time",
                required=True,
                max_length=1000,
                help="The first period starts at 0.",
                fields=(
                    FieldSpec(
                        name="start_period",
                        type="integer",
                        label="start in seconds",
                        required=True,
                        minimum=0,
                    ),
                    FieldSpec(name="limit", type="decimal", label="limit", required=True, minimum=0),
                    FieldSpec(name="number_phases", type="integer", label="phases", minimum=0),
                ),
            ),
            FieldSpec(
                name="charging_rate_unit",
                type="enum",
                label="Unit of the limits",
                default="A",
                choices=_UNIT.choices,
                choice_labels=_UNIT.choice_labels,
            ),
            FieldSpec(
                name="stack_level",
                type="integer",
                label="Level",
                default=0,
                minimum=0,
                help="Of several profiles for one purpose the one with the highest level counts.",
            ),
            FieldSpec(
                name="transaction_id",
                type="string",
                label="Transaction id",
                max_length=36,
                help="The id used on the wire (ocpp_id of the session), for a profile of a running session.",
            ),
            FieldSpec(
                name="recurrency_kind",
                type="enum",
                label="Again every",
                choices=("Daily", "Weekly"),
                choice_labels=("Day", "Week"),
            ),
            FieldSpec(name="start_schedule", type="datetime", label="Start"),
            FieldSpec(
                name="duration",
                type="integer",
                label="Duration",
                minimum=0,
                help="In seconds. Empty: the last limit goes on.",
            ),
            FieldSpec(name="valid_from", type="datetime", label="Valid from"),
            FieldSpec(name="valid_to", type="datetime", label="Valid until"),
            FieldSpec(
                name="min_charging_rate",
                type="decimal",
                label="Least useful limit",
                minimum=0,
                help="Below it the vehicle charges inefficiently; in the unit of the limits.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change what the charger may draw?",
        check=_check_profile,
    ),
    CommandSpec(
        action="clear_charging_profile",
        label="Remove charging profiles",
        description="Remove the profiles that match everything given here; without any of it: all of them.",
        fields=(
            FieldSpec(name="profile_id", type="integer", label="Number", minimum=0),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: profiles of the whole charger.",
            ),
            _PURPOSE,
            FieldSpec(name="stack_level", type="integer", label="Level", minimum=0),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Remove these limits? Without a number, connector, purpose or level: all of them.",
    ),
    CommandSpec(
        action="get_composite_schedule",
        label="Ask for the charging schedule",
        description="Which limits the charger will keep, all its profiles taken together.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: the whole charger.",
            ),
            FieldSpec(
                name="duration",
                type="integer",
                label="For how long",
                default=86_400,
                minimum=1,
                help="In seconds from now.",
            ),
            _UNIT,
        ),
    ),
)
