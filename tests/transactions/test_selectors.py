"""Reads of sessions and charge points."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from pytest_django import DjangoAssertNumQueries

from accounts.models import Tenant
from chargepoints.models import ChargePoint, Connector
from tests import factories
from tests.factories import T0
from transactions import selectors
from transactions.energy import Reading
from transactions.models import Transaction


def test_readings_of_are_in_time_order_and_of_their_session(
    connector: Connector, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = factories.TransactionFactory(connector=connector)
    second = factories.TransactionFactory(connector=connector)
    for minutes, wh in ((20, "3000"), (10, "2000")):
        factories.MeterValueFactory(
            transaction=first, sampled_at=T0 + timedelta(minutes=minutes), register_wh=Decimal(wh)
        )
    factories.MeterValueFactory(transaction=first, register_wh=None)

    with django_assert_num_queries(1):
        found = selectors.readings_of([first.pk, second.pk])

    assert found == {
        first.pk: [
            Reading(T0 + timedelta(minutes=10), Decimal(2000)),
            Reading(T0 + timedelta(minutes=20), Decimal(3000)),
        ],
        second.pk: [],
    }


def running(connector: Connector, **fields: Any) -> Transaction:
    row: Transaction = factories.TransactionFactory(connector=connector, energy_wh=Decimal(4000), **fields)
    return row


def test_running_cost_of_plain_tariff_needs_no_readings(
    connector: Connector, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    active, free = running(connector), running(connector, is_free=True)
    broken = running(connector, tariff_snapshot={"currency": "EUR"})
    ended = factories.TransactionFactory(connector=connector, ended=True)

    with django_assert_num_queries(0):
        selectors.running_costs([active, free, broken, ended], now=T0 + timedelta(hours=1))

    rows: list[Any] = [active, free, broken, ended]
    costs = [row.running_cost for row in rows]
    assert costs == [Decimal("2.00"), 0, None, Decimal(5)]
    assert active.cost is None


def test_running_cost_of_time_tariff_grows_until_now(connector: Connector) -> None:
    hourly = [{"price_components": [{"type": "TIME", "price": "6"}, {"type": "PARKING_TIME", "price": "6"}]}]
    row = running(connector, tariff_snapshot={"currency": "EUR", "elements": hourly})

    costs = []
    for minutes in (-5, 0, 30, 60):
        selectors.running_costs([row], now=T0 + timedelta(minutes=minutes))
        costs.append(row.running_cost)  # type: ignore[attr-defined]

    assert costs == [0, 0, Decimal(3), Decimal(6)]


def test_expand_meter_values_fills_in_the_defaults(connector: Connector) -> None:
    layout = factories.MeterLayoutFactory(
        digest="odd",
        columns=[
            [None, None, None, None, None, None],
            ["SoC", None, None, "Transaction.Begin", "EV", None],
            ["Frequency", None, None, None, None, None],
            ["Voltage", "V", "L1-N", None, "Inlet", "Raw"],
        ],
    )
    row = factories.MeterValueFactory(
        transaction=running(connector), layout=layout, values=["1.5", "80", "50", "12,5"]
    )

    (expanded,) = selectors.expand_meter_values([row])

    assert (expanded["sampled_at"], expanded["received_at"]) == (T0, T0)
    assert expanded["samples"][0] == {
        "value": "1.5",
        "measurand": "Energy.Active.Import.Register",
        "unit": "Wh",
        "phase": None,
        "context": "Sample.Periodic",
        "location": "Outlet",
        "format": "Raw",
    }
    assert [(s["measurand"], s["unit"], s["value"]) for s in expanded["samples"][1:]] == [
        ("SoC", None, "80"), ("Frequency", "Hertz", "50"), ("Voltage", "V", "12,5"),
    ]  # fmt: skip
    assert expanded["samples"][3]["location"] == "Inlet"


def test_expand_meter_values_reads_layouts_once(
    connector: Connector, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = running(connector)
    rows = [factories.MeterValueFactory(transaction=row) for _ in range(5)]

    with django_assert_num_queries(1):
        assert len(selectors.expand_meter_values(rows)) == 5
    assert selectors.expand_meter_values([]) == []


def test_lists_hold_only_the_tenants_rows(
    tenant: Tenant, connector: Connector, other_charge_point: ChargePoint
) -> None:
    mine = running(connector)
    ended = factories.TransactionFactory(connector=connector, ended=True)
    other = running(other_charge_point.connectors.all()[0])

    assert set(selectors.list_transactions(tenant)) == {mine, ended}
    assert list(selectors.active_transactions(tenant)) == [mine]
    assert set(selectors.active_transactions(None)) == {mine, other}
