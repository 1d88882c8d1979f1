"""Controls of distributed energy resources: what kinds there are, and which of several counts.  Pure.

Spec: OCPP 2.1 part 2, functional block R, with the errata of 2025-09 (R04.FR.12 to 17).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: Types that are described by a curve, with the words of people.
CURVES: Final = {
    "FreqWatt": "Power by frequency, P(f)",
    "VoltVar": "Reactive power by voltage, Q(U)",
    "VoltWatt": "Power by voltage, P(U)",
    "WattPF": "Power factor by power, cos φ(P)",
    "WattVar": "Reactive power by power, Q(P)",
    "HFMustTrip": "High frequency: must trip",
    "HFMayTrip": "High frequency: may trip",
    "LFMustTrip": "Low frequency: must trip",
    "HVMustTrip": "High voltage: must trip",
    "HVMayTrip": "High voltage: may trip",
    "HVMomCess": "High voltage: momentary cessation",
    "LVMustTrip": "Low voltage: must trip",
    "LVMayTrip": "Low voltage: may trip",
    "LVMomCess": "Low voltage: momentary cessation",
    "PowerMonitoringMustTrip": "Power monitoring: must trip",
}
SETTINGS: Final = {
    "EnterService": "Conditions to connect to the grid",
    "FreqDroop": "Frequency droop",
    "FixedPFAbsorb": "Fixed power factor, charging",
    "FixedPFInject": "Fixed power factor, discharging",
    "FixedVar": "Fixed reactive power",
    "Gradients": "Ramp rates",
    "LimitMaxDischarge": "Limit of discharging",
}
TYPES: Final = {**CURVES, **SETTINGS}
#: These exist as default controls only (R04.FR.14).
DEFAULT_ONLY: Final = frozenset({"EnterService", "Gradients"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A control that a charger holds.

    starts_at  None: a default control, which is always in force
    """

    control_id: str
    control_type: str
    is_default: bool
    priority: int
    is_superseded: bool = False
    starts_at: datetime | None = None
    duration_s: float | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether its time is now (R04.FR.10)."""
        if self.is_default or self.starts_at is None:
            return self.is_default
        if now < self.starts_at:
            return False
        return self.duration_s is None or now < self.starts_at + timedelta(seconds=self.duration_s)


def in_force(controls: Iterable[Held], now: datetime) -> dict[str, Held]:
    """The control that a charger follows now, by type: a scheduled one before the default, the lowest priority value.

    Superseded ones count for nothing (R04.FR.09, R04.FR.11).
    """
    found: dict[str, Held] = {}
    for control in controls:
        if control.is_superseded or not control.is_due(now):
            continue
        other = found.get(control.control_type)
        if other is None or (control.is_default, control.priority) < (other.is_default, other.priority):
            found[control.control_type] = control
    return found
