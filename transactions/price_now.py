"""What a tariff costs at a moment, when that changes, and how to say it.

Pure.  Prices are including VAT: they are for the person at the charger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from transactions.pricing_periods import Piece, holds, moments_of, zone_of
from transactions.pricing_tariff import Dimension, Element, PriceComponent, Tariff, minor_units

#: How far ahead a change of prices is looked for.
AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A session at a moment; before one begins nothing was used.

    power_w  what flows now
    """

    at: datetime
    time_zone: str
    started_at: datetime
    energy_wh: Decimal = Decimal(0)
    power_w: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceNow:
    """Prices that hold at a moment, including VAT; None: nothing is charged for it."""

    currency: str
    kwh: Decimal | None = None
    hour: Decimal | None = None
    flat: Decimal | None = None
    idle_hour: Decimal | None = None

    @property
    def is_free(self) -> bool:
        """Nothing costs anything."""
        return not any((self.kwh, self.hour, self.flat, self.idle_hour))

    def in_words(self) -> str:
        """For a display."""
        if self.is_free:
            return "Free of charge"
        parts = (
            (self.kwh, "/kWh"),
            (self.hour, "/h charging"),
            (self.flat, " per session"),
            (self.idle_hour, "/h when not charging"),
        )
        said = [f"{_amount(price)} {self.currency}{unit}" for price, unit in parts if price]
        return f"{', '.join(said)}, incl. VAT" if said else "Free of charge"


def prices_at(tariff: Tariff, now: Situation) -> PriceNow:
    """The prices of this moment: of each kind, the first element whose restrictions hold."""
    piece = _piece(now)
    active = [element for element in _elements(tariff) if holds(element.restrictions, piece)]
    return PriceNow(
        currency=tariff.currency,
        kwh=_price(active, Dimension.ENERGY),
        hour=_price(active, Dimension.TIME),
        flat=_price(active, Dimension.FLAT),
        idle_hour=_price(active, Dimension.PARKING_TIME),
    )


def next_change(tariff: Tariff, now: Situation) -> tuple[datetime, PriceNow] | None:
    """When other prices hold only because time passes, and which; None within the next two days."""
    present = prices_at(tariff, now)
    restrictions = [element.restrictions for element in _elements(tariff)]
    for at in moments_of(now.started_at, now.at + AHEAD, now.time_zone, restrictions):
        if at <= now.at:
            continue
        then = Situation(
            at=at,
            time_zone=now.time_zone,
            started_at=now.started_at,
            energy_wh=now.energy_wh,
            power_w=now.power_w,
        )
        prices = prices_at(tariff, then)
        if prices != present:
            return at, prices
    return None


def next_energy_step(tariff: Tariff, now: Situation) -> Decimal | None:
    """The energy in kWh, counted from the start, at which prices may change next."""
    limits = (
        limit
        for element in _elements(tariff)
        for limit in (element.restrictions.min_kwh, element.restrictions.max_kwh)
    )
    ahead = [limit for limit in limits if limit is not None and limit * 1000 > now.energy_wh]
    return min(ahead, default=None)


def _elements(tariff: Tariff) -> Sequence[Element]:
    return [element for element in tariff.elements if element.restrictions.reservation is None]


def _price(active: Sequence[Element], dimension: Dimension) -> Decimal | None:
    for element in active:
        component = element.component(dimension)
        if component is not None:
            return _incl_vat(component)
    return None


def _incl_vat(component: PriceComponent) -> Decimal:
    return component.price * (1 + (component.vat or Decimal(0)) / 100)


def _piece(now: Situation) -> Piece:
    zero = Fraction(0)
    power = Fraction(now.power_w)
    return Piece(
        local=now.at.astimezone(zone_of(now.time_zone)),
        elapsed_s=max(zero, Fraction((now.at - now.started_at) // timedelta(seconds=1))),
        used_wh=Fraction(now.energy_wh),
        seconds=zero,
        wh=zero,
        power_w=power,
        current_a=power / 230,
        charging=True,
    )


def _amount(price: Decimal) -> str:
    """At least two decimals, at most four; never an exponent."""
    text = f"{round(price, 4):f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def money(amount: Decimal, currency: str) -> str:
    """An amount as it is said: “4.32 EUR”."""
    return f"{amount:.{minor_units(currency)}f} {currency}"
