"""Certificate requests: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

from chargepoints.pki import keys, requests
from tests.chargepoints.certs import csr_pem, ec_key, rsa_key, subject


def refused(pem: str) -> str:
    with pytest.raises(requests.BadRequest) as error:
        requests.read(pem)
    return str(error.value)


@pytest.mark.parametrize("kind", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1, ec.SECP224R1, ec.BrainpoolP256R1])
def test_request_with_a_good_curve_is_read(kind: Any) -> None:
    read = requests.read(csr_pem(ec_key(kind())))
    assert (read.common_name, read.organization, read.family) == ("CP-A", "Acme", keys.KeyFamily.EC)


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_request_with_an_rsa_key_is_read(algorithm: hashes.HashAlgorithm) -> None:
    read = requests.read(csr_pem(rsa_key(), algorithm=algorithm))
    assert (read.key, read.family) == ("RSA 2048", keys.KeyFamily.RSA)


def test_request_signed_with_rsa_pss_is_read() -> None:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject())
    made = builder.sign(rsa_key(), hashes.SHA256(), rsa_padding=pss)
    assert requests.read(made.public_bytes(serialization.Encoding.PEM).decode()).key == "RSA 2048"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "adsad",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END",
        "\0" * 50,
        "é" * 50,
    ],
)
def test_garbage_is_no_request(text: str) -> None:
    assert "no certificate request in PEM" in refused(text)


def test_private_key_is_no_request() -> None:
    assert "no certificate request in PEM" in refused(keys.to_pem(ec_key()))


def test_weak_keys_are_refused_with_their_size() -> None:
    assert refused(csr_pem(rsa_key(1024))) == "The RSA key has 1024 bits; at least 2048 are needed."
    assert "secp192r1 has 192 bits" in refused(csr_pem(ec_key(ec.SECP192R1())))


def test_huge_rsa_key_is_refused() -> None:
    huge = rsa.RSAPublicNumbers(65537, (1 << 8192) + 1).public_key()
    assert "has 8193 bits; at most 8192" in keys.weakness_of(huge)


def test_names_that_no_column_takes_are_replaced() -> None:
    read = requests.read(csr_pem(common_name="CP\0-A", organization="Ac\nme"))
    assert (read.common_name, read.organization) == ("CP\ufffd-A", "Ac\ufffdme")
    assert "\0" not in read.subject


def test_what_stands_around_a_request_is_left_out() -> None:
    good = csr_pem()
    assert requests.read(f"Key of CP-A\0\n{good}\nbye").pem == good


def test_keys_of_other_kinds_are_refused() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject())
    made = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    assert "Ed25519 is no kind of key" in refused(made.public_bytes(serialization.Encoding.PEM).decode())
    assert "DSA 2048 is no kind of key" in refused(csr_pem(dsa.generate_private_key(2048)))


def test_signature_by_another_key_is_wrong() -> None:
    good = x509.load_pem_x509_csr(csr_pem().encode())
    raw = bytearray(good.public_bytes(serialization.Encoding.DER))
    raw[-1] ^= 1
    damaged = x509.load_der_x509_csr(bytes(raw)).public_bytes(serialization.Encoding.PEM).decode()
    assert refused(damaged) == "The signature of the request is wrong."


def test_weak_hash_is_named() -> None:
    # Signed with openssl req -sha1 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /O=Acme/CN=CP-A.
    assert refused(SHA1) == "The request is signed with SHA1; SHA-256 or better is needed."


def owner_problem(names: list[str], **parts: Any) -> str:
    read = requests.read(csr_pem(**parts))
    with pytest.raises(requests.BadRequest) as error:
        requests.check_owner(read, names=names, organization="Acme")
    return str(error.value)


@pytest.mark.parametrize("name", ["CP-A", "cp-a", "SN-1", "BOX-1"])
def test_request_may_name_the_serial_number_or_the_identity(name: str) -> None:
    read = requests.read(csr_pem(common_name=name, organization="ACME"))
    requests.check_owner(read, names=["SN-1", "BOX-1", "CP-A"], organization="Acme ")


def test_request_for_another_charger_says_which_one_was_expected() -> None:
    problem = owner_problem(["SN-1", "", "CP-A"], common_name="CP-B")
    assert problem == "The common name is “CP-B”; it must be “SN-1” or “CP-A”."


def test_request_without_a_name_is_refused() -> None:
    assert "common name (CN) is missing" in owner_problem(["CP-A"], common_name=None)


@pytest.mark.parametrize("name", ["10.0.0.1", "2001:db8::1", "https://csms.example"])
def test_request_that_names_an_address_is_refused(name: str) -> None:
    assert "is an address" in owner_problem([name], common_name=name)


@pytest.mark.parametrize(("organization", "said"), [("Rival", "is “Rival”"), (None, "is missing")])
def test_request_of_another_operator_says_what_to_set(organization: str | None, said: str) -> None:
    problem = owner_problem(["CP-A"], organization=organization)
    assert problem.startswith(
        f"The organisation (O) {said}; it must be “Acme”. Set the charger's key CpoName"
    )
    assert "OrganizationName" in problem


SHA1 = """\
-----BEGIN CERTIFICATE REQUEST-----
MIHYMIGAAgEAMB4xDTALBgNVBAoMBEFjbWUxDTALBgNVBAMMBENQLUEwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAASEoEEhDUKseyvpT+dPY52sj8An99EeAkZhXV7D
TPiJa4LJATQxx9juXX+H6TzBrw13+eKUmHhwNoTRYNs9szgdoAAwCQYHKoZIzj0E
AQNIADBFAiBFvcgSVafpPJXGTtVf+pjmfkWKHCVUvDO5JpKY0PfN0AIhALJdFbg9
We76vPKAstYIIOnYaLOc6cHLqQ6cFlF/ccZ+
-----END CERTIFICATE REQUEST-----
"""
