"""What only PostgreSQL does: merging the newest rows of all tenants, and believing its planner."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from csms_project.common import big_tables
from csms_project.common.models import AuditEntry
from tests.factories import T0, AuditEntryFactory, ChargePointFactory, TenantFactory, TransactionFactory
from transactions.models import Transaction

pytestmark = pytest.mark.django_db
ROWS = Transaction.objects.order_by("-started_at", "-id")


@pytest.fixture
def sessions(charge_point: ChargePoint, other_charge_point: ChargePoint) -> list[int]:
    """Keys, the newest first: the two tenants take turns, and two began at the same moment."""
    third = ChargePointFactory(tenant=TenantFactory(slug="third"))
    TenantFactory(slug="empty")
    stations = [charge_point, other_charge_point, third]
    made = [
        TransactionFactory(charge_point=stations[n % 3], started_at=T0 + timedelta(hours=n // 2)).pk
        for n in range(12)
    ]
    return list(reversed(made))


@pytest.mark.parametrize("few", [0, 10])
@pytest.mark.parametrize(("start", "stop"), [(0, 4), (4, 8), (10, 14), (12, 13)])
def test_pages_of_all_tenants_are_slices_of_the_whole(
    sessions: list[int], start: int, stop: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big_tables, "FEW_TENANTS", few)
    found = big_tables.read_page(ROWS, start, stop, all_tenants=True)
    assert [row.pk for row in found] == sessions[start:stop]


def test_far_pages_of_all_tenants_are_merged_by_the_database(
    sessions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big_tables, "FEW_TENANTS", 0)
    monkeypatch.setattr(big_tables, "DEEP", 3)
    assert [row.pk for row in big_tables.read_page(ROWS, 5, 9, all_tenants=True)] == sessions[5:9]


@pytest.mark.parametrize("few", [0, 10])
def test_rows_without_a_tenant_are_among_them(
    tenant: Tenant, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big_tables, "FEW_TENANTS", few)
    rows = [AuditEntryFactory(tenant=owner).pk for owner in (None, tenant, None)]
    found = big_tables.read_page(AuditEntry.objects.order_by("-created_at", "-id"), 0, 5, all_tenants=True)
    assert [row.pk for row in found] == rows[::-1]


def test_everything_is_read_tenant_by_tenant(sessions: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(big_tables, "PIECE", 5)
    found = [row.pk for row in big_tables.read_all(ROWS, 100, all_tenants=True)]
    assert sorted(found) == sorted(sessions)
    assert len(list(big_tables.read_all(ROWS, 7, all_tenants=True))) == 7
    assert [row.pk for row in big_tables.read_all(ROWS, 100)] == sessions


@pytest.mark.parametrize("all_tenants", [False, True])
def test_count_is_exact_up_to_a_limit_and_then_what_the_planner_believes(
    sessions: list[int], all_tenants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert big_tables.count_or_estimate(ROWS, all_tenants=all_tenants) == 12
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transactions_transaction")
    monkeypatch.setattr(big_tables, "COUNTED", 5)
    assert big_tables.count_or_estimate(ROWS, all_tenants=all_tenants) == 12
    monkeypatch.setattr(big_tables, "_estimate", lambda rows: 1)
    assert big_tables.count_or_estimate(ROWS, all_tenants=all_tenants) == 5


def test_position_in_the_lists_of_all_tenants_is_the_newest_of_theirs(sessions: list[int]) -> None:
    # Of each tenant four sessions; the third newest of them began after 3, 2 or 1 hours and some.
    found = big_tables.value_at(ROWS, 2, "started_at", all_tenants=True)
    each = [
        part.values_list("started_at", flat=True)[2]
        for part in big_tables.tenant_by_tenant(ROWS)
        if part.exists()
    ]
    assert found == max(each)
    assert big_tables.value_at(ROWS, 50, "started_at", all_tenants=True) is None
    assert big_tables.value_at(ROWS, 50, "started_at") is None
