"""Vendor messages over a real socket, with the charge point of the `ocpp` package: displays, Plug & Charge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call, call_result
from ocpp.v16.datatypes import MeterValue, SampledValue
from ocpp.v16.enums import Action
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from accounts.models import Tenant
from chargepoints.models import ChargePoint, Command
from tests import factories
from tests.e2e.conftest import register
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import basic
from tests.factories import CHARGER_KEY
from transactions.services import cost_display

pytestmark = pytest.mark.server

COSTS = "org.openchargealliance.costmsg"
PLUG_AND_CHARGE = "org.openchargealliance.iso15118pnc"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


class Display(OcppChargePoint):
    """A charger that keeps the vendor messages that it gets, and answers those that it knows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.got: dict[str, list[dict[str, Any]]] = {}
        self.answers: dict[str, dict[str, Any]] = {"InstallCertificate": {"status": "Accepted"}}

    @on(Action.data_transfer)
    def transfer(self, vendor_id: str, message_id: str = "", data: str = "", **_: Any) -> Any:
        self.got.setdefault(message_id, []).append(json.loads(data))
        answer = self.answers.get(message_id)
        return call_result.DataTransfer(
            status="Accepted", data=None if answer is None else json.dumps(answer)
        )

    async def told(self, message_id: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for messages of this kind."""
        for _ in range(600):
            if len(self.got.get(message_id, ())) >= count:
                return self.got[message_id]
            await asyncio.sleep(0.05)
        raise AssertionError(f"not told: {message_id}; told: {sorted(self.got)}")

    async def say(self, vendor_id: str, message_id: str, **fields: Any) -> Any:
        """A vendor message of the charger: the status, and the data from JSON."""
        answer = await self.call(
            call.DataTransfer(vendor_id=vendor_id, message_id=message_id, data=json.dumps(fields))
        )
        return answer.status, json.loads(answer.data) if answer.data else None


def run(product: Product, identity: str, act: Callable[[Display], Awaitable[None]]) -> None:
    """Let a charger connect, boot and act."""

    async def connected() -> None:
        async with connect(
            f"{product.url}/{identity}",
            subprotocols=[Subprotocol("ocpp1.6")],
            additional_headers={"Authorization": basic(identity, CHARGER_KEY)},
            proxy=None,
        ) as socket:
            station = Display(identity, socket, response_timeout=20)
            listener = asyncio.create_task(station.start())
            try:
                boot = call.BootNotification(charge_point_model="Show", charge_point_vendor="Volta Works")
                assert (await station.call(boot)).status == "Accepted"
                await act(station)
            finally:
                listener.cancel()

    asyncio.run(connected())


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def shown(product: Product) -> ChargePoint:
    """A charger that says that it shows costs, of a tenant that wants it; 0.50 EUR/kWh."""
    tenant: Tenant = factories.TenantFactory(slug="shown", cost_display=True, cost_interval_s=10)
    component = {"type": "ENERGY", "price": "0.50", "vat": None, "step_size": None}
    tenant.default_tariff = factories.TariffFactory(
        tenant=tenant, elements=[{"price_components": [component]}]
    )
    tenant.save()
    factories.IdTokenFactory(tenant=tenant, value="SHOWN")
    station = register("DISPLAY", tenant=tenant)
    factories.VariableFactory(charge_point=station, name="CustomDisplayCostAndPrice", value="true")
    cost_display.resolve_chargers(timezone.now())
    return station


def test_display_is_told_price_running_cost_and_final_cost(product: Product, shown: ChargePoint) -> None:
    async def act(station: Display) -> None:
        began = timezone.now()
        await station.call(call.Authorize(id_tag="SHOWN"))
        assert await station.told("SetUserPrice") == [
            {"idToken": "SHOWN", "priceText": "0.50 EUR/kWh, incl. VAT"}
        ]
        started = await station.call(
            call.StartTransaction(connector_id=1, id_tag="SHOWN", meter_start=1000, timestamp=stamp(began))
        )
        number = started.transaction_id
        value = MeterValue(
            timestamp=stamp(began + timedelta(seconds=1)), sampled_value=[SampledValue(value="1010")]
        )
        await station.call(call.MeterValues(connector_id=1, transaction_id=number, meter_value=[value]))
        running = (await station.told("RunningCost"))[0]
        assert (running["transactionId"], running["state"]) == (number, "Charging")
        assert running["chargingPrice"] == {"kWhPrice": 0.5}
        await station.call(
            call.StopTransaction(
                meter_stop=3000, timestamp=stamp(began + timedelta(hours=1)), transaction_id=number
            )
        )
        final = (await station.told("FinalCost"))[0]
        assert (final["transactionId"], final["cost"]) == (number, 1.0)
        assert final["priceText"].startswith("2.00 kWh, 1:00 h, total 1.00 EUR")
        unplugged = await station.say(
            COSTS, "ConnectorUnplugged", transactionId=number, timestamp=stamp(began)
        )
        assert unplugged == ("Accepted", None)
        assert (await station.say(COSTS, "Other"))[0] == "UnknownMessageId"
        assert (await station.say("com.example", "Other"))[0] == "UnknownVendorId"

    run(product, "DISPLAY", act)
    orders = Command.objects.filter(charge_point=shown, action="data_transfer")
    wait_until(lambda: {row.status for row in orders.all()} == {"accepted"}, "every message has its outcome")


def test_contract_is_refused_without_a_provider(product: Product) -> None:
    """And a root for vehicles reaches the charger."""
    tenant: Tenant = factories.TenantFactory(slug="contracts")
    charge_point = register("CONTRACTS", tenant=tenant)
    order = factories.CommandFactory(
        charge_point=charge_point,
        action="install_certificate",
        payload={"certificate_type": "V2GRootCertificate", "certificate": PEM},
    )

    async def act(station: Display) -> None:
        contract = {"idToken": {"idToken": "DEABCC123ABC56", "type": "eMAID"}, "certificate": PEM}
        assert await station.say(PLUG_AND_CHARGE, "Authorize", **contract) == (
            "Accepted",
            {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "CertChainError"},
        )
        assert await station.told("InstallCertificate") == [
            {"certificateType": "V2GRootCertificate", "certificate": PEM}
        ]

    run(product, "CONTRACTS", act)

    def status() -> str:
        return Command.objects.get(pk=order.pk).status

    wait_until(lambda: status() == "accepted", "the order has its outcome")
