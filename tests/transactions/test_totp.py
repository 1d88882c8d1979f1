"""The one-time code in a charger's QR code (pure; OCPP 2.1 C25)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from transactions.totp import BASE62, code, find_interval, interval_of

SECRET = "a-shared-secret-of-32-characters"
AT = datetime(2026, 3, 2, 10, 0, 10, tzinfo=UTC)


def by_the_book(secret: str, interval: int, length: int) -> str:
    """The pseudocode of the specification, word by word."""
    time_bytes = bytes((interval >> shift) & 0xFF for shift in range(56, -1, -8))
    digest = hmac.new(secret.encode("utf-8"), time_bytes, hashlib.sha256).digest()
    offset = digest[len(digest) - 1] & 15
    text = ""
    for i in range(length):
        text += BASE62[digest[(offset + i) % len(digest)] % 62]
    return text


@pytest.mark.parametrize("length", [6, 8, 32])
def test_code_follows_the_algorithm(length: int) -> None:
    for interval in (0, 1, 59_212_980, 2**40):
        assert code(SECRET, interval, length) == by_the_book(SECRET, interval, length)


def test_alphabet_has_62_signs_each_once() -> None:
    assert len(BASE62) == len(set(BASE62)) == 62


def test_code_of_now_before_and_after_is_found() -> None:
    """Validation of TOTP: the present interval, the one before and the one after."""
    now = interval_of(AT, 30)
    for interval in (now - 1, now, now + 1):
        given = code(SECRET, interval, 8)
        assert find_interval(SECRET, given, AT, validity_s=30, length=8) == interval


@pytest.mark.parametrize("away", [-2, 2, 100])
def test_older_and_later_codes_are_not_good(away: int) -> None:
    given = code(SECRET, interval_of(AT, 30) + away, 8)
    assert find_interval(SECRET, given, AT, validity_s=30, length=8) is None


@pytest.mark.parametrize("given", ["", "aaaaaaaa", "ä" * 8])
def test_anything_else_is_no_code(given: str) -> None:
    assert find_interval(SECRET, given, AT, validity_s=30, length=8) is None


def test_another_secret_makes_another_code() -> None:
    given = code("another", interval_of(AT, 30), 8)
    assert find_interval(SECRET, given, AT, validity_s=30, length=8) is None


def test_interval_changes_with_its_end() -> None:
    start = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)
    assert interval_of(start + timedelta(seconds=29), 30) == interval_of(start, 30)
    assert interval_of(start + timedelta(seconds=30), 30) == interval_of(start, 30) + 1
