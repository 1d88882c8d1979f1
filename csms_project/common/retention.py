"""Deleting rows that are older than their retention time, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Model, QuerySet

from csms_project.common import partitions

#: Rows in one DELETE: a short lock on SQLite, where the writer of the gateway waits for it.
CHUNK = 1000
#: Rows in one run of a job.
BATCH = 50_000


def purge(
    rows: QuerySet[Any],
    *,
    days: int,
    now: datetime,
    field: str = "received_at",
    keep: QuerySet[Any] | None = None,
    batch: int = BATCH,
) -> int:
    """Delete rows whose `field` is more than `days` ago; returns how many. 0 days keeps everything.

    Reads along the primary key and ends at the first piece with a younger row: ids ascend with the time of
    arrival, so nothing is scanned that stays.

    keep  rows of this queryset stay whatever their age
    """
    if not days:
        return 0
    return purge_before(rows, limit=now - timedelta(days=days), field=field, keep=keep, batch=batch)


def purge_before(
    rows: QuerySet[Any],
    *,
    limit: datetime,
    field: str = "received_at",
    keep: QuerySet[Any] | None = None,
    batch: int = BATCH,
) -> int:
    """The same by a moment."""
    deleted, last = 0, 0
    while deleted < batch:
        piece = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", field)[:CHUNK])
        old = {pk for pk, at in piece if at < limit}
        if old and keep is not None:
            # The time spares PostgreSQL the look into younger partitions.
            stay = keep.filter(**{f"{field}__lt": limit}, pk__in=old)
            old -= set(stay.values_list("pk", flat=True))
        if old:
            deleted += rows.filter(**{f"{field}__lt": limit}, pk__in=old).delete()[0]
        if len(piece) < CHUNK or piece[-1][1] >= limit:
            break
        last = piece[-1][0]
    return deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRule:
    """How long the rows of a table live that is partitioned by month of `received_at` on PostgreSQL.

    setting  name of the setting with the days; 0 keeps everything
    keep     rows of this queryset stay whatever their age
    """

    model: type[Model]
    setting: str
    keep: Callable[[], QuerySet[Any]] | None = None

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def limit(self, now: datetime) -> datetime | None:
        """What arrived before this moment is too old; None: nothing is."""
        days = int(getattr(settings, self.setting))
        return now - timedelta(days=days) if days else None

    def must_stay(self, start: datetime, end: datetime) -> bool:
        """Whether something that arrived in this time has to be kept."""
        if self.keep is None:
            return False
        return self.keep().filter(received_at__gte=start, received_at__lt=end).exists()

    def purge(self, now: datetime) -> int:
        """Delete what is too old; returns rows, for months an estimate.

        A month that is over and holds nothing that must stay is dropped as a whole. What else is too old, of the
        month that the limit falls into or beside rows that stay, is deleted in pieces: the days are kept exactly.
        """
        limit = self.limit(now)
        if limit is None:
            return 0
        rows, dropped = self.model._default_manager.all(), 0
        if connection.vendor == "postgresql":
            dropped = partitions.drop_months(self.table, before=limit, must_stay=self.must_stay)
            rows = rows.filter(received_at__lt=partitions.end_of_month(limit))  # no younger partition is read
        keep = self.keep() if self.keep is not None else None
        return dropped + purge_before(rows, limit=limit, keep=keep)
