"""Settlements, payments on the web, tariffs on chargers and limits over REST."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.choices import Role
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection, Connector
from tests import factories
from tests.api import client_of, problem_of
from tests.conftest import ActorFor
from tests.factories import T0
from transactions.models import ChargerTariff

SETTLEMENTS, PAYMENTS = "/api/v1/settlements/", "/api/v1/web-payments/"


@pytest.fixture
def modern(charge_point: ChargePoint, connection: Connection) -> ChargePoint:
    """Online, speaks OCPP 2.1 and knows limits of cost and energy."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(
        ocpp_version="ocpp2.1", cost_features="maxCost maxEnergy"
    )
    Connection.objects.update(ocpp_version="ocpp2.1")
    charge_point.refresh_from_db()
    return charge_point


def test_settlement_is_shown_with_its_receipt(viewer: Actor, charge_point: ChargePoint) -> None:
    row = factories.SettlementFactory(charge_point=charge_point)

    shown = client_of(viewer).get(f"{SETTLEMENTS}{row.pk}/").json()

    assert (shown["charge_point"], shown["status"], shown["amount"]) == (
        charge_point.identity,
        "Settled",
        "5.00",
    )
    assert shown["receipt_url"] == f"/receipts/{row.receipt_token}/"


def test_settlements_are_filtered(viewer: Actor, charge_point: ChargePoint) -> None:
    factories.SettlementFactory(charge_point=charge_point, psp_ref="a")
    failed = factories.SettlementFactory(charge_point=charge_point, psp_ref="b", status="Failed")
    client = client_of(viewer)

    assert [row["id"] for row in client.get(SETTLEMENTS, {"status": "Failed"}).json()["results"]] == [
        failed.pk
    ]
    assert client.get(SETTLEMENTS, {"psp_ref": "a", "charge_point": "nobody"}).json()["results"] == []
    assert client.get(SETTLEMENTS, {"received_after": "2030-01-01T00:00:00Z"}).json()["results"] == []


@pytest.mark.parametrize("path", [SETTLEMENTS, PAYMENTS])
def test_payments_are_for_those_who_may_see_them(
    path: str, actor_for: ActorFor, tenant: Tenant, stranger: Actor, charge_point: ChargePoint
) -> None:
    factories.SettlementFactory(charge_point=charge_point)
    factories.WebPaymentFactory(charge_point=charge_point)

    assert client_of(None).get(path).status_code == 401
    assert client_of(actor_for(tenant, Role.TECHNICIAN)).get(path).status_code == 403
    assert client_of(stranger).get(path).json()["results"] == []
    assert len(client_of(actor_for(tenant, Role.SUPPORT)).get(path).json()["results"]) == 1


def test_web_payment_shows_no_secret(viewer: Actor, charge_point: ChargePoint) -> None:
    row = factories.WebPaymentFactory(charge_point=charge_point, limits={"maxCost": "10"})

    text = client_of(viewer).get(f"{PAYMENTS}{row.pk}/").content.decode()

    assert row.public_id not in text
    assert '"limits":{"maxCost":"10"}' in text


def test_tariffs_of_a_charger_are_listed(viewer: Actor, charge_point: ChargePoint) -> None:
    ChargerTariff.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        evse_number=1,
        tariff_id="t-1",
        kind="DefaultTariff",
        set_at=T0,
    )

    (shown,) = (
        client_of(viewer).get(f"/api/v1/charge-points/{charge_point.identity}/tariffs/").json()["results"]
    )

    assert (shown["evse"], shown["tariff_id"], shown["content"]) == (1, "t-1", None)


def send(actor: Actor, charge_point: ChargePoint, **body: Any) -> Any:
    path = f"/api/v1/charge-points/{charge_point.identity}/tariffs/send/"
    return client_of(actor).post(path, body, format="json")


def test_tariff_is_sent(technician: Actor, modern: ChargePoint, tenant: Tenant) -> None:
    tariff = factories.TariffFactory(tenant=tenant, name="Night")

    response = send(technician, modern, tariff=tariff.pk, evse=1)

    assert response.status_code == 201, response.content
    assert response.json()["action"] == "set_default_tariff"
    assert Command.objects.get().payload["connector"] == 1


def test_tariff_of_another_organisation_is_none(
    technician: Actor, modern: ChargePoint, other_tenant: Tenant
) -> None:
    tariff = factories.TariffFactory(tenant=other_tenant)

    assert "tariff" in problem_of(send(technician, modern, tariff=tariff.pk), 400)["errors"]


def test_viewer_sends_no_tariff(viewer: Actor, modern: ChargePoint) -> None:
    problem_of(send(viewer, modern), 403)


def test_free_charger_has_no_tariff_to_send(technician: Actor, modern: ChargePoint) -> None:
    ChargePoint.objects.update(pricing_mode="free")

    assert problem_of(send(technician, modern), 409)["code"] == "nothing_to_send"


def test_session_is_limited(support: Actor, modern: ChargePoint, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector, currency="EUR")
    path = f"/api/v1/transactions/{row.pk}/session-limits/"

    shown = client_of(support).post(path, {"max_cost": "12.50"}, format="json").json()

    assert shown["limits"]["wanted"] == {"maxCost": "12.5000"}


@pytest.mark.parametrize("body", [{}, {"max_cost": "0"}, {"max_time_s": 60}, {"max_cost": "x"}])
def test_limit_that_cannot_be_kept_is_refused(
    support: Actor, modern: ChargePoint, connector: Connector, body: dict[str, Any]
) -> None:
    row = factories.TransactionFactory(connector=connector)

    problem_of(
        client_of(support).post(f"/api/v1/transactions/{row.pk}/session-limits/", body, format="json"), 400
    )


def test_ended_session_has_no_limits(support: Actor, modern: ChargePoint, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector, ended=True)
    path = f"/api/v1/transactions/{row.pk}/session-limits/"

    problem_of(client_of(support).post(path, {"max_cost": "5"}, format="json"), 409)
