"""Firmware files: made, filled, checked, taken away."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from django.conf import settings
from django.db.transaction import atomic, on_commit

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from chargepoints import errors, file_links, firmware_signatures
from chargepoints.choices import CampaignState, SignatureState
from chargepoints.models import ChargePoint, FirmwareFile
from chargepoints.redaction import MASK
from csms_project.common import audit, crypto, file_store

FOLDER = "firmware"
_CHANGE = "firmware.change"


def create_file(*, actor: Actor, tenant: Tenant, name: str, **fields: Any) -> FirmwareFile:
    """Describe firmware; its content is at the URL, or comes by `set_content`.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    row = FirmwareFile(tenant=tenant, name=name, **_with_password_hidden(fields))
    _check(row)
    row.signature_state, row.signature_note = _judged(row)
    return rows.create_row(actor=actor, row=row, permission=_CHANGE)


@atomic
def update_file(*, actor: Actor, file: FirmwareFile, **changes: Any) -> FirmwareFile:
    """Change the description.  Where the firmware comes from stays while a campaign brings it to chargers.

    Raises  PermissionRefused, Duplicate, Invalid, NotPossibleNow
    """
    if changes.get("url") == file.url:
        del changes["url"]  # its hidden form was sent back
    changes = _with_password_hidden(changes)
    if {"url", "signing_certificate", "signature"} & changes.keys():
        _refuse_while_in_use(file)
    candidate = FirmwareFile.objects.get(pk=file.pk)
    for name, value in changes.items():
        setattr(candidate, name, value)
    _check(candidate)
    changes["signature_state"], changes["signature_note"] = _judged(candidate)
    hidden = changes.pop("secret_url", None)
    updated = rows.update_row(actor=actor, row=file, permission=_CHANGE, changes=changes)
    if hidden is not None:
        FirmwareFile.objects.filter(pk=file.pk).update(secret_url=hidden)
        updated.secret_url = hidden
    return updated


def delete_file(*, actor: Actor, file: FirmwareFile) -> None:
    """Remove a file that no campaign names.  Raises PermissionRefused, InUse."""
    stored = file.stored_as
    with atomic():
        rows.delete_row(actor=actor, row=file, permission=_CHANGE)
        on_commit(partial(file_store.remove, FOLDER, stored))


def set_content(
    *, actor: Actor, file: FirmwareFile, pieces: Iterable[bytes], file_name: str = ""
) -> FirmwareFile:
    """Take the firmware itself, read piece by piece; it replaces what was there.

    Raises  PermissionRefused, FileTooLarge, Invalid, NotPossibleNow
    """
    require(actor, _CHANGE, file)
    if file.url:
        raise errors.NotPossibleNow("This firmware is at an address outside; take the address away first.")
    _refuse_while_in_use(file)
    stored = file_store.store(FOLDER, pieces, limit=settings.FIRMWARE_MAX_BYTES)
    try:
        if not stored.size:
            raise errors.Invalid({"file": "The file is empty."})
        return _keep(actor, file, stored, file_links.safe_name(file_name or file.file_name or file.name))
    except BaseException:
        file_store.remove(FOLDER, stored.name)
        raise


@atomic
def _keep(actor: Actor, file: FirmwareFile, stored: file_store.Stored, file_name: str) -> FirmwareFile:
    fresh: FirmwareFile = FirmwareFile.objects.select_for_update(no_key=True, of=("self",)).get(pk=file.pk)
    _refuse_while_in_use(fresh)
    before, digest = fresh.stored_as, fresh.sha256
    fresh.stored_as, fresh.size, fresh.sha256 = stored.name, stored.size, stored.sha256
    fresh.file_name = file_name
    fresh.signature_state, fresh.signature_note = _judged(fresh)
    fresh.save()
    audit.record(actor, "firmware.content", fresh, changes={"sha256": [digest, fresh.sha256]})
    on_commit(partial(file_store.remove, FOLDER, before))
    return fresh


def location_of(file: FirmwareFile) -> str:
    """The address outside, with its password.  Raises FirmwareNotReady."""
    if not file.secret_url:
        return file.url
    try:
        return crypto.decrypt(file.secret_url)
    except crypto.InvalidToken:
        raise errors.FirmwareNotReady(
            "The password of its address can no longer be decrypted: give the address again."
        ) from None


def fits(file: FirmwareFile, charge_point: ChargePoint) -> bool:
    """Whether the firmware is for this charger, as far as is known of both."""
    return all(
        not pattern or not value or fnmatchcase(value.casefold(), pattern.casefold())
        for pattern, value in ((file.vendor, charge_point.vendor), (file.model, charge_point.model))
    )


def _with_password_hidden(fields: dict[str, Any]) -> dict[str, Any]:
    if "url" not in fields:
        return fields
    url = str(fields["url"] or "").strip()
    if not url:
        return {**fields, "url": "", "secret_url": ""}
    file_links.check_url(url)
    if MASK in url:
        raise errors.Invalid({"url": f"Give the whole address: {MASK} stands for what is hidden."})
    shown, secret = file_links.hide_password(url)
    return {**fields, "url": shown, "secret_url": secret}


def _check(row: FirmwareFile) -> None:
    if row.url and row.stored_as:
        raise errors.Invalid(
            {"url": "The file was uploaded here already: make another entry for the address."}
        )
    row.signing_certificate = row.signing_certificate.replace("\r\n", "\n").strip()
    row.signature = "".join(row.signature.split())
    firmware_signatures.check_form(row.signing_certificate, row.signature)
    if row.url and row.is_signed:
        file_links.check_url(location_of(row), limit=512)


def _judged(row: FirmwareFile) -> tuple[SignatureState, str]:
    if not row.is_signed:
        return SignatureState.NONE, ""
    if not row.stored_as:
        return SignatureState.UNCHECKED, "The file is not here, so only the charger can check it."
    path = file_store.path_of(FOLDER, row.stored_as)
    if not path.is_file():
        return SignatureState.UNCHECKED, "The file is missing in the store."
    return firmware_signatures.verify(path, row.signing_certificate, row.signature)


def _refuse_while_in_use(file: FirmwareFile) -> None:
    running = file.campaigns.filter(state__in=(CampaignState.RUNNING, CampaignState.PAUSED))
    if running.exists():
        raise errors.NotPossibleNow(
            "A campaign brings this file to chargers: it stays as it is until that has ended."
        )
