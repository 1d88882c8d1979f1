"""What orders to reserve and to cancel mean for the row of the reservation.

requested → active when the charger accepts, → rejected when it refuses or was never asked.  A lost answer decides
nothing: the charger may hold the connector, so the row stays requested, and says so, until it is cancelled, used or
over.  Cancelled when the charger accepts that, or knows no such reservation (OCPP 1.6 §5.1).  A number that is active
and asked for again replaces the reservation, once the charger has accepted (§5.13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from accounts.choices import TokenType
from accounts.selectors import find_token
from chargepoints.choices import CommandStatus, ReservationStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Command, Connector, Reservation
from chargepoints.redaction import MASK

_RESERVE = {"reserve_now": False, "ReserveNow": True}
_CANCEL = {"cancel_reservation": "reservation_id", "CancelReservation": "reservationId"}
_OPEN = (ReservationStatus.REQUESTED, ReservationStatus.ACTIVE)
_MAX_NUMBER = 2**31 - 1
#: Ends of an order after which the charger may have done what it was asked for: no answer came, or none to be read.
_LOST_ANSWERS = frozenset({"ConnectionLost", "ConnectionReplaced", "InvalidAnswer"})
_NOT_KNOWN = "The charger did not answer: it may hold the connector. Cancel it to be sure."
_NOT_THERE = "The charger knew no such reservation any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A reservation as an order describes it.

    is_secret  its token is a key code
    """

    number: int
    connector: int
    id_token: str
    parent_id_token: str
    expires_at: datetime
    is_secret: bool = False


def wanted(action: str, payload: Mapping[str, Any]) -> Wanted | None:
    """The reservation that an order asks for; None when it asks for none.

    Raises  InvalidPayload  a number or time that no reservation can have
    """
    is_raw = _RESERVE.get(action)
    if is_raw is None:
        return None
    if is_raw and "idTag" not in payload:
        payload = _in_words_of_16(payload)
    number = payload["reservationId" if is_raw else "reservation_id"]
    if not 0 <= number <= _MAX_NUMBER:
        raise InvalidPayload(
            {"payload" if is_raw else "reservation_id": "The number must be from 0 to 2147483647."}
        )
    return Wanted(
        number=number,
        connector=payload.get("connectorId" if is_raw else "connector", 0),
        id_token=payload["idTag" if is_raw else "id_token"],
        parent_id_token=payload.get("parentIdTag" if is_raw else "parent_id_token", ""),
        expires_at=_moment(payload, "expiryDate" if is_raw else "expires_at"),
        is_secret=payload.get("id_token_type") == TokenType.KEY_CODE,
    )


def _in_words_of_16(payload: Mapping[str, Any]) -> dict[str, Any]:
    """ReserveNow of OCPP 2.x with the names of 1.6: it means the same."""
    said = {
        "reservationId": payload["id"],
        "connectorId": payload.get("evseId", 0),
        "idTag": payload["idToken"]["idToken"],
        "id_token_type": payload["idToken"].get("type"),
        "expiryDate": payload["expiryDateTime"],
    }
    group = payload.get("groupIdToken")
    return {**said, "parentIdTag": group["idToken"]} if group else said


def numbers_of(payload: Mapping[str, Any]) -> tuple[object, ...]:
    """The number of the reservation that an order names, under the names that it has in orders."""
    return tuple(payload[name] for name in ("reservation_id", "reservationId", "id") if name in payload)


def _moment(payload: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(payload[name])
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        problem = "Must be a date and time, as 2026-03-02T10:00:00Z."
        raise InvalidPayload({"payload": f"{name}: {problem}"}) from None


def asked(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """The row exists as soon as the charger is asked for.

    Raises  InvalidPayload  the number is taken by a request that is under way, or by a session
    """
    want = wanted(action, payload)
    if want is None:
        return
    row = Reservation.objects.filter(charge_point=charge_point, reservation_id=want.number).first()
    if row is None:
        row = Reservation(
            tenant_id=charge_point.tenant_id, charge_point=charge_point, reservation_id=want.number
        )
    elif row.status == ReservationStatus.ACTIVE:
        return  # what it replaces holds until the charger has accepted
    elif row.status == ReservationStatus.USED or _open_requests(row) > 1:  # one is the order in hand
        name = "payload" if action[:1].isupper() else "reservation_id"
        raise InvalidPayload({name: f"Reservation {want.number} exists already; leave the number out."})
    row.status, row.ended_at, row.end_reason = ReservationStatus.REQUESTED, None, ""
    _describe(row, want)
    row.save()


def _describe(row: Reservation, want: Wanted) -> None:
    row.connector = (
        Connector.objects.filter(charge_point=row.charge_point, ocpp_number=want.connector).first()
        if want.connector > 0
        else None
    )
    if want.id_token != MASK:  # of a key code, which the row knows from the order itself
        row.id_token = find_token(tenant=row.charge_point.tenant, value=want.id_token)
        row.id_token_value = MASK if want.is_secret else want.id_token
    row.parent_id_token = want.parent_id_token
    row.expires_at = want.expires_at


def _open_requests(row: Reservation) -> int:
    """How many orders for this reservation have not ended."""
    if row.status != ReservationStatus.REQUESTED:
        return 0
    rows = Command.objects.filter(
        charge_point=row.charge_point_id,
        action__in=_RESERVE,
        status__in=(CommandStatus.QUEUED, CommandStatus.SENT),
    )
    number = row.reservation_id
    return sum(number in numbers_of(payload) for payload in rows.values_list("payload", flat=True))


def answered(command: Command) -> None:
    """The order has ended as its status says."""
    if command.action in _RESERVE:
        want = wanted(command.action, command.payload)
        if want is not None and (row := _find(command, want.number)) is not None:
            _settle(row, want, command)
    elif command.action in _CANCEL and command.status in (CommandStatus.ACCEPTED, CommandStatus.REJECTED):
        row = _find(command, command.payload.get(_CANCEL[command.action]))
        if row is not None:
            _settle_cancelled(row, command)


def _find(command: Command, number: object) -> Reservation | None:
    """The reservation that an order is about, while it can still change."""
    if not isinstance(number, int):
        return None
    rows = Reservation.objects.select_related("charge_point__tenant").select_for_update(
        of=("self",), no_key=True
    )
    found: Reservation | None = rows.filter(
        charge_point_id=command.charge_point_id, reservation_id=number, status__in=_OPEN
    ).first()
    return found


def _settle(row: Reservation, want: Wanted, command: Command) -> None:
    if command.status == CommandStatus.ACCEPTED:
        row.status, row.end_reason = ReservationStatus.ACTIVE, ""
        _describe(row, want)
        row.save()
    elif row.status == ReservationStatus.REQUESTED and _is_lost(command):
        row.end_reason = _NOT_KNOWN
        row.save(update_fields=["end_reason", "updated_at"])
    elif row.status == ReservationStatus.REQUESTED:
        withdrawn = command.status == CommandStatus.CANCELLED
        status = ReservationStatus.CANCELLED if withdrawn else ReservationStatus.REJECTED
        _end(row, status, command.summary or CommandStatus(command.status).label)


def _is_lost(command: Command) -> bool:
    """Whether the order has reached the charger, perhaps, and no answer to it has reached us."""
    error = command.error if isinstance(command.error, dict) else {}
    return command.status == CommandStatus.TIMED_OUT or error.get("code") in _LOST_ANSWERS


def _settle_cancelled(row: Reservation, command: Command) -> None:
    if command.status == CommandStatus.ACCEPTED:
        by = f" by {command.requested_by_name}" if command.requested_by_name else ""
        _end(row, ReservationStatus.CANCELLED, f"cancelled{by}")
    elif not _open_requests(row):
        # Rejected says that none is active (OCPP 1.6 §7.5); one that it is only just asked for may still come.
        _end(row, ReservationStatus.CANCELLED, _NOT_THERE)


def _end(row: Reservation, status: ReservationStatus, reason: str) -> None:
    row.status, row.ended_at, row.end_reason = status, timezone.now(), reason[:100]
    row.save(update_fields=["status", "ended_at", "end_reason", "updated_at"])
