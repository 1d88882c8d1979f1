"""Authorization keys: one key, several spellings, never stored."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from chargepoints import keys

HEX = "0123456789ABCDEF0123456789abcdef01234567"


@pytest.mark.parametrize(
    "password", [HEX.encode(), HEX.lower().encode(), HEX.upper().encode(), bytes.fromhex(HEX)]
)
def test_verify_hex_key_sent_as_bytes_or_text_of_any_case_matches(password: bytes) -> None:
    assert keys.verify_key(password, keys.hash_key(HEX))


def test_verify_text_key_is_case_sensitive() -> None:
    stored = keys.hash_key("Correct-Horse-Battery")

    assert keys.verify_key(b"Correct-Horse-Battery", stored)
    assert not keys.verify_key(b"correct-horse-battery", stored)


@pytest.mark.parametrize(
    "password", [b"", b"\xff\xfe\x00", HEX[:-1].encode(), HEX.encode() + b" ", b"00" * 20]
)
def test_verify_other_bytes_does_not_match(password: bytes) -> None:
    assert not keys.verify_key(password, keys.hash_key(HEX))


@pytest.mark.parametrize("stored", ["", "v1$", "v1$$", "v0$aa$bb", "plain text", "v1$salt$", "v1$salt$é"])
def test_verify_against_unreadable_hash_never_matches(stored: str) -> None:
    assert not keys.verify_key(HEX.encode(), stored)


def test_hash_is_salted_and_does_not_hold_the_key() -> None:
    first, second = keys.hash_key(HEX), keys.hash_key(HEX)

    assert first != second
    assert HEX.lower() not in first.lower()


def test_verify_after_pepper_rotation_accepts_hashes_of_the_old_pepper(settings: Settings) -> None:
    settings.CHARGER_KEY_PEPPERS = ["old"]
    stored = keys.hash_key(HEX)

    settings.CHARGER_KEY_PEPPERS = ["new", "old"]
    assert keys.verify_key(HEX.encode(), stored)
    settings.CHARGER_KEY_PEPPERS = ["new"]
    assert not keys.verify_key(HEX.encode(), stored)


def test_generated_key_of_16_is_20_bytes_in_hex() -> None:
    assert re.fullmatch("[0-9a-f]{40}", keys.generate_key())


def test_generated_key_of_2x_is_40_letters_and_digits() -> None:
    assert re.fullmatch("[0-9A-Za-z]{40}", keys.generate_key("ocpp2.0.1"))
    assert keys.generate_key("ocpp2.0.1") != keys.generate_key("ocpp2.0.1")


@pytest.mark.parametrize("text", ["short", "x" * 65, "with\nnewline 123456", "schlüssel-mit-umlaut"])
def test_check_key_unusable_text_is_refused(text: str) -> None:
    with pytest.raises(keys.UnusableKey):
        keys.check_key(text)


def test_check_key_printable_text_of_16_to_64_passes() -> None:
    for text in ("x" * 16, "x" * 64, "Correct Horse-Battery"):
        keys.check_key(text)


@given(text=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=16, max_size=64))
def test_verify_any_printable_key_sent_as_text_matches(text: str) -> None:
    assert keys.verify_key(text.encode(), keys.hash_key(text))


@given(raw=st.binary(min_size=16, max_size=20))
def test_verify_any_bytes_of_a_hex_key_match(raw: bytes) -> None:
    assert keys.verify_key(raw, keys.hash_key(raw.hex()))
