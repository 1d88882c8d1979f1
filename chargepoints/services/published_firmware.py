"""Firmware that local controllers publish: what was ordered, what they report, what they no longer offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from chargepoints.choices import StatusReportKind
from chargepoints.models import Command, PublishedFirmware, StatusReport
from chargepoints.redaction import redact_url
from chargepoints.services import reports
from chargepoints.services.batch import Act, StationBatch
from chargepoints.services.reports import Progress

#: Characters of an address (2.1, PublishFirmwareStatusNotificationRequest).
_MAX_LOCATION = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing(Progress):
    """A step of publishing firmware (2.0.1 L03.FR.01).

    locations  where chargers can fetch it, once it is published
    """

    kind: StatusReportKind = StatusReportKind.PUBLISH
    locations: tuple[str, ...] = ()


def decide_publishing(request: Publishing, batch: StationBatch) -> None:
    """Store a report and bring the order that it is about up to date; one about nothing we know is only stored."""
    reports.decide_progress(request, batch)
    if request.request_id is None or request.status == "Idle":
        return
    row = _find(request.charge_point_id, request.request_id)
    if row is None or row.ended_at is not None:
        return
    row.status, row.reported_at = request.status, request.received_at
    if request.locations:
        row.locations = [redact_url(place)[:_MAX_LOCATION] for place in request.locations]
    row.save(update_fields=["status", "reported_at", "locations", "updated_at"])


def ordered(request: Mapping[str, Any], accepted: bool, command: Command) -> None:
    """A controller has answered an order to publish: keep it, where it was accepted."""
    if not accepted:
        return
    number = int(request["requestId"])
    first = _first_report(command, number)
    PublishedFirmware.objects.create(
        tenant_id=command.tenant_id,
        charge_point_id=command.charge_point_id,
        command=command,
        request_id=number,
        location=redact_url(str(request.get("location", "")))[:_MAX_LOCATION],
        checksum=str(request.get("checksum", ""))[:32].lower(),
        status=first.status if first is not None else "",
        reported_at=first.received_at if first is not None else None,
    )


def _first_report(command: Command, number: int) -> StatusReport | None:
    """A report that came before the answer."""
    rows = StatusReport.objects.filter(
        charge_point_id=command.charge_point_id,
        kind=StatusReportKind.PUBLISH,
        request_id=number,
        received_at__gte=command.created_at,
    )
    found: StatusReport | None = rows.order_by("-id").first()
    return found


def taken_back(checksum: str, command: Command) -> None:
    """A controller no longer offers what has this checksum, or says that it has no such firmware."""
    PublishedFirmware.objects.filter(
        charge_point_id=command.charge_point_id, checksum=checksum.lower(), ended_at=None
    ).update(ended_at=timezone.now(), updated_at=timezone.now())


def _find(charge_point_id: int, request_id: int) -> PublishedFirmware | None:
    """The newest order with this number."""
    found: PublishedFirmware | None = (
        PublishedFirmware.objects.filter(charge_point_id=charge_point_id, request_id=request_id)
        .order_by("-id")
        .first()
    )
    return found


def _want(request: Publishing, batch: StationBatch) -> None:
    batch.want_charge_point(request.charge_point_id)


PUBLISHING: Act[Publishing, StationBatch] = Act(decide_publishing, _want)
