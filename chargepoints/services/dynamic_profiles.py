"""Charging profiles that change while they hold (2.1 K28, K29), priority (K21, K22), and sessions that resume (E17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.charging.details import UPDATES, plain_number, read_details
from chargepoints.charging.modes import period_problem
from chargepoints.charging.plan import TX, Period, Plan, Unreadable, period_rows
from chargepoints.charging.running import RunningSession
from chargepoints.choices import AssignmentState
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import ChargePoint, ChargingProfileAssignment, Command, PriorityCharging, Variable
from chargepoints.models.charging import OPEN_STATES
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common import audit, events

Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePulled(FromCharger):
    """PullDynamicScheduleUpdate: what is a dynamic profile to do now?"""

    profile_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityTold(FromCharger):
    """NotifyPriorityCharging: a session has priority, or has it no longer."""

    transaction_id: str
    is_active: bool


# --- what a dynamic profile is to do ---


def update(
    *,
    actor: Actor,
    assignment: ChargingProfileAssignment,
    values: Mapping[str, Any],
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> Command:
    """Tell a charger what a dynamic profile is to do from now on (K28.FR.06).

    values  limits and setpoints by name, as in `update_dynamic_schedule`; what is left out stays
    Raises  ProfileNotStanding, InvalidPayload, and what `commands.queue` raises
    """
    _checked(assignment, values)
    return commands.queue(
        actor=actor,
        charge_point=assignment.charge_point,
        action="update_dynamic_schedule",
        payload={"profile_id": assignment.profile_number, **values},
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )


def keep_for_pull(
    *, actor: Actor, assignment: ChargingProfileAssignment, values: Mapping[str, Any]
) -> ChargingProfileAssignment:
    """Keep what a dynamic profile is to do until its charger asks for it (K28.FR.07).

    Raises  PermissionRefused, ProfileNotStanding, InvalidPayload
    """
    require(actor, SEND_DANGEROUS, assignment)
    before = assignment.dynamic
    assignment.dynamic = _stored(_checked(assignment, values))
    assignment.save(update_fields=["dynamic", "updated_at"])
    changes = {"dynamic": [before, assignment.dynamic]}
    audit.record(actor, SEND_DANGEROUS, assignment.charge_point, changes=changes)
    return assignment


def _checked(assignment: ChargingProfileAssignment, values: Mapping[str, Any]) -> Values:
    """All that it is to do with these values.  Raises as said above."""
    if not assignment.is_open:
        raise errors.ProfileNotStanding
    if not assignment.is_dynamic:
        raise errors.InvalidPayload({"profile_id": "This profile is not dynamic: set it anew to change it."})
    try:
        given = read_details(values, UPDATES)
        plan = assignment.plan
        whole = values_of(assignment) | given
        problem = period_problem(_with(plan.periods[0], whole), plan.purpose)
    except (ValueError, ArithmeticError, TypeError) as error:
        raise errors.InvalidPayload({"payload": f"This is no limit or setpoint: {error}."}) from error
    if problem or not given:
        name, _, text = problem.partition(": ")
        raise errors.InvalidPayload({name or "payload": text or "Give at least one limit or setpoint."})
    return whole


def _with(period: Period, values: Values) -> Period:
    details = {name: value for name, value in values.items() if name != "limit"}
    return replace(period, limit=values.get("limit", period.limit), details=period.details | details)


def values_of(assignment: ChargingProfileAssignment) -> Values:
    """What a dynamic profile is to do now, by name: as it was set, or updated since.  Raises Unreadable"""
    period = assignment.plan.periods[0]
    own = read_details(period_rows([period])[0], UPDATES)
    return own | read_details(assignment.dynamic or {}, UPDATES)


def _stored(values: Values) -> Values:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def updated(command: Command, profile_number: int, values: Mapping[str, Any]) -> None:
    """The charger has taken an update."""
    for row in _dynamic(command.charge_point_id, profile_number):
        try:
            row.dynamic = _stored(values_of(row) | read_details(values, UPDATES))
        except (ValueError, ArithmeticError, TypeError):
            continue  # a raw order with what is no number
        row.dynamic_at = timezone.now()
        row.save(update_fields=["dynamic", "dynamic_at", "updated_at"])


def _dynamic(charge_point_id: int, profile_number: int) -> list[ChargingProfileAssignment]:
    """The dynamic profiles of this number that the charger may hold."""
    if not 0 <= profile_number < 2**31:
        return []
    rows: QuerySet[ChargingProfileAssignment] = ChargingProfileAssignment.objects.filter(
        charge_point_id=charge_point_id, profile_number=profile_number, state__in=OPEN_STATES
    ).select_related("charge_point", "profile")
    return [row for row in rows.order_by("connector_number") if row.is_dynamic]


def decide_pull(request: UpdatePulled, batch: StationBatch) -> Values | None:
    """What the profile is to do, as JSON numbers; None where there is no such dynamic profile (K28.FR.12)."""
    batch.charge_point(request.charge_point_id)
    for row in _dynamic(request.charge_point_id, request.profile_number):
        try:
            values = values_of(row)
        except (Unreadable, IndexError, ValueError, ArithmeticError):
            continue
        row.dynamic, row.dynamic_at = _stored(values), request.received_at
        row.save(update_fields=["dynamic", "dynamic_at", "updated_at"])
        return {name: plain_number(value) for name, value in values.items()}
    return None


# --- priority ---


def take_priority(request: PriorityTold, station: ChargePoint, session: RunningSession | None) -> None:
    """Keep whether a session has priority; of a session that nobody knows nothing is kept."""
    if session is None:
        return
    PriorityCharging.objects.update_or_create(
        charge_point_id=request.charge_point_id,
        transaction_number=session.transaction_id,
        defaults={
            "tenant_id": request.tenant_id,
            "connector_number": session.connector,
            "is_active": request.is_active,
            "changed_at": request.received_at,
        },
    )
    events.record(
        "session.priority",
        tenant_id=request.tenant_id,
        object_type="charge_point",
        object_id=request.charge_point_id,
        charge_point=station.identity,
        data={"transaction_id": session.transaction_id, "active": request.is_active},
        at=request.received_at,
    )


# --- sessions that resume ---


def resumed(charge_point_id: int, ocpp_id: str) -> int:
    """A session goes on after the charger has restarted: send it its profiles again, unless the charger keeps them.

    A charger tells by ChargingProfilePersistence[TxProfile] that it does (E17.FR.15, K01.FR.55).

    ocpp_id  of the session on the wire
    Returns  how many are sent
    """
    rows = ChargingProfileAssignment.objects.filter(
        charge_point_id=charge_point_id, purpose=TX, transaction_number=ocpp_id, state__in=OPEN_STATES
    ).select_related("charge_point")
    found = list(rows.order_by("stack_level")[:10])
    if not found or _keeps(charge_point_id):
        return 0
    return sum(_send_again(row) for row in found)


def _keeps(charge_point_id: int) -> bool:
    rows = Variable.objects.filter(
        charge_point_id=charge_point_id, name_key="chargingprofilepersistence", attribute="Actual"
    )
    told = {row.instance.casefold(): (row.value or "").strip().casefold() for row in rows[:20]}
    return told.get(TX.casefold()) == "true"


def _send_again(row: ChargingProfileAssignment) -> int:
    plan: Plan = row.plan_now
    payload = {
        "profile_id": row.profile_number,
        "connector": row.connector_number,
        "transaction_id": row.transaction_number,
        **plan.arguments(),
    }
    waiting = Command.objects.filter(pk=row.command_id, status="queued").exists() if row.command_id else False
    if row.state == AssignmentState.REQUESTED and waiting:
        return 0  # it is on its way
    try:
        commands.queue(
            actor=Actor.system("session resumed"),
            charge_point=row.charge_point,
            action="set_charging_profile",
            payload=payload,
            expires_in=600,
        )
    except errors.ChargePointsError:
        return 0  # the operator sees the profile in doubt
    return 1


UPDATE_PULLED: Act[UpdatePulled, StationBatch] = Act(
    decide_pull, lambda request, batch: batch.want_charge_point(request.charge_point_id)
)
