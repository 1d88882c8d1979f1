"""Firmware and logs in the words of 2.x (2.0.1 part 2, blocks L and N)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ocpp_gateway.simulator import files, firmware
from ocpp_gateway.simulator.answers import Answer, Payload, required_time, status
from ocpp_gateway.simulator.certificates import is_signed, read_certificate
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201


# ---------------------------------------------------------------- firmware
def update_firmware(cp: ChargePoint201, payload: Payload) -> Answer:
    wanted, request_id = payload["firmware"], int(payload["requestId"])
    location = str(wanted["location"])
    verify = None
    if "signingCertificate" in wanted:
        certificate = read_certificate(wanted["signingCertificate"])
        if certificate is None:
            event = _security_event(cp, "InvalidFirmwareSigningCertificate")
            return status("InvalidCertificate", cp.notify("SecurityEventNotification", event))

        def verify(fetched: files.Fetched) -> bool:
            return not files.is_real(location) or is_signed(
                certificate, str(wanted.get("signature", "")), fetched.sha256
            )

    order = firmware.order_of(
        payload, location=location, retrieve_at=required_time(wanted["retrieveDateTime"]), verify=verify
    )
    install_at = required_time(wanted["installDateTime"]) if "installDateTime" in wanted else None
    is_second = cp.firmware_request is not None
    cp.firmware_request = request_id
    work = _update(cp, order, request_id, install_at)
    return status("AcceptedCanceled" if is_second else "Accepted", work)


def _security_event(cp: ChargePoint201, kind: str) -> Payload:
    return {"type": kind, "timestamp": format_timestamp(cp.clock.now())}


async def _update(
    cp: ChargePoint201, order: firmware.Order, request_id: int, install_at: datetime | None
) -> None:
    """Fetch, verify, install, start anew (L01), and tell of each step."""

    async def report(state: str) -> None:
        if cp.firmware_request == request_id:
            await cp.notify("FirmwareStatusNotification", {"status": state, "requestId": request_id})

    if order.retrieve_at > cp.clock.now():
        await report("DownloadScheduled")
        await _until(cp, order.retrieve_at)
    fetched = await firmware.download(cp, order, report)
    if fetched is None or cp.firmware_request != request_id:
        _end(cp, request_id)
        return
    if order.verify is not None:
        if not order.verify(fetched):
            await report("InvalidSignature")
            await cp.notify("SecurityEventNotification", _security_event(cp, "InvalidFirmwareSignature"))
            _end(cp, request_id)
            return
        await report("SignatureVerified")
    if install_at is not None and install_at > cp.clock.now():
        await report("InstallScheduled")
        await _until(cp, install_at)
    while any(plug.session is not None for plug in cp.connectors[1:]):
        await cp.clock.sleep(firmware.STEP_S, name="firmware")
    await _install(cp, order, fetched, request_id)


async def _install(
    cp: ChargePoint201, order: firmware.Order, fetched: files.Fetched, request_id: int
) -> None:
    async def report(state: str) -> None:
        await cp.notify("FirmwareStatusNotification", {"status": state, "requestId": request_id})

    await report("Installing")
    await cp.clock.sleep(firmware.STEP_S, name="firmware")
    if cp.station.install_fails:
        await report("InstallationFailed")
        _end(cp, request_id)
        return
    name = order.location.rstrip("/").rsplit("/", 1)[-1].split("?")[0]
    await report("InstallRebooting")
    cp.take_firmware(fetched.version or name or cp.station.firmware)
    await cp.reset(boot_reason="FirmwareUpdate", reason="Reboot", gently=True)
    await cp.until_accepted()
    await report("Installed")
    _end(cp, request_id)
    await cp.notify("SecurityEventNotification", _security_event(cp, "FirmwareUpdated"))


def _end(cp: ChargePoint201, request_id: int) -> None:
    if cp.firmware_request == request_id:
        cp.firmware_request = None


async def _until(cp: ChargePoint201, at: datetime) -> None:
    await cp.clock.sleep(max(0.0, (at - cp.clock.now()).total_seconds()), name="firmware")


# ---------------------------------------------------------------- firmware for a local network
def publish_firmware(cp: ChargePoint201, payload: Payload) -> Answer:
    return status("Accepted", _publish(cp, payload))


async def _publish(cp: ChargePoint201, payload: Payload) -> None:
    """Fetch a file and offer it to the neighbours (L03)."""
    location, checksum = str(payload["location"]), str(payload["checksum"])

    async def report(state: str, **more: object) -> None:
        message = {"status": state, "requestId": int(payload["requestId"]), **more}
        await cp.notify("PublishFirmwareStatusNotification", message)

    order = firmware.order_of(payload, location=location, retrieve_at=cp.clock.now())
    fetched = await firmware.download(cp, order, report)
    if fetched is None:
        return
    if files.is_real(location) and fetched.md5.lower() != checksum.lower():
        await report("InvalidChecksum")
        return
    await report("ChecksumVerified")
    name = location.rstrip("/").rsplit("/", 1)[-1].split("?")[0] or "firmware"
    cp.published[checksum.lower()] = f"http://{cp.station.identity.lower()[:30]}.local/{name}"[:512]
    await report("Published", location=[cp.published[checksum.lower()]])


def unpublish_firmware(cp: ChargePoint201, payload: Payload) -> Answer:
    known = cp.published.pop(str(payload["checksum"]).lower(), None)
    return status("NoFirmware" if known is None else "Unpublished")


# ---------------------------------------------------------------- logs
def get_log(cp: ChargePoint201, payload: Payload) -> Answer:
    request_id, location = int(payload["requestId"]), str(payload["log"]["remoteLocation"])
    name = f"{payload['logType']}-{cp.clock.now():%Y%m%d%H%M%S}.log"
    before, cp.log_request = cp.log_request, request_id
    work = _upload(cp, location, name, request_id, before)
    state = "Accepted" if before is None else "AcceptedCanceled"
    return Answer({"status": state, "filename": name}, work)


async def _upload(cp: ChargePoint201, location: str, name: str, request_id: int, before: int | None) -> None:
    if before is not None:  # N01.FR.12
        await cp.notify("LogStatusNotification", {"status": "AcceptedCanceled", "requestId": before})

    async def report(state: str) -> None:
        if cp.log_request == request_id:
            await cp.notify("LogStatusNotification", {"status": state, "requestId": request_id})

    await firmware.upload(cp, location, name, report, failed="UploadFailure")
    if cp.log_request == request_id:
        cp.log_request = None


HANDLERS = {
    "GetLog": get_log,
    "PublishFirmware": publish_firmware,
    "UnpublishFirmware": unpublish_firmware,
    "UpdateFirmware": update_firmware,
}
