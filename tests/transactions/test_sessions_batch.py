"""The unit of work of sessions and its acts, driven without a wire: reads, locks, one instance of each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken
from chargepoints.models import ChargePoint, Command, Connector
from chargepoints.services.batch import Act
from tests import factories
from tests.factories import T0
from transactions.choices import EndKind
from transactions.energy import Sample
from transactions.models import LedgerEntry, MeterLayout, MeterValue, Transaction
from transactions.services import batch as session_batch
from transactions.services import metering, starts, stops
from transactions.services.batch import MAX_OCPP16_ID, Moment, SessionBatch, digest_of

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_known_layouts() -> None:
    """Layouts are remembered for the life of the process; a test's database is rolled back."""
    session_batch._layouts.clear()


def facts(row: ChargePoint) -> dict[str, Any]:
    return {"charge_point_id": row.pk, "tenant_id": row.tenant_id, "received_at": T0 + 2 * HOUR}


def start(row: ChargePoint, connector: int = 1, at: datetime = T0, token: str = "04A1B2C3") -> starts.Start:
    return starts.Start(
        **facts(row),
        connector_number=connector,
        id_token=token,
        started_at=at,
        meter_start_wh=Decimal(1000),
        meter_start_raw="1000",
    )


def stop(row: ChargePoint, ocpp_id: str, register: int = 11000) -> stops.Stop:
    return stops.Stop(
        **facts(row),
        ocpp_id=ocpp_id,
        ended_at=T0 + HOUR,
        meter_stop_wh=Decimal(register),
        meter_stop_raw=str(register),
        reason="Local",
    )


def metered(
    row: ChargePoint, ocpp_id: str, *readings: tuple[int, str], connector: int = 1
) -> metering.Metered:
    moments = tuple(Moment(at=T0 + n * MINUTE, samples=(Sample(value),)) for n, value in readings)
    return metering.Metered(**facts(row), connector_number=connector, ocpp_id=ocpp_id, moments=moments)


ACTS: dict[type, Act[Any, Any]] = {
    starts.Start: starts.START,
    stops.Stop: stops.STOP,
    metering.Metered: metering.METERED,
}


def run(*requests: Any, wants: bool = True) -> Sequence[Any]:
    """One batch; with `wants=False` nothing is announced, and everything is read when it is asked for."""
    batch = SessionBatch(now=T0 + 2 * HOUR)
    if wants:
        for request in requests:
            ACTS[type(request)].want(request, batch)
    batch.load()
    results = [ACTS[type(request)].decide(request, batch) for request in requests]
    batch.store()
    batch.committed()
    return results


@pytest.mark.parametrize("wants", [True, False])
def test_wanting_is_never_a_matter_of_correctness(charge_point: ChargePoint, wants: bool) -> None:
    [first] = run(start(charge_point), wants=wants)
    requests = [
        start(charge_point),
        metered(charge_point, first.ocpp_id, (10, "3000"), (20, "5000")),
        metered(charge_point, "", (30, "6000")),
        stop(charge_point, first.ocpp_id),
        start(charge_point, at=T0 + 90 * MINUTE),
        metered(charge_point, "", (100, "1500")),
        metered(charge_point, "", (40, "7000")),
    ]

    results = run(*requests, wants=wants)

    rows = list(Transaction.objects.order_by("started_at"))
    assert results[0].ocpp_id == first.ocpp_id
    assert [(row.energy_wh, row.end_kind) for row in rows] == [(10000, EndKind.CHARGER), (500, "")]
    assert [row.meter_values.count() for row in rows] == [4, 1]


def test_acts_of_one_batch_see_what_the_earlier_ones_did(charge_point: ChargePoint) -> None:
    [first] = run(start(charge_point))

    run(
        start(charge_point, at=T0 + 30 * MINUTE),
        metered(charge_point, "", (40, "1200")),
        stop(charge_point, first.ocpp_id),
    )

    old, new = Transaction.objects.order_by("started_at")
    assert (old.end_kind, old.energy_wh, new.is_active, new.energy_wh) == (EndKind.CHARGER, 10000, True, 200)


def test_new_session_is_inserted_before_samples_that_came_earlier_in_the_batch(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    run(
        metered(other_charge_point, "", (1, "1")),
        start(charge_point),
        metered(charge_point, "", (10, "1700")),
    )

    assert Transaction.objects.get().meter_values.get().register_wh == 1700


def test_one_batch_and_many_give_the_same_rows(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    for station, split in ((charge_point, False), (other_charge_point, True)):
        [first] = run(start(station))
        requests = [
            metered(station, first.ocpp_id, (5, "2000"), (10, "1500")),
            metered(station, first.ocpp_id, (10, "1500"), (15, "4000")),
            stop(station, first.ocpp_id, 5000),
            stop(station, first.ocpp_id, 5000),
            stop(station, first.ocpp_id, 6000),
            stop(station, "77"),
        ]
        for part in [[item] for item in requests] if split else [requests]:
            run(*part)

    def figures(station: ChargePoint) -> list[tuple[Any, ...]]:
        rows = Transaction.objects.filter(charge_point=station).order_by("id")
        return [
            (row.energy_wh, row.end_kind, row.flags, row.meter_values.count(), row.ledger.count())
            for row in rows
        ]

    assert figures(charge_point) == figures(other_charge_point)
    assert len(figures(charge_point)) == 2


def test_transaction_of_another_charger_is_not_found(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    row = factories.TransactionFactory(connector=other_charge_point.connectors.first(), ocpp_id="55")
    batch = SessionBatch(now=T0)
    batch.want_transaction(charge_point.pk, "55")
    batch.want_transaction(other_charge_point.pk, "56")
    batch.load()

    assert batch.transaction(charge_point.pk, "55") is None
    assert batch.transaction(other_charge_point.pk, "55") == row


def test_row_found_in_several_ways_is_one_instance(connector: Connector) -> None:
    made = factories.TransactionFactory(connector=connector, ocpp_id="55", start_digest="d")
    station = made.charge_point_id
    batch = SessionBatch(now=T0)

    found = batch.transaction(station, "55")

    assert found is batch.transaction_by_digest(station, "d")
    assert found is batch.open_transactions(station)[0]


def test_ended_session_found_by_time_is_the_same_instance(connector: Connector) -> None:
    made = factories.TransactionFactory(connector=connector, ocpp_id="55", ended=True)
    batch = SessionBatch(now=T0)

    by_time = batch.ended_at_time(made.charge_point_id, 1, T0 + MINUTE)

    assert by_time is not None
    assert by_time is batch.transaction(made.charge_point_id, "55")


@pytest.mark.parametrize(
    ("minutes", "number", "found"),
    [(-1, 1, False), (0, 1, True), (60, 1, True), (61, 1, False), (5, 2, False)],
)
def test_ended_session_is_found_within_its_time_and_on_its_connector(
    connector: Connector, minutes: int, number: int, found: bool
) -> None:
    made = factories.TransactionFactory(connector=connector, ended=True)
    batch = SessionBatch(now=T0)
    batch.want_running(made.charge_point_id)
    batch.load()

    row = batch.ended_at_time(made.charge_point_id, number, T0 + minutes * MINUTE)

    assert (row == made) is found


def test_session_before_the_last_one_is_found_by_its_time(connector: Connector) -> None:
    old = factories.TransactionFactory(connector=connector, ended=True)
    factories.TransactionFactory(connector=connector, ended=True, started_at=T0 + 5 * HOUR)
    batch = SessionBatch(now=T0)
    batch.want_running(old.charge_point_id)
    batch.load()

    assert batch.ended_at_time(old.charge_point_id, 1, T0 + MINUTE) == old


def test_readings_are_those_stored_and_those_of_the_batch(charge_point: ChargePoint) -> None:
    [first] = run(start(charge_point))
    run(metered(charge_point, first.ocpp_id, (10, "3000")))
    batch = SessionBatch(now=T0)
    metering.decide_metered(metered(charge_point, first.ocpp_id, (20, "4000")), batch)
    row = batch.transaction(charge_point.pk, first.ocpp_id)

    assert row is not None
    assert [reading.wh for reading in batch.readings(row)] == [3000, 4000]


def noise_of(*numbers: int) -> Callable[[int], bytes]:
    """What chance gives, eight bytes for each number; the last one is given for ever."""
    left = list(numbers)

    def take(count: int) -> bytes:
        drawn = (left.pop(0) if len(left) > 1 else left[0] for _ in range(count // 8))
        return b"".join(number.to_bytes(8) for number in drawn)

    return take


def test_ids_are_positive_31_bit_and_skip_what_is_taken(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.TransactionFactory(connector=connector, ocpp_id="8")
    monkeypatch.setattr("secrets.token_bytes", noise_of(7, 8, 7, 2**64 - 1))
    batch = SessionBatch(now=T0)

    assert int(batch.unused_ocpp16_id()) <= MAX_OCPP16_ID
    assert batch.unused_ocpp16_id() != "8"


def test_ids_of_one_batch_differ(charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_bytes", noise_of(41, 41, 41, 42))

    one, two = run(start(charge_point, 1), start(charge_point, 2))

    assert (one.ocpp_id, two.ocpp_id) == ("42", "43")


def test_remote_start_is_given_to_one_session_of_a_batch(charge_point: ChargePoint) -> None:
    factories.CommandFactory(
        charge_point=charge_point,
        action="RemoteStartTransaction",
        payload={"idTag": "04A1B2C3"},
        created_at=T0 + 2 * HOUR - MINUTE,
    )
    run(start(charge_point, 1), start(charge_point, 2))

    joined = Transaction.objects.exclude(remote_start=None)
    assert joined.count() == 1
    assert joined.get().remote_start == Command.objects.get()


def test_layout_is_stored_once_and_remembered_after_the_commit(charge_point: ChargePoint) -> None:
    run(metered(charge_point, "", (1, "1"), (2, "2")))

    with CaptureQueriesContext(connection) as queries:
        run(metered(charge_point, "", (3, "3")))

    assert MeterLayout.objects.count() == 1
    assert not any("meterlayout" in query["sql"] for query in queries)


def test_layout_of_a_batch_that_was_rolled_back_is_not_remembered(charge_point: ChargePoint) -> None:
    batch = SessionBatch(now=T0)
    metering.decide_metered(metered(charge_point, "", (1, "1")), batch)
    MeterLayout.objects.all().delete()

    run(metered(charge_point, "", (1, "1")))

    assert MeterValue.objects.get().layout_id == MeterLayout.objects.get().pk


def test_ledger_of_a_new_session_gets_its_key(charge_point: ChargePoint, tenant: object) -> None:
    run(start(charge_point))

    row = Transaction.objects.get()
    assert set(LedgerEntry.objects.values_list("transaction_id", "tenant_id")) == {(row.pk, row.tenant_id)}


def test_energy_is_the_same_whatever_the_order_of_the_samples(charge_point: ChargePoint) -> None:
    [one, two] = run(start(charge_point, 1), start(charge_point, 2))
    readings = [(5, "1500"), (10, "2500.25"), (15, "2600"), (20, "4000.125")]
    run(metered(charge_point, one.ocpp_id, *readings), stop(charge_point, one.ocpp_id, 4001))
    for reading in reversed(readings):
        run(metered(charge_point, two.ocpp_id, reading, connector=2))
    run(stop(charge_point, two.ocpp_id, 4001))

    assert set(Transaction.objects.values_list("energy_wh", flat=True)) == {Decimal("3001.000")}


def test_token_of_a_start_is_read_with_the_batch(charge_point: ChargePoint) -> None:
    token: IdToken = factories.IdTokenFactory(tenant=charge_point.tenant, value="04A1B2C3")
    batch = SessionBatch(now=T0)
    request = start(charge_point)
    starts.START.want(request, batch)
    batch.load()

    with CaptureQueriesContext(connection) as queries:
        assert batch.tokens((charge_point.tenant_id, "04a1b2c3")) == [token]
        assert batch.charge_point(charge_point.pk).tenant.slug == "acme"
        assert batch.connectors(charge_point.pk)[1].evse_id is not None

    assert len(queries) == 0


def test_digest_tells_parts_apart() -> None:
    assert digest_of("a", "bc") != digest_of("ab", "c")
    assert digest_of("a", 1) == digest_of("a", "1")
