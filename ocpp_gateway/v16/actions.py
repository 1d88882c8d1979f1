"""OCPP 1.6: which message of a charge point is served by what."""

from __future__ import annotations

from chargepoints.services import certificate_requests, registration, reports, status, vendor_messages
from ocpp_gateway import vendor_data
from ocpp_gateway.action import Action
from ocpp_gateway.v16 import core, maintenance
from transactions.services import metering, sessions, starts, stops

ACTIONS: dict[str, Action] = {
    "Authorize": Action(core.authorize_in, sessions.AUTHORIZE, core.authorize_out),
    "BootNotification": Action(core.boot_in, registration.BOOT, core.boot_out),
    "DataTransfer": Action(
        vendor_data.data_transfer_in,
        vendor_messages.VENDOR_MESSAGE,
        core.data_transfer_out,
        prepare=vendor_data.data_transfer_prepare,
    ),
    "DiagnosticsStatusNotification": Action(maintenance.diagnostics_in, reports.PROGRESS, core.nothing_out),
    "FirmwareStatusNotification": Action(maintenance.firmware_in, reports.PROGRESS, core.nothing_out),
    "LogStatusNotification": Action(maintenance.log_in, reports.PROGRESS, core.nothing_out),
    "MeterValues": Action(core.meter_in, metering.METERED, core.nothing_out, is_transactional=True),
    "SecurityEventNotification": Action(
        maintenance.security_event_in, reports.SECURITY_EVENT, core.nothing_out, is_transactional=True
    ),
    "SignCertificate": Action(
        maintenance.sign_certificate_in, certificate_requests.SIGN, maintenance.sign_certificate_out
    ),
    "SignedFirmwareStatusNotification": Action(
        maintenance.signed_firmware_in, reports.PROGRESS, core.nothing_out
    ),
    "StartTransaction": Action(
        core.start_in,
        starts.START,
        core.start_out,
        is_transactional=True,
        put_aside=core.start_put_aside,
    ),
    "StatusNotification": Action(core.status_in, status.STATUS, core.nothing_out),
    "StopTransaction": Action(core.stop_in, stops.STOP, core.stop_out, is_transactional=True),
}

# Answered by the gateway itself from memory; liveness is flushed once a second.
IN_MEMORY = frozenset({"Heartbeat"})
