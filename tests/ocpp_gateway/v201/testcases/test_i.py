"""Official test cases of functional block I, tariff and cost (2.0.1 part 6 and errata 2025-09 §6.3.11, §6.3.12).

TC_I_01_CSMS stands as TC_L_01_CSMS in the text; its contents name I02.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms, event, moment, session, status
from tests.ocpp_gateway.v201.helpers import token as wire_token
from transactions.models import Tariff
from transactions.services import cost_display

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def tariff(tenant: Tenant) -> Tariff:
    """A tariff that is based on energy consumed: 0.50 EUR/kWh."""
    elements = [{"price_components": [{"type": "ENERGY", "price": "0.50", "vat": None, "step_size": None}]}]
    row: Tariff = factories.TariffFactory(tenant=tenant, elements=elements)
    Tenant.objects.filter(pk=tenant.pk).update(default_tariff=row, cost_display=True)
    return row


def authorized(csms: Csms, charge_point: ChargePoint) -> dict[str, Any]:
    info: dict[str, Any] = csms.send(charge_point, "Authorize", {"idToken": wire_token()})["idTokenInfo"]
    return info


@pytest.mark.testcase(
    "TC_I_01_CSMS", "Show EV Driver running total cost during charging - costUpdatedRequest"
)
def test_tc_i_01_running_total_cost(
    csms: Csms, charge_point: ChargePoint, tariff: Tariff, token: IdToken
) -> None:
    """Show EV Driver running total cost during charging - costUpdatedRequest (I02.FR.01)"""
    ChargePoint.objects.filter(pk=charge_point.pk).update(cost_features="display")
    csms.connect(charge_point)
    cost_display.resolve_chargers(T0)
    assert authorized(csms, charge_point)["status"] == "Accepted"

    begun = csms.send(
        charge_point,
        "TransactionEvent",
        event("Started", 0, moment(1000), trigger="Authorized", evse=1, idToken=wire_token()),
    )
    assert begun["idTokenInfo"]["status"] == "Accepted"
    csms.send(
        charge_point,
        "TransactionEvent",
        event("Updated", 1, trigger="ChargingStateChanged", info={"chargingState": "Charging"}),
    )
    told = []
    for number in (1, 2):
        at = T0 + number * MINUTE
        answer = csms.send(
            charge_point,
            "TransactionEvent",
            event(
                "Updated", 1 + number, moment(1000 + 1000 * number, at=at, context="Sample.Periodic"), at=at
            ),
            at=at,
        )
        assert "totalCost" not in answer
        assert cost_display.tell_costs(at) == 1
        ((message, action, payload),) = csms.due(charge_point)
        assert (action, payload["transactionId"]) == ("CostUpdated", "tx-1")
        told.append(payload["totalCost"])
        csms.text(charge_point, f'[3, "{message}", {{}}]')
    assert told == [0.5, 1.0]


@pytest.mark.testcase("TC_I_02_CSMS")
def test_tc_i_02_final_total_cost(
    csms: Csms, charge_point: ChargePoint, tariff: Tariff, token: IdToken
) -> None:
    """Show EV Driver Final Total Cost After Charging (I03.FR.02)"""
    send = lambda *args, **more: csms.send(charge_point, "TransactionEvent", event(*args, **more))  # noqa: E731
    begin = moment({"value": 1000, "context": "Transaction.Begin"})
    send("Started", 0, begin, evse=1, info={"chargingState": "EVConnected"})
    send("Updated", 1, trigger="Authorized", idToken=wire_token())
    send("Updated", 2, trigger="ChargingStateChanged", info={"chargingState": "Charging"})
    send("Updated", 3, trigger="StopAuthorized", info={"chargingState": "EVConnected"}, idToken=wire_token())
    csms.send(charge_point, "StatusNotification", status(1, "Available", at=T0 + HOUR))

    end = moment({"value": 6000, "context": "Transaction.End"}, at=T0 + HOUR)
    answer = send(
        "Ended",
        4,
        end,
        at=T0 + HOUR,
        trigger="EVCommunicationLost",
        info={"chargingState": "Idle", "stoppedReason": "EVDisconnected"},
    )

    assert answer["totalCost"] == 2.5
    assert session().cost == 2.5


@pytest.mark.testcase("TC_I_02_CSMS")
def test_tc_i_02_free_transaction_costs_zero(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    """I03.FR.04: totalCost is 0.00 and never left out."""
    Tenant.objects.filter(pk=tenant.pk).update(pricing_mode="free")
    csms.send(charge_point, "TransactionEvent", event("Started", 0, moment(0), evse=1, idToken=wire_token()))

    answer = csms.send(
        charge_point, "TransactionEvent", event("Ended", 1, moment(6000, at=T0 + HOUR), at=T0 + HOUR)
    )

    assert answer["totalCost"] == 0
