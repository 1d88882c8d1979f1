"""A session cut into pieces within which nothing that a tariff can restrict changes.

Times are exact microseconds since the start and energies exact fractions of a Wh, so that cutting a session
finer never changes its cost.  Spec: OCPI 2.2.1 mod_tariffs TariffRestrictions, mod_cdrs ChargingPeriod.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from transactions.energy import Reading, energy_curve
from transactions.pricing_tariff import DAYS, Restrictions

#: A session longer than this has a broken clock at one end.
MAX_DURATION = timedelta(days=366)
#: A rest of up to 1 Wh after the last reading is the rounding of the stop register, not charging.
ROUNDING_WH = Fraction(1)

_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_HOUR_US = 3600 * _SECOND_US
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 12, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Usage:
    """What is to be priced.

    started_at      charger's clock, aware
    ended_at        charger's clock, or now while the session runs
    time_zone       IANA name of the site's zone; an unknown one counts as UTC and is noted
    meter_start_wh  register at the start; None if unknown
    energy_wh       final energy, the one that is billed; the readings only say when it flowed
    readings        in any order; may be left out where `needs_readings(tariff)` is False
    voltage_v       phase voltage by which power is turned into current for current restrictions
    """

    started_at: datetime
    ended_at: datetime
    time_zone: str
    meter_start_wh: Decimal | None
    energy_wh: Decimal
    readings: Sequence[Reading] = ()
    voltage_v: Decimal = Decimal(230)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a session; `local`, `elapsed_s` and `used_wh` are as at its beginning."""

    local: datetime
    elapsed_s: Fraction
    used_wh: Fraction
    seconds: Fraction
    wh: Fraction
    power_w: Fraction
    current_a: Fraction
    charging: bool


@dataclass(frozen=True, slots=True)
class _Knot:
    """Energy used up to a moment; `charging` tells about the stretch that ends here."""

    us: int
    wh: Fraction
    charging: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """The session's time as it is priced."""

    started_at: datetime
    ended_at: datetime
    zone: ZoneInfo
    notes: tuple[str, ...]

    @property
    def us(self) -> int:
        return (self.ended_at - self.started_at) // _MICROSECOND

    def local(self, us: Fraction) -> datetime:
        return (self.started_at + timedelta(microseconds=int(us))).astimezone(self.zone)


def cut(usage: Usage, restrictions: Sequence[Restrictions]) -> tuple[list[Piece], tuple[str, ...]]:
    """Cut a session where a reading lies or one of the restrictions may change; with notes for the ledger.

    There is at least one piece, and their energies sum to `usage.energy_wh` exactly.

    - A session that ends before it starts has no duration.  Neither has one longer than a year: a clock was
      wrong, and its energy is priced as used at the end.
    - Readings before the start and after the end are ignored; the others are cleaned as `energy.py` does.
      Energy flows evenly between two of them, and what they do not show after the last one.  Where they show
      more than `energy_wh`, or nothing can follow the last one, all is scaled to it in proportion.
    - The EV is charging while the register rises; with no reading at all, all the time.
    """
    span = _span(usage)
    moments = _moments(span, restrictions)
    levels = sorted(
        {Fraction(kwh) * 1000 for r in restrictions for kwh in (r.min_kwh, r.max_kwh) if kwh is not None}
    )
    pieces: list[Piece] = []
    before = _Knot(0, Fraction(0), charging=False)
    for knot in _knots(usage, span):
        pieces += _pieces(span, before, knot, moments, levels, Fraction(usage.voltage_v))
        before = knot
    if not pieces:
        zero = Fraction(0)
        pieces = [Piece(span.local(zero), zero, zero, zero, zero, zero, zero, charging=False)]
    return pieces, span.notes


def holds(restrictions: Restrictions, piece: Piece) -> bool:
    """True if all restrictions hold throughout a piece that was cut for them."""
    r = restrictions
    return (
        _is_between(piece.used_wh, r.min_kwh, r.max_kwh, 1000)
        and _is_between(piece.elapsed_s, r.min_duration, r.max_duration, 1)
        and _is_between(piece.power_w, r.min_power, r.max_power, 1000)
        and _is_between(piece.current_a, r.min_current, r.max_current, 1)
        and (r.start_date is None or r.start_date <= piece.local.date())
        and (r.end_date is None or piece.local.date() < r.end_date)
        and (not r.day_of_week or DAYS[piece.local.weekday()] in r.day_of_week)
        and _is_time_of_day(piece.local.time(), r.start_time or time(), r.end_time or time())
    )


def moments_of(
    started_at: datetime, until: datetime, time_zone: str, restrictions: Sequence[Restrictions]
) -> list[datetime]:
    """When one of the restrictions may change because time passes, from the start of a session on."""
    span = _Span(started_at, max(until, started_at), zone_of(time_zone), ())
    return [started_at + timedelta(microseconds=moment) for moment in _moments(span, restrictions)]


def zone_of(time_zone: str) -> ZoneInfo:
    """The zone of this name; an unknown one counts as UTC."""
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _is_between(value: Fraction, low: Decimal | int | None, high: Decimal | int | None, unit: int) -> bool:
    return (low is None or value >= Fraction(low) * unit) and (high is None or value < Fraction(high) * unit)


def _is_time_of_day(now: time, start: time, end: time) -> bool:
    """End exclusive, 00:00 is the end of the day, an end before the start wraps over midnight."""
    return start <= now < end if start < end else now >= start or now < end


def _span(usage: Usage) -> _Span:
    notes: list[str] = []
    # Clocks may say year 1 or 9999: converting those to local time overflows.
    started_at = min(max(usage.started_at, _EARLIEST), _LATEST).astimezone(UTC)
    ended_at = min(max(usage.ended_at, _EARLIEST), _LATEST).astimezone(UTC)
    if ended_at < started_at:
        notes.append("The session ends before it starts: its time is not priced.")
        ended_at = started_at
    elif ended_at - started_at > MAX_DURATION:
        notes.append("The session is longer than a year: its time is not priced.")
        started_at = ended_at
    try:
        zone = ZoneInfo(usage.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        notes.append("The site's time zone is unknown: local times are UTC.")
        zone = ZoneInfo("UTC")
    return _Span(started_at, ended_at, zone, tuple(notes))


def _knots(usage: Usage, span: _Span) -> Iterator[_Knot]:
    total = Fraction(usage.energy_wh)
    curve: Sequence[Reading] = ()
    if span.us:
        curve = energy_curve(
            usage.meter_start_wh, usage.readings, started_at=span.started_at, ended_at=span.ended_at
        )
    if not curve:
        yield _Knot(span.us, total, charging=True)
        return
    shown = Fraction(curve[-1].wh)
    rest = total - shown
    spread = rest < 0 or (shown > 0 and (rest <= ROUNDING_WH or curve[-1].at == span.ended_at))
    scale = total / shown if spread and shown else Fraction(1)
    before = Decimal(0)
    for reading in curve:
        us = (reading.at - span.started_at) // _MICROSECOND
        yield _Knot(us, Fraction(reading.wh) * scale, charging=reading.wh > before)
        before = reading.wh
    yield _Knot(span.us, total, charging=rest > 0 and not spread)


def _pieces(
    span: _Span,
    start: _Knot,
    end: _Knot,
    moments: Sequence[int],
    levels: Sequence[Fraction],
    voltage: Fraction,
) -> Iterator[Piece]:
    us, wh = end.us - start.us, end.wh - start.wh
    if not us and not wh:
        return
    points = [(Fraction(start.us), start.wh), (Fraction(end.us), end.wh)]
    for moment in moments[bisect_right(moments, start.us) : bisect_left(moments, end.us)]:
        points.append((Fraction(moment), start.wh + wh * (moment - start.us) / us))
    for level in levels[bisect_right(levels, start.wh) : bisect_left(levels, end.wh)]:
        points.append((start.us + us * (level - start.wh) / wh, level))
    points.sort()
    power = wh * _HOUR_US / us if us else Fraction(0)
    for (t0, e0), (t1, e1) in pairwise(points):
        if t1 > t0 or e1 > e0:
            yield Piece(
                local=span.local(t0),
                elapsed_s=t0 / _SECOND_US,
                used_wh=e0,
                seconds=(t1 - t0) / _SECOND_US,
                wh=e1 - e0,
                power_w=power,
                current_a=power / voltage,
                charging=end.charging,
            )


def _moments(span: _Span, restrictions: Sequence[Restrictions]) -> list[int]:
    """Microseconds after the start at which a restriction by time may change."""
    moments = {
        seconds * _SECOND_US for r in restrictions for seconds in (r.min_duration, r.max_duration) if seconds
    }
    times = {at for r in restrictions for at in (r.start_time, r.end_time) if at is not None}
    if times or any(r.day_of_week or r.start_date or r.end_date for r in restrictions):
        times.add(time())
        changes = [*_wall_moments(span, sorted(times)), *_offset_changes(span)]
        moments |= {(at - span.started_at) // _MICROSECOND for at in changes}
    return sorted(moment for moment in moments if 0 < moment < span.us)


def _wall_moments(span: _Span, times: Sequence[time]) -> Iterator[datetime]:
    """Each time of day of each local day; twice where the clock shows it twice."""
    for day in _days(span):
        for at in times:
            for fold in (0, 1):
                yield datetime.combine(day, at, tzinfo=span.zone).replace(fold=fold).astimezone(UTC)


def _offset_changes(span: _Span) -> Iterator[datetime]:
    """When the local clock is put forward or back, to the second."""
    for day in _days(span):
        low = datetime.combine(day, time(), tzinfo=UTC)
        high = low + timedelta(days=1)
        before = low.astimezone(span.zone).utcoffset()
        if before == high.astimezone(span.zone).utcoffset():
            continue
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
            if middle.astimezone(span.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        yield high


def _days(span: _Span) -> Iterator[date]:
    """The days of the session with one to spare at both ends, for zones east and west."""
    day = span.started_at.date() - timedelta(days=1)
    while day <= span.ended_at.date() + timedelta(days=1):
        yield day
        day += timedelta(days=1)
