from __future__ import annotations

from datetime import timedelta

import pytest

from chargepoints.models import ChargePoint, StatusEvent
from csms_project.common import retention
from tests.factories import T0, StatusEventFactory

pytestmark = pytest.mark.django_db
NOW = T0 + timedelta(days=100)


def _events(charge_point: ChargePoint, *ages: int) -> list[int]:
    return [
        StatusEventFactory(charge_point=charge_point, received_at=NOW - timedelta(days=age)).pk
        for age in ages
    ]


def test_rows_beyond_the_age_go_and_younger_ones_stay(charge_point: ChargePoint) -> None:
    ids = _events(charge_point, 90, 31, 30, 1)
    assert retention.purge(StatusEvent.objects.all(), days=30, now=NOW) == 2
    assert set(StatusEvent.objects.values_list("pk", flat=True)) == set(ids[2:])


def test_zero_days_keep_everything(charge_point: ChargePoint) -> None:
    _events(charge_point, 5000)
    assert retention.purge(StatusEvent.objects.all(), days=0, now=NOW) == 0


def test_kept_rows_do_not_hold_up_what_follows(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    ids = _events(charge_point, 90, 89, 88, 87, 1)
    keep = StatusEvent.objects.filter(pk__in=ids[:2])
    assert retention.purge(StatusEvent.objects.all(), days=30, now=NOW, keep=keep) == 2
    assert set(StatusEvent.objects.values_list("pk", flat=True)) == {ids[0], ids[1], ids[4]}


def test_run_ends_with_its_batch_and_the_next_goes_on(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    _events(charge_point, 90, 89, 88, 87, 86)
    assert retention.purge(StatusEvent.objects.all(), days=30, now=NOW, batch=2) == 2
    assert retention.purge(StatusEvent.objects.all(), days=30, now=NOW) == 3
