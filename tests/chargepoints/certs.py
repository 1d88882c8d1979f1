"""Keys, requests and providers for tests about certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from accounts.permissions import Actor
from chargepoints.certificate_providers import (
    CertificateProvider,
    Order,
    ProviderError,
    Signed,
    SigningRefused,
)
from chargepoints.models import CertificateAuthority
from chargepoints.pki import keys
from chargepoints.services import authorities

ADMIN = Actor.system("tests")
_made: dict[str, rsa.RSAPrivateKey] = {}


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Making one takes a while: one of each size serves all tests of a process."""
    if str(bits) not in _made:
        _made[str(bits)] = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return _made[str(bits)]


def subject(common_name: str | None = "CP-A", organization: str | None = "Acme") -> x509.Name:
    parts = []
    if organization is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    if common_name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)


def csr_pem(
    key: Any = None,
    *,
    common_name: str | None = "CP-A",
    organization: str | None = "Acme",
    algorithm: Any = None,
) -> str:
    """A request as a charger sends it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(common_name, organization))
    signed = builder.sign(key or ec_key(), algorithm or hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def make_authority(kind: str = keys.KeyKind.EC_P256, name: str = "Acme Group") -> CertificateAuthority:
    """A root and an issuing authority; returns the issuing one."""
    return authorities.create(actor=ADMIN, name=name, key_kind=kind)


def self_signed(name: str = "Maker Root", key: Any = None) -> str:
    """A root of somebody else, in PEM."""
    key = key or ec_key()
    own, now = subject(name, "Maker"), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


class OutsideProvider(CertificateProvider):
    """An authority elsewhere, that does what a test tells it to.

    down    it cannot be reached
    refuses it will not sign
    answer  what it answers instead of a certificate
    crashes it raises what no provider should
    """

    name = "outside"
    down = False
    refuses = ""
    answer: Signed | None = None
    crashes = False
    problem_text = ""
    orders: list[Order] = []
    revoked: list[str] = []

    def problem(self) -> str:
        return type(self).problem_text

    def sign(self, order: Order) -> Signed:
        kind = type(self)
        kind.orders.append(order)
        if kind.down:
            raise ProviderError("The authority does not answer.")
        if kind.refuses:
            raise SigningRefused(kind.refuses)
        if kind.crashes:
            raise RuntimeError("bug")
        if kind.answer is not None:
            return kind.answer
        return sign_outside(order)

    def revoke(self, certificate: str, reason: str) -> bool:
        if type(self).down:
            raise ProviderError("The authority does not answer.")
        type(self).revoked.append(reason)
        return True

    def trusted_pem(self) -> str:
        return _outside_root()[0]


_outside: list[Any] = []


def _outside_root() -> tuple[str, Any]:
    if not _outside:
        key = ec_key()
        _outside.extend([self_signed("Outside Root", key), key])
    return _outside[0], _outside[1]


def sign_outside(order: Order, *, key: Any = None) -> Signed:
    """What the outside authority makes of an order; another key than the charger's where one is given."""
    root_pem, root_key = _outside_root()
    root, csr = x509.load_pem_x509_certificate(root_pem.encode()), x509.load_pem_x509_csr(order.csr.encode())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(root.subject)
        .public_key(key.public_key() if key is not None else csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=order.valid_days))
        .sign(root_key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    return Signed(certificate=pem, chain=root_pem, issuer=root_pem)
