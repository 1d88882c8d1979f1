"""The HTTP upgrade of chargers (OCPP-J 1.6 §3; OCPP 2.1 part 4 §3.1; RFC 6455 §4)."""

from __future__ import annotations

import time

import pytest

from chargepoints.choices import RefusalReason, SecurityProfile
from chargepoints.models import ChargePoint, RefusedConnection
from tests.e2e.conftest import MakeProduct, is_online, register, wait_offline
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import VERSION, Charger, RawSocket, basic, status_of, upgrade_request
from tests.factories import CHARGER_KEY, T0

pytestmark = pytest.mark.server


def upgrade(product: Product, segment: str, *headers: tuple[str, str]) -> int:
    """The HTTP status of an upgrade request for `/ocpp/<segment>`; OCPP 1.6 is offered unless said otherwise."""
    with RawSocket(product.port) as raw:
        return raw.upgrade(f"/ocpp/{segment}", headers or [VERSION])


def login(username: str, password: str | bytes = CHARGER_KEY) -> list[tuple[str, str]]:
    return [VERSION, ("Authorization", basic(username, password))]


def refusal(identity: str, reason: RefusalReason) -> RefusedConnection:
    """The row that the operator sees; it is written after the answer."""
    rows = RefusedConnection.objects.filter(identity=identity, reason=reason)
    row: RefusedConnection = wait_until(rows.first, f"{identity} is listed as {reason}")
    return row


# ---------------------------------------------------------------- identities
@pytest.mark.parametrize(
    ("segment", "identity"),
    [
        ("RDAM%20123", "RDAM 123"),
        ("RD%7C1", "RD|1"),
        ("caf%C3%A9", "café"),
        ("100%25", "100%"),
        ("plus+1", "plus+1"),
    ],
)
def test_connect_percent_encoded_identity_is_decoded_once(
    product: Product, segment: str, identity: str
) -> None:
    register(identity)
    assert upgrade(product, segment, *login(identity)) == 101
    wait_until(lambda: ChargePoint.objects.get(identity=identity).last_seen_at, "the charger was seen")


@pytest.mark.parametrize("segment", ["A%2FB", "%FF", "%00", "A%0AB", "A%3AB", "%ZZ", "%", "x" * 49, "%20"])
def test_connect_unusable_identity_is_refused(product: Product, segment: str) -> None:
    assert upgrade(product, segment) == 400


def test_connect_unusable_identity_is_listed_for_the_operator(product: Product) -> None:
    assert upgrade(product, "bad%2Fid", VERSION, ("User-Agent", "wallbox/1.0")) == 400
    row = refusal("bad%2Fid", RefusalReason.BAD_IDENTITY)
    assert (row.user_agent, row.remote_address, row.count) == ("wallbox/1.0", "127.0.0.1", 1)


def test_connect_without_an_identity_is_refused(product: Product) -> None:
    assert upgrade(product, "") == 400


def test_connect_identity_in_another_case_finds_the_charger(product: Product) -> None:
    register("MixedCase")
    assert upgrade(product, "mixedcase", *login("MIXEDCASE")) == 101


@pytest.mark.parametrize("tail", ["/", "?token=1", "/?a=b"])
def test_connect_trailing_slash_or_query_is_served(product: Product, tail: str) -> None:
    identity = f"TAIL-{len(tail)}"
    register(identity)
    assert upgrade(product, identity + tail, *login(identity)) == 101


@pytest.mark.parametrize("path", ["/", "/ocpp", "/other/CP1", "/ocpp2/CP1"])
def test_connect_outside_the_path_of_chargers_is_not_found(product: Product, path: str) -> None:
    with RawSocket(product.port) as raw:
        assert raw.upgrade(path, [VERSION]) == 404


def test_connect_deeper_path_is_refused(product: Product) -> None:
    assert upgrade(product, "CP1/CP2") == 400


# ---------------------------------------------------------------- registration
def test_connect_unknown_charger_is_not_found_and_counted(product: Product) -> None:
    assert upgrade(product, "STRANGER-1") == 404
    assert upgrade(product, "STRANGER-1") == 404
    wait_until(lambda: refusal("STRANGER-1", RefusalReason.UNKNOWN_IDENTITY).count == 2, "two refusals")
    assert not ChargePoint.objects.filter(identity="STRANGER-1").exists()


def test_connect_archived_charger_is_not_found(product: Product) -> None:
    register("ARCHIVED-1", archived_at=T0)
    assert upgrade(product, "ARCHIVED-1", *login("ARCHIVED-1")) == 404
    assert refusal("ARCHIVED-1", RefusalReason.ARCHIVED).charge_point is not None


# ---------------------------------------------------------------- versions
@pytest.mark.testcase("TC_B_58_CSMS")
@pytest.mark.parametrize("offer", ["ocpp1.5", "ocpp2.0", "mqtt", "OCPP1.6", "ocpp0.1"])
def test_connect_unknown_version_is_refused(product: Product, offer: str) -> None:
    identity = f"VERSION-{offer}"
    register(identity)
    headers = [("Sec-WebSocket-Protocol", offer), *login(identity)[1:]]
    assert upgrade(product, identity, *headers) == 400
    assert refusal(identity, RefusalReason.SUBPROTOCOL).subprotocols == offer


def test_connect_without_a_version_is_refused(product: Product) -> None:
    register("NO-VERSION")
    assert upgrade(product, "NO-VERSION", *login("NO-VERSION")[1:]) == 400
    assert refusal("NO-VERSION", RefusalReason.SUBPROTOCOL).detail == "offered: none"


@pytest.mark.parametrize("offer", ["ocpp1.6", "ocpp9, ocpp1.6", "ocpp1.6,ocpp1.5"])
def test_connect_known_version_is_echoed_alone(product: Product, offer: str) -> None:
    identity = f"ECHO-{len(offer)}"
    register(identity)
    with RawSocket(product.port) as raw:
        headers = [("Sec-WebSocket-Protocol", offer), *login(identity)[1:]]
        raw.send(upgrade_request(f"/ocpp/{identity}", headers))
        head = raw.read_head().lower()
    assert status_of(head.replace(b"http", b"HTTP")) == 101
    assert head.count(b"sec-websocket-protocol: ocpp1.6\r\n") == 1


@pytest.mark.testcase("TC_B_58_CSMS")
@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
def test_tc_b_58_known_version_is_chosen_beside_an_unknown_one(product: Product, version: str) -> None:
    """WebSocket Subprotocol validation (2.0.1 part 4 §3.1.2, errata 2025-09)"""
    identity = f"CHOSEN-{version}"
    register(identity)
    with RawSocket(product.port) as raw:
        headers = [("Sec-WebSocket-Protocol", f"ocpp0.1,{version}"), *login(identity)[1:]]
        raw.send(upgrade_request(f"/ocpp/{identity}", headers))
        head = raw.read_head().lower()
    assert status_of(head.replace(b"http", b"HTTP")) == 101
    assert head.count(f"sec-websocket-protocol: {version}\r\n".encode()) == 1


# ---------------------------------------------------------------- keys
@pytest.mark.parametrize(
    "password",
    [CHARGER_KEY, CHARGER_KEY.upper(), bytes.fromhex(CHARGER_KEY)],
    ids=["hex", "upper-case hex", "bytes"],
)
def test_connect_key_in_every_spelling_is_accepted(product: Product, password: str | bytes) -> None:
    ChargePoint.objects.filter(identity="KEY").delete()
    register("KEY")
    assert upgrade(product, "KEY", *login("KEY", password)) == 101


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, RefusalReason.NO_CREDENTIALS),
        ("Bearer abc", RefusalReason.NO_CREDENTIALS),
        ("Basic !!!", RefusalReason.NO_CREDENTIALS),
        (basic("{}", "0" * 40), RefusalReason.WRONG_KEY),
        (basic("{}", b"\xff\xfe"), RefusalReason.WRONG_KEY),
        (basic("{}", ""), RefusalReason.WRONG_KEY),
        (basic("SOMEBODY-ELSE", CHARGER_KEY), RefusalReason.WRONG_KEY),
        (basic(b"\xff", CHARGER_KEY), RefusalReason.WRONG_KEY),
    ],
)
def test_connect_without_the_right_key_is_unauthorized(
    product: Product, request: pytest.FixtureRequest, header: str | None, reason: RefusalReason
) -> None:
    identity = f"LOCKED-{abs(hash(header)) % 10**8}"
    if header == basic("{}", "0" * 40):
        header = basic(identity, "0" * 40)
    row = register(identity)
    headers = [VERSION] if header is None else [VERSION, ("Authorization", header)]
    assert upgrade(product, identity, *headers) == 401
    assert refusal(identity, reason).charge_point == row
    assert not is_online(identity)


def test_connect_unauthorized_answer_asks_for_basic(product: Product) -> None:
    register("CHALLENGE")
    with RawSocket(product.port) as raw:
        raw.send(upgrade_request("/ocpp/CHALLENGE", [VERSION]))
        assert b'www-authenticate: basic realm="ocpp"' in raw.read_head().lower()


def test_connect_without_tls_charger_of_profile_two_is_refused(product: Product) -> None:
    register("TLS-ONLY", security_profile=SecurityProfile.TLS_BASIC)
    headers = [*login("TLS-ONLY"), ("X-Forwarded-Proto", "https")]
    assert upgrade(product, "TLS-ONLY", *headers) == 403
    assert "without TLS" in refusal("TLS-ONLY", RefusalReason.SECURITY_PROFILE).detail


def test_connect_charger_without_a_key_needs_none_in_profile_zero(product: Product) -> None:
    register("OPEN", security_profile=SecurityProfile.NONE, key_hash="")
    assert upgrade(product, "OPEN") == 101


def test_connect_no_secret_reaches_the_log(product: Product) -> None:
    register("SECRET-1")
    upgrade(product, "SECRET-1", *login("SECRET-1", "f" * 40))
    upgrade(product, "SECRET-1", *login("SECRET-1"))
    wait_offline("SECRET-1")
    assert CHARGER_KEY not in product.log
    assert "f" * 40 not in product.log


# ---------------------------------------------------------------- odd requests
def test_post_to_the_path_of_chargers_is_refused(product: Product) -> None:
    with RawSocket(product.port) as raw:
        raw.send(b"POST /ocpp/CP1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}")
        assert 400 <= status_of(raw.read_head()) < 500


def test_get_without_upgrade_is_refused(product: Product) -> None:
    with RawSocket(product.port) as raw:
        raw.send(b"GET /ocpp/CP1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert 400 <= status_of(raw.read_head()) < 500


@pytest.mark.parametrize(
    ("find", "replace"),
    [
        (b"Version: 13", b"Version: 8"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        (b"Sec-WebSocket-Key", b"X-Key"),
    ],
)
def test_connect_broken_upgrade_is_refused(product: Product, find: bytes, replace: bytes) -> None:
    request = upgrade_request("/ocpp/BROKEN", [VERSION]).replace(find, replace)
    with RawSocket(product.port) as raw:
        raw.send(request)
        assert 400 <= status_of(raw.read_head()) < 500


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Long", "x" * 200_000)],
        [(f"X-Header-{number}", "x") for number in range(2_000)],
        [("X-Line", "x" * 9_000)],
    ],
    ids=["200 kB", "2,000 headers", "line of 9 kB"],
)
def test_connect_enormous_header_is_refused_within_seconds(
    product: Product, headers: list[tuple[str, str]]
) -> None:
    began = time.monotonic()
    with RawSocket(product.port) as raw:
        try:
            raw.send(upgrade_request("/ocpp/HUGE", [VERSION, *headers]))
            head = raw.read_head()
        except ConnectionError:
            head = b""
    assert status_of(head) in {0, 400, 431}
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("sent", [b"", b"GET /ocpp/SLOW HTTP/1.1\r\nHost: x\r\nX-More: "])
def test_connect_unfinished_header_is_cut(product: Product, sent: bytes) -> None:
    began = time.monotonic()
    with RawSocket(product.port) as raw:
        raw.send(sent)
        raw.read_to_end()
    assert time.monotonic() - began < 5


def test_connect_dripping_header_is_cut(product: Product) -> None:
    began = time.monotonic()
    with RawSocket(product.port) as raw:
        raw.send(b"GET /ocpp/DRIP HTTP/1.1\r\n")
        raw.tcp.settimeout(0.2)
        while time.monotonic() - began < 8:
            try:
                raw.send(b"X-Drip: 1\r\n")
                if raw.tcp.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert time.monotonic() - began < 5


# ---------------------------------------------------------------- life of a socket
def test_connect_client_gone_during_the_handshake_is_not_online(product: Product) -> None:
    register("HASTY")
    for _ in range(20):
        with RawSocket(product.port) as raw:
            raw.send(upgrade_request("/ocpp/HASTY", login("HASTY")))
    with Charger(product.url, "HASTY") as charger:
        charger.boot()
    wait_offline("HASTY")


def test_connect_silent_peer_is_found_dead_and_offline(product: Product) -> None:
    register("SILENT")
    began = time.monotonic()
    with RawSocket(product.port) as raw:
        raw.open("SILENT")
        wait_until(lambda: is_online("SILENT"), "the charger is online")
        wait_offline("SILENT")
    assert time.monotonic() - began < 6


def test_connect_cleanly_cut_charger_is_offline_at_once(product: Product) -> None:
    register("CUT")
    with RawSocket(product.port) as raw:
        raw.open("CUT")
        wait_until(lambda: is_online("CUT"), "the charger is online")
    wait_offline("CUT", timeout_s=3)


def test_connect_quiet_charger_that_answers_pings_stays_online(product: Product) -> None:
    register("QUIET")
    with Charger(product.url, "QUIET") as charger:
        with pytest.raises(TimeoutError):
            charger.receive(timeout_s=2.5)
        assert is_online("QUIET")
        charger.boot()


def test_connect_accept_then_close_is_a_setting(make_product: MakeProduct) -> None:
    product = make_product(OCPP_ACCEPT_THEN_CLOSE="1")
    register("SPEC-1")
    with RawSocket(product.port) as raw:
        assert raw.upgrade("/ocpp/SPEC-1", login("SPEC-1")[1:]) == 101
        assert raw.read_close() == 1002
