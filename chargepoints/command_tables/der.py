"""Settings for the grid in bidirectional chargers (OCPP 2.1 part 2, functional block R).

One command for each shape of a control; all of them are SetDERControl.  With a start and a duration a control is
scheduled, without them it is the default (R04.FR.12).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from chargepoints import der
from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec, FieldSpec

_PLACES = 6
_number = partial(FieldSpec, type="decimal", decimals=_PLACES)
_seconds = partial(FieldSpec, type="decimal", decimals=3, minimum=0)

_ID = FieldSpec(
    name="control_id",
    type="string",
    label="Id",
    max_length=36,
    help="The charger's reports carry it. Empty: a new one. The id of a control that it holds replaces it.",
)
_PRIORITY = FieldSpec(
    name="priority",
    type="integer",
    label="Priority",
    default=0,
    minimum=0,
    help="Of several controls of a type the one with the lowest number counts.",
)
_WHEN = (
    FieldSpec(name="starts_at", type="datetime", label="Start", help="Empty: the default, which has no end."),
    _seconds(name="duration_s", label="Duration (s)", help="Together with the start."),
)
_UNIT = FieldSpec(
    name="y_unit",
    type="enum",
    label="Unit of y",
    default="Not_Applicable",
    choices=("Not_Applicable", "PctMaxW", "PctMaxVar", "PctWAvail", "PctVarAvail", "PctEffectiveV"),
    choice_labels=(
        "None (seconds, Hz …)",
        "% of the highest power",
        "% of the highest reactive power",
        "% of the power available",
        "% of the reactive power available",
        "% of the voltage",
    ),
)
_POINTS = FieldSpec(
    name="points",
    type="rows",
    label="Points of the curve",
    required=True,
    max_length=10,
    help="Up to ten; x ascending.",
    fields=(_number(name="x", label="x", required=True), _number(name="y", label="y", required=True)),
)
_CURVE = (
    _POINTS,
    _UNIT,
    _seconds(name="response_time", label="Response time (s)", help="0: no limit."),
    _number(name="hysteresis_high", label="Back to normal below"),
    _number(name="hysteresis_low", label="Back to normal above"),
    _seconds(name="hysteresis_delay", label="Back to normal after (s)"),
    _number(name="hysteresis_gradient", label="Back to normal at (%/s)"),
)


def _check_when(given: dict[str, Any]) -> dict[str, str]:
    """A scheduled control says when it begins and how long it lasts; a default one neither (R04.FR.12)."""
    if ("starts_at" in given) != ("duration_s" in given):
        missing = "duration_s" if "starts_at" in given else "starts_at"
        return {missing: "Give start and duration together, or neither for the default."}
    return {}


def _check_curve(given: dict[str, Any]) -> dict[str, str]:
    errors = _check_when(given)
    xs = [point["x"] for point in given.get("points", ())]
    if any(later < earlier for earlier, later in pairwise(xs)):
        errors["points"] = "x must not descend."
    if (
        given.get("control_type") != "VoltVar"
        and {"v_ref", "autonomous_v_ref", "autonomous_v_ref_time"} & given.keys()
    ):
        errors["v_ref"] = "Only a curve Q(U) has a reference voltage."
    if ("mean_voltage_limit" in given) != ("mean_voltage_delay" in given):
        errors["mean_voltage_delay"] = "Give the limit of the mean voltage and its delay together."
    return errors


def _check_power_factor(given: dict[str, Any]) -> dict[str, str]:
    errors = _check_when(given)
    if not 0 <= given["displacement"] <= 1:
        errors["displacement"] = "Must be from 0 to 1."
    return errors


def _check_reactive(given: dict[str, Any]) -> dict[str, str]:
    errors = _check_when(given)
    if not -100 <= given["setpoint"] <= 100:
        errors["setpoint"] = "Must be from -100 to 100."
    return errors


def _check_limit(given: dict[str, Any]) -> dict[str, str]:
    errors = _check_when(given)
    if not 0 <= given["percent"] <= 100:
        errors["percent"] = "Must be from 0 to 100."
    return errors


def _check_service(given: dict[str, Any]) -> dict[str, str]:
    errors = {}
    for low, high in (("low_voltage", "high_voltage"), ("low_frequency", "high_frequency")):
        if given[low] >= given[high]:
            errors[low] = "Must be below the upper limit."
    return errors


def _set(
    action: str,
    label: str,
    description: str,
    fields: tuple[FieldSpec, ...],
    *,
    check: Callable[[dict[str, Any]], dict[str, str]] | None = None,
    is_scheduled: bool = True,
) -> CommandSpec:
    when = _WHEN if is_scheduled else ()
    return CommandSpec(
        action=action,
        label=label,
        description=f"{description} OCPP 2.1 only.",
        fields=(*fields, *when, _PRIORITY, _ID),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change how the charger acts towards the grid?",
        check=check,
    )


_TYPE = FieldSpec(
    name="control_type",
    type="enum",
    label="Type",
    choices=tuple(der.TYPES),
    choice_labels=tuple(f"{label} ({name})" for name, label in der.TYPES.items()),
)
_CHOSEN = FieldSpec(name="control_id", type="string", label="Id", max_length=36)


def _check_choice(given: dict[str, Any]) -> dict[str, str]:
    if "control_id" in given and "control_type" in given:
        return {"control_id": "Choose by id or by type, not both."}
    return {}


DER = (
    _set(
        "set_der_curve",
        "Set a curve",
        "How the charger answers to voltage, frequency or power by itself.",
        (
            FieldSpec(
                name="control_type",
                type="enum",
                label="Curve",
                required=True,
                choices=tuple(der.CURVES),
                choice_labels=tuple(f"{label} ({name})" for name, label in der.CURVES.items()),
            ),
            *_CURVE,
            _number(name="v_ref", label="Reference voltage (%)", help="Only for Q(U)."),
            FieldSpec(
                name="autonomous_v_ref", type="boolean", label="Follow the voltage", help="Only for Q(U)."
            ),
            _seconds(name="autonomous_v_ref_time", label="Time constant of following", help="Only for Q(U)."),
            _number(name="mean_voltage_limit", label="Limit of the 10 minute mean voltage"),
            _seconds(name="mean_voltage_delay", label="Trip after this time above it (s)"),
            FieldSpec(
                name="power_during_cessation",
                type="enum",
                label="Power during cessation",
                choices=("Active", "Reactive"),
            ),
        ),
        check=_check_curve,
    ),
    _set(
        "set_der_droop",
        "Set frequency droop",
        "Less power above a frequency, more below another.",
        (
            _number(name="over_frequency", label="Above (Hz)", required=True, minimum=0),
            _number(name="under_frequency", label="Below (Hz)", required=True, minimum=0),
            _number(name="over_droop", label="Droop above", required=True, help="Per unit."),
            _number(name="under_droop", label="Droop below", required=True, help="Per unit."),
            _seconds(name="response_time", label="Response time (s)", required=True),
        ),
        check=_check_when,
    ),
    _set(
        "set_der_power_factor",
        "Set a power factor",
        "A fixed power factor for charging or discharging.",
        (
            FieldSpec(
                name="direction",
                type="enum",
                label="While",
                required=True,
                choices=("absorb", "inject"),
                choice_labels=("Charging", "Discharging"),
            ),
            _number(name="displacement", label="cos φ", required=True, help="From 0 to 1."),
            FieldSpec(
                name="excitation",
                type="boolean",
                label="Absorb reactive power",
                required=True,
                help="Yes: under-excited. No: it is injected, over-excited.",
            ),
        ),
        check=_check_power_factor,
    ),
    _set(
        "set_der_reactive_power",
        "Set reactive power",
        "A fixed reactive power.",
        (
            _number(
                name="setpoint",
                label="Percent",
                required=True,
                help="From -100 to 100; above 0: discharging.",
            ),
            FieldSpec(
                name="unit",
                type="enum",
                label="Of",
                required=True,
                choices=(
                    "PctMaxVar",
                    "PctMaxW",
                    "PctVarAvail",
                    "PctWAvail",
                    "PctEffectiveV",
                    "Not_Applicable",
                ),
            ),
        ),
        check=_check_reactive,
    ),
    _set(
        "set_der_discharge_limit",
        "Limit discharging",
        "How much of its highest power the charger may feed into the grid.",
        (_number(name="percent", label="Percent", required=True, help="From 0 to 100."),),
        check=_check_limit,
    ),
    _set(
        "set_der_enter_service",
        "Set conditions to connect",
        "Between which voltages and frequencies the charger may begin to feed.",
        (
            _number(name="high_voltage", label="Voltage up to", required=True, minimum=0),
            _number(name="low_voltage", label="Voltage from", required=True, minimum=0),
            _number(name="high_frequency", label="Frequency up to (Hz)", required=True, minimum=0),
            _number(name="low_frequency", label="Frequency from (Hz)", required=True, minimum=0),
            _seconds(name="delay", label="Delay (s)"),
            _seconds(name="random_delay", label="Random delay (s)"),
            _seconds(name="ramp_rate", label="Ramp (s)"),
        ),
        check=_check_service,
        is_scheduled=False,
    ),
    _set(
        "set_der_gradients",
        "Set ramp rates",
        "How fast power may change.",
        (
            _seconds(name="gradient", label="Ramp (s)", required=True, help="0: does not apply."),
            _seconds(
                name="soft_gradient", label="Ramp at the start (s)", required=True, help="0: does not apply."
            ),
        ),
        is_scheduled=False,
    ),
    CommandSpec(
        action="get_der_control",
        label="List controls",
        description="Which controls the charger holds; without any choice: all. OCPP 2.1 only.",
        fields=(
            FieldSpec(name="is_default", type="boolean", label="Default ones", help="Empty: both kinds."),
            _TYPE,
            _CHOSEN,
            FieldSpec(
                name="request_id",
                type="integer",
                label="Number of the request",
                minimum=0,
                help="The charger's reports carry it. Empty: a new one.",
            ),
        ),
        check=_check_choice,
    ),
    CommandSpec(
        action="clear_der_control",
        label="Remove controls",
        description="Remove one control by its id, those of a type, or all of a kind. OCPP 2.1 only.",
        fields=(
            FieldSpec(
                name="is_default",
                type="boolean",
                label="Default ones",
                required=True,
                help="Yes: default controls. No: scheduled ones.",
            ),
            _TYPE,
            _CHOSEN,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change how the charger acts towards the grid?",
        check=_check_choice,
    ),
)
