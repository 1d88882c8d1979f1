"""Tariffs over REST."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import Connector
from tests import factories
from tests.api import client_of, names, problem_of
from transactions.models import Tariff

PATH = "/api/v1/tariffs/"


def body(**changes: Any) -> dict[str, Any]:
    return {"name": "Day", "currency": "EUR", "elements": factories.energy_tariff("0.45"), **changes}


def component(**fields: Any) -> list[dict[str, Any]]:
    return [{"price_components": [{"type": "ENERGY", "price": 0.45, **fields}]}]


def test_tariff_is_made_changed_and_deleted(operator: Actor, tenant: Tenant) -> None:
    client = client_of(operator)
    made = client.post(PATH, body(elements=component(), min_price={"excl_vat": 1}))
    url = f"{PATH}{made.json()['id']}/"

    changed = client.patch(url, {"name": "Night", "elements": component(price="0.30")})

    assert made.status_code == 201
    assert made.json()["elements"] == component()
    assert changed.json()["elements"][0]["price_components"][0]["price"] == "0.30"
    assert client.delete(url).status_code == 204
    assert not Tariff.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"elements": component(price=-1)}, "elements.0.price_components.0.price"),
        ({"elements": component(vat=101)}, "elements.0.price_components.0.vat"),
        ({"elements": []}, "elements"),
        ({"elements": {}}, "elements"),
        ({"elements": [{"price_components": []}]}, "elements.0.price_components"),
        (
            {"elements": [{**component()[0], "restrictions": {"start_time": "25:00"}}]},
            "elements.0.restrictions.start_time",
        ),
        ({"currency": "euro"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"max_price": {"excl_vat": "x"}}, "max_price.excl_vat"),
        ({"name": ""}, "name"),
    ],
)
def test_unusable_tariff_names_the_path(operator: Actor, changes: dict[str, Any], field: str) -> None:
    client = client_of(operator)
    row = factories.TariffFactory(tenant=operator.tenant)

    assert list(problem_of(client.post(PATH, body(**changes)), 400)["errors"]) == [field]
    assert list(problem_of(client.patch(f"{PATH}{row.pk}/", changes), 400)["errors"]) == [field]


def test_taken_name_is_409(operator: Actor, tenant: Tenant) -> None:
    factories.TariffFactory(tenant=tenant, name="Day")

    assert problem_of(client_of(operator).post(PATH, body()), 409)["code"] == "duplicate"


def test_name_of_another_tenant_is_free(operator: Actor, other_tenant: Tenant) -> None:
    factories.TariffFactory(tenant=other_tenant, name="Day")

    assert client_of(operator).post(PATH, body()).status_code == 201


def test_change_leaves_the_snapshot_of_sessions(
    operator: Actor, tenant: Tenant, connector: Connector
) -> None:
    tariff = factories.TariffFactory(tenant=tenant)
    row = factories.TransactionFactory(connector=connector, tariff=tariff, tariff_snapshot=tariff.snapshot())
    before = row.tariff_snapshot

    client_of(operator).patch(f"{PATH}{tariff.pk}/", {"elements": component(price="9")})

    row.refresh_from_db()
    assert row.tariff_snapshot == before


def test_tariff_in_use_cannot_be_deleted(operator: Actor, tenant: Tenant) -> None:
    tariff = factories.TariffFactory(tenant=tenant)
    factories.LocationFactory(tenant=tenant, tariff=tariff)

    assert problem_of(client_of(operator).delete(f"{PATH}{tariff.pk}/"), 409)["code"] == "in_use"


def test_list_of_tariffs_is_filtered_at_constant_cost(
    viewer: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(viewer)
    factories.TariffFactory(tenant=tenant, name="Old", is_active=False)
    for number in (1, 5):
        for _ in range(number):
            factories.TariffFactory(tenant=tenant)
        with django_assert_num_queries(2):  # membership, rows
            client.get(PATH)

    assert names(client.get(PATH, {"is_active": "false"}), "name") == ["Old"]
