"""Deleting rows that are older than their retention time, a bounded piece at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

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
    limit = now - timedelta(days=days)
    deleted, last = 0, 0
    while deleted < batch:
        piece = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", field)[:CHUNK])
        old = {pk for pk, at in piece if at < limit}
        if old and keep is not None:
            old -= set(keep.filter(pk__in=old).values_list("pk", flat=True))
        if old:
            deleted += rows.model._default_manager.filter(pk__in=old).delete()[0]
        if len(piece) < CHUNK or piece[-1][1] >= limit:
            break
        last = piece[-1][0]
    return deleted
