"""Our tariffs in the words of OCPP 2.1, and back (pure)."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_gateway.v21.tariff_words import Untranslatable, from_wire, to_wire
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V21
from transactions.pricing_tariff import Tariff


def tariff(*elements: dict[str, Any], **more: Any) -> Tariff:
    return Tariff.parse({"currency": "EUR", "elements": list(elements), **more})


def element(
    kind: str, price: str, *, vat: str | None = "19", step: int | None = None, **when: Any
) -> dict[str, Any]:
    component = {"type": kind, "price": price, "vat": vat, "step_size": step}
    return {"price_components": [component], "restrictions": when}


def said(given: Tariff, **more: Any) -> dict[str, Any]:
    """What goes out, right by the schema of SetDefaultTariff."""
    wire = to_wire(given, tariff_id="t-1", **more)
    assert schemas.check_request(V21, "SetDefaultTariff", {"evseId": 0, "tariff": wire}, strict=True) is None
    return wire


FULL = tariff(
    element("ENERGY", "0.25", start_time="22:00", end_time="06:00", day_of_week=["MONDAY", "SUNDAY"]),
    element("ENERGY", "0.45", min_kwh="10", max_kwh="50.5", min_power="7.4", max_current="32"),
    element("ENERGY", "0.40"),
    element("TIME", "1.20", min_duration=3600, max_duration=7200),
    element("PARKING_TIME", "6", vat="7", start_date="2026-01-01", end_date="2027-01-01"),
    element("FLAT", "0.50", vat=None, start_time="08:00", end_time="20:00"),
    element("TIME", "0.60", reservation="RESERVATION"),
    element("FLAT", "2", reservation="RESERVATION"),
    min_price={"excl_vat": "1"},
)


def test_every_kind_of_price_and_condition_is_said() -> None:
    wire = said(FULL, description="Day and night", language="en", valid_from="2026-03-02T10:00:00Z")

    assert wire["energy"] == {
        "prices": [
            {
                "priceKwh": 0.25,
                "conditions": {
                    "dayOfWeek": ["Monday", "Sunday"],
                    "startTimeOfDay": "22:00",
                    "endTimeOfDay": "06:00",
                },
            },
            {
                "priceKwh": 0.45,
                "conditions": {"minEnergy": 10000, "maxEnergy": 50500, "minPower": 7400, "maxCurrent": 32},
            },
            {"priceKwh": 0.4},
        ],
        "taxRates": [{"type": "VAT", "tax": 19}],
    }
    assert wire["chargingTime"]["prices"] == [
        {"priceMinute": 0.02, "conditions": {"minTime": 3600, "maxTime": 7200}}
    ]
    assert wire["idleTime"] == {
        "prices": [
            {"priceMinute": 0.1, "conditions": {"validFromDate": "2026-01-01", "validToDate": "2027-01-01"}}
        ],
        "taxRates": [{"type": "VAT", "tax": 7}],
    }
    assert wire["fixedFee"] == {
        "prices": [{"priceFixed": 0.5, "conditions": {"startTimeOfDay": "08:00", "endTimeOfDay": "20:00"}}]
    }
    assert wire["reservationTime"]["prices"] == [{"priceMinute": 0.01}]
    assert wire["reservationFixed"]["prices"] == [{"priceFixed": 2}]
    assert (wire["minCost"], wire["currency"], wire["tariffId"]) == ({"exclTax": 1}, "EUR", "t-1")
    assert wire["description"] == [{"format": "UTF8", "language": "en", "content": "Day and night"}]
    assert wire["validFrom"] == "2026-03-02T10:00:00Z"


def test_what_is_said_is_read_back_with_the_same_prices() -> None:
    again = from_wire(said(FULL))

    assert to_wire(again, tariff_id="t-1") == to_wire(FULL, tariff_id="t-1")
    assert (again.min_price, again.currency) == (FULL.min_price, "EUR")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (tariff(element("TIME", "2", step=300)), "not in blocks of 300"),
        (
            tariff(element("ENERGY", "1", vat="7", max_kwh="5"), element("ENERGY", "1")),
            "one VAT rate for energy",
        ),
        (tariff(element("FLAT", "1", min_kwh="5")), "depends on date and time only, not on min kwh"),
        (tariff(element("FLAT", "1", reservation="RESERVATION_EXPIRES")), "expires unused"),
    ],
)
def test_what_cannot_be_said_is_refused_in_words(given: Tariff, words: str) -> None:
    with pytest.raises(Untranslatable, match=words):
        to_wire(given, tariff_id="t-1")


def test_step_of_one_is_no_block() -> None:
    assert said(tariff(element("ENERGY", "1", step=1)))["energy"]["prices"] == [{"priceKwh": 1}]


def test_price_of_a_minute_has_six_decimals() -> None:
    assert said(tariff(element("TIME", "1")))["chargingTime"]["prices"] == [{"priceMinute": 0.016667}]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({}, "no prices"),
        ({"energy": {"prices": [{"priceKwh": 1, "conditions": {"evseKind": "DC"}}]}}, "depend on evseKind"),
        (
            {
                "energy": {
                    "prices": [{"priceKwh": 1}],
                    "taxRates": [{"type": "a", "tax": 1}, {"type": "b", "tax": 2}],
                }
            },
            "several taxes for energy",
        ),
        ({"energy": {"prices": [{"priceKwh": 1}]}, "minCost": {"inclTax": 1}}, "before tax"),
    ],
)
def test_what_ours_cannot_say_is_refused_in_words(part: dict[str, Any], words: str) -> None:
    with pytest.raises(Untranslatable, match=words):
        from_wire({"tariffId": "x", "currency": "EUR", **part})
