"""Background jobs of charge points."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from chargepoints import commands
from chargepoints.charging import following
from chargepoints.models import (
    BatchReceipt,
    CertificateRequest,
    ChargerEvent,
    DataTransfer,
    DeviceReport,
    EventStream,
    FrameAnomaly,
    MonitoringReport,
    MonitorResult,
    OcppMessage,
    RefusedConnection,
    SecurityEvent,
    StatusEvent,
    StatusReport,
    StreamValues,
    VariableChange,
)
from chargepoints.monitoring_choices import EventState
from chargepoints.services import (
    authorities,
    boot_settings,
    certificate_expiry,
    charging_reports,
    customer_information,
    der_reports,
    device_model,
    display_sync,
    firmware_campaigns,
    firmware_following,
    fleet_steps,
    list_sync,
    log_requests,
    model_profiles,
    monitoring_reports,
    ownership,
    profile_upgrades,
    reservations,
    signing,
)
from csms_project.common.jobs import job
from csms_project.common.models import Event
from csms_project.common.partitions import ensure_partitions
from csms_project.common.retention import BATCH, CHUNK, MonthRule, purge

HOUR_S = 3600
#: A receipt matters only until its writer has reconnected.
RECEIPT_AGE = timedelta(days=1)
MESSAGES = MonthRule(model=OcppMessage, setting="RETENTION_MESSAGES_DAYS")


@job(every_s=5)
def expire_commands(now: datetime) -> int:
    """End the commands that were not sent, or not answered, in time."""
    return commands.expire_due(now)


@job(every_s=10)
def end_silent_profile_reports(now: datetime) -> int:
    """End the lists of charging profiles whose rest does not come."""
    return charging_reports.end_silent(now)


@job(every_s=10)
def expire_reservations(now: datetime) -> int:
    """End the reservations whose time has come."""
    return reservations.expire_due(now)


@job(every_s=10, batch=display_sync.BATCH)
def show_messages(now: datetime) -> int:
    """Bring messages to the displays that should show them, and take off those that should not."""
    return display_sync.run(now)


@job(every_s=60)
def watch_der(now: datetime) -> int:
    """Note the controls for the grid whose time is over, and lists of them that never came to their end."""
    return der_reports.watch(now)


@job(every_s=2, batch=fleet_steps.SEND_AT_ONCE)
def step_fleet_tasks(now: datetime) -> int:
    """Carry on the orders to many chargers: send what may be sent, take over what became of it."""
    return fleet_steps.step(now)


@job(every_s=30)
def end_device_reports(now: datetime) -> int:
    """End reports of the device model whose parts have stopped coming."""
    return device_model.end_stale(now)


@job(every_s=HOUR_S)
def forget_fleet_secrets(now: datetime) -> int:
    """Wipe the secrets of orders that have failed and were not tried again for a week."""
    return fleet_steps.forget_secrets(now)


@job(every_s=5, batch=signing.BATCH)
def sign_certificates(now: datetime) -> int:
    """Sign the certificate requests of chargers that are due, and deliver what was signed."""
    return signing.process_due(now)


@job(every_s=5)
def go_on_with_upgrades(now: datetime) -> int:
    """Give the next order of upgrades to a higher security profile that take several."""
    return profile_upgrades.go_on(now)


@job(every_s=HOUR_S)
def watch_certificates(now: datetime) -> int:
    """Note and tell the end of certificates, ask chargers to renew theirs, and keep the revocation lists fresh."""
    return certificate_expiry.watch(now) + authorities.refresh_due(now)


@job(every_s=2, batch=list_sync.BATCH)
def sync_local_lists(now: datetime) -> int:
    """Bring the lists of tags in chargers into step with the tags."""
    return list_sync.run(now)


@job(every_s=60)
def watch_local_lists(now: datetime) -> int:
    """Give new chargers their list where the organisation keeps them, and check devices that have changed."""
    return list_sync.watch(now)


@job(every_s=HOUR_S)
def purge_local_lists(now: datetime) -> int:
    """Forget contents of lists that no charger holds any more."""
    return list_sync.purge_contents(now)


@job(every_s=10, batch=boot_settings.BATCH)
def apply_boot_settings(now: datetime) -> int:
    """Send what templates want after a boot."""
    return boot_settings.step(now)


@job(every_s=10)
def expire_charging_profiles(now: datetime) -> int:
    """End the charging profiles whose validity is over; doubt those of sessions after a restart of the charger."""
    return following.expire_due(now)


@job(every_s=10, batch=ownership.DROP_AT_ONCE)
def forget_dead_nodes(now: datetime) -> int:
    """Remove the connections of gateway processes whose lease has run out; gateways do so themselves."""
    return ownership.drop_dead()


@job(every_s=HOUR_S)
def resolve_model_profiles(now: datetime) -> int:
    """Let charge points follow the model profiles that fit them best; an update may have brought better ones."""
    return model_profiles.resolve_all()


@job(every_s=HOUR_S)
def purge_nodes(now: datetime) -> int:
    """Remove the rows of gateway processes that ended a week ago."""
    return ownership.forget_old_nodes()


@job(every_s=HOUR_S, batch=BATCH)
def purge_messages(now: datetime) -> int:
    """Retention of the message log and of what chargers sent beside it (RETENTION_MESSAGES_DAYS)."""
    days = settings.RETENTION_MESSAGES_DAYS
    # A message that could not be served may hold a session: it stays until somebody has looked at it.
    open_anomalies = FrameAnomaly.objects.filter(was_served=False, resolved_at=None)
    return (
        MESSAGES.purge(now)
        + purge(DataTransfer.objects.all(), days=days, now=now)
        + purge(FrameAnomaly.objects.all(), days=days, now=now, keep=open_anomalies)
    )


@job(every_s=HOUR_S, batch=BATCH)
def purge_status_events(now: datetime) -> int:
    """Retention of reports of status, firmware, uploads and the device model (RETENTION_STATUS_EVENTS_DAYS)."""
    days = settings.RETENTION_STATUS_EVENTS_DAYS
    ended = DeviceReport.objects.exclude(ended_at=None)
    return sum(
        purge(model.objects.all(), days=days, now=now) for model in (StatusEvent, StatusReport)
    ) + purge(ended, days=days, now=now, field="started_at")


@job(every_s=HOUR_S, batch=BATCH)
def purge_security_events(now: datetime) -> int:
    """Retention of security events and of requests without a certificate (RETENTION_SECURITY_EVENTS_DAYS)."""
    days = settings.RETENTION_SECURITY_EVENTS_DAYS
    # An alert stays until somebody has acknowledged it.
    alerts = SecurityEvent.objects.filter(is_alert=True, acknowledged_at=None)
    ended = CertificateRequest.objects.filter(certificate=None).exclude(ended_at=None)
    return purge(SecurityEvent.objects.all(), days=days, now=now, keep=alerts) + purge(
        ended, days=days, now=now
    )


@job(every_s=10, batch=monitoring_reports.BATCH)
def read_monitors(now: datetime) -> int:
    """Let chargers report their monitors after a boot, where they are configured unasked."""
    return monitoring_reports.read_after_boots(now)


@job(every_s=15)
def end_reports(now: datetime) -> int:
    """End reports of monitors and customers' data of which no more has come."""
    return monitoring_reports.end_late(now) + customer_information.end_late(now)


@job(every_s=HOUR_S, batch=BATCH)
def purge_charger_events(now: datetime) -> int:
    """Retention of events of chargers and of the work with their monitors (RETENTION_CHARGER_EVENTS_DAYS)."""
    days = settings.RETENTION_CHARGER_EVENTS_DAYS
    # What goes on, and an alert that nobody has acknowledged, stay.
    keep = ChargerEvent.objects.filter(Q(state=EventState.OPEN) | Q(is_alert=True, acknowledged_at=None))
    return (
        purge(ChargerEvent.objects.all(), days=days, now=now, keep=keep)
        + purge(MonitorResult.objects.all(), days=days, now=now)
        + purge(MonitoringReport.objects.exclude(ended_at=None), days=days, now=now, field="created_at")
    )


@job(every_s=HOUR_S, batch=BATCH)
def purge_stream_values(now: datetime) -> int:
    """Retention of the values of event streams (RETENTION_STREAM_VALUES_DAYS)."""
    days = settings.RETENTION_STREAM_VALUES_DAYS
    closed = EventStream.objects.exclude(closed_at=None)
    return purge(StreamValues.objects.all(), days=days, now=now) + purge(
        closed, days=days, now=now, field="closed_at"
    )


@job(every_s=HOUR_S)
def purge_customer_information(now: datetime) -> int:
    """Retention of what chargers reported of customers (RETENTION_CUSTOMER_INFORMATION_DAYS)."""
    return customer_information.purge_texts(now)


@job(every_s=HOUR_S, batch=BATCH)
def purge_variable_changes(now: datetime) -> int:
    """Retention of the changes in chargers' configurations (RETENTION_VARIABLE_CHANGES_DAYS)."""
    return purge(VariableChange.objects.all(), days=settings.RETENTION_VARIABLE_CHANGES_DAYS, now=now)


@job(every_s=HOUR_S)
def purge_refused_connections(now: datetime) -> int:
    """Retention of refused handshakes, counted from the last one (RETENTION_REFUSED_DAYS)."""
    if not settings.RETENTION_REFUSED_DAYS:
        return 0
    limit = now - timedelta(days=settings.RETENTION_REFUSED_DAYS)
    return RefusedConnection.objects.filter(last_at__lt=limit).delete()[0]


@job(every_s=HOUR_S, batch=BATCH)
def purge_receipts(now: datetime) -> int:
    """Remove the writer's receipts of yesterday: one for each of its batches, so there may be millions."""
    old = BatchReceipt.objects.filter(created_at__lt=now - RECEIPT_AGE).order_by("created_at")
    deleted = 0
    while deleted < BATCH and (piece := list(old.values_list("pk", flat=True)[:CHUNK])):
        deleted += BatchReceipt.objects.filter(pk__in=piece).delete()[0]
    return deleted


@job(every_s=HOUR_S, batch=BATCH)
def purge_events(now: datetime) -> int:
    """Retention of events (RETENTION_EVENTS_DAYS)."""
    return purge(Event.objects.all(), days=settings.RETENTION_EVENTS_DAYS, now=now, field="created_at")


@job(every_s=HOUR_S)
def create_partitions(now: datetime) -> int:
    """Months ahead of the message log and of the meter values (PostgreSQL)."""
    return ensure_partitions(now)


@job(every_s=5)
def follow_firmware(now: datetime) -> int:
    """Bring firmware updates up to date, and let campaigns begin the next ones."""
    return firmware_following.follow(now) + firmware_campaigns.advance(now)


@job(every_s=5)
def follow_log_requests(now: datetime) -> int:
    """Bring requested diagnostics and logs up to date."""
    return log_requests.follow(now)


@job(every_s=HOUR_S, batch=200)
def purge_uploads(now: datetime) -> int:
    """Retention of uploaded diagnostics and logs (RETENTION_UPLOADS_DAYS)."""
    return log_requests.purge_files(now)
