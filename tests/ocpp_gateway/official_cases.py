"""The official test cases for a CSMS (OCPP 2.0.1 edition 3, part 6), as data."""

from __future__ import annotations

from typing import Final

#: Block → numbers of its cases, with spaces between.
_NUMBERS: Final = {
    "A": "01 02 03 04 06 07 08 09 10 11 12 13 14 19",
    "B": "01 02 06 07 08 09 10 12 13 14 18 20 21 22 25 26 27 30 31 42 44",
    "C": "02 06 07 08 20 37 38 39 40 43 47 48 49 50 51 52",
    "D": "01 02 03 04 08 09",
    "E": "01 02 03 04 07 08 09 10 11 12 14 15 16 17 19 20 21 22 26 29 30 31 33 34 38 39 53",
    "F": "01 02 03 04 06 11 12 13 14 15 18 20 23 24 27",
    "G": "03 04 05 06 07 08 11 14 17 20",
    "H": "01 07 08 14 15 17 19 20 22",
    "I": "02",
    "J": "01 02 03 04 07 08 09 10 11",
    "K": ("01 02 03 04 05 06 08 10 15 19 29 30 31 32 33 34 35 36 37 43 44 48 50 51 52 53 55 57 58 59 60 70"),
    "L": "01 02 03 04 05 06 07 08 09 10 11 13 17 19 20 21 22 23 24",
    "M": "01 02 03 04 05 12 13 14 15 16 17 18 19 20 21 24 26 28",
    "N": ("01 02 03 05 08 09 16 17 18 21 24 25 27 28 29 30 31 32 34 35 36 44 46 47 48 49 50 60 62 63"),
    "O": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 17 18 19 25 26 27 28",
    "P": "02 03",
}
CASES: Final = frozenset(
    f"TC_{block}_{number}_CSMS" for block, numbers in _NUMBERS.items() for number in numbers.split()
)
#: Cases of use for which the errata of 2025-09 or part 5 have other ids: marked by tests, and not among the above.
OTHER_CASES: Final = frozenset({"TC_B_58_CSMS", "TC_I_01_CSMS"})
#: Cases that are neither played nor explained yet.  This list only shrinks.
OPEN: Final[frozenset[str]] = frozenset()
