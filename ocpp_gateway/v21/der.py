"""Functional block R: controls for the grid (DER)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chargepoints import der
from chargepoints.services import der_reports
from chargepoints.services.der_reports import Choice, Control, DerAlarm, DerReport, DerStartStop
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, ToCall
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import Effect
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201.display import nothing_out

Payload = dict[str, Any]

_MAX_SUPERSEDED = 24

# Ours → theirs, by member of SetDERControlRequest; a pair is a member of a member.
_CURVE: dict[str, tuple[str, ...]] = {
    "y_unit": ("yUnit",),
    "response_time": ("responseTime",),
    "hysteresis_high": ("hysteresis", "hysteresisHigh"),
    "hysteresis_low": ("hysteresis", "hysteresisLow"),
    "hysteresis_delay": ("hysteresis", "hysteresisDelay"),
    "hysteresis_gradient": ("hysteresis", "hysteresisGradient"),
    "v_ref": ("reactivePowerParams", "vRef"),
    "autonomous_v_ref": ("reactivePowerParams", "autonomousVRefEnable"),
    "autonomous_v_ref_time": ("reactivePowerParams", "autonomousVRefTimeConstant"),
    "mean_voltage_limit": ("voltageParams", "hv10MinMeanValue"),
    "mean_voltage_delay": ("voltageParams", "hv10MinMeanTripDelay"),
    "power_during_cessation": ("voltageParams", "powerDuringCessation"),
}
_POWER_FACTOR: dict[str, tuple[str, ...]] = {"displacement": ("displacement",), "excitation": ("excitation",)}
_MEMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "curve": _CURVE,
    "freqDroop": {
        "over_frequency": ("overFreq",),
        "under_frequency": ("underFreq",),
        "over_droop": ("overDroop",),
        "under_droop": ("underDroop",),
        "response_time": ("responseTime",),
    },
    "fixedPFAbsorb": _POWER_FACTOR,
    "fixedPFInject": _POWER_FACTOR,
    "fixedVar": {"setpoint": ("setpoint",), "unit": ("unit",)},
    "limitMaxDischarge": {"percent": ("pctMaxDischargePower",)},
    "enterService": {
        "high_voltage": ("highVoltage",),
        "low_voltage": ("lowVoltage",),
        "high_frequency": ("highFreq",),
        "low_frequency": ("lowFreq",),
        "delay": ("delay",),
        "random_delay": ("randomDelay",),
        "ramp_rate": ("rampRate",),
    },
    "gradient": {"gradient": ("gradient",), "soft_gradient": ("softGradient",)},
}
#: Type → member, for those that are no curve (R04.FR.16).
_MEMBER_OF = {
    "FreqDroop": "freqDroop",
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "LimitMaxDischarge": "limitMaxDischarge",
    "EnterService": "enterService",
    "Gradients": "gradient",
}
_TYPE_OF = {member: kind for kind, member in _MEMBER_OF.items()}
#: The member of a reported control that holds its parameters, where it is not named as the list.
_INNER = {"fixedPFAbsorb": "fixedPF", "fixedPFInject": "fixedPF"}


# ---------------------------------------------------------------- our commands
def _set(kind: str | Callable[[Payload], str]) -> ToCall:
    """SetDERControl of one type, or of that which the arguments name."""

    def convert(payload: Payload) -> tuple[str, Payload]:
        control_type = kind if isinstance(kind, str) else kind(payload)
        member = _MEMBER_OF.get(control_type, "curve")
        inner = {
            "priority": payload["priority"],
            **_nested(payload, _MEMBERS[member]),
            **mapping.times(payload, starts_at="startTime"),
            **mapping.copied(payload, duration_s="duration"),
        }
        if member == "curve":
            inner["curveData"] = [{"x": point["x"], "y": point["y"]} for point in payload["points"]]
        call = {
            "isDefault": "starts_at" not in payload,
            "controlId": payload["control_id"],
            "controlType": control_type,
            member: inner,
        }
        return "SetDERControl", call

    return convert


def _nested(payload: Payload, names: Mapping[str, tuple[str, ...]]) -> Payload:
    found: Payload = {}
    for ours, path in names.items():
        if payload.get(ours) is not None:
            place = found if len(path) == 1 else found.setdefault(path[0], {})
            place[path[-1]] = payload[ours]
    return found


def _power_factor(payload: Payload) -> str:
    return "FixedPFAbsorb" if payload["direction"] == "absorb" else "FixedPFInject"


_CHOICE = {"is_default": "isDefault", "control_type": "controlType", "control_id": "controlId"}


# ---------------------------------------------------------------- what the charger says
def _control(member: str, inner: Mapping[str, Any], **known: Any) -> Control:
    """A control as the domain has it, of the member that describes it."""
    get = inner.get
    content = {
        ours: _plain(value)
        for ours, path in _MEMBERS[member].items()
        if (value := _at(inner, path)) is not None
    }
    points = get("curveData")
    if isinstance(points, Sequence) and not isinstance(points, str):
        content["points"] = [
            {"x": _plain(point.get("x")), "y": _plain(point.get("y"))}
            for point in points[:10]
            if isinstance(point, Mapping)
        ]
    duration = get("duration")
    return Control(
        priority=max(0, mapping.whole(get("priority"))),
        starts_at=mapping.timestamp(get("startTime")),
        duration_s=None if duration is None else float(duration),
        content=content,
        **known,
    )


def _at(inner: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = inner
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _plain(value: Any) -> Any:
    return (
        value[:64]
        if isinstance(value, str)
        else value
        if isinstance(value, bool | int | float)
        else str(value)
    )


def report_in(link: Link, payload: Payload) -> DerReport:
    controls: list[Control] = []
    for member in _MEMBERS:
        for item in (payload.get(member) or ())[: der_reports.MAX_PART]:
            inner = item.get(_INNER.get(member, member))
            if isinstance(inner, Mapping):
                kind = mapping.text(item, "curveType", 40) if member == "curve" else _TYPE_OF[member]
                # Of these there are only default ones, and the message does not say so (R04.FR.14).
                is_default = kind in der.DEFAULT_ONLY or item.get("isDefault") is True
                controls.append(
                    _control(
                        member,
                        inner,
                        control_id=mapping.text(item, "id", 36),
                        control_type=kind,
                        is_default=is_default,
                        is_superseded=item.get("isSuperseded") is True,
                    )
                )
    return DerReport(
        **link.facts(),
        request_id=mapping.whole(payload.get("requestId"), -1),
        controls=controls,
        is_last=payload.get("tbc") is not True,
    )


def alarm_in(link: Link, payload: Payload) -> DerAlarm:
    return DerAlarm(
        **link.facts(),
        control_type=mapping.text(payload, "controlType", 40),
        fault=mapping.text(payload, "gridEventFault", 20),
        is_end=payload.get("alarmEnded") is True,
        at=mapping.timestamp(payload.get("timestamp")),
        info=mapping.text(payload, "extraInfo", 200),
    )


def start_stop_in(link: Link, payload: Payload) -> DerStartStop:
    return DerStartStop(
        **link.facts(),
        control_id=mapping.text(payload, "controlId", 36),
        is_start=payload.get("started") is True,
        at=mapping.timestamp(payload.get("timestamp")),
        superseded_ids=_ids(payload),
    )


def _ids(payload: Mapping[str, Any]) -> list[str]:
    given = payload.get("supersededIds") or ()
    return [str(item)[:36] for item in given[:_MAX_SUPERSEDED]] if not isinstance(given, str) else []


# ---------------------------------------------------------------- answers
def _set_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    kind = mapping.text(request, "controlType", 40)
    member = _MEMBER_OF.get(kind, "curve")
    inner = request.get(member)
    if response.get("status") != "Accepted" or not isinstance(inner, Mapping):
        return ()
    superseded = _ids(response)
    control = _control(
        member,
        inner,
        control_id=mapping.text(request, "controlId", 36),
        control_type=kind,
        is_default=request.get("isDefault") is True,
    )
    return [partial(der_reports.taken, control=control, superseded=superseded)]


def _choice(request: Payload) -> Choice:
    is_default = request.get("isDefault")
    return Choice(
        is_default=is_default if isinstance(is_default, bool) else None,
        control_type=mapping.text(request, "controlType", 40),
        control_id=mapping.text(request, "controlId", 36),
    )


def _clear_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") not in ("Accepted", "NotFound"):
        return ()
    return [partial(der_reports.cleared, choice=_choice(request))]


def _get_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    act = {"Accepted": der_reports.asked, "NotFound": der_reports.nothing_held}
    found = act.get(str(response.get("status")))
    number = mapping.whole(request.get("requestId"), -1)
    return [partial(found, request_id=number, choice=_choice(request))] if found is not None else ()


def _tell_superseded(response: Payload) -> str:
    ids = _ids(response)
    return f"No longer counted: {', '.join(ids)}." if ids else ""


SENTENCES = {
    ("SetDERControl", "NotSupported"): "The charger does not know controls of this type.",
    ("SetDERControl", "Rejected"): "The charger does not take this control.",
    ("GetDERControl", "Accepted"): "The charger tells its controls one after the other.",
    ("GetDERControl", "NotFound"): "The charger holds no such controls.",
    ("GetDERControl", "NotSupported"): "The charger does not know controls of this type.",
    ("ClearDERControl", "NotFound"): "The charger holds no such controls.",
    ("ClearDERControl", "NotSupported"): "The charger does not know controls of this type.",
}

BLOCK = Block(
    actions={
        "ReportDERControl": Action(report_in, der_reports.REPORT, nothing_out),
        "NotifyDERAlarm": Action(alarm_in, der_reports.ALARM, nothing_out),
        "NotifyDERStartStop": Action(start_stop_in, der_reports.START_STOP, nothing_out),
    },
    calls={
        "set_der_curve": _set(lambda payload: str(payload["control_type"])),
        "set_der_droop": _set("FreqDroop"),
        "set_der_power_factor": _set(_power_factor),
        "set_der_reactive_power": _set("FixedVar"),
        "set_der_discharge_limit": _set("LimitMaxDischarge"),
        "set_der_enter_service": _set("EnterService"),
        "set_der_gradients": _set("Gradients"),
        "get_der_control": lambda payload: (
            "GetDERControl",
            mapping.copied(payload, request_id="requestId", **_CHOICE),
        ),
        "clear_der_control": lambda payload: ("ClearDERControl", mapping.copied(payload, **_CHOICE)),
    },
    sentences=SENTENCES,
    tell={"SetDERControl": _tell_superseded},
    effects={
        "SetDERControl": _set_effects,
        "GetDERControl": _get_effects,
        "ClearDERControl": _clear_effects,
    },
    asks_for={"GetDERControl": lambda request: "ReportDERControl"},
)
