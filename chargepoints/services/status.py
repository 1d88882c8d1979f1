"""Connector status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chargepoints.choices import ConnectorStatus, ReservationStatus
from chargepoints.log_rows import StatusRow
from chargepoints.models import ChargePoint, Connector, Reservation
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common.events import event

_ENDS_RESERVATION = {ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange(FromCharger):
    """A connector (0: the charger itself) reports its state; `at` is the charger's clock, None where it sent none.

    connector_number  connectorId of OCPP 1.6, evseId of 2.x
    within            number of the connector in its EVSE; None: OCPP 1.6, where an EVSE has one
    """

    connector_number: int
    within: int | None = None
    status: str
    error_code: str = ""
    info: str = ""
    vendor_id: str = ""
    vendor_error_code: str = ""
    at: datetime | None = None


def want_status(request: StatusChange, batch: StationBatch) -> None:
    """A status changes the charge point or one of its connectors."""
    batch.want_charge_point(request.charge_point_id)
    if request.connector_number:
        batch.want_connector(request.charge_point_id, request.connector_number, request.within or 1)


def decide_status(request: StatusChange, batch: StationBatch) -> None:
    """Keep the newest status by its own time, and every one as an event.

    Any order of states is taken. An older timestamp is recorded and does not overwrite a newer status. No session
    begins or ends here.  Spec: OCPP 1.6 §4.9
    """
    at = request.at or request.received_at
    station = batch.charge_point(request.charge_point_id)
    batch.add(_status_row(request, at))
    target: ChargePoint | Connector | None = station
    if request.connector_number:
        target = batch.connector(request.charge_point_id, request.connector_number, request.within or 1)
    if target is None or _is_older(at, target.status_at, request.received_at):
        return
    before = target.status
    _apply(request, target, at, batch)
    if before != target.status:
        _tell(request, station, before, batch)


def _is_older(at: datetime, known: datetime | None, now: datetime) -> bool:
    # A stored time in the future came from a wrong clock and must not lock the status.
    return known is not None and at < known <= now


def _apply(request: StatusChange, target: ChargePoint | Connector, at: datetime, batch: StationBatch) -> None:
    target.status = request.status
    target.error_code = request.error_code
    target.status_info = request.info
    target.status_at = at
    fields = ["status", "error_code", "status_info", "status_at"]
    if isinstance(target, Connector):
        target.vendor_id = request.vendor_id
        target.vendor_error_code = request.vendor_error_code
        target.status_received_at = request.received_at
        fields += ["vendor_id", "vendor_error_code", "status_received_at"]
    batch.change(target, *fields)


def _tell(request: StatusChange, station: ChargePoint, before: str, batch: StationBatch) -> None:
    data: dict[str, Any] = {
        "connector": request.connector_number,
        "old": before,
        "new": request.status,
        "error_code": request.error_code,
    }
    batch.add(
        event(
            "connector.status_changed",
            tenant_id=station.tenant_id,
            object_type="charge_point",
            object_id=station.pk,
            charge_point=station.identity,
            data=data,
            at=request.received_at,
        )
    )
    if request.status in _ENDS_RESERVATION:
        _end_reservations(request, station)


def _end_reservations(request: StatusChange, station: ChargePoint) -> None:
    """Faulted and Unavailable end a reservation of that connector (OCPP 1.6 §5.13)."""
    rows = Reservation.objects.filter(charge_point=station, status=ReservationStatus.ACTIVE)
    if request.connector_number:
        rows = rows.filter(connector__ocpp_number=request.connector_number)
    rows.update(
        status=ReservationStatus.CANCELLED,
        ended_at=request.received_at,
        end_reason=f"connector is {request.status}",
    )


def _status_row(request: StatusChange, at: datetime) -> StatusRow:
    number = min(request.connector_number, 2**31 - 1)
    return StatusRow(
        request.tenant_id,
        request.charge_point_id,
        request.received_at,
        number if request.within is None else min(request.within, 2**31 - 1),
        number,
        request.status,
        request.error_code,
        request.info,
        request.vendor_id,
        request.vendor_error_code,
        at,
    )


STATUS: Act[StatusChange, StationBatch] = Act(decide_status, want_status)
