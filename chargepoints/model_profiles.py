"""What is known of models of chargers: which of them a profile is for, and what it says.

Pure: profiles come from rows of a tenant or from the built-in file, and are chosen by what a charger says of itself.
A pattern is a text with `*` for anything and `?` for one character, compared without regard to case; an empty pattern
fits everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

BUILT_IN_FILE = Path(__file__).parent / "data" / "model_profiles.json"

#: Flags of a charge point that follow from its profile; kept with it, so that no message needs the profile.
STRICT, QUIET = "strict", "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """One profile, or nothing (`NONE`).

    key                 of a built-in one; "" for a tenant's
    strict_schema       refuse messages that break the schema; None: as usual, repair them
    record_repairs      keep repaired messages among the anomalies
    boot_configuration  configuration keys and the values that they should have
    register_unit       unit of energy registers in samples, whatever unit is written beside them; "": as written
    start_stop_unit     unit of the registers of starts and stops; "": Wh
    register_factor     all registers are multiplied by it
    export_as_import    the export register is what the vehicle got
    ignored_registers   registers that are placeholders: no readings
    rate_unit           unit in which charging profiles are sent: A, W or ""
    error_texts         vendor's error code (or its text) → what it means
    accepted_vendor_ids vendor messages that are answered Accepted although nothing serves them
    """

    pk: int | None = None
    key: str = ""
    name: str = ""
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    strict_schema: bool | None = None
    record_repairs: bool = True
    boot_configuration: Mapping[str, str] = field(default_factory=dict)
    register_unit: str = ""
    start_stop_unit: str = ""
    register_factor: Decimal = Decimal(1)
    export_as_import: bool = False
    ignored_registers: tuple[Decimal, ...] = ()
    rate_unit: str = ""
    error_texts: Mapping[str, str] = field(default_factory=dict)
    accepted_vendor_ids: tuple[str, ...] = ()
    note: str = ""
    reference: str = ""

    def __bool__(self) -> bool:
        return self is not NONE

    @property
    def is_built_in(self) -> bool:
        """Whether it came with the product."""
        return bool(self.key)

    @property
    def flags(self) -> str:
        """What the charge point keeps of it."""
        flags = {STRICT: self.strict_schema is True, QUIET: not self.record_repairs}
        return ",".join(name for name, is_set in flags.items() if is_set)

    @property
    def corrects_registers(self) -> bool:
        """Whether energy registers are not taken as they come."""
        return bool(
            self.register_unit
            or self.start_stop_unit
            or self.register_factor != 1
            or self.export_as_import
            or self.ignored_registers
        )

    def error_text(self, *codes: str) -> str:
        """What the first of these codes or texts that the profile knows means; ""."""
        known = {code.casefold(): text for code, text in self.error_texts.items()}
        return next((known[code.casefold()] for code in codes if code and code.casefold() in known), "")


NONE = ModelProfile()


def fits(profile: ModelProfile, *, vendor: str, model: str, firmware: str) -> bool:
    """Whether a profile is for a charger that says this of itself; one without any pattern is for none."""
    asked = ((profile.vendor, vendor), (profile.model, model), (profile.firmware, firmware))
    return any(pattern for pattern, _ in asked) and all(
        not pattern or matches(pattern, value) for pattern, value in asked
    )


def choose(
    own: Iterable[ModelProfile], built_in: Iterable[ModelProfile], *, vendor: str, model: str, firmware: str
) -> ModelProfile:
    """The profile of a charger: the most specific one of the tenant, else of the built-in ones, else `NONE`."""
    for profiles in (own, built_in):
        fitting = [
            profile for profile in profiles if fits(profile, vendor=vendor, model=model, firmware=firmware)
        ]
        if fitting:
            return max(fitting, key=specificity)
    return NONE


def specificity(profile: ModelProfile) -> tuple[int, int, int]:
    """How exactly a profile says what it is for: characters of model, then of firmware, then of vendor.

    An exact text counts one more than a pattern of as many characters.
    """
    return (_weight(profile.model), _weight(profile.firmware), _weight(profile.vendor))


def _weight(pattern: str) -> int:
    literal = sum(character not in "*?" for character in pattern.strip())
    return 2 * literal + (bool(pattern) and not set(pattern) & set("*?"))


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern fits the whole text; in steps that a hostile pattern cannot multiply."""
    pattern, text = pattern.strip().casefold(), text.strip().casefold()
    at, star, resumed = 0, -1, 0
    place = 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resumed = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            place, at = place + 1, at + 1
        elif star >= 0:
            # The last star takes one character more.
            resumed += 1
            place, at = star + 1, resumed
        else:
            return False
    return not pattern[place:].strip("*")


@cache
def built_in_profiles() -> tuple[ModelProfile, ...]:
    """The profiles that come with the product."""
    entries = json.loads(BUILT_IN_FILE.read_text(encoding="utf-8"))["profiles"]
    return tuple(from_fields(entry) for entry in entries)


def find_built_in(key: str) -> ModelProfile:
    """The built-in profile of this key; `NONE` when an update has taken it away."""
    return next((profile for profile in built_in_profiles() if profile.key == key), NONE)


def from_fields(fields: Mapping[str, Any], *, pk: int | None = None) -> ModelProfile:
    """A profile from plain values, as rows and files hold them; unknown names are ignored."""
    return ModelProfile(
        pk=pk,
        key=str(fields.get("key", "")),
        name=fields["name"],
        vendor=fields.get("vendor", ""),
        model=fields.get("model", ""),
        firmware=fields.get("firmware", ""),
        strict_schema=fields.get("strict_schema"),
        record_repairs=fields.get("record_repairs", True),
        boot_configuration=dict(fields.get("boot_configuration") or {}),
        register_unit=fields.get("register_unit", ""),
        start_stop_unit=fields.get("start_stop_unit", ""),
        register_factor=Decimal(str(fields.get("register_factor", 1))),
        export_as_import=fields.get("export_as_import", False),
        ignored_registers=tuple(Decimal(str(value)) for value in fields.get("ignored_registers") or ()),
        rate_unit=fields.get("rate_unit", ""),
        error_texts=dict(fields.get("error_texts") or {}),
        accepted_vendor_ids=tuple(fields.get("accepted_vendor_ids") or ()),
        note=fields.get("note", ""),
        reference=fields.get("reference", ""),
    )
