"""Private and public keys: kinds, making, strength (OCPP 1.6 security whitepaper §2.6.1)."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from django.db import models

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

MIN_RSA_BITS = 2048  # A00.FR.502
MIN_EC_BITS = 224  # A00.FR.503
MAX_RSA_BITS = 8192


class KeyKind(models.TextChoices):
    """Keys that we make."""

    EC_P256 = "ec-p256", "ECDSA P-256"
    EC_P384 = "ec-p384", "ECDSA P-384"
    RSA_2048 = "rsa-2048", "RSA 2048"
    RSA_3072 = "rsa-3072", "RSA 3072"


class KeyFamily(models.TextChoices):
    """What can be checked by whom: a charger may know only one of the two (A00.FR.317)."""

    EC = "ec", "ECDSA"
    RSA = "rsa", "RSA"


_CURVES = {KeyKind.EC_P256: ec.SECP256R1, KeyKind.EC_P384: ec.SECP384R1}
_BITS = {KeyKind.RSA_2048: 2048, KeyKind.RSA_3072: 3072}


def family_of_kind(kind: str) -> KeyFamily:
    """The family that a kind of key belongs to."""
    return KeyFamily.EC if KeyKind(kind) in _CURVES else KeyFamily.RSA


def generate(kind: str) -> PrivateKey:
    """A new private key."""
    curve = _CURVES.get(KeyKind(kind))
    if curve is not None:
        return ec.generate_private_key(curve())
    return rsa.generate_private_key(public_exponent=65537, key_size=_BITS[KeyKind(kind)])


def to_pem(key: PrivateKey) -> str:
    """PKCS#8, not encrypted: for a file that only its owner reads, or to be encrypted at once."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def from_pem(text: str) -> PrivateKey:
    """What `to_pem` has written."""
    key = serialization.load_pem_private_key(text.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def family_of(key: object) -> KeyFamily | None:
    """The family of a public key; None: neither."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return KeyFamily.EC
    return KeyFamily.RSA if isinstance(key, rsa.RSAPublicKey) else None


def describe(key: CertificatePublicKeyTypes) -> str:
    """For example “RSA 2048” or “ECDSA P-256”."""
    match key:
        case ec.EllipticCurvePublicKey():
            name = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp224r1": "P-224"}
            return f"ECDSA {name.get(key.curve.name, key.curve.name)}"
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case dsa.DSAPublicKey():
            return f"DSA {key.key_size}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
    return type(key).__name__


def weakness_of(key: CertificatePublicKeyTypes) -> str:
    """Why a charger may not have a key like this, in words; "" when it may."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            return f"The RSA key has {key.key_size} bits; at least {MIN_RSA_BITS} are needed."
        if key.key_size > MAX_RSA_BITS:
            return f"The RSA key has {key.key_size} bits; at most {MAX_RSA_BITS} are taken."
        return ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.key_size < MIN_EC_BITS:
            return f"The curve {key.curve.name} has {key.key_size} bits; at least {MIN_EC_BITS} are needed."
        return ""
    return f"{describe(key)} is no kind of key for chargers: use ECDSA or RSA."
