"""Reservations as people and programs handle them: order, call off, and what has run out; what chargers end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, ReservationStatus
from chargepoints.errors import ReservationEnded
from chargepoints.models import ChargePoint, Command, Reservation
from chargepoints.reserving import numbers_of
from chargepoints.services.batch import Act, FromCharger, StationBatch

_OPEN = (ReservationStatus.REQUESTED, ReservationStatus.ACTIVE)


# What a charger says of the end of a reservation → what it is to us, and why.
_ENDS = {
    "Expired": (ReservationStatus.EXPIRED, ""),
    "Removed": (ReservationStatus.CANCELLED, "The charger has removed it."),
    "NoTransaction": (ReservationStatus.EXPIRED, "The driver came, but started no session in time."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationEnd(FromCharger):
    """ReservationStatusUpdate (2.0.1 H01.FR.16, .17, H04; 2.1 NoTransaction)."""

    number: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A reservation, and the command by which the charger is asked for it."""

    reservation: Reservation
    command: Command


def reserve(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    id_token: str,
    expires_at: datetime,
    connector: int = 0,
    parent_id_token: str = "",
    connector_type: str = "",
    reservation_id: int | None = None,
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> Reserved:
    """Ask a charger to hold a connector; the reservation is there at once, as requested.

    The same idempotency key with the same order returns the reservation made the first time.

    connector       the charger's number; 0: one of them
    connector_type  any connector of this kind (OCPP 2.x); "": of whichever kind
    reservation_id  None: a new number; that of an active reservation replaces it
    expires_in      seconds to wait for an offline charger; None: it must be online now
    Raises          what `commands.queue` raises
    """
    given = {
        "id_token": id_token,
        "expires_at": expires_at.isoformat(),
        "connector": connector,
        "parent_id_token": parent_id_token or None,
        "connector_type": connector_type or None,
        "reservation_id": reservation_id,
    }
    command = commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="reserve_now",
        payload=given,
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )
    made: Reservation = Reservation.objects.select_related("charge_point", "connector").get(
        charge_point=charge_point, reservation_id=command.payload["reservation_id"]
    )
    return Reserved(reservation=made, command=command)


def cancel(*, actor: Actor, reservation: Reservation, expires_in: int | None = None) -> Command:
    """Call a reservation off: withdraw the order if it was not sent yet, else ask the charger.

    Returns the command that decides: the withdrawn one, or the new one.

    Raises  ReservationEnded, and what `commands.queue` raises
    """
    if reservation.status not in _OPEN:
        raise ReservationEnded
    waiting = _find_waiting(reservation)
    if waiting is not None:
        return commands.cancel(actor=actor, command=waiting)
    return commands.queue(
        actor=actor,
        charge_point=reservation.charge_point,
        action="cancel_reservation",
        payload={"reservation_id": reservation.reservation_id},
        expires_in=expires_in,
    )


def _find_waiting(reservation: Reservation) -> Command | None:
    """The order for this reservation, while it waits to be sent."""
    if reservation.status != ReservationStatus.REQUESTED:
        return None
    rows = Command.objects.select_related("charge_point").filter(
        charge_point=reservation.charge_point, status=CommandStatus.QUEUED
    )
    number = reservation.reservation_id
    return next(
        (
            row
            for row in rows.filter(action__in=("reserve_now", "ReserveNow")).order_by("id")
            if number in numbers_of(row.payload)
        ),
        None,
    )


def decide_end(request: ReservationEnd, batch: StationBatch) -> None:
    """Close a reservation that the charger has ended; one that is over, or that nobody knows, stays as it is."""
    if request.status not in _ENDS:
        return
    status, reason = _ENDS[request.status]
    open_ = Reservation.objects.filter(
        charge_point_id=request.charge_point_id, reservation_id=request.number, status__in=_OPEN
    )
    open_.update(
        status=status, ended_at=request.received_at, end_reason=reason, updated_at=request.received_at
    )


def expire_due(now: datetime) -> int:
    """End the reservations whose time has come; chargers do so by themselves (OCPP 1.6 §5.13)."""
    due = Reservation.objects.filter(status__in=_OPEN, expires_at__lte=now)
    return int(due.update(status=ReservationStatus.EXPIRED, ended_at=now, end_reason="", updated_at=now))


ENDED: Act[ReservationEnd, StationBatch] = Act(decide_end)
