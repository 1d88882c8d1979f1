"""Diagnostics and logs: asked for, followed, taken in, thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from chargepoints import commands, errors, file_links
from chargepoints.choices import CommandStatus, LogKind, LogState, StatusReportKind, Via
from chargepoints.commands import CONNECTION_LOST, CONNECTION_REPLACED
from chargepoints.models import ChargePoint, LogRequest, StatusReport
from chargepoints.services.firmware_updates import add_step
from csms_project.common import audit, events, file_store

FOLDER = "uploads"
_CHANGE = "logs.change"
_LOST = (CONNECTION_LOST, CONNECTION_REPLACED)
_FIELDS = ("state", "note", "steps", "ended_at", "last_report_id", "charger_file_name", "updated_at")
_BATCH = 200


@atomic
def request_log(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    kind: str,
    oldest_at: datetime | None = None,
    latest_at: datetime | None = None,
    url: str = "",
    expires_in: int | None = None,
) -> LogRequest:
    """Ask a charger to upload its diagnostics or a log.

    url         where to, outside; "": to us, at an address for this one file
    expires_in  seconds to wait for an offline charger; None: it must be online now
    Raises      PermissionRefused, Invalid, NoFilesUrl, and what `commands.queue` raises
    """
    require(actor, _CHANGE, charge_point)
    if kind not in LogKind.values:
        raise errors.Invalid({"kind": f"Must be one of {', '.join(LogKind.values)}."})
    if oldest_at and latest_at and oldest_at >= latest_at:
        raise errors.Invalid({"latest_at": "Must be later than the beginning."})
    now, token, url = timezone.now(), "", url.strip()
    if url:
        file_links.check_url(url, limit=512)
        location = url
    else:
        token = file_links.new_token()
        location = file_links.upload_url(token)
    times = {"oldest_at": oldest_at, "latest_at": latest_at}
    payload: dict[str, Any] = {name: at.isoformat() for name, at in times.items() if at is not None}
    payload["location"] = location
    if kind != LogKind.DIAGNOSTICS:
        payload["log_type"] = kind
    command = commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="get_diagnostics" if kind == LogKind.DIAGNOSTICS else "get_log",
        payload=payload,
        expires_in=expires_in,
    )
    row = LogRequest(
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        kind=kind,
        url=file_links.hide_password(url)[0],
        command=command,
        request_id=command.payload.get("request_id"),
        requested_by=actor.user,
        requested_by_name=actor.name[:150],
        requested_via=actor.via if actor.via in Via.values else Via.JOB,
        expires_at=file_links.expiry(now, wait_s=expires_in or 0),
        token_hash=file_links.hash_of(token) if token else "",
        note="" if url else file_links.reach_warning(charge_point)[:300],
        **times,
    )
    add_step(row, "Asked", now)
    row.save(force_insert=True)
    audit.record(actor, "logs.request", row, changes={"kind": [None, kind], "url": [None, row.url]})
    return row


@atomic
def cancel(*, actor: Actor, request: LogRequest) -> LogRequest:
    """Take no file for it any more.  Raises PermissionRefused, LogRequestEnded."""
    require(actor, _CHANGE, request)
    row = _locked(request)
    if row.ended_at is not None:
        raise errors.LogRequestEnded
    if row.command is not None and row.command.status == CommandStatus.QUEUED:
        try:
            commands.cancel(actor=actor, command=row.command)
        except errors.CommandNotCancellable:
            row.note = "The charger was asked already, and may go on."
    _end(row, LogState.CANCELLED, row.note, timezone.now())
    row.save(update_fields=_FIELDS)
    audit.record(actor, "logs.cancel", row)
    return row


@atomic
def delete_file(*, actor: Actor, request: LogRequest) -> LogRequest:
    """Throw the file away; the row says that there was one.  Raises PermissionRefused, FileMissing."""
    require(actor, _CHANGE, request)
    row = _locked(request)
    if not row.has_file:
        raise errors.FileMissing
    _forget_file(row, f"Deleted by {actor.name}.")
    audit.record(actor, "logs.delete_file", row)
    return row


def _locked(request: LogRequest) -> LogRequest:
    rows = LogRequest.objects.select_for_update(no_key=True, of=("self",))
    found: LogRequest = rows.select_related("charge_point", "command").get(pk=request.pk)
    return found


def _forget_file(row: LogRequest, note: str) -> None:
    file_store.remove(FOLDER, row.stored_as)
    row.stored_as, row.note = "", note[:300]
    row.save(update_fields=["stored_as", "note", "updated_at"])


def _end(row: LogRequest, state: LogState, note: str, now: datetime) -> None:
    row.state, row.note, row.ended_at = state, note[:300], now
    events.record(
        "log_request.ended",
        tenant_id=row.tenant_id,
        object_type="logrequest",
        object_id=row.pk,
        charge_point=row.charge_point.identity,
        data={"kind": row.kind, "state": state},
        at=now,
    )


# ---------------------------------------------------------------- taking the file in


def find_by_token(token: str, now: datetime) -> LogRequest | None:
    """The request that this token belongs to, ended or not; None when there is none, or its time is over."""
    digest = file_links.hash_of(token)
    if not digest:
        return None
    rows = LogRequest.objects.select_related("charge_point")
    found: LogRequest | None = rows.filter(token_hash=digest, expires_at__gt=now).first()
    return found


@atomic
def take_file(
    request: LogRequest, stored: file_store.Stored, *, file_name: str, address: str, now: datetime
) -> bool:
    """Keep what a charger has uploaded; False when it is not wanted: one came before, or the request has ended."""
    row = _locked(request)
    if row.has_file or not may_still_come(row):
        return False
    row.stored_as, row.size, row.sha256 = stored.name, stored.size, stored.sha256
    row.received_at, row.received_from = now, address[:64]
    if not row.charger_file_name:
        row.charger_file_name = file_name[:255]
    add_step(row, "Received", now)
    was_open = row.ended_at is None
    if was_open:
        _end(row, LogState.UPLOADED, "", now)
    else:
        row.state, row.note = LogState.UPLOADED, "It came although the charger had said otherwise."
    row.save()
    return True


def may_still_come(row: LogRequest) -> bool:
    """A charger that reported a failure, or said that there was nothing, may succeed after all."""
    return row.state not in (LogState.UPLOADED, LogState.CANCELLED, LogState.EXPIRED)


def note_refused(request: LogRequest, text: str) -> None:
    """An upload was refused: the operator is told why."""
    LogRequest.objects.filter(pk=request.pk, ended_at=None).update(note=text[:300])


# ---------------------------------------------------------------- following


def follow(now: datetime) -> int:
    """Bring all open requests up to date; returns how many have changed."""
    rows = LogRequest.objects.filter(ended_at=None).select_related("charge_point", "command").order_by("pk")
    requests: dict[int, LogRequest] = {row.pk: row for row in rows}
    if not requests:
        return 0
    before = {pk: _shape(row) for pk, row in requests.items()}
    for row in requests.values():
        if _look_at_command(row, now):
            _end_earlier(row, requests.values(), now)
    for pk, report in _reports():
        if pk in requests:
            take_report(requests[pk], report, now)
    for row in requests.values():
        _look_at_clock(row, now)
    return sum(_store(row) for pk, row in requests.items() if _shape(row) != before[pk])


def _shape(row: LogRequest) -> tuple[object, ...]:
    return (row.state, row.note, len(row.steps), row.last_report_id, row.ended_at, row.charger_file_name)


@atomic
def _store(row: LogRequest) -> bool:
    still = LogRequest.objects.select_for_update(no_key=True).filter(pk=row.pk, ended_at=None)
    if not still.exists():
        return False
    row.save(update_fields=_FIELDS)
    return True


def _look_at_command(row: LogRequest, now: datetime) -> bool:
    """Take over what became of the order; true when the charger has cancelled earlier uploads for it."""
    command = row.command
    if row.state != LogState.QUEUED or command is None or not command.is_final:
        return False
    at = command.completed_at or now
    error = command.error if isinstance(command.error, dict) else {}
    if command.status == CommandStatus.ACCEPTED:
        return _take_answer(row, command.response, at)
    elif command.status == CommandStatus.TIMED_OUT or error.get("code") in _LOST:
        row.state = LogState.REQUESTED
        row.note = "The charger gave no answer; it may have understood all the same."
        add_step(row, "No answer", at)
    else:
        told = command.summary or " ".join(str(error.get(name) or "") for name in ("code", "description"))
        add_step(row, command.get_status_display(), at)
        _end(row, LogState.FAILED, told.strip() or f"The order: {command.get_status_display().lower()}.", now)
    return False


def _take_answer(row: LogRequest, response: object, at: datetime) -> bool:
    answer = response if isinstance(response, dict) else {}
    name = answer.get("fileName") or answer.get("filename")
    if isinstance(name, str) and name:
        row.charger_file_name = name.replace("\0", "")[:255]
    add_step(row, "Promised", at)
    # OCPP 2.x answers with a status instead.
    if name or row.kind != LogKind.DIAGNOSTICS or "status" in answer:
        row.state = LogState.REQUESTED
        return answer.get("status") == "AcceptedCanceled"
    # OCPP 1.6 §5.9: without a file name there is no diagnostic information.
    _end(row, LogState.NOTHING, "The charger says that it has no diagnostics.", at)
    return False


def _end_earlier(row: LogRequest, requests: Iterable[LogRequest], at: datetime) -> None:
    """The charger has cancelled what it was uploading for this one (2.x N01.FR.09)."""
    for other in requests:
        earlier = other.charge_point_id == row.charge_point_id and other.pk < row.pk
        if earlier and other.ended_at is None and other.state != LogState.QUEUED:
            _end(other, LogState.CANCELLED, _CANCELLED_FOR_LATER, at)


def _reports() -> Iterator[tuple[int, StatusReport]]:
    """What came in about open requests since they were looked at; one statement."""
    rows = (
        StatusReport.objects.filter(
            kind__in=(StatusReportKind.DIAGNOSTICS, StatusReportKind.LOG),
            charge_point__log_requests__ended_at=None,
            charge_point__log_requests__isnull=False,
            received_at__gte=F("charge_point__log_requests__created_at"),
            id__gt=F("charge_point__log_requests__last_report_id"),
        )
        .annotate(request_pk=F("charge_point__log_requests__id"))
        .order_by("id")
    )
    for report in rows:
        yield report.request_pk, report


def take_report(row: LogRequest, report: StatusReport, now: datetime) -> None:
    """Let one report act on its request; those of a log name their request, those of diagnostics cannot."""
    row.last_report_id = max(row.last_report_id, report.pk)
    if row.ended_at is not None or not _is_about(row, report):
        return
    match report.status:
        case "Uploading":
            add_step(row, report.status, report.received_at)
            row.state = LogState.UPLOADING
        case "Uploaded":
            add_step(row, report.status, report.received_at)
            if not row.is_ours:
                _end(row, LogState.UPLOADED, "The charger says so; the file is at the address outside.", now)
            else:
                row.note = "The charger says that it has uploaded, but nothing has arrived here."
        case "Idle":
            pass
        case "AcceptedCanceled":
            add_step(row, report.status, report.received_at)
            _end(row, LogState.CANCELLED, _CANCELLED_FOR_LATER, now)
        case _:
            add_step(row, report.status, report.received_at)
            _end(row, LogState.FAILED, _FAILURES.get(report.status, report.status), now)


_CANCELLED_FOR_LATER = "The charger cancelled it for a later request."
_FAILURES = {
    "UploadFailed": "The charger could not upload the file.",
    "UploadFailure": "The charger could not upload the file.",
    "BadMessage": "The charger could not read the request.",
    "NotSupportedOperation": "The charger cannot upload there; many know FTP only, which needs an outside address.",
    "PermissionDenied": "The receiver refused the upload.",
}


def _is_about(row: LogRequest, report: StatusReport) -> bool:
    if report.kind == StatusReportKind.DIAGNOSTICS:
        return row.kind == LogKind.DIAGNOSTICS
    if report.request_id is None:
        return row.kind != LogKind.DIAGNOSTICS
    return report.request_id == row.request_id


def _look_at_clock(row: LogRequest, now: datetime) -> None:
    if row.ended_at is None and row.expires_at <= now:
        hint = (
            "The charger never reported an upload."
            if row.state != LogState.UPLOADING
            else "It was not completed."
        )
        _end(row, LogState.EXPIRED, row.note or f"No file came in time. {hint}", now)


# ---------------------------------------------------------------- retention


def purge_files(now: datetime) -> int:
    """Throw away files older than RETENTION_UPLOADS_DAYS, and what was never finished; returns how many."""
    partial = file_store.remove_partial(FOLDER, older_than=(now - timedelta(days=1)).timestamp())
    partial += file_store.remove_partial("firmware", older_than=(now - timedelta(days=1)).timestamp())
    days = settings.RETENTION_UPLOADS_DAYS
    if not days:
        return partial
    old = LogRequest.objects.exclude(stored_as="").filter(received_at__lt=now - timedelta(days=days))
    rows = list(old.order_by("received_at")[:_BATCH])
    for row in rows:
        _forget_file(row, f"Deleted after {days} days.")
    return partial + len(rows)
