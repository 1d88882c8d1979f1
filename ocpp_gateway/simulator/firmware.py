"""File transfers of a simulated charge point: the notifications only, nothing is really fetched or sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocpp_gateway.simulator.charge_point import ChargePoint

STEP_S = 5.0


async def upload_diagnostics(cp: ChargePoint) -> None:
    """Report an upload from beginning to end (OCPP 1.6 §4.4)."""
    await cp.notify("DiagnosticsStatusNotification", {"status": "Uploading"})
    await cp.clock.sleep(STEP_S, name="diagnostics")
    await cp.notify("DiagnosticsStatusNotification", {"status": "Uploaded"})


async def update(cp: ChargePoint, *, location: str, retrieve_at: datetime) -> None:
    """Report a download and an installation (§4.5); what is installed is named after the file."""
    await cp.clock.sleep(max(0.0, (retrieve_at - cp.clock.now()).total_seconds()), name="firmware")
    for status in ("Downloading", "Downloaded", "Installing"):
        await cp.notify("FirmwareStatusNotification", {"status": status})
        await cp.clock.sleep(STEP_S, name="firmware")
    name = location.rstrip("/").rsplit("/", 1)[-1].split("?")[0]
    cp.station = replace(cp.station, firmware=(name or cp.station.firmware)[:50])
    await cp.notify("FirmwareStatusNotification", {"status": "Installed"})
