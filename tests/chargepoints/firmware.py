"""Firmware, signatures and reports for tests."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, StatusReportKind
from chargepoints.models import ChargePoint, FirmwareFile, FirmwareUpdate
from chargepoints.services import firmware_campaigns, firmware_files, firmware_following
from tests import factories

CONTENT = b"version=2.0.0\n" + bytes(range(256)) * 100


def certificate_of(key: Any) -> str:
    """A certificate of this key that it has signed itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Manufacturer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def signed(content: bytes = CONTENT, *, kind: str = "ec") -> dict[str, Any]:
    """Certificate and signature of a content."""
    key: Any
    if kind == "ec":
        key = ec.generate_private_key(ec.SECP256R1())
        signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = key.sign(content, pss, hashes.SHA256())
    return {
        "signing_certificate": certificate_of(key),
        "signature": base64.b64encode(signature).decode(),
    }


def uploaded(actor: Actor, *, content: bytes = CONTENT, **fields: Any) -> FirmwareFile:
    """A file with content."""
    assert actor.tenant is not None
    given = {"name": "FW 2", "version": "2.0.0", **fields}
    file = firmware_files.create_file(actor=actor, tenant=actor.tenant, **given)
    return firmware_files.set_content(actor=actor, file=file, pieces=[content], file_name="fw-2.0.0.bin")


def answer(update: FirmwareUpdate, status: CommandStatus = CommandStatus.ACCEPTED, **fields: Any) -> None:
    """The charger answers the order."""
    update.refresh_from_db()
    assert update.command_id is not None
    commands.complete(update.command_id, status=status, **fields)


def report(
    charge_point: ChargePoint, *statuses: str, request_id: int | None = None, at: datetime | None = None
) -> None:
    """The charger reports; with a number as of a signed update."""
    kind = StatusReportKind.FIRMWARE if request_id is None else StatusReportKind.SIGNED_FIRMWARE
    for status in statuses:
        factories.StatusReportFactory(
            charge_point=charge_point,
            status=status,
            request_id=request_id,
            kind=kind,
            received_at=at or factories.now(),
        )


def boot(charge_point: ChargePoint, version: str, at: datetime | None = None) -> None:
    """The charger starts and says what it runs."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(
        firmware_version=version, last_boot_at=at or factories.now()
    )


def followed(update: FirmwareUpdate, *, later: timedelta = timedelta()) -> FirmwareUpdate:
    """The update after the job has looked."""
    now = factories.now() + later
    firmware_following.follow(now)
    firmware_campaigns.advance(now)
    update.refresh_from_db()
    return update
