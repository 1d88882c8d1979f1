"""Samples that come again, and live energy that is judged by all readings: what they cost and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chargepoints.models import ChargePoint
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, meter, moment, session, start, stop
from transactions.choices import Flag
from transactions.energy import Reading, live_energy
from transactions.models import MeterValue
from transactions.services import metering

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("token")


def begin(csms: Csms, charge_point: ChargePoint, **fields: Any) -> int:
    answer: int = csms.send(charge_point, "StartTransaction", start(**fields))["transactionId"]
    return answer


def series(count: int) -> list[Payload]:
    return [moment(str(1000 + n), T0 + n * SECOND) for n in range(count)]


def judgements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many readings each judgement by all readings has looked at."""
    seen: list[int] = []
    judge = live_energy

    def spy(meter_start_wh: Any, readings: Sequence[Reading], **more: Any) -> Any:
        seen.append(len(readings))
        return judge(meter_start_wh, readings, **more)

    monkeypatch.setattr(metering, "live_energy", spy)
    return seen


# ------------------------------------------------------------------ repeats


def statements_of_a_repeat(csms: Csms, charge_point: ChargePoint, count: int, *, connector: int) -> int:
    """Statements of a stop whose transactionData was sent before."""
    ocpp_id = begin(csms, charge_point, connector=connector)
    values = series(count)
    csms.send(charge_point, "MeterValues", meter(*values, connector=connector, transaction=ocpp_id))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        csms.send(charge_point, "StopTransaction", stop(ocpp_id, 2000, transactionData=values))
    row = session(ocpp_id)
    assert (row.meter_values.count(), row.energy_wh) == (count, 1000)
    return len(queries)


def test_five_hundred_repeated_moments_cost_the_statements_of_five(
    csms: Csms, charge_point: ChargePoint
) -> None:
    few = statements_of_a_repeat(csms, charge_point, 5, connector=1)

    assert statements_of_a_repeat(csms, charge_point, 500, connector=2) == few


@pytest.mark.parametrize("since", ["open", "ended", "followed"])
def test_repeated_moments_without_an_id_cost_the_statements_of_one(
    csms: Csms, charge_point: ChargePoint, since: str
) -> None:
    ocpp_id = begin(csms, charge_point)
    csms.send(charge_point, "MeterValues", meter(*series(300)))
    if since != "open":
        csms.send(charge_point, "StopTransaction", stop(ocpp_id, 2000))
    if since == "followed":
        begin(csms, charge_point, at=T0 + 2 * HOUR)
    costs = []
    for count in (1, 300):
        with CaptureQueriesContext(connection) as queries:
            csms.send(charge_point, "MeterValues", meter(*series(count)))
        costs.append(len(queries))

    assert costs[0] == costs[1]
    assert MeterValue.objects.count() == 300


def test_moments_in_no_order_that_are_all_new_are_not_looked_up(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ocpp_id = begin(csms, charge_point)

    with CaptureQueriesContext(connection) as queries:
        csms.send(charge_point, "MeterValues", meter(*series(50)[::-1], transaction=ocpp_id))

    table = MeterValue._meta.db_table
    assert not [q for q in queries if q["sql"].startswith("SELECT") and table in q["sql"]]
    assert session(ocpp_id).meter_values.count() == 50


@pytest.mark.parametrize("together", [False, True])
def test_sample_from_just_before_the_start_is_kept_once_when_it_comes_again_after_the_stop(
    csms: Csms, charge_point: ChargePoint, together: bool
) -> None:
    values = (charge_point, "MeterValues", meter(moment("1000", T0 - 3 * MINUTE)))
    ocpp_id = begin(csms, charge_point)
    calls = [values, (charge_point, "StopTransaction", stop(ocpp_id)), values]
    if together:
        csms.batch(calls, at=T0 + HOUR)
    else:
        for call in calls:
            csms.send(*call, at=T0 + HOUR)

    assert MeterValue.objects.get().transaction == session(ocpp_id)


def test_sample_after_the_time_of_the_stop_is_kept_once_when_it_comes_again(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ocpp_id = begin(csms, charge_point)
    values = meter(moment("3000", T0 + 2 * HOUR))
    csms.send(charge_point, "MeterValues", values)
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, at=T0 + HOUR))

    csms.send(charge_point, "MeterValues", values)

    assert MeterValue.objects.count() == 1


def test_sample_of_the_idle_connector_is_kept_once_when_it_comes_again_after_the_start(
    csms: Csms, charge_point: ChargePoint
) -> None:
    values = meter(moment("1000", T0 - MINUTE))
    csms.send(charge_point, "MeterValues", values, at=T0 - MINUTE)
    begin(csms, charge_point)

    csms.send(charge_point, "MeterValues", values, at=T0 + MINUTE)

    assert MeterValue.objects.get().transaction is None


# ------------------------------------------------------------------ live energy judged by all readings


def test_rise_that_only_seemed_impossible_is_counted_once(csms: Csms, charge_point: ChargePoint) -> None:
    """A sample of power alone, seconds before the register of a whole quarter of an hour."""
    power = [{"value": "50000", "measurand": "Power.Active.Import", "unit": "W"}]
    ocpp_id = begin(csms, charge_point, meter=0)
    for seconds, given in ((5, "0"), (895, power), (900, "12500"), (1800, "25000")):
        values = moment(given, T0 + seconds * SECOND)
        csms.send(charge_point, "MeterValues", meter(values, transaction=ocpp_id))

    row = session(ocpp_id)
    assert (row.energy_wh, row.register_wh, row.flags) == (25_000, 25_000, [])


def test_many_impossible_rises_in_one_batch_are_judged_once(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ocpp_id = begin(csms, charge_point)
    peaks = [moment(str(10**6 * n), T0 + n * MINUTE) for n in range(2, 60)]
    values = [moment("1500", T0 + MINUTE), *peaks]
    csms.send(charge_point, "MeterValues", meter(values[0], transaction=ocpp_id))
    seen = judgements(monkeypatch)

    calls = [meter(*part, transaction=ocpp_id) for part in (values[1:30], values[30:])]
    csms.batch([(charge_point, "MeterValues", call) for call in calls], at=T0 + HOUR)

    assert [count for count in seen if count > 1] == [59]
    row = session(ocpp_id)
    assert (row.energy_wh, row.flags) == (500, [Flag.METER_ANOMALY])
    assert row.ledger.filter(text=Flag.METER_ANOMALY.label).count() == 1


def test_session_with_a_doubtful_register_is_judged_with_every_message(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ocpp_id = begin(csms, charge_point)
    live = []
    for minutes, value in ((5, "1500"), (6, "900000000"), (7, "2500"), (8, "3000")):
        values = moment(value, T0 + minutes * MINUTE)
        csms.send(charge_point, "MeterValues", meter(values, transaction=ocpp_id))
        live.append(int(session(ocpp_id).energy_wh))

    assert live == [500, 500, 1500, 2000]


def test_very_long_session_keeps_its_live_energy_until_the_end_settles_it(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "MAX_JUDGED", 2)
    ocpp_id = begin(csms, charge_point)
    for minutes, value in ((5, "1500"), (6, "900000000"), (7, "2500"), (8, "3000"), (9, "4000")):
        values = moment(value, T0 + minutes * MINUTE)
        csms.send(charge_point, "MeterValues", meter(values, transaction=ocpp_id))
    assert session(ocpp_id).energy_wh == 1500

    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 5000))

    assert session(ocpp_id).energy_wh == 4000
