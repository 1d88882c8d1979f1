"""Firmware files: form, content, signature, hidden passwords."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.errors import AccountsError
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services.rows import InUse
from chargepoints import errors
from chargepoints.choices import SignatureState
from chargepoints.models import FirmwareFile
from chargepoints.services import firmware_files
from csms_project.common import file_store
from csms_project.common.models import AuditEntry
from tests import factories
from tests.chargepoints.firmware import CONTENT, certificate_of, signed, uploaded

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path


def make(actor: Actor, **fields: Any) -> FirmwareFile:
    assert actor.tenant is not None
    return firmware_files.create_file(actor=actor, tenant=actor.tenant, **fields)


def stored_files(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.rglob("*") if path.is_file()]


def test_content_is_stored_under_a_name_of_ours(technician: Actor, tmp_path: Path) -> None:
    file = uploaded(technician)
    assert (file.size, file.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert stored_files(tmp_path) == [file.stored_as]
    path = file_store.path_of("firmware", file.stored_as)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600


def test_name_of_the_upload_never_becomes_a_path(technician: Actor) -> None:
    file = uploaded(technician)
    firmware_files.set_content(actor=technician, file=file, pieces=[b"x"], file_name="../../etc/pass wd")
    file.refresh_from_db()
    assert file.file_name == "pass-wd"
    with pytest.raises(ValueError, match="not a name"):
        file_store.path_of("firmware", "../secret")


def test_content_over_the_limit_leaves_nothing(technician: Actor, tmp_path: Path, settings: Settings) -> None:
    settings.FIRMWARE_MAX_BYTES = 10
    file = make(technician, name="Big")
    with pytest.raises(file_store.FileTooLarge):
        firmware_files.set_content(actor=technician, file=file, pieces=[b"123456", b"789012"])
    assert stored_files(tmp_path) == []
    file.refresh_from_db()
    assert not file.is_ready


def test_upload_that_breaks_off_leaves_nothing(technician: Actor, tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("gone")

    file = make(technician, name="Cut")
    with pytest.raises(OSError, match="gone"):
        firmware_files.set_content(actor=technician, file=file, pieces=pieces())
    assert stored_files(tmp_path) == []


def test_empty_content_is_refused(technician: Actor, tmp_path: Path) -> None:
    file = make(technician, name="Empty")
    with pytest.raises(errors.Invalid, match="empty"):
        firmware_files.set_content(actor=technician, file=file, pieces=[])
    assert stored_files(tmp_path) == []


def test_new_content_replaces_the_old_one(
    technician: Actor, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        file = uploaded(technician)
        firmware_files.set_content(actor=technician, file=file, pieces=[b"new"])
    file.refresh_from_db()
    assert stored_files(tmp_path) == [file.stored_as]
    assert AuditEntry.objects.filter(action="firmware.content").count() == 2


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_signature_of_the_file_is_verified(technician: Actor, kind: str) -> None:
    assert uploaded(technician, **signed(kind=kind)).signature_state == SignatureState.VALID


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_signature_of_another_file_is_wrong(technician: Actor, kind: str) -> None:
    assert uploaded(technician, **signed(b"other", kind=kind)).signature_state == SignatureState.INVALID


def test_signature_is_checked_again_with_other_content(technician: Actor) -> None:
    file = uploaded(technician, **signed())
    file = firmware_files.set_content(actor=technician, file=file, pieces=[b"changed"])
    assert file.signature_state == SignatureState.INVALID


def test_signature_of_a_file_elsewhere_is_not_checked(technician: Actor) -> None:
    file = make(technician, name="Far", url="https://example.com/fw", **signed())
    assert (file.is_signed, file.signature_state) == (True, SignatureState.UNCHECKED)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("signature", {"signing_certificate": "PEM"}),
        ("signing_certificate", {"signature": "AAAA"}),
        ("signing_certificate", {"signing_certificate": "PEM", "signature": "AAAA"}),
        ("signature", {"signature": "not base64!"}),
        ("signature", {"signature": "A" * 804}),
    ],
)
def test_half_or_broken_signature_is_named(technician: Actor, field: str, fields: dict[str, str]) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    if fields.get("signing_certificate") == "PEM" and "signature" not in fields:
        fields = {"signing_certificate": certificate_of(ec.generate_private_key(ec.SECP256R1()))}
    elif "signing_certificate" not in fields and field == "signature":
        pem = certificate_of(ec.generate_private_key(ec.SECP256R1()))
        fields = {**fields, "signing_certificate": pem}
    with pytest.raises(errors.Invalid) as caught:
        make(technician, name="X", url="https://e.com/f", **fields)
    assert list(caught.value.errors) == [field]


@pytest.mark.parametrize(
    "url",
    [
        "gopher://a/b",
        "javascript:alert(1)",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://",
        "https://exa mple.com/",
        "http://e.com/\nx",
        "ftp://[/x",
    ],
)
def test_address_that_no_charger_knows_is_refused(technician: Actor, url: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        make(technician, name="X", url=url)
    assert "url" in caught.value.errors


def test_password_of_an_address_is_encrypted_and_masked(technician: Actor) -> None:
    url = "ftp://user:s3cret@files.example.com/fw.bin"
    file = make(technician, name="F", url=url)
    assert file.url == "ftp://***@files.example.com/fw.bin"
    assert "s3cret" not in file.secret_url
    assert firmware_files.location_of(file) == url
    changed = firmware_files.update_file(actor=technician, file=file, url=file.url, note="x")
    assert firmware_files.location_of(changed) == url
    with pytest.raises(errors.Invalid, match="whole address"):
        firmware_files.update_file(actor=technician, file=changed, url="ftp://***@elsewhere.example.com/fw")
    assert not AuditEntry.objects.filter(changes__icontains="s3cret").exists()


def test_file_in_a_running_campaign_stays_as_it_is(technician: Actor) -> None:
    file = uploaded(technician)
    factories.FirmwareCampaignFactory(file=file)
    with pytest.raises(errors.NotPossibleNow):
        firmware_files.set_content(actor=technician, file=file, pieces=[b"new"])
    with pytest.raises(errors.NotPossibleNow):
        firmware_files.update_file(actor=technician, file=file, signature="AAAA")
    with pytest.raises(InUse):
        firmware_files.delete_file(actor=technician, file=file)
    assert firmware_files.update_file(actor=technician, file=file, note="Tested.").note == "Tested."


def test_deleted_file_is_gone_from_the_disk(
    technician: Actor, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    file = uploaded(technician)
    with django_capture_on_commit_callbacks(execute=True):
        firmware_files.delete_file(actor=technician, file=file)
    assert stored_files(tmp_path) == []
    assert not FirmwareFile.objects.exists()


def test_file_belongs_to_technicians_of_the_tenant(
    viewer: Actor, support: Actor, stranger: Actor, technician: Actor, tenant: Tenant
) -> None:
    file = uploaded(technician)
    for actor in (viewer, support, stranger):
        with pytest.raises(AccountsError):
            firmware_files.create_file(actor=actor, tenant=tenant, name="Y")
        with pytest.raises(AccountsError):
            firmware_files.set_content(actor=actor, file=file, pieces=[b"evil"])
        with pytest.raises(AccountsError):
            firmware_files.delete_file(actor=actor, file=file)


@pytest.mark.parametrize(
    ("vendor", "model", "fits"),
    [
        ("", "", True),
        ("ACME", "", True),
        ("acme", "box*", True),
        ("Other", "", False),
        ("Acme", "Pole", False),
    ],
)
def test_patterns_say_which_chargers_it_is_for(vendor: str, model: str, fits: bool) -> None:
    file = factories.FirmwareFileFactory.build(vendor=vendor, model=model, tenant=None)
    charge_point = factories.ChargePointFactory.build(
        vendor="Acme", model="Box 22", tenant=None, location=None
    )
    assert firmware_files.fits(file, charge_point) is fits
    charge_point.vendor = charge_point.model = ""
    assert firmware_files.fits(file, charge_point)
