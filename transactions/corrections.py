"""Energy registers of chargers that are known to report them wrong, put right.

Pure.  What is corrected follows from the model profile of the charger when the session starts; the session keeps it, so
that all its registers are read the same way and its figures can be found again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chargepoints.model_profiles import ModelProfile
from transactions.energy import ENERGY_REGISTER, MAX_REGISTER_WH, Register, Sample, register_of

EXPORT_REGISTER = "Energy.Active.Export.Register"
_WH = {"Wh": Decimal(1), "kWh": Decimal(1000)}
_MILLI = Decimal("0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """How the registers of a session are read; `NO_CORRECTION`: as they come.

    profile          name of the model profile that says so
    register_unit    unit of registers in samples, whatever is written beside them; "": as written
    start_stop_unit  unit of the registers of start and stop
    factor           of all registers
    ignored          numbers, as sent, that are no registers
    """

    profile: str = ""
    register_unit: str = ""
    start_stop_unit: str = ""
    factor: Decimal = Decimal(1)
    export_as_import: bool = False
    ignored: tuple[Decimal, ...] = ()

    @classmethod
    def of(cls, profile: ModelProfile) -> Correction:
        """What a model profile says about registers."""
        if not profile.corrects_registers:
            return NO_CORRECTION
        return cls(
            profile=profile.name,
            register_unit=profile.register_unit,
            start_stop_unit=profile.start_stop_unit,
            factor=profile.register_factor,
            export_as_import=profile.export_as_import,
            ignored=profile.ignored_registers,
        )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any] | None) -> Correction:
        """As a session keeps it."""
        if not fields:
            return NO_CORRECTION
        return cls(
            profile=fields["profile"],
            register_unit=fields["register_unit"],
            start_stop_unit=fields["start_stop_unit"],
            factor=Decimal(fields["factor"]),
            export_as_import=fields["export_as_import"],
            ignored=tuple(Decimal(value) for value in fields["ignored"]),
        )

    def as_json(self) -> dict[str, Any] | None:
        """For the session to keep; None for `NO_CORRECTION`."""
        if self is NO_CORRECTION:
            return None
        return {
            "profile": self.profile,
            "register_unit": self.register_unit,
            "start_stop_unit": self.start_stop_unit,
            "factor": str(self.factor),
            "export_as_import": self.export_as_import,
            "ignored": [str(value) for value in self.ignored],
        }

    def register_of(self, samples: Sequence[Sample]) -> Register | None:
        """The energy import register of one MeterValue, corrected; None if it has none that counts."""
        if self is NO_CORRECTION:
            return register_of(samples)
        found = register_of(self._meant(samples))
        if found is None:
            return None
        wh = self._scaled(found.wh)
        return None if wh is None else Register(wh, found.source)

    def start_or_stop(self, wh: Decimal | None) -> Decimal | None:
        """meterStart or meterStop, corrected; None when it is a placeholder or too large."""
        if wh is None or self is NO_CORRECTION:
            return wh
        if wh in self.ignored:
            return None
        return self._scaled(wh * _WH.get(self.start_stop_unit, Decimal(1)))

    def in_words(self) -> str:
        """What is done, for the ledger."""
        parts = []
        if self.register_unit:
            parts.append(f"registers in samples are {self.register_unit} whatever unit is written")
        if self.start_stop_unit:
            parts.append(f"registers at start and stop are {self.start_stop_unit}")
        if self.factor != 1:
            parts.append(f"registers are multiplied by {self.factor.normalize():f}")
        if self.export_as_import:
            parts.append("the export register counts as the import register")
        if self.ignored:
            parts.append(f"{', '.join(f'{value:f}' for value in self.ignored)} is no register")
        return f"By the model profile “{self.profile}”: {'; '.join(parts)}."

    def _scaled(self, wh: Decimal) -> Decimal | None:
        scaled = (wh * self.factor).quantize(_MILLI)
        return scaled if scaled <= MAX_REGISTER_WH else None

    def _meant(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples as this model means them."""
        has_import = any(
            (sample.measurand or ENERGY_REGISTER) == ENERGY_REGISTER and not self._is_ignored(sample)
            for sample in samples
        )
        meant = []
        for sample in samples:
            measurand = sample.measurand or ENERGY_REGISTER
            if measurand == EXPORT_REGISTER and self.export_as_import and not has_import:
                measurand = ENERGY_REGISTER
            if measurand == ENERGY_REGISTER:
                if self._is_ignored(sample):
                    continue
                sample = sample._replace(measurand=measurand, unit=self.register_unit or sample.unit)
            meant.append(sample)
        return meant

    def _is_ignored(self, sample: Sample) -> bool:
        if not self.ignored:
            return False
        try:
            return Decimal(sample.value.strip()) in self.ignored
        except ArithmeticError:
            return False


NO_CORRECTION = Correction()
