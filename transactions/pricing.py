"""What a session costs: a tariff and a usage give the lines of a bill, exact until each line is rounded.

    priced = price(Tariff.flat_energy(2500, "IDR"), Usage(...))

Spec: OCPI 2.2.1 mod_tariffs (elements, restrictions, bounds), mod_cdrs (step_size).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from transactions.energy import Reading
from transactions.pricing_periods import Piece, Usage, cut, holds
from transactions.pricing_tariff import (
    Dimension,
    Element,
    Price,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffError,
    minor_units,
)

__all__ = [
    "Line",
    "PriceComponent",
    "Priced",
    "Reading",
    "Tariff",
    "TariffError",
    "Usage",
    "minor_units",
    "needs_readings",
    "price",
]

Unit = Literal["kWh", "h", "session"]
Kind = Literal["FLAT", "ENERGY", "TIME", "PARKING_TIME", "MIN_PRICE", "MAX_PRICE"]

_NAMES = {
    Dimension.FLAT: "Session fee",
    Dimension.ENERGY: "Energy",
    Dimension.TIME: "Charging time",
    Dimension.PARKING_TIME: "Parking time",
}
_UNITS: dict[Dimension, Unit] = {
    Dimension.FLAT: "session",
    Dimension.ENERGY: "kWh",
    Dimension.TIME: "h",
    Dimension.PARKING_TIME: "h",
}
#: Steps (Wh, seconds) in one priced unit (kWh, hour).
_STEPS = {Dimension.FLAT: 1, Dimension.ENERGY: 1000, Dimension.TIME: 3600, Dimension.PARKING_TIME: 3600}
_QUANTITY_PLACES = 6
_BY_CLOCK = frozenset({"start_time", "end_time", "start_date", "end_date", "day_of_week"})
_BY_DURATION = frozenset({"min_duration", "max_duration"})
_BY_ENERGY = frozenset({"min_kwh", "max_kwh"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill.  `vat_percent` None: no VAT, or in a bound's line VAT of several rates."""

    kind: Kind
    description: str
    quantity: Decimal
    unit: Unit
    unit_price: Decimal
    vat_percent: Decimal | None
    amount_excl_vat: Decimal
    vat_amount: Decimal
    amount: Decimal

    def as_json(self) -> dict[str, str | None]:
        """JSON-able form; numbers are strings."""
        return {
            "kind": self.kind,
            "description": self.description,
            "quantity": _text(self.quantity),
            "unit": self.unit,
            "unit_price": _text(self.unit_price),
            "vat_percent": None if self.vat_percent is None else _text(self.vat_percent),
            "amount_excl_vat": format(self.amount_excl_vat, "f"),
            "vat_amount": format(self.vat_amount, "f"),
            "amount": format(self.amount, "f"),
        }


@dataclass(frozen=True, slots=True)
class Priced:
    """The bill of a session; the totals are the sums of the rounded lines.  `notes` are for the ledger."""

    currency: str
    lines: tuple[Line, ...]
    total_excl_vat: Decimal
    total_vat: Decimal
    total: Decimal
    notes: tuple[str, ...] = ()


def price(tariff: Tariff, usage: Usage) -> Priced:
    """Price a session, running or ended.

    - At each moment and for each dimension the first element whose restrictions hold gives the price; where
      none does, it costs nothing.  Elements for reservations are left out.
    - TIME is while the register rises, PARKING_TIME while it does not.
    - A FLAT fee is due once: that of the first moment at which one applies.
    - `step_size` rounds up once for energy and once for time: the total of the dimension used last, in the
      block of the component used last, which also bears the rest.
    - Each line is rounded half up to the currency's minor units, its VAT from the rounded amount.
    - `min_price`, then `max_price`, bind before and after VAT and are lines of their own.
    """
    elements = tuple(element for element in tariff.elements if element.restrictions.reservation is None)
    pieces, notes = cut(usage, [element.restrictions for element in elements])
    buckets = _meter(elements, pieces)
    _apply_steps(buckets)
    lines = [line for dimension in Dimension for line in _lines(tariff, buckets, dimension)]
    lines += _bound_lines(tariff, lines)
    zero = _rounded(Fraction(0), tariff.currency)
    excl = sum((line.amount_excl_vat for line in lines), zero)
    vat = sum((line.vat_amount for line in lines), zero)
    return Priced(tariff.currency, tuple(lines), excl, vat, excl + vat, notes)


def needs_readings(tariff: Tariff) -> bool:
    """False if start, end and total energy give the same cost as they would with readings."""
    elements = [element for element in tariff.elements if element.restrictions.reservation is None]
    return any(_depends_on_readings(elements, dimension) for dimension in Dimension)


def _depends_on_readings(elements: Sequence[Element], dimension: Dimension) -> bool:
    priced = [element for element in elements if element.component(dimension)]
    if not priced:
        return False
    names = frozenset[str]().union(*(element.restrictions.names() for element in priced))
    match dimension:
        case Dimension.ENERGY:
            # Thresholds in kWh are crossed in the same order at whatever time.
            return not names <= _BY_ENERGY
        case Dimension.FLAT:
            return not names <= _BY_CLOCK | _BY_DURATION
    return True


# --- quantities ---


@dataclass(slots=True)
class _Bucket:
    """What one price component has to bill, in Wh, seconds or sessions; `last_used` orders components."""

    component: PriceComponent
    restrictions: Restrictions
    quantity: Fraction = Fraction(0)
    last_used: int = -1


def _meter(elements: Sequence[Element], pieces: Sequence[Piece]) -> list[_Bucket]:
    """Buckets of the components that were used, in order of first use."""
    buckets: dict[tuple[int, Dimension], _Bucket] = {}
    flat_is_due = True
    for order, piece in enumerate(pieces):
        active = [index for index, element in enumerate(elements) if holds(element.restrictions, piece)]
        for dimension, quantity in _quantities(piece):
            if dimension is Dimension.FLAT and not flat_is_due:
                continue
            for index in active:
                component = elements[index].component(dimension)
                if component is None:
                    continue
                bucket = buckets.setdefault(
                    (index, dimension), _Bucket(component, elements[index].restrictions)
                )
                bucket.quantity += quantity
                bucket.last_used = order
                flat_is_due = flat_is_due and dimension is not Dimension.FLAT
                break
    return list(buckets.values())


def _quantities(piece: Piece) -> Iterator[tuple[Dimension, Fraction]]:
    yield Dimension.FLAT, Fraction(1)
    if piece.wh:
        yield Dimension.ENERGY, piece.wh
    if piece.seconds:
        yield (Dimension.TIME if piece.charging else Dimension.PARKING_TIME), piece.seconds


def _apply_steps(buckets: Sequence[_Bucket]) -> None:
    """Round up to whole blocks (OCPI 2.2.1 mod_cdrs, step_size): once for energy, once for all time."""
    for family in ({Dimension.ENERGY}, {Dimension.TIME, Dimension.PARKING_TIME}):
        used = [bucket for bucket in buckets if bucket.component.type in family]
        if not used:
            continue
        last = max(used, key=lambda bucket: bucket.last_used)
        if last.component.step_size is None:
            continue
        same = [bucket for bucket in used if bucket.component.type is last.component.type]
        total = sum((bucket.quantity for bucket in same), Fraction(0))
        last.quantity += ceil(total / last.component.step_size) * last.component.step_size - total


# --- lines ---


def _lines(tariff: Tariff, buckets: Sequence[_Bucket], dimension: Dimension) -> Iterator[Line]:
    used = shown = Fraction(0)
    for bucket in buckets:
        component = bucket.component
        if component.type is not dimension:
            continue
        amount_of_units = bucket.quantity / _STEPS[dimension]
        used += amount_of_units
        # Rounding the running sum keeps the sum of the shown quantities exact.
        quantity = _half_up(used - shown, _QUANTITY_PLACES)
        shown += Fraction(quantity)
        excl = _rounded(amount_of_units * Fraction(component.price), tariff.currency)
        vat = _rounded(Fraction(excl) * Fraction(component.vat or 0) / 100, tariff.currency)
        yield Line(
            kind=dimension.value,
            description=_describe(bucket),
            quantity=quantity,
            unit=_UNITS[dimension],
            unit_price=component.price,
            vat_percent=component.vat,
            amount_excl_vat=excl,
            vat_amount=vat,
            amount=excl + vat,
        )


def _bound_lines(tariff: Tariff, lines: Sequence[Line]) -> Iterator[Line]:
    excl = sum((line.amount_excl_vat for line in lines), Decimal(0))
    vat = sum((line.vat_amount for line in lines), Decimal(0))
    rates = {c.vat for element in tariff.elements for c in element.price_components}
    rate = rates.pop() if len(rates) == 1 else None
    bounds: tuple[tuple[Kind, str, Price | None], ...] = (
        ("MIN_PRICE", "Minimum price", tariff.min_price),
        ("MAX_PRICE", "Maximum price", tariff.max_price),
    )
    for kind, description, bound in bounds:
        if bound is None:
            continue
        to_excl, to_vat = _bounded(excl, vat, bound, is_minimum=kind == "MIN_PRICE", rate=rate, tariff=tariff)
        add_excl, add_vat = to_excl - excl, to_vat - vat
        if add_excl or add_vat:
            yield Line(
                kind,
                description,
                Decimal(1),
                "session",
                add_excl,
                rate,
                add_excl,
                add_vat,
                add_excl + add_vat,
            )
        excl, vat = to_excl, to_vat


def _bounded(
    excl: Decimal, vat: Decimal, bound: Price, *, is_minimum: bool, rate: Decimal | None, tariff: Tariff
) -> tuple[Decimal, Decimal]:
    """Amount before VAT and VAT after a bound.  With no bound after VAT, VAT follows the amount."""
    clamp = max if is_minimum else min
    to_excl = clamp(excl, _rounded(Fraction(bound.excl_vat), tariff.currency))
    if bound.incl_vat is not None:
        to_incl = clamp(excl + vat, _rounded(Fraction(bound.incl_vat), tariff.currency))
        return to_excl, to_incl - to_excl
    if to_excl == excl:
        return excl, vat
    if rate is None and excl:
        return to_excl, _rounded(Fraction(vat) * Fraction(to_excl) / Fraction(excl), tariff.currency)
    return to_excl, _rounded(Fraction(to_excl) * Fraction(rate or 0) / 100, tariff.currency)


def _describe(bucket: _Bucket) -> str:
    component, restrictions = bucket.component, bucket.restrictions
    parts = [_NAMES[component.type]]
    if restrictions.start_time or restrictions.end_time:
        start, end = restrictions.start_time, restrictions.end_time
        parts.append(f"{start:%H:%M}" if start else "00:00")
        parts[-1] += f"–{end:%H:%M}" if end else "–00:00"
    if restrictions.day_of_week:
        parts.append(" ".join(day[:3].title() for day in restrictions.day_of_week))
    for name, unit in (("kwh", "kWh"), ("power", "kW"), ("current", "A"), ("duration", "s")):
        low, high = getattr(restrictions, f"min_{name}"), getattr(restrictions, f"max_{name}")
        parts += [f"from {low} {unit}"] if low is not None else []
        parts += [f"below {high} {unit}"] if high is not None else []
    if component.step_size and component.step_size > 1:
        parts.append(f"per {component.step_size} {'Wh' if component.type is Dimension.ENERGY else 's'}")
    return ", ".join(parts)


def _rounded(amount: Fraction, currency: str) -> Decimal:
    """The one place where money is rounded: half up to the currency's minor units."""
    return _half_up(amount, minor_units(currency))


def _half_up(value: Fraction, places: int) -> Decimal:
    """Round a value from 0 up, half up, without passing through a float or a limited context."""
    return Decimal(floor(value * 10**places + Fraction(1, 2))).scaleb(-places)


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f")
