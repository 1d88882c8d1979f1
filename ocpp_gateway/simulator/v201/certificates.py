"""Certificates in the words of 2.x (2.0.1 part 2, blocks A and M)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.certificates import Certificates, hash_data_of, new_request, read_certificate
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

V2G = "V2GCertificate"
USES = (
    "V2GRootCertificate",
    "MORootCertificate",
    "CSMSRootCertificate",
    "V2GCertificateChain",
    "ManufacturerRootCertificate",
)


def _store(cp: ChargePoint201, kind: object) -> Certificates:
    return cp.v2g if kind == V2G else cp.certificates


async def ask(cp: ChargePoint201, kind: str) -> None:
    """Make a new key and send a request for its certificate (A02)."""
    key = _store(cp, kind).asked_key = ec.generate_private_key(ec.SECP256R1())
    name = cp.station.serial_number or cp.station.identity
    if kind == V2G:
        name = cp.device.value("ISO15118Ctrlr", "SeccId")
    pem = new_request(key, name=name, operator=cp.device.value("SecurityCtrlr", "OrganizationName"))
    await cp.notify("SignCertificate", {"csr": pem, "certificateType": kind})


def certificate_signed(cp: ChargePoint201, payload: Payload) -> Answer:
    kind, chain = payload.get("certificateType", "ChargingStationCertificate"), payload["certificateChain"]
    if len(chain) <= cp.device.integer("SecurityCtrlr", "MaxCertificateChainSize") and _store(cp, kind).take(
        chain, cp.clock.now()
    ):
        return status("Accepted")
    event = {"type": "InvalidChargingStationCertificate", "timestamp": format_timestamp(cp.clock.now())}
    rejected = {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidCertificate"}}
    return Answer(rejected, cp.notify("SecurityEventNotification", event))


def install_certificate(cp: ChargePoint201, payload: Payload) -> Answer:
    certificate = read_certificate(payload["certificate"])
    if certificate is None:
        return Answer({"status": "Rejected", "statusInfo": {"reasonCode": "InvalidCertificate"}})
    if len(cp.certificates) >= cp.device.integer("SecurityCtrlr", "CertificateEntries"):
        return Answer({"status": "Failed", "statusInfo": {"reasonCode": "OutOfStorage"}})
    cp.certificates.install(str(payload["certificateType"]), certificate)
    return status("Accepted")


def delete_certificate(cp: ChargePoint201, payload: Payload) -> Answer:
    wanted = {name: value for name, value in payload["certificateHashData"].items() if name != "customData"}
    own = cp.certificates.own
    if own is not None and hash_data_of(own, str(wanted["hashAlgorithm"])) == wanted:
        return status("Failed")  # its own certificate stays (M04.FR.06)
    return status("Accepted" if cp.certificates.delete(wanted) else "NotFound")


def get_installed_certificate_ids(cp: ChargePoint201, payload: Payload) -> Answer:
    wanted = payload.get("certificateType") or USES
    found = [
        {"certificateType": use, "certificateHashData": data}
        for use in wanted
        for data in cp.certificates.hash_data(use)
    ]
    if cp.v2g.own is not None and "V2GCertificateChain" in wanted:
        data = hash_data_of(cp.v2g.own, "SHA256")
        found.append({"certificateType": "V2GCertificateChain", "certificateHashData": data})
    if not found:
        return status("NotFound")
    return Answer({"status": "Accepted", "certificateHashDataChain": found})


HANDLERS = {
    "CertificateSigned": certificate_signed,
    "DeleteCertificate": delete_certificate,
    "GetInstalledCertificateIds": get_installed_certificate_ids,
    "InstallCertificate": install_certificate,
}
