"""Who is at the other end: the client certificate of a socket, or what a trusted proxy says of it.

OpenSSL (or the proxy) has checked signatures and path. Times and revocation are looked at here, at each handshake of a
charger, so that the refusal can name it. What the certificate must say is decided in the domain.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import logging
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.utils import timezone

from chargepoints.client_certificates import ClientCertificate

logger = logging.getLogger(__name__)

MAX_HEADER: Final = 16_000
_UNREADABLE: Final = "its certificate cannot be read"


def _has_chain() -> bool:
    inner = getattr(ssl, "_ssl", None)  # public only since Python 3.13
    kind = getattr(inner, "_SSLSocket", None)
    return hasattr(ssl.SSLObject, "get_verified_chain") or hasattr(kind, "get_verified_chain")


#: Without the certificates between we could not look at their times, and leave that to OpenSSL.
CAN_READ_CHAIN: Final = _has_chain()


# ---------------------------------------------------------------- revocation
@dataclass(frozen=True, slots=True)
class Revocations:
    """Revocation lists of files.

    complaints  what is wrong with them, in sentences
    """

    lists: tuple[x509.CertificateRevocationList, ...] = ()
    complaints: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, paths: Iterable[Path], authorities: Sequence[x509.Certificate]) -> Revocations:
        """Read lists, PEM or DER; each must be signed by one of the authorities."""
        found, complaints = [], []
        for path in paths:
            try:
                one = _read_list(path.read_bytes())
            except OSError as error:
                complaints.append(f"Cannot read {path}: {error.strerror}.")
                continue
            except ValueError:
                complaints.append(f"{path} holds no revocation list.")
                continue
            if not any(_has_signed(authority, one) for authority in authorities):
                complaints.append(f"The revocation list {path} is signed by none of the client authorities.")
                continue
            if one.next_update_utc is not None and one.next_update_utc < timezone.now():
                logger.warning("tls.revocation_list_is_old", extra={"file": str(path)})
            found.append(one)
        return cls(tuple(found), tuple(complaints))

    def find(self, certificate: x509.Certificate) -> datetime | None:
        """When a certificate was revoked; None: it was not."""
        for one in self.lists:
            if one.issuer == certificate.issuer:
                entry = one.get_revoked_certificate_by_serial_number(certificate.serial_number)
                if entry is not None:
                    return entry.revocation_date_utc
        return None


NO_REVOCATIONS: Final = Revocations()


def _read_list(data: bytes) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)


def _has_signed(authority: x509.Certificate, one: x509.CertificateRevocationList) -> bool:
    if authority.subject != one.issuer:
        return False
    try:
        return one.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, ValueError):
        return False


# ---------------------------------------------------------------- certificates
def read_chain(
    chain: Sequence[bytes], *, at: datetime, revocations: Revocations = NO_REVOCATIONS, error: str = ""
) -> ClientCertificate:
    """What a certificate says, and what is wrong with it.

    chain  DER, the client's own first, then those up to the authority
    error  what somebody else found wrong with it
    """
    try:
        certificates = [x509.load_der_x509_certificate(one) for one in chain]
        own = certificates[0]
        found = _describe(own)
    except (ValueError, IndexError):
        return ClientCertificate(problem=_UNREADABLE)
    problem = error or _find_problem(certificates, at, revocations)
    return ClientCertificate(**found, problem=problem)


def _describe(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "common_names": _names(certificate, NameOID.COMMON_NAME),
        "organisations": _names(certificate, NameOID.ORGANIZATION_NAME),
        "serial_number": f"{certificate.serial_number:X}",
        "issuer": certificate.issuer.rfc4514_string(),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def _names(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(name.value) for name in certificate.subject.get_attributes_for_oid(kind))


def _find_problem(chain: Sequence[x509.Certificate], at: datetime, revocations: Revocations) -> str:
    for place, certificate in enumerate(chain):
        whose = "its certificate" if place == 0 else "the certificate of its issuer"
        if at > certificate.not_valid_after_utc:
            return f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        if at < certificate.not_valid_before_utc:
            return f"{whose} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        if (revoked_at := revocations.find(certificate)) is not None:
            return f"{whose} was revoked on {revoked_at:%Y-%m-%d}"
    return ""


# ---------------------------------------------------------------- where it comes from
def extension_of(
    transport: Any, peer: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]]
) -> dict[str, Any] | None:
    """The `tls` extension of an ASGI scope (asgi.readthedocs.io, TLS extension), as far as we need it; None: no TLS.

    Behind a trusted proxy its headers say who the client is; from anybody else such headers mean nothing.
    """
    host = peer[0] if peer else ""
    if settings.TLS_CLIENT_CERT_HEADER and is_trusted_proxy(host):
        return _from_proxy(headers)
    ssl_object = transport.get_extra_info("ssl_object")
    if ssl_object is None:
        return None
    return _extension(_chain_of(ssl_object))


def _extension(chain: Sequence[bytes], error: str | None = None) -> dict[str, Any]:
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(one) for one in chain],
        "client_cert_name": None,
        "client_cert_error": error,
        "tls_version": None,
        "cipher_suite": None,
    }


def _chain_of(ssl_object: Any) -> list[bytes]:
    """The client's certificate and those up to its authority; a resumed session remembers the first alone."""
    own = ssl_object.getpeercert(binary_form=True)
    if own is None:
        return []
    if hasattr(ssl_object, "get_verified_chain"):
        chain = list(ssl_object.get_verified_chain() or ())
    elif CAN_READ_CHAIN:
        verified = ssl_object._sslobj.get_verified_chain() or ()
        chain = [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in verified]
    else:
        chain = []
    return chain or [own]


def certificate_of(scope: Any, *, revocations: Revocations) -> ClientCertificate | None:
    """The client certificate of an ASGI scope; None when there is none."""
    tls = scope.get("extensions", {}).get("tls")
    if not tls:
        return None
    chain, error = tls.get("client_cert_chain") or (), tls.get("client_cert_error")
    if not chain:
        return ClientCertificate(problem=error) if error else None
    try:
        ders = [ssl.PEM_cert_to_DER_cert(one) for one in chain]
    except ValueError:
        return ClientCertificate(problem=_UNREADABLE)
    return read_chain(ders, at=timezone.now(), revocations=revocations, error=error or "")


# ---------------------------------------------------------------- trusted proxies
def is_trusted_proxy(host: str) -> bool:
    """Whether this address is one of TRUSTED_PROXIES."""
    return bool(settings.TRUSTED_PROXIES) and _is_within(host, tuple(settings.TRUSTED_PROXIES))


@lru_cache(maxsize=4096)
def _is_within(host: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False


def _from_proxy(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    name = settings.TLS_CLIENT_CERT_HEADER.lower().encode()
    values = [value for key, value in headers if key.lower() == name and value.strip()]
    if not values:
        return _extension(())
    if len(values) > 1:
        return _extension((), "the proxy has sent two certificates")
    der = parse_header(values[0])
    if der is None:
        return _extension((), _UNREADABLE)
    return _extension((der,), _proxy_error(headers))


def _proxy_error(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What the proxy found wrong, where it says so in a header of its own."""
    name = settings.TLS_CLIENT_VERIFY_HEADER.lower().encode()
    if not name:
        return None
    values = [value.decode("latin-1").strip() for key, value in headers if key.lower() == name]
    if values == ["SUCCESS"]:
        return None
    return f"the proxy has not verified its certificate ({', '.join(values)[:80] or 'it does not say'})"


def parse_header(value: bytes) -> bytes | None:
    """A certificate as proxies write it: PEM, percent-encoded or not, or base64 of DER; None: unreadable."""
    if len(value) > MAX_HEADER:
        return None
    plain = unquote_to_bytes(value.strip().strip(b'"'))
    try:
        if b"-----BEGIN" in plain:
            certificate = x509.load_pem_x509_certificate(plain.replace(b"\t", b"\n"))
        else:
            first = plain.partition(b",")[0]  # a chain: the client's own comes first
            certificate = x509.load_der_x509_certificate(base64.b64decode(first, validate=True))
    except (ValueError, binascii.Error):
        return None
    return certificate.public_bytes(serialization.Encoding.DER)
