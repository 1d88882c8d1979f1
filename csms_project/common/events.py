"""Writing to the event outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from csms_project.common import bulk
from csms_project.common.models import Event


class EventRow(NamedTuple):
    """An event that is about to be written."""

    tenant_id: int
    kind: str
    object_type: str
    object_id: str
    charge_point: str
    data: dict[str, Any]
    created_at: datetime


bulk.register(EventRow, Event)


def event(
    kind: str,
    *,
    tenant_id: int,
    object_type: str = "",
    object_id: object = "",
    charge_point: str = "",
    data: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> EventRow:
    """A row for the outbox; `kind` is area.happening, for example transaction.ended."""
    return EventRow(
        tenant_id, kind, object_type, str(object_id), charge_point, data or {}, at or timezone.now()
    )


def record(kind: str, **fields: Any) -> None:
    """Write one event in the caller's transaction; arguments as for `event`."""
    bulk.insert([event(kind, **fields)])


def record_all(rows: Sequence[EventRow]) -> None:
    """Write several events in the caller's transaction."""
    bulk.insert(rows)
