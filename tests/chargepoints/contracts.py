"""A mobility operator's certificates for tests of Plug & Charge, and a responder that says which are good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp as rfc6960
from cryptography.x509.oid import AuthorityInformationAccessOID

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import responders
from chargepoints.choices import CertificateKind
from chargepoints.pki import issuing, ocsp, reading
from chargepoints.pki.reading import HashData
from chargepoints.services import certificates
from tests.chargepoints.certs import ec_key, subject
from tests.factories import T0

EMAID = "DEABCC123ABC56"
URL = "http://ocsp.example.com/mo"
BUILT_IN = "chargepoints.services.builtin_contracts.BuiltinPlugAndCharge"


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return reading.to_pem(self.certificate)


def make(name: str, above: Pair | None = None, *, is_authority: bool = True, days: int = 3650) -> Pair:
    """Valid from ten days before T0."""
    key, begun_at = ec_key(), T0 - timedelta(days=10)
    own = subject(name, "Mobility")
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(above.certificate.subject if above else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun_at)
        .not_valid_after(begun_at + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(
                        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(URL)
                    )
                ]
            ),
            critical=False,
        )
    )
    return Pair(builder.sign(above.key if above else key, hashes.SHA256()), key)


@dataclass
class Mobility:
    """Root, sub-authority and the contract of one vehicle; `fates` tells what the responder says of a certificate.

    asked  the serial numbers and addresses that were asked for
    """

    root: Pair
    sub: Pair
    contract: Pair
    fates: dict[int, ocsp.Fate] = field(default_factory=dict)
    asked: list[tuple[int, str]] = field(default_factory=list)
    signer: Pair | None = None

    @classmethod
    def build(cls, *, emaid: str = EMAID, days: int = 365) -> Mobility:
        root = make("MO Root")
        sub = make("MO Sub CA", root)
        return cls(root=root, sub=sub, contract=make(emaid, sub, is_authority=False, days=days))

    @property
    def chain(self) -> str:
        return self.contract.pem + self.sub.pem

    def hashes(self, algorithm: str = "SHA256") -> list[dict[str, str]]:
        """OCSPRequestDataType of the contract and the authority above it."""
        names = (
            reading.hash_data(self.contract.certificate, self.sub.certificate, algorithm),
            reading.hash_data(self.sub.certificate, self.root.certificate, algorithm),
        )
        return [{**on_the_wire(name), "responderURL": URL} for name in names]

    def keep_root(self, tenant: Tenant) -> None:
        actor = Actor.system("test")
        certificates.add_root(actor=actor, tenant=tenant, kind=CertificateKind.MO_ROOT, pem=self.root.pem)

    def revoke(self, pair: Pair) -> None:
        when = datetime(2026, 3, 1, tzinfo=UTC)
        self.fates[pair.certificate.serial_number] = ocsp.Fate(revoked_at=when, reason="keyCompromise")

    def respond(self, url: str, request: bytes) -> bytes:
        """As the operator's responder answers."""
        asked = rfc6960.load_der_ocsp_request(request)
        self.asked.append((asked.serial_number, url))
        algorithm = asked.hash_algorithm.name.upper()
        issuer = next(
            pair
            for pair in (self.sub, self.root)
            if reading.key_hash(pair.certificate, algorithm) == asked.issuer_key_hash.hex()
        )
        name = HashData(
            algorithm=algorithm,
            issuer_name_hash=asked.issuer_name_hash.hex(),
            issuer_key_hash=asked.issuer_key_hash.hex(),
            serial_number=f"{asked.serial_number:X}",
        )
        signer = self.signer or issuer
        return ocsp.make_response(
            issuing.Issuer(certificate=signer.certificate, key=signer.key),
            name=name,
            fate=self.fates.get(asked.serial_number, ocsp.Fate()),
            at=T0,
            valid_for=timedelta(days=1),
        )

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(responders, "ask_ocsp", self.respond)


def on_the_wire(name: HashData) -> dict[str, str]:
    """CertificateHashDataType"""
    return {
        "hashAlgorithm": name.algorithm,
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
    }
