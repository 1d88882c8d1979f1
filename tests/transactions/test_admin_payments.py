"""Settlements, tariffs on chargers and limits of sessions in the admin."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection, Connector
from tests import factories
from tests.browsing import messages_of, sign_in
from tests.conftest import ActorFor
from tests.factories import T0
from transactions.models import ChargerTariff, QrPayment, Settlement, Transaction

LIST = "admin:transactions_settlement_changelist"


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


@pytest.fixture
def session(connector: Connector) -> Transaction:
    row: Transaction = factories.TransactionFactory(connector=connector, ended=True)
    return row


def found(client: Client, **query: Any) -> list[int]:
    return [row.pk for row in client.get(reverse(LIST), query).context["cl"].result_list]


def page_of(client: Client, charge_point: ChargePoint) -> str:
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return client.get(url, {"tab": "tariffs"}).content.decode()


# --- settlements ---


def test_settlements_are_filtered_and_exported(
    signed_in: Client, session: Transaction, charge_point: ChargePoint
) -> None:
    right = factories.SettlementFactory(charge_point=charge_point, transaction=session)
    wrong = factories.SettlementFactory(charge_point=charge_point, transaction=session, amount=Decimal(7))
    orphan = factories.SettlementFactory(charge_point=charge_point, status="Failed", psp_ref="=cmd()")

    assert found(signed_in) == [orphan.pk, wrong.pk, right.pk]
    assert found(signed_in, status__exact="Failed") == [orphan.pk]
    assert found(signed_in, amount="differs") == [wrong.pk]
    assert found(signed_in, amount="orphan") == [orphan.pk]
    assert found(signed_in, q=right.psp_ref) == [right.pk]
    response = signed_in.get(reverse("admin:transactions_settlement_export"), {"amount": "orphan"})
    (line,) = csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig")))
    assert (line["status"], line["amount"], line["charge_point"]) == (
        "Failed",
        "5.0000",
        charge_point.identity,
    )
    assert not line["payment_reference"].startswith("=")


def test_settlement_of_another_amount_is_marked(
    signed_in: Client, session: Transaction, charge_point: ChargePoint
) -> None:
    row = factories.SettlementFactory(charge_point=charge_point, transaction=session, amount=Decimal(7))

    shown = signed_in.get(reverse("admin:transactions_settlement_change", args=[row.pk])).content.decode()

    assert "The session has cost 5.00 EUR." in shown
    assert f"/receipts/{row.receipt_token}/" in shown


def test_session_shows_its_payments_and_what_the_charger_calculated(
    signed_in: Client, session: Transaction, charge_point: ChargePoint
) -> None:
    factories.SettlementFactory(charge_point=charge_point, transaction=session)
    session.local_cost = {
        "tariff_id": "t-1",
        "details": {
            "currency": "EUR",
            "total_incl": "6",
            "parts": [{"name": "idleTime", "excl": "5", "incl": "6"}],
            "usage": {"idleTime": "60"},
            "periods": [{"start": "2026-03-02T10:00:00Z", "tariff_id": "t-1", "used": {"Energy": "5"}}],
        },
    }
    session.limits = {"wanted": {"maxCost": "10"}, "reported": {"maxCost": "10"}, "prepaid": True}
    session.save()

    shown = signed_in.get(
        reverse("admin:transactions_transaction_change", args=[session.pk])
    ).content.decode()

    for text in (
        "Calculated by the charger",
        "Parking time",
        "6.00 EUR",
        "cost 10 EUR",
        "prepaid balance",
        "Receipt",
    ):
        assert text in shown, text


def test_technician_sees_no_payments(
    client: Client, actor_for: ActorFor, tenant: Tenant, session: Transaction, charge_point: ChargePoint
) -> None:
    row = factories.SettlementFactory(charge_point=charge_point, transaction=session)
    sign_in(client, actor_for(tenant, Role.TECHNICIAN))

    shown = client.get(reverse("admin:transactions_transaction_change", args=[session.pk])).content.decode()

    assert row.psp_ref not in shown


# --- tariffs on a charger ---


def test_tab_tells_what_the_charger_holds_and_should_hold(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant
) -> None:
    assert "we calculate them" in page_of(signed_in, charge_point)
    ChargerTariff.objects.create(
        tenant=tenant,
        charge_point=charge_point,
        evse_number=1,
        tariff_id="old",
        kind="DefaultTariff",
        set_at=T0,
    )

    shown = page_of(signed_in, charge_point)

    assert "Differs on EVSE 1, 2" in shown
    assert "Not known here" in shown


def test_tariff_is_sent_from_the_page(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant, connection: Connection
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1")
    Connection.objects.update(ocpp_version="ocpp2.1")
    tariff = factories.TariffFactory(tenant=tenant, name="Night")
    url = reverse("admin:transactions_tariff_step", args=[charge_point.pk, "send"])
    assert signed_in.get(url).status_code == 200

    answer = signed_in.post(url, {"tariff": tariff.pk, "connector": 1}, follow=True)

    assert "on its way" in messages_of(answer)[0]
    assert Command.objects.get(action="set_default_tariff").payload["tariff"]["name"] == "Night"


def test_tariff_that_cannot_be_sent_is_told(signed_in: Client, charge_point: ChargePoint) -> None:
    url = reverse("admin:transactions_tariff_step", args=[charge_point.pk, "send"])

    answer = signed_in.post(url, {"connector": 0}, follow=True)

    assert messages_of(answer)[0]
    assert not Command.objects.exists()


def test_unknown_step_is_not_found(signed_in: Client, charge_point: ChargePoint) -> None:
    url = reverse("admin:transactions_tariff_step", args=[charge_point.pk, "nothing"])
    assert signed_in.get(url).status_code == 404


def test_qr_code_is_set_up_and_switched_off(
    signed_in: Client, charge_point: ChargePoint, connection: Connection, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://csms.example.org"
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1")
    Connection.objects.update(ocpp_version="ocpp2.1")
    url = reverse("admin:transactions_tariff_step", args=[charge_point.pk, "qr"])
    signed_in.post(url, {"validity_s": 30, "length": 8})

    assert "https://csms.example.org/pay/" in page_of(signed_in, charge_point)

    signed_in.post(reverse("admin:transactions_tariff_step", args=[charge_point.pk, "off"]))
    assert not QrPayment.objects.exists()


# --- limits ---


def test_running_session_is_limited_from_its_page(signed_in: Client, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector, currency="EUR")
    ChargePoint.objects.filter(pk=row.charge_point_id).update(cost_features="maxCost maxEnergy")
    url = reverse("admin:transactions_transaction_cap", args=[row.pk])
    assert "maxTime" not in signed_in.get(url).content.decode()

    signed_in.post(url, {"maxCost": "12.5", "maxEnergy": "20"})

    row.refresh_from_db()
    assert {kind: Decimal(value) for kind, value in row.limits["wanted"].items()} == {
        "maxCost": Decimal("12.5"),
        "maxEnergy": Decimal(20000),
    }
    assert row.ledger.filter(text__startswith="Limited by").exists()
    assert row.cost_display.closed_at is None


def test_limit_needs_a_value(signed_in: Client, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector)
    ChargePoint.objects.filter(pk=row.charge_point_id).update(cost_features="maxCost")

    answer = signed_in.post(reverse("admin:transactions_transaction_cap", args=[row.pk]), {})

    assert "Give a limit." in answer.content.decode()


def test_strangers_see_no_settlement(client: Client, stranger: Actor, charge_point: ChargePoint) -> None:
    row: Settlement = factories.SettlementFactory(charge_point=charge_point)
    sign_in(client, stranger)

    assert found(client) == []
    assert client.get(reverse("admin:transactions_settlement_change", args=[row.pk])).status_code in (
        302,
        404,
    )
