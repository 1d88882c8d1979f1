"""Reports that are stored and acknowledged: security events, firmware and upload progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.models import Tenant
from chargepoints import security_events
from chargepoints.choices import StatusReportKind
from chargepoints.models import SecurityEvent, StatusReport
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common.events import event


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(FromCharger):
    """A step of a firmware update or an upload (OCPP 1.6 §4.4, §4.5; security whitepaper L01, N01)."""

    kind: StatusReportKind
    status: str
    request_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityReport(FromCharger):
    """SecurityEventNotification (OCPP 1.6 security whitepaper A04); the type is free text."""

    type: str
    at: datetime | None
    tech_info: str = ""


def decide_progress(request: Progress, batch: StationBatch) -> None:
    """Store one report; every status is acknowledged."""
    batch.add(
        StatusReport(
            tenant_id=request.tenant_id,
            charge_point_id=request.charge_point_id,
            received_at=request.received_at,
            kind=request.kind,
            status=request.status,
            request_id=request.request_id,
        )
    )
    _tell(request, batch, f"charge_point.{request.kind}_status", {"status": request.status})


def decide_security_event(request: SecurityReport, batch: StationBatch) -> None:
    """Store a security event; where the organisation's rule says so it is an alert, with an event of its own."""
    is_alert = _is_alert(request.type, batch.charge_point(request.charge_point_id).tenant)
    batch.add(
        SecurityEvent(
            tenant_id=request.tenant_id,
            charge_point_id=request.charge_point_id,
            received_at=request.received_at,
            type=request.type,
            tech_info=request.tech_info,
            at=request.at or request.received_at,
            is_alert=is_alert,
        )
    )
    _tell(request, batch, "charge_point.security_event", {"type": request.type})
    if is_alert:
        severity = security_events.severity_of(request.type)
        data = {"type": request.type, "severity": severity, "tech_info": request.tech_info}
        _tell(request, batch, "security.alert", data)


def _is_alert(kind: str, tenant: Tenant) -> bool:
    return security_events.calls_for_a_person(
        kind,
        severities=tenant.alert_severity,
        always=security_events.names_in(tenant.alert_types),
        never=security_events.names_in(tenant.quiet_types),
    )


def _tell(request: FromCharger, batch: StationBatch, kind: str, data: dict[str, str]) -> None:
    station = batch.charge_point(request.charge_point_id)
    batch.add(
        event(
            kind,
            tenant_id=request.tenant_id,
            object_type="charge_point",
            object_id=request.charge_point_id,
            charge_point=station.identity,
            data=data,
            at=request.received_at,
        )
    )


def _want_station(request: FromCharger, batch: StationBatch) -> None:
    batch.want_charge_point(request.charge_point_id)


PROGRESS: Act[Progress, StationBatch] = Act(decide_progress, _want_station)
SECURITY_EVENT: Act[SecurityReport, StationBatch] = Act(decide_security_event, _want_station)
