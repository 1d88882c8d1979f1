"""OCSP (RFC 6960): questions and answers about whether a certificate is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from chargepoints.pki import reading
from chargepoints.pki.issuing import Issuer
from chargepoints.pki.reading import HashData

_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


class BadOcsp(Exception):
    """This is no usable answer about the certificate."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What an issuer says of a certificate of his; revoked_at None: it was not revoked."""

    is_known: bool = True
    revoked_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer says.

    is_proven    it is signed by who has issued the certificate, or by whom he has appointed
    next_update  None: there may be a new one at any time
    """

    fate: Fate
    is_proven: bool
    this_update: datetime
    next_update: datetime | None


def make_request(name: HashData) -> bytes:
    """A question about one certificate, DER.

    Raises  BadOcsp  the name is none
    """
    try:
        return (
            ocsp.OCSPRequestBuilder()
            .add_certificate_by_hash(*_hashes(name), int(name.serial_number, 16), _algorithm(name))
            .build()
            .public_bytes(serialization.Encoding.DER)
        )
    except ValueError as error:
        raise BadOcsp("The hashes of the certificate are not well-formed.") from error


def make_response(issuer: Issuer, *, name: HashData, fate: Fate, at: datetime, valid_for: timedelta) -> bytes:
    """An answer of the issuer himself about one certificate, DER.

    Raises  BadOcsp  the name is none
    """
    status = ocsp.OCSPCertStatus.GOOD
    if not fate.is_known:
        status = ocsp.OCSPCertStatus.UNKNOWN
    elif fate.revoked_at is not None:
        status = ocsp.OCSPCertStatus.REVOKED
    try:
        name_hash, key_hash = _hashes(name)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=name_hash,
                issuer_key_hash=key_hash,
                serial_number=int(name.serial_number, 16),
                algorithm=_algorithm(name),
                cert_status=status,
                this_update=at,
                next_update=at + valid_for,
                revocation_time=fate.revoked_at if status is ocsp.OCSPCertStatus.REVOKED else None,
                revocation_reason=x509.ReasonFlags(fate.reason)
                if status is ocsp.OCSPCertStatus.REVOKED and fate.reason
                else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
            .certificates([issuer.certificate])
        )
    except ValueError as error:
        raise BadOcsp("The hashes of the certificate are not well-formed.") from error
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _algorithm(name: HashData) -> hashes.HashAlgorithm:
    found = _ALGORITHMS.get(name.key()[0])
    if found is None:
        raise BadOcsp(f"The hash algorithm “{name.algorithm[:20]}” is not known.")
    return found


def _hashes(name: HashData) -> tuple[bytes, bytes]:
    return bytes.fromhex(name.issuer_name_hash), bytes.fromhex(name.issuer_key_hash)


# ---------------------------------------------------------------- reading
def read_response(
    data: bytes, *, name: HashData, issuers: Sequence[x509.Certificate] = (), at: datetime
) -> Said:
    """What an answer says about one certificate.

    The issuer's certificate may come along with the answer: its key must have the hash that was asked for.

    issuers  certificates that are known, among them perhaps the issuer's
    Raises   BadOcsp  it is no answer, about another certificate, or out of date
    """
    try:
        answer = ocsp.load_der_ocsp_response(data)
    except ValueError as error:
        raise BadOcsp("The responder has answered with something that is no OCSP response.") from error
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise BadOcsp(f"The responder answers “{answer.response_status.name.lower()}”.")
    try:
        single = _single(answer, name)
        if single.next_update_utc is not None and single.next_update_utc < at:
            raise BadOcsp("The answer of the responder is out of date.")
        return Said(
            fate=_fate(single),
            is_proven=_is_proven(answer, name, issuers, at),
            this_update=single.this_update_utc,
            next_update=single.next_update_utc,
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadOcsp("The responder's answer cannot be read.") from error


def _single(answer: ocsp.OCSPResponse, name: HashData) -> ocsp.OCSPSingleResponse:
    wanted = name.key()
    for single in answer.responses:
        found = HashData(
            algorithm=single.hash_algorithm.name,
            issuer_name_hash=single.issuer_name_hash.hex(),
            issuer_key_hash=single.issuer_key_hash.hex(),
            serial_number=f"{single.serial_number:X}",
        )
        if found.key() == wanted:
            return single
    raise BadOcsp("The responder has answered about another certificate.")


def _fate(single: ocsp.OCSPSingleResponse) -> Fate:
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        reason = single.revocation_reason
        return Fate(revoked_at=single.revocation_time_utc, reason=reason.value if reason else "")
    return Fate(is_known=single.certificate_status is ocsp.OCSPCertStatus.GOOD)


def _is_proven(
    answer: ocsp.OCSPResponse, name: HashData, issuers: Sequence[x509.Certificate], at: datetime
) -> bool:
    """RFC 6960 §4.2.2.2: signed by the issuer, or by a responder whom the issuer has certified for that."""
    issuer = next((one for one in (*issuers, *answer.certificates) if _has_key(one, name)), None)
    if issuer is None:
        return False
    if _has_signed(issuer, answer):
        return True
    return any(
        _is_appointed(one, at) and reading.is_issued_by(one, issuer) and _has_signed(one, answer)
        for one in answer.certificates
    )


def _has_key(certificate: x509.Certificate, name: HashData) -> bool:
    algorithm, _, key_hash, _ = name.key()
    return algorithm in _ALGORITHMS and reading.key_hash(certificate, algorithm) == key_hash


def _is_appointed(certificate: x509.Certificate, at: datetime) -> bool:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return False
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _has_signed(signer: x509.Certificate, answer: ocsp.OCSPResponse) -> bool:
    key, digest = signer.public_key(), answer.signature_hash_algorithm
    if digest is None or isinstance(digest, hashes.SHA1 | hashes.MD5):
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, _rsa_padding(answer, digest), digest)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _rsa_padding(answer: ocsp.OCSPResponse, digest: hashes.HashAlgorithm) -> padding.PKCS1v15 | padding.PSS:
    if answer.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS:
        return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.DIGEST_LENGTH)
    return padding.PKCS1v15()
