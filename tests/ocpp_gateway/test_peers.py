"""Client certificates: what is read of them, and from whom they are believed."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization
from pytest_django import Settings

from chargepoints.client_certificates import ClientCertificate
from ocpp_gateway import peers
from ocpp_gateway.peers import Revocations
from tests.certificates import DAY, Authority, Pair

NOW = datetime.now(UTC)
CA = Authority.root("Chargers").authority("Issuer")
OWN = CA.client("CP1", "Volta Works")


class Transport:
    """A transport without TLS."""

    def get_extra_info(self, name: str) -> None: ...


def read(pair: Pair, at: datetime = NOW, **more: Any) -> ClientCertificate:
    encoding = serialization.Encoding.DER
    chain = [pair.der, *(one.public_bytes(encoding) for one in pair.chain)]
    return peers.read_chain(chain, at=at, **more)


def test_read_chain_says_who_it_is() -> None:
    found = read(OWN)
    assert (found.common_names, found.organisations, found.problem) == (("CP1",), ("Volta Works",), "")
    assert found.serial_number == f"{OWN.certificate.serial_number:X}"
    assert found.issuer.startswith("O=Test authority,CN=Issuer")
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (CA.client("CP1", ends=NOW - DAY), "its certificate expired on"),
        (CA.client("CP1", starts=NOW + DAY, ends=NOW + 2 * DAY), "its certificate is not valid before"),
        (Authority.root().authority("Old", ends=NOW - DAY).client("CP1"), "of its issuer expired"),
    ],
)
def test_read_chain_finds_wrong_times(pair: Pair, words: str) -> None:
    assert words in read(pair).problem


def test_read_chain_finds_what_was_revoked(tmp_path: Path) -> None:
    (tmp_path / "pem").write_bytes(CA.revoke(OWN))
    revocations = Revocations.read([tmp_path / "pem"], [CA.certificate])
    assert "was revoked on" in read(OWN, revocations=revocations).problem
    assert read(CA.client("CP2"), revocations=revocations).problem == ""


@pytest.mark.parametrize("chain", [[], [b""], [b"nonsense"], [OWN.der[:50]]])
def test_read_chain_unreadable_is_a_problem(chain: list[bytes]) -> None:
    assert peers.read_chain(chain, at=NOW).problem == "its certificate cannot be read"


def test_revocations_complain_of_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"odd")
    found = Revocations.read([tmp_path / "odd", tmp_path / "missing"], [CA.certificate])
    assert [text.split(" ")[-1] for text in found.complaints] == ["list.", "directory."]


# ---------------------------------------------------------------- headers
PEM = OWN.pem.split(b"-----END CERTIFICATE-----")[0] + b"-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "value",
    [
        quote(PEM.decode(), safe="").encode(),
        quote(OWN.pem.decode(), safe="").encode(),
        b'"' + quote(PEM.decode(), safe="").encode() + b'"',
        base64.b64encode(OWN.der),
        base64.b64encode(OWN.der)
        + b","
        + base64.b64encode(OWN.chain[0].public_bytes(serialization.Encoding.DER)),
    ],
    ids=["escaped", "escaped chain", "quoted", "base64", "base64 chain"],
)
def test_header_in_every_spelling_is_read(value: bytes) -> None:
    assert peers.parse_header(value) == OWN.der


@pytest.mark.parametrize(
    "value", [b"", b"nonsense", b"%%%", b"\xff\xfe", b"-----BEGIN", b"x" * 20_000, base64.b64encode(b"der")]
)
def test_header_that_holds_no_certificate_is_unreadable(value: bytes) -> None:
    assert peers.parse_header(value) is None


def from_proxy(settings: Settings, host: str = "10.1.2.3", *headers: tuple[bytes, bytes]) -> Any:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.TLS_CLIENT_CERT_HEADER = "X-Client-Cert"
    settings.TLS_CLIENT_VERIFY_HEADER = "X-Client-Verify"
    extension = peers.extension_of(Transport(), (host, 4711), headers)
    scope = {"extensions": {"tls": extension}} if extension is not None else {"extensions": {}}
    return peers.certificate_of(scope, revocations=peers.NO_REVOCATIONS)


GENUINE = (b"x-client-cert", quote(PEM.decode(), safe="").encode())
VERIFIED = (b"X-Client-Verify", b"SUCCESS")


def test_certificate_of_a_trusted_proxy_is_believed(settings: Settings) -> None:
    found = from_proxy(settings, "10.1.2.3", GENUINE, VERIFIED)
    assert (found.common_names, found.problem) == (("CP1",), "")


@pytest.mark.parametrize("host", ["192.0.2.1", "", "unix", "::1"])
def test_certificate_of_anybody_else_is_ignored(settings: Settings, host: str) -> None:
    assert from_proxy(settings, host, GENUINE, VERIFIED) is None


@pytest.mark.parametrize(
    "headers",
    [
        (GENUINE,),
        (GENUINE, (b"x-client-verify", b"FAILED:certificate has expired")),
        (GENUINE, (b"x-client-verify", b"NONE")),
        (GENUINE, VERIFIED, VERIFIED),
        (GENUINE, GENUINE, VERIFIED),
        ((b"x-client-cert", b"nonsense"), VERIFIED),
    ],
)
def test_certificate_that_the_proxy_does_not_stand_for_is_a_problem(
    settings: Settings, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert from_proxy(settings, "10.1.2.3", *headers).problem


def test_no_certificate_header_is_no_certificate(settings: Settings) -> None:
    assert from_proxy(settings, "10.1.2.3", VERIFIED) is None


def test_proxy_that_verifies_itself_needs_no_second_header(settings: Settings) -> None:
    extension = {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(OWN.der)], "client_cert_error": None}
    found = peers.certificate_of({"extensions": {"tls": extension}}, revocations=peers.NO_REVOCATIONS)
    assert found is not None
    assert found.problem == ""
    settings.TLS_CLIENT_VERIFY_HEADER = ""
    assert peers._proxy_error([GENUINE]) is None
