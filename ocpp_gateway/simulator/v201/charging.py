"""Charging profiles in the words of 2.x (2.0.1 part 2, block K).

The arithmetic is that of all versions (`Profiles`): a profile is kept in its form, with its own beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.profiles import Installed
from ocpp_gateway.simulator.v201.places import find_evse, rejected
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

UNLIMITED_W = 10_000_000
_WHOLE = "ChargePointMaxProfile"
#: Purposes of 2.x → that of the arithmetic.
_PURPOSES = {
    "ChargingStationMaxProfile": _WHOLE,
    "ChargingStationExternalConstraints": _WHOLE,
    "TxDefaultProfile": "TxDefaultProfile",
    "TxProfile": "TxProfile",
    "PriorityCharging": "PriorityCharging",
    "LocalGeneration": "LocalGeneration",
}
#: Levels by which external limits stay apart from those of the CSMS.
_EXTERNAL_LEVEL = 1000


def neutral(profile: Payload) -> Payload:
    """A ChargingProfileType as the arithmetic wants it; its first schedule is the one that is used."""
    schedule = dict(profile["chargingSchedule"][0])
    schedule["chargingSchedulePeriod"] = [
        {**period, "limit": max(0.0, _limit(period))} for period in schedule["chargingSchedulePeriod"]
    ]
    purpose, level = profile["chargingProfilePurpose"], int(profile["stackLevel"])
    if purpose == "ChargingStationExternalConstraints":
        level += _EXTERNAL_LEVEL
    return {
        **profile,
        "chargingProfileId": profile["id"],
        "chargingProfilePurpose": _PURPOSES[purpose],
        "chargingProfileKind": {"Dynamic": "Absolute"}.get(
            profile["chargingProfileKind"], profile["chargingProfileKind"]
        ),
        "stackLevel": level,
        "chargingSchedule": schedule,
        "original": profile,
    }


def _limit(period: Payload) -> float:
    limit = period.get("limit", period.get("setpoint"))
    return float(UNLIMITED_W if limit is None else limit)


def profile_refusal(cp: ChargePoint201, evse: int, profile: Payload, *, is_new: bool = False) -> str:
    """The reason code for a profile that cannot be used, "" for a good one (K01).

    is_new   it comes with the start of its transaction
    """
    purpose = profile["chargingProfilePurpose"]
    if evse and find_evse(cp, evse) is None:
        return "UnknownEvse"
    if purpose not in cp.profile_purposes or (purpose == "ChargingStationMaxProfile" and evse != 0):
        return "InvalidProfile"
    if purpose == "TxProfile" and not is_new:
        session = cp.find_session(profile.get("transactionId"))
        if session is None or session.connector != evse:
            return "TxNotFound"
    elif is_new and purpose != "TxProfile":
        return "InvalidProfile"
    if profile["stackLevel"] > cp.device.integer("SmartChargingCtrlr", "ProfileStackLevel"):
        return "InvalidStackLevel"
    most = cp.device.integer("SmartChargingCtrlr", "PeriodsPerSchedule")
    for schedule in profile["chargingSchedule"]:
        periods = schedule["chargingSchedulePeriod"]
        if len(periods) > most or periods[0]["startPeriod"] != 0:
            return "InvalidSchedule"
    return "DuplicateProfile" if _has_rival(cp, evse, profile) else ""


def _has_rival(cp: ChargePoint201, evse: int, profile: Payload) -> bool:
    """Another profile of the same level and purpose at the same place (K01.FR.39)."""
    place = (evse, profile["chargingProfilePurpose"], profile["stackLevel"])
    return any(
        (each.connector, original["chargingProfilePurpose"], original["stackLevel"]) == place
        and original["id"] != profile["id"]
        and original.get("transactionId") == profile.get("transactionId")
        for each in cp.profiles
        for original in [each.profile["original"]]
    )


def set_charging_profile(cp: ChargePoint201, payload: Payload) -> Answer:
    evse, profile = int(payload["evseId"]), payload["chargingProfile"]
    if not cp.device.flag("SmartChargingCtrlr", "Enabled"):
        return rejected("NotEnabled")
    reason = profile_refusal(cp, evse, profile)
    if reason:
        return rejected(reason)
    cp.install_profile(evse, profile)
    return status("Accepted", cp.after_profile(evse, profile))


def clear_charging_profile(cp: ChargePoint201, payload: Payload) -> Answer:
    """External limits are not the CSMS's to clear (K10.FR.06)."""
    criteria = payload.get("chargingProfileCriteria") or {}
    if payload.get("chargingProfileId") is not None:
        criteria = {}

    def is_meant(each: Installed) -> bool:
        original = each.profile["original"]
        return (
            original["chargingProfilePurpose"] != "ChargingStationExternalConstraints"
            and payload.get("chargingProfileId") in (None, original["id"])
            and criteria.get("evseId") in (None, each.connector)
            and criteria.get("chargingProfilePurpose") in (None, original["chargingProfilePurpose"])
            and criteria.get("stackLevel") in (None, original["stackLevel"])
        )

    cp.draw_all()
    removed = cp.profiles.remove(is_meant)
    return status("Accepted", cp.report_pauses()) if removed else status("Unknown")


def get_charging_profiles(cp: ChargePoint201, payload: Payload) -> Answer:
    wanted = payload["chargingProfile"]
    found: dict[tuple[int, str], list[Payload]] = {}
    for each in cp.profiles:
        original, source = each.profile["original"], each.profile.get("source", "CSO")
        if (
            payload.get("evseId") in (None, each.connector)
            and wanted.get("chargingProfilePurpose") in (None, original["chargingProfilePurpose"])
            and wanted.get("stackLevel") in (None, original["stackLevel"])
            and original["id"] in wanted.get("chargingProfileId", [original["id"]])
            and source in wanted.get("chargingLimitSource", [source])
        ):
            found.setdefault((each.connector, source), []).append(original)
    if not found:
        return status("NoProfiles")
    return status("Accepted", _report(cp, int(payload["requestId"]), found))


async def _report(cp: ChargePoint201, request_id: int, found: dict[tuple[int, str], list[Payload]]) -> None:
    for number, ((evse, source), profiles) in enumerate(found.items(), start=1):
        message = {
            "requestId": request_id,
            "chargingLimitSource": source,
            "evseId": evse,
            "tbc": number < len(found),
            "chargingProfile": profiles,
        }
        await cp.notify("ReportChargingProfiles", message)


def get_composite_schedule(cp: ChargePoint201, payload: Payload) -> Answer:
    evse, duration_s = int(payload["evseId"]), int(payload["duration"])
    if evse and find_evse(cp, evse) is None:
        return rejected("UnknownEvse")
    now, unit = cp.clock.now(), payload.get("chargingRateUnit", "W")
    periods: list[dict[str, Any]] = cp.profiles.composite(
        connector=evse,
        at=now,
        duration_s=duration_s,
        unit=unit,
        maximum_w=cp.station.power_w,
        session_starts={
            each.number: each.session.started_at if each.session is not None else None
            for each in cp.connectors[1:]
        },
    )
    schedule = {
        "evseId": evse,
        "duration": duration_s,
        "scheduleStart": format_timestamp(now),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }
    return Answer({"status": "Accepted", "schedule": schedule})


# ---------------------------------------------------------------- limits that do not come from the CSMS
async def limit_externally(cp: ChargePoint201, limit_w: float, *, source: str = "EMS") -> None:
    """An energy management system of the site limits the whole charge point (K12)."""
    schedule = {
        "id": 1,
        "startSchedule": format_timestamp(cp.clock.now()),
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_w}],
    }
    profile = {
        "id": 900_001,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargingStationExternalConstraints",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    cp.install_profile(0, profile, source=source)
    message: Payload = {"chargingLimit": {"chargingLimitSource": source}}
    if cp.device.flag("SmartChargingCtrlr", "NotifyChargingLimitWithSchedules"):
        message["chargingSchedule"] = [schedule]
    await cp.notify("NotifyChargingLimit", message)
    await cp.report_pauses()


async def release_external_limit(cp: ChargePoint201, *, source: str = "EMS") -> None:
    """The limit of the site is gone (K13)."""
    cp.draw_all()
    cp.profiles.remove(lambda each: each.profile.get("source") == source)
    await cp.notify("ClearedChargingLimit", {"chargingLimitSource": source})
    await cp.report_pauses()


async def tell_needs(cp: ChargePoint201, evse: int, *, energy_wh: int = 20_000) -> None:
    """The vehicle has said by ISO 15118 what it needs (K15); a schedule for it is told to the CSMS (K16)."""
    cp.limited_by[evse] = "needs"
    needs = {
        "requestedEnergyTransfer": "AC_three_phase",
        "acChargingParameters": {
            "energyAmount": energy_wh,
            "evMinCurrent": 6,
            "evMaxCurrent": 32,
            "evMaxVoltage": 400,
        },
    }
    await cp.notify("NotifyEVChargingNeeds", {"evseId": evse, "chargingNeeds": cp.charging_needs(needs)})


async def tell_schedule(cp: ChargePoint201, evse: int, profile: Payload) -> None:
    """The vehicle has chosen from the profile that answered its needs."""
    message = {
        "timeBase": format_timestamp(cp.clock.now()),
        "evseId": evse,
        "chargingSchedule": profile["chargingSchedule"][0],
    }
    await cp.notify("NotifyEVChargingSchedule", message)


HANDLERS = {
    "ClearChargingProfile": clear_charging_profile,
    "GetChargingProfiles": get_charging_profiles,
    "GetCompositeSchedule": get_composite_schedule,
    "SetChargingProfile": set_charging_profile,
}
