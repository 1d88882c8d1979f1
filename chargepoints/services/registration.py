"""Boots and heartbeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from chargepoints import security_events
from chargepoints.choices import RegistrationStatus, Via
from chargepoints.configuring import AFTER_BOOT
from chargepoints.models import ChargePoint, Command
from chargepoints.selectors import PROFILE_COLUMNS, chosen_profile, put_profile
from chargepoints.services import reports
from chargepoints.services.batch import Act, FromCharger, StationBatch
from csms_project.common.events import EventRow, event

MIN_INTERVAL_S = 10
MAX_CLOCK_OFFSET_S = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot(FromCharger):
    """A charge point has started; `details` maps our field names to what it said of itself.

    certificate_names  common names of the certificate that must carry its serial number; empty: none must
    """

    details: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    certificate_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """Answer to a boot; `interval_s` is the heartbeat interval, or the time to wait before booting again.

    is_foreign  it came with the certificate of another charger: its socket must end
    """

    status: RegistrationStatus
    interval_s: int
    at: datetime
    is_foreign: bool = False


def want_boot(request: Boot, batch: StationBatch) -> None:
    """A boot changes its charge point."""
    batch.want_charge_point(request.charge_point_id, whole=True)


def decide_boot(request: Boot, batch: StationBatch) -> Booted:
    """Store what the charger says of itself and tell whether it is registered.

    A repeat is harmless. A boot in the middle of a session does not close it.  Spec: OCPP 1.6 §4.2
    """
    row = batch.charge_point(request.charge_point_id)
    if _is_foreign(request, row):
        return _turn_away(request, batch)
    _note_firmware_change(request, row, batch)
    for name, value in request.details.items():
        setattr(row, name, value)
    has_new_profile = _choose_profile(row, batch)
    row.boot_reason = request.reason[:20]
    row.last_boot_at = row.last_seen_at = request.received_at
    row.ocpp_version = request.ocpp_version
    changed = [*request.details, "boot_reason", "last_boot_at", "last_seen_at", "ocpp_version", "accepted_at"]
    if has_new_profile:
        changed += PROFILE_COLUMNS
    status = RegistrationStatus(row.registration_status)
    if status is RegistrationStatus.ACCEPTED and row.accepted_at is None:
        row.accepted_at = request.received_at
    batch.change(row, *changed)
    batch.add(_event("charge_point.booted", row, request, {"status": status.value, "reason": request.reason}))
    if status is RegistrationStatus.ACCEPTED and _auto_configure(row):
        batch.add(_read_configuration(row, request))
    return Booted(status=status, interval_s=heartbeat_interval_s(row), at=request.received_at)


def _is_foreign(request: Boot, row: ChargePoint) -> bool:
    """Whether the certificate is not the one of this serial number, and nobody has said that it may carry another name.

    Spec: 2.0.1 B01.FR.11
    """
    serial = request.details.get("serial_number", "").strip().casefold()
    names = {name.strip().casefold() for name in request.certificate_names}
    return bool(serial and names and serial not in names and not row.certificate_name)


def _turn_away(request: Boot, batch: StationBatch) -> Booted:
    """Nothing of what it says of itself is believed (2.0.1 B01.FR.12)."""
    names = " / ".join(f"“{name[:64]}”" for name in request.certificate_names)
    report = reports.SecurityReport(
        charge_point_id=request.charge_point_id,
        tenant_id=request.tenant_id,
        received_at=request.received_at,
        message_id=request.message_id,
        ocpp_version=request.ocpp_version,
        type=security_events.FOREIGN_CERTIFICATE,
        at=None,
        tech_info=f"The certificate is that of {names}, the charger's serial number is "
        f"“{request.details['serial_number'][:64]}”."[:255],
    )
    reports.decide_security_event(report, batch)
    return Booted(
        status=RegistrationStatus.REJECTED,
        interval_s=max(MIN_INTERVAL_S, settings.OCPP_PENDING_INTERVAL_S),
        at=request.received_at,
        is_foreign=True,
    )


def _choose_profile(row: ChargePoint, batch: StationBatch) -> bool:
    """Vendor, model and firmware may have changed; true when another profile fits now."""
    own = batch.own_profiles(row.tenant_id)
    is_new = put_profile(row, chosen_profile(row, own))
    row._state.fields_cache["model_profile"] = next((p for p in own if p.pk == row.model_profile_id), None)
    return is_new


def heartbeat_interval_s(row: ChargePoint) -> int:
    """Seconds between heartbeats, or until the next boot while not accepted; never 0: some take it for 0 ms."""
    if row.registration_status != RegistrationStatus.ACCEPTED:
        pending: int = settings.OCPP_PENDING_INTERVAL_S
        return max(MIN_INTERVAL_S, pending)
    own: int | None = row.heartbeat_interval_s or row.tenant.heartbeat_interval_s
    default: int = settings.OCPP_HEARTBEAT_INTERVAL_S
    return max(MIN_INTERVAL_S, own or default)


def _auto_configure(row: ChargePoint) -> bool:
    return row.tenant.auto_configure if row.auto_configure is None else row.auto_configure


def _read_configuration(row: ChargePoint, request: Boot) -> Command:
    return Command(
        tenant_id=row.tenant_id,
        charge_point=row,
        action="get_configuration",
        payload={},
        requested_by_name=AFTER_BOOT,
        requested_via=Via.JOB,
        created_at=request.received_at,
        expires_at=request.received_at + timedelta(minutes=10),
        timeout_s=settings.OCPP_CALL_TIMEOUT_S,
    )


def _note_firmware_change(request: Boot, row: ChargePoint, batch: StationBatch) -> None:
    new = request.details.get("firmware_version", "")
    if row.firmware_version and new and new != row.firmware_version:
        data = {"old": row.firmware_version, "new": new}
        batch.add(_event("charge_point.firmware_changed", row, request, data))


def _event(kind: str, row: ChargePoint, request: Boot, data: dict[str, str]) -> EventRow:
    return event(
        kind,
        tenant_id=row.tenant_id,
        object_type="charge_point",
        object_id=row.pk,
        charge_point=row.identity,
        data=data,
        at=request.received_at,
    )


BOOT: Act[Boot, StationBatch] = Act(decide_boot, want_boot)
