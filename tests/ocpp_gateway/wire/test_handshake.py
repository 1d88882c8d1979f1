import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.wire.handshake import (
    BadIdentity,
    Basic,
    choose_subprotocol,
    parse_basic,
    parse_identity,
)


@pytest.mark.parametrize(
    ("raw", "identity"),
    [
        (b"CP-001", "CP-001"),
        (b"RDAM%20123", "RDAM 123"),
        (b"RD%7C1", "RD|1"),
        (b"RD%7c1", "RD|1"),
        (b"a+b", "a+b"),
        (b"100%25", "100%"),
        (b"a%2541", "a%41"),  # decoded once
        ("Säule".encode(), "Säule"),
        (b"S%C3%A4ule", "Säule"),
        (b"x" * 48, "x" * 48),
        (b"%F0%9F%94%8C" * 48, "\U0001f50c" * 48),
        ("ΐ".encode() * 16, "ΐ" * 16),
        ("ß".encode() * 24, "ß" * 24),
    ],
)
def test_parse_identity_decodes_once(raw: bytes, identity: str) -> None:
    assert parse_identity(raw) == identity


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"%20%20", "empty"),
        (b"x" * 49, "too long"),
        (b"%41" * 10_000, "too long"),
        ("ΐ".encode() * 17, "too long"),  # three characters each where case does not count
        ("ß".encode() * 25, "too long"),
        (b"a:b", "':'"),
        (b"a%3Ab", "':'"),
        (b"a/b", "'/'"),
        (b"a%2Fb", "'/'"),
        (b"a%00b", "control"),
        (b"a%0Ab", "control"),
        (b"a%7Fb", "control"),
        (b"a%C2%85b", "control"),
        (b"a%E2%80%8Bb", "control"),
        (b"a%E2%80%AEb", "control"),
        (b"%ff", "UTF-8"),
        (b"\xe4", "UTF-8"),
        (b"%C0%AF", "UTF-8"),
        (b"%ED%A0%80", "UTF-8"),
        (b"100%", "percent"),
        (b"a%4", "percent"),
        (b"a%zz", "percent"),
    ],
)
def test_parse_identity_bad_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(BadIdentity, match=reason):
        parse_identity(raw)


@given(st.binary(max_size=80))
def test_parse_identity_any_bytes_is_read_or_refused(raw: bytes) -> None:
    try:
        identity = parse_identity(raw)
    except BadIdentity:
        return
    assert 1 <= len(identity) <= 48
    assert not set(identity) & set(":/\x00\n")


@pytest.mark.parametrize(
    ("offered", "supported", "chosen"),
    [
        (["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp2.0.1"], "ocpp2.0.1"),
        (["ocpp2.1", "ocpp1.6"], ["ocpp1.6"], "ocpp1.6"),
        (["ocpp1.5"], ["ocpp1.6"], None),
        (["OCPP1.6"], ["ocpp1.6"], None),
        ([], ["ocpp1.6"], None),
    ],
)
def test_choose_subprotocol_takes_the_first_of_the_client(
    offered: list[str], supported: list[str], chosen: str | None
) -> None:
    assert choose_subprotocol(offered, supported) == chosen


def basic(credentials: bytes) -> bytes:
    return b"Basic " + base64.b64encode(credentials)


def test_parse_basic_splits_at_the_first_colon() -> None:
    assert parse_basic(basic(b"CP-1:a:b:")) == Basic(b"CP-1", b"a:b:")


def test_parse_basic_keeps_raw_bytes() -> None:
    assert parse_basic(basic(b"CP-1:\x00\xff\x3a\xfe")) == Basic(b"CP-1", b"\x00\xff:\xfe")


@pytest.mark.parametrize("form", [b"basic  %s ", b"BASIC %s", b"  Basic %s"])
def test_parse_basic_reads_loose_forms(form: bytes) -> None:
    assert parse_basic(form % base64.b64encode(b"u:p")) == Basic(b"u", b"p")


def test_parse_basic_without_padding_is_read() -> None:
    assert parse_basic(b"Basic " + base64.b64encode(b"user:pass").rstrip(b"=")) == Basic(b"user", b"pass")


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Basic",
        b"Basic ",
        b"Bearer abc",
        b"Basic !!!!",
        b"Basic dTpw dTpw",
        b"Basic \xff",
        b"Basic YQ",
    ],
)
def test_parse_basic_unreadable_is_none(header: bytes | None) -> None:
    assert parse_basic(header) is None


def test_parse_basic_without_colon_is_none() -> None:
    assert parse_basic(basic(b"user")) is None


def test_parse_basic_too_long_is_none() -> None:
    assert parse_basic(basic(b"u:" + b"x" * 2000)) is None


@given(st.binary())
def test_parse_basic_any_header_does_not_raise(header: bytes) -> None:
    parse_basic(header)
    parse_basic(b"Basic " + header)


def test_basic_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Basic(b"CP-1", b"hunter2"))
