"""Reservations: the row that follows the orders to reserve and to cancel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.errors import PermissionRefused
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import CommandStatus, ReservationStatus
from chargepoints.jobs import expire_reservations
from chargepoints.models import ChargePoint, Command, Connection, Connector, Reservation
from chargepoints.services import reservations
from tests import factories

UNTIL = "2099-03-02T10:00:00Z"
EXPIRES_AT = datetime(2099, 3, 2, 10, tzinfo=UTC)
RAW = {"connectorId": 1, "idTag": "04AA", "expiryDate": UNTIL}
Order = Callable[..., Command]


@pytest.fixture
def order(support: Actor, technician: Actor, connection: Connection) -> Order:
    """Queue a command for the charge point; raw ones are for technicians."""

    def queue(action: str, **payload: Any) -> Command:
        actor = technician if action[:1].isupper() else support
        return commands.queue(
            actor=actor, charge_point=connection.charge_point, action=action, payload=payload
        )

    return queue


def reserve(order: Order, **change: Any) -> tuple[Command, Reservation]:
    command = order("reserve_now", **{"id_token": "04AA", "expires_at": UNTIL, **change})
    return command, Reservation.objects.get(reservation_id=command.payload["reservation_id"])


def end(command: Command, status: CommandStatus = CommandStatus.ACCEPTED, **fields: Any) -> None:
    assert commands.complete(command.pk, status=status, **fields) is not None


def test_reserve_now_makes_the_row_before_the_charger_has_answered(
    order: Order, connector: Connector, charge_point: ChargePoint
) -> None:
    token = factories.IdTokenFactory(tenant=charge_point.tenant, value="04aa")

    _, row = reserve(order, connector=connector.ocpp_number, parent_id_token="G")

    assert (row.status, row.reservation_id, row.tenant) == ("requested", 1, charge_point.tenant)
    assert (row.connector, row.id_token, row.id_token_value, row.parent_id_token) == (
        connector,
        token,
        "04AA",
        "G",
    )
    assert row.expires_at == EXPIRES_AT


def test_reserve_now_for_any_connector_and_an_unknown_tag_names_neither(order: Order) -> None:
    _, row = reserve(order)

    assert (row.connector, row.id_token, row.id_token_value) == (None, None, "04AA")


def test_numbers_are_unique_for_each_charge_point(
    order: Order, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    factories.ReservationFactory(charge_point=other_charge_point, reservation_id=50)
    factories.ReservationFactory(charge_point=charge_point, reservation_id=7, status="expired")

    numbers = [reserve(order)[1].reservation_id for _ in range(2)]

    assert numbers == [8, 9]


def test_number_after_the_largest_is_the_first_free_one(order: Order, charge_point: ChargePoint) -> None:
    for number in (1, 2, 2**31 - 1):
        factories.ReservationFactory(charge_point=charge_point, reservation_id=number)

    assert reserve(order)[1].reservation_id == 3


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        (CommandStatus.ACCEPTED, ReservationStatus.ACTIVE),
        (CommandStatus.REJECTED, ReservationStatus.REJECTED),
        (CommandStatus.NOT_SUPPORTED, ReservationStatus.REJECTED),
        (CommandStatus.FAILED, ReservationStatus.REJECTED),
        (CommandStatus.EXPIRED, ReservationStatus.REJECTED),
        (CommandStatus.CANCELLED, ReservationStatus.CANCELLED),
    ],
)
def test_end_of_the_order_decides(order: Order, status: CommandStatus, becomes: str) -> None:
    command, row = reserve(order)

    end(command, status, summary="The connector has a fault." if status == "rejected" else "")

    row.refresh_from_db()
    assert row.status == becomes
    assert (row.ended_at is None) == (becomes == "active")
    reasons = {"accepted": "", "rejected": "The connector has a fault."}
    assert row.end_reason == reasons.get(status, CommandStatus(status).label)


LOST = [
    {"status": CommandStatus.TIMED_OUT},
    {"status": CommandStatus.FAILED, "error": {"code": commands.CONNECTION_LOST}},
    {"status": CommandStatus.FAILED, "error": {"code": commands.CONNECTION_REPLACED}},
    {"status": CommandStatus.FAILED, "error": {"code": "InvalidAnswer"}},
]


@pytest.mark.parametrize("lost", LOST)
def test_lost_answer_decides_nothing_and_says_so(order: Order, lost: dict[str, Any]) -> None:
    command, row = reserve(order)

    end(command, **lost)

    row.refresh_from_db()
    assert (row.status, row.ended_at) == ("requested", None)
    assert row.end_reason == "The charger did not answer: it may hold the connector. Cancel it to be sure."


def test_reservation_whose_answer_was_lost_may_be_asked_for_again(order: Order) -> None:
    command, row = reserve(order)
    with pytest.raises(errors.InvalidPayload, match="exists already"):
        reserve(order, reservation_id=row.reservation_id)
    end(command, CommandStatus.TIMED_OUT)

    again, _ = reserve(order, reservation_id=row.reservation_id)

    row.refresh_from_db()
    assert (row.status, row.end_reason) == ("requested", "")
    end(again)
    row.refresh_from_db()
    assert (row.status, row.end_reason) == ("active", "")


def test_reservation_whose_answer_was_lost_is_cancelled_at_the_charger(order: Order, support: Actor) -> None:
    command, row = reserve(order)
    end(command, CommandStatus.TIMED_OUT)
    row.refresh_from_db()

    asked = reservations.cancel(actor=support, reservation=row)
    assert asked.action == "cancel_reservation"
    end(asked)

    row.refresh_from_db()
    assert row.status == ReservationStatus.CANCELLED


@pytest.mark.parametrize("action", ["cancel_reservation", "CancelReservation"])
def test_reservation_that_the_charger_does_not_know_ends(order: Order, action: str) -> None:
    command, row = reserve(order)
    end(command)
    name = "reservation_id" if action == "cancel_reservation" else "reservationId"

    end(order(action, **{name: row.reservation_id}), CommandStatus.REJECTED)

    row.refresh_from_db()
    assert (row.status, row.end_reason) == ("cancelled", "The charger knew no such reservation any more.")
    assert row.ended_at is not None


@pytest.mark.parametrize(
    "status", [CommandStatus.TIMED_OUT, CommandStatus.FAILED, CommandStatus.NOT_SUPPORTED]
)
def test_cancelling_that_came_to_nothing_leaves_the_reservation(order: Order, status: CommandStatus) -> None:
    command, row = reserve(order)
    end(command)

    end(order("cancel_reservation", reservation_id=row.reservation_id), status)

    row.refresh_from_db()
    assert row.status == ReservationStatus.ACTIVE


def test_refused_cancelling_does_not_end_what_is_being_asked_for(order: Order) -> None:
    _, row = reserve(order)

    end(order("cancel_reservation", reservation_id=row.reservation_id), CommandStatus.REJECTED)

    row.refresh_from_db()
    assert row.status == ReservationStatus.REQUESTED


def test_reservation_used_before_the_answer_stays_used(order: Order) -> None:
    command, row = reserve(order)
    Reservation.objects.update(status=ReservationStatus.USED)

    end(command)

    row.refresh_from_db()
    assert row.status == ReservationStatus.USED


def test_number_of_an_active_reservation_replaces_it_once_accepted(
    order: Order, connector: Connector
) -> None:
    first, row = reserve(order)
    end(first)

    refused, _ = reserve(order, reservation_id=1, id_token="04BB")
    end(refused, CommandStatus.REJECTED)
    row.refresh_from_db()
    assert (row.status, row.id_token_value) == ("active", "04AA")

    accepted, _ = reserve(order, reservation_id=1, id_token="04CC", connector=connector.ocpp_number)
    row.refresh_from_db()
    assert row.id_token_value == "04AA"
    end(accepted)
    row.refresh_from_db()
    assert (row.status, row.id_token_value, row.connector) == ("active", "04CC", connector)


def test_number_of_a_used_one_is_refused(order: Order, charge_point: ChargePoint) -> None:
    factories.ReservationFactory(charge_point=charge_point, reservation_id=7, status="used")

    with pytest.raises(errors.InvalidPayload) as caught:
        reserve(order, reservation_id=7)

    assert list(caught.value.errors) == ["reservation_id"]
    assert not Command.objects.exists()


@pytest.mark.parametrize("status", ["rejected", "cancelled", "expired"])
def test_number_of_one_that_never_was_may_be_asked_for_again(
    order: Order, charge_point: ChargePoint, status: str
) -> None:
    old = factories.ReservationFactory(
        charge_point=charge_point, reservation_id=7, status=status, ended_at=factories.T0, end_reason="x"
    )

    _, row = reserve(order, reservation_id=7)

    assert (row, row.status, row.ended_at, row.end_reason) == (old, "requested", None, "")


# --- raw messages ---


def test_raw_order_without_a_number_gets_one_and_a_row(order: Order, connector: Connector) -> None:
    command = order("ReserveNow", **RAW)

    row = Reservation.objects.get()
    assert command.payload == {**RAW, "reservationId": 1}
    assert (row.reservation_id, row.status, row.connector) == (1, "requested", connector)
    assert (row.id_token_value, row.expires_at) == ("04AA", EXPIRES_AT)
    end(command)
    row.refresh_from_db()
    assert row.status == "active"
    end(order("CancelReservation", reservationId=1))
    row.refresh_from_db()
    assert row.status == "cancelled"


def test_raw_order_without_an_offset_is_taken_as_utc(order: Order) -> None:
    order("ReserveNow", **RAW | {"expiryDate": "2099-03-02T10:00:00"})

    assert Reservation.objects.get().expires_at == EXPIRES_AT


@pytest.mark.parametrize(
    "change", [{"expiryDate": "soon"}, {"reservationId": -1}, {"reservationId": 2**31}, {"idTag": "x" * 21}]
)
def test_raw_order_that_no_row_can_hold_is_refused(order: Order, change: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidPayload) as caught:
        order("ReserveNow", **RAW | change)

    assert list(caught.value.errors) == ["payload"]
    assert not Reservation.objects.exists()


# --- the same order again ---


def test_repeat_with_the_same_key_is_one_reservation(support: Actor, connection: Connection) -> None:
    def ask(value: str) -> reservations.Reserved:
        return reservations.reserve(
            actor=support,
            charge_point=connection.charge_point,
            id_token=value,
            expires_at=EXPIRES_AT,
            idempotency_key="k",
        )

    assert ask("04AA") == ask("04AA")
    with pytest.raises(errors.IdempotencyConflict):
        ask("04BB")
    assert Reservation.objects.count() == 1


def test_offline_charger_makes_no_reservation_unless_it_may_wait(
    support: Actor, charge_point: ChargePoint
) -> None:
    given: dict[str, Any] = {
        "actor": support,
        "charge_point": charge_point,
        "id_token": "04AA",
        "expires_at": EXPIRES_AT,
    }
    with pytest.raises(errors.ChargePointOffline):
        reservations.reserve(**given)
    assert not Reservation.objects.exists()

    assert reservations.reserve(**given, expires_in=600).reservation.status == "requested"


# --- cancelling ---


def test_cancel_of_an_active_reservation_asks_the_charger(
    order: Order, support: Actor, charge_point: ChargePoint
) -> None:
    made, row = reserve(order)
    end(made)
    row.refresh_from_db()

    command = reservations.cancel(actor=support, reservation=row)
    assert (command.action, command.payload) == ("cancel_reservation", {"reservation_id": 1})
    row.refresh_from_db()
    assert row.status == "active"

    end(command)
    row.refresh_from_db()
    assert (row.status, row.end_reason) == ("cancelled", f"cancelled by {support.name}")
    assert row.ended_at is not None


def test_cancel_of_one_that_was_not_sent_yet_withdraws_the_order(order: Order, support: Actor) -> None:
    made, row = reserve(order)

    assert reservations.cancel(actor=support, reservation=row) == made

    row.refresh_from_db()
    assert row.status == "cancelled"
    assert Command.objects.get().status == CommandStatus.CANCELLED


def test_cancel_of_one_that_has_ended_is_refused(charge_point: ChargePoint, support: Actor) -> None:
    row = factories.ReservationFactory(charge_point=charge_point, status="used")

    with pytest.raises(errors.ReservationEnded):
        reservations.cancel(actor=support, reservation=row)


def test_cancel_touches_no_other_charge_point(
    order: Order, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    own, other = (
        factories.ReservationFactory(charge_point=row, reservation_id=7, status="active")
        for row in (charge_point, other_charge_point)
    )

    end(order("cancel_reservation", reservation_id=7))

    own.refresh_from_db()
    other.refresh_from_db()
    assert (own.status, other.status) == ("cancelled", "active")


def test_cancel_of_a_number_that_we_do_not_know_is_sent(order: Order) -> None:
    end(order("cancel_reservation", reservation_id=99))

    assert not Reservation.objects.exists()


def test_viewer_may_not_cancel(viewer: Actor, connection: Connection) -> None:
    row = factories.ReservationFactory(charge_point=connection.charge_point, status="active")

    with pytest.raises(PermissionRefused):
        reservations.cancel(actor=viewer, reservation=row)


def test_viewer_may_not_reserve(viewer: Actor, connection: Connection) -> None:
    charge_point = connection.charge_point
    with pytest.raises(PermissionRefused):
        reservations.reserve(actor=viewer, charge_point=charge_point, id_token="04AA", expires_at=EXPIRES_AT)

    assert not Reservation.objects.exists()


# --- time ---


def test_job_ends_what_has_run_out(charge_point: ChargePoint) -> None:
    at = factories.T0
    due, later = (
        factories.ReservationFactory(charge_point=charge_point, status="active", expires_at=at + delay)
        for delay in (timedelta(0), timedelta(seconds=1))
    )
    asked = factories.ReservationFactory(
        charge_point=charge_point, status="requested", expires_at=at, end_reason="No answer."
    )
    used = factories.ReservationFactory(charge_point=charge_point, status="used", expires_at=at)

    assert (expire_reservations(at), expire_reservations(at)) == (2, 0)

    for row in (due, later, asked, used):
        row.refresh_from_db()
    assert [row.status for row in (due, later, asked, used)] == ["expired", "active", "expired", "used"]
    assert (due.ended_at, asked.end_reason) == (at, "")
