"""Prices and costs on the displays of chargers (California pricing), from the messages of a charger on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken, Tenant
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connector, FrameAnomaly, Variable
from csms_project.common.models import Event
from ocpp_gateway.v16.commands import to_call
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, clock, meter, moment, session, start, stop
from transactions.models import CostDisplay, LedgerEntry, Tariff, Transaction
from transactions.services import cost_display

VENDOR = "org.openchargealliance.costmsg"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def shown(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> ChargePoint:
    """Online, says that it can show costs, and the tenant wants it; 0.50 EUR/kWh."""
    tariff = factories.TariffFactory(tenant=tenant, elements=energy("0.50"))
    Tenant.objects.filter(pk=tenant.pk).update(cost_display=True, default_tariff=tariff)
    say(charge_point, "CustomDisplayCostAndPrice", "True")
    node = factories.GatewayNodeFactory(lease_until=datetime(2100, 1, 1, tzinfo=UTC))
    factories.ConnectionFactory(charge_point=charge_point, node=node)
    assert cost_display.resolve_chargers(T0) == 1
    charge_point.refresh_from_db()
    return charge_point


def energy(price: str) -> list[dict[str, Any]]:
    return [{"price_components": [{"type": "ENERGY", "price": price, "vat": None, "step_size": None}]}]


def say(charge_point: ChargePoint, key: str, value: str, **more: Any) -> Variable:
    row: Variable = factories.VariableFactory(charge_point=charge_point, name=key, value=value, **more)
    return row


def orders(message_id: str = "") -> list[Command]:
    """Our vendor messages to chargers, oldest first."""
    rows = Command.objects.filter(action__in=["data_transfer", "cost_updated"]).order_by("pk")
    return [row for row in rows if message_id in ("", to_call(row.action, row.payload)[1]["messageId"])]


def said(command: Command) -> Payload:
    """What a command says on the wire: checked against the schema, data from JSON in a string."""
    action, payload = to_call(command.action, command.payload)
    assert (action, payload["vendorId"]) == ("DataTransfer", VENDOR)
    found: Payload = json.loads(payload["data"])
    return found


def began(csms: Csms, shown: ChargePoint) -> int:
    started: int = csms.send(shown, "StartTransaction", start())["transactionId"]
    return started


# --- which chargers ---


@pytest.mark.parametrize(
    ("tenant_wants", "own", "key", "expected"),
    [
        (True, None, "true", True),
        (True, None, "false", False),
        (True, None, None, False),
        (True, True, None, True),
        (True, False, "true", False),
        (False, True, "true", False),
    ],
)
def test_chargers_are_told_where_the_tenant_wants_it_and_they_can(
    charge_point: ChargePoint,
    tenant: Tenant,
    tenant_wants: bool,
    own: bool | None,
    key: str | None,
    expected: bool,
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(cost_display=tenant_wants)
    ChargePoint.objects.update(cost_display=own)
    if key is not None:
        say(charge_point, "customdisplaycostandprice", key)

    cost_display.resolve_chargers(T0)

    charge_point.refresh_from_db()
    assert charge_point.shows_cost is expected


def test_running_sessions_are_taken_up_and_let_go(
    csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    began(csms, shown)
    Tenant.objects.filter(pk=tenant.pk).update(cost_display=False)
    cost_display.resolve_chargers(T0)
    assert CostDisplay.objects.get().closed_at is not None
    CostDisplay.objects.all().delete()
    Tenant.objects.filter(pk=tenant.pk).update(cost_display=True)

    cost_display.resolve_chargers(T0)

    assert CostDisplay.objects.get().transaction == Transaction.objects.get()


# --- the driver's price ---


def test_driver_is_told_his_price_with_the_authorization_and_the_start(
    csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    token.tariff = factories.TariffFactory(tenant=tenant, elements=energy("0.20"))
    token.save()

    csms.send(shown, "Authorize", {"idTag": "04A1B2C3"})
    began(csms, shown)

    told = {"idToken": "04A1B2C3", "priceText": "0.20 EUR/kWh, incl. VAT"}
    assert [said(command) for command in orders("SetUserPrice")] == [told, told]


def test_refused_driver_and_old_start_are_told_no_price(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    csms.send(shown, "Authorize", {"idTag": "UNKNOWN"})
    csms.send(shown, "StartTransaction", start(), at=T0 + HOUR)

    assert orders() == []
    assert CostDisplay.objects.count() == 1


def test_repeated_start_orders_nothing_more(csms: Csms, shown: ChargePoint, token: IdToken) -> None:
    began(csms, shown)
    began(csms, shown)

    assert (len(orders()), CostDisplay.objects.count()) == (1, 1)


def test_other_chargers_cost_no_statement_and_get_no_row(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    csms.send(charge_point, "Authorize", {"idTag": "04A1B2C3"})

    with CaptureQueriesContext(connection) as queries:
        csms.send(charge_point, "Authorize", {"idTag": "04A1B2C3"})

    assert not [query for query in queries if "command" in query["sql"] or "costdisplay" in query["sql"]]
    began(csms, charge_point)
    assert not CostDisplay.objects.exists()


# --- running cost ---


def test_running_cost_follows_the_meter_and_the_interval(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    started = began(csms, shown)
    csms.send(shown, "MeterValues", meter(moment("3000", T0 + MINUTE), transaction=started), at=T0 + MINUTE)

    assert cost_display.tell_costs(T0 + 2 * MINUTE) == 1
    assert cost_display.tell_costs(T0 + 2 * MINUTE + timedelta(seconds=59)) == 0

    message = said(orders("RunningCost")[0])
    assert (message["transactionId"], message["meterValue"], message["cost"]) == (started, 3000, 1.0)
    assert (message["state"], message["chargingPrice"]) == ("Charging", {"kWhPrice": 0.5})
    assert message["timestamp"] == "2026-03-02T10:02:00Z"


def test_only_the_latest_running_cost_waits(csms: Csms, shown: ChargePoint, token: IdToken) -> None:
    started = began(csms, shown)
    cost_display.tell_costs(T0 + MINUTE)
    csms.send(shown, "MeterValues", meter(moment("5000", T0 + MINUTE), transaction=started))

    cost_display.tell_costs(T0 + 2 * MINUTE)

    (command,) = orders("RunningCost")
    assert said(command)["cost"] == 2.0
    assert command.expires_at == T0 + 2 * MINUTE + cost_display.RUNNING_LIFE


def test_answered_running_cost_makes_room_for_the_next(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    began(csms, shown)
    cost_display.tell_costs(T0 + MINUTE)
    first = orders("RunningCost")[0]
    Command.objects.filter(pk=first.pk).update(status=CommandStatus.ACCEPTED)

    cost_display.tell_costs(T0 + 2 * MINUTE)

    (command,) = orders("RunningCost")
    assert command.pk != first.pk


def test_charger_that_knows_no_running_cost_is_left_alone(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    started = began(csms, shown)
    cost_display.tell_costs(T0 + MINUTE)
    Command.objects.filter(pk=orders("RunningCost")[0].pk).update(status=CommandStatus.NOT_SUPPORTED)

    cost_display.tell_costs(T0 + 2 * MINUTE)
    csms.send(shown, "StopTransaction", stop(started), at=T0 + HOUR)
    cost_display.tell_costs(T0 + HOUR)

    assert len(orders("RunningCost")) == 1
    assert orders("FinalCost") == []


def test_idle_vehicle_and_time_of_day_are_said(
    csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    elements = [
        {
            "price_components": [
                {"type": "ENERGY", "price": "0.50", "vat": "20"},
                {"type": "PARKING_TIME", "price": "6", "vat": "20"},
            ],
            "restrictions": {"start_time": "00:00", "end_time": "23:00"},
        },
        *energy("0.25"),
    ]
    Tariff.objects.update(elements=elements)
    began(csms, shown)
    Connector.objects.filter(charge_point=shown, ocpp_number=1).update(status="SuspendedEV")

    cost_display.tell_costs(T0 + MINUTE)

    message = said(orders("RunningCost")[0])
    assert (message["state"], message["idlePrice"]) == ("Idle", {"hourPrice": 7.2})
    assert message["nextPeriod"]["chargingPrice"] == {"kWhPrice": 0.25}
    assert message["triggerMeterValue"]["atTime"] == message["nextPeriod"]["atTime"]


def test_offline_charger_is_told_nothing_until_it_is_back(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    began(csms, shown)
    shown.connection.delete()

    assert cost_display.tell_costs(T0 + MINUTE) == 0


def test_session_whose_tariff_cannot_be_read_is_told_no_cost(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    began(csms, shown)
    Transaction.objects.update(tariff_snapshot={"currency": "EUR"})

    cost_display.tell_costs(T0 + MINUTE)

    assert orders("RunningCost") == []


# --- final cost ---


def test_final_cost_replaces_what_still_waits_and_is_told_once(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    started = began(csms, shown)
    cost_display.tell_costs(T0 + MINUTE)
    csms.send(shown, "StopTransaction", stop(started, meter=11_000), at=T0 + HOUR)

    assert cost_display.tell_costs(T0 + HOUR) == 1
    assert cost_display.tell_costs(T0 + 2 * HOUR) == 0

    assert orders("RunningCost") == []
    (command,) = orders("FinalCost")
    text = "10.00 kWh, 1:00 h, total 5.00 EUR incl. VAT"
    assert said(command) == {"transactionId": started, "cost": 5.0, "priceText": text}
    assert command.waits_for_connection
    assert LedgerEntry.objects.filter(text=f"The charger's display is told: {text}").count() == 1


def test_final_cost_is_told_to_a_charger_that_is_away_when_it_is_back(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    started = began(csms, shown)
    csms.send(shown, "StopTransaction", stop(started), at=T0 + HOUR)
    shown.connection.delete()

    cost_display.tell_costs(T0 + HOUR)

    assert orders("FinalCost")[0].expires_at == T0 + HOUR + cost_display.FINAL_LIFE


def test_free_session_is_told_free(csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(pricing_mode="free")
    started = began(csms, shown)
    cost_display.tell_costs(T0 + MINUTE)
    csms.send(shown, "StopTransaction", stop(started), at=T0 + HOUR)
    assert said(orders("SetUserPrice")[0])["priceText"] == "Free of charge"
    assert said(orders("RunningCost")[0])["cost"] == 0

    cost_display.tell_costs(T0 + HOUR)

    assert said(orders("FinalCost")[0])["priceText"] == "10.00 kWh, free of charge"


def test_session_without_a_cost_waits_for_one_for_a_day(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    started = began(csms, shown)
    csms.send(shown, "StopTransaction", stop(started), at=T0 + HOUR)
    Transaction.objects.update(cost=None)
    cost_display.tell_costs(T0 + 2 * HOUR)
    assert CostDisplay.objects.get().closed_at is None

    cost_display.tell_costs(T0 + 26 * HOUR)

    assert CostDisplay.objects.get().closed_at is not None
    assert orders("FinalCost") == []


def test_bill_of_several_lines_names_them(
    csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    components = [{"type": "FLAT", "price": "1"}, {"type": "ENERGY", "price": "0.5"}]
    Tariff.objects.update(elements=[{"price_components": components}])
    started = began(csms, shown)
    csms.send(shown, "StopTransaction", stop(started), at=T0 + HOUR)

    assert cost_display.final_text(session(started)) == (
        "10.00 kWh, 1:00 h, Session fee 1.00 EUR, Energy 5.00 EUR, total 6.00 EUR incl. VAT"
    )


def test_many_sessions_cost_as_many_reads_as_few(
    csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    began(csms, shown)
    with CaptureQueriesContext(connection) as one:
        cost_display._due(T0 + MINUTE)
    for number in (1, 2):
        row = factories.TransactionFactory(connector=shown.connectors.get(ocpp_number=number))
        CostDisplay.objects.create(tenant=tenant, charge_point=shown, transaction=row)
    with CaptureQueriesContext(connection) as three:
        assert len(cost_display._due(T0 + MINUTE)) == 3
    assert len(one) == len(three) == 1


# --- ConnectorUnplugged ---


def unplug(charge_point: ChargePoint, csms: Csms, **fields: Any) -> Payload:
    payload = {"vendorId": VENDOR, "messageId": "ConnectorUnplugged", "data": json.dumps(fields)}
    return csms.send(charge_point, "DataTransfer", payload)


def test_unplugged_cable_is_written_into_the_ledger_of_its_session(
    csms: Csms, shown: ChargePoint, token: IdToken
) -> None:
    started = began(csms, shown)
    csms.send(shown, "StopTransaction", stop(started), at=T0 + HOUR)

    answer = unplug(shown, csms, transactionId=started, timestamp=clock(T0 + 2 * HOUR))

    assert answer == {"status": "Accepted"}
    assert LedgerEntry.objects.filter(text__startswith="The cable was unplugged at").count() == 1
    assert Event.objects.filter(kind="transaction.unplugged").count() == 1


@pytest.mark.parametrize(
    "fields", [{}, {"transactionId": 999}, {"transactionId": True}, {"transactionId": []}]
)
def test_unplugged_of_no_session_is_rejected(csms: Csms, shown: ChargePoint, fields: dict[str, Any]) -> None:
    assert unplug(shown, csms, **fields) == {"status": "Rejected"}
    assert "names no session" in FrameAnomaly.objects.get().problem


def test_unplugged_of_another_chargers_session_is_rejected(
    csms: Csms, shown: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    other = factories.ChargePointFactory(tenant=tenant, connectors=1)
    started = csms.send(other, "StartTransaction", start())["transactionId"]

    assert unplug(shown, csms, transactionId=started) == {"status": "Rejected"}


def test_other_messages_of_the_vendor_are_unknown(csms: Csms, shown: ChargePoint) -> None:
    answer = csms.send(shown, "DataTransfer", {"vendorId": VENDOR, "messageId": "SetUserPrice"})

    assert answer == {"status": "UnknownMessageId"}


# --- the default price ---


def test_default_price_is_set_where_it_differs_and_not_again(csms: Csms, shown: ChargePoint) -> None:
    say(shown, "DefaultPrice", "")

    assert cost_display.sync_default_prices(T0) == 1
    assert cost_display.sync_default_prices(T0 + MINUTE) == 0

    command = Command.objects.get(action="change_configuration")
    assert json.loads(command.payload["value"]) == {
        "priceText": "0.50 EUR/kWh, incl. VAT",
        "priceTextOffline": "0.50 EUR/kWh, incl. VAT",
        "chargingPrice": {"kWhPrice": 0.5},
    }


def test_default_price_that_the_charger_has_is_left_alone(csms: Csms, shown: ChargePoint) -> None:
    wanted = cost_display.default_price(shown, T0)
    assert wanted is not None
    say(shown, "DefaultPrice", json.dumps(json.loads(wanted), indent=1))

    assert cost_display.sync_default_prices(T0) == 0


@pytest.mark.parametrize("more", [{"is_readonly": True}, None])
def test_default_price_that_cannot_be_set_is_not(
    csms: Csms, shown: ChargePoint, more: dict[str, Any] | None
) -> None:
    if more is not None:
        say(shown, "DefaultPrice", "", **more)

    assert cost_display.sync_default_prices(T0) == 0
