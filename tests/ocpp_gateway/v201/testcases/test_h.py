"""Test cases of block H: reservations (2.0.1 part 6 §3.9)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import IdToken, Tenant
from chargepoints.choices import CommandStatus, ReservationStatus
from chargepoints.models import ChargePoint, Reservation
from ocpp_gateway.wire.timestamps import format_timestamp
from tests import factories
from tests.ocpp_gateway.csms import Csms as AnyCsms
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Order, status

ACTIVE = ReservationStatus.ACTIVE


def reserve(csms: AnyCsms, charge_point: ChargePoint, **given: object) -> Order:
    until = format_timestamp(csms.now + timedelta(hours=1))
    return csms.order(charge_point, "reserve_now", {"id_token": "04A1B2C3", "expires_at": until, **given})


def only(charge_point: ChargePoint) -> Reservation:
    return Reservation.objects.get(charge_point=charge_point)


@pytest.fixture
def places(csms: Csms, charge_point: ChargePoint) -> None:
    for evse in (1, 2):
        csms.send(charge_point, "StatusNotification", status(evse, "Available"))


@pytest.mark.testcase("TC_H_01_CSMS")
def test_tc_h_01_reserve_an_evse(csms: Csms, charge_point: ChargePoint, token: IdToken, places: None) -> None:
    """Reserve a specific EVSE - Accepted - Valid idToken"""
    order = reserve(csms, charge_point, connector=1)
    assert order.action == "ReserveNow"
    assert order.payload == {
        "id": 1,
        "evseId": 1,
        "idToken": {"idToken": token.value, "type": "ISO14443"},
        "expiryDateTime": format_timestamp(csms.now + timedelta(hours=1)),
    }
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    csms.send(charge_point, "StatusNotification", status(1, "Reserved"))
    row = only(charge_point)
    assert (row.status, row.id_token, row.connector and row.connector.ocpp_number) == (ACTIVE, token, 1)


@pytest.mark.testcase("TC_H_07_CSMS")
def test_tc_h_07_reservation_that_was_not_used(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """Reserve a specific EVSE - Reservation Ended / not used (H04.FR.01); a repeat is harmless"""
    reserve(csms, charge_point, connector=1).answer(status="Accepted")
    ended = {"reservationId": 1, "reservationUpdateStatus": "Expired"}
    for _ in range(2):
        assert csms.send(charge_point, "ReservationStatusUpdate", ended) == {}
    row = only(charge_point)
    assert (row.status, row.ended_at) == (ReservationStatus.EXPIRED, csms.now)


@pytest.mark.testcase("TC_H_08_CSMS")
def test_tc_h_08_reserve_whichever_is_free(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """Reserve an unspecified EVSE - Accepted: no evseId, no connectorType"""
    order = reserve(csms, charge_point)
    assert order.payload.keys() == {"id", "idToken", "expiryDateTime"}
    order.answer(status="Accepted")
    assert (only(charge_point).status, only(charge_point).connector) == (ACTIVE, None)


@pytest.mark.testcase("TC_H_14_CSMS")
def test_tc_h_14_as_many_as_there_are_evses(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """Reserve an unspecified EVSE - Amount of EVSEs available equals the amount of reservations"""
    numbers = []
    for _ in range(2):
        order = reserve(csms, charge_point)
        numbers.append(order.payload["id"])
        order.answer(status="Accepted")
    for evse in (1, 2):
        csms.send(charge_point, "StatusNotification", status(evse, "Reserved"))
    assert numbers == [1, 2]
    assert Reservation.objects.filter(charge_point=charge_point, status=ACTIVE).count() == 2


@pytest.mark.testcase("TC_H_15_CSMS")
def test_tc_h_15_reserve_a_kind_of_connector(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """Reserve a connector with a specific type - Success: connectorType, no evseId"""
    order = reserve(csms, charge_point, connector_type="cType2")
    assert order.payload["connectorType"] == "cType2"
    assert "evseId" not in order.payload
    order.answer(status="Accepted")
    assert only(charge_point).status == ACTIVE


@pytest.mark.testcase("TC_H_17_CSMS")
def test_tc_h_17_cancel(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """Cancel reservation of an EVSE - Success (H02)"""
    reserve(csms, charge_point, connector=1).answer(status="Accepted")
    order = csms.order(charge_point, "cancel_reservation", {"reservation_id": 1})
    assert (order.action, order.payload) == ("CancelReservation", {"reservationId": 1})
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    csms.send(charge_point, "StatusNotification", status(1, "Available"))
    assert only(charge_point).status == ReservationStatus.CANCELLED


@pytest.mark.testcase("TC_H_19_CSMS")
def test_tc_h_19_reserve_for_a_group(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, places: None
) -> None:
    """Reserve a specific EVSE - Use a reserved EVSE with GroupId (H03.FR.07, .08)"""
    group = factories.TokenGroupFactory(tenant=tenant, name="FAMILY")
    factories.IdTokenFactory(tenant=tenant, value="04A1B2C3", group=group)
    other = factories.IdTokenFactory(tenant=tenant, value="04FF", group=group)
    order = reserve(csms, charge_point, connector=1, parent_id_token="FAMILY")
    assert order.payload["groupIdToken"] == {"idToken": "FAMILY", "type": "Central"}
    order.answer(status="Accepted")
    answer = csms.send(charge_point, "Authorize", {"idToken": {"idToken": other.value, "type": "ISO14443"}})
    assert answer["idTokenInfo"] == {
        "status": "Accepted",
        "groupIdToken": {"idToken": "FAMILY", "type": "Central"},
    }


@pytest.mark.testcase("TC_H_20_CSMS")
def test_tc_h_20_charger_removes_it(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """Charging Station cancels reservation when Faulted (H01.FR.17): Removed"""
    reserve(csms, charge_point, connector=1).answer(status="Accepted")
    csms.send(charge_point, "StatusNotification", status(1, "Faulted"))
    ended = {"reservationId": 1, "reservationUpdateStatus": "Removed"}
    assert csms.send(charge_point, "ReservationStatusUpdate", ended) == {}
    assert only(charge_point).status == ReservationStatus.CANCELLED


def test_removed_reservation_says_who_removed_it(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """H01.FR.16"""
    reserve(csms, charge_point, connector=1).answer(status="Accepted")
    ended = {"reservationId": 1, "reservationUpdateStatus": "Removed"}
    csms.send(charge_point, "ReservationStatusUpdate", ended)
    row = only(charge_point)
    assert (row.status, row.end_reason) == (ReservationStatus.CANCELLED, "The charger has removed it.")


@pytest.mark.testcase("TC_H_22_CSMS")
@pytest.mark.parametrize("answer", ["Rejected", "Faulted", "Occupied", "Unavailable"])
def test_tc_h_22_reservation_is_refused(csms: Csms, charge_point: ChargePoint, answer: str) -> None:
    """Reserve a specific EVSE - Configured to Reject; the other refusals as well (H01.FR.11 to .14)"""
    command = reserve(csms, charge_point, connector=1).answer(status=answer)
    assert (command.status, bool(command.summary)) == (CommandStatus.REJECTED, True)
    assert only(charge_point).status == ReservationStatus.REJECTED


def test_reservation_of_nobody_is_answered_and_touches_nothing(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, places: None
) -> None:
    """An unknown number, or the number of another charger's reservation."""
    other = factories.ChargePointFactory(tenant=tenant)
    reserve(csms, other, connector=1).answer(status="Accepted")
    for number in (1, 99):
        ended = {"reservationId": number, "reservationUpdateStatus": "Removed"}
        assert csms.send(charge_point, "ReservationStatusUpdate", ended) == {}
    assert only(other).status == ACTIVE


def test_the_same_number_replaces_a_reservation(csms: Csms, charge_point: ChargePoint, places: None) -> None:
    """H01.FR.02"""
    reserve(csms, charge_point, connector=1).answer(status="Accepted")
    order = reserve(csms, charge_point, connector=2, reservation_id=1)
    order.answer(status="Accepted")
    row = only(charge_point)
    assert (order.payload["id"], row.connector and row.connector.ocpp_number) == (1, 2)


def test_verbatim_message_makes_a_reservation_as_well(csms: Csms, charge_point: ChargePoint) -> None:
    """Sent as it is, without a number: ours is the next one."""
    raw = {
        "idToken": {"idToken": "04A1", "type": "ISO14443"},
        "evseId": 1,
        "expiryDateTime": format_timestamp(csms.now + timedelta(hours=1)),
        "groupIdToken": {"idToken": "G", "type": "Central"},
    }
    order = csms.order(charge_point, "ReserveNow", raw)
    assert order.payload == {**raw, "id": 1}
    order.answer(status="Accepted")
    row = only(charge_point)
    assert (row.status, row.id_token_value, row.parent_id_token) == (ACTIVE, "04A1", "G")


def test_driver_who_starts_nothing_in_2_1(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1 H01: NoTransaction"""
    reserve(csms21, charge_point).answer(status="Accepted")
    ended = {"reservationId": 1, "reservationUpdateStatus": "NoTransaction"}
    assert csms21.send(charge_point, "ReservationStatusUpdate", ended) == {}
    row = only(charge_point)
    assert row.status == ReservationStatus.EXPIRED
    assert "started no session" in row.end_reason
