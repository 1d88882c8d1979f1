"""A charger that speaks another version after a firmware update is the same charger: its history stays."""

from __future__ import annotations

import pytest

from chargepoints.models import ChargePoint as ChargePointRow
from chargepoints.models import Connector
from ocpp_gateway.simulator import ChargePoint
from tests.e2e.conftest import order, register, register_tag, wait_ended, wait_offline
from tests.e2e.product import Product, wait_until
from tests.e2e.simulated import Life, living
from transactions.choices import EndKind, TransactionState
from transactions.models import Transaction

pytestmark = pytest.mark.server


def booted(life: Life) -> ChargePoint:
    """The charger, once the product has accepted it."""
    charger = life.chargers[0]
    wait_until(lambda: charger.accepted, "the charger has booted")
    return charger


def charge(life: Life, tag: str, *, wh: int) -> None:
    charger = booted(life)
    life.do(charger.start(1, tag))
    life.do(charger.meter(1, wh=wh))
    life.do(charger.stop(1))


def test_charger_keeps_its_history_when_it_changes_its_version(product: Product) -> None:
    """1.6, then 2.0.1, then 2.1: one charger, the same places, all its sessions, and commands work each time."""
    register("UPGRADED")
    register_tag("UPGRADE-TAG")
    versions = ("1.6", "2.0.1", "2.1")
    row = ChargePointRow.objects.get(identity="UPGRADED")
    before = set(Connector.objects.filter(evse__charge_point=row).values_list("pk", flat=True))
    for number, version in enumerate(versions):
        with living(
            product, "UPGRADED", ocpp=version, registered=True, connectors=2, firmware=f"{number}.0", speed=1
        ) as life:
            charge(life, "UPGRADE-TAG", wh=1000 + number)
            unlocked = wait_ended(order("UPGRADED", "unlock_connector", connector=2))
            assert unlocked.status == "accepted", unlocked.error
        wait_offline("UPGRADED")
        row.refresh_from_db()
        assert row.ocpp_version == f"ocpp{version}"
        assert row.firmware_version == f"{number}.0"
    sessions = list(Transaction.objects.filter(charge_point=row).order_by("pk"))
    assert [session.energy_wh for session in sessions] == [1000, 1001, 1002]
    assert {session.state for session in sessions} == {TransactionState.ENDED}
    assert {session.connector.ocpp_number for session in sessions} == {1}
    after = set(Connector.objects.filter(evse__charge_point=row).values_list("pk", flat=True))
    assert after == before
    assert {session.connector_id for session in sessions} <= before


def test_session_that_began_in_one_version_is_superseded_in_the_next(product: Product) -> None:
    """The charger forgets it with the update: the next session there takes its place, for display."""
    register("HALFWAY")
    register_tag("HALFWAY-TAG")
    with living(product, "HALFWAY", registered=True, connectors=2, speed=1) as life:
        life.do(booted(life).start(1, "HALFWAY-TAG"))
    with living(product, "HALFWAY", ocpp="2.0.1", registered=True, connectors=2, speed=1) as life:
        charge(life, "HALFWAY-TAG", wh=10)
    first, second = Transaction.objects.filter(charge_point__identity="HALFWAY").order_by("pk")
    assert second.state == TransactionState.ENDED
    assert first.end_kind == EndKind.SUPERSEDED
