"""Tables that grow without end, partitioned by month of `received_at` on PostgreSQL; SQLite keeps them plain.

The ORM sees a plain `id`: a composite primary key cannot be registered in the admin, and nothing points to these rows.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import Any

from django.db import DatabaseError, connection
from django.db.transaction import atomic

logger = logging.getLogger(__name__)

COLUMN = "received_at"
MONTHS_AHEAD = 2
TABLES = ("chargepoints_ocppmessage", "transactions_metervalue")


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


def ensure_partitions(now: datetime) -> int:
    """Create the partitions of this month and the next ones; returns how many were made."""
    if connection.vendor != "postgresql":
        return 0
    months = [_month(now.astimezone(UTC).date(), offset) for offset in range(MONTHS_AHEAD + 1)]
    return sum(_ensure(table, month) for table in TABLES for month in months)


def _ensure(table: str, month: date) -> int:
    name = f"{table}_{month:%Y_%m}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return 0
    try:
        with atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            cursor.execute(
                f'CREATE TABLE "{name}" PARTITION OF "{table}" FOR VALUES FROM (%s) TO (%s)',
                [f"{month.isoformat()} 00:00:00+00", f"{_month(month, 1).isoformat()} 00:00:00+00"],
            )
    except DatabaseError as error:
        # Busy, another process was faster, or rows of that month lie in the default partition and stay there.
        logger.warning("partitions.not_created", extra={"partition": name, "error": str(error)[:200]})
        return 0
    return 1


def _month(day: date, offset: int) -> date:
    months = day.year * 12 + day.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)
