"""What vehicles need and plan (ISO 15118 over OCPP: 2.0.1 K15–K17, 2.1 K18–K20), and our answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from chargepoints.charging import outlook
from chargepoints.charging.composite import Slice
from chargepoints.charging.plan import AMPERE, WATT, Unreadable, read_periods
from chargepoints.charging.running import RunningSession
from chargepoints.charging.vehicle import USUAL, Needs, exceeds, horizon, plan_for, read_needs
from chargepoints.choices import NeedsAnswer
from chargepoints.errors import ChargePointsError, InvalidPayload
from chargepoints.models import ChargePoint, Command, Variable, VehicleNeeds
from chargepoints.models.charging import VEHICLE_NUMBERS
from chargepoints.services.batch import FromCharger
from chargepoints.services.charging_profiles import plan_vehicle
from csms_project.common import events

#: For how long a vehicle waits for a plan (K15.FR.08).
WAIT_S = 60
#: How often a vehicle of one session is asked for another schedule because of its own.
MAX_RENEGOTIATIONS = 3
_KILO = Decimal(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsTold(FromCharger):
    """NotifyEVChargingNeeds.

    needs  ChargingNeedsType as received
    at     when the vehicle said so, if that was earlier
    """

    connector_number: int
    needs: Mapping[str, Any]
    departure_at: datetime | None = None
    max_tuples: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTold(FromCharger):
    """NotifyEVChargingSchedule: what the vehicle will draw, from `starts_at` on."""

    connector_number: int
    starts_at: datetime | None
    unit: str
    periods: tuple[dict[str, Any], ...]
    selected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What is answered, and why not, in words."""

    status: str
    reason: str = ""


# --- needs ---


def take_needs(request: NeedsTold, station: ChargePoint, session: RunningSession | None) -> Answered:
    """Keep what a vehicle needs and send it a plan, if anything limits what it may draw.

    Accepted: the plan is on its way (K15.FR.03, K15.FR.07–08). NoChargingProfile: there is none (K18.FR.04), which
    2.0.1 calls Rejected (K15.FR.04). Rejected: it wants to charge in a way that is not allowed (K18.FR.22).
    """
    row = _row(request, session)
    row.needs = dict(request.needs)
    row.needs_at = request.at or request.received_at
    needs = _needs(row, request.departure_at, request.max_tuples)
    row.transfer, row.energy_wh, row.departure_at = needs.transfer, needs.energy_wh, request.departure_at
    row.max_tuples = request.max_tuples
    answer = _answer_needs(row, needs, station, session, request.received_at)
    row.answer, row.note = answer.status, answer.reason[:200]
    row.save()
    _record("vehicle.needs", request, station, {"answer": row.answer})
    return answer


def _row(request: NeedsTold | ScheduleTold, session: RunningSession | None) -> VehicleNeeds:
    """The row of the place; what an earlier session left there is gone."""
    row, _ = VehicleNeeds.objects.get_or_create(
        charge_point_id=request.charge_point_id,
        connector_number=request.connector_number,
        defaults={"tenant_id": request.tenant_id},
    )
    transaction_id = session.transaction_id if session is not None else ""
    if row.transaction_number != transaction_id:
        row = VehicleNeeds(
            pk=row.pk,
            tenant_id=row.tenant_id,
            charge_point_id=row.charge_point_id,
            connector_number=row.connector_number,
            transaction_number=transaction_id,
        )
        row._state.adding = False
    return row


def _needs(row: VehicleNeeds, departure_at: datetime | None, max_tuples: int | None) -> Needs:
    return read_needs(
        row.needs or {},
        departure_at=departure_at,
        max_tuples=_tuples(row.charge_point_id, max_tuples),
        voltage=settings.CHARGING_LINE_VOLTAGE,
    )


def _tuples(charge_point_id: int, told: int | None) -> int | None:
    """The least of what the vehicle and the charger take (SmartChargingCtrlr.PeriodsPerSchedule, K15.FR.07)."""
    row = Variable.objects.filter(
        charge_point_id=charge_point_id, name_key="periodsperschedule", attribute="Actual"
    ).first()
    value = (row.value or "").strip() if row is not None else ""
    own = int(value) if value.isdecimal() and 0 < len(value) < 6 else None
    given = [number for number in (told, own) if number]
    return min(given) if given else None


def _answer_needs(
    row: VehicleNeeds, needs: Needs, station: ChargePoint, session: RunningSession | None, now: datetime
) -> Answered:
    if session is None:
        return Answered(status=NeedsAnswer.NO_PROFILE, reason="No session is known there.")
    if row.allowed_transfers and needs.transfer not in row.allowed_transfers:
        return Answered(
            status=NeedsAnswer.REJECTED, reason=f"{needs.transfer} is not allowed in this session."
        )
    problem = _send_plan(row, needs, station, session, now)
    if problem is not None:
        return Answered(status=NeedsAnswer.NO_PROFILE, reason=problem)
    return Answered(status=NeedsAnswer.ACCEPTED, reason=row.note)


def _send_plan(
    row: VehicleNeeds, needs: Needs, station: ChargePoint, session: RunningSession, now: datetime
) -> str | None:
    """Queue the plan and say in `row.note` what it comes to; why there is none, otherwise."""
    start = now.replace(microsecond=0)
    end = horizon(needs, start)
    allowed = _allowed(station, row.connector_number, session, start, end, with_vehicle=False)
    voltage = settings.CHARGING_LINE_VOLTAGE
    made = plan_for(needs, allowed, start=start, stack_level=0, voltage=voltage)
    if made is None:
        return "Nothing limits this session, and the vehicle has not said what it can take."
    try:
        plan_vehicle(
            charge_point=station,
            connector=row.connector_number,
            transaction_id=session.transaction_id,
            plan=made.plan,
            expires_in=WAIT_S,
        )
    except InvalidPayload as error:
        return f"The plan could not be sent. {' '.join(error.errors.values())}"
    except ChargePointsError as error:
        return f"The plan could not be sent. {error}"
    row.note = _in_words(needs, made.energy_wh)[:200]
    return None


def _in_words(needs: Needs, energy_wh: Decimal) -> str:
    if needs.energy_wh is None or needs.departure_at is None:
        return "The vehicle may draw what is allowed."
    wanted, possible = needs.energy_wh / _KILO, energy_wh / _KILO
    if energy_wh >= needs.energy_wh:
        return f"Enough for the {wanted:.1f} kWh that it needs by then."
    return f"Only {possible:.1f} of {wanted:.1f} kWh until it leaves."


def _allowed(
    station: ChargePoint,
    connector: int,
    session: RunningSession,
    start: datetime,
    end: datetime,
    *,
    with_vehicle: bool,
) -> list[Slice]:
    """What the session may draw, in watts; with or without the plan that we have made for its vehicle."""
    own = VEHICLE_NUMBERS + connector
    rows = [row for row in outlook.standing_profiles(station) if with_vehicle or row.profile_number != own]
    return outlook.computed(
        rows,
        connector=connector,
        start=start,
        duration=end - start,
        unit=WATT,
        session=session,
        others=outlook.limits_of_others(station),
        priority=outlook.sessions_with_priority(station),
    )


# --- schedules ---


def take_schedule(request: ScheduleTold, station: ChargePoint, session: RunningSession | None) -> Answered:
    """Compare what the vehicle will draw with what it may (K15.FR.11–13, K16.FR.06–08, K18.FR.11–13).

    Rejected: it is more than allowed; the vehicle gets a new plan, and has to make another schedule. After some tries
    nothing more is sent: the charger keeps to its limits anyway.
    """
    row = _row(request, session)
    row.schedule, row.schedule_unit = list(request.periods), request.unit
    row.schedule_from, row.schedule_at = request.starts_at or request.received_at, request.received_at
    answer = _answer_schedule(row, request, station, session)
    row.schedule_answer = answer.status
    if answer.status == "Rejected" and session is not None:
        _renegotiate(row, station, session, request.received_at)
    row.save()
    _record("vehicle.schedule", request, station, {"answer": answer.status})
    return answer


def _answer_schedule(
    row: VehicleNeeds, request: ScheduleTold, station: ChargePoint, session: RunningSession | None
) -> Answered:
    if session is None:
        return Answered(status="Rejected", reason="No session is known there.")
    try:
        periods = read_periods(request.periods)
    except (KeyError, TypeError, ValueError, ArithmeticError, Unreadable):
        return Answered(status="Rejected", reason="The schedule cannot be read.")
    needs = _needs(row, row.departure_at, row.max_tuples) if row.needs else None
    if needs is not None and needs.is_direct_current and request.unit == AMPERE:
        return Answered(status="Accepted")  # the voltage of the battery is not known here
    now, starts_at = request.received_at, row.schedule_from or request.received_at
    if abs(starts_at - now) > timedelta(days=1):
        starts_at = now  # a dead clock
    end = now + USUAL
    above = exceeds(
        periods,
        request.unit,
        _allowed(station, row.connector_number, session, now, end, with_vehicle=True),
        start=starts_at,
        now=now,
        end=end,
        voltage=settings.CHARGING_LINE_VOLTAGE,
        phases=needs.phases if needs is not None else None,
    )
    if above is None:
        return Answered(status="Accepted")
    return Answered(status="Rejected", reason=f"More than allowed at {above:%Y-%m-%d %H:%M} UTC.")


def _renegotiate(row: VehicleNeeds, station: ChargePoint, session: RunningSession, now: datetime) -> None:
    """Send a plan anew (K16): a new profile makes the charger ask the vehicle for another schedule."""
    if not row.needs or row.renegotiations >= MAX_RENEGOTIATIONS:
        row.note = "The vehicle does not keep to what is allowed; the charger limits it."
        return
    row.renegotiations += 1
    problem = _send_plan(row, _needs(row, row.departure_at, row.max_tuples), station, session, now)
    if problem is not None:
        row.note = problem[:200]


# --- ways in which energy may flow ---


def allow_transfers(command: Command, session: RunningSession | None, modes: list[str]) -> None:
    """The charger has taken the list of ways in which energy may flow in a session (2.1 K18–K20, Q02.FR.05)."""
    if session is None:
        return
    row, _ = VehicleNeeds.objects.get_or_create(
        charge_point_id=command.charge_point_id,
        connector_number=session.connector,
        defaults={"tenant_id": command.tenant_id, "transaction_number": session.transaction_id},
    )
    if row.transaction_number != session.transaction_id:
        VehicleNeeds.objects.filter(pk=row.pk).delete()
        row = VehicleNeeds(
            tenant_id=command.tenant_id,
            charge_point_id=command.charge_point_id,
            connector_number=session.connector,
            transaction_number=session.transaction_id,
        )
    row.allowed_transfers = modes
    row.save()


def _record(kind: str, request: NeedsTold | ScheduleTold, station: ChargePoint, data: dict[str, Any]) -> None:
    events.record(
        kind,
        tenant_id=request.tenant_id,
        object_type="charge_point",
        object_id=request.charge_point_id,
        charge_point=station.identity,
        data={"connector": request.connector_number, **data},
        at=request.received_at,
    )
