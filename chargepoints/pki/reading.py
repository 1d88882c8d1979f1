"""What a certificate says: numbers, names, and the hashes by which OCPP names it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from chargepoints.pki import keys

#: The algorithms of CertificateHashDataType (whitepaper §6.12).
ALGORITHMS = ("SHA256", "SHA384", "SHA512")


class UnreadableCertificate(Exception):
    """This is no certificate in PEM."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashData:
    """The name of a certificate on the wire (whitepaper §6.1); hexadecimal, compared without regard to case."""

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    def key(self) -> tuple[str, str, str, str]:
        """For comparing: chargers differ in case and in leading zeroes."""
        serial = self.serial_number.strip().lstrip("0").upper() or "0"
        names = (self.issuer_name_hash.strip().lower(), self.issuer_key_hash.strip().lower())
        return (self.algorithm.strip().upper().replace("-", ""), *names, serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is kept of a certificate beside its text."""

    serial_number: str
    subject: str
    issuer: str
    common_name: str
    organization: str
    fingerprint: str
    key: str
    not_before: datetime
    not_after: datetime


def load(pem: str) -> x509.Certificate:
    """The first certificate of a text.

    Raises  UnreadableCertificate
    """
    return load_all(pem)[0]


def load_all(pem: str) -> list[x509.Certificate]:
    """All certificates of a text, at least one.

    Raises  UnreadableCertificate
    """
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableCertificate from error


def to_pem(certificate: x509.Certificate) -> str:
    """As text, with a line break at its end."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def serial_of(certificate: x509.Certificate) -> str:
    """Hexadecimal without leading zeroes, as on the wire."""
    return f"{certificate.serial_number:X}"


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, 64 hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def name_part(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    """The first value of this kind in a distinguished name; "" without one. What no column takes is replaced."""
    found = name.get_attributes_for_oid(oid)
    text = str(found[0].value) if found else ""
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def facts_of(certificate: x509.Certificate) -> Facts:
    """The facts of a certificate, as they are stored."""
    return Facts(
        serial_number=serial_of(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        common_name=name_part(certificate.subject, NameOID.COMMON_NAME),
        organization=name_part(certificate.subject, NameOID.ORGANIZATION_NAME),
        fingerprint=fingerprint_of(certificate),
        key=keys.describe(certificate.public_key()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256") -> HashData:
    """The name on the wire: the issuer's name as it stands in the certificate, and its key (RFC 6960)."""
    digest = getattr(hashlib, algorithm.lower())
    return HashData(
        algorithm=algorithm,
        issuer_name_hash=digest(certificate.issuer.public_bytes()).hexdigest(),
        issuer_key_hash=key_hash(issuer, algorithm),
        serial_number=serial_of(certificate),
    )


def key_hash(certificate: x509.Certificate, algorithm: str = "SHA256") -> str:
    """The hash of its key, by which those are named that it has issued."""
    return str(getattr(hashlib, algorithm.lower())(_key_bits(certificate)).hexdigest())


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The value of the subject public key alone, without tag and length."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether it is a root."""
    return certificate.subject == certificate.issuer and is_issued_by(certificate, certificate)


def all_hashes(certificate: x509.Certificate, issuer: x509.Certificate) -> dict[str, list[str]]:
    """Algorithm → hashes of the issuer's name and key, as they are stored."""
    found = (hash_data(certificate, issuer, algorithm) for algorithm in ALGORITHMS)
    return {item.algorithm: [item.issuer_name_hash, item.issuer_key_hash] for item in found}


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key has signed it, and it says so."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    """A public key as bytes, for comparing."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
