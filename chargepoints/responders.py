"""Asking others over HTTP whether a certificate is good: only hosts that the installation names.

Chargers and vehicles tell which address to ask.  Whoever can send a message could so make this system open addresses
of its choice, also inside the network; therefore no host is asked that `OCSP_RESPONDERS` does not name, no redirect is
followed, and answers are short.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

TIMEOUT_S: Final = 6.0
MAX_OCSP: Final = 64_000
MAX_CRL: Final = 5_000_000


class NotAsked(Exception):
    """The address could not be asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def ask_ocsp(url: str, request: bytes) -> bytes:
    """Send an OCSP request (RFC 6960 appendix A.1); returns the answer.  Raises NotAsked."""
    return _fetch(
        urllib.request.Request(  # noqa: S310 (checked below)
            url, data=request, headers={"Content-Type": "application/ocsp-request"}, method="POST"
        ),
        MAX_OCSP,
    )


def fetch_crl(url: str) -> bytes:
    """A revocation list.  Raises NotAsked."""
    return _fetch(urllib.request.Request(url), MAX_CRL)  # noqa: S310 (checked below)


def check(url: str) -> None:
    """Raise NotAsked for an address that must not be asked."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
    except ValueError as error:
        raise NotAsked("The responder's address is not well-formed.") from error
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise NotAsked("The responder's address must begin with http:// or https://, without a user.")
    named = {name.strip().casefold() for name in settings.OCSP_RESPONDERS}
    if {host.casefold(), f"{host.casefold()}:{port}"}.isdisjoint(named):
        raise NotAsked(f"The responder {host[:80]} is not among those that may be asked (OCSP_RESPONDERS).")


def _fetch(request: urllib.request.Request, limit: int) -> bytes:
    check(request.full_url)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read(limit + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotAsked(f"The responder answers with HTTP {error.code}.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NotAsked("The responder cannot be reached.") from error
    if len(data) > limit:
        raise NotAsked("The responder's answer is too long.")
    return data
