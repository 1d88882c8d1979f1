"""Energy of one meter value and of one session: exact, in Wh, never negative.

Pure functions on what chargers sent.  Registers and energies are `Decimal` Wh with three places.
Spec: OCPP 1.6 §7.30, §7.31, §7.43, §7.45; errata 3.9, 3.86.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal, NamedTuple

ENERGY_REGISTER = "Energy.Active.Import.Register"
POWER_IMPORT = "Power.Active.Import"
STATE_OF_CHARGE = "SoC"

METER_ANOMALY = "meter_anomaly"
METER_START_PLACEHOLDER = "meter_start_placeholder"
METER_STOP_IMPLAUSIBLE = "meter_stop_implausible"

#: No connector delivers more; a faster rise of a register is not energy of this session.
MAX_POWER_W = Decimal(1_000_000)
#: A first register this far above a start of exactly 0 is a lifetime register.
MAX_FROM_ZERO_WH = Decimal(500_000)
#: Register and timestamp are rarely read at the same instant.
CLOCK_GRAIN = timedelta(seconds=10)
#: meterStop is an integer while readings have decimals: a fall of up to 1 Wh is truncation.
TRUNCATION_WH = Decimal(1)
#: Integer part of a stored register: DecimalField(max_digits=15, decimal_places=3).
MAX_REGISTER_WH = Decimal("999999999999.999")

_ONE = Decimal(1)
_MILLI = Decimal("0.001")
_EXACT = Context(prec=64, rounding=ROUND_HALF_UP)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_MAX_DIGITS = 25
_PHASE_SETS = (("L1", "L2", "L3"), ("L1-N", "L2-N", "L3-N"))
# Inlet, EV and Upstream are other meters than the outlet's and never stand in for it.
_METER_LOCATIONS = ("Outlet", "Cable", "Body")
_POWER_LOCATIONS = (*_METER_LOCATIONS, "EV")
_ENERGY_UNITS = {"wh": Decimal(1), "kwh": Decimal(1000)}
_POWER_UNITS = {"w": Decimal(1), "kw": Decimal(1000)}
_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)


class Sample(NamedTuple):
    """One SampledValue as received; None means absent, so that the specification's default applies."""

    value: str
    measurand: str | None = None
    unit: str | None = None
    phase: str | None = None
    context: str | None = None
    location: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """Total energy import register in Wh; `source` says which samples it was taken from."""

    wh: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The energy register in Wh at a moment of the charger's clock (aware)."""

    at: datetime
    wh: Decimal


Basis = Literal["registers", "readings", "increments", "none"]


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of a session and how it was found.

    basis      registers   meter stop less meter start
               readings    last reading less meter start, or less the first reading where a start is missing
               increments  sum of the rises of the register, because it fell or jumped
               none        nothing to count from
    anomalies  codes to flag the session with
    notes      sentences for the ledger
    """

    energy_wh: Decimal
    basis: Basis
    anomalies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def register_of(samples: Sequence[Sample]) -> Register | None:
    """Total energy import register of one MeterValue, or None if it has none.  Never raises."""
    return _find_register(samples)[0]


def explain_register(samples: Sequence[Sample]) -> str:
    """Say which samples gave the register, or why there is none."""
    register, reason = _find_register(samples)
    return reason if register is None else register.source


def power_w(samples: Sequence[Sample]) -> Decimal | None:
    """Active import power in W for display; a later sample replaces an earlier one, phases are summed."""
    known = _readable(samples, POWER_IMPORT, _POWER_UNITS)
    for location in _POWER_LOCATIONS:
        here = [(sample, value) for sample, value in known if _location(sample) == location]
        totals = [value for sample, value in here if not sample.phase]
        if totals:
            return _quantised(totals[-1])
        for names in _PHASE_SETS:
            phases = {sample.phase: value for sample, value in here if sample.phase in names}
            if phases:
                return _quantised(_sum(phases.values()))
    return None


def soc_percent(samples: Sequence[Sample]) -> Decimal | None:
    """State of charge of the vehicle in percent for display; None outside 0–100."""
    known = [v for _, v in _readable(samples, STATE_OF_CHARGE, {"percent": Decimal(1), "%": Decimal(1)})]
    return known[-1] if known and 0 <= known[-1] <= 100 else None


def session_energy(
    meter_start_wh: Decimal | None,
    meter_stop_wh: Decimal | None,
    readings: Sequence[Reading],
    *,
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
    max_power_w: Decimal = MAX_POWER_W,
) -> Energy:
    """Energy of a session from its registers and readings, never negative.

    Normally meter stop less meter start.  In time order (readings may come in any order) these are corrected:

    - A reading below the one before it is ignored when the next register is back up.  When the next one is
      low too, the register was reset: the energy is the sum of the rises, `meter_anomaly`.
    - A meter stop below the last reading or the start adds nothing to the rises before it, `meter_anomaly`.
    - A rise faster than `max_power_w` is not energy.  If the register falls back later, the reading is
      ignored, `meter_anomaly`.  If it stays, counting goes on from the new level: `meter_start_placeholder`
      after a start register of 0, `meter_stop_implausible` when it is the meter stop that jumps, else
      `meter_anomaly`.  `MAX_FROM_ZERO_WH` above a start of 0 the first register is such a jump at any speed.
      With no reading to count from the energy is 0: the operator decides, nobody is overcharged.
    - Rises that add up to more than `MAX_REGISTER_WH` (resets between garbage registers, the clock dead) are
      no energy at all: 0, `meter_anomaly`, and the sum in the notes.

    Readings before `started_at` and after `ended_at` are ignored.  When the charger's clock stood still or
    ran backwards (or the times are not given), times are not used to judge a rise.
    Spec: OCPP 1.6 §4.10, §7.31.
    """
    clock_runs = _clock_runs(started_at, ended_at, readings)
    inside = _inside(readings, started_at, ended_at) if clock_runs else sorted(readings, key=_in_time)
    points = [_Point(reading.at, reading.wh, "reading") for reading in inside]
    if meter_start_wh is not None:
        points.insert(0, _Point(started_at, meter_start_wh, "start"))
    if meter_stop_wh is not None:
        points.append(_Point(ended_at, meter_stop_wh, "stop"))
    walk = _walk(points, max_power_w if clock_runs else None)
    if meter_start_wh is None and inside:
        walk.note("The start register is missing: counted from the first reading.")
    if len(inside) < len(readings):
        outside = len(readings) - len(inside)
        was = "reading outside the session was" if outside == 1 else "readings outside the session were"
        walk.note(f"{outside} {was} ignored.")
    return _result(walk, points)


def live_energy(
    meter_start_wh: Decimal | None,
    readings: Sequence[Reading],
    *,
    started_at: datetime | None = None,
    max_power_w: Decimal = MAX_POWER_W,
) -> Energy:
    """Energy of a running session: `session_energy` with no meter stop; a low reading never lowers it."""
    return session_energy(meter_start_wh, None, readings, started_at=started_at, max_power_w=max_power_w)


def is_impossible_rise(register_wh: Decimal, reading: Reading, *, since: datetime | None) -> bool:
    """Whether `live_energy` would find fault with this next reading after a register.

    since   time of the register where it is known and earlier than the reading
    """
    if reading.wh <= register_wh:
        return False
    level, point = _Point(since, register_wh, "start"), _Point(reading.at, reading.wh, "reading")
    return _is_impossible(level, point, None if since is None else MAX_POWER_W)


def energy_curve(
    meter_start_wh: Decimal | None, readings: Sequence[Reading], *, started_at: datetime, ended_at: datetime
) -> tuple[Reading, ...]:
    """Energy since the start at each reading inside the session: time order, never falling, same rules."""
    inside = _inside(readings, started_at, ended_at)
    points = [_Point(reading.at, reading.wh, "reading") for reading in inside]
    if meter_start_wh is not None:
        points.insert(0, _Point(started_at, meter_start_wh, "start"))
    walk = _walk(points, MAX_POWER_W if _clock_runs(started_at, ended_at, inside) else None)
    levels = walk.levels[len(points) - len(inside) :]
    return tuple(Reading(reading.at, level) for reading, level in zip(inside, levels, strict=True))


# --- one meter value ---


def _find_register(samples: Sequence[Sample]) -> tuple[Register | None, str]:
    energy = [sample for sample in samples if (sample.measurand or ENERGY_REGISTER) == ENERGY_REGISTER]
    if not energy:
        return None, "No sample is an energy import register."
    known = _readable(energy, ENERGY_REGISTER, _ENERGY_UNITS)
    for location in _METER_LOCATIONS:
        here = [(sample, value) for sample, value in known if _location(sample) == location]
        found = _total(here) or _phase_sum(here)
        if found is None:
            continue
        wh, source = _quantised(found[0]), f"{found[1]}, {location}"
        if not 0 <= wh <= MAX_REGISTER_WH:
            return None, f"The register {wh} Wh is negative or has more than 12 digits before the point."
        return Register(wh.copy_abs(), source), source
    return None, "No energy sample is a readable total of the outlet in Wh or kWh."


def _total(known: list[tuple[Sample, Decimal]]) -> tuple[Decimal, str] | None:
    """The overall value.  Where a charger puts begin and end into one MeterValue, the end is the register."""
    order = {"Transaction.End": 0, "Transaction.Begin": 2}
    totals = [(sample, value) for sample, value in known if not sample.phase]
    if not totals:
        return None
    best = min(totals, key=lambda item: order.get(item[0].context or "", 1))
    return best[1], "total"


def _phase_sum(known: list[tuple[Sample, Decimal]]) -> tuple[Decimal, str] | None:
    for names in _PHASE_SETS:
        phases = {sample.phase: value for sample, value in known if sample.phase in names}
        if len(phases) == len(names):
            return _sum(phases.values()), f"sum of {', '.join(names)}"
    return None


def _readable(
    samples: Iterable[Sample], measurand: str, units: dict[str, Decimal]
) -> list[tuple[Sample, Decimal]]:
    """Raw numbers of a measurand in its base unit; an absent unit is the base unit (errata 3.86)."""
    known = []
    for sample in samples:
        if (sample.measurand or ENERGY_REGISTER) != measurand:
            continue
        factor = units.get(sample.unit.lower()) if sample.unit else _ONE
        signed = (sample.format or "").lower() == "signeddata"
        number = None if factor is None or signed else _number(sample.value)
        if number is not None and factor is not None:
            known.append((sample, _EXACT.multiply(number, factor)))
    return known


def _number(text: str) -> Decimal | None:
    text = str(text).strip()
    if len(text) > 2 * _MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    if len(text) > _MAX_DIGITS and sum(character.isdigit() for character in text) > _MAX_DIGITS:
        return None
    number = Decimal(text)
    # Beyond these an exponent is noise, and quantising would need hundreds of digits.
    return number if not number or -30 < number.adjusted() < 30 else None


def _location(sample: Sample) -> str:
    return sample.location or "Outlet"


def _quantised(value: Decimal) -> Decimal:
    return value.quantize(_MILLI, context=_EXACT)


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, value)
    return total


# --- one session ---


@dataclass(frozen=True, slots=True)
class _Point:
    at: datetime | None
    wh: Decimal
    kind: Literal["start", "reading", "stop"]


@dataclass(slots=True)
class _Walk:
    """State of the walk along the registers: energy so far, and the level from which the next rise counts."""

    energy: Decimal = Decimal(0)
    levels: list[Decimal] = field(default_factory=list)
    rebased: bool = False
    anomalies: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def flag(self, code: str, note: str) -> None:
        if code not in self.anomalies:
            self.anomalies.append(code)
        self.note(note)

    def reject(self) -> None:
        """Count nothing: more than any register can hold is garbage, and which part of it is not, nobody can tell."""
        if METER_ANOMALY not in self.anomalies:
            self.anomalies.append(METER_ANOMALY)
        self.notes.insert(0, f"{self.energy} Wh in all is more than a register can hold: nothing is counted.")
        self.energy, self.rebased = Decimal(0), True
        self.levels = [Decimal(0)] * len(self.levels)

    def note(self, text: str) -> None:
        # A charger that misbehaves does so a thousand times; the ledger needs the first few.
        if len(self.notes) < 10:
            self.notes.append(text)


def _walk(points: Sequence[_Point], max_power_w: Decimal | None) -> _Walk:
    walk = _Walk()
    if not points:
        return walk
    lowest_after = _lowest_after(points)
    level = points[0]
    walk.levels.append(walk.energy)
    for index in range(1, len(points)):
        point = points[index]
        rise = point.wh - level.wh
        if rise < -TRUNCATION_WH:
            follower = points[index + 1] if index + 1 < len(points) else None
            level = _fall(walk, level, point, follower)
        elif rise > 0 and _is_impossible(level, point, max_power_w):
            level = _jump(walk, level, point, lowest_after[index])
        elif rise > 0:
            walk.energy += rise
            level = point
        walk.levels.append(walk.energy)
    if walk.energy > MAX_REGISTER_WH:
        walk.reject()
    return walk


def _fall(walk: _Walk, level: _Point, point: _Point, follower: _Point | None) -> _Point:
    if follower is not None and follower.wh < level.wh:
        walk.rebased = True
        walk.flag(METER_ANOMALY, f"The register fell from {level.wh} to {point.wh} Wh: counted as a reset.")
        return point
    if point.kind == "stop":
        walk.rebased = True
        walk.flag(METER_ANOMALY, f"The stop register {point.wh} Wh is below {level.wh} Wh: not used.")
    else:
        walk.note(f"A reading of {point.wh} Wh below {level.wh} Wh was ignored.")
    return level


def _jump(walk: _Walk, level: _Point, point: _Point, lowest_after: Decimal | None) -> _Point:
    if lowest_after is not None and lowest_after < point.wh:
        walk.flag(METER_ANOMALY, f"A reading of {point.wh} Wh after {level.wh} Wh is impossible: ignored.")
        return level
    walk.rebased = True
    if level.kind == "start" and level.wh == 0:
        walk.flag(
            METER_START_PLACEHOLDER, f"The register stood at {point.wh} Wh: the start of 0 is a placeholder."
        )
    elif point.kind == "stop":
        walk.flag(
            METER_STOP_IMPLAUSIBLE, f"The stop register {point.wh} Wh after {level.wh} Wh is impossible."
        )
    else:
        walk.flag(METER_ANOMALY, f"The register jumped from {level.wh} to {point.wh} Wh: not counted.")
    return point


def _is_impossible(level: _Point, point: _Point, max_power_w: Decimal | None) -> bool:
    rise = point.wh - level.wh
    if level.kind == "start" and level.wh == 0 and rise > MAX_FROM_ZERO_WH:
        return True
    if max_power_w is None or level.at is None or point.at is None or point.at < level.at:
        return False
    elapsed = max(point.at - level.at, CLOCK_GRAIN)
    return rise * (_HOUR // _MICROSECOND) > max_power_w * (elapsed // _MICROSECOND)


def _result(walk: _Walk, points: Sequence[_Point]) -> Energy:
    energy, basis = walk.energy, _basis(walk, points)
    if basis == "registers":
        energy = max(points[-1].wh - points[0].wh, Decimal(0))
    return Energy(energy.quantize(_MILLI), basis, tuple(walk.anomalies), tuple(walk.notes))


def _basis(walk: _Walk, points: Sequence[_Point]) -> Basis:
    if len(points) < 2:
        return "none"
    if walk.rebased:
        return "increments" if walk.energy else "none"
    return "registers" if points[0].kind == "start" and points[-1].kind == "stop" else "readings"


def _lowest_after(points: Sequence[_Point]) -> list[Decimal | None]:
    lowest: list[Decimal | None] = [None] * len(points)
    for index in range(len(points) - 2, -1, -1):
        known, following = lowest[index + 1], points[index + 1].wh
        lowest[index] = following if known is None else min(known, following)
    return lowest


def _clock_runs(started_at: datetime | None, ended_at: datetime | None, readings: Sequence[Reading]) -> bool:
    """False when every time is the same or the session ends before it starts: the clock was dead or set."""
    if started_at is not None and ended_at is not None:
        return started_at < ended_at
    times = [reading.at for reading in readings] + [at for at in (started_at, ended_at) if at is not None]
    return bool(times) and min(times) < max(times)


def _inside(
    readings: Sequence[Reading], started_at: datetime | None, ended_at: datetime | None
) -> list[Reading]:
    inside = [
        reading
        for reading in readings
        if (started_at is None or reading.at >= started_at) and (ended_at is None or reading.at <= ended_at)
    ]
    return sorted(inside, key=_in_time)


def _in_time(reading: Reading) -> tuple[datetime, Decimal]:
    # Registers only rise, so of two readings with one timestamp the lower came first.
    return reading.at, reading.wh
