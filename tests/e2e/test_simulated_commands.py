"""A simulated charger of 2.x obeys every kind of command, and whatever it then says of itself is taken in and valid."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint as ChargePointRow
from chargepoints.models import Monitor, Variable
from tests.e2e.conftest import order, register_tag, wait_ended
from tests.e2e.product import Product, wait_until
from tests.e2e.simulated import living
from transactions.choices import TransactionState
from transactions.models import Transaction

pytestmark = pytest.mark.server

TOKEN = {"idToken": "SIM-ORDER", "type": "ISO14443"}
MONITOR = {
    "component": "EVSE",
    "evse": 1,
    "variable": "Power",
    "type": "UpperThreshold",
    "value": "5000",
    "severity": 4,
}
PROFILE: dict[str, Any] = {
    "profile_id": 41,
    "connector": 1,
    "purpose": "TxDefaultProfile",
    "kind": "Absolute",
    "start_schedule": "2026-03-02T10:00:00Z",
    "stack_level": 1,
    "charging_rate_unit": "A",
    "periods": [{"start_period": 0, "limit": 8.1, "number_phases": 3}],
}
MESSAGE = {"id": 3, "priority": "InFront", "message": {"format": "UTF8", "content": "Good morning"}}
CURVE = {"curveData": [{"x": 50.2, "y": 100.0}], "priority": 1, "yUnit": "PctMaxW"}
TARIFF = {"tariffId": "DAY", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.5}]}}

#: Ours by their neutral names, others verbatim: that is how operators and integrators give them.
COMMON: list[tuple[str, dict[str, Any]]] = [
    ("get_base_report", {"base": "FullInventory"}),
    ("get_variables", {"variables": ["OCPPCommCtrlr/HeartbeatInterval"]}),
    ("set_variables", {"variables": [{"key": "TxCtrlr/EVConnectionTimeOut", "value": "90"}]}),
    ("set_variable_monitoring", {"monitors": [MONITOR]}),
    ("get_monitoring_report", {}),
    ("set_charging_profile", PROFILE),
    ("get_composite_schedule", {"connector": 1, "duration": 600}),
    ("get_charging_profiles", {"connector": 1}),
    ("clear_charging_profile", {"profile_id": 41}),
    ("change_availability", {"connector": 2, "operative": False}),
    ("change_availability", {"connector": 2, "operative": True}),
    ("unlock_connector", {"connector": 1}),
    ("trigger_message", {"message": "MeterValues", "connector": 1}),
    ("clear_cache", {}),
    ("SetDisplayMessage", {"message": MESSAGE}),
    ("GetDisplayMessages", {"requestId": 9}),
    ("ClearDisplayMessage", {"id": 3}),
    ("CustomerInformation", {"requestId": 8, "report": True, "clear": False, "idToken": TOKEN}),
    ("SetMonitoringLevel", {"severity": 5}),
    ("GetLocalListVersion", {}),
]
OF_21: list[tuple[str, dict[str, Any]]] = [
    ("SetDefaultTariff", {"evseId": 0, "tariff": TARIFF}),
    ("GetTariffs", {"evseId": 0}),
    (
        "SetDERControl",
        {"isDefault": False, "controlId": "A", "controlType": "FreqWatt", "curve": CURVE},
    ),
    ("GetDERControl", {"requestId": 4}),
    ("ClearDERControl", {"isDefault": False, "controlId": "A"}),
    ("GetPeriodicEventStream", {}),
    ("NotifyWebPaymentStarted", {"evseId": 1, "timeout": 60}),
    ("ClearTariffs", {}),
]


@pytest.mark.parametrize(("ocpp", "orders"), [("2.0.1", COMMON), ("2.1", [*COMMON, *OF_21])])
def test_simulated_charger_obeys(
    product: Product, ocpp: str, orders: list[tuple[str, dict[str, Any]]]
) -> None:
    identity, tag = f"OBEYS-{ocpp}", f"OBEYS{ocpp}"
    register_tag(tag)
    with living(product, identity, ocpp=ocpp, speed=1, connectors=2, cables=(1, 2)) as life:
        charger = life.chargers[0]
        wait_until(lambda: charger.accepted, "the charger has booted")
        for action, payload in orders:
            ended = wait_ended(order(identity, action, **payload))
            assert ended.status == CommandStatus.ACCEPTED, (action, ended.error, ended.response)
        known = Variable.objects.filter(charge_point__identity=identity)
        wait_until(lambda: known.count() > 100, "the device model is stored")
        assert known.get(name="EVConnectionTimeOut").value == "90"
        assert Monitor.objects.filter(charge_point__identity=identity, type="UpperThreshold").exists()

        wait_ended(order(identity, "remote_start", id_token=tag, connector=1))
        sessions = Transaction.objects.filter(charge_point__identity=identity)
        wait_until(sessions.exists, "the session has begun")
        session = sessions.get()
        assert session.id_token_value == tag
        stopped = wait_ended(order(identity, "remote_stop", transaction_id=session.ocpp_id))
        assert stopped.status == CommandStatus.ACCEPTED

        def is_over() -> bool:
            session.refresh_from_db()
            return session.state == TransactionState.ENDED

        wait_until(is_over, "the session is over")
        assert session.stop_reason == "Remote"
        assert dict(charger.stats.errors) == {}
    assert ChargePointRow.objects.get(identity=identity).ocpp_version == f"ocpp{ocpp}"
