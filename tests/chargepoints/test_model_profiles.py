"""Which model profile is for which charger (pure), and what comes built in."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from chargepoints.model_profiles import (
    BUILT_IN_FILE,
    NONE,
    ModelProfile,
    built_in_profiles,
    choose,
    find_built_in,
    fits,
    from_fields,
)
from chargepoints.models.model_profiles import PROFILE_FIELDS


def profile(name: str = "p", **more: str) -> ModelProfile:
    return ModelProfile(name=name, **more)  # type: ignore[arg-type]


SAID = {"vendor": "Amperia GmbH", "model": "Duo 22", "firmware": "3.1.4"}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ({"vendor": "Amperia GmbH"}, True),
        ({"vendor": "AMPERIA*"}, True),
        ({"vendor": "Amperia"}, False),
        ({"model": "Duo ??"}, True),
        ({"model": "Duo ?"}, False),
        ({"model": "*22", "firmware": "3.*"}, True),
        ({"model": "*22", "firmware": "4.*"}, False),
        ({"firmware": "*"}, True),
        ({}, False),
        ({"vendor": "Amper[ia]* GmbH"}, False),
        ({"model": "Duo.22"}, False),
        ({"vendor": "***a***"}, True),
        ({"model": "*2"}, True),
        ({"model": "D*o*3?"}, False),
        ({"model": "D*o*?2"}, True),
    ],
)
def test_fits_by_patterns(patterns: dict[str, str], expected: bool) -> None:
    assert fits(profile(**patterns), **SAID) is expected


def test_fits_takes_a_hostile_pattern_in_no_time() -> None:
    assert not fits(profile(model="*a" * 24 + "*b"), vendor="", model="a" * 50, firmware="")


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"model": "Duo 22"}, {"model": "Duo*"}),
        ({"model": "Duo 22"}, {"model": "Duo 22*"}),
        ({"model": "Duo*"}, {"vendor": "Amperia GmbH"}),
        ({"model": "Duo*", "firmware": "3.*"}, {"model": "Duo*", "vendor": "Amperia GmbH"}),
        ({"vendor": "Amperia GmbH"}, {"vendor": "Amperia*"}),
        ({"firmware": "3.1.4"}, {"vendor": "Amperia GmbH"}),
    ],
)
def test_most_specific_profile_wins_in_any_order(winner: dict[str, str], loser: dict[str, str]) -> None:
    best, other = profile("best", **winner), profile("other", **loser)

    assert choose([best, other], [], **SAID) is best
    assert choose([other, best], [], **SAID) is best


def test_own_profile_comes_before_a_more_specific_built_in_one() -> None:
    own, built_in = profile("own", vendor="A*"), profile("built-in", model="Duo 22", key="x")

    assert choose([own], [built_in], **SAID) is own
    assert choose([], [built_in], **SAID) is built_in
    assert choose([profile(vendor="Other")], [], **SAID) is NONE


@pytest.mark.parametrize(
    ("codes", "text"),
    [(("e17", ""), "Locked."), (("", "Cable  locked"), ""), (("x", "cable locked"), "By hand."), ((), "")],
)
def test_error_text_is_found_by_code_or_text(codes: tuple[str, ...], text: str) -> None:
    known = ModelProfile(name="p", error_texts={"E17": "Locked.", "Cable locked": "By hand."})

    assert known.error_text(*codes) == text


def test_flags_say_what_every_message_must_know() -> None:
    assert (profile().flags, ModelProfile(strict_schema=True, record_repairs=False).flags) == (
        "",
        "strict,quiet",
    )


# --- what comes with the product ---


def test_built_in_profiles_are_complete_and_have_sources() -> None:
    profiles = built_in_profiles()

    assert len({entry.key for entry in profiles}) == len(profiles) > 0
    assert all(entry.reference and entry.name and (entry.vendor or entry.model) for entry in profiles)
    entries = json.loads(BUILT_IN_FILE.read_text())["profiles"]
    assert all(set(entry) <= {*PROFILE_FIELDS, "key"} for entry in entries)


@pytest.mark.parametrize(
    ("vendor", "model", "key"),
    [
        ("Bender GmbH Co. KG", "CC612_2S0R", "bender-cc"),
        ("Keba AG", "KC-P30-ESS400C2-E0R", "keba-p30"),
        ("ABB", "MD_TERRA_53", "abb-terra-53"),
        ("ABB", "Other", ""),
    ],
)
def test_built_in_profile_is_chosen_by_what_such_a_charger_says(vendor: str, model: str, key: str) -> None:
    assert choose([], built_in_profiles(), vendor=vendor, model=model, firmware="1.0").key == key


def test_built_in_profile_that_is_gone_is_none() -> None:
    assert find_built_in("never-was") is NONE
    assert not NONE
    assert profile()


def test_from_fields_reads_numbers_exactly() -> None:
    read = from_fields({"name": "x", "register_factor": "0.1", "ignored_registers": [-1, 0.1]})

    assert (read.register_factor, read.ignored_registers) == (
        Decimal("0.1"),
        (Decimal("-1"), Decimal("0.1")),
    )
    assert read.corrects_registers
