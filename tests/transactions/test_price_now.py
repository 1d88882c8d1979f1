"""What a tariff costs at a moment, when that changes, and how it is said (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from transactions.price_now import PriceNow, Situation, money, next_change, next_energy_step, prices_at
from transactions.pricing import Tariff

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday


def tariff(*elements: dict[str, Any]) -> Tariff:
    return Tariff.parse({"currency": "EUR", "elements": elements})


def element(restrictions: dict[str, Any] | None = None, **prices: str) -> dict[str, Any]:
    components = [{"type": name, "price": price, "vat": "20"} for name, price in prices.items()]
    return {"price_components": components, "restrictions": restrictions or {}}


def situation(at: datetime = NOON, **more: Any) -> Situation:
    return Situation(**{"at": at, "started_at": at, "time_zone": "Europe/Berlin", **more})


DAY = element({"start_time": "06:00", "end_time": "22:00"}, ENERGY="0.50", PARKING_TIME="6")
NIGHT = element(ENERGY="0.25", FLAT="1")


def test_prices_include_vat_and_come_from_the_first_element_that_holds() -> None:
    found = prices_at(tariff(DAY, NIGHT), situation())

    assert found == PriceNow(
        currency="EUR", kwh=Decimal("0.60"), flat=Decimal("1.2"), idle_hour=Decimal("7.2")
    )


def test_next_change_is_by_the_sites_clock() -> None:
    found = next_change(tariff(DAY, NIGHT), situation())

    assert found is not None
    assert found[0] == datetime(2026, 3, 2, 21, tzinfo=UTC)  # 22:00 in Berlin
    assert (found[1].kwh, found[1].idle_hour) == (Decimal("0.30"), None)


def test_next_change_may_come_from_the_duration_of_the_session() -> None:
    long = element({"min_duration": 3600}, ENERGY="1")
    now = situation(started_at=NOON - timedelta(minutes=50))

    found = next_change(tariff(long, NIGHT), now)

    assert found is not None
    assert found[0] == NOON + timedelta(minutes=10)


@pytest.mark.parametrize("elements", [(NIGHT,), (element({"min_kwh": "10"}, ENERGY="1"), NIGHT)])
def test_without_a_price_by_time_nothing_changes(elements: tuple[Any, ...]) -> None:
    assert next_change(tariff(*elements), situation()) is None


@pytest.mark.parametrize(("wh", "step"), [("0", "10"), ("10000", "20"), ("20000", None)])
def test_next_energy_step(wh: str, step: str | None) -> None:
    steps = tariff(
        element({"max_kwh": "10"}, ENERGY="1"), element({"min_kwh": "10", "max_kwh": "20"}, ENERGY="2"), NIGHT
    )

    found = next_energy_step(steps, situation(energy_wh=Decimal(wh)))

    assert found == (None if step is None else Decimal(step))


def test_prices_for_reservations_are_no_prices_for_charging() -> None:
    reserved = element({"reservation": "RESERVATION"}, TIME="5")

    assert prices_at(tariff(reserved, NIGHT), situation()).hour is None


def test_unknown_zone_counts_as_utc() -> None:
    night = situation(datetime(2026, 3, 2, 21, 30, tzinfo=UTC), time_zone="Mars/Base")

    assert prices_at(tariff(DAY, NIGHT), night).kwh == Decimal("0.60")


@pytest.mark.parametrize(
    ("prices", "text"),
    [
        ({}, "Free of charge"),
        ({"kwh": "0"}, "Free of charge"),
        ({"kwh": "0.6"}, "0.60 EUR/kWh, incl. VAT"),
        ({"kwh": "0.12345"}, "0.1234 EUR/kWh, incl. VAT"),
        (
            {"kwh": "0.6", "hour": "2", "flat": "1.2", "idle_hour": "7.2"},
            "0.60 EUR/kWh, 2.00 EUR/h charging, 1.20 EUR per session, 7.20 EUR/h when not charging, incl. VAT",
        ),
    ],
)
def test_prices_in_words(prices: dict[str, str], text: str) -> None:
    given = {name: Decimal(price) for name, price in prices.items()}

    assert PriceNow(currency="EUR", **given).in_words() == text


def test_money_has_the_decimals_of_its_currency() -> None:
    assert (money(Decimal("4.5"), "EUR"), money(Decimal("2500.0000"), "JPY")) == ("4.50 EUR", "2500 JPY")
