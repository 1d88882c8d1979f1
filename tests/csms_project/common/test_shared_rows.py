"""Rows that many share are remembered for a moment, and no longer."""

from __future__ import annotations

import time
from typing import Any

import pytest

from accounts.models import Tenant
from csms_project.common.shared_rows import SharedRows

REMEMBERED_S = 5.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[float]:
    """The monotonic clock, set by the test."""
    settings.SHARED_ROWS_S = REMEMBERED_S
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_change_is_seen_when_the_time_is_over(
    tenant: Tenant, clock: list[float], django_assert_num_queries: Any
) -> None:
    rows = SharedRows()
    assert rows.get(Tenant, [tenant.pk, None])[tenant.pk].name == "Acme"
    Tenant.objects.filter(pk=tenant.pk).update(name="Acme II")

    clock[0] += REMEMBERED_S - 0.1
    with django_assert_num_queries(0):
        assert rows.get(Tenant, [tenant.pk])[tenant.pk].name == "Acme"
    clock[0] += 0.2
    assert rows.get(Tenant, [tenant.pk])[tenant.pk].name == "Acme II"


def test_only_what_is_not_remembered_is_read(
    tenant: Tenant, other_tenant: Tenant, clock: list[float], django_assert_num_queries: Any
) -> None:
    rows = SharedRows()
    rows.get(Tenant, [tenant.pk])

    with django_assert_num_queries(1):
        found = rows.get(Tenant, [tenant.pk, other_tenant.pk])
    assert {key: row.slug for key, row in found.items()} == {tenant.pk: "acme", other_tenant.pk: "rival"}


def test_row_that_is_missing_is_looked_for_again(tenant: Tenant, clock: list[float]) -> None:
    rows = SharedRows()
    assert rows.get(Tenant, [tenant.pk + 1000]) == {}
    Tenant.objects.create(pk=tenant.pk + 1000, slug="late", name="Late")

    assert rows.get(Tenant, [tenant.pk + 1000])[tenant.pk + 1000].slug == "late"
