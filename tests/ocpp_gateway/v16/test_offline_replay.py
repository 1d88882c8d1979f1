"""What chargers deliver after an outage: OCPP 1.6 §3.7, §4.7–§4.10; OCPP-J 1.6 errata 3.1."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chargepoints.models import ChargePoint
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Call, Csms, boot, meter, moment, session, start, status, stop
from transactions.choices import EndKind, Flag
from transactions.models import MeterValue, Transaction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("token")


def deliver(csms: Csms, calls: list[Call], together: bool) -> None:
    """The queue of a charger, in one batch or each message alone."""
    if together:
        csms.batch(calls)
    else:
        for call in calls:
            csms.send(*call)


@pytest.mark.parametrize("together", [False, True])
def test_old_statuses_first_then_the_stop_of_the_old_session(
    csms: Csms, charge_point: ChargePoint, together: bool
) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.reconnect(charge_point)
    csms.now = T0 + DAY
    queue: list[Call] = [
        (charge_point, "StatusNotification", status(1, "SuspendedEV", T0 + 40 * MINUTE)),
        (charge_point, "StatusNotification", status(1, "Finishing", T0 + HOUR)),
        (charge_point, "StatusNotification", status(1, "Available", T0 + 61 * MINUTE)),
        (charge_point, "StopTransaction", stop(ocpp_id, 9000)),
    ]
    deliver(csms, queue, together)

    row = session(ocpp_id)
    assert (row.ended_at, row.end_received_at) == (T0 + HOUR, T0 + DAY)
    assert (row.energy_wh, row.flags) == (8000, [Flag.OFFLINE])
    assert charge_point.connectors.get(ocpp_number=1).status == "Available"


@pytest.mark.parametrize("together", [False, True])
def test_stop_first_and_fresh_statuses_later(csms: Csms, charge_point: ChargePoint, together: bool) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.now = T0 + DAY
    queue: list[Call] = [
        (charge_point, "BootNotification", boot()),
        (charge_point, "StopTransaction", stop(ocpp_id, 9000)),
        (charge_point, "StatusNotification", status(1, "Preparing")),
        (charge_point, "StatusNotification", status(1, "Charging", T0 + 5 * MINUTE)),
    ]
    deliver(csms, queue, together)

    assert session(ocpp_id).energy_wh == 8000
    assert charge_point.connectors.get(ocpp_number=1).status == "Preparing"


def test_whole_session_of_two_days_ago_lands_with_its_own_times(
    csms: Csms, charge_point: ChargePoint
) -> None:
    begun = T0 - 2 * DAY
    ocpp_id = csms.send(charge_point, "StartTransaction", start(at=begun))["transactionId"]
    samples = [moment(str(1000 + 100 * n), begun + n * MINUTE) for n in range(1, 60)]
    csms.batch([(charge_point, "MeterValues", meter(item, transaction=ocpp_id)) for item in samples])
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 7000, begun + HOUR))

    row = session(ocpp_id)
    assert (row.started_at, row.ended_at, row.energy_wh) == (begun, begun + HOUR, 6000)
    assert (row.start_received_at, row.flags, row.meter_values.count()) == (T0, [Flag.OFFLINE], 59)


def test_three_offline_sessions_on_one_connector_keep_their_own_ends(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ids = []
    for number in range(3):
        begun, register = T0 - DAY + number * 3 * HOUR, 1000 + number * 5000
        ids.append(
            csms.send(charge_point, "StartTransaction", start(at=begun, meter=register))["transactionId"]
        )
        csms.send(charge_point, "StopTransaction", stop(ids[-1], register + 5000, begun + HOUR))

    rows = [session(ocpp_id) for ocpp_id in ids]
    assert [row.energy_wh for row in rows] == [5000, 5000, 5000]
    assert {row.end_kind for row in rows} == {EndKind.CHARGER}
    assert [row.ended_at for row in rows] == [T0 - DAY + n * 3 * HOUR + HOUR for n in range(3)]


def test_offline_session_older_than_the_running_one_does_not_disturb_it(
    csms: Csms, charge_point: ChargePoint
) -> None:
    running = csms.send(charge_point, "StartTransaction", start(meter=9000))["transactionId"]
    old = csms.send(charge_point, "StartTransaction", start(at=T0 - DAY))["transactionId"]
    csms.send(charge_point, "MeterValues", meter(moment("2000", T0 - DAY + MINUTE), transaction=old))
    csms.send(charge_point, "StopTransaction", stop(old, 6000, T0 - DAY + HOUR))

    assert session(running).is_active
    assert (session(old).energy_wh, session(running).energy_wh) == (5000, 0)


def test_late_samples_without_an_id_go_to_the_session_of_their_time(
    csms: Csms, charge_point: ChargePoint
) -> None:
    old = csms.send(charge_point, "StartTransaction", start(at=T0 - DAY))["transactionId"]
    csms.send(charge_point, "StopTransaction", stop(old, 6000, T0 - DAY + HOUR))
    csms.send(charge_point, "StartTransaction", start(meter=6000))

    csms.send(charge_point, "MeterValues", meter(moment("2000", T0 - DAY + 10 * MINUTE)))

    assert MeterValue.objects.get().transaction == session(old)
    assert session(old).energy_wh == 5000


@pytest.mark.parametrize("together", [False, True])
def test_queue_delivered_twice_has_the_effect_of_once(
    csms: Csms, charge_point: ChargePoint, together: bool
) -> None:
    begun = T0 - 5 * HOUR
    ocpp_id = csms.send(charge_point, "StartTransaction", start(at=begun))["transactionId"]
    queue: list[Call] = [
        (charge_point, "StartTransaction", start(at=begun)),
        (charge_point, "MeterValues", meter(moment("2000", begun + MINUTE), transaction=ocpp_id)),
        (charge_point, "MeterValues", meter(moment("3000", begun + 2 * MINUTE))),
        (charge_point, "StopTransaction", stop(ocpp_id, 6000, begun + HOUR)),
        (charge_point, "StopTransaction", stop(-1, 100, begun - HOUR)),
    ]
    deliver(csms, queue, together)
    csms.reconnect(charge_point)
    deliver(csms, queue, together)

    row = session(ocpp_id)
    assert (row.energy_wh, row.meter_values.count(), row.flags) == (5000, 2, [Flag.OFFLINE])
    assert Transaction.objects.count() == 2
    assert MeterValue.objects.count() == 2


def test_session_whose_charger_vanished_stays_open_until_the_next_start(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """A hard reset may never send a stop."""
    lost = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.send(charge_point, "MeterValues", meter(moment("4000", T0 + 20 * MINUTE), transaction=lost))
    csms.reconnect(charge_point)
    csms.send(charge_point, "BootNotification", boot(), at=T0 + HOUR)
    assert session(lost).is_active

    csms.send(charge_point, "StartTransaction", start(at=T0 + 2 * HOUR, meter=4200), at=T0 + 2 * HOUR)

    row = session(lost)
    assert (row.end_kind, row.energy_wh, row.ended_at) == (EndKind.SUPERSEDED, 3000, T0 + 20 * MINUTE)


def test_message_ids_that_start_again_after_a_reboot_are_new_messages(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Some chargers number their messages from 1 after each start."""
    first = csms.send(charge_point, "StartTransaction", start(), message_id="1")["transactionId"]
    csms.send(charge_point, "StopTransaction", stop(first, 2000, T0 + MINUTE), message_id="2")
    later = start(at=T0 + HOUR, meter=2000)
    csms.reconnect(charge_point)

    second = csms.send(charge_point, "StartTransaction", later, message_id="1")["transactionId"]
    third = csms.send(charge_point, "StartTransaction", start(2), message_id="1")["transactionId"]

    assert len({first, second, third}) == 3


def test_charging_before_start_and_finishing_before_stop_are_fine(
    csms: Csms, charge_point: ChargePoint
) -> None:
    csms.send(charge_point, "StatusNotification", status(1, "Charging"))
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.send(charge_point, "StatusNotification", status(1, "Finishing"))
    csms.send(charge_point, "StatusNotification", status(1, "Available"))
    csms.send(charge_point, "StopTransaction", stop(ocpp_id), at=T0 + HOUR)

    assert session(ocpp_id).energy_wh == 10000


@pytest.mark.parametrize("reason", ["HardReset", "Reboot", "PowerLoss"])
def test_stop_after_a_reset_comes_with_the_time_of_the_reset(
    csms: Csms, charge_point: ChargePoint, reason: str
) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.reconnect(charge_point)
    csms.send(charge_point, "BootNotification", boot(), at=T0 + HOUR)

    payload = stop(ocpp_id, 3000, T0 + 10 * MINUTE, reason=reason)
    csms.send(charge_point, "StopTransaction", payload, at=T0 + HOUR)

    row = session(ocpp_id)
    assert (row.stop_reason, row.ended_at, row.energy_wh) == (reason, T0 + 10 * MINUTE, 2000)
