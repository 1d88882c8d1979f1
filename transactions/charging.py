"""What smart charging needs to know of running sessions (see `chargepoints.charging`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.urls import reverse

from chargepoints.charging import following
from chargepoints.charging.plan import TX
from chargepoints.charging.running import RunningSession, register_running_sessions
from chargepoints.choices import AssignmentState, CommandStatus
from chargepoints.command_specs import REMOTE_STARTS, SESSION_WINDOW
from chargepoints.models import ChargePoint, ChargingProfileAssignment
from chargepoints.models.charging import OPEN_STATES
from transactions.choices import TransactionState
from transactions.energy import Sample, power_w
from transactions.models import MeterValue, Transaction
from transactions.selectors import expand_meter_values

#: Samples of a chart, the newest; at one a minute these are six hours.
MAX_SAMPLES = 360
_MINUTE = timedelta(minutes=1)
_SESSION_FIELDS = (
    "id", "charge_point_id", "connector_number", "ocpp_id", "state", "remote_start_id", "start_received_at",
)  # fmt: skip
#: Profiles of sessions that one run of the job looks at.
BATCH = 500


def register() -> None:
    """Called when the app is ready."""
    register_running_sessions(running)


def running(charge_point: ChargePoint, *, with_power: bool = False) -> list[RunningSession]:
    """The running sessions of a charger, with the power of their samples if that is asked for."""
    rows = Transaction.objects.filter(charge_point=charge_point, state=TransactionState.ACTIVE)
    return [
        RunningSession(
            connector=row.connector_number,
            transaction_id=row.ocpp_id,
            started_at=row.started_at,
            power=power_of(row) if with_power else (),
            url=reverse("admin:transactions_transaction_change", args=[row.pk]),
        )
        for row in rows.order_by("started_at")[:100]
    ]


def power_of(row: Transaction) -> Sequence[tuple[datetime, Decimal]]:
    """The power of a session's newest samples in watts, in order of time."""
    rows = MeterValue.objects.filter(transaction=row).order_by("-sampled_at", "-id")[:MAX_SAMPLES]
    samples = list(reversed(rows))
    found = []
    for sample, values in zip(samples, expand_meter_values(samples), strict=True):
        watts = power_w([_sample(one) for one in values["samples"]])
        if watts is not None:
            found.append((sample.sampled_at, Decimal(watts)))
    return found


def _sample(values: dict[str, Any]) -> Sample:
    names = ("value", "measurand", "unit", "phase", "context", "location", "format")
    return Sample(**{name: values[name] for name in names})


# --- profiles end with their session ---


def follow_profiles(now: datetime) -> int:
    """Bring profiles of sessions together with their sessions: begun, or ended with them (OCPP 1.6 §3.13.1).

    A job: it finds its work in the rows, and reads the sessions of all of them at once.
    """
    open_rows = ChargingProfileAssignment.objects.filter(purpose=TX, state__in=OPEN_STATES)
    rows = list(open_rows.select_related("command").order_by("id")[:BATCH])
    if not rows:
        return 0
    sessions = _sessions_of(rows)
    return sum(_follow(row, sessions, now) for row in rows)


def _sessions_of(rows: Sequence[ChargingProfileAssignment]) -> list[Transaction]:
    """Sessions that the rows name, that their remote starts have brought, and those that run on the chargers."""
    stations = {row.charge_point_id for row in rows}
    numbers = {row.transaction_number for row in rows if row.transaction_number}
    starts = {row.command_id for row in rows if row.command_id is not None}
    wanted = Q(ocpp_id__in=numbers) | Q(remote_start_id__in=starts) | Q(state=TransactionState.ACTIVE)
    found = Transaction.objects.filter(wanted, charge_point_id__in=stations)
    return list(found.only(*_SESSION_FIELDS).order_by("id"))


def _follow(row: ChargingProfileAssignment, sessions: Sequence[Transaction], now: datetime) -> int:
    here = [one for one in sessions if one.charge_point_id == row.charge_point_id]
    if row.state == AssignmentState.REQUESTED:
        return _begin(row, here, now)
    if row.transaction_number:
        mine = [one for one in here if one.ocpp_id == row.transaction_number]
        is_over = bool(mine) and not any(one.is_active for one in mine)
    else:
        # The charger took it for the session that ran then.
        ran = [
            one
            for one in here
            if one.is_active
            and one.connector_number == row.connector_number
            and one.start_received_at <= row.since + _MINUTE
        ]
        if ran:
            row.transaction_number = ran[-1].ocpp_id
            row.save(update_fields=["transaction_number", "updated_at"])
        is_over = not ran
    return _end(row, "The session has ended.") if is_over else 0


def _begin(row: ChargingProfileAssignment, here: Sequence[Transaction], now: datetime) -> int:
    """The session that a remote start with this profile has brought, or none after the time for it."""
    command = row.command
    if command is None or command.action not in REMOTE_STARTS or command.status != CommandStatus.ACCEPTED:
        return 0  # the end of the order decides
    session = next((one for one in here if one.remote_start_id == command.pk), None)
    if session is None:
        is_late = now > (command.completed_at or command.created_at) + SESSION_WINDOW
        return _end(row, "No session has started.") if is_late else 0
    if session.is_active:
        return following.begin(row, connector=session.connector_number, transaction_id=session.ocpp_id)
    return _end(row, "The session has ended.")


def _end(row: ChargingProfileAssignment, note: str) -> int:
    # Unless an order has changed it meanwhile.
    same = ChargingProfileAssignment.objects.filter(pk=row.pk, state=row.state, since=row.since)
    return following.end(same, note)
