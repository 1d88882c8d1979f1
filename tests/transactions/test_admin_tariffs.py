"""The tariff editor: rows of a form to OCPI elements and back."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from tests import factories
from tests.browsing import sign_in
from transactions.models import Tariff

ADD = "admin:transactions_tariff_add"
EXAMPLE = {"ex_kwh": "20", "ex_hours": "2", "ex_parked": "1", "ex_start": "2026-03-02T10:00"}


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


def form_data(*rows: dict[str, Any], initial: int = 0, **fields: Any) -> dict[str, Any]:
    """What a browser sends for these rows."""
    data: dict[str, Any] = {"name": "Day", "currency": "EUR", "is_active": "on", **fields}
    data |= {"elements-TOTAL_FORMS": len(rows), "elements-INITIAL_FORMS": initial}
    for index, row in enumerate(rows):
        data |= {f"elements-{index}-{name}": value for name, value in {"ORDER": index + 1, **row}.items()}
    return data


def sent_back(client: Client, tariff: Tariff) -> dict[str, Any]:
    """What a browser sends when the editor is saved untouched."""
    form = client.get(reverse("admin:transactions_tariff_change", args=[tariff.pk])).context["adminform"].form
    bound = [field for field in form if field.value() not in (None, False)]
    bound += [
        field for row in form.element_forms.forms for field in row if field.value() not in (None, False)
    ]
    data = {field.html_name: field.value() for field in bound}
    data |= {field.html_name: field.value() for field in form.element_forms.management_form}
    for index, row in enumerate(form.element_forms.forms):
        data[f"elements-{index}-kept"] = row["kept"].value() or "{}"
    return data


def row_errors(answer: Any) -> list[Any]:
    return [dict(row.errors) for row in answer.context["adminform"].form.element_forms.forms]


def test_add_writes_elements_as_ocpi_words_them(signed_in: Client, tenant: Tenant) -> None:
    night = {
        "energy_price": "0.30",
        "energy_vat": "19",
        "start_time": "22:00",
        "end_time": "06:00",
        "day_of_week": ["SUNDAY", "MONDAY"],
        "max_duration": "90",
    }
    day = {"energy_price": "0.50", "energy_step": "100", "parking_price": "2", "flat_price": "1"}
    answer = signed_in.post(reverse(ADD), form_data(night, day, min_excl_vat="2"))
    assert answer.status_code == 302, row_errors(answer)
    tariff = Tariff.objects.get(name="Day")
    assert tariff.tenant == tenant
    assert tariff.min_price == {"excl_vat": "2"}
    assert tariff.elements == [
        {
            "price_components": [{"type": "ENERGY", "price": "0.3", "vat": "19", "step_size": None}],
            "restrictions": {
                "start_time": "22:00",
                "end_time": "06:00",
                "max_duration": 5400,
                "day_of_week": ["MONDAY", "SUNDAY"],
            },
        },
        {
            "price_components": [
                {"type": "ENERGY", "price": "0.5", "vat": None, "step_size": 100},
                {"type": "PARKING_TIME", "price": "2", "vat": None, "step_size": None},
                {"type": "FLAT", "price": "1", "vat": None, "step_size": None},
            ]
        },
    ]


def test_saving_untouched_changes_nothing(signed_in: Client, tenant: Tenant) -> None:
    elements = [
        {
            "price_components": [
                {"type": "ENERGY", "price": "0.55", "vat": "19", "step_size": 1},
                {"type": "FLAT", "price": "0.5", "vat": "7", "step_size": None},
            ],
            "restrictions": {
                "start_time": "08:00",
                "end_time": "20:00",
                "min_kwh": "5",
                "min_duration": 90,
                "start_date": "2026-01-01",
                "max_power": "50",
                "day_of_week": ["MONDAY"],
            },
        }
    ]
    tariff = factories.TariffFactory(tenant=tenant, elements=elements, max_price={"excl_vat": "40"})
    answer = signed_in.post(
        reverse("admin:transactions_tariff_change", args=[tariff.pk]), sent_back(signed_in, tariff)
    )
    assert answer.status_code == 302, row_errors(answer)
    tariff.refresh_from_db()
    assert tariff.max_price == {"excl_vat": "40"}
    # max_power has no field of its own: it is kept.
    first = tariff.elements[0]
    assert first["price_components"] == elements[0]["price_components"]
    assert first["restrictions"] == elements[0]["restrictions"]


def test_rows_are_ordered_and_removed_as_asked(signed_in: Client) -> None:
    rows = (
        {"energy_price": "3", "ORDER": 3},
        {"energy_price": "1", "ORDER": 1, "min_kwh": "10"},
        {"energy_price": "2", "DELETE": "on"},
    )
    signed_in.post(reverse(ADD), form_data(*rows))
    prices = [element["price_components"][0]["price"] for element in Tariff.objects.get().elements]
    assert prices == ["1", "3"]


@pytest.mark.parametrize(
    ("row", "where", "words"),
    [
        ({"energy_price": "-1"}, "energy_price", "greater than or equal to 0"),
        ({"energy_vat": "19", "flat_price": "1"}, "energy_price", "Energy has VAT or a step, but no price."),
        ({"min_kwh": "5"}, "__all__", "Give at least one price, or remove the row."),
        ({"energy_price": "1", "min_kwh": "9", "max_kwh": "5"}, "max_kwh", "Must be above min_kwh"),
        ({"energy_price": "1", "start_time": "25:00"}, "start_time", "Enter a valid time."),
        ({"energy_price": "1", "max_duration": "0.001"}, "max_duration", "Is finer than a second."),
        ({"energy_price": "1", "kept": '{"evil": 1}'}, "kept", "These restrictions are not known."),
    ],
)
def test_wrong_row_says_what_is_wrong_where_it_is(
    row: dict[str, Any], where: str, words: str, signed_in: Client
) -> None:
    answer = signed_in.post(reverse(ADD), form_data({"energy_price": "1"}, row))
    assert answer.status_code == 200
    assert words in str(row_errors(answer)[1][where])
    assert not Tariff.objects.exists()


def test_tariff_without_a_price_is_refused(signed_in: Client) -> None:
    answer = signed_in.post(reverse(ADD), form_data({}))
    assert "A tariff needs at least one row with a price." in answer.content.decode()


def test_bound_finer_than_the_currency_is_an_error_of_its_field(signed_in: Client) -> None:
    answer = signed_in.post(
        reverse(ADD), form_data({"energy_price": "1"}, currency="JPY", min_excl_vat="0.5")
    )
    assert answer.context["adminform"].form.errors["min_excl_vat"] == ["JPY has 0 decimals."]


def test_unknown_currency_is_an_error_of_its_field(signed_in: Client) -> None:
    answer = signed_in.post(reverse(ADD), form_data({"energy_price": "1"}, currency="euro"))
    assert list(answer.context["adminform"].form.errors) == ["currency"]


def test_second_tariff_of_a_name_is_an_error_of_the_form(signed_in: Client, tenant: Tenant) -> None:
    factories.TariffFactory(tenant=tenant, name="Day")
    answer = signed_in.post(reverse(ADD), form_data({"energy_price": "1"}))
    assert "A tariff with this name exists already." in answer.content.decode()


def test_example_prices_what_is_typed_without_saving(signed_in: Client) -> None:
    data = form_data({"energy_price": "0.50", "energy_vat": "20", "parking_price": "3"}, name="") | EXAMPLE
    text = signed_in.post(reverse("admin:transactions_tariff_example"), data).content.decode()
    # 20 kWh × 0.50 × 1.20 and one hour parked at 3.00.
    assert "15.00 EUR" in text
    assert "of which VAT 2.00 EUR" in text
    assert not Tariff.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"elements-0-energy_price": "x"}, "Correct the prices to see what they come to."),
        ({"ex_kwh": ""}, "Give the example&#x27;s energy, hours and start."),
    ],
)
def test_example_of_what_cannot_be_priced_says_why(
    change: dict[str, str], words: str, signed_in: Client
) -> None:
    data = form_data({"energy_price": "1"}) | EXAMPLE | change
    assert words in signed_in.post(reverse("admin:transactions_tariff_example"), data).content.decode()


def test_page_shows_the_example_of_a_stored_tariff(signed_in: Client, tenant: Tenant) -> None:
    tariff = factories.TariffFactory(tenant=tenant)
    text = signed_in.get(reverse("admin:transactions_tariff_change", args=[tariff.pk])).content.decode()
    assert "10.00 EUR" in text


def test_reader_sees_the_prices_in_words(viewer: Actor, tenant: Tenant, client: Client) -> None:
    tariff = factories.TariffFactory(tenant=tenant)
    page = reverse("admin:transactions_tariff_change", args=[tariff.pk])
    text = sign_in(client, viewer).get(page).content.decode()
    assert "Energy 0.50 per kWh" in text
    assert "elements-TOTAL_FORMS" not in text


def test_tariff_in_use_is_not_deleted(signed_in: Client, tenant: Tenant) -> None:
    tariff = factories.TariffFactory(tenant=tenant)
    factories.LocationFactory(tenant=tenant, tariff=tariff)
    signed_in.post(reverse("admin:transactions_tariff_delete", args=[tariff.pk]), {"post": "yes"})
    assert Tariff.objects.filter(pk=tariff.pk).exists()
