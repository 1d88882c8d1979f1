"""What the demo consists of: names, places, chargers, people and prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SLUG = "demo"
NAME = "Demo Charging"
CURRENCY = "EUR"
TIME_ZONE = "Europe/Berlin"


def _component(type: str, price: str, **more: Any) -> dict[str, Any]:
    return {"type": type, "price": price, "vat": "19", "step_size": 1, **more}


@dataclass(frozen=True, kw_only=True)
class TariffSpec:
    """A tariff; prices before VAT."""

    name: str
    description: str
    elements: list[dict[str, Any]]


TARIFFS = (
    TariffSpec(
        name="City",
        description="0.42 €/kWh, 0.32 € at night; parking after charging 3 €/h by day. Prices plus VAT.",
        elements=[
            {
                "price_components": [_component("ENERGY", "0.32")],
                "restrictions": {"start_time": "22:00", "end_time": "06:00"},
            },
            {"price_components": [_component("ENERGY", "0.42"), _component("PARKING_TIME", "3.00")]},
        ],
    ),
    TariffSpec(
        name="Fast charging",
        description="0.55 €/kWh and 0.50 € a session. Prices plus VAT.",
        elements=[{"price_components": [_component("FLAT", "0.50"), _component("ENERGY", "0.55")]}],
    ),
    TariffSpec(
        name="Staff",
        description="0.25 €/kWh for employees. Prices plus VAT.",
        elements=[{"price_components": [_component("ENERGY", "0.25")]}],
    ),
)


@dataclass(frozen=True, kw_only=True)
class SiteSpec:
    """A location and the tariff that applies there."""

    name: str
    tariff: str
    fields: dict[str, Any]


SITES = (
    SiteSpec(
        name="Harbour Garage",
        tariff="City",
        fields={
            "address": "Am Hafen 12",
            "postal_code": "20457",
            "city": "Hamburg",
            "country": "DE",
            "latitude": "53.543100",
            "longitude": "9.988400",
        },
    ),
    SiteSpec(
        name="Motorway Park East",
        tariff="Fast charging",
        fields={
            "address": "Rasthof Ost 1",
            "postal_code": "22941",
            "city": "Bargteheide",
            "country": "DE",
            "latitude": "53.728600",
            "longitude": "10.266700",
        },
    ),
)


@dataclass(frozen=True, kw_only=True)
class ChargerSpec:
    """A charger; `busy` is its mean number of sessions a day, `is_live` whether the simulator runs it.

    ocpp   the version that it speaks
    """

    identity: str
    name: str
    site: str
    power_w: int
    busy: float
    vendor: str
    model: str
    firmware: str
    ocpp: str = "1.6"
    is_live: bool = True
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def is_fast(self) -> bool:
        return self.power_w > 22_000


def _ac(number: int, **more: Any) -> ChargerSpec:
    return ChargerSpec(
        identity=f"DEMO-HAM-{number:02d}",
        name=f"Garage {number}",
        site="Harbour Garage",
        power_w=11_000 if number % 2 else 22_000,
        busy=2.4 - 0.15 * number,
        vendor="Norwatt",
        model="Wall 22",
        firmware="2.4.1",
        **more,
    )


def _dc(number: int, **more: Any) -> ChargerSpec:
    return ChargerSpec(
        identity=f"DEMO-OST-{number:02d}",
        name=f"Fast {number}",
        site="Motorway Park East",
        power_w=150_000,
        busy=3.5 - 0.4 * number,
        vendor="Helvion",
        model="HPC 150",
        firmware="7.0.12",
        **more,
    )


CHARGERS = (
    *(_ac(number) for number in range(1, 5)),
    _ac(5, ocpp="2.0.1"),
    _ac(6, ocpp="2.1"),
    _ac(7, is_live=False, fields={"note": "Cable damaged, spare part ordered."}),
    _ac(8, fields={"pricing_mode": "free", "note": "Guests of the hotel charge free."}),
    _dc(1),
    _dc(2, ocpp="2.0.1"),
    _dc(3, ocpp="2.1"),
    _dc(4, is_live=False, fields={"note": "Grid connection follows."}),
)
CONNECTORS = 2
#: Connectors of each EVSE of those that speak 2.x.
EVSE_CONNECTORS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class TagSpec:
    """A tag; `driver` is the name of its driver."""

    value: str
    driver: str = ""
    group: str = ""
    tariff: str = ""
    status: str = "Accepted"
    expires_in_days: int | None = None
    note: str = ""

    @property
    def is_usable(self) -> bool:
        return self.status == "Accepted" and (self.expires_in_days or 1) > 0


DRIVERS = (
    "Amira Haddad",
    "Ben Krüger",
    "Chiara Rossi",
    "David Nowak",
    "Elif Yılmaz",
    "Finn Petersen",
    "Greta Lindqvist",
    "Hugo Martin",
)
TAGS = (
    *(
        TagSpec(value=f"04DE30{number:02X}A1B2C3", driver=name)
        for number, name in enumerate(DRIVERS, start=1)
    ),
    *(
        TagSpec(
            value=f"04F1EE{number:02X}00DD11", group="HARBOUR-FLEET", tariff="Staff", note=f"Van {number}"
        )
        for number in range(1, 5)
    ),
    TagSpec(value="04B10CED00AA55", driver="Hugo Martin", status="Blocked", note="Reported lost."),
    TagSpec(value="04E0D1ED00AA55", driver="Greta Lindqvist", expires_in_days=-20, note="Replaced."),
)
