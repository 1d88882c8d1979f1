"""What chargers make of their updates: read from the outcome of commands, from reports and from restarts.

A job looks at the rows that messages leave; the messages themselves pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F
from django.db.transaction import atomic

from chargepoints.choices import CommandStatus, FirmwareState, StatusReportKind
from chargepoints.commands import CONNECTION_LOST, CONNECTION_REPLACED
from chargepoints.firmware_progress import (
    SENTENCES,
    STARTED_INSTALLING,
    Versions,
    same_version,
    state_after,
    verdict,
)
from chargepoints.models import Command, FirmwareUpdate, StatusReport
from chargepoints.services.firmware_updates import add_step, end

_KINDS = (StatusReportKind.FIRMWARE, StatusReportKind.SIGNED_FIRMWARE)
_LOST = (CONNECTION_LOST, CONNECTION_REPLACED)
_FIELDS = (
    "state", "note", "steps", "progress_at", "ended_at", "started_at", "last_report_id", "failed_downloads",
    "installing_at", "updated_at",
)  # fmt: skip
PLAIN_REFUSED = (
    "The charger takes no unsigned firmware (security whitepaper L01.FR.20): give the file its signing "
    "certificate and signature."
)
SIGNED_REFUSED = "The charger does not know signed updates: use a file without signing certificate."


def follow(now: datetime) -> int:
    """Bring all updates under way up to date; returns how many have changed."""
    rows = FirmwareUpdate.objects.filter(started_at__isnull=False, ended_at=None)
    updates: dict[int, FirmwareUpdate] = {
        row.pk: row for row in rows.select_related("charge_point", "campaign__file", "command").order_by("pk")
    }
    if not updates:
        return 0
    before = {pk: _shape(row) for pk, row in updates.items()}
    for row in updates.values():
        _look_at_command(row, now)
    for pk, report in _reports():
        if pk in updates:
            take_report(updates[pk], report, now)
    for row in updates.values():
        _look_at_version(row, now)
        _look_at_clock(row, now)
    return sum(_store(row) for pk, row in updates.items() if _shape(row) != before[pk])


def _shape(row: FirmwareUpdate) -> tuple[object, ...]:
    return (row.state, row.note, len(row.steps), row.last_report_id, row.ended_at, row.failed_downloads)


@atomic
def _store(row: FirmwareUpdate) -> bool:
    # Somebody may have called it off meanwhile.
    still = FirmwareUpdate.objects.select_for_update(no_key=True).filter(pk=row.pk, ended_at=None)
    if not still.exists():
        return False
    row.save(update_fields=_FIELDS)
    return True


# ---------------------------------------------------------------- the order


def _look_at_command(row: FirmwareUpdate, now: datetime) -> None:
    command = row.command
    if row.state != FirmwareState.QUEUED or command is None or not command.is_final:
        return
    at = command.completed_at or now
    row.progress_at = at
    match command.status:
        case CommandStatus.ACCEPTED:
            row.state = FirmwareState.ORDERED
            row.note = command.summary[:300]
            add_step(row, "Ordered", at)
        case CommandStatus.EXPIRED:
            # It went offline before the order was sent: it waits for its next connection.
            row.state, row.started_at = FirmwareState.WAITING, None
            row.note = "The charger went offline before it could be asked."
            add_step(row, "Not sent", at)
        case CommandStatus.TIMED_OUT | CommandStatus.FAILED if _may_have_arrived(command):
            row.state = FirmwareState.UNKNOWN
            row.note = "The charger gave no answer; it may have understood all the same."
            add_step(row, "No answer", at)
        case _:
            add_step(row, command.get_status_display(), at)
            _fail(row, _refusal(command), now)


def _may_have_arrived(command: Command) -> bool:
    error = command.error if isinstance(command.error, dict) else {}
    return command.status == CommandStatus.TIMED_OUT or error.get("code") in _LOST


def _refusal(command: Command) -> str:
    if command.status == CommandStatus.NOT_SUPPORTED:
        return SIGNED_REFUSED if command.action == "signed_update_firmware" else PLAIN_REFUSED
    error = command.error if isinstance(command.error, dict) else {}
    told = " ".join(str(error.get(name) or "") for name in ("code", "description")).strip()
    return command.summary or told or f"The charger answered: {command.get_status_display().lower()}."


def _fail(row: FirmwareUpdate, note: str, now: datetime) -> None:
    end(row, FirmwareState.FAILED, note, now=now)


# ---------------------------------------------------------------- reports


def _reports() -> Iterator[tuple[int, StatusReport]]:
    """What came in about open updates since they were looked at, in the order of arrival; one statement."""
    rows = (
        StatusReport.objects.filter(
            kind__in=_KINDS,
            charge_point__firmware_updates__started_at__isnull=False,
            charge_point__firmware_updates__ended_at=None,
            received_at__gte=F("charge_point__firmware_updates__started_at"),
            id__gt=F("charge_point__firmware_updates__last_report_id"),
        )
        .annotate(update_id=F("charge_point__firmware_updates__id"))
        .order_by("id")
    )
    for report in rows:
        yield report.update_id, report


def take_report(row: FirmwareUpdate, report: StatusReport, now: datetime) -> None:
    """Let one report act on its update.

    Reports of signed updates, and all of OCPP 2.x, name their request; others belong to whatever update is open.
    """
    row.last_report_id = max(row.last_report_id, report.pk)
    is_foreign = report.request_id not in (None, row.request_id)
    if is_foreign or row.ended_at is not None:
        return
    state = state_after(FirmwareState(row.state), report.status)
    if state is None:
        if report.status in ("DownloadPaused", "SignatureVerified", "InstallScheduled", "InstallRebooting"):
            add_step(row, report.status, report.received_at)
            row.progress_at = report.received_at
        return
    add_step(row, report.status, report.received_at)
    row.progress_at = report.received_at
    if state == FirmwareState.FAILED:
        _take_failure(row, report, now)
        return
    row.state, row.note = state, ""
    if state in STARTED_INSTALLING and row.installing_at is None:
        row.installing_at = report.received_at
    if state == FirmwareState.INSTALLED and not row.campaign.file.version:
        end(row, state, "The file names no version that could be compared.", now=now)


def _take_failure(row: FirmwareUpdate, report: StatusReport, now: datetime) -> None:
    note = SENTENCES.get(report.status, report.status)
    retries = row.campaign.download_retries or 0
    if report.status == "DownloadFailed" and row.failed_downloads < retries:
        row.failed_downloads += 1
        row.state = FirmwareState.ORDERED
        row.note = f"{note} It may try {retries - row.failed_downloads + 1} times more."
        return
    _fail(row, note, now)


# ---------------------------------------------------------------- version and time


def _look_at_version(row: FirmwareUpdate, now: datetime) -> None:
    if row.ended_at is not None or row.started_at is None:
        return
    station = row.charge_point
    booted_at = station.last_boot_at
    versions = Versions(
        wanted=row.campaign.file.version,
        before=row.version_before,
        now=station.firmware_version,
        booted=booted_at is not None and booted_at > row.started_at,
        booted_after_installing=bool(booted_at and row.installing_at and booted_at > row.installing_at),
    )
    state = verdict(FirmwareState(row.state), versions)
    if state is None:
        return
    add_step(row, f"Started with {station.firmware_version}", booted_at or now)
    if state == FirmwareState.VERIFIED:
        end(row, state, f"The charger runs {station.firmware_version}.", now=now)
    else:
        end(row, state, f"The charger runs {station.firmware_version}, not {versions.wanted}.", now=now)


def _look_at_clock(row: FirmwareUpdate, now: datetime) -> None:
    """End what has made no progress for so long."""
    if row.ended_at is not None or row.started_at is None:
        return
    limit = timedelta(seconds=settings.FIRMWARE_PROGRESS_TIMEOUT_S)
    if (row.progress_at or row.started_at) + limit > now:
        return
    version, wanted = row.charge_point.firmware_version, row.campaign.file.version
    if row.state == FirmwareState.INSTALLED:
        is_wanted = same_version(version, wanted)
        note = (
            f"The charger has not started anew since; it reported {version} before."
            if not is_wanted
            else "The charger had this version before and has not started anew since."
        )
        end(row, FirmwareState.INSTALLED, note, now=now)
        return
    hours = settings.FIRMWARE_PROGRESS_TIMEOUT_S / 3600
    add_step(row, "Timed out", now)
    end(row, FirmwareState.TIMED_OUT, row.note or f"Nothing was heard of it for {hours:g} hours.", now=now)
