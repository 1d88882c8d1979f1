"""Firmware and diagnostics in the words of OCPP 1.6 without its security extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator import firmware

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v16.charge_point import ChargePoint16


async def upload_diagnostics(cp: ChargePoint16, location: str, name: str) -> None:
    """Send the diagnostics, and report from beginning to end (OCPP 1.6 §4.4)."""

    async def report(status: str) -> None:
        await cp.notify("DiagnosticsStatusNotification", {"status": status})

    await firmware.upload(cp, location, name, report, failed="UploadFailed")


async def update(cp: ChargePoint16, order: firmware.Order) -> None:
    """Carry out an UpdateFirmware, and report (§4.5)."""

    async def report(status: str) -> None:
        await cp.notify("FirmwareStatusNotification", {"status": status})

    await firmware.carry_out(cp, order, report)
