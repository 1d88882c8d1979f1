"""The security extension of a simulated charge point (OCPP 1.6 security whitepaper): certificates, logs, firmware.

Certificates are read, kept and listed as the whitepaper says (§6.1).
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from ocpp_gateway.simulator import files, firmware
from ocpp_gateway.simulator.certificates import is_signed, new_request, read_certificate
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v16.charge_point import ChargePoint16

Payload = dict[str, Any]
#: The payload of an answer and what is done after it has been sent.
Reply = tuple[Payload, Coroutine[Any, Any, None] | None]


# ---------------------------------------------------------------- certificates
def install_certificate(cp: ChargePoint16, payload: Payload) -> Reply:
    certificate = read_certificate(payload["certificate"])
    if certificate is None:
        return {"status": "Rejected"}, None
    cp.certificates.install(str(payload["certificateType"]), certificate)
    return {"status": "Accepted"}, None


def delete_certificate(cp: ChargePoint16, payload: Payload) -> Reply:
    deleted = cp.certificates.delete(dict(payload["certificateHashData"]))
    return {"status": "Accepted" if deleted else "NotFound"}, None


def get_installed_certificate_ids(cp: ChargePoint16, payload: Payload) -> Reply:
    found = cp.certificates.hash_data(str(payload["certificateType"]))
    if not found:
        return {"status": "NotFound"}, None
    return {"status": "Accepted", "certificateHashData": found}, None


def certificate_signed(cp: ChargePoint16, payload: Payload) -> Reply:
    if cp.certificates.take(str(payload["certificateChain"]), cp.clock.now()):
        return {"status": "Accepted"}, None
    event = {"type": "InvalidChargePointCertificate", "timestamp": format_timestamp(cp.clock.now())}
    return {"status": "Rejected"}, cp.notify("SecurityEventNotification", event)


async def ask_for_certificate(cp: ChargePoint16) -> None:
    """Make a new key and send a request for its certificate (A02)."""
    key = cp.certificates.asked_key = ec.generate_private_key(ec.SECP256R1())
    pem = new_request(key, name=cp.station.identity, operator=cp.configuration["CpoName"])
    await cp.notify("SignCertificate", {"csr": pem})


# ---------------------------------------------------------------- logs and firmware
def get_log(cp: ChargePoint16, payload: Payload) -> Reply:
    request_id, location = int(payload["requestId"]), str(payload["log"]["remoteLocation"])
    name = f"{payload['logType']}-{cp.clock.now():%Y%m%d%H%M%S}.log"

    async def report(status: str) -> None:
        await cp.notify("LogStatusNotification", {"status": status, "requestId": request_id})

    work = firmware.upload(cp, location, name, report, failed="UploadFailure")
    return {"status": "Accepted", "filename": name}, work


def signed_update_firmware(cp: ChargePoint16, payload: Payload, *, retrieve_at: datetime) -> Reply:
    wanted, request_id = payload["firmware"], int(payload["requestId"])
    certificate, location = read_certificate(wanted["signingCertificate"]), str(wanted["location"])
    if certificate is None:
        return {"status": "InvalidCertificate"}, None

    async def report(status: str) -> None:
        await cp.notify("SignedFirmwareStatusNotification", {"status": status, "requestId": request_id})

    def verify(fetched: files.Fetched) -> bool:
        return not files.is_real(location) or is_signed(certificate, str(wanted["signature"]), fetched.sha256)

    order = firmware.order_of(payload, location=location, retrieve_at=retrieve_at, verify=verify)
    return {"status": "Accepted"}, firmware.carry_out(cp, order, report)
