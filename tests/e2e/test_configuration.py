"""Templates over a real socket: what differs is sent after a boot, or when somebody says so."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints.models import ChargePoint, FleetTask, VariableChange
from chargepoints.selectors import find_value
from chargepoints.services import applying, drift
from tests.e2e.conftest import default_tenant, open_charger
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import Charger
from tests.factories import ConfigurationTemplateFactory

pytestmark = pytest.mark.server

KEYS = {"HeartbeatInterval": "60", "LocalPreAuthorize": "true", "WebSocketPingInterval": "30"}


def serve(charger: Charger, keys: dict[str, str], *, refused: str = "") -> tuple[str, Any]:
    """Answer the next call about the configuration; returns what was asked."""
    call = charger.receive()
    action, payload = call[2], call[3]
    if action == "GetConfiguration":
        listed = [{"key": key, "value": value, "readonly": False} for key, value in keys.items()]
        charger.send([3, call[1], {"configurationKey": listed}])
        return action, payload
    assert action == "ChangeConfiguration"
    status = "Rejected" if payload["key"] == refused else "Accepted"
    if status == "Accepted":
        keys[payload["key"]] = payload["value"]
    charger.send([3, call[1], {"status": status}])
    return action, payload


def states(charge_point: ChargePoint) -> dict[str, str]:
    return {row.key: row.state.value for row in drift.wanted_of(charge_point)[1]}


def test_what_a_template_wants_is_read_and_set_after_a_boot(product: Product) -> None:
    ConfigurationTemplateFactory(
        tenant=default_tenant(),
        model="Boot Cfg",
        apply_at_boot=True,
        entries={"HeartbeatInterval": "300", "LocalPreAuthorize": "true", "WebSocketPingInterval": "5"},
    )
    keys = dict(KEYS)
    with open_charger(product, "BOOT-CFG", boot=False) as charger:
        charger.call("BootNotification", {"chargePointVendor": "Volta Works", "chargePointModel": "Boot Cfg"})
        assert serve(charger, keys) == ("GetConfiguration", {})
        sent = [serve(charger, keys, refused="WebSocketPingInterval")[1] for _ in range(2)]
        assert sent == [
            {"key": "HeartbeatInterval", "value": "300"},
            {"key": "WebSocketPingInterval", "value": "5"},
        ]
        charge_point = ChargePoint.objects.get(identity="BOOT-CFG")
        wait_until(lambda: find_value(charge_point, "HeartbeatInterval") == "300", "the value is stored")
        wait_until(
            lambda: states(charge_point) == {"WebSocketPingInterval": "refused"}, "the refusal is remembered"
        )
        change = VariableChange.objects.get(charge_point=charge_point)
        assert (change.name, change.old, change.new, change.source) == (
            "HeartbeatInterval",
            "60",
            "300",
            "set",
        )


def test_what_differs_is_sent_as_a_task_when_somebody_says_so(product: Product) -> None:
    ConfigurationTemplateFactory(
        tenant=default_tenant(),
        model="Task Cfg",
        entries={"HeartbeatInterval": "120", "WebSocketPingInterval": "10"},
    )
    keys = dict(KEYS)
    with open_charger(product, "TASK-CFG", boot=False, auto_configure=True) as charger:
        charger.call("BootNotification", {"chargePointVendor": "Volta Works", "chargePointModel": "Task Cfg"})
        assert serve(charger, keys)[0] == "GetConfiguration"
        charge_point = ChargePoint.objects.get(identity="TASK-CFG")
        wait_until(lambda: [*states(charge_point).values()] == ["differs"] * 2, "the configuration is read")
        scope = drift.Scope(tenant=charge_point.tenant)
        task = applying.apply(
            actor=Actor.system("test", via="cli"),
            tenant=charge_point.tenant,
            planned=applying.plan(scope, charge_points=[charge_point.pk]),
            title="Set what differs",
        )
        assert [serve(charger, keys)[1]["key"] for _ in range(2)] == [
            "HeartbeatInterval",
            "WebSocketPingInterval",
        ]
        wait_until(lambda: states(charge_point) == {}, "the charger is in line")
        ended = FleetTask.objects.filter(pk=task.pk).exclude(ended_at=None)
        wait_until(ended.exists, "the task has ended")
        assert set(task.items.values_list("status", flat=True)) == {"accepted"}
