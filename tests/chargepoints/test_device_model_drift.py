"""Templates, drift, boot settings and comparing: variables of 2.x as keys of OCPP 1.6."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, DriftState
from chargepoints.comparing import compare
from chargepoints.models import (
    ChargePoint,
    Command,
    ConfigurationState,
    Connection,
    Variable,
    VariableRequest,
)
from chargepoints.selectors import variables_of
from chargepoints.services import applying, boot_settings, device_model, drift, templates
from chargepoints.services.device_model import Result
from chargepoints.services.variables import Entry, store_snapshot
from chargepoints.variable_names import VariableName, parse
from tests.factories import T0, ChargePointFactory, ConfigurationTemplateFactory, VariableFactory

HEARTBEAT = "OCPPCommCtrlr/HeartbeatInterval"


def told(charge_point: ChargePoint, key: str, value: str | None, **about: object) -> Variable:
    name = parse(key)
    assert name is not None
    row: Variable = VariableFactory(
        charge_point=charge_point,
        component=name.component,
        component_instance=name.component_instance,
        evse_number=name.evse,
        connector_number=name.connector,
        name=name.name,
        instance=name.instance,
        attribute=name.attribute,
        value=value,
        read_at=T0,
        **about,
    )
    return row


@pytest.fixture(autouse=True)
def was_read(charge_point: ChargePoint) -> None:
    ConfigurationState.objects.create(charge_point=charge_point, tenant=charge_point.tenant, whole_read_at=T0)
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.0.1")


def states(charge_point: ChargePoint) -> dict[str, DriftState]:
    return {row.key: row.state for row in drift.wanted_of(charge_point)[1]}


def test_template_speaks_to_all_versions(charge_point: ChargePoint, tenant: Tenant) -> None:
    """One template for a mixed fleet: keys of 1.6 are judged by the variables that mean the same, and the reverse."""
    old = ChargePointFactory(tenant=tenant)
    store_snapshot(
        old.pk, [Entry(key="HeartbeatInterval", value="300"), Entry(key="ConnectionTimeOut", value="30")],
        is_complete=True,
    )  # fmt: skip
    told(charge_point, HEARTBEAT, "300")
    told(charge_point, "TxCtrlr/EVConnectionTimeOut", "30")
    ConfigurationTemplateFactory(
        tenant=tenant, entries={"HeartbeatInterval": "300", "TxCtrlr/EVConnectionTimeOut": "60"}
    )
    for row in (charge_point, old):
        assert states(row) == {"TxCtrlr/EVConnectionTimeOut": DriftState.DIFFERS}


def test_two_templates_with_two_names_want_one_value(charge_point: ChargePoint, tenant: Tenant) -> None:
    told(charge_point, HEARTBEAT, "300")
    ConfigurationTemplateFactory(tenant=tenant, name="Weak", entries={"HeartbeatInterval": "60"})
    ConfigurationTemplateFactory(tenant=tenant, name="Strong", priority=5, entries={HEARTBEAT: "300"})
    wanted, rows = drift.wanted_of(charge_point)
    assert rows == []
    (item,) = wanted.values()
    assert item.reason.startswith("From “Strong”. It wins over “Weak”")


def test_exact_place_and_attribute_count(charge_point: ChargePoint, tenant: Tenant) -> None:
    for key, value in {"EVSE(1)/Power": "1", "EVSE(2)/Power": "2", "EVSE(2)/Power#MaxSet": "3"}.items():
        told(charge_point, key, value)
    wanted = {"evse(2)/power": "2", "EVSE(2)/Power#MaxSet": "4", "EVSE(3)/Power": "1"}
    ConfigurationTemplateFactory(tenant=tenant, entries=wanted)
    assert states(charge_point) == {
        "EVSE(2)/Power#MaxSet": DriftState.DIFFERS,
        "EVSE(3)/Power": DriftState.UNKNOWN,
    }


def test_stale_key_of_an_earlier_firmware_does_not_count(charge_point: ChargePoint, tenant: Tenant) -> None:
    VariableFactory(charge_point=charge_point, name="HeartbeatInterval", value="300", gone_at=T0)
    told(charge_point, HEARTBEAT, "60")
    ConfigurationTemplateFactory(tenant=tenant, entries={"HeartbeatInterval": "300"})
    (row,) = drift.wanted_of(charge_point)[1]
    assert (row.state, row.actual) == (DriftState.DIFFERS, "60")


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("Accepted", DriftState.DIFFERS),
        ("Rejected", DriftState.REFUSED),
        ("UnknownVariable", DriftState.UNKNOWN),
    ],
)
def test_refusal_of_one_among_many_is_remembered(
    technician: Actor,
    charge_point: ChargePoint,
    tenant: Tenant,
    connection: Connection,
    result: str,
    state: DriftState,
) -> None:
    told(charge_point, HEARTBEAT, "60")
    told(charge_point, "AuthCtrlr/Enabled", "true")
    ConfigurationTemplateFactory(tenant=tenant, entries={"HeartbeatInterval": "300"})
    charge_point.refresh_from_db()
    rows = [{"key": HEARTBEAT, "value": "300"}, {"key": "AuthCtrlr/Enabled", "value": "true"}]
    command = commands.queue(
        actor=technician, charge_point=charge_point, action="set_variables", payload={"variables": rows}
    )
    assert states(charge_point) == {"HeartbeatInterval": DriftState.UNDER_WAY}
    commands.complete(command.pk, status=CommandStatus.REJECTED)
    name = VariableName(component="OCPPCommCtrlr", name="HeartbeatInterval")
    # It was taken, but the charger tells another value again.
    device_model.store_set(
        charge_point.pk, [Result(name=name, status=result, value="300")], at=T0, command=command
    )
    Variable.objects.filter(name="HeartbeatInterval").update(value="60")
    assert states(charge_point) == {"HeartbeatInterval": state}
    assert VariableRequest.objects.get(name_key="heartbeatinterval").result == result


def test_write_only_variable_is_right_once_it_was_taken(charge_point: ChargePoint, tenant: Tenant) -> None:
    told(charge_point, "VendorCtrlr/Code", None, mutability="WriteOnly")
    ConfigurationTemplateFactory(tenant=tenant, entries={"VendorCtrlr/Code": "7"})
    assert states(charge_point) == {"VendorCtrlr/Code": DriftState.HIDDEN}


def test_what_differs_is_sent_by_its_name(
    technician: Actor, charge_point: ChargePoint, tenant: Tenant, connection: Connection
) -> None:
    told(charge_point, HEARTBEAT, "60")
    told(charge_point, "EVSE(1)/Power#MaxSet", "1")
    ConfigurationTemplateFactory(
        tenant=tenant, entries={"HeartbeatInterval": "300", "EVSE(1)/Power#MaxSet": "2"}
    )
    planned = applying.plan(drift.Scope(tenant=tenant), charge_points=None)
    assert {row.key for row in planned.sent} == {"HeartbeatInterval", "EVSE(1)/Power#MaxSet"}
    task = applying.apply(actor=technician, tenant=tenant, planned=planned, title="Put right")
    assert task.items.count() == 2


def test_boot_settings_reach_variables(
    charge_point: ChargePoint, tenant: Tenant, connection: Connection
) -> None:
    now = timezone.now()
    told(charge_point, HEARTBEAT, "60")
    template = ConfigurationTemplateFactory(
        tenant=tenant, apply_at_boot=True, entries={"HeartbeatInterval": "300"}
    )
    type(template).objects.update(updated_at=now - timedelta(days=1))
    ChargePoint.objects.filter(pk=charge_point.pk).update(last_boot_at=now - timedelta(seconds=30))
    ConfigurationState.objects.update(whole_read_at=now - timedelta(seconds=10))
    boot_settings.step(now)
    command = Command.objects.get()
    assert command.payload == {"key": "HeartbeatInterval", "value": "300"}


def test_template_from_a_charger_takes_what_can_be_set(charge_point: ChargePoint) -> None:
    told(charge_point, HEARTBEAT, "60")
    told(charge_point, "EVSE(1)/Power", "3600", is_readonly=True)
    told(charge_point, "AuthCtrlr/MasterPassGroupId", None)
    told(charge_point, "SecurityCtrlr/BasicAuthPassword", "***", is_secret=True)
    told(charge_point, "A/Fixed", "1", is_constant=True)
    assert [(row.key, row.value) for row in templates.entries_of(charge_point)] == [(HEARTBEAT, "60")]


def test_chargers_of_two_versions_are_compared(charge_point: ChargePoint, tenant: Tenant) -> None:
    old = ChargePointFactory(tenant=tenant)
    store_snapshot(
        old.pk, [Entry(key="HeartbeatInterval", value="060"), Entry(key="ConnectionTimeOut", value="30")],
        is_complete=True,
    )  # fmt: skip
    told(charge_point, HEARTBEAT, "60")
    told(charge_point, "TxCtrlr/EVConnectionTimeOut", "60")
    told(charge_point, "EVSE(1)/Power", "1")
    lines = compare(variables_of(charge_point), variables_of(old), only_different=False)
    assert [(line.name, line.is_same) for line in lines] == [
        ("TxCtrlr/EVConnectionTimeOut", False),
        ("EVSE(1)/Power", False),
        (HEARTBEAT, True),
    ]
