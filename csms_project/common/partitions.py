"""Tables that grow without end, partitioned by month of `received_at` on PostgreSQL; SQLite keeps them plain.

The ORM sees a plain `id`: a composite primary key cannot be registered in the admin, and nothing points to these rows.
Months are made ahead. Where one is missing, its rows lie in the default partition until it is made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import DatabaseError, OperationalError, connection
from django.db.transaction import atomic

from csms_project.common import metrics

logger = logging.getLogger(__name__)

COLUMN = "received_at"
MONTHS_AHEAD = 2
TABLES = ("chargepoints_ocppmessage", "transactions_metervalue")
#: Whoever wants a table behind us waits this long at most: less than the gateway's writer is willing to.
LOCK_TIMEOUT_MS = 100
#: Attempts to get a lock, and the pause after each that failed.
TRIES = 30
PAUSE_S = 0.5
#: Months that one run takes out of the default partition: a clock that once ran wild may have left many.
MAX_MONTHS = 120
#: The default partition is counted up to here.
MAX_COUNT = 1_000_000
_SUFFIX_DROPPED = "_dropped"


class PartitionsError(Exception):
    """The partitions cannot be changed."""


class NoPartitions(PartitionsError):
    """The database is SQLite: its tables are not partitioned, and the retention jobs delete their rows in pieces."""


class Busy(PartitionsError):
    """The table is in use all the time: no lock was to be had without holding up others."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One month of a table, or (`month` None) the default partition.

    rows  an estimate of the planner, exact for the default partition up to MAX_COUNT; None: never counted
    size  bytes, with its indexes
    """

    table: str
    name: str
    month: date | None
    rows: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a month that is older than the retention time."""

    partition: Partition
    is_dropped: bool
    reason: str = ""


# ---------------------------------------------------------------- migrations


def partition(table: str, schema_editor: Any) -> None:
    """Turn an empty, plain table into a partitioned one with the same columns and indexes (for migrations)."""
    if schema_editor.connection.vendor != "postgresql":
        return
    plain = f"{table}_plain"
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = %s"
            " AND indexname NOT LIKE '%%_pkey'",
            [table],
        )
        indexes = [row[0] for row in cursor.fetchall()]
        cursor.execute(f'ALTER TABLE "{table}" RENAME TO "{plain}"')
        cursor.execute(
            f'CREATE TABLE "{table}" (LIKE "{plain}" INCLUDING DEFAULTS) PARTITION BY RANGE ({COLUMN})'
        )
        cursor.execute(f'DROP TABLE "{plain}"')
        cursor.execute(f'ALTER TABLE "{table}" ADD PRIMARY KEY (id, {COLUMN})')
        # Identity columns are not allowed on partitioned tables before PostgreSQL 17.
        cursor.execute(f'CREATE SEQUENCE "{table}_id_seq" OWNED BY "{table}".id')
        cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN id SET DEFAULT nextval(\'"{table}_id_seq"\')')
        for index in indexes:
            cursor.execute(index)
        cursor.execute(f'CREATE TABLE "{table}_default" PARTITION OF "{table}" DEFAULT')
        # Costs nothing while the default partition is empty, as it should be; finds what is in it otherwise.
        cursor.execute(f'CREATE INDEX "{table}_default_received" ON "{table}_default" ({COLUMN})')


# ---------------------------------------------------------------- what is there


def list_partitions(table: str) -> list[Partition]:
    """The partitions of a table by month, the default one last.  Raises NoPartitions."""
    _require_postgresql()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.reltuples::bigint, pg_total_relation_size(c.oid) FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(%s) ORDER BY c.relname",
            [table],
        )
        found = cursor.fetchall()
    rows = [
        Partition(table, name, _month_of(table, name), rows if rows >= 0 else None, size)
        for name, rows, size in found
        if name != f"{table}_default"
    ]
    size = next((size for name, _, size in found if name == f"{table}_default"), 0)
    return [*rows, Partition(table, f"{table}_default", None, count_default(table), size)]


def count_default(table: str, limit: int = MAX_COUNT) -> int:
    """Rows of the default partition, counted up to a limit."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM (SELECT 1 FROM "{table}_default" LIMIT %s) AS rows', [limit])  # noqa: S608
        return int(cursor.fetchone()[0])


def problems(now: datetime, *, count: int = MAX_COUNT) -> list[str]:
    """What somebody should know about the partitions, in sentences; nothing on SQLite or before the migrations.

    count  rows that do without a month are counted up to here
    """
    if connection.vendor != "postgresql":
        return []
    found = []
    for table in TABLES:
        names = _attached(table)
        if not names:
            continue
        # The month after the next is made in the first hour of this one.
        missing = [f"{month:%Y-%m}" for month in _months(now, 1) if _name(table, month) not in names]
        if missing:
            found.append(f"{table} has no partition for {', '.join(missing)}.")
        if rows := count_default(table, count):
            shown = f"{rows:,}" if rows < count else f"{count:,} or more"
            found.append(f"{table} has {shown} rows in its default partition.")
    return found


# ---------------------------------------------------------------- making months


def ensure_partitions(
    now: datetime, *, ahead: int = MONTHS_AHEAD, pause: Callable[[float], None] = time.sleep
) -> int:
    """Make the partitions of this month and the next ones, and of every month that has rows in the default partition.

    Returns how many were made.  A month that cannot be had without holding up others is left to the next run.
    """
    if connection.vendor != "postgresql":
        return 0
    made = sum(ensure_months(table, _months(now, ahead), pause=pause) for table in TABLES)
    _report(now)
    return made


def ensure_months(table: str, months: list[date], *, pause: Callable[[float], None] = time.sleep) -> int:
    """Make the partitions of these months, and of those with rows in the default partition; returns how many."""
    wanted = sorted({*months, *_months_in_default(table)})
    names = _attached(table)
    missing = [month for month in wanted if _name(table, month) not in names]
    return sum(_make_month(table, month, pause) for month in missing)


def _make_month(table: str, month: date, pause: Callable[[float], None]) -> bool:
    """One transaction: fill a table beside, then put it in the place of its rows in the default partition.

    Readers see the rows in the old place until the commit. Only the last step, which moves what has arrived
    meanwhile, keeps others off the default partition; nobody writes there unless a month is missing.
    """
    name = _name(table, month)
    try:
        with atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
            # Keeps off other changes of the table, but neither readers nor writers.
            _attempt(lambda: cursor.execute(f'LOCK TABLE "{table}" IN SHARE UPDATE EXCLUSIVE MODE'), pause)
            if name in _attached(table):  # another process was faster
                return False
            _create_beside(cursor, table, month)
            moved = _move(cursor, table, month)
            _attempt(lambda: cursor.execute(f'LOCK TABLE "{table}_default" IN ACCESS EXCLUSIVE MODE'), pause)
            moved += _move(cursor, table, month)
            bounds = "FROM ('{}') TO ('{}')".format(*_bounds(month))
            cursor.execute(f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES {bounds}')
            cursor.execute(f'ALTER TABLE "{name}" DROP CONSTRAINT "{name}_month"')
    except (DatabaseError, Busy) as error:
        # Its rows are safe in the default partition, and the next run tries again.
        logger.warning("partitions.not_created", extra={"partition": name, "error": str(error)[:200]})
        return False
    level = logging.WARNING if moved else logging.INFO
    logger.log(level, "partitions.created", extra={"partition": name, "moved": moved})
    return True


def _create_beside(cursor: Any, table: str, month: date) -> None:
    name = _name(table, month)
    cursor.execute(
        f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)'
    )
    # Lets ATTACH believe the bounds without reading the rows.
    start, end = _bounds(month)
    cursor.execute(
        f'ALTER TABLE "{name}" ADD CONSTRAINT "{name}_month"'
        f" CHECK ({COLUMN} >= '{start}' AND {COLUMN} < '{end}')"
    )


def _move(cursor: Any, table: str, month: date) -> int:
    start, end = _bounds(month)
    cursor.execute(
        f'WITH moved AS (DELETE FROM "{table}_default" WHERE {COLUMN} >= %s AND {COLUMN} < %s RETURNING *)'  # noqa: S608
        f' INSERT INTO "{_name(table, month)}" SELECT * FROM moved ORDER BY id',
        [start, end],
    )
    return int(cursor.rowcount)


def _months_in_default(table: str) -> list[date]:
    """Months of the rows in the default partition, the oldest first."""
    found: list[date] = []
    with connection.cursor() as cursor:
        while len(found) < MAX_MONTHS:
            after = _bounds(found[-1])[1] if found else "-infinity"
            cursor.execute(f'SELECT min({COLUMN}) FROM "{table}_default" WHERE {COLUMN} >= %s', [after])  # noqa: S608
            first = cursor.fetchone()[0]
            if first is None:
                break
            found.append(month_of(first))
    return found


# ---------------------------------------------------------------- dropping months


def old_months(table: str, before: datetime, must_stay: Callable[[datetime, datetime], bool]) -> list[Fate]:
    """The months that ended before this moment, and whether each may go.

    must_stay  (start, end) → whether something that arrived in this time has to be kept
    """
    found = []
    for part in list_partitions(table):
        if part.month is None or _moment(next_month(part.month)) > before:
            continue
        stays = must_stay(_moment(part.month), _moment(next_month(part.month)))
        found.append(Fate(part, not stays, "holds rows that must stay" if stays else ""))
    return found


def drop_months(
    table: str,
    *,
    before: datetime,
    must_stay: Callable[[datetime, datetime], bool],
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Drop the months that ended before this moment, unless something in them must stay; returns rows (estimated).

    DETACH … CONCURRENTLY is not allowed beside a default partition: the detaching takes the table for the
    moment of a change in the catalogue, waits for it briefly and tries again. The rows are dropped afterwards, when
    nobody can see them any more.
    """
    _drop_detached(table)
    rows = 0
    for fate in old_months(table, before, must_stay):
        if not fate.is_dropped:
            continue
        name = fate.partition.name
        try:
            _detach(table, name, pause)
        except Busy:
            logger.warning("partitions.not_dropped", extra={"partition": name})
            continue
        _drop_detached(table)
        rows += fate.partition.rows or 0
        logger.info("partitions.dropped", extra={"partition": name, "rows": fate.partition.rows})
    return rows


def _detach(table: str, name: str, pause: Callable[[float], None]) -> None:
    def detach() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
            cursor.execute(f'ALTER TABLE "{table}" DETACH PARTITION "{name}"')
            # The name tells it from a month that somebody has detached to keep it.
            cursor.execute(f'ALTER TABLE "{name}" RENAME TO "{name}{_SUFFIX_DROPPED}"')

    _attempt(detach, pause)


def _drop_detached(table: str) -> None:
    """Drop what was detached, also by a run that ended in between."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind = 'r' AND NOT relispartition AND relname ~ %s",
            [rf"^{table}_\d{{4}}_\d{{2}}{_SUFFIX_DROPPED}$"],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TABLE "{name}"')


# ---------------------------------------------------------------- parts


def _attempt(act: Callable[[], Any], pause: Callable[[float], None]) -> None:
    """Do something that needs a strong lock, waiting for it briefly and often.  Raises Busy."""
    for _ in range(TRIES):
        try:
            with atomic():
                act()
        except OperationalError as error:
            if not _is_lock_trouble(error):
                raise
            pause(PAUSE_S)
        else:
            return
    raise Busy


def _is_lock_trouble(error: OperationalError) -> bool:
    # 55P03: lock_timeout; 40P01: deadlock.
    return getattr(error.__cause__, "sqlstate", "") in {"55P03", "40P01"}


def _report(now: datetime) -> None:
    for table in TABLES:
        metrics.PARTITION_DEFAULT_ROWS.labels(table).set(count_default(table))
    for problem in problems(now):
        logger.warning("partitions.problem", extra={"problem": problem})


def _require_postgresql() -> None:
    if connection.vendor != "postgresql":
        raise NoPartitions(NoPartitions.__doc__)


def _attached(table: str) -> set[str]:
    """Names of the partitions; empty before the migrations."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(%s)",
            [table],
        )
        return {name for (name,) in cursor.fetchall()}


def _name(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def _month_of(table: str, name: str) -> date | None:
    try:
        return datetime.strptime(name.removeprefix(f"{table}_"), "%Y_%m").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _months(now: datetime, ahead: int = MONTHS_AHEAD) -> list[date]:
    months = [month_of(now)]
    for _ in range(ahead):
        months.append(next_month(months[-1]))
    return months


def month_of(moment: datetime) -> date:
    """The first day of the month, in UTC, that holds a moment."""
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(month: date) -> date:
    """The first day of the month after this one."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def end_of_month(moment: datetime) -> datetime:
    """The first moment after the month, in UTC, that holds this one."""
    return _moment(next_month(month_of(moment)))


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _bounds(month: date) -> tuple[str, str]:
    return f"{month.isoformat()} 00:00:00+00", f"{next_month(month).isoformat()} 00:00:00+00"
