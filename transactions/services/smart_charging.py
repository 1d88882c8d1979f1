"""Smart charging of a running session, as chargers tell of it: which session it is about."""

from __future__ import annotations

from chargepoints.charging.running import RunningSession
from chargepoints.models import ChargePoint
from chargepoints.services import dynamic_profiles, vehicle_charging
from chargepoints.services.batch import Act, FromCharger
from chargepoints.services.dynamic_profiles import PriorityTold
from chargepoints.services.vehicle_charging import Answered, NeedsTold, ScheduleTold
from transactions.models import Transaction
from transactions.services.batch import SessionBatch


def _want(request: FromCharger, batch: SessionBatch) -> None:
    batch.want_charge_point(request.charge_point_id)
    batch.want_running(request.charge_point_id)


def decide_needs(request: NeedsTold, batch: SessionBatch) -> Answered:
    """The session on the connector that a vehicle speaks for gets a plan."""
    return vehicle_charging.take_needs(request, _station(request), _session_at(request, batch))


def decide_schedule(request: ScheduleTold, batch: SessionBatch) -> Answered:
    """The schedule of a vehicle is for the session on its connector."""
    return vehicle_charging.take_schedule(request, _station(request), _session_at(request, batch))


def decide_priority(request: PriorityTold, batch: SessionBatch) -> None:
    """Priority is of a session that the charger names."""
    station = batch.charge_point(request.charge_point_id)
    row = batch.transaction(request.charge_point_id, request.transaction_id)
    dynamic_profiles.take_priority(request, station, _as_running(row) if row is not None else None)


def _station(request: FromCharger) -> ChargePoint:
    """The whole row, as an order needs it."""
    rows = ChargePoint.objects.select_related("tenant", "model_profile")
    found: ChargePoint = rows.get(pk=request.charge_point_id)
    return found


def _session_at(request: NeedsTold | ScheduleTold, batch: SessionBatch) -> RunningSession | None:
    """The session that runs on a connector, also one that began in the same batch; of several the newest."""
    rows = [
        row
        for row in batch.open_transactions(request.charge_point_id)
        if row.is_active and row.connector_number == request.connector_number
    ]
    return _as_running(max(rows, key=lambda row: row.started_at)) if rows else None


def _as_running(row: Transaction) -> RunningSession:
    return RunningSession(
        connector=row.connector_number, transaction_id=row.ocpp_id, started_at=row.started_at
    )


NEEDS: Act[NeedsTold, SessionBatch] = Act(decide_needs, _want)
SCHEDULE: Act[ScheduleTold, SessionBatch] = Act(decide_schedule, _want)
PRIORITY: Act[PriorityTold, SessionBatch] = Act(decide_priority, _want)
