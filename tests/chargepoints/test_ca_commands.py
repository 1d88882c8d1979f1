"""The certificate authority on the command line."""

from __future__ import annotations

import stat
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError, call_command
from pytest_django import Settings

from chargepoints.choices import CertificateState
from chargepoints.models import Certificate, CertificateAuthority, ChargePoint
from chargepoints.pki import reading
from csms_project.common.models import AuditEntry
from tests.chargepoints.certs import csr_pem

pytestmark = pytest.mark.django_db


def ca(*arguments: str) -> str:
    out = StringIO()
    call_command("ca", *arguments, stdout=out)
    return out.getvalue()


def issue(*arguments: str) -> str:
    out = StringIO()
    call_command("issue_cert", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def authority() -> CertificateAuthority:
    ca("create", "--name", "Acme Group")
    return CertificateAuthority.objects.get(kind="issuing")


def test_authority_is_made_and_listed() -> None:
    assert "There is no certificate authority" in ca("list")
    made = ca("create", "--name", "Acme Group", "--key", "ec-p384")
    assert made == ca("list")
    assert made.splitlines()[0].startswith("Acme Group ECDSA Root CA 1: Active, ECDSA P-384, until ")
    assert AuditEntry.objects.filter(via="cli", action="authorities.create").count() == 2
    with pytest.raises(CommandError, match="already"):
        ca("create", "--name", "Acme Group")


def test_succession(authority: CertificateAuthority) -> None:
    assert ca("rotate").startswith("Acme Group ECDSA Issuing CA 2: Active")
    assert ca("replace-root", "--key", "ec-p384").startswith(
        "Acme Group ECDSA Root CA 2: Active, ECDSA P-384"
    )
    with pytest.raises(CommandError, match="no certificate authority"):
        ca("rotate", "--family", "rsa")


def test_exports(authority: CertificateAuthority, tmp_path: Path) -> None:
    assert len(reading.load_all(ca("export", "roots"))) == 1
    ca("export", "bundle", "--out", str(tmp_path / "all.pem"))
    assert len(reading.load_all((tmp_path / "all.pem").read_text())) == 2
    ca("export", "crl", "--out", str(tmp_path / "a.crl"))
    crl = x509.load_der_x509_crl((tmp_path / "a.crl").read_bytes())
    assert crl.issuer == reading.load(authority.pem).subject
    with pytest.raises(CommandError, match="no such authority"):
        ca("export", "crl", "--authority", "00", "--out", str(tmp_path / "b.crl"))


def test_export_without_an_authority_says_so() -> None:
    with pytest.raises(CommandError, match="make an authority first"):
        ca("export", "roots")


def test_server_certificate_goes_to_files_and_its_key_to_its_owner_alone(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    (tmp_path / "server.key").write_text("old")
    told = issue("--server", "csms.example", "10.0.0.7", "--days", "0.9", "--out", str(tmp_path))
    assert "csms.example: valid until" in told
    key = tmp_path / "server.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    chain = reading.load_all((tmp_path / "server.pem").read_text())
    assert reading.public_bytes(private.public_key()) == reading.public_bytes(chain[0].public_key())
    assert [reading.facts_of(item).common_name for item in chain] == ["csms.example", authority.common_name]
    assert (tmp_path / "roots.pem").read_text().count("BEGIN CERTIFICATE") == 1
    issue("--server", "csms.example", "--key", "rsa-2048", "--out", str(tmp_path))
    assert (tmp_path / "server-rsa.key").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--server", "*.example"], "wildcards"),
        (["--server", "a", "--days", "0"], "days"),
        (["--server", "a", "--csr", "x"], "--csr is for"),
        (["--server", "a", "--out", "/nowhere/at/all"], "no folder"),
        (["--charger", "CP-A"], "--csr FILE"),
        (["--charger", "NOBODY", "--csr", "/etc/hostname"], "no charge point NOBODY"),
        (["--charger", "CP-A", "--csr", "/nowhere/x"], "No such file"),
        (["--charger", "CP-A", "--csr", "/etc/hostname"], "no certificate request in PEM"),
    ],
)
@pytest.mark.usefixtures("authority")
def test_wrong_arguments_are_named(
    charge_point: ChargePoint,
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=problem):
        issue(*arguments)
    assert not Certificate.objects.exists()


@pytest.mark.usefixtures("authority")
def test_charger_certificate_from_a_file(charge_point: ChargePoint, tmp_path: Path) -> None:
    (tmp_path / "cp.csr").write_text(csr_pem())
    shown = issue("--charger", "cp-a", "--csr", str(tmp_path / "cp.csr"))
    row = Certificate.objects.get()
    assert shown == row.full_chain
    assert row.charge_point == charge_point
    (tmp_path / "cp.csr").write_text(csr_pem())
    told = issue("--charger", "CP-A", "--csr", str(tmp_path / "cp.csr"), "--out", str(tmp_path / "cp.pem"))
    assert "written to" in told
    assert len(reading.load_all((tmp_path / "cp.pem").read_text())) == 2


def test_certificate_without_an_authority_says_so(charge_point: ChargePoint, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no certificate authority"):
        issue("--server", "csms.example", "--out", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("authority")
def test_revoking_by_serial_number_or_fingerprint(charge_point: ChargePoint, tmp_path: Path) -> None:
    for name in ("serial_number", "fingerprint"):
        (tmp_path / "cp.csr").write_text(csr_pem())
        issue("--charger", "CP-A", "--csr", str(tmp_path / "cp.csr"))
        row = Certificate.objects.exclude(state="revoked").get()
        assert "is revoked" in ca("revoke", getattr(row, name).lower(), "--reason", "keyCompromise")
        row.refresh_from_db()
        assert row.state == CertificateState.REVOKED
        with pytest.raises(CommandError, match="revoked already"):
            ca("revoke", row.fingerprint)
    with pytest.raises(CommandError, match="no certificate 00AA"):
        ca("revoke", "00AA")


@pytest.mark.usefixtures("authority")
def test_keys_are_encrypted_anew(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    assert ca("reencrypt") == "2 private keys are encrypted with the newest key.\n"
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="cannot be decrypted"):
        ca("reencrypt")
