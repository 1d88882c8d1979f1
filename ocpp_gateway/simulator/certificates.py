"""The certificates of a simulated charge point: what it has installed, its own, and the keys of its requests."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

Payload = dict[str, Any]


class Certificates:
    """Root certificates by their use, and the charge point's own with its key and its authorities."""

    def __init__(self) -> None:
        self._installed: dict[str, list[x509.Certificate]] = {}
        self.own: x509.Certificate | None = None
        self.own_key: ec.EllipticCurvePrivateKey | None = None
        self.chain = ""
        #: Of the request that was sent last; it never leaves the charge point (A02.FR.05).
        self.asked_key: ec.EllipticCurvePrivateKey | None = None

    def take(self, chain: str, now: datetime) -> bool:
        """Use a signed certificate, if it is for the key that was asked for and valid now (A02.FR.06)."""
        certificate = read_certificate(chain)
        if certificate is None:
            return False
        key = self.asked_key
        if key is not None and (
            certificate.public_key() != key.public_key()
            or not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
        ):
            return False
        self.own, self.own_key, self.chain, self.asked_key = certificate, key, chain, None
        return True

    def pem(self) -> bytes:
        """The own chain and its key; empty without one."""
        if self.own_key is None or not self.chain:
            return b""
        key = self.own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.chain.encode() + b"\n" + key

    def __len__(self) -> int:
        """How many are installed."""
        return sum(map(len, self._installed.values()))

    def install(self, use: str, certificate: x509.Certificate) -> None:
        held = self._installed.setdefault(use, [])
        if certificate not in held:
            held.append(certificate)

    def hash_data(self, use: str) -> list[Payload]:
        return [hash_data_of(certificate, "SHA256") for certificate in self._installed.get(use, [])]

    def delete(self, wanted: Payload) -> bool:
        for held in self._installed.values():
            for certificate in held:
                if hash_data_of(certificate, str(wanted["hashAlgorithm"])) == wanted:
                    held.remove(certificate)
                    return True
        return False


def hash_data_of(certificate: x509.Certificate, algorithm: str) -> Payload:
    """Of a root certificate: it is its own issuer."""
    name = algorithm.lower()
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": hashlib.new(name, certificate.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.new(name, _key_bits(certificate)).hexdigest(),
        "serialNumber": f"{certificate.serial_number:X}",
    }


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The value of the subject public key alone, without tag and length (RFC 6960)."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_certificate(pem: object) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(str(pem).encode())[0]
    except ValueError:
        return None


def new_request(key: ec.EllipticCurvePrivateKey, *, name: str, operator: str) -> str:
    """A signing request in PEM (A02.FR.13: the operator stands in it)."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]
    if operator:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator[:64]))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def is_signed(certificate: x509.Certificate, signature: str, digest: bytes) -> bool:
    """Whether the signature is that of a file with this hash: RSA-PSS or ECDSA over SHA-256 (L01.FR.04)."""
    key, algorithm = certificate.public_key(), Prehashed(hashes.SHA256())
    try:
        signed = base64.b64decode(signature)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signed, digest, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
            key.verify(signed, digest, scheme, algorithm)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True
