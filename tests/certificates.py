"""Certificates of the tests, made on the fly."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


def new_key(kind: str = "ecdsa", *, bits: int = 2048) -> Key:
    """A private key: ecdsa or rsa."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return ec.generate_private_key(ec.SECP256R1())


def name_of(common_name: str, organisation: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, and those that go with it."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate and its chain."""
        encoding = serialization.Encoding.PEM
        return b"".join(one.public_bytes(encoding) for one in (self.certificate, *self.chain))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Files of certificate and key."""
        paths = directory / f"{name}.pem", directory / f"{name}.key"
        paths[0].write_bytes(self.pem)
        paths[1].write_bytes(self.key_pem)
        return paths


class Authority(Pair):
    """Signs certificates."""

    @classmethod
    def root(cls, name: str = "Test root", *, kind: str = "ecdsa") -> Self:
        key, subject = new_key(kind), name_of(name, "Test authority")
        builder = _builder(subject, subject, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    def authority(self, name: str, *, ends: datetime | None = None) -> Authority:
        """An authority below this one."""
        key = new_key()
        builder = _builder(
            name_of(name, "Test authority"), self.certificate.subject, key.public_key(), ends=ends
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Authority(certificate, key, (certificate, *self.chain))

    def server(self, kind: str = "ecdsa", *, host: str = "127.0.0.1") -> Pair:
        """A certificate of a server."""
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(host))]
        )
        return self._sign(kind, host, "Default", ExtendedKeyUsageOID.SERVER_AUTH, [names])

    def client(
        self, common_name: str, organisation: str | None = "Default", kind: str = "ecdsa", **options: Any
    ) -> Pair:
        """A certificate of a charger.

        starts, ends  its validity
        usage         its extended key usage
        """
        usage = options.pop("usage", ExtendedKeyUsageOID.CLIENT_AUTH)
        return self._sign(kind, common_name, organisation, usage, [], **options)

    def _sign(
        self,
        kind: str,
        common_name: str,
        organisation: str | None,
        usage: x509.ObjectIdentifier,
        extensions: Iterable[x509.ExtensionType],
        *,
        bits: int = 2048,
        **validity: Any,
    ) -> Pair:
        key = new_key(kind, bits=bits)
        subject = name_of(common_name, organisation)
        builder = _builder(subject, self.certificate.subject, key.public_key(), **validity)
        for extension in (x509.ExtendedKeyUsage([usage]), *extensions):
            builder = builder.add_extension(extension, critical=False)
        return Pair(builder.sign(self.key, hashes.SHA256()), key, self.chain)

    def revoke(self, *pairs: Pair) -> bytes:
        """A revocation list, PEM."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - DAY)
            .next_update(now + DAY)
        )
        for pair in pairs:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(pair.certificate.serial_number)
                .revocation_date(now - DAY / 2)
                .build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: Any,
    *,
    starts: datetime | None = None,
    ends: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts or now - 30 * DAY)
        .not_valid_after(ends or now + 30 * DAY)
    )
