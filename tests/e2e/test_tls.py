"""Security profiles 1 to 3 with real TLS handshakes (OCPP 1.6 security whitepaper A00)."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pytest_django.plugin import DjangoDbBlocker
from websockets.exceptions import InvalidStatus

from chargepoints.choices import RefusalReason, SecurityProfile
from chargepoints.models import Connection, RefusedConnection, SecurityEvent
from csms_project.common.models import Event
from tests.certificates import DAY, Authority, Pair
from tests.e2e.conftest import MakeProduct, register, wait_offline
from tests.e2e.product import Database, Product, wait_until
from tests.e2e.sockets import VERSION, Charger, basic, status_of, upgrade_request
from tests.factories import CHARGER_KEY

pytestmark = pytest.mark.server

ROOT = Authority.root()
CA = Authority.root("Charger root").authority("Charger issuer")
STRANGER = Authority.root("Somebody else")
NOW = datetime.now(UTC)

REQUIRED_SUITES = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
]
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl program")


REVOKED = CA.client("REVOKED")


def write_files(directory: Path) -> Path:
    """The files of a server with an ECDSA and an RSA certificate."""
    ROOT.server("ecdsa").write(directory, "ecdsa")
    ROOT.server("rsa").write(directory, "rsa")
    (directory / "clients.pem").write_bytes(CA.pem)
    (directory / "crl.pem").write_bytes(CA.revoke(REVOKED))
    return directory


#: Longer than in other tests: a TLS handshake on a busy machine is to be done within it.
PATIENT = {"OCPP_HANDSHAKE_TIMEOUT_S": "3"}


def command(directory: Path) -> tuple[str, ...]:
    """Starts a server with TLS for profiles 2 and 3 on one port."""
    options = [
        option
        for kind in ("ecdsa", "rsa")
        for option in ("--tls-cert", f"{directory}/{kind}.pem", "--tls-key", f"{directory}/{kind}.key")
    ]
    clients = ("--tls-client-ca", f"{directory}/clients.pem", "--tls-crl", f"{directory}/crl.pem")
    return ("manage.py", "up", "--port", "{port}", *options, *clients)


@pytest.fixture(scope="module")
def tls_product(template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The server of all tests here that need no special one; at its end no error may be in its log."""
    directory = write_files(tmp_path_factory.mktemp("tls"))
    database = Database(directory).create(template)
    product = Product(
        database=database, directory=directory, command=command(directory), extra=PATIENT
    ).start()
    yield product
    product.stop()
    database.drop()
    assert [line for line in product.log.splitlines() if "Traceback" in line] == []


@pytest.fixture
def product(tls_product: Product, django_db_blocker: DjangoDbBlocker) -> Iterator[Product]:
    with django_db_blocker.unblock(), tls_product.database.as_default():
        yield tls_product


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def trust(own: Pair | None = None, *, ciphers: str = "", version: ssl.TLSVersion | None = None) -> Any:
    """What a charger trusts, and the certificate that it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ROOT.pem.decode())
    if ciphers:
        context.set_ciphers(ciphers)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if version is not None:
        context.maximum_version = context.minimum_version = version
    if own is not None:
        _show(context, own)
    return context


def _show(context: ssl.SSLContext, own: Pair) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*own.write(Path(folder), "own"))


@contextmanager
def tls_socket(product: Product, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp,
        context.wrap_socket(tcp, server_hostname="127.0.0.1") as secured,
    ):
        yield secured


def upgrade(
    product: Product, identity: str, context: ssl.SSLContext, *, password: str | None = None, **more: str
) -> int:
    """The HTTP status of an upgrade over TLS; 0: the connection ended without one."""
    headers = [VERSION, *more.items()]
    if password is not None:
        headers.append(("Authorization", basic(identity, password)))
    try:
        with tls_socket(product, context) as secured:
            secured.sendall(upgrade_request(f"/ocpp/{identity}", headers))
            return status_of(secured.recv(4096))
    except (ssl.SSLError, ConnectionError):
        return 0


def refusal(identity: str, reason: RefusalReason, words: str = "") -> RefusedConnection:
    """The row that the operator sees; it is written after the answer."""
    rows = RefusedConnection.objects.filter(identity=identity, reason=reason, detail__contains=words)
    row: RefusedConnection = wait_until(rows.first, f"{identity} is listed as {reason}: {words}")
    return row


def wss(product: Product) -> str:
    return product.url.replace("ws://", "wss://")


# ---------------------------------------------------------------- profiles 2 and 3 on one port
def test_chargers_with_key_and_with_certificate_are_served_on_one_port(product: Product) -> None:
    register("TLS-KEY", security_profile=SecurityProfile.TLS_BASIC)
    register("TLS-CERT", security_profile=SecurityProfile.TLS_CERTIFICATE, key_hash="")
    by_certificate = trust(CA.client("TLS-CERT"))
    with (
        Charger(wss(product), "TLS-KEY", ssl=trust()) as with_key,
        Charger(wss(product), "TLS-CERT", ssl=by_certificate) as with_certificate,
    ):
        assert with_key.boot()["status"] == with_certificate.boot()["status"] == "Accepted"
        profiles = dict(Connection.objects.values_list("charge_point__identity", "security_profile"))
        assert profiles == {"TLS-KEY": 2, "TLS-CERT": 3}
    wait_offline("TLS-CERT")


def test_certificate_may_carry_the_serial_number_and_come_from_an_rsa_key(product: Product) -> None:
    register("TLS-SN", security_profile=SecurityProfile.TLS_CERTIFICATE, serial_number="SN-0815")
    assert upgrade(product, "TLS-SN", trust(CA.client("sn-0815", kind="rsa"))) == 101


def test_session_that_is_resumed_is_judged_like_a_new_one(product: Product) -> None:
    own = CA.client("RESUMED")
    register("RESUMED", security_profile=SecurityProfile.TLS_CERTIFICATE)
    context = trust(own, version=ssl.TLSVersion.TLSv1_2)
    with tls_socket(product, context) as first:
        first.sendall(upgrade_request("/ocpp/RESUMED", [VERSION]))
        assert status_of(first.recv(4096)) == 101
        session = first.session
    register("OTHER", security_profile=SecurityProfile.TLS_CERTIFICATE)
    with (
        socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp,
        context.wrap_socket(tcp, server_hostname="127.0.0.1", session=session) as again,
    ):
        assert again.session_reused
        again.sendall(upgrade_request("/ocpp/OTHER", [VERSION]))
        assert status_of(again.recv(4096)) == 403
    refusal("OTHER", RefusalReason.CERTIFICATE, "RESUMED")


# ---------------------------------------------------------------- what is refused with a name
@pytest.mark.parametrize(
    ("identity", "pair", "words"),
    [
        ("BAD-NAME", lambda: CA.client("SOMEBODY-ELSE"), "is that of “SOMEBODY-ELSE”"),
        ("BAD-O", lambda: CA.client("BAD-O", "Other"), "belongs to “Other”, not to “Default”"),
        ("NO-O", lambda: CA.client("NO-O", None), "belongs to nobody"),
        ("EXPIRED", lambda: CA.client("EXPIRED", starts=NOW - 3 * DAY, ends=NOW - DAY), "expired on"),
        ("EARLY", lambda: CA.client("EARLY", starts=NOW + DAY, ends=NOW + 3 * DAY), "is not valid before"),
        ("REVOKED", lambda: REVOKED, "was revoked on"),
    ],
)
def test_wrong_certificate_is_refused_and_listed_under_the_charger(
    product: Product, identity: str, pair: Any, words: str
) -> None:
    row = register(identity, security_profile=SecurityProfile.TLS_CERTIFICATE)
    assert upgrade(product, identity, trust(pair())) == 403
    assert refusal(identity, RefusalReason.CERTIFICATE, words).charge_point == row
    event = SecurityEvent.objects.get(charge_point=row)
    assert (event.type, words in event.tech_info) == ("FailedToAuthenticationAtCentralSystem", True)
    assert Event.objects.filter(kind="charge_point.security_event", charge_point=identity).count() == 1


def test_certificate_of_an_issuer_that_has_expired_is_refused(
    make_product: MakeProduct, directory: Path
) -> None:
    root = Authority.root("Old root")
    issuer = root.authority("Old issuer", ends=NOW - DAY)
    (directory / "clients.pem").write_bytes(root.pem)
    ends = ["--tls-client-ca", str(directory / "clients.pem")]
    own = ["--tls-cert", str(directory / "rsa.pem"), "--tls-key", str(directory / "rsa.key")]
    product = make_product("manage.py", "up", "--port", "{port}", *own, *ends, **PATIENT)
    register("OLD-ISSUER", security_profile=SecurityProfile.TLS_CERTIFICATE)
    assert upgrade(product, "OLD-ISSUER", trust(issuer.client("OLD-ISSUER"))) == 403
    refusal("OLD-ISSUER", RefusalReason.CERTIFICATE, "of its issuer expired on")


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (lambda: STRANGER.client("STRANGE"), "unable to get"),
        (lambda: CA.client("STRANGE", usage=ExtendedKeyUsageOID.SERVER_AUTH), "purpose"),
    ],
    ids=["unknown authority", "certificate of a server"],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificate_that_proves_nothing_ends_the_handshake_with_an_alert(
    product: Product, pair: Any, words: str, version: ssl.TLSVersion
) -> None:
    with (
        pytest.raises(ssl.SSLError, match=r"(?i)alert|unknown.ca|unsupported"),
        tls_socket(product, trust(pair(), version=version)) as secured,
    ):
        secured.recv(1)
    assert refusal("TLS: 127.0.0.1", RefusalReason.CERTIFICATE, words).remote_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("profile", "password", "status", "reason"),
    [
        (SecurityProfile.TLS_CERTIFICATE, CHARGER_KEY, 403, RefusalReason.SECURITY_PROFILE),
        (SecurityProfile.TLS_BASIC, None, 401, RefusalReason.NO_CREDENTIALS),
        (SecurityProfile.TLS_BASIC, "f" * 40, 401, RefusalReason.WRONG_KEY),
        (SecurityProfile.BASIC, CHARGER_KEY, 403, RefusalReason.SECURITY_PROFILE),
    ],
)
def test_charger_with_another_profile_than_its_own_is_refused(
    product: Product, profile: SecurityProfile, password: str | None, status: int, reason: RefusalReason
) -> None:
    identity = f"OTHER-{profile}-{status}-{reason}"
    register(identity, security_profile=profile)
    assert upgrade(product, identity, trust(), password=password) == status
    refusal(identity, reason)


# ---------------------------------------------------------------- without TLS
def test_connection_without_tls_is_told_so(product: Product) -> None:
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp:
        tcp.sendall(upgrade_request("/ocpp/PLAIN", [VERSION]))
        answer = tcp.recv(4096)
    assert (status_of(answer), b"wss://" in answer) == (400, True)


def test_plain_connections_and_higher_profiles_are_settings(
    make_product: MakeProduct, directory: Path
) -> None:
    options = (*command(directory), "--tls-allow-plain")
    product = make_product(*options, OCPP_ACCEPT_HIGHER_PROFILE="1", **PATIENT)
    register("PLAIN-1")
    register("PLAIN-2", security_profile=SecurityProfile.TLS_BASIC)
    with Charger(product.url, "PLAIN-1") as charger:
        assert charger.boot()["status"] == "Accepted"
    with pytest.raises(InvalidStatus, match="403"):
        Charger(product.url, "PLAIN-2")
    for identity in ("PLAIN-1", "PLAIN-2"):
        with Charger(wss(product), identity, ssl=trust()) as charger:
            assert charger.boot()["status"] == "Accepted"


# ---------------------------------------------------------------- suites and versions
@pytest.mark.parametrize("suite", REQUIRED_SUITES)
def test_required_suite_is_offered(product: Product, suite: str) -> None:
    with tls_socket(product, trust(ciphers=suite)) as secured:
        name, version, _ = secured.cipher() or ("", "", 0)
    assert (name, version, secured.compression()) == (suite, "TLSv1.2", None)


@pytest.mark.parametrize("attempt", range(5))
def test_request_that_comes_with_the_end_of_the_handshake_is_served(product: Product, attempt: int) -> None:
    """In TLS 1.3 a client may send data right behind its last handshake message, in the same packet."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = trust(version=ssl.TLSVersion.TLSv1_3)
    client = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                tcp.sendall(outgoing.read())
                incoming.write(tcp.recv(65536))
        client.write(upgrade_request(f"/ocpp/NOBODY-{attempt}", [VERSION]))
        tcp.sendall(outgoing.read())
        answer = b""
        while not answer:
            with suppress(ssl.SSLWantReadError):
                answer = client.read(4096)
                break
            received = tcp.recv(65536)
            assert received, "the server has closed the connection"
            incoming.write(received)
    assert status_of(answer) == 404


def test_tls13_is_offered(product: Product) -> None:
    with tls_socket(product, trust(version=ssl.TLSVersion.TLSv1_3)) as secured:
        assert secured.version() == "TLSv1.3"


@pytest.mark.parametrize(
    "suite", ["AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "AES256-SHA256"]
)
def test_other_suite_is_refused_and_listed(product: Product, suite: str) -> None:
    with pytest.raises(ssl.SSLError), tls_socket(product, trust(ciphers=suite)):
        pass
    refusal("TLS: 127.0.0.1", RefusalReason.TLS, "no cipher suite in common")


@needs_openssl
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_tls_is_refused_and_listed(product: Product, version: str) -> None:
    output = s_client(product, version, "-cipher", "DEFAULT:@SECLEVEL=0")
    assert "Cipher is (NONE)" in output
    refusal("TLS: 127.0.0.1", RefusalReason.TLS, "TLS 1.2 or higher is needed")


@needs_openssl
@pytest.mark.parametrize(
    ("suite", "kind"), [("AES128-GCM-SHA256", "RSA"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "EC")]
)
def test_both_kinds_of_certificate_are_shown_to_who_asks(product: Product, suite: str, kind: str) -> None:
    output = s_client(product, "-tls1_2", "-cipher", suite, "-showcerts")
    shown = x509.load_pem_x509_certificate(output[output.index("-----BEGIN") :].encode())
    assert type(shown.public_key()).__name__.startswith(kind)
    assert "Compression: NONE" in output


@needs_openssl
def test_renegotiation_is_refused(product: Product) -> None:
    # A line with R asks for it.
    output = s_client(product, "-tls1_2", "-cipher", "AES128-GCM-SHA256", send="R\n")
    assert "no renegotiation" in output.lower()


def s_client(product: Product, *options: str, send: str = "") -> str:
    found = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{product.port}", *options],
        input=send,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return found.stdout + found.stderr


def test_weak_client_key_ends_the_handshake(product: Product) -> None:
    weak = CA.client("WEAK", kind="rsa", bits=1024)
    context = trust(ciphers="ALL:@SECLEVEL=0")
    _show(context, weak)
    with pytest.raises(ssl.SSLError), tls_socket(product, context) as secured:
        secured.recv(1)


# ---------------------------------------------------------------- time limits
@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00"], ids=["nothing", "the head of a hello"])
def test_unfinished_handshake_is_cut(product: Product, sent: bytes) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp, suppress(ConnectionError):
        tcp.sendall(sent)
        assert tcp.recv(1) == b""
    assert time.monotonic() - began < 10


def test_header_that_does_not_follow_the_handshake_is_cut(product: Product) -> None:
    began = time.monotonic()
    with tls_socket(product, trust()) as secured, suppress(ConnectionError, ssl.SSLError):
        assert secured.recv(1) == b""
    assert time.monotonic() - began < 10


def test_hello_in_many_pieces_is_understood(product: Product) -> None:
    register("PIECES", security_profile=SecurityProfile.TLS_BASIC)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    tcp.sendall(bytes([byte]))
                incoming.write(tcp.recv(65536))
        assert client.version() == "TLSv1.3"


# ---------------------------------------------------------------- new files
def test_new_files_take_effect_without_dropping_a_socket(make_product: MakeProduct, directory: Path) -> None:
    product = make_product(*command(directory), **PATIENT)
    register("STAYS", security_profile=SecurityProfile.TLS_BASIC)
    own = CA.client("LATE")
    register("LATE", security_profile=SecurityProfile.TLS_CERTIFICATE)
    with Charger(wss(product), "STAYS", ssl=trust()) as charger:
        charger.boot()
        assert upgrade(product, "LATE", trust(own)) == 101
        renewed = ROOT.server("ecdsa")
        renewed.write(directory, "ecdsa")
        (directory / "crl.pem").write_bytes(CA.revoke(own))
        product.process.send_signal(signal.SIGHUP)
        wait_until(lambda: shown_certificate(product) == renewed.der, "the new certificate is shown")
        assert upgrade(product, "LATE", trust(own)) == 403
        # A key without its certificate: what was read before stays.
        (directory / "ecdsa.key").write_bytes(ROOT.server("ecdsa").key_pem)
        wait_until(lambda: "tls.reload_failed" in product.log, "the failure is logged")
        assert shown_certificate(product) == renewed.der
        # Found by itself.
        again = ROOT.server("ecdsa")
        again.write(directory, "ecdsa")
        wait_until(lambda: shown_certificate(product) == again.der, "the certificate is found")
        assert charger.call("Heartbeat", {})


def shown_certificate(product: Product) -> bytes:
    with tls_socket(product, trust(ciphers=REQUIRED_SUITES[0])) as secured:
        return secured.getpeercert(binary_form=True) or b""


# ---------------------------------------------------------------- start
def test_gateway_process_serves_chargers_with_tls(make_product: MakeProduct, directory: Path) -> None:
    options = command(directory)
    product = make_product("manage.py", "gateway", *options[2:], **PATIENT)
    register("ALONE", security_profile=SecurityProfile.TLS_CERTIFICATE)
    with Charger(wss(product), "ALONE", ssl=trust(CA.client("ALONE"))) as charger:
        assert charger.boot()["status"] == "Accepted"


def test_start_with_unusable_files_says_what_is_wrong(make_product: MakeProduct, directory: Path) -> None:
    given = ["--tls-cert", f"{directory}/ecdsa.pem", "--tls-key", f"{directory}/rsa.key"]
    with pytest.raises(AssertionError, match="the key belongs to another certificate"):
        make_product("manage.py", "gateway", "--port", "{port}", *given)


# ---------------------------------------------------------------- behind a proxy
PROXY = PATIENT | {
    "TRUSTED_PROXIES": "127.0.0.1",
    "TLS_CLIENT_CERT_HEADER": "X-Client-Cert",
    "TLS_CLIENT_VERIFY_HEADER": "X-Client-Verify",
}


def through_proxy(product: Product, identity: str, **headers: str) -> int:
    lines = [VERSION, *((name.replace("_", "-"), value) for name, value in headers.items())]
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as tcp:
        tcp.sendall(upgrade_request(f"/ocpp/{identity}", lines))
        return status_of(tcp.recv(4096))


def escaped(pair: Pair) -> str:
    return quote(pair.pem.decode(), safe="")


def test_trusted_proxy_says_who_the_charger_is(make_product: MakeProduct) -> None:
    product = make_product(**PROXY)
    for identity in ("PROXY-3", "PROXY-2", "PROXY-1"):
        register(identity, security_profile=int(identity[-1]))
    genuine = {
        "X_Forwarded_Proto": "https",
        "X_Client_Cert": escaped(CA.client("PROXY-3")),
        "X_Client_Verify": "SUCCESS",
    }
    key = {"Authorization": basic("PROXY-2", CHARGER_KEY)}
    assert through_proxy(product, "PROXY-3", **genuine) == 101
    assert through_proxy(product, "PROXY-2", X_Forwarded_Proto="https", **key) == 101
    assert through_proxy(product, "PROXY-2", X_Forwarded_Proto="http", **key) == 403
    for change in (
        {"X_Forwarded_Proto": "http"},
        {"X_Client_Verify": "NONE"},
        {"X_Client_Verify": "FAILED:certificate has expired"},
        {"X_Client_Verify": ""},
        {"X_Client_Cert": "nonsense"},
        {"X_Client_Cert": ""},
        {"X_Client_Cert": escaped(CA.client("PROXY-2"))},
    ):
        assert through_proxy(product, "PROXY-3", **{**genuine, **change}) == 403, change


def test_forged_proxy_headers_of_a_stranger_mean_nothing(make_product: MakeProduct, directory: Path) -> None:
    settings = PROXY | {"TRUSTED_PROXIES": "192.0.2.1"}
    product = make_product(*command(directory), "--tls-allow-plain", **settings)
    register("FORGED-3", security_profile=SecurityProfile.TLS_CERTIFICATE)
    register("FORGED-2", security_profile=SecurityProfile.TLS_BASIC)
    forged = {
        "X_Forwarded_Proto": "https",
        "X_Client_Cert": escaped(CA.client("FORGED-3")),
        "X_Client_Verify": "SUCCESS",
    }
    assert through_proxy(product, "FORGED-3", **forged) == 403
    refusal("FORGED-3", RefusalReason.SECURITY_PROFILE, "without TLS")
    key = {"Authorization": basic("FORGED-2", CHARGER_KEY)}
    assert through_proxy(product, "FORGED-2", **forged, **key) == 403
    # Over real TLS, too.
    over_tls = {name.replace("_", "-"): value for name, value in forged.items()}
    assert upgrade(product, "FORGED-3", trust(), **over_tls) == 403
    refusal("FORGED-3", RefusalReason.SECURITY_PROFILE, "without a client certificate")
