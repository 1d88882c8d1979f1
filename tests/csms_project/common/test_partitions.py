"""What partitions mean where there are none; the rest is in tests/postgresql."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chargepoints.models import ChargePoint, OcppMessage
from csms_project import checks
from csms_project.common import partitions
from csms_project.common.retention import MonthRule
from tests.factories import T0, OcppMessageFactory


@pytest.fixture
def _on_sqlite(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")


@pytest.mark.usefixtures("_on_sqlite")
@pytest.mark.parametrize("arguments", [[], ["--create"], ["--drop"], ["--drop", "--dry-run"]])
def test_command_says_that_sqlite_has_none(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="The database is SQLite"):
        call_command("partitions", *arguments, stdout=StringIO())


@pytest.mark.usefixtures("_on_sqlite")
def test_nothing_is_made_and_nobody_is_warned_on_sqlite() -> None:
    assert partitions.ensure_partitions(T0) == 0
    assert checks.check_partitions(databases=["default"]) == []


@pytest.mark.usefixtures("_on_sqlite")
def test_retention_deletes_in_pieces_on_sqlite(charge_point: ChargePoint) -> None:
    rule = MonthRule(model=OcppMessage, setting="RETENTION_MESSAGES_DAYS")
    OcppMessageFactory(charge_point=charge_point, received_at=T0 - timedelta(days=91))
    kept = OcppMessageFactory(charge_point=charge_point, received_at=T0 - timedelta(days=89))
    assert rule.purge(T0) == 1
    assert OcppMessage.objects.get() == kept


def test_months_are_those_of_utc() -> None:
    late = datetime.fromisoformat("2026-01-01T00:30:00+01:00")
    assert partitions.month_of(late) == date(2025, 12, 1)
    assert partitions.end_of_month(late) == datetime(2026, 1, 1, tzinfo=UTC)
    assert partitions.next_month(date(2025, 12, 1)) == date(2026, 1, 1)
