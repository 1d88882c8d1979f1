"""Certificate signing requests of chargers (PKCS#10), and what must be right about them."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from chargepoints.pki import keys, reading

#: Hashes that are fit for a signature (BSI TR-02102, whitepaper A00.FR.504 and A00.FR.506).
_GOOD_HASHES = (
    hashes.SHA256,
    hashes.SHA384,
    hashes.SHA512,
    hashes.SHA3_256,
    hashes.SHA3_384,
    hashes.SHA3_512,
)


class BadRequest(Exception):
    """The certificate request is not good; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that could be read and bears its own signature.

    digest  of its content, by which a repeat is known
    pem     as it is kept: without what may stand around it
    """

    csr: x509.CertificateSigningRequest
    common_name: str
    organization: str
    subject: str
    key: str
    family: keys.KeyFamily
    digest: str
    pem: str


def read(pem: str) -> Request:
    """A request, checked as far as it can be without knowing whose it is.

    Raises  BadRequest
    """
    try:
        csr = x509.load_pem_x509_csr(pem.strip().encode())
        key = csr.public_key()
        subject = csr.subject.rfc4514_string()
        names = csr.subject
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadRequest("This is no certificate request in PEM (PKCS#10).") from error
    if problem := keys.weakness_of(key):
        raise BadRequest(problem)
    _check_signature(csr)
    family = keys.family_of(key)
    assert family is not None
    return Request(
        csr=csr,
        common_name=reading.name_part(names, NameOID.COMMON_NAME).strip(),
        organization=reading.name_part(names, NameOID.ORGANIZATION_NAME).strip(),
        subject=subject,
        key=keys.describe(key),
        family=family,
        digest=hashlib.sha256(csr.public_bytes(serialization.Encoding.DER)).hexdigest(),
        pem=csr.public_bytes(serialization.Encoding.PEM).decode(),
    )


def _check_signature(csr: x509.CertificateSigningRequest) -> None:
    try:
        algorithm, is_valid = csr.signature_hash_algorithm, csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadRequest("The request is signed in a way that we do not know.") from error
    if not isinstance(algorithm, _GOOD_HASHES):
        name = algorithm.name.upper() if algorithm is not None else "no hash"
        raise BadRequest(f"The request is signed with {name}; SHA-256 or better is needed.")
    if not is_valid:
        raise BadRequest("The signature of the request is wrong.")


def check_owner(request: Request, *, names: Iterable[str], organization: str) -> None:
    """A request must be of this charger and this operator (whitepaper A02.FR.13, A00.FR.509, A00.FR.511).

    names  the charger's serial numbers and its identity
    Raises  BadRequest
    """
    known = [name.strip() for name in names if name.strip()]
    given = request.common_name
    if not given:
        raise BadRequest("The request names no charger: the common name (CN) is missing.")
    if _looks_like_address(given):
        raise BadRequest(f"The common name “{given[:64]}” is an address; it must be the serial number.")
    if given.casefold() not in {name.casefold() for name in known}:
        wanted = " or ".join(f"“{name}”" for name in dict.fromkeys(known))
        raise BadRequest(f"The common name is “{given[:64]}”; it must be {wanted}.")
    if request.organization.casefold() != organization.strip().casefold():
        said = f"is “{request.organization[:64]}”" if request.organization else "is missing"
        raise BadRequest(
            f"The organisation (O) {said}; it must be “{organization}”. Set the charger's key CpoName to that "
            "(OrganizationName in OCPP 2.x)."
        )


def _looks_like_address(name: str) -> bool:
    if "://" in name:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
