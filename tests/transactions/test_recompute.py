"""Figures computed again from what is stored."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.errors import PermissionRefused
from accounts.permissions import Actor
from chargepoints.models import Connector
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.factories import T0
from transactions import errors
from transactions.choices import EndKind, Flag, LedgerKind
from transactions.models import Transaction
from transactions.services.recompute import recompute


@pytest.fixture(autouse=True)
def _keep_samples(settings: Settings) -> None:
    # T0 is a fixed moment: these tests are to pass in years to come.
    settings.RETENTION_METER_VALUES_DAYS = 0


@pytest.fixture
def ended(connector: Connector) -> Transaction:
    """10 kWh at 0.50 EUR."""
    row: Transaction = factories.TransactionFactory(connector=connector, ended=True)
    return row


def test_recompute_right_figures_changes_nothing(operator: Actor, ended: Transaction) -> None:
    recompute(actor=operator, transaction=ended)  # the factory wrote no cost lines

    result = recompute(actor=operator, transaction=ended)

    assert result.changed == {}
    assert ended.ledger.last().text == f"Recomputed by {operator.name}: nothing changed."  # type: ignore[union-attr]


def test_recompute_wrong_figures_are_put_right_and_explained(operator: Actor, ended: Transaction) -> None:
    Transaction.objects.update(energy_wh=1, cost=Decimal(99), flags=["meter_anomaly", "offline"])

    result = recompute(actor=operator, transaction=ended)

    assert result.changed["energy_wh"] == ["1.000", "10000.000"]
    assert result.changed["flags"] == [["meter_anomaly", "offline"], ["offline"]]
    assert (ended.energy_wh, ended.cost, ended.flags) == (Decimal(10_000), Decimal(5), ["offline"])
    kinds = list(ended.ledger.values_list("kind", flat=True))
    assert kinds == [LedgerKind.RECOMPUTED, LedgerKind.ENERGY, LedgerKind.COST]
    assert Event.objects.get().kind == "transaction.recomputed"
    assert AuditEntry.objects.get().changes["cost"] == ["99.0000", "5.00"]


def test_recompute_with_samples_that_came_later_uses_them(operator: Actor, connector: Connector) -> None:
    row = factories.TransactionFactory(
        connector=connector, ended=True, meter_stop_wh=None, end_kind=EndKind.OPERATOR, energy_wh=0, cost=0
    )
    factories.MeterValueFactory(
        transaction=row, sampled_at=T0 + timedelta(minutes=30), register_wh=Decimal(4000)
    )

    recompute(actor=operator, transaction=row)

    assert (row.energy_wh, row.cost) == (Decimal(3000), Decimal("1.50"))


def test_recompute_uses_the_tariff_of_the_start(operator: Actor, ended: Transaction) -> None:
    ended.tariff = factories.TariffFactory(tenant=ended.tenant, elements=factories.energy_tariff("9"))
    ended.save()

    recompute(actor=operator, transaction=ended)

    assert ended.cost == Decimal(5)


def test_recompute_after_pricing_had_failed_gives_a_cost(operator: Actor, ended: Transaction) -> None:
    Transaction.objects.update(cost=None, flags=[Flag.PRICING_FAILED.value])

    recompute(actor=operator, transaction=ended)

    assert (ended.cost, ended.flags) == (Decimal(5), [])


def test_recompute_running_session_gives_energy_but_no_cost(operator: Actor, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector)
    factories.MeterValueFactory(
        transaction=row, sampled_at=T0 + timedelta(minutes=30), register_wh=Decimal(4000)
    )

    recompute(actor=operator, transaction=row)

    assert (row.energy_wh, row.cost, row.is_active) == (Decimal(3000), None, True)


def test_recompute_orphan_stop_is_refused(operator: Actor, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector, ended=True, end_kind=EndKind.ORPHAN)

    with pytest.raises(errors.NotRecomputable):
        recompute(actor=operator, transaction=row)


def test_recompute_when_samples_are_beyond_retention_is_refused(
    operator: Actor, ended: Transaction, settings: Settings
) -> None:
    Transaction.objects.update(start_received_at=timezone.now() - timedelta(days=31), energy_wh=1)
    settings.RETENTION_METER_VALUES_DAYS = 30

    with pytest.raises(errors.NotRecomputable, match="deleted"):
        recompute(actor=operator, transaction=ended)

    settings.RETENTION_METER_VALUES_DAYS = 0
    assert recompute(actor=operator, transaction=ended).changed["energy_wh"] == ["1.000", "10000.000"]


def test_recompute_by_technician_or_stranger_is_refused(
    technician: Actor, stranger: Actor, ended: Transaction
) -> None:
    for actor in (technician, stranger):
        with pytest.raises(PermissionRefused):
            recompute(actor=actor, transaction=ended)

    assert not ended.ledger.exists()
