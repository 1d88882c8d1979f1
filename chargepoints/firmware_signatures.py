"""Signatures of firmware (OCPP 1.6 security whitepaper L01.FR.04): RSA-PSS or ECDSA over SHA-256, in base64."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from chargepoints.choices import SignatureState
from chargepoints.errors import Invalid

#: As the wire takes it (whitepaper §6.9).
MAX_CERTIFICATE = 5500
MAX_SIGNATURE = 800
_PIECE = 1024 * 1024
_SHA256 = Prehashed(hashes.SHA256())


def read_certificate(pem: str) -> x509.Certificate:
    """The certificate; one alone, for there are no intermediate ones here (L01).  Raises Invalid."""
    if len(pem) > MAX_CERTIFICATE:
        raise Invalid({"signing_certificate": f"Must have {MAX_CERTIFICATE} characters at most."})
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise Invalid(
            {"signing_certificate": "Must be a certificate in PEM: -----BEGIN CERTIFICATE----- and so on."}
        ) from None
    if len(found) != 1:
        raise Invalid({"signing_certificate": "Must be one certificate: that of the signer alone."})
    key = found[0].public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise Invalid({"signing_certificate": "Its key must be an RSA or an elliptic curve key."})
    return found[0]


def read_signature(text: str) -> bytes:
    """The signature's bytes.  Raises Invalid."""
    compact = "".join(text.split())
    try:
        signature = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if not signature or len(compact) > MAX_SIGNATURE:
        raise Invalid({"signature": f"Must be base64 of {MAX_SIGNATURE} characters at most."})
    return signature


def check_form(certificate: str, signature: str) -> None:
    """Both or none, and each of a form that a charger can read.  Raises Invalid."""
    if not certificate and not signature:
        return
    if not certificate:
        raise Invalid({"signing_certificate": "A signature needs the certificate of its signer."})
    if not signature:
        raise Invalid({"signature": "A signing certificate needs the signature of the file."})
    read_certificate(certificate)
    read_signature(signature)


def verify(path: Path, certificate: str, signature: str) -> tuple[SignatureState, str]:
    """Whether the signature is that of this file, and a sentence about it."""
    key = read_certificate(certificate).public_key()
    signed = read_signature(signature)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signed, digest.digest(), ec.ECDSA(_SHA256))
            return SignatureState.VALID, "ECDSA with SHA-256, by the key of the certificate."
        assert isinstance(key, rsa.RSAPublicKey)
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
        key.verify(signed, digest.digest(), scheme, _SHA256)
        return SignatureState.VALID, "RSA-PSS with SHA-256, by the key of the certificate."
    except InvalidSignature:
        return (
            SignatureState.INVALID,
            "It is not the signature of this file by the certificate's key (RSA-PSS or ECDSA, SHA-256).",
        )
