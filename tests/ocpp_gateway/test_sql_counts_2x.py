"""What messages of OCPP 2.x cost the database: statements for a batch, however many messages it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.test_sql_counts import LARGE, MAX_STATEMENTS, SMALL, cost_the_same, statements
from tests.ocpp_gateway.v201.helpers import Call, Csms, boot, event, meter, moment, status, token

MINUTE = timedelta(minutes=1)
MAX_FULL_STATEMENTS = MAX_STATEMENTS + 4  # where sessions begin or end

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
    csms.batch([make_started(row) for row in rows])
    # Known layouts are remembered after the first use.
    csms.batch([make_updated(rows[0]), make_idle(rows[0])])
    return rows


def make_started(row: ChargePoint, tx: str = "tx-1", evse: int = 1) -> Call:
    begin = moment(1000, context="Transaction.Begin")
    return row, "TransactionEvent", event("Started", 0, begin, tx=tx, evse=evse, idToken=token())


def make_updated(row: ChargePoint) -> Call:
    number = next(ticks)
    at = T0 + number * MINUTE
    samples = moment(2000 + number, {"value": 7000, "measurand": "Power.Active.Import"}, at=at)
    return row, "TransactionEvent", event("Updated", number, samples, at=at, evse=1)


def make_repeated(row: ChargePoint) -> Call:
    return make_started(row)


def make_ended(row: ChargePoint) -> Call:
    at = T0 + timedelta(days=2)
    return row, "TransactionEvent", event("Ended", 2**31, moment(90000, at=at), at=at)


def make_idle(row: ChargePoint) -> Call:
    """A clock-aligned reading of an EVSE without a session."""
    at = T0 + next(ticks) * MINUTE
    return row, "MeterValues", meter(moment(777, at=at, context="Sample.Clock"), evse=2)


def make_status(row: ChargePoint) -> Call:
    return row, "StatusNotification", status(1, "Occupied", T0 + next(ticks) * MINUTE)


def make_authorize(row: ChargePoint) -> Call:
    return row, "Authorize", {"idToken": token()}


def make_boot(row: ChargePoint) -> Call:
    return row, "BootNotification", boot(firmwareVersion="1.0")


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (make_updated, 3.0),
        (make_repeated, 3.0),
        (make_ended, 3.0),
        (make_idle, 3.0),
        (make_status, 2.0),
        (make_authorize, 1.0),
        (make_boot, 2.0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_batch_of_one_kind_costs_the_same_for_20_and_60_chargers(
    csms: Csms, stations: list[ChargePoint], make: Callable[[ChargePoint], Call], most: float
) -> None:
    small = statements(csms, [make(row) for row in stations[:SMALL]])
    large = statements(csms, [make(row) for row in stations[SMALL:] + stations[:SMALL]])

    assert small / SMALL <= most
    assert cost_the_same(small, large)
    assert large <= MAX_FULL_STATEMENTS


def test_starts_cost_the_same_for_20_and_40_chargers(csms: Csms, stations: list[ChargePoint]) -> None:
    small = statements(csms, [make_started(row, "tx-2", 2) for row in stations[:SMALL]])
    large = statements(csms, [make_started(row, "tx-2", 2) for row in stations[SMALL:]])

    assert small / SMALL <= 3.0
    assert cost_the_same(small, large)
    assert large <= MAX_FULL_STATEMENTS


def test_many_events_of_one_session_cost_the_same(csms: Csms, stations: list[ChargePoint]) -> None:
    few = statements(csms, [make_updated(stations[0]) for _ in range(5)])
    many = statements(csms, [make_updated(stations[0]) for _ in range(50)])

    assert cost_the_same(few, many)
