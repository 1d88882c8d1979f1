"""What we sign, checked by the verifier of `cryptography` and by the openssl program."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from chargepoints.pki import issuing, keys, reading
from tests.chargepoints.certs import self_signed

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
KINDS = [keys.KeyKind.EC_P256, keys.KeyKind.EC_P384, keys.KeyKind.RSA_2048]


class Hierarchy:
    """A root, an issuing authority, a charger and a server."""

    def __init__(self, kind: str, *, uses_pss: bool = True) -> None:
        name = issuing.distinguished_name(common_name="Acme Root CA 1", organization="Acme")
        self.root_key = keys.generate(kind)
        self.root = issuing.make_root(
            key=self.root_key, name=name, at=NOW, valid_for=20 * YEAR, uses_pss=uses_pss
        )
        key = keys.generate(kind)
        self.root_issuer = issuing.Issuer(certificate=self.root, key=self.root_key, uses_pss=uses_pss)
        middle = issuing.make_authority(
            self.root_issuer,
            public_key=key.public_key(),
            name=issuing.distinguished_name(common_name="Acme Issuing CA 1", organization="Acme"),
            at=NOW,
            valid_for=5 * YEAR,
            path_length=0,
        )
        self.issuer = issuing.Issuer(
            certificate=middle,
            key=key,
            uses_pss=uses_pss,
            crl_url="http://csms.example/pki/a.crl",
            certificate_url="http://csms.example/pki/a.cer",
        )
        self.charger_key = keys.generate(keys.KeyKind.EC_P256)
        self.charger = issuing.make_charger(
            self.issuer,
            public_key=self.charger_key.public_key(),
            name=issuing.distinguished_name(common_name="SN-1", organization="Acme"),
            at=NOW,
            valid_for=YEAR,
        )
        self.server = issuing.make_server(
            self.issuer,
            public_key=keys.generate(kind).public_key(),
            organization="Acme",
            hosts=["csms.example", "10.0.0.7"],
            at=NOW,
            valid_for=timedelta(days=90),
        )


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest) -> Hierarchy:
    return Hierarchy(request.param)


def client_policy(root: x509.Certificate, at: datetime) -> ClientVerifier:
    # Chargers have no alternative names (A00.FR.511), which the defaults insist on.
    ends = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    return (
        PolicyBuilder()
        .store(Store([root]))
        .time(at)
        .extension_policies(ee_policy=ends, ca_policy=ExtensionPolicy.webpki_defaults_ca())
        .build_client_verifier()
    )


def test_chain_of_a_charger_is_valid(made: Hierarchy) -> None:
    verifier = client_policy(made.root, NOW + YEAR / 2)
    verified = verifier.verify(made.charger, [made.issuer.certificate])
    assert list(verified.chain) == [made.charger, made.issuer.certificate, made.root]


def test_chain_of_a_server_is_valid_for_its_names(made: Hierarchy) -> None:
    for name in (x509.DNSName("csms.example"), x509.IPAddress(ip_address("10.0.0.7"))):
        verifier = PolicyBuilder().store(Store([made.root])).time(NOW).build_server_verifier(name)
        assert verifier.verify(made.server, [made.issuer.certificate])[-1] == made.root
    wrong = (
        PolicyBuilder()
        .store(Store([made.root]))
        .time(NOW)
        .build_server_verifier(x509.DNSName("other.example"))
    )
    with pytest.raises(VerificationError):
        wrong.verify(made.server, [made.issuer.certificate])


def test_charger_is_no_server(made: Hierarchy) -> None:
    usage = made.charger.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        made.charger.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_end_certificates_carry_what_the_whitepaper_asks_for(made: Hierarchy) -> None:
    for certificate in (made.charger, made.server):
        facts = reading.facts_of(certificate)
        assert facts.organization == "Acme"
        assert int(facts.serial_number, 16) > 0
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert not usage.value.key_cert_sign
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert points[0].full_name is not None
        assert points[0].full_name[0].value == "http://csms.example/pki/a.crl"
    assert reading.facts_of(made.server).common_name == "csms.example"


def test_nothing_outlives_what_vouches_for_it(made: Hierarchy) -> None:
    late = NOW + 5 * YEAR - timedelta(days=10)
    name = issuing.distinguished_name(common_name="SN-2", organization="Acme")
    key = keys.generate(keys.KeyKind.EC_P256).public_key()
    short = issuing.make_charger(made.issuer, public_key=key, name=name, at=late, valid_for=YEAR)
    assert short.not_valid_after_utc == made.issuer.certificate.not_valid_after_utc


def test_rsa_authorities_sign_with_pss_unless_told_otherwise() -> None:
    new, old = Hierarchy(keys.KeyKind.RSA_2048), Hierarchy(keys.KeyKind.RSA_2048, uses_pss=False)
    assert isinstance(new.charger.signature_algorithm_parameters, padding.PSS)
    assert isinstance(old.charger.signature_algorithm_parameters, padding.PKCS1v15)
    assert reading.is_issued_by(new.charger, new.issuer.certificate)
    assert reading.is_issued_by(old.charger, old.issuer.certificate)


@pytest.mark.parametrize("kind", KINDS)
def test_new_root_is_followed_by_who_knows_only_the_old_one(kind: str) -> None:
    old, new = Hierarchy(kind), Hierarchy(kind)
    vouched = issuing.make_authority(
        old.root_issuer,
        public_key=new.root.public_key(),
        name=new.root.subject,
        at=NOW,
        valid_for=10 * YEAR,
        path_length=None,
    )
    for root, chain in ((old.root, [new.issuer.certificate, vouched]), (new.root, [new.issuer.certificate])):
        verifier = client_policy(root, NOW + timedelta(days=1))
        assert verifier.verify(new.charger, chain).chain[-1] == root


def test_revocation_list_names_who_was_revoked(made: Hierarchy) -> None:
    lines = [
        issuing.Revoked(serial_number=4095, at=NOW, reason="keyCompromise"),
        issuing.Revoked(serial_number=7, at=NOW, reason="unspecified"),
    ]
    raw = issuing.make_crl(made.issuer, revoked=lines, number=3, at=NOW, valid_for=timedelta(days=7))
    crl = x509.load_der_x509_crl(raw)
    assert crl.is_signature_valid(made.issuer.certificate.public_key())  # type: ignore[arg-type]
    assert {entry.serial_number for entry in crl} == {4095, 7}
    entry = crl.get_revoked_certificate_by_serial_number(4095)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value == "keyCompromise"
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert crl.next_update_utc == NOW + timedelta(days=7)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_openssl_finds_chain_and_revocation_right(made: Hierarchy, tmp_path: Path) -> None:
    files = {
        "root.pem": reading.to_pem(made.root),
        "middle.pem": reading.to_pem(made.issuer.certificate),
        "charger.pem": reading.to_pem(made.charger),
        "server.pem": reading.to_pem(made.server),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    at = str(int((NOW + timedelta(days=1)).timestamp()))
    chain = ["-attime", at, "-CAfile", "root.pem", "-untrusted", "middle.pem"]
    verify = ["verify", "-x509_strict", *chain]
    assert _openssl(tmp_path, *verify, "-purpose", "sslclient", "charger.pem") == "charger.pem: OK"
    names = ["-purpose", "sslserver", "-verify_hostname", "csms.example"]
    assert _openssl(tmp_path, *verify, *names, "server.pem") == "server.pem: OK"

    line = issuing.Revoked(serial_number=made.charger.serial_number, at=NOW, reason="keyCompromise")
    for revoked, expected in (([], "charger.pem: OK"), ([line], "certificate revoked")):
        raw = issuing.make_crl(made.issuer, revoked=revoked, number=1, at=NOW, valid_for=timedelta(days=7))
        (tmp_path / "middle.crl").write_bytes(raw)
        _openssl(tmp_path, "crl", "-inform", "DER", "-in", "middle.crl", "-out", "crl.pem")
        found = _openssl(tmp_path, *verify, "-crl_check", "-CRLfile", "crl.pem", "charger.pem")
        assert expected in found


def _openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=20
    )
    return (done.stdout + done.stderr).strip()


def test_names_on_the_wire_are_those_of_the_whitepaper(made: Hierarchy) -> None:
    """CertificateHashDataType (§6.1): of a root it is its own issuer; of a charger the authority's key counts."""
    name = reading.hash_data(made.charger, made.issuer.certificate, "SHA256")
    assert name.issuer_name_hash == hashlib.sha256(made.charger.issuer.public_bytes()).hexdigest()
    identifier = made.issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    # RFC 5280's key identifier is SHA-1 over the same bits.
    assert hashlib.sha1(reading._key_bits(made.issuer.certificate)).digest() == identifier.value.digest
    assert name.serial_number == f"{made.charger.serial_number:X}"
    assert set(reading.all_hashes(made.root, made.root)) == {"SHA256", "SHA384", "SHA512"}


def test_names_are_compared_as_chargers_write_them() -> None:
    ours = reading.HashData(
        algorithm="SHA256", issuer_name_hash="ab", issuer_key_hash="cd", serial_number="FFF"
    )
    theirs = reading.HashData(
        algorithm="sha256", issuer_name_hash="AB", issuer_key_hash="CD", serial_number="0fff"
    )
    assert ours.key() == theirs.key()


def test_unreadable_certificate_is_told_apart() -> None:
    with pytest.raises(reading.UnreadableCertificate):
        reading.load("-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----")
    assert reading.is_self_signed(reading.load(self_signed()))


def test_keys_survive_their_text() -> None:
    for kind in KINDS:
        key = keys.generate(kind)
        again = keys.from_pem(keys.to_pem(key))
        assert reading.public_bytes(again.public_key()) == reading.public_bytes(key.public_key())
        assert keys.family_of(again.public_key()) == keys.family_of_kind(kind)
