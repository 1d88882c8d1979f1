"""What the pages about firmware and logs have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from chargepoints.admin.shared import ERRORS
from chargepoints.choices import (
    BAD_FIRMWARE_STATES,
    CampaignState,
    FirmwareState,
    LogState,
    SignatureState,
)
from chargepoints.models import (
    FirmwareCampaign,
    FirmwareFile,
    FirmwareUpdate,
    LogRequest,
    PublishedFirmware,
)
from csms_project.common.admin import chip
from csms_project.common.file_store import FileTooLarge

#: What services of firmware may refuse with.
FIRMWARE_ERRORS = (*ERRORS, FileTooLarge)

_UPDATE_TONES = {
    FirmwareState.WAITING: "neutral",
    FirmwareState.CANCELLED: "neutral",
    FirmwareState.UNKNOWN: "warn",
    FirmwareState.VERIFIED: "ok",
    FirmwareState.INSTALLED: "ok",
    **dict.fromkeys(BAD_FIRMWARE_STATES, "bad"),
}
_CAMPAIGN_TONES = {
    CampaignState.RUNNING: "info",
    CampaignState.PAUSED: "warn",
    CampaignState.FINISHED: "ok",
    CampaignState.CANCELLED: "neutral",
}
_LOG_TONES = {
    LogState.UPLOADED: "ok",
    LogState.NOTHING: "neutral",
    LogState.CANCELLED: "neutral",
    LogState.FAILED: "bad",
    LogState.EXPIRED: "bad",
}
_SIGNATURE_TONES = {
    SignatureState.VALID: "ok",
    SignatureState.INVALID: "bad",
    SignatureState.UNCHECKED: "info",
}


# What a controller reports, in words (2.0.1 PublishFirmwareStatusEnumType).
_PUBLISHED = {
    "DownloadScheduled": ("To be fetched", "info"),
    "DownloadPaused": ("Fetching paused", "info"),
    "ChecksumVerified": ("Checksum is right", "info"),
    "Published": ("Offered", "ok"),
    "DownloadFailed": ("Could not be fetched", "bad"),
    "InvalidChecksum": ("Wrong checksum", "bad"),
    "PublishFailed": ("Could not be published", "bad"),
}


def update_tone(state: str) -> str:
    """The colour of an update's state."""
    return _UPDATE_TONES.get(FirmwareState(state), "info")


def update_chip(row: FirmwareUpdate) -> SafeString:
    """How an update stands; the note is in its title."""
    return chip(row.get_state_display(), update_tone(row.state), title=row.note)


def campaign_chip(row: FirmwareCampaign) -> SafeString:
    """How a campaign stands."""
    label = "Scheduled" if row.is_scheduled else row.get_state_display()
    return chip(label, _CAMPAIGN_TONES[CampaignState(row.state)], title=row.pause_note)


def log_chip(row: LogRequest) -> SafeString:
    """How an upload stands; the note is in its title."""
    return chip(row.get_state_display(), _LOG_TONES.get(LogState(row.state), "info"), title=row.note)


def signature_chip(row: FirmwareFile) -> SafeString:
    """What is known of a file's signature."""
    state = SignatureState(row.signature_state)
    return chip(state.label, _SIGNATURE_TONES.get(state, "neutral"), title=row.signature_note)


def published_chip(row: PublishedFirmware) -> SafeString:
    """How firmware stands that a local controller publishes."""
    if row.ended_at is not None:
        return chip("No longer offered", "neutral")
    label, tone = _PUBLISHED.get(row.status, (row.status or "Ordered", "info"))
    return chip(label, tone)


def size_text(count: int | None) -> str:
    """For example 12.3 MB."""
    if count is None:
        return "–"
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def steps_of(row: Any) -> list[dict[str, Any]]:
    """What was reported, in the order of time, with moments that templates can show."""
    steps = [{"status": step["status"], "at": datetime.fromisoformat(step["at"])} for step in row.steps]
    return sorted(steps, key=lambda step: step["at"])


def fetch_text(row: FirmwareUpdate) -> str:
    """How far the charger has fetched the file from us."""
    file = row.campaign.file
    if row.fetched_at is None:
        return ""
    if row.fetch_ended_at is not None:
        return f"{size_text(file.size)} fetched in {_seconds(row)}"
    return f"{size_text(row.fetched_bytes)} of {size_text(file.size)} fetched"


def _seconds(row: FirmwareUpdate) -> str:
    assert row.fetch_ended_at is not None
    assert row.fetched_at is not None
    seconds = (row.fetch_ended_at - row.fetched_at).total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
