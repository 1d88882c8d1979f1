"""What the page of a firmware campaign shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.admin_base import allowed
from chargepoints.admin.firmware_shared import campaign_chip, fetch_text, steps_of, update_chip, update_tone
from chargepoints.choices import BAD_FIRMWARE_STATES, CampaignState, FirmwareState
from chargepoints.models import FirmwareCampaign, FirmwareUpdate
from chargepoints.services import firmware_campaigns as campaigns

SHOWN_UPDATES = 200

#: Step: label, question, service, whether it may do harm.
STEPS: dict[str, tuple[str, str, Callable[..., Any], bool]] = {
    "pause": ("Pause", "No further updates begin. Those under way go on.", campaigns.pause, False),
    "resume": ("Resume", "Updates begin again, whatever has failed so far.", campaigns.resume, True),
    "cancel": (
        "Cancel the campaign",
        "What waits is given up. Chargers that were asked already may go on: OCPP 1.6 has no message that stops them.",
        campaigns.cancel,
        True,
    ),
    "retry": (
        "Retry the failed",
        "Chargers whose update has failed are asked once more.",
        campaigns.retry_failed,
        True,
    ),
}


def campaign_context(request: HttpRequest, obj: FirmwareCampaign) -> dict[str, Any]:
    """What the page of a campaign shows, and its live part again and again."""
    counts = dict(obj.updates.values_list("state").annotate(count=Count("pk")).order_by())
    total = sum(counts.values())
    ended = obj.updates.filter(ended_at__isnull=False).count()
    rows = obj.updates.select_related("charge_point", "campaign__file").order_by(
        "ended_at", "started_at", "pk"
    )
    return {
        "campaign": obj,
        "chip": campaign_chip(obj),
        "facts": _facts(obj),
        "counts": [(FirmwareState(name), counts[name]) for name in FirmwareState.values if counts.get(name)],
        "total": total,
        "ended": ended,
        "percent": round(100 * ended / total) if total else 0,
        "parts": _parts(counts, total, obj),
        "updates": [_line(row) for row in rows[:SHOWN_UPDATES]],
        "more": max(0, total - SHOWN_UPDATES),
        "steps": _steps(request, obj, counts),
        "now": timezone.now(),
    }


def _parts(counts: dict[str, int], total: int, obj: FirmwareCampaign) -> list[tuple[str, str]]:
    """Widths of the bar by tone, the good ones first; what goes on is left blank."""
    by_tone: dict[str, int] = {}
    for state, count in counts.items():
        if state not in (FirmwareState.WAITING, *_UNDER_WAY):
            tone = update_tone(state)
            by_tone[tone] = by_tone.get(tone, 0) + count
    return [
        (tone, f"{100 * by_tone[tone] / total:.2f}")
        for tone in ("ok", "bad", "neutral")
        if total and by_tone.get(tone)
    ]


_UNDER_WAY = (
    FirmwareState.QUEUED,
    FirmwareState.UNKNOWN,
    FirmwareState.ORDERED,
    FirmwareState.DOWNLOADING,
    FirmwareState.DOWNLOADED,
    FirmwareState.INSTALLING,
)


def _line(row: FirmwareUpdate) -> dict[str, Any]:
    return {"row": row, "chip": update_chip(row), "fetched": fetch_text(row), "steps": steps_of(row)}


def _facts(obj: FirmwareCampaign) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [
        ("Version", obj.file.version or "–"),
        ("At the same time", obj.batch_size),
        ("Only idle chargers", "yes" if obj.only_idle else "no"),
        ("Attempts", obj.attempts),
        ("Pause at", f"{obj.stop_failure_percent} % failures" if obj.stop_failure_percent else "never"),
        ("By", f"{obj.created_by_name} ({obj.get_created_via_display()})"),
    ]
    if obj.window_start and obj.window_end:
        facts.append(("Between", f"{obj.window_start:%H:%M} and {obj.window_end:%H:%M}, time of the site"))
    if obj.starts_at:
        facts.append(("Not before", _local(obj.starts_at)))
    if obj.ends_at:
        facts.append(("Not after", _local(obj.ends_at)))
    return facts


def _local(at: datetime) -> str:
    return f"{timezone.localtime(at):%d %b %Y, %H:%M}"


def _steps(request: HttpRequest, obj: FirmwareCampaign, counts: dict[str, int]) -> list[dict[str, Any]]:
    """The acts that make sense now."""
    if not allowed(request, "firmware.change", obj):
        return []
    has_failed = any(counts.get(state) for state in BAD_FIRMWARE_STATES)
    offered = {
        "pause": obj.state == CampaignState.RUNNING,
        "resume": obj.state == CampaignState.PAUSED,
        "retry": has_failed and obj.state != CampaignState.CANCELLED,
        "cancel": not obj.is_over,
    }
    return [
        {
            "label": STEPS[name][0],
            "url": reverse("admin:chargepoints_firmwarecampaign_step", args=[obj.pk, name]),
        }
        for name, is_offered in offered.items()
        if is_offered
    ]
