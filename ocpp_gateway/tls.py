"""TLS of the gateway: what is offered, and certificates that are read anew while sockets stay open.

Spec: OCPP 1.6 security whitepaper A00.FR.305–321 (profile 2), A00.FR.401–428 (profile 3).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from chargepoints.certificate_providers import ProviderError
from chargepoints.services import certificates
from ocpp_gateway.door import HandshakeObject
from ocpp_gateway.peers import CAN_READ_CHAIN, NO_REVOCATIONS, Revocations

logger = logging.getLogger(__name__)

#: A00.FR.317 and .421: with an ECDSA and an RSA certificate all four are offered. TLS 1.3 has suites of its own.
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)
#: Keys below 2048 bits (RSA) or 224 bits (elliptic curves) are refused, ours and theirs (A00.FR.501–503).
_LEVEL: Final = "@SECLEVEL=2"
#: OpenSSL checks signatures and paths; times are looked at when the charger has said who it is, so that an expired
#: certificate is listed under the charger's name instead of ending as an alert that nobody reads.
_NO_CHECK_TIME: Final = 0x200000
LOOK_S: Final = 5.0
#: So long the keys of session tickets live; a new context has new ones.
FRESH_S: Final = 24 * 3600.0
WARN_DAYS: Final = 14


class TlsError(Exception):
    """The files for TLS cannot be used; the message is one sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What TLS is made of.

    certificates  (chain, key) in PEM, the server's own certificate first; at most one for each kind of key
    client_cas    PEM files of certificate authorities whose client certificates are believed
    revocations   their revocation lists, PEM or DER
    allow_plain   serve connections without TLS on the same port, for chargers of security profiles 0 and 1
    with_builtin  believe the client certificates of our own authority and of the provider, too
    """

    certificates: tuple[tuple[Path, Path], ...] = ()
    client_cas: tuple[Path, ...] = ()
    revocations: tuple[Path, ...] = ()
    allow_plain: bool = False
    with_builtin: bool = False

    @property
    def paths(self) -> list[Path]:
        """All files."""
        own = [path for pair in self.certificates for path in pair]
        return [*own, *self.client_cas, *self.revocations]


def pair_up(certificates: Sequence[str], keys: Sequence[str]) -> tuple[tuple[Path, Path], ...]:
    """Put certificates and keys together; without keys each file holds both.  Raises TlsError."""
    if keys and len(keys) != len(certificates):
        raise TlsError(
            f"There are {len(certificates)} TLS certificates and {len(keys)} keys: give a key for each certificate."
        )
    return tuple(
        (Path(certificate), Path(key))
        for certificate, key in zip(certificates, keys or certificates, strict=True)
    )


class TlsKeeper:
    """The TLS of this process as its files say; new files take effect for new connections.

    Raises  TlsError  the files cannot be used
    """

    def __init__(self, files: TlsFiles) -> None:
        self.files = files
        self._builtin = ""
        self._state = _state_of(files)
        self._made_at = time.monotonic()
        self.context, self.revocations, self._ends = _load(files, self._builtin)
        self._complaint = ""

    def problem(self) -> str | None:
        """What is wrong or will be soon, in a sentence; None: nothing."""
        if self._complaint:
            return self._complaint
        left = min((ends - timezone.now()).days for ends in self._ends) if self._ends else WARN_DAYS
        if left < 0:
            return "the server's certificate has expired"
        return f"the server's certificate expires in {left} days" if left < WARN_DAYS else None

    def reload(self) -> bool:
        """Read the files anew; false when they cannot be used: what was read before stays."""
        state = _state_of(self.files)
        try:
            self.context, self.revocations, self._ends = _load(self.files, self._builtin)
        except TlsError as error:
            if str(error) != self._complaint:
                logger.error("tls.reload_failed", extra={"error": str(error)})
            self._complaint = str(error)
            return False
        self._state, self._made_at, self._complaint = state, time.monotonic(), ""
        logger.info("tls.reloaded")
        return True

    def is_stale(self) -> bool:
        """Whether a file has changed since it was read, or ticket keys have served long enough."""
        return _state_of(self.files) != self._state or time.monotonic() - self._made_at > FRESH_S

    def look(self) -> None:
        """Take new files and new authorities, if there are any."""
        has_new = False
        if self.files.with_builtin:
            builtin = _ask_for_authorities(self._builtin)
            has_new, self._builtin = builtin != self._builtin, builtin
        if has_new or self.is_stale():
            self.reload()

    async def watch(self, stop: asyncio.Event) -> None:
        """Look for what is new every few seconds until `stop`."""
        while not stop.is_set():
            await asyncio.to_thread(self.look)
            try:
                async with asyncio.timeout(LOOK_S):
                    await stop.wait()
            except TimeoutError:
                continue


def _ask_for_authorities(before: str) -> str:
    """Our own authorities as they are now, in PEM; what was known before while the database is away."""
    try:
        return certificates.client_ca_bundle()
    except (DatabaseError, ProviderError) as error:
        logger.warning("tls.authorities_unknown", extra={"error": str(error)[:200]})
        return before
    finally:
        connection.close()


def _state_of(files: TlsFiles) -> list[tuple[int, int, int] | None]:
    return [_stamp(path) for path in files.paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()  # follows links: tools that renew certificates turn one over
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


# ---------------------------------------------------------------- reading the files
def _load(files: TlsFiles, builtin: str) -> tuple[ssl.SSLContext, Revocations, list[Any]]:
    own = [_read_certificates(path)[0] for path, _ in files.certificates]
    kinds = [_kind_of(certificate) for certificate in own]
    if len(set(kinds)) < len(kinds):
        raise TlsError(
            "Two TLS certificates have the same kind of key: give one with RSA and one with ECDSA."
        )
    for certificate in own:
        _look_at(certificate)
    authorities = [certificate for path in files.client_cas for certificate in _read_certificates(path)]
    revocations = Revocations.read(files.revocations, authorities) if files.revocations else NO_REVOCATIONS
    if revocations.complaints:
        raise TlsError(revocations.complaints[0])
    context = _make_context(files, builtin) if files.certificates else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return context, revocations, [certificate.not_valid_after_utc for certificate in own]


def _make_context(files: TlsFiles, builtin: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(":".join((*SUITES, *settings.TLS_EXTRA_CIPHERS, _LEVEL)))
    except ssl.SSLError as error:
        raise TlsError("TLS_EXTRA_CIPHERS names no cipher suite that this machine has.") from error
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 1
    context.sslobject_class = HandshakeObject
    for chain, key in files.certificates:
        _add_certificate(context, chain, key)
    for path in files.client_cas:
        _add_authorities(context, str(path), cafile=path)
    if builtin:
        _add_authorities(context, "the database", cadata=builtin)
    return context


def _add_certificate(context: ssl.SSLContext, chain: Path, key: Path) -> None:
    def refuse(*_: Any) -> str:
        raise TlsError(f"The key {key} is encrypted: a server cannot ask for its password.")

    try:
        context.load_cert_chain(chain, key, password=refuse)
    except ssl.SSLError as error:
        is_other = error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
        other = "the key belongs to another certificate"
        reason = other if is_other else "certificate or key cannot be read as PEM, or is too weak"
        raise TlsError(f"The TLS certificate {chain} with the key {key} cannot be used: {reason}.") from error
    except OSError as error:
        raise TlsError(f"Cannot read {error.filename or key}: {error.strerror}.") from error


def _add_authorities(context: ssl.SSLContext, place: str, **source: Any) -> None:
    try:
        context.load_verify_locations(**source)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"The certificate authorities in {place} cannot be used.") from error
    # Optional: chargers with a key alone come on the same port; who must have a certificate is decided by name.
    context.verify_mode = ssl.CERT_OPTIONAL
    flags = context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN  # an issuing authority alone will do
    context.verify_flags = ssl.VerifyFlags(flags | _NO_CHECK_TIME) if CAN_READ_CHAIN else flags


def _read_certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise TlsError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise TlsError(f"{path} holds no certificate in PEM.") from error


def _kind_of(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__


def _look_at(certificate: x509.Certificate) -> None:
    """Say what chargers will stumble over (A00.FR.308, .510); it is their decision."""
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    fields = {
        "kind": _kind_of(certificate),
        "names": names,
        "until": certificate.not_valid_after_utc.isoformat(),
    }
    logger.info("tls.certificate", extra=fields)
    if not names or any("*" in name for name in names):
        logger.warning("tls.certificate_without_host_name", extra={"names": names})
    if certificate.not_valid_after_utc < timezone.now():
        logger.warning("tls.certificate_expired", extra={"names": names})
