"""Registers of chargers that report them wrong, put right (pure)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chargepoints.model_profiles import NONE, ModelProfile
from transactions.corrections import EXPORT_REGISTER, NO_CORRECTION, Correction
from transactions.energy import Sample

KWH = Correction(profile="p", register_unit="kWh")
EXPORT = Correction(profile="p", export_as_import=True)
TENTH = Correction(profile="p", factor=Decimal("0.1"))
IGNORE = Correction(profile="p", ignored=(Decimal(-1), Decimal("4294967295")))


@pytest.mark.parametrize(
    ("correction", "samples", "wh"),
    [
        (NO_CORRECTION, [Sample("12.5", unit="kWh")], "12500"),
        (KWH, [Sample("12.5", unit="Wh")], "12500"),
        (KWH, [Sample("12.5")], "12500"),
        (KWH, [Sample("7", measurand="Power.Active.Import", unit="W")], None),
        (TENTH, [Sample("15", unit="Wh")], "1.5"),
        (Correction(profile="p", register_unit="kWh", factor=Decimal("0.5")), [Sample("3")], "1500"),
        (EXPORT, [Sample("90", measurand=EXPORT_REGISTER)], "90"),
        (EXPORT, [Sample("5"), Sample("90", measurand=EXPORT_REGISTER)], "5"),
        (NO_CORRECTION, [Sample("90", measurand=EXPORT_REGISTER)], None),
        (IGNORE, [Sample("-1")], None),
        (IGNORE, [Sample(" 4294967295.0 ")], None),
        (IGNORE, [Sample("7")], "7"),
        (IGNORE, [Sample("seven")], None),
        (
            Correction(profile="p", export_as_import=True, ignored=(Decimal(0),)),
            [Sample("0"), Sample("90", measurand=EXPORT_REGISTER)],
            "90",
        ),
        (Correction(profile="p", factor=Decimal(1000)), [Sample("999999999999")], None),
    ],
)
def test_register_of_samples(correction: Correction, samples: list[Sample], wh: str | None) -> None:
    found = correction.register_of(samples)

    assert (None if found is None else found.wh) == (None if wh is None else Decimal(wh))


@pytest.mark.parametrize(
    ("correction", "given", "wh"),
    [
        (NO_CORRECTION, 12, 12),
        (NO_CORRECTION, None, None),
        (Correction(profile="p", start_stop_unit="kWh"), 12, 12_000),
        (KWH, 12, 12),
        (TENTH, 15, Decimal("1.5")),
        (IGNORE, 4_294_967_295, None),
        (Correction(profile="p", factor=Decimal(1000)), 999_999_999_999, None),
    ],
)
def test_register_of_a_start_or_stop(correction: Correction, given: Any, wh: Any) -> None:
    assert correction.start_or_stop(None if given is None else Decimal(given)) == wh


ALL = ModelProfile(
    name="Odd one",
    register_unit="kWh",
    start_stop_unit="kWh",
    register_factor=Decimal("0.10"),
    export_as_import=True,
    ignored_registers=(Decimal(-1), Decimal("0.5")),
)


def test_session_keeps_the_correction_as_it_was() -> None:
    correction = Correction.of(ALL)

    assert Correction.from_json(correction.as_json()) == correction
    assert (NO_CORRECTION.as_json(), Correction.from_json(None)) == (None, NO_CORRECTION)


def test_profile_that_corrects_nothing_is_no_correction() -> None:
    assert Correction.of(NONE) is NO_CORRECTION
    assert Correction.of(ModelProfile(name="x", note="only a note")) is NO_CORRECTION


def test_words_name_the_profile_and_all_that_it_does() -> None:
    words = Correction.of(ALL).in_words()

    assert all(part in words for part in ("Odd one", "kWh", "multiplied by 0.1", "export", "-1, 0.5"))
