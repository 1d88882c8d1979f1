"""Writing to the event outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from csms_project.common.models import Event


def event(
    kind: str,
    *,
    tenant_id: int,
    object_type: str = "",
    object_id: object = "",
    charge_point: str = "",
    data: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> Event:
    """An unsaved outbox row; `kind` is area.happening, for example transaction.ended."""
    return Event(
        kind=kind,
        tenant_id=tenant_id,
        object_type=object_type,
        object_id=str(object_id),
        charge_point=charge_point,
        data=data or {},
        created_at=at or timezone.now(),
    )


def record(kind: str, **fields: Any) -> Event:
    """Write one event in the caller's transaction; arguments as for `event`."""
    row = event(kind, **fields)
    row.save()
    return row


def record_all(rows: Sequence[Event]) -> None:
    """Write several events in the caller's transaction."""
    if rows:
        Event.objects.bulk_create(rows)
