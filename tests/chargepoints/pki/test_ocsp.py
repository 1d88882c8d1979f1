"""OCSP: what an answer says, and whether it proves anything (RFC 6960)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp as rfc6960
from cryptography.x509.oid import ExtendedKeyUsageOID

from chargepoints.pki import issuing, ocsp, reading
from chargepoints.pki.reading import HashData
from tests.chargepoints.certs import ec_key, rsa_key, subject
from tests.chargepoints.contracts import Pair, make
from tests.factories import T0

ROOT = make("Root")
LEAF = make("Leaf", ROOT, is_authority=False)
DAY = timedelta(days=1)


def name(algorithm: str = "SHA256") -> HashData:
    return reading.hash_data(LEAF.certificate, ROOT.certificate, algorithm)


def issuer(pair: Pair = ROOT) -> issuing.Issuer:
    return issuing.Issuer(certificate=pair.certificate, key=pair.key)


def answer(fate: ocsp.Fate | None = None, *, about: HashData | None = None, at: datetime = T0) -> bytes:
    return ocsp.make_response(issuer(), name=about or name(), fate=fate or ocsp.Fate(), at=at, valid_for=DAY)


@pytest.mark.parametrize("algorithm", reading.ALGORITHMS)
@pytest.mark.parametrize(
    "fate",
    [ocsp.Fate(), ocsp.Fate(is_known=False), ocsp.Fate(revoked_at=T0 - DAY, reason="keyCompromise")],
)
def test_answer_is_read_as_it_was_made(algorithm: str, fate: ocsp.Fate) -> None:
    said = ocsp.read_response(answer(fate, about=name(algorithm)), name=name(algorithm), at=T0)
    assert said.fate == fate
    assert said.is_proven
    assert said.next_update == T0 + DAY


def test_question_names_the_certificate() -> None:
    asked = rfc6960.load_der_ocsp_request(ocsp.make_request(name("SHA384")))
    assert asked.serial_number == LEAF.certificate.serial_number
    assert asked.issuer_key_hash.hex() == name("SHA384").issuer_key_hash


@pytest.mark.parametrize(
    "broken",
    [
        {"issuer_name_hash": "xyz"},
        {"issuer_key_hash": ""},
        {"serial_number": "no number"},
        {"algorithm": "MD5"},
    ],
)
def test_name_that_is_none_is_refused(broken: dict[str, str]) -> None:
    whole = {
        "algorithm": "SHA256",
        "issuer_name_hash": "ab" * 32,
        "issuer_key_hash": "cd" * 32,
        "serial_number": "1F",
    }
    with pytest.raises(ocsp.BadOcsp):
        ocsp.make_request(HashData(**whole | broken))
    with pytest.raises(ocsp.BadOcsp):
        answer(about=HashData(**whole | broken))


@pytest.mark.parametrize("data", [b"", b"no DER", b"\x30\x03\x0a\x01\x00", b"\x30\x03\x0a\x01\x06"])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(ocsp.BadOcsp):
        ocsp.read_response(data, name=name(), at=T0)


def test_answer_about_another_certificate_is_refused() -> None:
    other = make("Other", ROOT, is_authority=False)
    about = reading.hash_data(other.certificate, ROOT.certificate)
    with pytest.raises(ocsp.BadOcsp, match="another certificate"):
        ocsp.read_response(answer(about=about), name=name(), at=T0)


def test_old_answer_is_refused() -> None:
    with pytest.raises(ocsp.BadOcsp, match="out of date"):
        ocsp.read_response(answer(at=T0 - 3 * DAY), name=name(), at=T0)


# ---------------------------------------------------------------- who has signed it
def responder(signer: Pair, *, usage: bool = True, days: int = 30) -> Pair:
    key = ec_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject("Responder", "Mobility"))
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(T0 - 10 * DAY)
        .not_valid_after(T0 + days * DAY)
    )
    if usage:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False
        )
    return Pair(builder.sign(signer.key, hashes.SHA256()), key)


def signed_by(signer: Pair, *carried: Pair) -> bytes:
    """An answer that another one than the issuer has signed, with these certificates in it."""
    wanted = name()
    builder = (
        rfc6960.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=bytes.fromhex(wanted.issuer_name_hash),
            issuer_key_hash=bytes.fromhex(wanted.issuer_key_hash),
            serial_number=int(wanted.serial_number, 16),
            algorithm=hashes.SHA256(),
            cert_status=rfc6960.OCSPCertStatus.GOOD,
            this_update=T0,
            next_update=T0 + DAY,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(rfc6960.OCSPResponderEncoding.HASH, signer.certificate)
    )
    if carried:
        builder = builder.certificates([pair.certificate for pair in carried])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def is_proven(data: bytes, *known: Pair) -> bool:
    issuers = [pair.certificate for pair in known]
    return ocsp.read_response(data, name=name(), issuers=issuers, at=T0).is_proven


def test_responder_that_the_issuer_has_appointed_is_believed() -> None:
    appointed = responder(ROOT)
    assert is_proven(signed_by(appointed, appointed), ROOT)
    assert is_proven(signed_by(appointed, appointed, ROOT))
    assert not is_proven(signed_by(appointed, appointed)), "nobody knows the issuer"
    assert not is_proven(signed_by(appointed), ROOT), "nobody knows the responder"


def test_responder_that_was_not_appointed_is_not_believed() -> None:
    stranger = responder(make("Somebody"))
    for impostor in (responder(ROOT, usage=False), responder(ROOT, days=-1), stranger):
        assert not is_proven(signed_by(impostor, impostor), ROOT)


def test_issuer_may_sign_without_his_certificate() -> None:
    assert is_proven(signed_by(ROOT), ROOT)
    assert not is_proven(signed_by(ROOT))


def test_issuer_with_an_rsa_key() -> None:
    root = make("RSA Root")
    key = rsa_key()
    certificate = issuing.make_root(
        key=key, name=root.certificate.subject, at=T0 - DAY, valid_for=30 * DAY, uses_pss=False
    )
    about = HashData(
        algorithm="SHA256",
        issuer_name_hash="ab" * 32,
        issuer_key_hash=reading.key_hash(certificate),
        serial_number="1F",
    )
    made = issuing.Issuer(certificate=certificate, key=key)
    data = ocsp.make_response(made, name=about, fate=ocsp.Fate(), at=T0, valid_for=DAY)
    assert ocsp.read_response(data, name=about, at=T0).is_proven
