"""Our tariff (OCPI's structure) and TariffType of OCPP 2.1, both ways.

Both price each kind of use by the first entry whose conditions hold, so that the order says the same in both. What the
other side cannot say is refused in words, never left out: it would be charged otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from transactions.pricing_tariff import Dimension, Element, Price, PriceComponent, Restrictions, Tariff

Payload = dict[str, Any]

ID_LENGTH, TEXT_LENGTH = 60, 1024
#: Decimals of a number on the wire (2.1 part 2 §2.1.4).
PLACES = 6
RESERVATION = "RESERVATION"

_KINDS = {
    (Dimension.ENERGY, None): "energy",
    (Dimension.TIME, None): "chargingTime",
    (Dimension.PARKING_TIME, None): "idleTime",
    (Dimension.FLAT, None): "fixedFee",
    (Dimension.TIME, RESERVATION): "reservationTime",
    (Dimension.FLAT, RESERVATION): "reservationFixed",
}
_PRICES = {
    "energy": "priceKwh",
    "chargingTime": "priceMinute",
    "idleTime": "priceMinute",
    "reservationTime": "priceMinute",
    "fixedFee": "priceFixed",
    "reservationFixed": "priceFixed",
}
#: ours → (theirs, factor); what a fixed fee may depend on comes first (TariffConditionsFixedType).
_BY_CLOCK = {
    "start_time": "startTimeOfDay",
    "end_time": "endTimeOfDay",
    "day_of_week": "dayOfWeek",
    "start_date": "validFromDate",
    "end_date": "validToDate",
}
_BY_USE = {
    "min_kwh": ("minEnergy", 1000),
    "max_kwh": ("maxEnergy", 1000),
    "min_current": ("minCurrent", 1),
    "max_current": ("maxCurrent", 1),
    "min_power": ("minPower", 1000),
    "max_power": ("maxPower", 1000),
    "min_duration": ("minTime", 1),
    "max_duration": ("maxTime", 1),
}
_WORDS = {
    "energy": "energy",
    "chargingTime": "charging time",
    "idleTime": "parking time",
    "fixedFee": "the session fee",
    "reservationTime": "reservation time",
    "reservationFixed": "the reservation fee",
}


class Untranslatable(ValueError):
    """A tariff that the other side has no words for."""


def to_wire(
    tariff: Tariff, *, tariff_id: str, description: str = "", language: str = "", valid_from: str = ""
) -> Payload:
    """TariffType.

    valid_from  as it goes on the wire; a driver's tariff has none (I08.FR.09)
    Raises      Untranslatable
    """
    parts: dict[str, list[tuple[PriceComponent, Restrictions]]] = {}
    for element in tariff.elements:
        for component in element.price_components:
            parts.setdefault(_kind(component, element.restrictions), []).append(
                (component, element.restrictions)
            )
    wire: Payload = {"tariffId": tariff_id[:ID_LENGTH], "currency": tariff.currency}
    wire |= {kind: _priced(kind, rows) for kind, rows in parts.items()}
    for name, bound in (("minCost", tariff.min_price), ("maxCost", tariff.max_price)):
        if bound is not None:
            wire[name] = _bound(bound)
    if description:
        text: Payload = {"format": "UTF8", "content": description[:TEXT_LENGTH]}
        wire["description"] = [text | ({"language": language[:8]} if language else {})]
    if valid_from:
        wire["validFrom"] = valid_from
    return wire


def _kind(component: PriceComponent, restrictions: Restrictions) -> str:
    if restrictions.reservation not in (None, RESERVATION):
        raise Untranslatable("OCPP 2.1 has no price for a reservation that expires unused.")
    if component.step_size not in (None, 1):
        raise Untranslatable(
            f"OCPP 2.1 bills {component.type} exactly, not in blocks of {component.step_size}: leave the step empty."
        )
    return _KINDS[component.type, restrictions.reservation]


def _priced(kind: str, rows: Sequence[tuple[PriceComponent, Restrictions]]) -> Payload:
    rates = {component.vat for component, _ in rows}
    if len(rates) > 1:
        raise Untranslatable(f"OCPP 2.1 takes one VAT rate for {_WORDS[kind]}, not several.")
    vat = rates.pop()
    prices = []
    for component, restrictions in rows:
        price: Payload = {_PRICES[kind]: _number(_per_unit(kind, component.price))}
        if conditions := _conditions(kind, restrictions):
            price["conditions"] = conditions
        prices.append(price)
    return {
        "prices": prices,
        **({} if vat is None else {"taxRates": [{"type": "VAT", "tax": _number(vat)}]}),
    }


def _per_unit(kind: str, price: Decimal) -> Decimal:
    return price / 60 if _PRICES[kind] == "priceMinute" else price


def _conditions(kind: str, restrictions: Restrictions) -> Payload:
    said: Payload = {}
    for name in sorted(restrictions.names() - {"reservation"}):
        value = getattr(restrictions, name)
        if name in _BY_CLOCK:
            said[_BY_CLOCK[name]] = _clock(name, value)
        elif _PRICES[kind] == "priceFixed":
            raise Untranslatable(
                f"In OCPP 2.1 {_WORDS[kind]} depends on date and time only, not on {name.replace('_', ' ')}."
            )
        else:
            theirs, factor = _BY_USE[name]
            said[theirs] = _number(Decimal(value) * factor)
    return said


def _clock(name: str, value: Any) -> Any:
    if name == "day_of_week":
        return [str(day).capitalize() for day in value]
    return value.strftime("%H:%M") if name.endswith("_time") else value.isoformat()


def _bound(bound: Price) -> Payload:
    incl = {} if bound.incl_vat is None else {"inclTax": _number(bound.incl_vat)}
    return {"exclTax": _number(bound.excl_vat), **incl}


def _number(value: Decimal) -> int | float:
    rounded = round(value, PLACES)
    return int(rounded) if rounded == int(rounded) else float(rounded)


# ---------------------------------------------------------------- and back


def from_wire(wire: Mapping[str, Any]) -> Tariff:
    """Our tariff of a TariffType that is right by its schema.

    Raises  Untranslatable  where it says what ours cannot
            TariffError     where a number or time in it makes no sense
    """
    elements = [
        element
        for (dimension, reservation), kind in _KINDS.items()
        if (part := wire.get(kind)) is not None
        for element in _elements(kind, part, dimension, reservation)
    ]
    if not elements:
        raise Untranslatable("This tariff has no prices.")
    bounds = {
        ours: _read_bound(wire[theirs])
        for ours, theirs in (("min_price", "minCost"), ("max_price", "maxCost"))
        if wire.get(theirs) is not None
    }
    return Tariff.parse({"currency": wire.get("currency"), "elements": elements, **bounds})


def _elements(
    kind: str, part: Mapping[str, Any], dimension: Dimension, reservation: str | None
) -> list[dict[str, Any]]:
    vat = _read_rate(kind, part.get("taxRates") or ())
    found = []
    for row in part["prices"]:
        price = Decimal(str(row[_PRICES[kind]]))
        component = {
            "type": dimension.value,
            "price": _text(price * 60 if _PRICES[kind] == "priceMinute" else price),
            "vat": vat,
            "step_size": None,
        }
        restrictions = _read_conditions(row.get("conditions") or {})
        if reservation is not None:
            restrictions["reservation"] = reservation
        found.append({"price_components": [component], "restrictions": restrictions})
    return found


def _read_rate(kind: str, rates: Sequence[Mapping[str, Any]]) -> str | None:
    if len(rates) > 1:
        raise Untranslatable(f"It has several taxes for {_WORDS[kind]}; here there is one VAT rate.")
    return _text(Decimal(str(rates[0]["tax"]))) if rates else None


def _read_conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {theirs: (ours, 1) for ours, theirs in _BY_CLOCK.items()}
    names |= {theirs: (ours, factor) for ours, (theirs, factor) in _BY_USE.items()}
    read: dict[str, Any] = {}
    for theirs, value in given.items():
        if theirs == "customData":
            continue
        if theirs not in names:
            raise Untranslatable(f"Prices here cannot depend on {theirs}.")
        ours, factor = names[theirs]
        if ours == "day_of_week":
            read[ours] = [str(day).upper() for day in value]
        elif ours in _BY_CLOCK:
            read[ours] = value
        else:
            read[ours] = _text(Decimal(str(value)) / factor)
    return read


def _read_bound(price: Mapping[str, Any]) -> dict[str, str]:
    if price.get("exclTax") is None:
        raise Untranslatable("A bound without its amount before tax has no counterpart here.")
    bound = {"excl_vat": _text(Decimal(str(price["exclTax"])))}
    if price.get("inclTax") is not None:
        bound["incl_vat"] = _text(Decimal(str(price["inclTax"])))
    return bound


def _text(number: Decimal) -> str:
    return f"{round(number, PLACES).normalize():f}"


__all__ = ["Element", "Untranslatable", "from_wire", "to_wire"]
