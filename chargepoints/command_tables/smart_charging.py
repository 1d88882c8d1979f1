"""Limits of power and current over time (profile Smart Charging of 1.6, block K of 2.x)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from chargepoints.charging.details import (
    DISCHARGE_LIMITS,
    OPERATION_MODE,
    PERIOD,
    PROFILE,
    SCHEDULE,
    UPDATES,
    Detail,
)
from chargepoints.charging.modes import MODES, period_problem, plan_problems
from chargepoints.charging.plan import EXTERNAL, Unreadable, read_plan
from chargepoints.charging.rules import phases_problem
from chargepoints.command_fields import CONNECTOR_HELP, SEND_DANGEROUS, CommandSpec, FieldSpec, FieldType

_PURPOSE = FieldSpec(
    name="purpose",
    type="enum",
    label="Purpose",
    choices=("TxDefaultProfile", "TxProfile", "ChargePointMaxProfile", "PriorityCharging", "LocalGeneration"),
    choice_labels=(
        "Every session that begins (TxDefaultProfile)",
        "The session that is running (TxProfile)",
        "The whole charger (ChargePointMaxProfile)",
        "A session with priority (PriorityCharging, OCPP 2.1)",
        "Power of the site, on top of the limits (LocalGeneration, OCPP 2.1)",
    ),
)
_UNIT = FieldSpec(
    name="charging_rate_unit",
    type="enum",
    label="Unit",
    choices=("A", "W"),
    choice_labels=("Ampere per phase", "Watt in total"),
)


#: name → what people read of it; those without are for programs only.
_LABELS = {
    "max_offline_duration": ("Holds without a connection for", "In seconds; then it rests. OCPP 2.1."),
    "invalid_after_offline_duration": ("Ends then for good", "Instead of coming back with the connection."),
    "dyn_update_interval": ("Asks for updates every", "In seconds, of a dynamic profile. OCPP 2.1."),
    "use_local_time": ("Times are the charger's local time", "Whatever the offset says. OCPP 2.1."),
    "randomized_delay": (
        "Begins later by up to",
        "In seconds, at random, so that many do not change at once.",
    ),
    "limit_at_soc": ("Limit of a full battery", 'For example {"soc": 80, "limit": 11000}. OCPP 2.1.'),
    "power_tolerance": ("Tolerance", "In the unit of the limits. OCPP 2.1."),
}
_TYPES: dict[str, FieldType] = {
    "number": "decimal",
    "integer": "integer",
    "flag": "boolean",
    "text": "string",
    "object": "object",
    "pairs": "rows",
}
#: Numbers of these have more decimals than limits, which have one.
_FINE = frozenset({"frequency", "power", "v2x_baseline"})


TRANSFER_MODES = (
    "AC_single_phase",
    "AC_two_phase",
    "AC_three_phase",
    "DC",
    "AC_BPT",
    "AC_BPT_DER",
    "AC_DER",
    "DC_BPT",
    "DC_ACDP",
    "DC_ACDP_BPT",
    "WPT",
)
_PURPOSE_ASKED = FieldSpec(
    name="purpose",
    type="enum",
    label="Purpose",
    choices=(*_PURPOSE.choices, EXTERNAL),
    choice_labels=(*_PURPOSE.choice_labels, "Limits of others (ChargingStationExternalConstraints)"),
)


def _field(detail: Detail) -> FieldSpec:
    """An argument that only OCPP 2.x knows."""
    label, told = _LABELS.get(detail.name, ("", ""))
    if detail.name == OPERATION_MODE:
        return FieldSpec(
            name=detail.name,
            type="enum",
            label="Mode of operation",
            choices=tuple(MODES),
            choice_labels=tuple(MODES.values()),
            named_only=True,
        )
    return FieldSpec(
        name=detail.name,
        type=_TYPES[detail.kind],
        label=label or detail.wire,
        help=told or f"{detail.wire} of OCPP 2.x.",
        max_length={"text": 512, "pairs": 20}.get(detail.kind),
        minimum=0 if detail.kind == "integer" else None,
        decimals=3 if detail.name in _FINE else 1,
        named_only=not label,
        fields=tuple(
            FieldSpec(name=name, type="decimal", label=name, required=True, decimals=3)
            for name in detail.pair
            if name
        ),
    )


_PERIOD_FIELDS = tuple(_field(detail) for detail in PERIOD)
_PROFILE_FIELDS = tuple(_field(detail) for detail in (*PROFILE, *SCHEDULE))
_UPDATE_FIELDS = tuple(
    FieldSpec(name=detail.name, type="decimal", label=detail.wire, help="In the unit of the profile.")
    for detail in UPDATES
)
_TRANSACTION = FieldSpec(
    name="transaction_id",
    type="string",
    label="Transaction id",
    required=True,
    max_length=36,
    help="The id used on the wire (ocpp_id of the session).",
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
    return errors or _check_details(given)


def _check_details(given: dict[str, Any]) -> dict[str, str]:
    """What only OCPP 2.x knows, and periods without a limit."""
    try:
        plan = read_plan(given)
    except Unreadable:
        return {"periods": "Every entry needs a limit, or a mode of operation that does without."}
    errors = plan_problems(plan)
    for number, period in enumerate(plan.periods, start=1):
        if problem := phases_problem(period, lowest=0) or period_problem(period, plan.purpose):
            return errors | {"periods": f"Entry {number}, {problem}"}
    return errors


def _check_update(given: dict[str, Any]) -> dict[str, str]:
    if not any(detail.name in given for detail in UPDATES):
        return {"limit": "Give at least one limit or setpoint."}
    positive = [detail.name for detail in DISCHARGE_LIMITS if given.get(detail.name, 0) > 0]
    return dict.fromkeys(positive, "Must not be above 0: what is fed back counts below it.")


def _check_modes(given: dict[str, Any]) -> dict[str, str]:
    modes = given["modes"]
    wrong = [mode for mode in modes if mode not in TRANSFER_MODES]
    if wrong:
        return {"modes": f"Must be of {', '.join(TRANSFER_MODES)}."}
    return {"modes": "Give at least one."} if not modes else {}


def _check_sources(given: dict[str, Any]) -> dict[str, str]:
    """A number says it all (K09.FR.03); a source is a word of up to 20 characters."""
    others = [name for name in ("purpose", "stack_level", "limit_sources") if name in given]
    if "profile_id" in given and others:
        return {others[0]: "Leave it out where a number is given: the number says which profile is meant."}
    if any(len(source) > 20 for source in given.get("limit_sources", ())):
        return {"limit_sources": "Must have up to 20 characters each."}
    return {}


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
                choices=("Relative", "Absolute", "Recurring", "Dynamic"),
                choice_labels=(
                    "From the start of charging (Relative)",
                    "From the time given as start (Absolute)",
                    "From the time given as start, again and again (Recurring)",
                    "Updated while it holds (Dynamic, OCPP 2.1)",
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
                    FieldSpec(
                        name="limit",
                        type="decimal",
                        label="limit",
                        minimum=0,
                        help="May be left out only where an operation_mode says what happens.",
                    ),
                    FieldSpec(name="number_phases", type="integer", label="phases", minimum=0),
                    FieldSpec(
                        name="phase_to_use",
                        type="integer",
                        label="which phase",
                        minimum=1,
                        help="1, 2 or 3; only where one phase is used. OCPP 2.x.",
                    ),
                    *_PERIOD_FIELDS,
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
            *_PROFILE_FIELDS,
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
    CommandSpec(
        action="get_charging_profiles",
        label="Ask which profiles it has",
        description="The charger lists its profiles, also those of others; without anything given: all of them.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: the charger itself. Empty: everywhere.",
            ),
            _PURPOSE_ASKED,
            FieldSpec(name="stack_level", type="integer", label="Level", minimum=0),
            FieldSpec(name="profile_id", type="integer", label="Number", minimum=0),
            FieldSpec(
                name="limit_sources",
                type="strings",
                label="Set by",
                max_length=4,
                help="CSO (we), EMS (energy management), SO (grid operator), Other.",
            ),
            FieldSpec(name="request_id", type="integer", label="Request number", minimum=1, named_only=True),
        ),
        check=_check_sources,
    ),
    CommandSpec(
        action="use_priority_charging",
        label="Charge with priority",
        description="A session gets what the profile for priority allows, until it ends or this is taken back.",
        fields=(
            _TRANSACTION,
            FieldSpec(name="activate", type="boolean", label="With priority", required=True),
        ),
        permission=SEND_DANGEROUS,
        dangerous=True,
        confirm="Change what this session may draw?",
    ),
    CommandSpec(
        action="update_dynamic_schedule",
        label="Update a dynamic profile",
        description="What the profile says from now on. What is left out stays as it is.",
        fields=(
            FieldSpec(name="profile_id", type="integer", label="Number", required=True, minimum=1),
            *_UPDATE_FIELDS,
        ),
        permission=SEND_DANGEROUS,
        dangerous=True,
        confirm="Change what the charger may draw?",
        check=_check_update,
    ),
    CommandSpec(
        action="allow_energy_transfer",
        label="Allow ways of charging",
        description="How energy may flow in a session: whether the vehicle may feed back, for example.",
        fields=(
            _TRANSACTION,
            FieldSpec(
                name="modes",
                type="strings",
                label="Ways",
                required=True,
                max_length=len(TRANSFER_MODES),
                help=f"Of {', '.join(TRANSFER_MODES)}.",
            ),
        ),
        permission=SEND_DANGEROUS,
        dangerous=True,
        confirm="Change how energy may flow in this session?",
        check=_check_modes,
    ),
    CommandSpec(
        action="afrr_signal",
        label="Signal for the grid's frequency",
        description="A signal of automatic frequency restoration, for chargers that support the grid by themselves.",
        fields=(
            FieldSpec(name="signal", type="integer", label="Signal", required=True, help="As in the curve."),
            FieldSpec(name="timestamp", type="datetime", label="From", help="Empty: from now on."),
        ),
        permission=SEND_DANGEROUS,
        dangerous=True,
        confirm="Change what the charger draws or feeds back?",
    ),
)
