"""Firmware and uploads of a simulated charge point: files over HTTP are really fetched and sent, others in pretence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ocpp_gateway.simulator import files

if TYPE_CHECKING:
    from ocpp_gateway.simulator.charge_point import ChargePoint

STEP_S = 5.0
Report = Callable[[str], Awaitable[None]]
Payload = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """An update as it was asked for.

    verify  whether what was fetched has the right signature; None: it needs none
    """

    location: str
    retrieve_at: datetime
    retries: int = 0
    retry_interval_s: float = STEP_S
    verify: Callable[[files.Fetched], bool] | None = None


def order_of(payload: Payload, *, location: str, retrieve_at: datetime, **more: Any) -> Order:
    """The order of an UpdateFirmware or SignedUpdateFirmware."""
    return Order(
        location=location,
        retrieve_at=retrieve_at,
        retries=int(payload.get("retries", 0)),
        retry_interval_s=float(payload.get("retryInterval", STEP_S)),
        **more,
    )


# ---------------------------------------------------------------- uploads
async def upload(cp: ChargePoint, location: str, name: str, report: Report, *, failed: str) -> None:
    """Send a file and report its states."""
    await report("Uploading")
    await cp.clock.sleep(STEP_S, name="upload")
    try:
        if files.is_real(location):
            await files.send(location, name, log_of(cp), method=cp.station.upload_method)
    except files.TransferFailed:
        await report(failed)
    else:
        await report("Uploaded")


def log_of(cp: ChargePoint) -> bytes:
    """What a charge point has to say of itself."""
    lines = [
        f"{cp.clock.now():%Y-%m-%dT%H:%M:%SZ} {cp.station.identity}",
        f"vendor={cp.station.vendor} model={cp.station.model} firmware={cp.station.firmware}",
        *(f"connector {plug.number}: {plug.status} {plug.error_code}" for plug in cp.connectors),
        *(f"{name}={value}" for name, value in cp.settings()),
    ]
    return "\n".join([*lines, ""]).encode()


# ---------------------------------------------------------------- firmware
async def carry_out(cp: ChargePoint, order: Order, report: Report) -> None:
    """Fetch, verify, wait for the end of sessions, install, and start anew with the version of the file."""
    await cp.clock.sleep(max(0.0, (order.retrieve_at - cp.clock.now()).total_seconds()), name="firmware")
    fetched = await download(cp, order, report)
    if fetched is None:
        return
    if order.verify is not None:
        if not order.verify(fetched):
            await report("InvalidSignature")
            return
        await _step(cp, report, "SignatureVerified")
    while any(plug.session is not None for plug in cp.connectors[1:]):
        await cp.clock.sleep(STEP_S, name="firmware")
    await _step(cp, report, "Installing")
    if cp.station.install_fails:
        await report("InstallationFailed")
        return
    name = order.location.rstrip("/").rsplit("/", 1)[-1].split("?")[0]
    cp.station = replace(cp.station, firmware=(fetched.version or name or cp.station.firmware)[:50])
    await report("Installed")
    if files.is_real(order.location):
        await cp.reboot(reason=cp.reset_reason)


async def download(cp: ChargePoint, order: Order, report: Report) -> files.Fetched | None:
    for attempt in range(order.retries + 1):
        if attempt:
            await cp.clock.sleep(order.retry_interval_s, name="firmware")
        await _step(cp, report, "Downloading")
        try:
            fetched = (
                await files.fetch(order.location)
                if files.is_real(order.location)
                else files.Fetched(head=b"", sha256=b"", size=0)
            )
        except files.TransferFailed:
            await report("DownloadFailed")
            continue
        await _step(cp, report, "Downloaded")
        return fetched
    return None


async def _step(cp: ChargePoint, report: Report, status: str) -> None:
    await report(status)
    await cp.clock.sleep(STEP_S, name="firmware")
