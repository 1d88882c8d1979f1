"""The update of one charger: asked for, called off, fetched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import F
from django.db.transaction import atomic
from django.utils import timezone

from accounts.permissions import Actor
from chargepoints import commands, errors, file_links
from chargepoints.choices import CommandStatus, FirmwareState, Via
from chargepoints.models import Command, FirmwareUpdate
from chargepoints.services import firmware_files
from csms_project.common import events

MAX_STEPS = 60


def begin(update: FirmwareUpdate, *, now: datetime) -> bool:
    """Ask a charger that waits for its update; False when another process did, or another update runs there.

    Raises  ChargePointOffline, and what else `commands.queue` raises; nothing is changed then
    """
    try:
        with atomic():
            if not _claim(update, now):
                return False
            _order(update, now)
    except IntegrityError:
        return False  # it has an open update of another campaign
    return True


def _claim(update: FirmwareUpdate, now: datetime) -> bool:
    waiting = FirmwareUpdate.objects.filter(pk=update.pk, state=FirmwareState.WAITING, ended_at=None)
    return bool(waiting.update(state=FirmwareState.QUEUED, started_at=now, progress_at=now, updated_at=now))


def _order(update: FirmwareUpdate, now: datetime) -> None:
    campaign, file = update.campaign, update.campaign.file
    token = file_links.new_token() if file.is_ours else ""
    payload: dict[str, Any] = {
        "location": file_links.firmware_url(token, file.file_name)
        if token
        else firmware_files.location_of(file),
        "retries": campaign.download_retries,
    }
    if file.is_signed:
        payload |= {"signing_certificate": file.signing_certificate, "signature": file.signature}
    # Who made the campaign was asked for the permission then; the trail names both.
    command = commands.queue(
        actor=Actor.system(f"firmware campaign of {campaign.created_by_name}"[:150], via=Via.JOB),
        charge_point=update.charge_point,
        action="signed_update_firmware" if file.is_signed else "update_firmware",
        payload={name: value for name, value in payload.items() if value is not None},
    )
    update.refresh_from_db()
    update.command, update.request_id = command, command.payload.get("request_id")
    update.version_before = update.charge_point.firmware_version
    update.token_hash = file_links.hash_of(token) if token else ""
    update.link_expires_at = file_links.expiry(now) if token else None
    update.note, update.failed_downloads, update.installing_at = "", 0, None
    update.fetched_at = update.fetch_ended_at = None
    update.fetched_bytes = update.fetches = 0
    add_step(update, "Asked" if update.attempt == 1 else f"Asked again ({update.attempt})", now)
    update.save()


def add_step(update: Any, status: str, at: datetime) -> None:
    """Append to what was reported; a repeat of the last one says nothing new."""
    if update.steps and update.steps[-1]["status"] == status:
        return
    update.steps = [*update.steps, {"status": status, "at": at.isoformat()}][-MAX_STEPS:]


def end(update: FirmwareUpdate, state: FirmwareState, note: str, *, now: datetime) -> None:
    """Bring an update to its end, in the row that the caller stores."""
    update.state, update.ended_at = state, now
    update.note = note[:300]
    update.progress_at = now
    events.record(
        "firmware.update_ended",
        tenant_id=update.tenant_id,
        object_type="firmwareupdate",
        object_id=update.pk,
        charge_point=update.charge_point.identity,
        data={"state": state, "campaign": update.campaign_id, "version": update.campaign.file.version},
        at=now,
    )


@atomic
def call_off(update: FirmwareUpdate, *, actor: Actor, now: datetime | None = None) -> bool:
    """Give an update up; False when it has ended.  The caller has asked for the permission.

    What the charger was told it may still do: OCPP 1.6 has no message that stops it.
    """
    now = now or timezone.now()
    row: FirmwareUpdate = (
        FirmwareUpdate.objects.select_for_update(no_key=True, of=("self",))
        .select_related("charge_point", "campaign__file", "command")
        .get(pk=update.pk)
    )
    if row.ended_at is not None:
        return False
    note = ""
    if row.started_at is not None:
        note = "The charger was asked already, and may go on."
        if (
            row.command is not None
            and row.command.status == CommandStatus.QUEUED
            and _withdraw(row.command, actor)
        ):
            note = ""
    add_step(row, f"Cancelled by {actor.name}", now)
    end(row, FirmwareState.CANCELLED, note, now=now)
    row.save()
    return True


def _withdraw(command: Command, actor: Actor) -> bool:
    try:
        commands.cancel(actor=actor, command=command)
    except errors.CommandNotCancellable:
        return False
    return True


# ---------------------------------------------------------------- fetching


def find_by_token(token: str, now: datetime) -> FirmwareUpdate | None:
    """The update whose file this token opens; None when there is none, or not any more."""
    digest = file_links.hash_of(token)
    if not digest:
        return None
    found: FirmwareUpdate | None = (
        FirmwareUpdate.objects.select_related("campaign__file")
        .filter(token_hash=digest, ended_at=None, link_expires_at__gt=now)
        .first()
    )
    return found


def note_fetch_begun(update: FirmwareUpdate, *, address: str, now: datetime) -> None:
    """The charger has begun to fetch its file."""
    FirmwareUpdate.objects.filter(pk=update.pk).update(
        fetches=F("fetches") + 1,
        fetched_at=now if update.fetched_at is None else update.fetched_at,
        fetch_ended_at=None,
        fetched_from=address[:64],
        progress_at=now,
    )


def note_fetched(update: FirmwareUpdate, *, position: int, size: int, now: datetime) -> None:
    """So far has it come."""
    FirmwareUpdate.objects.filter(pk=update.pk).update(
        fetched_bytes=position, progress_at=now, fetch_ended_at=now if position >= size else None
    )
