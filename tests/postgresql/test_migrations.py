"""What migrations do on PostgreSQL while others work: brief waiting for locks, indexes made online."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import NotSupportedError, OperationalError, connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import post_migrate, pre_migrate

from csms_project.common import migrating
from csms_project.common.operations import AddIndexOnline, RemoveIndexOnline
from tests.e2e.product import wait_until

TABLE = "sample_reading"
INDEX = "reading_value"
NAMES = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary"


def ask(statement: str, *parameters: Any) -> Any:
    """The first column of the first row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
        return row[0] if row else None


def indexes(table: str) -> dict[str, bool]:
    """Indexes of a table but its primary key, and whether they are complete."""
    with connection.cursor() as cursor:
        cursor.execute(NAMES, [table])
        return dict(cursor.fetchall())


@pytest.fixture(params=["plain", "partitioned"])
def table(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    """A table with rows; the partitioned one has two partitions. Returns the kind."""
    partition = "PARTITION BY RANGE (id)" if request.param == "partitioned" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, value integer NOT NULL) {partition}")
        if partition:
            cursor.execute(f"CREATE TABLE {TABLE}_low PARTITION OF {TABLE} FOR VALUES FROM (0) TO (100)")
            cursor.execute(f"CREATE TABLE {TABLE}_default PARTITION OF {TABLE} DEFAULT")
        cursor.execute(f"INSERT INTO {TABLE} SELECT n, n FROM generate_series(1, 200) n")
    yield request.param
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


@pytest.fixture
def somebody_else(table: str) -> Iterator[psycopg.Connection[Any]]:
    """Another process at the same database."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute("SET lock_timeout = '300ms'")
        other.commit()
        yield other
        other.rollback()


def states() -> tuple[ProjectState, ProjectState, AddIndexOnline]:
    """The models before and after the index, and the operation."""
    state = ProjectState()
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("value", models.IntegerField()),
    ]
    state.add_model(ModelState("sample", "Reading", fields))
    after = state.clone()
    operation = AddIndexOnline("reading", models.Index(fields=["value"], name=INDEX))
    operation.state_forwards("sample", after)
    return state, after, operation


def add_index() -> None:
    """Run the operation as a migration does."""
    state, after, operation = states()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("sample", editor, state, after)


def drop_index() -> None:
    """Run the opposite operation."""
    _, after, _ = states()
    without = after.clone()
    operation = RemoveIndexOnline("reading", INDEX)
    operation.state_forwards("sample", without)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("sample", editor, after, without)


def parts(kind: str) -> list[str]:
    return [TABLE] if kind == "plain" else [TABLE, f"{TABLE}_low", f"{TABLE}_default"]


def test_online_index_is_complete_on_every_partition(table: str) -> None:
    add_index()
    for part in parts(table):
        assert list(indexes(part).values()) == [True], part
    drop_index()
    for part in parts(table):
        assert indexes(part) == {}


@pytest.mark.server
def test_online_index_waits_for_a_writer_and_holds_up_nobody(
    table: str, somebody_else: psycopg.Connection[Any]
) -> None:
    """As long as the writer takes, and longer than statements may wait for locks otherwise."""

    def migrate() -> None:
        migrating.limit_waiting(using="default")
        try:
            add_index()
            limits.append(ask("SHOW lock_timeout"))
        finally:
            connection.close()

    limits: list[str] = []
    if (
        table == "partitioned"
    ):  # the index of the table alone is there: it is made at once, its parts take the time
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE INDEX {INDEX} ON ONLY {TABLE} (value)")
    somebody_else.execute(f"INSERT INTO {TABLE} VALUES (50000, 5), (0, 5)")
    thread = threading.Thread(target=migrate)
    thread.start()
    try:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND wait_event_type = 'Lock'"
        wait_until(lambda: ask(waiting, "CREATE INDEX CONCURRENTLY%"), "the index waits")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
            cursor.execute(f"INSERT INTO {TABLE} VALUES (50001, 5), (1000, 5)")
            cursor.execute("RESET lock_timeout")
    finally:
        somebody_else.commit()
        thread.join(30)
    assert limits == [f"{migrating.LOCK_TIMEOUT_MS}ms"]
    assert all(valid for part in parts(table) for valid in indexes(part).values())


def test_interrupted_index_is_made_again(table: str) -> None:
    """What an attempt left behind is invalid; the next one replaces it and finishes the rest."""
    add_index()
    names = [name for part in parts(table) for name in indexes(part)]
    if table == "partitioned":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX {INDEX}")
            cursor.execute(f"CREATE INDEX {INDEX} ON ONLY {TABLE} (value)")
            cursor.execute(f'CREATE INDEX "{TABLE}_low_{INDEX}" ON {TABLE}_low (value)')
    left = INDEX if table == "plain" else f"{TABLE}_low_{INDEX}"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [left])
    add_index()
    assert [name for part in parts(table) for name in indexes(part)] == names
    assert all(valid for part in parts(table) for valid in indexes(part).values())


def test_online_index_is_refused_inside_a_transaction(table: str) -> None:
    state, after, operation = states()
    with pytest.raises(NotSupportedError, match="atomic"), connection.schema_editor(atomic=True) as editor:
        operation.database_forwards("sample", editor, state, after)


# ---------------------------------------------------------------- locks
def test_migration_waits_briefly_for_a_lock(table: str, somebody_else: psycopg.Connection[Any]) -> None:
    somebody_else.execute(f"LOCK TABLE {TABLE} IN ACCESS SHARE MODE")  # a report that reads
    migrating.limit_waiting(using="default")
    try:
        with pytest.raises(OperationalError) as raised, connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {TABLE} ADD COLUMN note text")
        assert raised.value.__cause__ is not None
        attempts: list[float] = []

        def migrate() -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE {TABLE} ADD COLUMN note text")

        def pause(seconds: float) -> None:
            attempts.append(seconds)
            somebody_else.rollback()

        migrating.patiently(migrate, say=lambda _: None, pause=pause)
        assert len(attempts) == 1
    finally:
        migrating.unlimit_waiting(using="default")
    assert ask("SHOW lock_timeout") == "0"


@pytest.mark.django_db
def test_migrate_limits_waiting_while_it_runs() -> None:
    seen: list[str] = []

    def look(**_: Any) -> None:
        seen.append(ask("SHOW lock_timeout"))

    pre_migrate.connect(look)
    post_migrate.connect(look)
    try:
        call_command("migrate", verbosity=0)
    finally:
        pre_migrate.disconnect(look)
        post_migrate.disconnect(look)
    assert f"{migrating.LOCK_TIMEOUT_MS}ms" in seen
    assert ask("SHOW lock_timeout") == "0"
