"""Messages that we fail to process: kept at once, repeated by their charger, and in the end put aside.

A charger must neither get an error for a fault of ours, because it would drop what we cannot bill without, nor stand
before the same message for ever, because everything behind it would wait with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from chargepoints.models import ChargePoint, FrameAnomaly
from chargepoints.services.batch import StationBatch
from chargepoints.services.connections import station_event

#: Whatever the time that has passed: a charger that comes back rarely has had its chances.
MIN_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A message whose processing has failed; `frame` is its payload as text, `problem` what went wrong."""

    charge_point_id: int
    tenant_id: int
    received_at: datetime
    action: str
    message_id: str
    frame: str
    problem: str

    @property
    def digest(self) -> str:
        """Equal for the same message sent again; message ids differ then."""
        return digest_of(self.action, self.frame)


def digest_of(action: str, frame: str) -> str:
    """What a message is known by when it comes again."""
    return hashlib.sha256(f"{action}\0{frame}".encode()).hexdigest()[:32]


def note_failure(request: Failure) -> FrameAnomaly:
    """Keep the frame, or count that it came again."""
    rows = FrameAnomaly.objects.filter(Q(resolved_at=None) | ~Q(answer=""))
    row = rows.filter(charge_point_id=request.charge_point_id, digest=request.digest).order_by("pk").last()
    if row is None:
        row = FrameAnomaly(
            tenant_id=request.tenant_id,
            charge_point_id=request.charge_point_id,
            received_at=request.received_at,
            action=request.action[:64],
            message_id=request.message_id[:64],
            frame=request.frame,
            digest=request.digest,
            was_served=False,
        )
    row.attempts += 1
    row.problem = request.problem[:500]
    row.save()
    return row


def is_overdue(row: FrameAnomaly, now: datetime) -> bool:
    """Whether the message has been repeated for so long that it is to be put aside."""
    patience = timedelta(seconds=settings.OCPP_PUT_ASIDE_AFTER_S)
    return row.attempts >= MIN_ATTEMPTS and now - row.received_at >= patience


def put_aside(row: FrameAnomaly, *, answer: str, now: datetime, batch: StationBatch) -> None:
    """Note what the message is acknowledged with, and tell people that its content is not in the books."""
    row.answer = answer
    row.save(update_fields=["answer"])
    station = ChargePoint.objects.filter(pk=row.charge_point_id).first()
    if station is not None:
        data: dict[str, Any] = {"action": row.action, "anomaly": row.pk}
        batch.add(station_event("charge_point.message_put_aside", station, now, data))


def note_served(*, charge_point_id: int, digest: str, now: datetime) -> int:
    """The message was processed after all; returns how many rows said that it failed."""
    rows = FrameAnomaly.objects.filter(charge_point_id=charge_point_id, digest=digest, answer="")
    return rows.filter(resolved_at=None).update(was_served=True, resolved_at=now)
