"""Batteries that stations have swapped: brought, taken, offered and not taken (OCPP 2.1 part 2, S03)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from chargepoints import swapping
from chargepoints.choices import BatteryDirection, BatterySwapState
from chargepoints.models import BatterySwap, ChargePoint, SwappedBattery
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common.events import event

#: Batteries of one message that are read.
MAX_BATTERIES = 100
#: A number of a request that comes again after this time is that of another swap: stations count from 1 again.
SAME_SWAP = timedelta(days=1)

_OPEN = (BatterySwapState.REQUESTED, BatterySwapState.BROUGHT, BatterySwapState.TAKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """One battery as the station measured it; percents."""

    evse_number: int
    serial_number: str
    soc: Decimal
    soh: Decimal
    produced_on: date | None = None
    vendor_info: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapEvent(FromCharger):
    """Batteries were brought, taken, or offered and not taken."""

    request_id: int
    direction: BatteryDirection
    id_token: str
    token_type: str
    batteries: Sequence[Battery]


def decide(request: SwapEvent, batch: StationBatch) -> None:
    """Keep the batteries with their swap; the answer can say nothing, whatever is known of the tag."""
    station = batch.charge_point(request.charge_point_id)
    swap = _find(request) or _make(request, station)
    now = request.received_at
    rows = [
        SwappedBattery(
            swap=swap,
            direction=request.direction,
            evse_number=battery.evse_number,
            serial_number=battery.serial_number,
            soc=battery.soc,
            soh=battery.soh,
            produced_on=battery.produced_on,
            vendor_info=battery.vendor_info,
            at=now,
        )
        for battery in request.batteries[:MAX_BATTERIES]
    ]
    known = set(swap.batteries.values_list("direction", "evse_number", "serial_number"))
    new = {(row.direction, row.evse_number, row.serial_number): row for row in rows}
    SwappedBattery.objects.bulk_create([row for key, row in new.items() if key not in known])
    if new.keys() <= known:
        return
    _move(swap, request.direction, now)
    batch.add(
        event(
            f"battery_swap.{request.direction.value}",
            tenant_id=request.tenant_id,
            object_type="batteryswap",
            object_id=swap.pk,
            charge_point=station.identity,
            data={
                "request_id": request.request_id,
                "id_token": request.id_token,
                "serial_numbers": [row.serial_number for row in rows],
                "status": swap.status,
            },
            at=now,
        )
    )


def _find(request: SwapEvent) -> BatterySwap | None:
    """The swap of this number that is open, or that has been at work of late."""
    rows = BatterySwap.objects.select_for_update(no_key=True, of=("self",)).filter(
        charge_point_id=request.charge_point_id, request_id=request.request_id
    )
    newest: BatterySwap | None = rows.order_by("-pk").first()
    if newest is None:
        return None
    is_recent = newest.last_event_at > request.received_at - SAME_SWAP
    return newest if is_recent or newest.status in _OPEN else None


def _make(request: SwapEvent, station: ChargePoint) -> BatterySwap:
    known = swapping.known_token(station, request.id_token, request.token_type)
    row: BatterySwap = BatterySwap.objects.create(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        request_id=request.request_id,
        id_token=known.token,
        id_token_value=request.id_token,
        id_token_type=request.token_type,
        authorization=str(known.status),
        last_event_at=request.received_at,
    )
    return row


def _move(swap: BatterySwap, direction: BatteryDirection, now: datetime) -> None:
    if direction == BatteryDirection.IN:
        swap.in_at = swap.in_at or now
    elif direction == BatteryDirection.OUT:
        swap.out_at = swap.out_at or now
    if swap.in_at is not None and swap.out_at is not None:
        swap.status = BatterySwapState.DONE
    elif direction == BatteryDirection.OFFERED:
        swap.status = BatterySwapState.NOT_TAKEN
    else:
        swap.status = BatterySwapState.BROUGHT if swap.in_at is not None else BatterySwapState.TAKEN
    swap.last_event_at = now
    swap.save(update_fields=["in_at", "out_at", "status", "last_event_at", "updated_at"])


def _want(request: SwapEvent, batch: StationBatch) -> None:
    batch.want_charge_point(request.charge_point_id)


SWAP: Act[SwapEvent, StationBatch] = Act(decide, _want)
