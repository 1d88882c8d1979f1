"""Which tariff a session gets, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.choices import PricingMode
from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint, Location
from tests import factories
from tests.factories import T0, energy_tariff
from transactions.choices import Flag
from transactions.models import Tariff, Transaction
from transactions.services.tariffs import choose, default_tariff, price_transaction


def named(name: str, **fields: Any) -> Tariff:
    return Tariff(pk=1, name=name, currency="EUR", elements=energy_tariff(), **fields)


def pick(*, token: str = "", charge_point: str = "", location: str = "", tenant: str = "") -> Any:
    """Choose among unsaved rows: no database is there to ask."""
    site = Location(tariff=named(location) if location else None)
    return choose(
        tenant=Tenant(currency="EUR", default_tariff=named(tenant) if tenant else None),
        charge_point=ChargePoint(location=site, tariff=named(charge_point) if charge_point else None),
        location=site,
        id_token=IdToken(tariff=named(token)) if token else IdToken(),
    )


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"token": "t", "charge_point": "c", "location": "l", "tenant": "n"}, "t"),
        ({"charge_point": "c", "location": "l", "tenant": "n"}, "c"),
        ({"location": "l", "tenant": "n"}, "l"),
        ({"tenant": "n"}, "n"),
    ],
)
def test_choose_takes_the_nearest_tariff(levels: dict[str, str], expected: str) -> None:
    chosen = pick(**levels)

    assert chosen.tariff.name == chosen.snapshot["name"] == expected
    assert (chosen.currency, chosen.is_free) == ("EUR", False)


def test_choose_without_any_tariff_takes_the_settings(settings: Settings) -> None:
    settings.TARIFF_PRICE_PER_KWH = Decimal(2500)
    settings.TARIFF_CURRENCY = "IDR"
    settings.TARIFF_VAT_PERCENT = Decimal(11)

    chosen = pick()

    component = chosen.snapshot["elements"][0]["price_components"][0]
    assert (chosen.tariff, chosen.currency) == (None, "IDR")
    assert (component["type"], component["price"], component["vat"]) == ("ENERGY", "2500", "11")


def test_default_tariff_without_vat_has_none(settings: Settings) -> None:
    settings.TARIFF_VAT_PERCENT = Decimal(0)

    assert default_tariff()["elements"][0]["price_components"][0]["vat"] is None


def test_choose_passes_over_an_inactive_tariff() -> None:
    chosen = choose(
        tenant=Tenant(default_tariff=named("tenant")),
        charge_point=ChargePoint(tariff=named("old", is_active=False)),
        location=None,
        id_token=None,
    )

    assert chosen.tariff is not None
    assert chosen.tariff.name == "tenant"


@pytest.mark.parametrize(
    ("charge_point", "tenant", "free"),
    [
        ("", PricingMode.TARIFF, False),
        ("", PricingMode.FREE, True),
        (PricingMode.FREE, PricingMode.TARIFF, True),
        (PricingMode.TARIFF, PricingMode.FREE, False),
    ],
)
def test_choose_free_is_the_charge_points_word_then_the_tenants(
    charge_point: str, tenant: str, free: bool
) -> None:
    chosen = choose(
        tenant=Tenant(currency="SEK", pricing_mode=tenant),
        charge_point=ChargePoint(pricing_mode=charge_point, tariff=named("c")),
    )

    assert (chosen.is_free, chosen.snapshot is None) == (free, free)
    assert chosen.currency == ("SEK" if free else "EUR")


def test_choose_with_loaded_rows_asks_no_database(
    charge_point: ChargePoint, location: Location, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    location.tariff = factories.TariffFactory(tenant=charge_point.tenant)
    location.save()
    row = ChargePoint.objects.select_related(
        "tenant", "tenant__default_tariff", "location", "location__tariff", "tariff"
    ).get(pk=charge_point.pk)

    with django_assert_num_queries(0):
        chosen = choose(tenant=row.tenant, charge_point=row, location=row.location, id_token=None)

    assert chosen.tariff == location.tariff


def session(**fields: Any) -> Transaction:
    """An ended session of one hour and 10 kWh, unsaved."""
    values: dict[str, Any] = {
        "started_at": T0,
        "ended_at": T0 + timedelta(hours=1),
        "meter_start_wh": Decimal(1000),
        "energy_wh": Decimal(10_000),
        "tariff_snapshot": {"name": "Day", "currency": "EUR", "elements": energy_tariff("0.50", "19")},
        **fields,
    }
    return Transaction(**values)


def test_price_sets_cost_lines_and_the_sentence() -> None:
    row = session()

    text = price_transaction(row, [])

    assert (row.cost_excl_vat, row.cost_vat, row.cost) == (Decimal("5.00"), Decimal("0.95"), Decimal("5.95"))
    assert row.currency == "EUR"
    assert [line["kind"] for line in row.cost_lines] == ["ENERGY"]
    assert "5.95 EUR" in text
    assert "“Day”" in text


def test_price_of_a_free_session_is_zero_and_never_nothing() -> None:
    row = session(is_free=True, tariff_snapshot=None, currency="EUR")

    assert price_transaction(row, []) == "Free of charge."
    assert (row.cost, row.cost_excl_vat, row.cost_vat, row.cost_lines) == (0, 0, 0, [])


@pytest.mark.parametrize(
    "snapshot",
    [
        None,
        {},
        {"currency": "EUR"},
        {"currency": "EUR", "elements": "free"},
        {"currency": "EUR", "elements": [{"price_components": [{"type": "SMILES", "price": 1}]}]},
        "not an object",
    ],
)
def test_price_that_cannot_be_computed_is_flagged_and_blocks_nothing(snapshot: Any) -> None:
    row = session(tariff_snapshot=snapshot, cost=Decimal(1), cost_lines=[{}])

    text = price_transaction(row, [])

    assert text.startswith("Could not be priced")
    assert (row.cost, row.cost_excl_vat, row.cost_vat, row.cost_lines) == (None, None, None, [])
    assert row.flags == [Flag.PRICING_FAILED]


def test_price_too_large_for_the_books_is_flagged() -> None:
    row = session(
        energy_wh=Decimal("999999999999.999"),
        tariff_snapshot={"currency": "EUR", "elements": energy_tariff("999999999")},
    )

    price_transaction(row, [])

    assert (row.cost, row.flags) == (None, [Flag.PRICING_FAILED])


def test_price_after_the_tariff_was_mended_takes_the_flag_back() -> None:
    row = session(flags=[Flag.PRICING_FAILED.value, Flag.STALE.value])

    price_transaction(row, [])

    assert (row.cost, row.flags) == (Decimal("5.95"), [Flag.STALE])


def test_price_of_a_session_that_ends_before_it_starts_has_no_negative_time() -> None:
    hourly = [{"price_components": [{"type": "TIME", "price": "6"}, {"type": "PARKING_TIME", "price": "6"}]}]
    row = session(ended_at=T0 - timedelta(hours=3), tariff_snapshot={"currency": "EUR", "elements": hourly})

    price_transaction(row, [])

    assert row.cost == 0
