"""Fetching and sending files of a simulated charge point: really over HTTP, in pretence over anything else."""

from __future__ import annotations

import asyncio
import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import quote, urlsplit

TIMEOUT_S = 30.0
_PIECE = 64 * 1024
_HEAD = 256
_VERSION = b"version="


class TransferFailed(Exception):
    """The file could not be fetched or sent."""


@dataclass(frozen=True)
class Fetched:
    """What is kept of a file: its beginning and the hash of the whole."""

    head: bytes
    sha256: bytes
    size: int
    md5: str = ""

    @property
    def version(self) -> str:
        """The version that the first line names, as `version=2.0.0`; "" where it names none."""
        first = self.head.split(b"\n", 1)[0].strip()
        if not first.startswith(_VERSION):
            return ""
        return first.removeprefix(_VERSION).decode("ascii", "replace")[:50]


def is_real(location: str) -> bool:
    """Whether a file is really transferred."""
    return urlsplit(location).scheme.lower() in ("http", "https")


async def fetch(location: str) -> Fetched:
    """Fetch a file.  Raises TransferFailed."""
    return await asyncio.to_thread(_fetch, location)


async def send(location: str, name: str, content: bytes, *, method: str = "PUT") -> None:
    """Put a file into the directory that the location is (OCPP 1.6 §6.25).  Raises TransferFailed."""
    url = f"{location.rstrip('/')}/{quote(name)}" if method == "PUT" else location
    await asyncio.to_thread(_send, url, content, method)


def _fetch(location: str) -> Fetched:
    digest, head, size = hashlib.sha256(), b"", 0
    checksum = hashlib.md5(usedforsecurity=False)  # what PublishFirmware goes by (2.0.1 L03.FR.04)
    try:
        with urllib.request.urlopen(location, timeout=TIMEOUT_S) as answer:  # noqa: S310 (http or https, checked)
            expected = answer.headers.get("Content-Length")
            while piece := answer.read(_PIECE):
                digest.update(piece)
                checksum.update(piece)
                head = head or piece[:_HEAD]
                size += len(piece)
    except (OSError, HTTPException, ValueError) as error:
        raise TransferFailed(str(error)) from error
    if expected is not None and size != int(expected):
        raise TransferFailed(f"{size} of {expected} bytes came")
    return Fetched(head=head, sha256=digest.digest(), size=size, md5=checksum.hexdigest())


def _send(url: str, content: bytes, method: str) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(  # noqa: S310 (http or https, checked)
        url, data=content, headers=headers, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            return
    except (OSError, HTTPException, ValueError) as error:
        raise TransferFailed(str(error)) from error
