"""Files of TLS: what is read, refused and read anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from pytest_django import Settings

from csms_project import processes
from csms_project.up import UpError
from ocpp_gateway.tls import SUITES, TlsError, TlsFiles, TlsKeeper, pair_up
from tests.certificates import DAY, Authority, Pair

ROOT = Authority.root()
CLIENTS = Authority.root("Chargers")
NONE_GIVEN = {
    "tls_cert": None,
    "tls_key": None,
    "tls_client_ca": None,
    "tls_crl": None,
    "tls_allow_plain": False,
}


def files(directory: Path, *pairs: Pair, **more: tuple[Path, ...]) -> TlsFiles:
    written = [pair.write(directory, f"server{number}") for number, pair in enumerate(pairs)]
    return TlsFiles(certificates=tuple(written), **more)  # type: ignore[arg-type]


def test_keeper_offers_exactly_the_suites_of_the_whitepaper_and_those_of_tls13(tmp_path: Path) -> None:
    context = TlsKeeper(files(tmp_path, ROOT.server("ecdsa"), ROOT.server("rsa"))).context
    names = [suite["name"] for suite in context.get_ciphers()]
    assert [name for name in names if not name.startswith("TLS_")] == list(SUITES)


def test_keeper_more_suites_are_a_setting(tmp_path: Path, settings: Settings) -> None:
    settings.TLS_EXTRA_CIPHERS = ["ECDHE-RSA-AES128-GCM-SHA256"]
    context = TlsKeeper(files(tmp_path, ROOT.server("rsa"))).context
    assert "ECDHE-RSA-AES128-GCM-SHA256" in [suite["name"] for suite in context.get_ciphers()]


def test_keeper_unknown_suite_is_refused(tmp_path: Path, settings: Settings) -> None:
    settings.TLS_EXTRA_CIPHERS = ["ROT13"]
    TlsKeeper(files(tmp_path, ROOT.server("rsa")))  # OpenSSL leaves out what it does not know
    settings.TLS_EXTRA_CIPHERS = ["@STRENGTH=what"]
    with pytest.raises(TlsError, match="TLS_EXTRA_CIPHERS"):
        TlsKeeper(files(tmp_path, ROOT.server("rsa")))


def test_keeper_two_certificates_of_one_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="same kind of key"):
        TlsKeeper(files(tmp_path, ROOT.server("rsa"), ROOT.server("rsa")))


def test_keeper_encrypted_key_is_refused(tmp_path: Path) -> None:
    pair = ROOT.server()
    certificate, key = pair.write(tmp_path, "server")
    key.write_bytes(
        pair.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(TlsError, match="is encrypted"):
        TlsKeeper(TlsFiles(certificates=((certificate, key),)))


def test_keeper_certificate_and_key_in_one_file(tmp_path: Path) -> None:
    pair = ROOT.server()
    (tmp_path / "both.pem").write_bytes(pair.pem + pair.key_pem)
    assert TlsKeeper(TlsFiles(certificates=pair_up([str(tmp_path / "both.pem")], []))).problem() is None


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_keeper_file_without_a_certificate_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "odd.pem").write_bytes(text)
    with pytest.raises(TlsError, match=r"odd\.pem holds no certificate"):
        TlsKeeper(files(tmp_path, ROOT.server(), client_cas=(tmp_path / "odd.pem",)))


def test_keeper_revocation_list_of_a_stranger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CLIENTS.pem)
    (tmp_path / "crl.pem").write_bytes(Authority.root("Chargers").revoke())
    with pytest.raises(TlsError, match="signed by none"):
        TlsKeeper(
            files(
                tmp_path,
                ROOT.server(),
                client_cas=(tmp_path / "ca.pem",),
                revocations=(tmp_path / "crl.pem",),
            )
        )


def test_keeper_new_files_are_stale_until_they_are_read(tmp_path: Path) -> None:
    given = files(tmp_path, ROOT.server())
    keeper = TlsKeeper(given)
    before = keeper.context
    assert not keeper.is_stale()
    ROOT.server().write(tmp_path, "server0")
    assert keeper.is_stale()
    assert keeper.reload()
    assert not keeper.is_stale()
    assert keeper.context is not before


def test_keeper_unusable_new_files_leave_the_old_ones_and_are_told(tmp_path: Path) -> None:
    keeper = TlsKeeper(files(tmp_path, ROOT.server()))
    before = keeper.context
    (tmp_path / "server0.key").unlink()
    assert not keeper.reload()
    assert (keeper.context is before, "server0.key" in (keeper.problem() or "")) == (True, True)
    ROOT.server().write(tmp_path, "server0")
    assert keeper.reload()
    assert keeper.problem() is None


@pytest.mark.parametrize(("days", "words"), [(3, "expires in 2 days"), (-1, "has expired")])
def test_keeper_tells_when_the_certificate_ends(tmp_path: Path, days: int, words: str) -> None:
    pair = ROOT.client("127.0.0.1", ends=datetime.now(UTC) + days * DAY)
    keeper = TlsKeeper(files(tmp_path, pair))
    assert words in (keeper.problem() or "")


# ---------------------------------------------------------------- the command line
def test_options_none_means_no_tls() -> None:
    assert processes.tls_of(NONE_GIVEN) is None


def test_options_come_before_the_settings(tmp_path: Path, settings: Settings) -> None:
    settings.TLS_CERT = ["/nowhere.pem"]
    with pytest.raises(UpError, match="Cannot read /nowhere"):
        processes.tls_of(NONE_GIVEN)
    certificate, key = (str(path) for path in ROOT.server().write(tmp_path, "own"))
    keeper = processes.tls_of({**NONE_GIVEN, "tls_cert": [certificate], "tls_key": [key]})
    assert keeper is not None
    assert [str(path) for path in keeper.files.paths] == [certificate, key]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tls_cert": ["missing.pem"]}, "Cannot read missing.pem"),
        ({"tls_cert": ["a.pem", "b.pem"], "tls_key": ["a.key"]}, "a key for each certificate"),
        ({"tls_client_ca": ["ca.pem"]}, "TLS needs a certificate of this server"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, list[str]], words: str) -> None:
    with pytest.raises(UpError, match=words):
        processes.tls_of({**NONE_GIVEN, **options})
