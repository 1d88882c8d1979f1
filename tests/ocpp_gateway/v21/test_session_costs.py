"""Limits and costs in the events of a session (OCPP 2.1 C17, E16, I06, I12)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint, Command
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms21, event, moment, session
from tests.ocpp_gateway.v201.helpers import token as wire_token
from transactions.choices import Flag
from transactions.models import CostDisplay
from transactions.services import cost_display

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def limiting(charge_point: ChargePoint, tenant: Tenant) -> ChargePoint:
    """A charger that knows limits of cost, energy and time; 0.50 EUR/kWh."""
    priced(tenant, {"type": "ENERGY", "price": "0.50"})
    ChargePoint.objects.filter(pk=charge_point.pk).update(cost_features="maxCost maxEnergy maxTime")
    charge_point.refresh_from_db()
    return charge_point


def priced(tenant: Tenant, *components: dict[str, Any], **more: Any) -> None:
    elements = [{"price_components": [{"vat": None, "step_size": None, **row}], **more} for row in components]
    tariff = factories.TariffFactory(tenant=tenant, elements=elements)
    Tenant.objects.filter(pk=tenant.pk).update(default_tariff=tariff)


def prepaid(token: IdToken, balance: str) -> None:
    token.balance = Decimal(balance)
    token.save(update_fields=["balance"])


def send(
    csms: Csms21, charge_point: ChargePoint, kind: str, seq: int, *moments: Any, **more: Any
) -> dict[str, Any]:
    at = more.setdefault("at", T0 + seq * MINUTE)
    return csms.send(charge_point, "TransactionEvent", event(kind, seq, *moments, **more), at=at)


def start(csms: Csms21, charge_point: ChargePoint, **more: Any) -> dict[str, Any]:
    return send(csms, charge_point, "Started", 0, moment(0), evse=1, idToken=wire_token(), **more)


# --- limits ---


def test_prepaid_driver_is_limited_to_his_balance_once(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    """C17.FR.03, E16.FR.02"""
    prepaid(token, "12.50")

    assert start(csms, limiting)["transactionLimit"] == {"maxCost": 12.5}
    assert "transactionLimit" not in send(csms, limiting, "Updated", 1, moment(100, at=T0 + MINUTE))
    assert "transactionLimit" not in send(csms, limiting, "Updated", 2, idToken=wire_token())
    assert session().limits["prepaid"] is True


def test_driver_who_comes_later_brings_his_limit_then(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    prepaid(token, "5")
    send(csms, limiting, "Started", 0, evse=1)

    answer = send(csms, limiting, "Updated", 1, trigger="Authorized", idToken=wire_token())

    assert answer["transactionLimit"] == {"maxCost": 5}


def test_token_that_ends_a_session_limits_nothing(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    send(csms, limiting, "Started", 0, evse=1, idToken=wire_token("OTHER"))
    prepaid(token, "5")

    answer = send(csms, limiting, "Updated", 1, trigger="StopAuthorized", idToken=wire_token())

    assert "transactionLimit" not in answer


def test_lost_answer_is_given_again_to_the_repeat(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    prepaid(token, "5")

    assert start(csms, limiting)["transactionLimit"] == start(csms, limiting)["transactionLimit"]


def test_limit_that_the_charger_does_not_know_is_not_said(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    """E16.FR.12"""
    prepaid(token, "5")
    ChargePoint.objects.update(cost_features="maxEnergy")

    assert "transactionLimit" not in start(csms, limiting)
    assert session().limits["unknown"] == ["maxCost"]


def test_remote_start_brings_its_limits(csms: Csms21, limiting: ChargePoint, token: IdToken) -> None:
    """C24.FR.02"""
    command = factories.CommandFactory(
        charge_point=limiting,
        action="remote_start",
        payload={
            "id_token": "04A1B2C3",
            "remote_start_id": 7,
            "limits": {"maxEnergy": "20000", "maxTime": "3600"},
        },
        created_at=T0,
    )

    answer = start(csms, limiting, info={"remoteStartId": 7})

    assert answer["transactionLimit"] == {"maxEnergy": 20000, "maxTime": 3600}
    assert session().remote_start_id == command.pk


def test_remote_start_that_is_named_later_brings_its_limits_then(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    factories.CommandFactory(
        charge_point=limiting,
        action="remote_start",
        payload={"id_token": "04A1B2C3", "remote_start_id": 7, "limits": {"maxSoC": "80", "maxTime": "60"}},
        created_at=T0,
    )
    send(csms, limiting, "Started", 0, evse=1)

    answer = send(
        csms, limiting, "Updated", 1, trigger="RemoteStart", idToken=wire_token(), info={"remoteStartId": 7}
    )

    assert answer["transactionLimit"] == {"maxTime": 60}


def test_limits_that_the_charger_tells_are_kept(csms: Csms21, limiting: ChargePoint, token: IdToken) -> None:
    """E16.FR.01, .03, .08"""
    prepaid(token, "5")
    start(csms, limiting)

    answer = send(
        csms,
        limiting,
        "Updated",
        1,
        trigger="LimitSet",
        info={"transactionLimit": {"maxCost": 5, "maxTime": 1800}},
    )

    assert "transactionLimit" not in answer
    assert session().limits["reported"] == {"maxCost": "5", "maxTime": "1800"}


def test_limit_of_cost_needs_the_cost(csms: Csms21, limiting: ChargePoint, token: IdToken) -> None:
    """E16.FR.11: a charger that calculates nothing is told the cost, also where it shows none."""
    prepaid(token, "5")
    start(csms, limiting)
    send(csms, limiting, "Updated", 1, moment(4000, at=T0 + MINUTE))
    csms.connect(limiting)

    assert cost_display.tell_costs(T0 + 2 * MINUTE) == 1

    assert csms.due(limiting)[0][1:] == ("CostUpdated", {"transactionId": "tx-1", "totalCost": 2.0})


def test_charger_that_calculates_itself_needs_no_cost(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    """E16.FR.16"""
    prepaid(token, "5")
    ChargePoint.objects.update(cost_features="tariffs display maxCost")
    start(csms, limiting)

    assert not CostDisplay.objects.exists()


def test_events_without_news_cost_no_statement_more(
    csms: Csms21, limiting: ChargePoint, token: IdToken
) -> None:
    start(csms, limiting)
    with CaptureQueriesContext(connection) as plain:
        send(csms, limiting, "Updated", 1, moment(100, at=T0 + MINUTE))
    prepaid(token, "5")
    send(csms, limiting, "Started", 0, moment(0), evse=2, tx="tx-2", idToken=wire_token(), at=T0)
    with CaptureQueriesContext(connection) as limited:
        send(csms, limiting, "Updated", 1, moment(100, at=T0 + MINUTE), tx="tx-2")

    assert len(limited) == len(plain)


# --- prices in words ---


def test_prices_are_told_at_the_start_and_when_they_change(
    csms: Csms21, limiting: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    """I01, I06.FR.01, .02"""
    elements = [
        {
            "price_components": [{"type": "ENERGY", "price": "0.50", "vat": None, "step_size": None}],
            "restrictions": {"end_time": "11:00"},
        },
        {"price_components": [{"type": "ENERGY", "price": "0.30", "vat": None, "step_size": None}]},
    ]
    tariff = factories.TariffFactory(tenant=tenant, elements=elements)
    Tenant.objects.filter(pk=tenant.pk).update(default_tariff=tariff)
    ChargePoint.objects.update(shows_cost=True)

    begun = start(csms, limiting)
    early = send(csms, limiting, "Updated", 1)
    late = send(csms, limiting, "Updated", 2, at=T0 + HOUR)
    later = send(csms, limiting, "Updated", 3, at=T0 + HOUR + MINUTE)

    assert begun["idTokenInfo"]["personalMessage"]["content"] == "0.50 EUR/kWh, incl. VAT"
    assert late["updatedPersonalMessage"]["content"] == "0.30 EUR/kWh, incl. VAT"
    assert "updatedPersonalMessage" not in early
    assert "updatedPersonalMessage" not in later
    assert not Command.objects.exists()


def test_end_is_told_in_words(csms: Csms21, limiting: ChargePoint, token: IdToken) -> None:
    ChargePoint.objects.update(shows_cost=True)
    start(csms, limiting)

    answer = send(csms, limiting, "Ended", 1, moment(10000, at=T0 + HOUR), at=T0 + HOUR)

    assert answer["totalCost"] == 5
    assert answer["updatedPersonalMessage"]["content"] == "10.00 kWh, 1:00 h, total 5.00 EUR incl. VAT"
    again = send(csms, limiting, "Ended", 1, moment(10000, at=T0 + HOUR), at=T0 + HOUR)
    assert again == answer


# --- what the charger has calculated ---


def details(total: float) -> dict[str, Any]:
    return {
        "totalCost": {
            "currency": "EUR",
            "typeOfCost": "NormalCost",
            "total": {"exclTax": total, "inclTax": total},
        },
        "totalUsage": {"energy": 10, "chargingTime": 3600, "idleTime": 0},
    }


@pytest.mark.parametrize(("total", "differs"), [(5.0, False), (6.0, True)])
def test_calculation_of_the_charger_is_kept_and_compared(
    csms: Csms21, limiting: ChargePoint, token: IdToken, total: float, differs: bool
) -> None:
    """I12.FR.01, .02"""
    start(csms, limiting, info={"tariffId": "t-1"})
    send(csms, limiting, "Updated", 1, trigger="RunningCost", costDetails=details(1.0))
    assert session().local_cost["details"]["total_incl"] == "1"

    answer = send(
        csms, limiting, "Ended", 2, moment(10000, at=T0 + HOUR), at=T0 + HOUR, costDetails=details(total)
    )

    row = session()
    assert row.local_cost["tariff_id"] == "t-1"
    assert row.local_cost["details"]["usage"]["chargingTime"] == "3600"
    assert (Flag.COST_DIFFERS in row.flags) is differs
    assert row.ledger.filter(text__startswith="The charger calculated").count() == 1
    assert answer["totalCost"] == 5


def test_failed_calculation_is_explained(csms: Csms21, limiting: ChargePoint, token: IdToken) -> None:
    """I12.FR.14"""
    start(csms, limiting)
    failed = {**details(0), "failureToCalculate": True, "failureReason": "no meter"}

    send(csms, limiting, "Ended", 1, moment(10000, at=T0 + HOUR), at=T0 + HOUR, costDetails=failed)

    assert session().ledger.filter(text="The charger could not calculate the cost: no meter").exists()
