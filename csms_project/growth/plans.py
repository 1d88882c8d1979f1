"""The statements of a request and the plans that PostgreSQL has for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

#: Tables that grow without end: reading one from front to back is a fault.
BIG = (
    "chargepoints_batchreceipt",
    "chargepoints_ocppmessage",
    "chargepoints_statusevent",
    "common_event",
    "transactions_ledgerentry",
    "transactions_metervalue",
    "transactions_transaction",
)
#: Pages of 8 kB: a month that holds next to nothing may be read as it is.
SMALL = 16
_MONTH = re.compile(r"_(\d{4}_\d{2}|default)$")


@dataclass(slots=True)
class Statements:
    """What was read, in order: (SQL, parameters)."""

    read: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not many and sql.lstrip().upper().startswith(("SELECT", "WITH", "(SELECT")):
            self.read.append((sql, parameters))
        return execute(sql, parameters, many, context)


@contextmanager
def recorded() -> Iterator[Statements]:
    """Record the reads of this thread."""
    found = Statements()
    with connection.execute_wrapper(found):
        yield found


@dataclass(frozen=True, slots=True)
class Scan:
    """A big table that a statement reads from front to back."""

    table: str
    condition: str
    sql: str


def scans_of(statements: Statements) -> list[Scan]:
    """Sequential scans of big tables in the plans of these statements."""
    small = _small_tables()
    return [
        Scan(table, condition, sql)
        for sql, parameters in statements.read
        for name, condition in _sequential(explain(sql, parameters))
        if (table := _MONTH.sub("", name)) in BIG and name not in small
    ]


def explain(sql: str, parameters: Any) -> dict[str, Any]:
    """The plan of a statement, as PostgreSQL's JSON."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        plan = cursor.fetchone()[0]
    found: dict[str, Any] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return found


def _sequential(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"], plan.get("Filter", "")
    for part in plan.get("Plans", ()):
        yield from _sequential(part)


def _small_tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) <= %s", [SMALL * 8192]
        )
        return {name for (name,) in cursor.fetchall()}
