"""Energy in whole numbers: a meter that never rounds twice, and the power curve of a charging car."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_W_MS_PER_WH = 3_600_000


class EnergyMeter:
    """A connector's import register in whole Wh; the fraction that has not yet made a Wh is carried on."""

    def __init__(self, register_wh: int = 0) -> None:
        self.register_wh = register_wh
        self._carry_w_ms = 0

    def deliver(self, wh: int) -> None:
        """Count so many Wh."""
        if wh < 0:
            raise ValueError("a register never runs backwards")
        self.register_wh += wh

    def run(self, *, power_w: int, milliseconds: int) -> None:
        """Count a constant power over a time."""
        self._carry_w_ms += power_w * milliseconds
        whole, self._carry_w_ms = divmod(self._carry_w_ms, _W_MS_PER_WH)
        self.register_wh += whole


@dataclass(frozen=True, kw_only=True)
class PowerCurve:
    """Power over a session: a short ramp, a plateau, a taper, then a full car that takes nothing.

    length_s    time until the driver unplugs
    full_after  share of the length after which the car takes no more; above 1 never
    """

    power_w: int
    length_s: float
    ramp_s: float = 20.0
    taper_from: float = 0.7
    full_after: float = 2.0

    @property
    def full_s(self) -> float:
        """Seconds from the start until the car is full."""
        return self.length_s * min(self.full_after, 1.0)

    def power_at(self, elapsed_s: float) -> int:
        """Whole watts so many seconds after the start."""
        if elapsed_s < 0 or elapsed_s >= self.full_s:
            return 0
        ramp = min(self.ramp_s, self.full_s * 0.1)
        if elapsed_s < ramp:
            return int(self.power_w * elapsed_s / ramp)
        taper = self.full_s * self.taper_from
        if elapsed_s <= taper:
            return self.power_w
        return int(self.power_w * (1 - 0.8 * (elapsed_s - taper) / (self.full_s - taper)))


@dataclass
class Load:
    """A car at a connector: draws along its curve from `since` on."""

    curve: PowerCurve
    since: datetime
    soc_start: int
    capacity_wh: int
    metered_until: datetime

    def power_at(self, at: datetime, *, limit_w: int | None = None) -> int:
        """Whole watts at a time, not above the limit."""
        power = self.curve.power_at((at - self.since).total_seconds())
        return power if limit_w is None else min(power, limit_w)

    def draw(self, meter: EnergyMeter, until: datetime, *, limit_w: int | None = None) -> None:
        """Bring the meter up to a time (trapezium between the last reading and this one)."""
        milliseconds = int((until - self.metered_until).total_seconds() * 1000)
        if milliseconds <= 0:
            return
        mean = (
            self.power_at(self.metered_until, limit_w=limit_w) + self.power_at(until, limit_w=limit_w)
        ) // 2
        meter.run(power_w=mean, milliseconds=milliseconds)
        self.metered_until = until

    def soc(self, delivered_wh: int) -> int:
        """State of charge in percent after so many Wh."""
        return min(100, self.soc_start + delivered_wh * 100 // self.capacity_wh)


def sampled_values(
    *,
    register_wh: int,
    power_w: int,
    soc: int | None,
    measurands: list[str],
    context: str = "Sample.Periodic",
) -> list[dict[str, str]]:
    """The sampled values of one reading as OCPP 1.6 §7.43 writes them, only the configured measurands."""
    phases = ("L1", "L2", "L3")
    amperes = f"{power_w / 690:.2f}"
    readings: dict[str, list[dict[str, str]]] = {
        "Energy.Active.Import.Register": [{"value": str(register_wh), "unit": "Wh"}],
        "Power.Active.Import": [{"value": str(power_w), "unit": "W"}],
        "Voltage": [{"value": "230.0", "unit": "V", "phase": f"{phase}-N"} for phase in phases],
        "Current.Import": [{"value": amperes, "unit": "A", "phase": phase} for phase in phases],
        "SoC": [] if soc is None else [{"value": str(soc), "unit": "Percent", "location": "EV"}],
    }
    return [
        {"measurand": measurand, "context": context, "location": "Outlet", **reading}
        for measurand in measurands
        for reading in readings.get(measurand, ())
    ]
