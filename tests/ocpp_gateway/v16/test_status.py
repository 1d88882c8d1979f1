"""StatusNotification: OCPP 1.6 §4.9, §5.13, §7.7."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chargepoints.choices import ReservationStatus
from chargepoints.models import ChargePoint, Connector, Evse, StatusEvent
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, status
from transactions.models import Transaction

MINUTE = timedelta(minutes=1)
NINE = [
    "Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved",
    "Unavailable", "Faulted",
]  # fmt: skip


def tell(
    csms: Csms, charge_point: ChargePoint, value: str, at: datetime | None = None, connector: int = 1
) -> Connector:
    """Report a state and return connector 1 as stored."""
    assert csms.send(charge_point, "StatusNotification", status(connector, value, at)) == {}
    return charge_point.connectors.get(ocpp_number=1)


@pytest.mark.parametrize("value", NINE)
def test_status_of_every_kind_is_stored(csms: Csms, charge_point: ChargePoint, value: str) -> None:
    row = tell(csms, charge_point, value, T0 - MINUTE)

    assert (row.status, row.status_at, row.status_received_at) == (value, T0 - MINUTE, T0)


def test_status_is_taken_in_any_order(csms: Csms, charge_point: ChargePoint) -> None:
    for value in reversed(NINE):
        assert tell(csms, charge_point, value).status == value

    assert list(StatusEvent.objects.order_by("id").values_list("status", flat=True)) == NINE[::-1]


def test_status_without_a_time_counts_by_arrival(csms: Csms, charge_point: ChargePoint) -> None:
    csms.now = T0 + MINUTE

    assert tell(csms, charge_point, "Charging").status_at == T0 + MINUTE


@pytest.mark.parametrize("at", ["", "noon", "1970-01-01T00:00:05Z", "0001-01-01T00:00:00Z"])
def test_status_with_an_unusable_time_counts_by_arrival(
    csms: Csms, charge_point: ChargePoint, at: str
) -> None:
    csms.send(charge_point, "StatusNotification", status(1, "Charging") | {"timestamp": at})

    row = charge_point.connectors.get(ocpp_number=1)
    assert (row.status, row.status_at) == ("Charging", T0)


def test_status_from_the_queue_does_not_overwrite_a_newer_one(csms: Csms, charge_point: ChargePoint) -> None:
    tell(csms, charge_point, "Charging", T0 - MINUTE)

    row = tell(csms, charge_point, "Available", T0 - 90 * MINUTE)

    assert (row.status, row.status_at) == ("Charging", T0 - MINUTE)
    assert StatusEvent.objects.count() == 2


def test_status_older_than_one_that_came_without_time_does_not_overwrite_it(
    csms: Csms, charge_point: ChargePoint
) -> None:
    tell(csms, charge_point, "Charging")

    assert tell(csms, charge_point, "Finishing", T0 - 90 * MINUTE).status == "Charging"


def test_status_queue_delivered_backwards_in_one_batch_ends_with_the_newest(
    csms: Csms, charge_point: ChargePoint
) -> None:
    values = [("Finishing", 3), ("Charging", 2), ("Preparing", 1)]
    csms.batch(
        [
            (charge_point, "StatusNotification", status(1, value, T0 - 10 * MINUTE + n * MINUTE))
            for value, n in values
        ]
    )

    assert charge_point.connectors.get(ocpp_number=1).status == "Finishing"
    assert StatusEvent.objects.count() == 3


def test_status_with_a_clock_in_the_future_does_not_lock_the_connector(
    csms: Csms, charge_point: ChargePoint
) -> None:
    tell(csms, charge_point, "Faulted", T0 + timedelta(days=400))

    assert tell(csms, charge_point, "Available", T0).status == "Available"


def test_status_with_equal_times_goes_by_order_of_arrival(csms: Csms, charge_point: ChargePoint) -> None:
    tell(csms, charge_point, "Charging", T0)

    assert tell(csms, charge_point, "SuspendedEV", T0).status == "SuspendedEV"


def test_status_keeps_error_info_and_vendor_words(csms: Csms, charge_point: ChargePoint) -> None:
    payload = status(
        1, "Faulted", error="GroundFailure", info="RCD", vendorId="com.example", vendorErrorCode="E-17"
    )
    csms.send(charge_point, "StatusNotification", payload)

    row = charge_point.connectors.get(ocpp_number=1)
    assert (row.error_code, row.status_info) == ("GroundFailure", "RCD")
    assert (row.vendor_id, row.vendor_error_code) == ("com.example", "E-17")


def test_status_that_clears_an_error_clears_its_details(csms: Csms, charge_point: ChargePoint) -> None:
    fault = status(1, "Faulted", error="GroundFailure", info="RCD", vendorErrorCode="E-17")
    csms.send(charge_point, "StatusNotification", fault)

    row = tell(csms, charge_point, "Available")

    assert (row.error_code, row.status_info, row.vendor_error_code) == ("NoError", "", "")


# ------------------------------------------------------------------ connectors


def test_status_of_connector_0_is_the_chargers_own(csms: Csms, charge_point: ChargePoint) -> None:
    row = tell(csms, charge_point, "Unavailable", connector=0)

    charge_point.refresh_from_db()
    assert (charge_point.status, row.status) == ("Unavailable", "Available")
    assert not Connector.objects.filter(ocpp_number=0).exists()
    assert not Evse.objects.filter(number=0).exists()


def test_status_of_a_new_connector_makes_it_with_its_evse(csms: Csms, charge_point: ChargePoint) -> None:
    tell(csms, charge_point, "Preparing", connector=7)

    row = charge_point.connectors.get(ocpp_number=7)
    assert (row.number, row.evse.number, row.tenant) == (1, 7, charge_point.tenant)


@pytest.mark.parametrize("number", [101, 2**31 - 1, 2**31, 2**60, -1])
def test_status_of_a_connector_out_of_bounds_is_answered_and_makes_none(
    csms: Csms, charge_point: ChargePoint, number: int
) -> None:
    tell(csms, charge_point, "Available", connector=number)

    assert charge_point.connectors.count() == 2


def test_first_statuses_of_twenty_four_connectors_at_once_are_all_answered(
    csms: Csms, tenant: object
) -> None:
    station = factories.ChargePointFactory(tenant=tenant)

    answers = csms.batch([(station, "StatusNotification", status(n, "Available")) for n in range(25)])

    assert answers == [{}] * 25
    numbers = list(station.connectors.order_by("ocpp_number").values_list("ocpp_number", flat=True))
    assert numbers == list(range(1, 25))


def test_charging_without_a_start_makes_no_session(csms: Csms, charge_point: ChargePoint) -> None:
    tell(csms, charge_point, "Charging")

    assert not Transaction.objects.exists()


# ------------------------------------------------------------------ events, reservations


def test_status_that_changes_is_told_once(csms: Csms, charge_point: ChargePoint) -> None:
    for value in ("Charging", "Charging", "Finishing"):
        tell(csms, charge_point, value)

    events = Event.objects.filter(kind="connector.status_changed").order_by("id")
    assert [event.data["new"] for event in events] == ["Charging", "Finishing"]


@pytest.mark.parametrize("value", ["Faulted", "Unavailable"])
def test_fault_ends_the_reservation_of_that_connector_only(
    csms: Csms, charge_point: ChargePoint, value: str
) -> None:
    first, second = (
        factories.ReservationFactory(
            charge_point=charge_point, connector=connector, status=ReservationStatus.ACTIVE
        )
        for connector in charge_point.connectors.order_by("ocpp_number")
    )
    tell(csms, charge_point, value)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.ended_at) == (ReservationStatus.CANCELLED, T0)
    assert second.status == ReservationStatus.ACTIVE


def test_fault_of_the_charger_ends_all_its_reservations(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    for station in (charge_point, other_charge_point):
        factories.ReservationFactory(charge_point=station, status=ReservationStatus.ACTIVE)

    tell(csms, charge_point, "Faulted", connector=0)

    assert charge_point.reservations.get().status == ReservationStatus.CANCELLED
    assert other_charge_point.reservations.get().status == ReservationStatus.ACTIVE


# ------------------------------------------------------------------ broken messages


def test_status_without_error_code_is_taken_as_no_error(csms: Csms, charge_point: ChargePoint) -> None:
    assert csms.send(charge_point, "StatusNotification", {"connectorId": 1, "status": "Charging"}) == {}

    assert charge_point.connectors.get(ocpp_number=1).error_code == "NoError"


def test_status_with_an_unknown_error_code_is_other_error(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "StatusNotification", status(1, "Faulted", error="OnFire"))

    assert charge_point.connectors.get(ocpp_number=1).error_code == "OtherError"


def test_status_that_does_not_exist_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    answer = csms.ask_one(charge_point, "StatusNotification", status(1, "Sleeping"))

    assert answer.code in ("PropertyConstraintViolation", "OccurenceConstraintViolation")
    assert charge_point.connectors.get(ocpp_number=1).status == "Available"


def test_status_with_info_too_long_is_cut_and_stored(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "StatusNotification", status(1, "Faulted", info="x" * 4000))

    assert charge_point.connectors.get(ocpp_number=1).status == "Faulted"


def test_status_by_a_clock_that_lags_still_moves_on(csms: Csms, charge_point: ChargePoint) -> None:
    """A charger whose clock is 20 minutes late reports in its own order."""
    lag = 20 * MINUTE
    tell(csms, charge_point, "Preparing", T0 - lag)

    assert tell(csms, charge_point, "Charging", T0 - lag + MINUTE).status == "Charging"


def test_status_of_the_other_tenants_charger_is_not_touched(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    tell(csms, charge_point, "Faulted")

    assert other_charge_point.connectors.get(ocpp_number=1).status == "Available"


def test_status_dates_far_in_the_past_are_kept_as_events(csms: Csms, charge_point: ChargePoint) -> None:
    tell(csms, charge_point, "Available", datetime(2019, 5, 1, tzinfo=UTC))

    assert StatusEvent.objects.get().at == datetime(2019, 5, 1, tzinfo=UTC)
