"""The tariff: OCPI's structure as frozen values, read from and written to JSON-able snapshots.

Prices are excluding VAT and per kWh, hour or session.  Spec: OCPI 2.2.1 mod_tariffs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self


class Dimension(StrEnum):
    """TariffDimensionType, in the order of the lines on a bill."""

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"


DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
RESERVATIONS = ("RESERVATION", "RESERVATION_EXPIRES")
#: Prices and limits beyond this are typing errors and would not fit the ledger.
MAX_NUMBER = Decimal(1_000_000_000)
MAX_PLACES = 6

#: ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_UNITS = {
    code: places
    for places, codes in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for code in codes.split(" ")
}

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DATE = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def minor_units(currency: str) -> int:
    """Decimals of amounts in a currency (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


class TariffError(ValueError):
    """A tariff that cannot be priced: `field` is the path of the value, `message` is for people."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """Price of one dimension.

    vat        percent; None = no VAT applies, which is not 0 %
    step_size  block in Wh or seconds that the last used amount is rounded up to; None = exact, no blocks
    """

    type: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int | None = None


@dataclass(frozen=True, slots=True)
class Restrictions:
    """When an element applies; all must hold.  Minima and starts are inclusive, maxima and ends exclusive.

    Times of day, dates and weekdays are local to the site.  Energy in kWh, current in A over all phases,
    power in kW, duration in seconds.
    """

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    day_of_week: tuple[str, ...] = ()
    reservation: str | None = None

    def names(self) -> frozenset[str]:
        """Names of the restrictions that are set."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) not in (None, ()))


@dataclass(frozen=True, slots=True)
class Element:
    price_components: tuple[PriceComponent, ...]
    restrictions: Restrictions = Restrictions()

    def component(self, dimension: Dimension) -> PriceComponent | None:
        return next((component for component in self.price_components if component.type is dimension), None)


@dataclass(frozen=True, slots=True)
class Price:
    """An amount of the tariff's currency; where `incl_vat` is None only the amount before VAT binds."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tariff:
    """Currency, elements in order of precedence, and the bounds of a session's cost."""

    currency: str
    elements: tuple[Element, ...]
    min_price: Price | None = None
    max_price: Price | None = None

    @classmethod
    def parse(cls, snapshot: Mapping[str, Any]) -> Self:
        """Read a tariff in OCPI's form.  Other top-level fields of the Tariff object are ignored.

        Numbers may be numbers or strings.  Raises TariffError with the path of the first wrong value.
        """
        if not isinstance(snapshot, Mapping):
            raise TariffError("tariff", "Must be an object.")
        currency = snapshot.get("currency")
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise TariffError("currency", "Must be a three-letter ISO 4217 code in capitals.")
        elements = [
            _parse_element(item, f"elements.{index}")
            for index, item in enumerate(_rows(snapshot.get("elements"), "elements"))
        ]
        low, high = (_parse_bound(snapshot.get(name), name) for name in ("min_price", "max_price"))
        _check_places(currency, min_price=low, max_price=high)
        _check_bounds(low, high)
        return cls(currency, tuple(elements), low, high)

    @classmethod
    def flat_energy(
        cls, price_per_kwh: Decimal | int | str, currency: str, vat: Decimal | int | str | None = None
    ) -> Self:
        """One price per kWh, billed exactly as metered."""
        component = {"type": "ENERGY", "price": price_per_kwh, "vat": vat}
        return cls.parse({"currency": currency, "elements": [{"price_components": [component]}]})

    def as_snapshot(self) -> dict[str, Any]:
        """JSON-able form that `parse` reads back to an equal tariff; decimals are strings."""
        snapshot: dict[str, Any] = {
            "currency": self.currency,
            "elements": [_element_snapshot(element) for element in self.elements],
        }
        for name, price in (("min_price", self.min_price), ("max_price", self.max_price)):
            if price is not None:
                snapshot[name] = _fields_snapshot(price)
        return snapshot


def _element_snapshot(element: Element) -> dict[str, Any]:
    # vat and step_size are written even if null: their absence has a meaning.
    snapshot: dict[str, Any] = {
        "price_components": [
            {
                "type": c.type.value,
                "price": _jsonable(c.price),
                "vat": _jsonable(c.vat),
                "step_size": c.step_size,
            }
            for c in element.price_components
        ]
    }
    if restrictions := _fields_snapshot(element.restrictions):
        snapshot["restrictions"] = restrictions
    return snapshot


def _fields_snapshot(value: Restrictions | Price) -> dict[str, Any]:
    known = {f.name: getattr(value, f.name) for f in fields(value)}
    return {name: _jsonable(item) for name, item in known.items() if item not in (None, ())}


def _jsonable(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value, "f")
        case time():
            return value.strftime("%H:%M")
        case date():
            return value.isoformat()
        case tuple():
            return list(value)
    return value


def _parse_element(item: Any, path: str) -> Element:
    item = _object(item, path, known=("price_components", "restrictions"))
    path_of = f"{path}.price_components"
    components = [
        _parse_component(row, f"{path_of}.{index}")
        for index, row in enumerate(_rows(item.get("price_components"), path_of))
    ]
    seen: set[Dimension] = set()
    for index, component in enumerate(components):
        if component.type in seen:
            raise TariffError(f"{path_of}.{index}.type", f"{component.type} is priced twice in one element.")
        seen.add(component.type)
    restrictions = _parse_restrictions(item.get("restrictions") or {}, f"{path}.restrictions")
    if restrictions.reservation and not seen <= {Dimension.FLAT, Dimension.TIME}:
        raise TariffError(path_of, "A reservation has only FLAT and TIME prices.")
    return Element(tuple(components), restrictions)


def _parse_component(item: Any, path: str) -> PriceComponent:
    item = _object(item, path, known=("type", "price", "vat", "step_size"))
    if item.get("type") not in tuple(Dimension):
        raise TariffError(f"{path}.type", f"Must be one of {', '.join(Dimension)}.")
    price = _number(item.get("price"), f"{path}.price")
    vat = None if item.get("vat") is None else _number(item["vat"], f"{path}.vat")
    if vat is not None and vat > 100:
        raise TariffError(f"{path}.vat", "Must be a percentage from 0 to 100.")
    step = None if item.get("step_size") is None else _whole(item["step_size"], f"{path}.step_size", least=1)
    return PriceComponent(Dimension(item["type"]), price, vat, step)


def _parse_restrictions(item: Any, path: str) -> Restrictions:
    item = _object(item, path, known=tuple(f.name for f in fields(Restrictions)))
    parsed: dict[str, Any] = {}
    for name, value in item.items():
        if value is None:
            continue
        where = f"{path}.{name}"
        if name.endswith("_time"):
            parsed[name] = time.fromisoformat(_text(value, where, _TIME, "a time of day as 07:30"))
        elif name.endswith("_date"):
            parsed[name] = _day(value, where)
        elif name.endswith("_duration"):
            parsed[name] = _whole(value, where, least=0)
        elif name == "day_of_week":
            parsed[name] = _weekdays(value, where)
        elif name == "reservation":
            if value not in RESERVATIONS:
                raise TariffError(where, f"Must be one of {', '.join(RESERVATIONS)}.")
            parsed[name] = value
        else:
            parsed[name] = _number(value, where)
    _check_ranges(parsed, path)
    return Restrictions(**parsed)


def _check_ranges(parsed: Mapping[str, Any], path: str) -> None:
    pairs = [("start_date", "end_date")]
    pairs += [(f"min_{name}", f"max_{name}") for name in ("kwh", "current", "power", "duration")]
    for low, high in pairs:
        if low in parsed and high in parsed and parsed[low] >= parsed[high]:
            raise TariffError(f"{path}.{high}", f"Must be above {low}, or the element never applies.")


def _parse_bound(item: Any, path: str) -> Price | None:
    if item is None:
        return None
    item = _object(item, path, known=("excl_vat", "incl_vat"))
    excl = _number(item.get("excl_vat"), f"{path}.excl_vat")
    incl = None if item.get("incl_vat") is None else _number(item["incl_vat"], f"{path}.incl_vat")
    if incl is not None and incl < excl:
        raise TariffError(f"{path}.incl_vat", "Must not be below excl_vat.")
    return Price(excl, incl)


def _check_places(currency: str, **bounds: Price | None) -> None:
    """A bound finer than the currency could not be met by any amount of it."""
    for name, bound in bounds.items():
        for part in ("excl_vat", "incl_vat"):
            amount = getattr(bound, part, None)
            if amount is not None and _places(amount) > minor_units(currency):
                raise TariffError(f"{name}.{part}", f"{currency} has {minor_units(currency)} decimals.")


def _check_bounds(low: Price | None, high: Price | None) -> None:
    if low is None or high is None:
        return
    if low.excl_vat > high.excl_vat:
        raise TariffError("max_price.excl_vat", "Must not be below min_price.")
    # Where only one of them binds after VAT, VAT could carry the minimum over the maximum.
    if (low.incl_vat is None) != (high.incl_vat is None):
        raise TariffError(
            "max_price.incl_vat", "Give incl_vat for both min_price and max_price, or for none."
        )
    if low.incl_vat is not None and high.incl_vat is not None and low.incl_vat > high.incl_vat:
        raise TariffError("max_price.incl_vat", "Must not be below min_price.")


def _object(item: Any, path: str, *, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise TariffError(path, "Must be an object.")
    for name in item:
        if name not in known:
            raise TariffError(f"{path}.{name}", f"Unknown; known are {', '.join(known)}.")
    return item


def _rows(items: Any, path: str) -> Sequence[Any]:
    if not isinstance(items, list | tuple) or not items:
        raise TariffError(path, "Must be a list with at least one entry.")
    return items


def _number(value: Any, path: str) -> Decimal:
    """A decimal from 0, given as number or string; floats are read by their shortest decimal form."""
    text = _plain(value)
    if text is None or len(text) > 40 or not _NUMBER.fullmatch(text):
        raise TariffError(path, "Must be a number.")
    number = Decimal(text)
    if number < 0:
        raise TariffError(path, "Must not be negative.")
    if number >= MAX_NUMBER:
        raise TariffError(path, f"Must be below {MAX_NUMBER}.")
    if _places(number) > MAX_PLACES:
        raise TariffError(path, f"Must not have more than {MAX_PLACES} decimals.")
    return number.copy_abs()


def _plain(value: Any) -> str | None:
    """Digits without exponent, or None.  Bounded first: printing 1e999999999 would fill the memory."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else None
    if isinstance(value, float):
        value = Decimal(str(value))
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and -20 < value.adjusted() < 20 else None
    return value if isinstance(value, str) else None


def _places(number: Decimal) -> int:
    """Decimals in use: 2 for 0.250."""
    return len(format(number, "f").partition(".")[2].rstrip("0"))


def _whole(value: Any, path: str, *, least: int) -> int:
    number = _number(value, path)
    if number != int(number) or number < least:
        raise TariffError(path, f"Must be a whole number from {least}.")
    return int(number)


def _text(value: Any, path: str, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise TariffError(path, f"Must be {what}.")
    return value


def _day(value: Any, path: str) -> date:
    try:
        return date.fromisoformat(_text(value, path, _DATE, "a date as 2026-03-29"))
    except ValueError as error:
        raise TariffError(path, "Must be a date as 2026-03-29.") from error


def _weekdays(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TariffError(path, "Must be a list of weekdays.")
    for day in value:
        if day not in DAYS:
            raise TariffError(path, f"Must hold only {', '.join(DAYS)}.")
    return tuple(day for day in DAYS if day in value)
