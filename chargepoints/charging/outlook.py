"""What a charger is to do by the profiles that it holds as far as we know; reads rows, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from chargepoints.charging.composite import Slice, Standing, composite
from chargepoints.charging.plan import (
    CHARGE_POINT_MAX,
    EXTERNAL,
    LOCAL_GENERATION,
    PRIORITY,
    TX,
    TX_DEFAULT,
    Plan,
    Unreadable,
)
from chargepoints.charging.running import RunningSession
from chargepoints.choices import AssignmentState
from chargepoints.models import (
    ChargePoint,
    ChargingProfileAssignment,
    ExternalLimit,
    PriorityCharging,
    ReportedSchedule,
)

#: Profiles of a charger that are looked at.
MAX_STANDING = 200


def assignments_of(charge_point: ChargePoint) -> QuerySet[ChargingProfileAssignment]:
    """Profiles of a charger, those that it may hold and those that it held, with what a list shows."""
    rows: QuerySet[ChargingProfileAssignment] = ChargingProfileAssignment.objects.filter(
        charge_point=charge_point
    ).select_related("charge_point", "profile", "command")
    return rows


def standing_profiles(charge_point: ChargePoint) -> list[ChargingProfileAssignment]:
    """What the charger holds: what it has accepted and nothing has ended."""
    rows = assignments_of(charge_point).filter(state=AssignmentState.ACTIVE)
    return list(rows.order_by("-id")[:MAX_STANDING])


def standings_for(
    rows: Sequence[ChargingProfileAssignment],
    session: RunningSession | None,
    *,
    priority: Set[str] = frozenset(),
) -> list[Standing]:
    """The profiles as the calculator takes them; of a session only those for the one that runs.

    priority  ids of the sessions that have it
    """
    return [
        Standing(
            plan=row.plan_now,
            connector=row.connector_number,
            # A dynamic profile counts from when it was last updated (2.1 K28.FR.15).
            since=max(row.since, row.dynamic_at) if row.dynamic_at is not None else row.since,
            name=row.name,
        )
        for row in rows
        if _takes_part(row, session, priority)
    ]


def _takes_part(row: ChargingProfileAssignment, session: RunningSession | None, priority: Set[str]) -> bool:
    if row.purpose == TX:
        return session is not None and row.transaction_number in ("", session.transaction_id)
    if row.purpose == PRIORITY:
        return session is not None and session.transaction_id in priority
    return True


def limits_of_others(charge_point: ChargePoint) -> list[Standing]:
    """What others have told the charger, as far as it has told what."""
    rows = ExternalLimit.objects.filter(charge_point=charge_point, cleared_at=None)
    found = []
    for row in rows:
        try:
            plan = row.plan
        except Unreadable:
            continue
        if plan is not None:
            purpose = LOCAL_GENERATION if row.is_local_generation else EXTERNAL
            found.append(
                Standing(
                    plan=replace(plan, purpose=purpose),
                    connector=row.connector_number,
                    since=row.since,
                    name=f"Limit of {row.source}",
                )
            )
    return found


def sessions_with_priority(charge_point: ChargePoint) -> frozenset[str]:
    """Ids of the sessions that have priority now, as the charger has told."""
    rows = PriorityCharging.objects.filter(charge_point=charge_point, is_active=True)
    return frozenset(rows.order_by("-changed_at").values_list("transaction_number", flat=True)[:MAX_STANDING])


def computed(
    rows: Sequence[ChargingProfileAssignment],
    *,
    connector: int,
    start: datetime,
    duration: timedelta,
    unit: str,
    session: RunningSession | None,
    others: Sequence[Standing] = (),
    priority: Set[str] = frozenset(),
) -> list[Slice]:
    """The composite schedule of a connector by the profiles that stand there, and by limits of others."""
    return composite(
        [*standings_for(rows, session, priority=priority), *others],
        connector=connector,
        start=start,
        end=start + duration,
        unit=unit,
        voltage=settings.CHARGING_LINE_VOLTAGE,
        session_start=session.started_at if session is not None else None,
    )


def preview(plan: Plan, *, start: datetime, duration: timedelta, unit: str) -> list[Slice]:
    """What a profile alone would allow a session that begins at `start`."""
    if plan.purpose in (PRIORITY, LOCAL_GENERATION):
        plan = replace(plan, purpose=TX_DEFAULT)  # alone it is drawn for itself
    connector = 0 if plan.purpose == CHARGE_POINT_MAX else 1
    return composite(
        [Standing(plan=plan, connector=connector, since=start)],
        connector=connector,
        start=start,
        end=start + duration,
        unit=unit,
        voltage=settings.CHARGING_LINE_VOLTAGE,
        session_start=start,
    )


def reports_of(charge_point: ChargePoint) -> dict[int, ReportedSchedule]:
    """What the charger last told, by connector."""
    return {row.connector_number: row for row in ReportedSchedule.objects.filter(charge_point=charge_point)}
