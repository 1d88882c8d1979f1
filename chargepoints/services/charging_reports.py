"""Which charging profiles a charger says it has (2.0.1 K09), collected from reports that come in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.transaction import atomic

from chargepoints.charging.plan import TX, Plan, Unreadable
from chargepoints.choices import AssignmentState, ProfileReportState
from chargepoints.models import (
    ChargePoint,
    ChargingProfileAssignment,
    Command,
    ProfileReport,
    ReportedProfile,
)
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common import events

#: A report that stays silent for this long has broken off: its parts have no numbers, and the last may be lost.
SILENCE = timedelta(seconds=60)
#: What is kept of one charger.
MAX_PROFILES, MAX_REPORTS = 500, 20
#: What a source calls profiles that were set by us.
OURS = "CSO"
BY_OTHERS = "Set by others."


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A profile as the charger tells it.

    content    arguments of set_charging_profile, of its first schedule
    schedules  how many it has
    """

    number: int
    transaction_id: str
    content: dict[str, Any]
    schedules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilesTold(FromCharger):
    """ReportChargingProfiles: a part; `is_last` when none follows.  A part is about one place and one source."""

    request_id: int
    connector_number: int
    source: str
    profiles: tuple[Told, ...]
    is_last: bool


@atomic
def begin(command: Command, criteria: Mapping[str, Any], request_id: int, *, at: datetime) -> None:
    """The charger has agreed to tell."""
    report, is_new = ProfileReport.objects.get_or_create(
        charge_point_id=command.charge_point_id,
        request_id=request_id,
        defaults={
            "tenant_id": command.tenant_id,
            "criteria": dict(criteria),
            "asked_at": at,
            "command": command,
        },
    )
    if not is_new:  # the first part has overtaken the answer
        report.criteria, report.command = dict(criteria), command
        report.save(update_fields=["criteria", "command"])
        if report.state == ProfileReportState.COMPLETE:
            _settle(report, at)
    _forget_old(command.charge_point_id)


def found_none(command: Command, criteria: Mapping[str, Any], request_id: int, *, at: datetime) -> None:
    """The charger has nothing of what it was asked for."""
    begin(command, criteria, request_id, at=at)
    report = ProfileReport.objects.get(charge_point_id=command.charge_point_id, request_id=request_id)
    _finish(report, at)


def decide_profiles(request: ProfilesTold, batch: StationBatch) -> None:
    """Keep a part of a report, also of one that nobody asked for; the last completes it.  A repeat changes nothing."""
    batch.charge_point(request.charge_point_id)  # one that was deleted tells nothing
    report, _ = ProfileReport.objects.get_or_create(
        charge_point_id=request.charge_point_id,
        request_id=request.request_id,
        defaults={"tenant_id": request.tenant_id, "asked_at": request.received_at},
    )
    known = ReportedProfile.objects.filter(charge_point_id=request.charge_point_id)
    room = MAX_PROFILES - known.exclude(report=report).count()
    rows = [_row(request, report, told) for told in request.profiles[: max(room, 0)]]
    unique = {row.profile_number: row for row in rows}
    ReportedProfile.objects.bulk_create(
        unique.values(),
        update_conflicts=True,
        unique_fields=["charge_point", "connector_number", "source", "profile_number"],
        update_fields=[
            "report",
            "purpose",
            "stack_level",
            "transaction_number",
            "content",
            "schedules",
            "reported_at",
        ],
    )
    ProfileReport.objects.filter(pk=report.pk).update(parts=F("parts") + 1, last_part_at=request.received_at)
    if request.is_last:
        _finish(report, request.received_at)


def _row(request: ProfilesTold, report: ProfileReport, told: Told) -> ReportedProfile:
    return ReportedProfile(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        report=report,
        connector_number=request.connector_number,
        profile_number=told.number,
        source=request.source,
        purpose=str(told.content.get("purpose", ""))[:40],
        stack_level=min(max(int(told.content.get("stack_level") or 0), 0), 2**31 - 1),
        transaction_number=told.transaction_id,
        content=told.content,
        schedules=told.schedules,
        reported_at=request.received_at,
    )


def _finish(report: ProfileReport, at: datetime) -> None:
    """All is told."""
    rows = ProfileReport.objects.filter(pk=report.pk).exclude(state=ProfileReportState.COMPLETE)
    is_news = rows.update(state=ProfileReportState.COMPLETE, ended_at=at)
    if report.command_id is not None:
        _settle(report, at)
    if is_news:
        events.record(
            "charging_profiles.reported",
            tenant_id=report.tenant_id,
            object_type="charge_point",
            object_id=report.charge_point_id,
            charge_point=report.charge_point.identity,
            data={"request_id": report.request_id, "profiles": report.profiles.count()},
            at=at,
        )


def _settle(report: ProfileReport, at: datetime) -> None:
    """What the charger did not name of what it was asked for is not there."""
    asked = _asked(ReportedProfile.objects.filter(charge_point_id=report.charge_point_id), report)
    asked.exclude(report=report).delete()
    _follow(report, at)


def _asked(rows: QuerySet[Any], report: ProfileReport) -> QuerySet[Any]:
    """The rows that a report was asked for."""
    names = {
        "connector": "connector_number",
        "purpose": "purpose",
        "stack_level": "stack_level",
        "profile_ids": "profile_number__in",
        "limit_sources": "source__in",
    }
    given = {names[name]: value for name, value in report.criteria.items() if name in names}
    return rows.filter(**given)


def _follow(report: ProfileReport, at: datetime) -> None:
    """What we believe of our own profiles, brought to what the charger says.

    One that it does not name is doubted, not ended: chargers have been seen to leave some out.
    """
    sources = report.criteria.get("limit_sources")
    if sources is not None and OURS not in sources:
        return
    told = {(row.profile_number, row.connector_number) for row in report.profiles.filter(source=OURS)}
    named = ChargingProfileAssignment.objects.filter(charge_point_id=report.charge_point_id)
    criteria = {name: value for name, value in report.criteria.items() if name != "limit_sources"}
    held = _asked(named, ProfileReport(criteria=criteria))
    active = held.filter(state=AssignmentState.ACTIVE, since__lt=report.asked_at)
    missing = [row.pk for row in active if (row.profile_number, row.connector_number) not in told]
    found = [
        row.pk
        for row in held.filter(state=AssignmentState.UNKNOWN)
        if (row.profile_number, row.connector_number) in told
    ]
    rows = ChargingProfileAssignment.objects
    rows.filter(pk__in=missing, state=AssignmentState.ACTIVE).update(
        state=AssignmentState.UNKNOWN, since=at, updated_at=at, note="The charger did not list it."
    )
    rows.filter(pk__in=found, state=AssignmentState.UNKNOWN).update(
        state=AssignmentState.ACTIVE, since=at, updated_at=at, note="The charger has listed it."
    )


def _forget_old(charge_point_id: int) -> None:
    """The latest reports are kept, and those whose profiles are shown."""
    rows = ProfileReport.objects.filter(charge_point_id=charge_point_id, profiles=None)
    old = list(rows.order_by("-asked_at").values_list("pk", flat=True)[MAX_REPORTS : MAX_REPORTS + 200])
    if old:
        ProfileReport.objects.filter(pk__in=old).delete()


def end_silent(now: datetime) -> int:
    """End the reports whose rest does not come; what has come stays.  A job."""
    silent = ProfileReport.objects.filter(state=ProfileReportState.OPEN, asked_at__lt=now - SILENCE)
    return silent.exclude(last_part_at__gte=now - SILENCE).update(
        state=ProfileReportState.INCOMPLETE, ended_at=now
    )


# --- beside ours ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A profile that the charger says it has, beside what we believe; `verdict` is for people."""

    told: ReportedProfile
    plan: Plan | None
    verdict: str
    is_as_ours: bool


def compared(charge_point: ChargePoint) -> list[Compared]:
    """What the charger says it has, each compared with ours."""
    told: Sequence[ReportedProfile] = list(
        ReportedProfile.objects.filter(charge_point=charge_point).select_related("report")[:MAX_PROFILES]
    )
    rows = ChargingProfileAssignment.objects.filter(charge_point=charge_point, state=AssignmentState.ACTIVE)
    ours = {(row.connector_number, row.profile_number): row for row in rows.select_related("profile")}
    return [_compare(one, ours.get((one.connector_number, one.profile_number))) for one in told]


def _compare(told: ReportedProfile, ours: ChargingProfileAssignment | None) -> Compared:
    try:
        plan = told.plan
    except Unreadable:
        return Compared(told=told, plan=None, verdict="Cannot be read.", is_as_ours=False)
    if told.source != OURS:
        return Compared(told=told, plan=plan, verdict=BY_OTHERS, is_as_ours=True)
    if ours is None:
        return Compared(told=told, plan=plan, verdict="Not known here.", is_as_ours=False)
    is_same = says_the_same(plan, ours.plan_now)
    verdict = "As we have set it." if is_same else "Differs from what we have set."
    return Compared(told=told, plan=plan, verdict=verdict, is_as_ours=is_same)


def says_the_same(told: Plan, ours: Plan) -> bool:
    """Whether a charger has what we sent; it may leave out what is usual, and say when something began."""
    periods = [(one.start_period, one.cap, one.number_phases or 3) for one in told.periods]
    return (
        told.purpose == ours.purpose
        and told.stack_level == ours.stack_level
        and told.charging_rate_unit == ours.charging_rate_unit
        and periods == [(one.start_period, one.cap, one.number_phases or 3) for one in ours.periods]
        and (told.valid_to is None or told.valid_to == ours.valid_to or ours.purpose == TX)
    )


PROFILES_TOLD: Act[ProfilesTold, StationBatch] = Act(
    decide_profiles, lambda request, batch: batch.want_charge_point(request.charge_point_id)
)
