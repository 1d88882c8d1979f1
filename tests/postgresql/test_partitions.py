"""Months are made ahead, repaired and dropped while others read and write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from chargepoints.models import ChargePoint, OcppMessage
from csms_project import checks, health
from csms_project.common import jobs, partitions
from csms_project.common.retention import MonthRule
from tests.factories import MeterValueFactory, OcppMessageFactory, TransactionFactory
from transactions.jobs import METER_VALUES
from transactions.models import MeterValue

MESSAGES = "chargepoints_ocppmessage"
SAMPLES = "transactions_metervalue"
NOW = datetime(2031, 5, 20, 12, 0, tzinfo=UTC)
RULE = MonthRule(model=OcppMessage, setting="RETENTION_MESSAGES_DAYS")


def months_of(table: str) -> list[str]:
    return [f"{part.month:%Y-%m}" for part in partitions.list_partitions(table) if part.month is not None]


def place_of(row: Any) -> str:
    """The partition that a row lies in."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {row._meta.db_table} WHERE id = %s", [row.pk])
        return str(cursor.fetchone()[0])


def no_pause(seconds: float) -> None:
    """Do not wait."""


@pytest.fixture
def _tidy(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Months that a test has committed end with it."""
    monkeypatch.setattr(partitions, "TRIES", 3)
    yield
    for table in partitions.TABLES:
        for part in partitions.list_partitions(table):
            if part.month is not None:
                with connection.cursor() as cursor:
                    cursor.execute(f'DROP TABLE "{part.name}"')


@pytest.fixture
def somebody_else(transactional_db: None, _tidy: None) -> Iterator[psycopg.Connection[Any]]:
    """Another process at the same database, as impatient as the writer of the gateway."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute("SET lock_timeout = '300ms'")
        other.commit()
        yield other
        other.rollback()


def insert_message(other: psycopg.Connection[Any], charge_point: ChargePoint, at: datetime) -> None:
    other.execute(
        f"INSERT INTO {MESSAGES} (received_at, sent_by_charger, message_id, action, request, response, error_code,"
        " error_description, charge_point_id, tenant_id) VALUES (%s, true, '', '', '', '', '', '', %s, %s)",
        [at, charge_point.pk, charge_point.tenant_id],
    )


# ---------------------------------------------------------------- making


@pytest.mark.django_db
def test_this_month_and_the_next_two_are_made_once() -> None:
    assert partitions.ensure_partitions(NOW, pause=no_pause) == 6
    assert partitions.ensure_partitions(NOW, pause=no_pause) == 0
    for table in partitions.TABLES:
        assert months_of(table) == ["2031-05", "2031-06", "2031-07"]


@pytest.mark.django_db
def test_months_go_over_the_end_of_the_year_in_utc() -> None:
    partitions.ensure_partitions(datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC), ahead=1, pause=no_pause)
    assert months_of(SAMPLES) == ["2031-12", "2032-01"]


@pytest.mark.django_db
def test_rows_find_their_month_to_the_microsecond(charge_point: ChargePoint) -> None:
    partitions.ensure_partitions(NOW, pause=no_pause)
    june = datetime(2031, 6, 1, tzinfo=UTC)
    before = OcppMessageFactory(charge_point=charge_point, received_at=june - timedelta(microseconds=1))
    first = OcppMessageFactory(charge_point=charge_point, received_at=june)
    assert (place_of(before), place_of(first)) == (f"{MESSAGES}_2031_05", f"{MESSAGES}_2031_06")


@pytest.mark.django_db
def test_rows_of_months_that_nobody_made_are_moved_when_the_job_runs_again(charge_point: ChargePoint) -> None:
    """The job did not run from February to May: four months lie in the default partition."""
    rows = [
        OcppMessageFactory(charge_point=charge_point, received_at=datetime(2031, month, day, tzinfo=UTC))
        for month in (2, 3, 4, 5)
        for day in (1, 15)
    ]
    before = list(OcppMessage.objects.order_by("pk").values())
    assert {place_of(row) for row in rows} == {f"{MESSAGES}_default"}
    partitions.ensure_partitions(NOW, pause=no_pause)
    assert partitions.count_default(MESSAGES) == 0
    assert [place_of(row) for row in rows] == [f"{MESSAGES}_{row.received_at:%Y_%m}" for row in rows]
    assert list(OcppMessage.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_moved_months_have_the_indexes_and_defaults_of_the_others(charge_point: ChargePoint) -> None:
    OcppMessageFactory(charge_point=charge_point, received_at=NOW)
    partitions.ensure_partitions(NOW, pause=no_pause)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", [MESSAGES])
        whole = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", [f"{MESSAGES}_2031_05"])
        assert cursor.fetchone() == whole
    later = OcppMessageFactory(charge_point=charge_point, received_at=NOW)
    assert place_of(later) == f"{MESSAGES}_2031_05"


@pytest.mark.django_db(transaction=True)
def test_what_arrives_while_a_month_is_made_is_moved_too(
    charge_point: ChargePoint, somebody_else: psycopg.Connection[Any]
) -> None:
    OcppMessageFactory(charge_point=charge_point, received_at=NOW)
    insert_message(somebody_else, charge_point, NOW)  # not committed: the partition cannot be had
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        somebody_else.commit()

    assert partitions.ensure_months(MESSAGES, [], pause=pause) == 1
    assert len(waits) == 1
    assert partitions.count_default(MESSAGES) == 0
    assert OcppMessage.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_readers_and_writers_go_on_between_the_attempts(
    charge_point: ChargePoint, somebody_else: psycopg.Connection[Any]
) -> None:
    """A month that cannot be had is left to the next run: its rows stay where they are."""
    OcppMessageFactory(charge_point=charge_point, received_at=NOW)
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as third:
        insert_message(somebody_else, charge_point, NOW)

        def pause(seconds: float) -> None:
            third.execute("SET lock_timeout = '300ms'")
            insert_message(third, charge_point, NOW)
            assert third.execute(f"SELECT count(*) FROM {MESSAGES} WHERE id > 0").fetchone() is not None
            third.commit()

        assert partitions.ensure_months(MESSAGES, [], pause=pause) == 0
    somebody_else.commit()
    assert partitions.count_default(MESSAGES) == OcppMessage.objects.count() == 2 + partitions.TRIES
    assert partitions.ensure_months(MESSAGES, [], pause=no_pause) == 1
    assert partitions.count_default(MESSAGES) == 0


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_makes_the_month(
    charge_point: ChargePoint, somebody_else: psycopg.Connection[Any]
) -> None:
    somebody_else.execute(f"LOCK TABLE {MESSAGES} IN SHARE UPDATE EXCLUSIVE MODE")
    name = f"{MESSAGES}_2031_05"

    def pause(seconds: float) -> None:
        somebody_else.execute(
            f"CREATE TABLE {name} PARTITION OF {MESSAGES} FOR VALUES FROM ('2031-05-01Z') TO ('2031-06-01Z')"
        )
        somebody_else.commit()

    assert partitions.ensure_months(MESSAGES, [date(2031, 5, 1)], pause=pause) == 0
    assert months_of(MESSAGES) == ["2031-05"]


# ---------------------------------------------------------------- dropping


@pytest.mark.django_db
def test_retention_drops_whole_months_and_deletes_to_the_day(
    charge_point: ChargePoint, settings: Settings
) -> None:
    settings.RETENTION_MESSAGES_DAYS = 30  # the limit is 20 April
    partitions.ensure_months(MESSAGES, [date(2031, month, 1) for month in (2, 3, 4, 5)], pause=no_pause)
    ages = [datetime(2031, *day, tzinfo=UTC) for day in ((2, 1), (3, 31), (4, 20), (4, 21), (5, 20))]
    rows = [OcppMessageFactory(charge_point=charge_point, received_at=at) for at in ages]
    RULE.purge(NOW)
    assert months_of(MESSAGES) == ["2031-04", "2031-05"]
    assert list(OcppMessage.objects.order_by("pk")) == rows[3:]


@pytest.mark.django_db
def test_retention_of_zero_days_drops_nothing(charge_point: ChargePoint, settings: Settings) -> None:
    settings.RETENTION_MESSAGES_DAYS = 0
    partitions.ensure_months(MESSAGES, [date(2021, 1, 1)], pause=no_pause)
    assert RULE.purge(NOW) == 0
    assert months_of(MESSAGES) == ["2021-01"]


@pytest.mark.django_db
def test_old_rows_of_the_default_partition_go_too(charge_point: ChargePoint, settings: Settings) -> None:
    settings.RETENTION_MESSAGES_DAYS = 30
    OcppMessageFactory(charge_point=charge_point, received_at=NOW - timedelta(days=400))
    kept = OcppMessageFactory(charge_point=charge_point, received_at=NOW)
    assert RULE.purge(NOW) == 1
    assert OcppMessage.objects.get() == kept


@pytest.mark.django_db
def test_month_with_samples_of_a_running_session_stays_without_the_others(
    charge_point: ChargePoint, settings: Settings
) -> None:
    settings.RETENTION_METER_VALUES_DAYS = 30
    partitions.ensure_months(SAMPLES, [date(2031, month, 1) for month in (1, 2, 5)], pause=no_pause)
    running = TransactionFactory(charge_point=charge_point)
    ended = TransactionFactory(charge_point=charge_point, ended=True)
    january, february = datetime(2031, 1, 9, tzinfo=UTC), datetime(2031, 2, 9, tzinfo=UTC)
    MeterValueFactory(transaction=ended, received_at=january)
    MeterValueFactory(transaction=ended, received_at=february)
    kept = MeterValueFactory(transaction=running, received_at=february)
    METER_VALUES.purge(NOW)
    assert months_of(SAMPLES) == ["2031-02", "2031-05"]
    assert MeterValue.objects.get() == kept
    running.state = "ended"
    running.save(update_fields=["state"])
    METER_VALUES.purge(NOW)
    assert months_of(SAMPLES) == ["2031-05"]


@pytest.mark.django_db(transaction=True)
def test_month_in_use_is_dropped_by_a_later_run(
    charge_point: ChargePoint, settings: Settings, somebody_else: psycopg.Connection[Any]
) -> None:
    settings.RETENTION_MESSAGES_DAYS = 30
    partitions.ensure_months(MESSAGES, [date(2031, 1, 1), date(2031, 5, 1)], pause=no_pause)
    somebody_else.execute(f"SELECT 1 FROM {MESSAGES}")  # a long report

    def drop() -> None:
        limit = NOW - timedelta(days=30)
        partitions.drop_months(MESSAGES, before=limit, must_stay=RULE.must_stay, pause=no_pause)

    drop()
    assert months_of(MESSAGES) == ["2031-01", "2031-05"]
    somebody_else.commit()
    drop()
    assert months_of(MESSAGES) == ["2031-05"]


@pytest.mark.django_db
def test_month_that_a_run_left_half_dropped_goes_and_one_that_somebody_keeps_stays(
    charge_point: ChargePoint,
) -> None:
    partitions.ensure_months(MESSAGES, [date(2031, 1, 1), date(2031, 2, 1)], pause=no_pause)
    with connection.cursor() as cursor:
        for name, new in (("2031_01", "2031_01_dropped"), ("2031_02", "2031_02")):
            cursor.execute(f"ALTER TABLE {MESSAGES} DETACH PARTITION {MESSAGES}_{name}")
            if new != name:
                cursor.execute(f"ALTER TABLE {MESSAGES}_{name} RENAME TO {MESSAGES}_{new}")
        partitions.drop_months(MESSAGES, before=NOW, must_stay=RULE.must_stay, pause=no_pause)
        cursor.execute(
            "SELECT to_regclass(%s), to_regclass(%s)::text",
            [f"{MESSAGES}_2031_01_dropped", f"{MESSAGES}_2031_02"],
        )
        assert cursor.fetchone() == (None, f"{MESSAGES}_2031_02")


# ---------------------------------------------------------------- who is told


@pytest.mark.django_db
def test_check_tells_of_missing_months_and_of_rows_in_the_default_partition(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    OcppMessageFactory(charge_point=charge_point, received_at=NOW)
    found = checks.check_partitions(databases=["default"])
    assert [message.msg for message in found] == [
        f"{MESSAGES} has no partition for 2031-05, 2031-06.",
        f"{MESSAGES} has 1 rows in its default partition.",
        f"{SAMPLES} has no partition for 2031-05, 2031-06.",
    ]
    assert {message.id for message in found} == {"csms.W018"}
    partitions.ensure_partitions(NOW, pause=no_pause)
    assert checks.check_partitions(databases=["default"]) == []
    assert checks.check_partitions(databases=None) == []


@pytest.mark.django_db
def test_health_is_degraded_and_not_failing_while_rows_lie_in_no_month(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    # The connection of the test has the rows; that of a check is closed after it.
    monkeypatch.setattr(connection, "close", lambda: None)
    partitions.ensure_partitions(NOW, pause=no_pause)
    assert health.check_partitions() is None
    OcppMessageFactory(charge_point=charge_point, received_at=datetime(2030, 1, 1, tzinfo=UTC))
    found = health.check_partitions()
    assert found == f"{MESSAGES} has 1 rows in its default partition."
    assert health.status_of({"database": health.OK, "partitions": found}) == health.DEGRADED


@pytest.mark.django_db
def test_job_makes_the_months() -> None:
    assert jobs.get_job("chargepoints.create_partitions").run(NOW) == 6


# ---------------------------------------------------------------- command line


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("partitions", *arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def command_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    monkeypatch.setattr(partitions, "PAUSE_S", 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("command_at")
def test_command_creates_and_lists_months() -> None:
    assert "no partition for 2031-05" in _run()
    assert _run("--create", "--months", "1") == "4 partitions created.\n"
    shown = _run()
    assert f"{SAMPLES}_2031_06" in shown
    assert "2031-06-01 to 2031-07-01" in shown
    assert "default partition" not in shown


@pytest.mark.django_db
@pytest.mark.usefixtures("command_at")
def test_command_says_what_it_would_drop_and_drops_it(charge_point: ChargePoint, settings: Settings) -> None:
    settings.RETENTION_MESSAGES_DAYS, settings.RETENTION_METER_VALUES_DAYS = 0, 30
    partitions.ensure_months(MESSAGES, [date(2021, 1, 1)], pause=no_pause)
    partitions.ensure_months(SAMPLES, [date(2031, 1, 1), date(2031, 2, 1)], pause=no_pause)
    running = TransactionFactory(charge_point=charge_point)
    MeterValueFactory(transaction=running, received_at=datetime(2031, 2, 9, tzinfo=UTC))
    dry = _run("--drop", "--dry-run")
    assert "RETENTION_MESSAGES_DAYS is 0, everything stays" in dry
    assert "would be dropped" in dry
    assert "stays: holds rows that must stay" in dry
    assert months_of(SAMPLES) == ["2031-01", "2031-02"]
    assert "dropped" in _run("--drop")
    assert months_of(SAMPLES) == ["2031-02"]
    assert months_of(MESSAGES) == ["2021-01"]


@pytest.mark.parametrize("arguments", [["--months", "2"], ["--dry-run"], ["--create", "--months", "121"]])
def test_command_refuses_options_that_do_not_fit(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        _run(*arguments)
