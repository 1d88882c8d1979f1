"""What messages cost the database: statements for a batch, however many messages it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Call, Csms, boot, meter, moment, start, status, stop

MINUTE = timedelta(minutes=1)
SMALL, LARGE = 20, 60
#: What a batch costs at most in all: locks, tokens, sessions, inserts, updates, message log, receipt.
MAX_STATEMENTS = 16

ticks = count(1)


@pytest.fixture
def csms(monkeypatch: pytest.MonkeyPatch, db: None) -> Csms:
    return Csms(monkeypatch)


@pytest.fixture
def stations(csms: Csms, tenant: Tenant) -> list[ChargePoint]:
    """Chargers with a running session each."""
    factories.IdTokenFactory(tenant=tenant, value="04A1B2C3")
    rows: list[ChargePoint] = [
        factories.ChargePointFactory(tenant=tenant, connectors=2) for _ in range(LARGE)
    ]
    answers = csms.batch([(row, "StartTransaction", start()) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        row.running = answer["transactionId"]  # type: ignore[attr-defined]
    # Known layouts are remembered after the first use.
    csms.batch([make_meter(rows[0]), make_idle(rows[0])])
    return rows


def at() -> timedelta:
    return next(ticks) * MINUTE


def make_status(row: ChargePoint) -> Call:
    return row, "StatusNotification", status(1, "Charging", T0 + at())


def make_meter(row: ChargePoint) -> Call:
    samples = [
        {"value": str(2000 + next(ticks)), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "7000", "measurand": "Power.Active.Import", "unit": "W"},
    ]
    return row, "MeterValues", meter(moment(samples, T0 + at()), transaction=row.running)  # type: ignore[attr-defined]


def make_idle(row: ChargePoint) -> Call:
    """A clock-aligned reading of a connector without a session."""
    return row, "MeterValues", meter(moment("777", T0 + at()), connector=2)


def make_authorize(row: ChargePoint) -> Call:
    return row, "Authorize", {"idTag": "04A1B2C3"}


def make_boot(row: ChargePoint) -> Call:
    return row, "BootNotification", boot(firmwareVersion="1.0")


def make_repeated_start(row: ChargePoint) -> Call:
    return row, "StartTransaction", start()


def make_repeated_status(row: ChargePoint) -> Call:
    return row, "StatusNotification", status(0, "Available", T0 + at())


def statements(csms: Csms, calls: list[Call]) -> int:
    """Statements of one batch, without those that only mark a transaction."""
    with CaptureQueriesContext(connection) as queries:
        csms.batch(calls)
    marks = ("SAVEPOINT", "RELEASE", "SET LOCAL", "BEGIN", "COMMIT")
    return sum(1 for query in queries if not query["sql"].startswith(marks))


def cost_the_same(few: int, many: int) -> bool:
    """On PostgreSQL many rows of a kind are copied instead of joining the one statement of all that are few."""
    kinds = 6 if connection.vendor == "postgresql" else 0
    return abs(many - few) <= kinds


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (make_status, 2.0),
        (make_repeated_status, 2.0),
        (make_meter, 3.0),
        (make_idle, 3.0),
        (make_authorize, 1.0),
        (make_boot, 2.0),
        (make_repeated_start, 2.0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_batch_of_one_kind_costs_the_same_for_20_and_60_chargers(
    csms: Csms, stations: list[ChargePoint], make: Callable[[ChargePoint], Call], most: float
) -> None:
    small = statements(csms, [make(row) for row in stations[:SMALL]])
    large = statements(csms, [make(row) for row in stations])

    assert small / SMALL <= most
    assert cost_the_same(small, large)
    assert large <= MAX_STATEMENTS


def test_batch_of_all_kinds_costs_the_same_for_20_and_60_messages(
    csms: Csms, stations: list[ChargePoint]
) -> None:
    kinds = (make_status, make_meter, make_idle, make_authorize)

    small = statements(csms, [make(row) for row in stations[: SMALL // 4] for make in kinds])
    large = statements(csms, [make(row) for row in stations[: LARGE // 4] for make in kinds])

    assert cost_the_same(small, large)
    assert large <= MAX_STATEMENTS


def test_first_statuses_of_new_connectors_cost_the_same_for_20_and_60_chargers(
    csms: Csms, stations: list[ChargePoint]
) -> None:
    """A new fleet boots in a storm: its connectors are made together."""
    factories.EvseFactory(charge_point=stations[0], tenant=stations[0].tenant, number=7)

    def first(rows: list[ChargePoint], *numbers: int) -> list[Call]:
        return [(row, "StatusNotification", status(n, "Available")) for row in rows for n in numbers]

    few = statements(csms, first(stations[:SMALL], 7, 8))
    many = statements(csms, first(stations[SMALL:] + stations[:SMALL], 7, 8, 9))

    assert max(few, many) <= MAX_STATEMENTS + 4
    for row in stations:
        numbers = row.connectors.filter(status="Available").values_list("ocpp_number", flat=True)
        assert set(numbers) >= {7, 8, 9}


def test_many_samples_of_one_charger_cost_the_same(csms: Csms, stations: list[ChargePoint]) -> None:
    few = statements(csms, [make_meter(stations[0]) for _ in range(5)])
    many = statements(csms, [make_meter(stations[0]) for _ in range(50)])

    assert cost_the_same(few, many)


def test_starts_and_stops_cost_a_few_statements_each(csms: Csms, stations: list[ChargePoint]) -> None:
    """A stop reads the samples of its session; a start finds an unused id and its remote start."""
    starts = statements(csms, [(row, "StartTransaction", start(2)) for row in stations[:SMALL]])
    stops = statements(csms, [(row, "StopTransaction", stop(row.running)) for row in stations[:SMALL]])  # type: ignore[attr-defined]

    assert starts / SMALL <= 4
    assert stops / SMALL <= 3


def test_heartbeats_never_reach_the_database(csms: Csms, stations: list[ChargePoint]) -> None:
    with CaptureQueriesContext(connection) as queries:
        answers = csms.batch([(row, "Heartbeat", {}) for row in stations])

    assert answers == [{"currentTime": "2026-03-02T10:00:00.000Z"}] * LARGE
    assert len(queries) == 0
    assert csms.node.writer.works == []


def test_log_rows_of_refused_frames_are_stored_in_bulk(csms: Csms, stations: list[ChargePoint]) -> None:
    csms.ask([(row, "CustomOperation", {}) for row in stations])

    with CaptureQueriesContext(connection) as queries:
        csms.node.writer.flush()

    assert sum(query["sql"].startswith("INSERT") for query in queries) <= 3
