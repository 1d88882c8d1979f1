"""Functional block K: smart charging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.charging import following
from chargepoints.charging.plan import EXTERNAL
from chargepoints.charging.profile_messages import (
    arguments_of,
    period_rows_of,
    purpose_from,
    schedule_arguments,
)
from chargepoints.choices import CommandStatus, NeedsAnswer
from chargepoints.models import Command
from chargepoints.services import charging_profiles, charging_reports, external_limits
from chargepoints.services.charging_reports import ProfilesTold, Told
from chargepoints.services.external_limits import LimitCleared, LimitTold
from chargepoints.services.vehicle_charging import Answered, NeedsTold, ScheduleTold
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend, Effect
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201.charging_profiles import V201, Vocabulary, profile_of, purpose_of
from ocpp_gateway.wire.timestamps import parse_timestamp
from transactions.services import smart_charging

Payload = dict[str, Any]

#: All that a charger may have: a list of everything needs a criterion as well (K09.FR.03).
EVERY_SOURCE = ["CSO", "EMS", "SO", "Other"]
#: Profiles of one message that are kept.
MAX_PROFILES = 200


# ---------------------------------------------------------------- from the charger
def profiles_in(link: Link, payload: Payload) -> ProfilesTold:
    given = payload.get("chargingProfile")
    profiles = given if isinstance(given, Sequence) and not isinstance(given, str) else ()
    return ProfilesTold(
        **link.facts(),
        request_id=max(0, mapping.whole(payload.get("requestId"))),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        source=mapping.text(payload, "chargingLimitSource", 20),
        profiles=tuple(told for profile in profiles[:MAX_PROFILES] if (told := _told(profile)) is not None),
        is_last=payload.get("tbc") is not True,
    )


def _told(profile: Any) -> Told | None:
    try:
        return Told(
            number=mapping.whole(profile["id"]),
            transaction_id=mapping.text(profile, "transactionId", 36),
            content=arguments_of(profile),
            schedules=min(len(profile["chargingSchedule"]), 100),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None


def limit_in(link: Link, payload: Payload) -> LimitTold:
    limit = payload.get("chargingLimit")
    limit = limit if isinstance(limit, Mapping) else {}
    return LimitTold(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        source=mapping.text(limit, "chargingLimitSource", 20),
        is_grid_critical=limit.get("isGridCritical") is True,
        is_local_generation=limit.get("isLocalGeneration") is True,
        content=_limit_content(payload.get("chargingSchedule")),
    )


def _limit_content(schedules: Any) -> Payload | None:
    """The first schedule; it holds from when it is told, unless it says from when."""
    try:
        arguments = schedule_arguments(schedules[0])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None
    kind = "Absolute" if "start_schedule" in arguments else "Dynamic"
    return {"purpose": EXTERNAL, "kind": kind, **arguments}


def cleared_in(link: Link, payload: Payload) -> LimitCleared:
    place = payload.get("evseId")
    return LimitCleared(
        **link.facts(),
        source=mapping.text(payload, "chargingLimitSource", 20),
        connector_number=None if place is None else max(0, mapping.whole(place)),
    )


def needs_in(link: Link, payload: Payload) -> NeedsTold:
    needs = payload.get("chargingNeeds")
    needs = needs if isinstance(needs, Mapping) else {}
    tuples = payload.get("maxScheduleTuples")
    return NeedsTold(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        needs={name: value for name, value in needs.items() if name != "customData"},
        departure_at=mapping.timestamp(needs.get("departureTime")),
        max_tuples=None if tuples is None else max(0, mapping.whole(tuples)),
        at=mapping.status_timestamp(payload.get("timestamp")),
    )


def needs_out(done: Answered) -> Payload:
    """2.0.1 has one word for “no” (K15.FR.04)."""
    status = NeedsAnswer.REJECTED if done.status == NeedsAnswer.NO_PROFILE else done.status
    return answered(str(status), done.reason)


def schedule_in(link: Link, payload: Payload) -> ScheduleTold:
    schedule = payload.get("chargingSchedule")
    schedule = schedule if isinstance(schedule, Mapping) else {}
    try:
        periods = period_rows_of(schedule["chargingSchedulePeriod"])
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        periods = []
    starts_at = mapping.timestamp(schedule.get("startSchedule")) or mapping.timestamp(payload.get("timeBase"))
    selected = payload.get("selectedChargingScheduleId")
    return ScheduleTold(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        starts_at=starts_at,
        unit=mapping.text(schedule, "chargingRateUnit", 1),
        periods=tuple(periods),
        selected=None if selected is None else mapping.whole(selected),
    )


def schedule_out(done: Answered) -> Payload:
    return answered(done.status, done.reason)


def answered(status: str, reason: str, code: str = "NoProfile") -> Payload:
    """A status, with the reason why it is no “yes”."""
    if status in ("Accepted", "Processing") or not reason:
        return {"status": status}
    return {"status": status, "statusInfo": {"reasonCode": code, "additionalInfo": reason[:512]}}


def nothing_out(done: object) -> Payload:
    return {}


# ---------------------------------------------------------------- to the charger
def set_profile(vocabulary: Vocabulary, payload: Payload) -> Payload:
    """SetChargingProfile (K01)."""
    return {"evseId": payload.get("connector", 0), "chargingProfile": profile_of(payload, vocabulary)}


def clear_profile(vocabulary: Vocabulary, payload: Payload) -> Payload:
    """A number says it all; else at least one criterion (K10.FR.02)."""
    if "profile_id" in payload:
        return {"chargingProfileId": payload["profile_id"]}
    criteria = mapping.copied(payload, connector="evseId", stack_level="stackLevel")
    if "purpose" in payload:
        criteria["chargingProfilePurpose"] = purpose_of(payload["purpose"])
    if not criteria:
        raise CannotSend(
            f"{vocabulary.label} removes profiles by what they are: give a number, connector, purpose or level."
        )
    return {"chargingProfileCriteria": criteria}


def composite(payload: Payload) -> Payload:
    """GetCompositeSchedule (K08)."""
    return {
        "evseId": payload.get("connector", 0),
        **mapping.copied(payload, duration="duration", charging_rate_unit="chargingRateUnit"),
    }


def get_profiles(payload: Payload) -> Payload:
    """GetChargingProfiles; without anything given all of them (K09.FR.03)."""
    criteria = mapping.copied(payload, stack_level="stackLevel", limit_sources="chargingLimitSource")
    if "purpose" in payload:
        criteria["chargingProfilePurpose"] = purpose_of(payload["purpose"])
    if "profile_id" in payload:
        criteria = {"chargingProfileId": [payload["profile_id"]]}
    return {
        "requestId": payload["request_id"],
        **mapping.copied(payload, connector="evseId"),
        "chargingProfile": criteria or {"chargingLimitSource": EVERY_SOURCE},
    }


# ---------------------------------------------------------------- what answers tell
def _composite_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != "Accepted" or not isinstance(response.get("schedule"), Mapping):
        return ()
    return [partial(_keep_schedule, request, response["schedule"])]


def _keep_schedule(request: Payload, schedule: Payload, command: Command) -> None:
    try:
        rows = period_rows_of(schedule["chargingSchedulePeriod"])
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return
    charging_profiles.store_report(
        command,
        connector=max(0, mapping.whole(schedule.get("evseId"), mapping.whole(request.get("evseId")))),
        starts_at=parse_timestamp(schedule.get("scheduleStart")),
        duration=max(0, mapping.whole(schedule.get("duration"), mapping.whole(request.get("duration")))),
        unit=str(schedule.get("chargingRateUnit", "W")),
        periods=rows,
    )


def _tell_composite(response: Payload) -> str:
    schedule = response.get("schedule")
    if not isinstance(schedule, Mapping):
        return "" if response.get("status") != "Accepted" else "The charger named no schedule."
    start, unit = parse_timestamp(schedule.get("scheduleStart")), schedule.get("chargingRateUnit", "")
    parts = [_tell_period(period, unit) for period in (schedule.get("chargingSchedulePeriod") or ())[:50]]
    since = f"From {start:%Y-%m-%d %H:%M} UTC: " if start else ""
    return f"{since}{'; '.join(parts) or 'no limits'}."


def _tell_period(period: Mapping[str, Any], unit: object) -> str:
    seconds = mapping.whole(period.get("startPeriod"))
    hours, minutes = divmod(seconds // 60, 60)
    after = f"after {hours}:{minutes:02}:{seconds % 60:02} " if seconds else ""
    limit, setpoint = period.get("limit"), period.get("setpoint")
    figure = f"{limit} {unit}" if limit is not None else f"setpoint {setpoint} {unit}"
    if limit is None and setpoint is None:
        figure = str(period.get("operationMode", "no limit"))
    phases = period.get("numberPhases")
    return f"{after}{figure}{f' on {phases} phases' if phases else ''}"


def _clear_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    return [following.nothing_matched] if response.get("status") == "Unknown" else ()


def _get_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    keep = {"Accepted": charging_reports.begin, "NoProfiles": charging_reports.found_none}
    act = keep.get(str(response.get("status")))
    return [partial(_begin_report, act, request)] if act is not None else ()


def _begin_report(act: Any, request: Payload, command: Command) -> None:
    act(
        command,
        _criteria(request),
        max(0, mapping.whole(request.get("requestId"))),
        at=timezone.now(),
    )


def _criteria(request: Payload) -> Payload:
    """What was asked for, as arguments of get_charging_profiles; a raw order names several numbers at once."""
    wanted = request.get("chargingProfile")
    wanted = wanted if isinstance(wanted, Mapping) else {}
    criteria = mapping.copied(request, evseId="connector") | mapping.copied(wanted, stackLevel="stack_level")
    if purpose := wanted.get("chargingProfilePurpose"):
        criteria["purpose"] = purpose_from(str(purpose))
    if (sources := wanted.get("chargingLimitSource")) and sources != EVERY_SOURCE:
        criteria["limit_sources"] = list(sources)
    if numbers := wanted.get("chargingProfileId"):
        criteria["profile_ids"] = list(numbers)
    return criteria


def _status_of_get(response: Payload) -> CommandStatus:
    """That there is nothing is an answer."""
    accepted = response.get("status") in ("Accepted", "NoProfiles")
    return CommandStatus.ACCEPTED if accepted else CommandStatus.REJECTED


BLOCK = Block(
    actions={
        "ReportChargingProfiles": Action(profiles_in, charging_reports.PROFILES_TOLD, nothing_out),
        "NotifyChargingLimit": Action(limit_in, external_limits.LIMIT_TOLD, nothing_out),
        "ClearedChargingLimit": Action(cleared_in, external_limits.LIMIT_CLEARED, nothing_out),
        "NotifyEVChargingNeeds": Action(needs_in, smart_charging.NEEDS, needs_out),
        "NotifyEVChargingSchedule": Action(schedule_in, smart_charging.SCHEDULE, schedule_out),
    },
    calls={
        "set_charging_profile": sent_as("SetChargingProfile", partial(set_profile, V201)),
        "clear_charging_profile": sent_as("ClearChargingProfile", partial(clear_profile, V201)),
        "get_composite_schedule": sent_as("GetCompositeSchedule", composite),
        "get_charging_profiles": sent_as("GetChargingProfiles", get_profiles),
    },
    status_of={"GetChargingProfiles": _status_of_get},
    sentences={
        ("SetChargingProfile", "Rejected"): "The charger does not take this profile.",
        ("ClearChargingProfile", "Unknown"): "The charger has no such profile.",
        ("GetCompositeSchedule", "Rejected"): "The charger cannot say what it will do.",
        ("GetChargingProfiles", "Accepted"): "The charger tells its profiles; they appear on its page.",
        ("GetChargingProfiles", "NoProfiles"): "The charger has no such profile.",
    },
    tell={"GetCompositeSchedule": _tell_composite},
    effects={
        "GetCompositeSchedule": _composite_effects,
        "ClearChargingProfile": _clear_effects,
        "GetChargingProfiles": _get_effects,
    },
)
