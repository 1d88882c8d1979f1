"""The security extension of a simulated charge point."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from tests.factories import T0
from tests.ocpp_gateway.simulator.helpers import Csms, ManualClock, play
from tests.ocpp_gateway.simulator.test_charge_point import booted

ROOT = "CentralSystemRootCertificate"
LOG = {"logType": "SecurityLog", "requestId": 9, "log": {"remoteLocation": "ftp://files.example.org/"}}
DER, X962, PEM = serialization.Encoding.DER, serialization.Encoding.X962, serialization.Encoding.PEM


def certificate(key: Any = None) -> x509.Certificate:
    """A root certificate with the serial number of the whitepaper's example (4095 is FFF)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(4095).not_valid_before(T0).not_valid_after(T0 + timedelta(days=1))
    signed_with = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, signed_with)


def pem_of(root: x509.Certificate) -> str:
    return root.public_bytes(PEM).decode()


def test_installed_certificate_is_listed_and_deleted_by_its_hashes() -> None:
    root = certificate()
    point = root.public_key()
    assert isinstance(point, ec.EllipticCurvePublicKey)
    bits = point.public_bytes(X962, serialization.PublicFormat.UncompressedPoint)
    listed = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": hashlib.sha256(root.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.sha256(bits).hexdigest(),
        "serialNumber": "FFF",
    }

    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            ask = csms.ask
            assert await ask("GetInstalledCertificateIds", certificateType=ROOT) == {"status": "NotFound"}
            for _ in range(2):
                answer = await ask("InstallCertificate", certificateType=ROOT, certificate=pem_of(root))
                assert answer == {"status": "Accepted"}
            assert await ask("GetInstalledCertificateIds", certificateType=ROOT) == {
                "status": "Accepted",
                "certificateHashData": [listed],
            }
            assert await ask("DeleteCertificate", certificateHashData=listed) == {"status": "Accepted"}
            assert await ask("DeleteCertificate", certificateHashData=listed) == {"status": "NotFound"}

    play(scenario())


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_certificate_of_another_kind_of_key_is_found_by_another_hash(kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
    root = certificate(key)
    public = root.public_key()
    form = serialization.PublicFormat
    bits = public.public_bytes(DER, form.PKCS1 if kind == "rsa" else form.SubjectPublicKeyInfo)
    wanted = {
        "hashAlgorithm": "SHA384",
        "issuerNameHash": hashlib.sha384(root.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.sha384(bits).hexdigest(),
        "serialNumber": "FFF",
    }

    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            await csms.ask("InstallCertificate", certificateType=ROOT, certificate=pem_of(root))
            answer = await csms.ask("DeleteCertificate", certificateHashData=wanted)
            assert answer == {"status": "Accepted"}

    play(scenario())


def test_certificate_that_cannot_be_read_is_rejected() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            answer = await csms.ask("InstallCertificate", certificateType=ROOT, certificate="MII=")
            assert answer == {"status": "Rejected"}
            assert await csms.ask("CertificateSigned", certificateChain="MII=") == {"status": "Rejected"}

    play(scenario())


def test_signed_certificate_becomes_the_chargers_own() -> None:
    own = certificate()

    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            assert await csms.ask("CertificateSigned", certificateChain=pem_of(own)) == {"status": "Accepted"}
            assert cp.certificates.own == own

    play(scenario())


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("Heartbeat", "Heartbeat"),
        ("MeterValues", "MeterValues"),
        ("BootNotification", "BootNotification"),
        ("StatusNotification", "StatusNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        ("LogStatusNotification", "LogStatusNotification"),
        ("SignChargePointCertificate", "SignCertificate"),
    ],
)
def test_extended_trigger_sends_what_is_asked(message: str, action: str) -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            before = len(csms.named(action))
            answer = await csms.ask("ExtendedTriggerMessage", requestedMessage=message)
            assert answer == {"status": "Accepted"}
            await csms.arrived(action, before + 1)
            assert csms.violations == []

    play(scenario())


def test_certificate_request_is_one_that_can_be_read() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await csms.ask("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
            asked = (await csms.arrived("SignCertificate")).payload["csr"]
            request = x509.load_pem_x509_csr(asked.encode())
            assert request.is_signature_valid
            assert request.subject.rfc4514_string() == f"CN={cp.station.identity}"

    play(scenario())


def test_extended_trigger_of_what_it_does_not_know_is_not_implemented() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            answer = await csms.ask("ExtendedTriggerMessage", requestedMessage="Weather")
            assert answer == {"status": "NotImplemented"}

    play(scenario())


def test_get_log_names_a_file_and_reports_the_upload_with_its_number() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock):
            answer = await csms.ask("GetLog", **LOG)
            assert answer["status"] == "Accepted"
            assert answer["filename"].startswith("SecurityLog-2026")
            await clock.fire("upload")
            await csms.arrived("LogStatusNotification", 2)
            sent = [call.payload for call in csms.named("LogStatusNotification")]
            assert sent == [{"status": status, "requestId": 9} for status in ("Uploading", "Uploaded")]

    play(scenario())


def test_signed_firmware_update_reports_each_step_with_its_number() -> None:
    firmware = {
        "location": "ftp://files.example.org/fw-3.bin",
        "retrieveDateTime": "2026-03-01T13:00:00Z",
        "signingCertificate": pem_of(certificate()),
        "signature": "c2ln",
    }

    async def scenario() -> None:
        clock = ManualClock()
        async with Csms() as csms, booted(csms, clock=clock) as cp:
            answer = await csms.ask("SignedUpdateFirmware", requestId=9, firmware=firmware)
            assert answer == {"status": "Accepted"}
            for _ in range(5):
                await clock.fire("firmware")
            await csms.arrived("SignedFirmwareStatusNotification", 5)
            sent = [call.payload for call in csms.named("SignedFirmwareStatusNotification")]
            steps = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed")
            assert sent == [{"status": status, "requestId": 9} for status in steps]
            assert cp.station.firmware == "fw-3.bin"
            assert csms.violations == []
            bad = {**firmware, "signingCertificate": "MII="}
            answer = await csms.ask("SignedUpdateFirmware", requestId=10, firmware=bad)
            assert answer == {"status": "InvalidCertificate"}

    play(scenario())
