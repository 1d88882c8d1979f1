"""What a charger is to do by the profiles that it holds as far as we know; reads rows, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from chargepoints.charging.composite import Slice, Standing, composite
from chargepoints.charging.plan import TX, Plan
from chargepoints.charging.running import RunningSession
from chargepoints.choices import AssignmentState
from chargepoints.models import ChargePoint, ChargingProfileAssignment, ReportedSchedule

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
    rows: Sequence[ChargingProfileAssignment], session: RunningSession | None
) -> list[Standing]:
    """The profiles as the calculator takes them; of a session only those for the one that runs."""
    return [
        Standing(
            plan=row.plan,
            connector=row.connector_number,
            since=row.since,
            name=row.name,
        )
        for row in rows
        if row.purpose != TX or _is_for(row, session)
    ]


def _is_for(row: ChargingProfileAssignment, session: RunningSession | None) -> bool:
    return session is not None and row.transaction_number in ("", session.transaction_id)


def computed(
    rows: Sequence[ChargingProfileAssignment],
    *,
    connector: int,
    start: datetime,
    duration: timedelta,
    unit: str,
    session: RunningSession | None,
) -> list[Slice]:
    """The composite schedule of a connector by the profiles that stand there."""
    return composite(
        standings_for(rows, session),
        connector=connector,
        start=start,
        end=start + duration,
        unit=unit,
        voltage=settings.CHARGING_LINE_VOLTAGE,
        session_start=session.started_at if session is not None else None,
    )


def preview(plan: Plan, *, start: datetime, duration: timedelta, unit: str) -> list[Slice]:
    """What a profile alone would allow a session that begins at `start`."""
    connector = 0 if plan.purpose == "ChargePointMaxProfile" else 1
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
