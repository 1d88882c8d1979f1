"""Priority, dynamic schedules, grid services and DER controls of a charge point of 2.1 (2.1 part 2, blocks K, Q, R)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, required_time, status
from ocpp_gateway.simulator.profiles import Installed
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer
from ocpp_gateway.simulator.v201.places import rejected
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v21.charge_point import ChargePoint21

MAX_CONTROLS = 100
#: Control types that have a form of their own; all others are curves. Field of SetDERControl, list and
#: field of ReportDERControl.
_FORMS = {
    "EnterService": ("enterService", "enterService", "enterService"),
    "FreqDroop": ("freqDroop", "freqDroop", "freqDroop"),
    "FixedPFAbsorb": ("fixedPFAbsorb", "fixedPFAbsorb", "fixedPF"),
    "FixedPFInject": ("fixedPFInject", "fixedPFInject", "fixedPF"),
    "FixedVar": ("fixedVar", "fixedVar", "fixedVar"),
    "Gradients": ("gradient", "gradient", "gradient"),
    "LimitMaxDischarge": ("limitMaxDischarge", "limitMaxDischarge", "limitMaxDischarge"),
}
_CURVE = ("curve", "curve", "curve")


# ---------------------------------------------------------------- priority and dynamic schedules
def use_priority_charging(cp: ChargePoint21, payload: Payload) -> Answer:
    session = cp.find_session(payload["transactionId"])
    if session is None:
        return rejected("TxNotFound")
    if not any(_purpose(each) == "PriorityCharging" for each in cp.profiles):
        return status("NoProfile")
    session.more["priority"] = payload["activate"]
    return status("Accepted", cp.report_pauses())


def _purpose(each: Installed) -> str:
    return str(each.profile["original"]["chargingProfilePurpose"])


def update_dynamic_schedule(cp: ChargePoint21, payload: Payload) -> Answer:
    if not apply_update(cp, int(payload["chargingProfileId"]), payload["scheduleUpdate"]):
        return rejected("NotFound")
    return status("Accepted", cp.report_pauses())


def apply_update(cp: ChargePoint21, profile_id: int, update: Payload) -> bool:
    """Write new figures into the one period of a dynamic profile; false if there is none (K28)."""
    for each in list(cp.profiles):
        original = each.profile["original"]
        if original["id"] == profile_id and original["chargingProfileKind"] == "Dynamic":
            schedule = original["chargingSchedule"][0]
            period = {**schedule["chargingSchedulePeriod"][0], **update}
            changed = {
                **original,
                "chargingSchedule": [{**schedule, "chargingSchedulePeriod": [period]}],
                "dynUpdateTime": format_timestamp(cp.clock.now()),
            }
            cp.install_profile(each.connector, changed)
            return True
    return False


async def pull_updates(cp: ChargePoint21, profile_id: int, interval_s: float) -> None:
    """Ask for new figures of a dynamic profile as long as there is one (K29)."""
    while True:
        await cp.clock.sleep(interval_s, name="dynamic")
        if not any(each.profile["original"]["id"] == profile_id for each in cp.profiles):
            return
        try:
            answer = await cp.call("PullDynamicScheduleUpdate", {"chargingProfileId": profile_id})
        except (CallFailed, NoAnswer):
            continue
        if answer.get("status") == "Accepted" and "scheduleUpdate" in answer:
            apply_update(cp, profile_id, answer["scheduleUpdate"])
            await cp.report_pauses()


def afrr_signal(cp: ChargePoint21, payload: Payload) -> Answer:
    """Used only while a profile leaves the frequency to the signal (Q08)."""
    for each in cp.profiles:
        period = each.profile["original"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]
        if period.get("operationMode") in ("LocalFrequency", "CentralFrequency"):
            cp.afrr = int(payload["signal"])
            return status("Accepted")
    return rejected("NotFound")


def allowed_energy_transfer(cp: ChargePoint21, payload: Payload) -> Answer:
    session = cp.find_session(payload["transactionId"])
    if session is None:
        return rejected("TxNotFound")
    session.more["energy_transfer"] = payload["allowedEnergyTransfer"]
    return status("Accepted")


# ---------------------------------------------------------------- DER controls
def set_der_control(cp: ChargePoint21, payload: Payload) -> Answer:
    """Keep a control; of one type the one with the lowest priority number rules (R04)."""
    kind, number = payload["controlType"], payload["controlId"]
    field = _FORMS.get(kind, _CURVE)[0]
    if field not in payload:
        return rejected("MissingParam")
    if number not in cp.controls and len(cp.controls) >= MAX_CONTROLS:
        return rejected("OutOfStorage")
    rivals = [
        each
        for each in cp.controls.values()
        if each["controlType"] == kind
        and each["isDefault"] == payload["isDefault"]
        and each["controlId"] != number
    ]
    own = payload[field].get("priority", 0)
    superseded = [each for each in rivals if each[field].get("priority", 0) > own]
    for each in superseded:
        each["superseded"] = True
    is_lower = any(each[field].get("priority", 0) < own for each in rivals)
    cp.controls[number] = {**payload, "superseded": is_lower}
    answer: Payload = {"status": "Accepted"}
    if superseded:
        answer["supersededIds"] = [each["controlId"] for each in superseded]
    starts_at = payload[field].get("startTime")
    return Answer(answer, _start(cp, number, starts_at) if starts_at is not None else None)


async def _start(cp: ChargePoint21, number: str, starts_at: str) -> None:
    """A control that begins later tells when it does (R04.FR.30)."""
    wait = (required_time(starts_at) - cp.clock.now()).total_seconds()
    await cp.clock.sleep(max(0.0, wait), name="der")
    if number in cp.controls:
        message = {"controlId": number, "started": True, "timestamp": format_timestamp(cp.clock.now())}
        await cp.notify("NotifyDERStartStop", message)


def _asked(cp: ChargePoint21, payload: Payload) -> list[Payload]:
    return [
        each
        for each in cp.controls.values()
        if payload.get("isDefault") in (None, each["isDefault"])
        and payload.get("controlType") in (None, each["controlType"])
        and payload.get("controlId") in (None, each["controlId"])
    ]


def get_der_control(cp: ChargePoint21, payload: Payload) -> Answer:
    found = _asked(cp, payload)
    if not found:
        return status("NotFound")
    return status("Accepted", _report(cp, int(payload["requestId"]), found))


async def _report(cp: ChargePoint21, request_id: int, controls: list[Payload]) -> None:
    for number, each in enumerate(controls, start=1):
        field, group, name = _FORMS.get(each["controlType"], _CURVE)
        row: Payload = {"id": each["controlId"], name: each[field]}
        if group not in ("enterService", "gradient"):
            row |= {"isDefault": each["isDefault"], "isSuperseded": each["superseded"]}
        if group == "curve":
            row["curveType"] = each["controlType"]
        message = {"requestId": request_id, "tbc": number < len(controls), group: [row]}
        await cp.notify("ReportDERControl", message)


def clear_der_control(cp: ChargePoint21, payload: Payload) -> Answer:
    found = _asked(cp, payload)
    for each in found:
        del cp.controls[each["controlId"]]
    return status("Accepted" if found else "NotFound")


async def raise_alarm(cp: ChargePoint21, kind: str, fault: str, *, ended: bool = False) -> None:
    """The grid has left the bounds of a control, or is back in them (R05)."""
    message = {
        "controlType": kind,
        "gridEventFault": fault,
        "alarmEnded": ended,
        "timestamp": format_timestamp(cp.clock.now()),
    }
    await cp.notify("NotifyDERAlarm", message)


HANDLERS = {
    "AFRRSignal": afrr_signal,
    "ClearDERControl": clear_der_control,
    "GetDERControl": get_der_control,
    "NotifyAllowedEnergyTransfer": allowed_energy_transfer,
    "SetDERControl": set_der_control,
    "UpdateDynamicSchedule": update_dynamic_schedule,
    "UsePriorityCharging": use_priority_charging,
}
