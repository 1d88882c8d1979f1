"""Prices and running costs on the displays of charging stations (OCPP 2.0.1 I01, I02), and credit (2.1 C17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from chargepoints.choices import CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Command
from ocpp_gateway.dispatcher import neutral_problem
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.csms import Csms as AnyCsms
from tests.ocpp_gateway.v201.helpers import Csms, Csms21
from tests.ocpp_gateway.v201.helpers import token as wire_token
from transactions.models import CostDisplay
from transactions.services import cost_display

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def shown(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> ChargePoint:
    """Online, shows what it is told, and the organisation wants it: 0.50 EUR/kWh."""
    elements = [{"price_components": [{"type": "ENERGY", "price": "0.50", "vat": None, "step_size": None}]}]
    tariff = factories.TariffFactory(tenant=tenant, elements=elements)
    Tenant.objects.filter(pk=tenant.pk).update(cost_display=True, default_tariff=tariff)
    csms.connect(charge_point)
    ChargePoint.objects.filter(pk=charge_point.pk).update(cost_features="display")
    assert cost_display.resolve_chargers(T0) == 1
    charge_point.refresh_from_db()
    return charge_point


def running(charge_point: ChargePoint, **fields: Any) -> CostDisplay:
    """A running session whose cost is to be told."""
    tariff = charge_point.tenant.default_tariff
    assert tariff is not None
    row = factories.TransactionFactory(
        connector=charge_point.connectors.get(ocpp_number=1),
        ocpp_id="tx-1",
        ocpp_version="ocpp2.0.1",
        currency="EUR",
        tariff_snapshot=tariff.snapshot(),
        energy_wh=Decimal(3000),
        started_at=T0,
        **fields,
    )
    display: CostDisplay = CostDisplay.objects.create(
        tenant=row.tenant, charge_point=charge_point, transaction=row
    )
    return display


def authorized(csms: AnyCsms, charge_point: ChargePoint, **more: Any) -> dict[str, Any]:
    info: dict[str, Any] = csms.send(charge_point, "Authorize", {"idToken": wire_token(**more)})[
        "idTokenInfo"
    ]
    return info


# --- the driver's price ---


def test_driver_sees_his_price_in_the_answer(csms: Csms, shown: ChargePoint, token: IdToken) -> None:
    """I01.FR.01"""
    info = authorized(csms, shown)

    assert info["personalMessage"] == {"format": "UTF8", "content": "0.50 EUR/kWh, incl. VAT"}
    assert not Command.objects.exists()


def test_refused_driver_sees_no_price(csms: Csms, shown: ChargePoint) -> None:
    assert "personalMessage" not in authorized(csms, shown)


def test_charger_without_a_display_gets_no_words(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """I01.FR.02"""
    assert "personalMessage" not in authorized(csms, charge_point)


# --- running cost ---


def test_running_cost_goes_out_as_cost_updated(csms: Csms, shown: ChargePoint) -> None:
    """I02.FR.01"""
    running(shown)

    assert cost_display.tell_costs(T0 + MINUTE) == 1

    ((_, action, payload),) = csms.due(shown)
    assert (action, payload) == ("CostUpdated", {"transactionId": "tx-1", "totalCost": 1.5})


def test_free_session_costs_nothing_so_far(csms: Csms, shown: ChargePoint) -> None:
    running(shown, is_free=True)
    cost_display.tell_costs(T0 + MINUTE)
    assert csms.due(shown)[0][2]["totalCost"] == 0


def test_final_cost_needs_no_message_of_its_own(csms: Csms, shown: ChargePoint) -> None:
    """I03.FR.02: it stands in the answer to the end."""
    display = running(
        shown, state="ended", ended_at=T0 + HOUR, end_received_at=T0 + HOUR, cost=Decimal("1.5")
    )

    cost_display.tell_costs(T0 + HOUR)

    display.refresh_from_db()
    assert display.closed_at is not None
    assert not Command.objects.exists()


def test_running_cost_can_be_told_by_hand(csms: Csms, shown: ChargePoint) -> None:
    order = csms.order(shown, "cost_updated", {"transaction_id": "tx-1", "total_cost": "4.350001"})

    assert (order.action, order.payload) == ("CostUpdated", {"transactionId": "tx-1", "totalCost": 4.350001})
    assert order.answer().status == CommandStatus.ACCEPTED


@pytest.mark.parametrize("cost", ["-1", "1,50", "1.1234567", "x", "1e3"])
def test_cost_must_be_an_amount(csms: Csms, shown: ChargePoint, cost: str) -> None:
    with pytest.raises(InvalidPayload, match="total_cost"):
        csms.order(shown, "cost_updated", {"transaction_id": "tx-1", "total_cost": cost})


def test_older_version_needs_meter_and_prices_with_the_cost() -> None:
    problem = neutral_problem("ocpp1.6", "cost_updated", {"transaction_id": "7", "total_cost": "1"})
    assert problem is not None
    assert "together with meter and prices" in problem


# --- prepaid ---


def prepaid(token: IdToken, balance: str) -> None:
    token.balance = Decimal(balance)
    token.save(update_fields=["balance"])


def test_driver_with_credit_may_charge_and_is_not_remembered(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """2.1 C17.FR.01"""
    prepaid(token, "5")
    csms.now = T0 + MINUTE

    info = authorized(csms, charge_point)

    assert info["status"] == "Accepted"
    assert datetime.fromisoformat(info["cacheExpiryDateTime"]).astimezone(UTC) == T0 + MINUTE


@pytest.mark.parametrize("balance", ["0", "-3"])
def test_driver_without_credit_may_not(
    csms: Csms, charge_point: ChargePoint, token: IdToken, balance: str
) -> None:
    """2.1 C17.FR.02"""
    prepaid(token, balance)

    info = authorized(csms, charge_point)

    assert info["status"] == "NoCredit"
    assert "cacheExpiryDateTime" in info


def test_blocked_driver_stays_blocked_whatever_his_credit(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    token.status = "Blocked"
    token.save()
    prepaid(token, "0")

    assert authorized(csms, charge_point)["status"] == "Blocked"


# --- payment cards ---


@pytest.mark.parametrize(("accepts", "status"), [(True, "Accepted"), (False, "Unknown")])
def test_card_of_a_terminal_may_charge_where_the_organisation_takes_cards(
    csms21: Csms21, charge_point: ChargePoint, tenant: Tenant, accepts: bool, status: str
) -> None:
    """2.1 C18.FR.05, .07"""
    Tenant.objects.filter(pk=tenant.pk).update(accepts_direct_payment=accepts)

    info = authorized(csms21, charge_point, value="psp-0001", kind="DirectPayment")

    assert info["status"] == status
