"""Addresses at which chargers fetch firmware and put logs: ours, with a token of one use each, or outside ones."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from django.conf import settings

from chargepoints import errors
from chargepoints.models import ChargePoint
from chargepoints.redaction import redact_url
from chargepoints.selectors import find_live_connection
from csms_project.common import crypto

FIRMWARE_PATH = "/files/firmware/"
UPLOAD_PATH = "/files/upload/"
SCHEMES = ("http", "https", "ftp", "ftps", "sftp")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LOOPBACK = re.compile(r"localhost|127\.[\d.]+|::1", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")


def new_token() -> str:
    """What nobody can guess."""
    return secrets.token_urlsafe(24)


def hash_of(token: str) -> str:
    """What is stored of a token; "" for what can be none."""
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN.fullmatch(token) else ""


def expiry(now: datetime, *, wait_s: int = 0) -> datetime:
    """When a link that is made now ends.

    wait_s  how long the order may wait for the charger
    """
    return now + timedelta(hours=settings.FILE_LINK_HOURS, seconds=wait_s)


def firmware_url(token: str, file_name: str) -> str:
    """Where a charger fetches its firmware.  Raises NoFilesUrl."""
    return f"{_base()}{FIRMWARE_PATH}{token}/{quote(safe_name(file_name))}"


def upload_url(token: str) -> str:
    """Where a charger puts a file; it may append a name, for OCPP calls this a directory.  Raises NoFilesUrl."""
    return f"{_base()}{UPLOAD_PATH}{token}/"


def _base() -> str:
    base: str = settings.FILES_URL.rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise errors.NoFilesUrl
    return base


def safe_name(name: str) -> str:
    """A file's name as it may stand in an address and on any disk."""
    cleaned = _UNSAFE.sub("-", name.replace("\\", "/").rsplit("/", 1)[-1]).strip("-.")
    return cleaned[-100:] or "file.bin"


def reach_warning(charge_point: ChargePoint | None = None) -> str:
    """What may keep a charger from our addresses; "" where nothing is known to."""
    host = urlsplit(settings.FILES_URL).hostname or ""
    if not settings.FILES_URL:
        return str(errors.NoFilesUrl())
    if not _LOOPBACK.fullmatch(host):
        return ""
    if charge_point is not None:
        connection = find_live_connection(charge_point)
        if connection is None or _LOOPBACK.fullmatch((connection.remote_address or "").partition("%")[0]):
            return ""
    return (
        f"Files would be at {settings.FILES_URL}, which only this machine reaches: set FILES_URL to an address "
        "that the charger reaches, or start with --host 0.0.0.0."
    )


def check_url(url: str, *, field: str = "url", limit: int = 2000) -> None:
    """An address outside, of a kind that chargers know.  Raises Invalid."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme.lower() in SCHEMES and bool(parts.hostname)
    except ValueError:
        is_right = False
    if not is_right or any(mark <= " " or mark == "\x7f" for mark in url):
        raise errors.Invalid({field: f"Must be an address that begins with {'://, '.join(SCHEMES)}://."})
    if len(url) > limit:
        raise errors.Invalid({field: f"Must have {limit} characters at most."})


def hide_password(url: str) -> tuple[str, str]:
    """What is shown of an address, and the whole encrypted; "" where all of it may be shown."""
    shown = redact_url(url)
    return shown, crypto.encrypt(url) if shown != url else ""
