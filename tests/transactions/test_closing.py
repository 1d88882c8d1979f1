"""Sessions whose stop never came."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import Connector
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.factories import T0
from transactions import errors
from transactions.choices import EndKind, Flag, LedgerKind, TransactionState
from transactions.models import Transaction
from transactions.services.closing import close_stale, close_transaction, flag_stale

NOW = T0 + timedelta(days=10)


def open_session(connector: Connector, **fields: Any) -> Transaction:
    row: Transaction = factories.TransactionFactory(connector=connector, **fields)
    return row


def sample(row: Transaction, minutes: int, wh: str, received_at: datetime | None = None) -> None:
    at = row.started_at + timedelta(minutes=minutes)
    factories.MeterValueFactory(
        transaction=row, sampled_at=at, register_wh=Decimal(wh), received_at=received_at or at
    )
    row.last_sample_at = at
    row.save()


def test_close_takes_energy_and_end_from_the_last_sample(operator: Actor, connector: Connector) -> None:
    row = open_session(connector, power_w=7000)
    sample(row, 30, "5000")
    sample(row, 60, "9000.5")

    closed = close_transaction(actor=operator, transaction=row, reason="Charger was replaced")

    assert (closed.state, closed.end_kind, closed.closed_by) == ("ended", EndKind.OPERATOR, operator.user)
    assert closed.ended_at == T0 + timedelta(hours=1)
    assert (closed.energy_wh, closed.cost) == (Decimal("8000.500"), Decimal("4.00"))
    assert (closed.end_note, closed.power_w) == ("Charger was replaced", None)
    assert closed.meter_stop_wh is None


def test_close_explains_itself_in_ledger_audit_and_outbox(operator: Actor, connector: Connector) -> None:
    row = open_session(connector)
    sample(row, 60, "9000")

    close_transaction(actor=operator, transaction=row, reason="Charger was  replaced")

    assert list(row.ledger.values_list("kind", flat=True)) == [
        LedgerKind.CLOSED, LedgerKind.ENERGY, LedgerKind.COST,
    ]  # fmt: skip
    text = row.ledger.get(kind=LedgerKind.CLOSED).text
    assert operator.name in text
    assert "Charger was replaced" in text
    assert "last sample" in text
    assert AuditEntry.objects.get().action == "transactions.close"
    event = Event.objects.get()
    assert (event.kind, event.data["energy_wh"], event.charge_point) == (
        "transaction.closed",
        "8000.000",
        "CP-A",
    )


def test_close_without_samples_ends_where_it_started_and_costs_no_time(
    operator: Actor, connector: Connector
) -> None:
    hourly = [{"price_components": [{"type": "TIME", "price": 6}, {"type": "PARKING_TIME", "price": 6}]}]
    row = open_session(connector, tariff_snapshot={"currency": "EUR", "elements": hourly})

    closed = close_transaction(actor=operator, transaction=row, reason="No stop came")

    assert (closed.ended_at, closed.energy_wh, closed.cost) == (T0, 0, 0)
    assert "no sample" in row.ledger.get(kind=LedgerKind.CLOSED).text


def test_close_of_a_charger_with_a_clock_ahead_ends_now(operator: Actor, connector: Connector) -> None:
    row = open_session(connector)
    sample(row, 60 * 24 * 365 * 30, "9000")

    closed = close_transaction(actor=operator, transaction=row, reason="x")

    assert closed.ended_at is not None
    assert closed.ended_at == closed.end_received_at
    assert "clock is ahead" in row.ledger.get(kind=LedgerKind.CLOSED).text


def test_close_with_a_register_that_was_reset_flags_and_explains(
    operator: Actor, connector: Connector
) -> None:
    row = open_session(connector)
    for minutes, wh in ((10, "3000"), (20, "50"), (30, "1050")):
        sample(row, minutes, wh)

    closed = close_transaction(actor=operator, transaction=row, reason="x")

    assert closed.energy_wh == Decimal(3000)
    assert closed.flags == [Flag.METER_ANOMALY]
    assert row.ledger.filter(kind=LedgerKind.ANOMALY).count() == 1


def test_close_free_session_costs_nothing(operator: Actor, connector: Connector) -> None:
    row = open_session(connector, is_free=True, tariff_snapshot=None)

    assert close_transaction(actor=operator, transaction=row, reason="x").cost == 0


def test_close_that_cannot_be_priced_still_closes(operator: Actor, connector: Connector) -> None:
    row = open_session(connector, tariff_snapshot={"currency": "EUR", "elements": []})

    closed = close_transaction(actor=operator, transaction=row, reason="x")

    assert (closed.state, closed.cost, closed.flags) == (TransactionState.ENDED, None, [Flag.PRICING_FAILED])


def test_close_again_or_after_a_stop_is_refused(operator: Actor, connector: Connector) -> None:
    row = open_session(connector)
    stale_copy = Transaction.objects.get(pk=row.pk)
    close_transaction(actor=operator, transaction=row, reason="x")

    with pytest.raises(errors.TransactionNotActive):
        close_transaction(actor=operator, transaction=stale_copy, reason="y")

    assert Transaction.objects.get().end_note == "x"
    assert Event.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 301])
def test_close_without_a_usable_reason_is_refused(operator: Actor, connector: Connector, reason: str) -> None:
    with pytest.raises(errors.Invalid):
        close_transaction(actor=operator, transaction=open_session(connector), reason=reason)

    assert Transaction.objects.get().is_active


def test_close_by_technician_or_stranger_is_refused(
    technician: Actor, stranger: Actor, connector: Connector
) -> None:
    row = open_session(connector)

    for actor in (technician, stranger):
        with pytest.raises(PermissionRefused):
            close_transaction(actor=actor, transaction=row, reason="x")


def test_flag_stale_once_after_the_tenants_days(tenant: Tenant, connector: Connector) -> None:
    tenant.stale_after_days = 5
    tenant.save()
    row = open_session(connector)

    assert flag_stale(T0 + timedelta(days=5)) == 0
    assert flag_stale(T0 + timedelta(days=5, seconds=1)) == 1
    assert flag_stale(NOW) == 0

    row.refresh_from_db()
    assert (row.flags, row.is_active) == ([Flag.STALE], True)
    assert [event.kind for event in Event.objects.all()] == ["transaction.stale"]
    assert row.ledger.get().kind == LedgerKind.ANOMALY


def test_flag_stale_counts_from_the_last_sample_by_our_clock(connector: Connector) -> None:
    row = open_session(connector)
    # The charger's clock stands in 1970; the sample arrived yesterday.
    sample(row, -60 * 24 * 365 * 50, "2000", received_at=NOW - timedelta(days=1))

    assert flag_stale(NOW) == 0
    assert flag_stale(NOW + timedelta(days=3)) == 1


def test_flag_stale_spares_ended_sessions_and_keeps_other_flags(connector: Connector) -> None:
    open_session(connector, ended=True)
    row = open_session(connector, flags=[Flag.REFUSED_TOKEN.value])

    assert flag_stale(NOW) == 1

    row.refresh_from_db()
    assert row.flags == [Flag.REFUSED_TOKEN, Flag.STALE]


def test_close_stale_without_a_rule_closes_nothing(connector: Connector) -> None:
    open_session(connector)

    assert close_stale(NOW + timedelta(days=1000)) == 0
    assert Transaction.objects.get().is_active


def test_close_stale_by_rule_records_why_and_only_of_that_tenant(
    tenant: Tenant, connector: Connector, other_tenant: Tenant
) -> None:
    tenant.close_stale_after_days = 7
    tenant.save()
    row = open_session(connector, flags=[Flag.STALE.value])
    sample(row, 60, "9000")
    other = factories.TransactionFactory(tenant=other_tenant)

    assert close_stale(NOW) == 1
    assert close_stale(NOW) == 0

    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.end_kind, row.closed_by, row.flags) == (EndKind.RULE, None, [])
    assert (row.energy_wh, row.ended_at) == (Decimal(8000), T0 + timedelta(hours=1))
    assert "7 days" in row.end_note
    assert other.is_active
    assert AuditEntry.objects.get().via == "job"
