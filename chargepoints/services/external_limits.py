"""Limits that others have given a charger (2.0.1 K11–K14, 2.1 K23–K27): kept, and counted in what is to be expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chargepoints.models import ExternalLimit
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common import events

#: Places and sources of one charger.
MAX_LIMITS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTold(FromCharger):
    """NotifyChargingLimit.

    connector_number     0: the charger itself
    content              arguments of set_charging_profile; None where no schedule came with it
    is_local_generation  it is power of the site, on top of what is allowed
    """

    connector_number: int
    source: str
    is_grid_critical: bool = False
    is_local_generation: bool = False
    content: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCleared(FromCharger):
    """ClearedChargingLimit; `connector_number` None: the source has taken back all that it had given."""

    source: str
    connector_number: int | None = None


def decide_limit(request: LimitTold, batch: StationBatch) -> None:
    """A limit takes the place of the one that the same source gave for the same place."""
    station = batch.charge_point(request.charge_point_id)
    rows = ExternalLimit.objects.filter(charge_point_id=request.charge_point_id)
    place: dict[str, Any] = {
        "connector_number": request.connector_number,
        "source": request.source,
        "is_local_generation": request.is_local_generation,
    }
    if not rows.filter(**place).exists() and rows.count() >= MAX_LIMITS:
        rows.filter(cleared_at__isnull=False).delete()
        if rows.count() >= MAX_LIMITS:
            return
    ExternalLimit.objects.update_or_create(
        charge_point_id=request.charge_point_id,
        **place,
        defaults={
            "tenant_id": request.tenant_id,
            "is_grid_critical": request.is_grid_critical,
            "content": request.content,
            "since": request.received_at,
            "cleared_at": None,
        },
    )
    _record("charging_limit.changed", request, station.identity, request.connector_number)


def decide_cleared(request: LimitCleared, batch: StationBatch) -> None:
    """The limit is gone; a repeat, and one that we never heard of, change nothing."""
    station = batch.charge_point(request.charge_point_id)
    rows = ExternalLimit.objects.filter(
        charge_point_id=request.charge_point_id, source=request.source, cleared_at=None
    )
    if request.connector_number is not None:
        rows = rows.filter(connector_number=request.connector_number)
    if rows.update(cleared_at=request.received_at):
        _record("charging_limit.cleared", request, station.identity, request.connector_number)


def _record(kind: str, request: LimitTold | LimitCleared, identity: str, connector: int | None) -> None:
    events.record(
        kind,
        tenant_id=request.tenant_id,
        object_type="charge_point",
        object_id=request.charge_point_id,
        charge_point=identity,
        data={"source": request.source, "connector": connector},
        at=request.received_at,
    )


def _want(request: FromCharger, batch: StationBatch) -> None:
    batch.want_charge_point(request.charge_point_id)


LIMIT_TOLD: Act[LimitTold, StationBatch] = Act(decide_limit, _want)
LIMIT_CLEARED: Act[LimitCleared, StationBatch] = Act(decide_cleared, _want)
