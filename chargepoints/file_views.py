"""Where chargers fetch their firmware: no login, an address that cannot be guessed and ends with the update."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from chargepoints.models import FirmwareUpdate
from chargepoints.services import firmware_files, firmware_updates
from csms_project.common import file_store
from csms_project.common.file_responses import Progress, file_response, harmless

logger = logging.getLogger(__name__)

#: The row is told of the progress so often.
NOTE_EVERY_S = 3.0


@require_safe
def firmware_view(request: HttpRequest, token: str, name: str = "") -> HttpResponseBase:
    """The firmware of one update: whole or in part, as often as the charger asks while the update is open."""
    now = timezone.now()
    update = firmware_updates.find_by_token(token, now)
    if update is None:
        return _gone(404, "There is nothing at this address, or not any more.\n")
    file = update.campaign.file
    try:
        response = file_response(
            request,
            file_store.path_of(firmware_files.FOLDER, file.stored_as),
            name=file.file_name,
            etag=file.sha256,
            progress=_noted(update, file.size or 0),
        )
    except (FileNotFoundError, ValueError):
        logger.error("firmware.file_missing", extra={"firmware_file": file.pk})
        return _gone(404, "The file is missing.\n")
    if request.method == "GET" and response.status_code < 400:
        address = request.META.get("REMOTE_ADDR") or ""
        firmware_updates.note_fetch_begun(update, address=address, now=now)
    return response


def _gone(status: int, text: str) -> HttpResponse:
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    harmless(response)
    return response


def _noted(update: FirmwareUpdate, size: int) -> Progress:
    last = time.monotonic()

    def note(position: int, is_over: bool) -> None:
        nonlocal last
        if is_over or time.monotonic() - last >= NOTE_EVERY_S:
            last = time.monotonic()
            firmware_updates.note_fetched(update, position=position, size=size, now=_now())

    return note


def _now() -> datetime:
    return timezone.now()
