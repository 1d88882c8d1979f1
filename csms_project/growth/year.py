"""The rows that a year of charging leaves behind, in the order in which they would have arrived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Model

from chargepoints.models import (
    BatchReceipt,
    Command,
    DataTransfer,
    FrameAnomaly,
    OcppMessage,
    Reservation,
    SecurityEvent,
    StatusEvent,
    StatusReport,
)
from csms_project.common.models import AuditEntry, Event
from csms_project.common.partitions import month_of, next_month
from csms_project.growth.rows import insert, run, run_file
from transactions.models import LedgerEntry, MeterValue, Transaction

YEAR = timedelta(days=365)
#: Messages of one statement.
_PIECE = 500_000
_REST: tuple[tuple[type[Model], str], ...] = (
    (StatusEvent, "status_events"),
    (LedgerEntry, "ledger_entries"),
    (Event, "events"),
    (Command, "commands"),
    (AuditEntry, "audit_entries"),
    (SecurityEvent, "security_events"),
    (StatusReport, "status_reports"),
    (DataTransfer, "data_transfers"),
    (FrameAnomaly, "frame_anomalies"),
    (Reservation, "reservations"),
    (BatchReceipt, "receipts"),
)


def number_fleet(slug: str, now: datetime) -> None:
    """Functions and temporary tables that the statements need; they end with the transaction."""
    run_file("temporary", {"slug": f"{slug}%", "now": now, "year": YEAR})


def sessions(count: int, *, points: int, now: datetime) -> int:
    """Sessions: most have ended, some run, a few were forgotten months ago."""
    active = min(points // 3, max(count // 20, 1))
    parameters = {
        "count": count,
        "points": points,
        "now": now,
        "active": active,
        "forgotten": min(5, points // 10),
        "year": YEAR,
    }
    made = insert(Transaction, "sessions", parameters)
    run("ANALYZE transactions_transaction")
    run_file("seed_session")
    run("ANALYZE seed_session")
    return made


def meter_values(count: int, *, sessions: int, now: datetime) -> Iterator[int]:
    """Samples, spread over the sessions, a month at a time."""
    month = month_of(now - YEAR - timedelta(days=1))
    while month <= month_of(now):
        span = {"since": f"{month} 00:00Z", "until": f"{next_month(month)} 00:00Z"}
        yield insert(MeterValue, "meter_values", {"mean": count / sessions, "now": now, **span})
        month = next_month(month)


def messages(count: int, *, points: int, now: datetime) -> Iterator[int]:
    """The message log, a piece at a time."""
    parameters = {"count": count, "points": points, "start": now - YEAR, "length": YEAR}
    for first in range(0, count, _PIECE):
        span = {"first": first, "last": min(first + _PIECE, count) - 1}
        yield insert(OcppMessage, "messages", parameters | span)


def rest(*, points: int, now: datetime) -> Iterator[tuple[str, int]]:
    """Status events, ledgers, events and what else grows: name and number of rows."""
    for model, name in _REST:
        yield str(model._meta.verbose_name_plural), insert(model, name, {"points": points, "now": now})
