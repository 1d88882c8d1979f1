"""How chargers differ from their templates, and sending what differs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, DriftState
from chargepoints.errors import NothingDiffers
from chargepoints.models import ChargePoint, Command, ConfigurationTemplate, Connection, Location
from chargepoints.services import applying, drift, templates
from chargepoints.services.templates import Given
from chargepoints.services.variables import Entry, store_snapshot, store_value
from chargepoints.wanted import PROFILE, Source, Value
from tests.factories import T0, ChargePointFactory, ConfigurationTemplateFactory

Read = Callable[..., None]


@pytest.fixture
def read(charge_point: ChargePoint) -> Read:
    """The charger tells all its keys: `read(HeartbeatInterval="60")`."""

    def tell(readonly: str = "", **values: str | None) -> None:
        entries = [Entry(key=key, value=value, is_readonly=key == readonly) for key, value in values.items()]
        store_snapshot(charge_point.pk, entries, is_complete=True)

    return tell


def template(tenant: Tenant, **fields: Any) -> ConfigurationTemplate:
    made: ConfigurationTemplate = ConfigurationTemplateFactory(tenant=tenant, **fields)
    return made


def states(charge_point: ChargePoint) -> dict[str, DriftState]:
    return {row.key: row.state for row in drift.wanted_of(charge_point)[1]}


def notes(charge_point: ChargePoint) -> dict[str, str]:
    return {row.key: row.note for row in drift.wanted_of(charge_point)[1]}


def ask(
    actor: Actor, charge_point: ChargePoint, key: str, value: str, status: CommandStatus, **fields: Any
) -> Command:
    """A command that was sent and has ended so."""
    command = commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="change_configuration",
        payload={"key": key, "value": value},
        expires_in=60,
    )
    if status != CommandStatus.QUEUED:
        commands.complete(command.pk, status=status, **fields)
    return command


def test_drift_tells_what_differs_and_why(charge_point: ChargePoint, tenant: Tenant, read: Read) -> None:
    wanted = {
        "HeartbeatInterval": "300",
        "LocalPreAuthorize": "true",
        "MeterValuesSampledData": "Voltage,Current.Import",
        "NumberOfConnectors": "3",
        "Missing": "x",
    }
    template(tenant, name="All", entries=wanted)
    read(
        HeartbeatInterval="60",
        LocalPreAuthorize="TRUE",
        MeterValuesSampledData="Current.Import, Voltage",
        NumberOfConnectors="2",
        readonly="NumberOfConnectors",
    )
    assert states(charge_point) == {
        "HeartbeatInterval": DriftState.DIFFERS,
        "NumberOfConnectors": DriftState.READ_ONLY,
        "Missing": DriftState.UNKNOWN,
    }
    row = drift.wanted_of(charge_point)[1][0]
    assert (row.key, row.shown_wanted, row.shown_actual) == ("HeartbeatInterval", "300", "60")
    assert row.wanted.reason == "From “All”."


def test_drift_of_a_charger_that_was_never_read_asks_to_read_it(
    charge_point: ChargePoint, tenant: Tenant
) -> None:
    template(tenant, entries={"A": "1"})
    store_snapshot(charge_point.pk, [Entry(key="B", value="1")])
    assert states(charge_point) == {"A": DriftState.UNREAD}
    assert "read it first" in notes(charge_point)["A"]


def test_drift_of_a_key_that_the_charger_denies_or_dropped_is_unknown(
    charge_point: ChargePoint, tenant: Tenant, read: Read
) -> None:
    template(tenant, entries={"A": "1", "B": "1"})
    read(A="2", B="1")
    store_snapshot(charge_point.pk, [], unknown=["A"], is_complete=True)
    assert states(charge_point) == {"A": DriftState.UNKNOWN, "B": DriftState.UNKNOWN}


def test_drift_of_a_refused_value_is_remembered_until_value_or_firmware_change(
    charge_point: ChargePoint, tenant: Tenant, read: Read, operator: Actor
) -> None:
    made = template(tenant, entries={"HeartbeatInterval": "5"})
    read(HeartbeatInterval="60")
    ask(operator, charge_point, "heartbeatinterval", "5", CommandStatus.REJECTED, summary="Too short.")
    assert states(charge_point) == {"HeartbeatInterval": DriftState.REFUSED}
    assert "Too short." in notes(charge_point)["HeartbeatInterval"]

    ChargePoint.objects.update(firmware_version="2.0")
    assert states(charge_point) == {"HeartbeatInterval": DriftState.DIFFERS}
    ChargePoint.objects.update(firmware_version="")
    templates.update_template(
        actor=operator, template=made, entries=[Given(key="HeartbeatInterval", value="10")]
    )
    assert states(charge_point) == {"HeartbeatInterval": DriftState.DIFFERS}


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        (CommandStatus.QUEUED, DriftState.UNDER_WAY, "has not ended yet"),
        (CommandStatus.TIMED_OUT, DriftState.DIFFERS, "timed out"),
        (CommandStatus.ACCEPTED, DriftState.DIFFERS, "but reports another one"),
        (CommandStatus.NOT_SUPPORTED, DriftState.REFUSED, "Refused"),
    ],
)
def test_drift_tells_how_the_last_try_went(
    status: CommandStatus,
    state: DriftState,
    words: str,
    charge_point: ChargePoint,
    tenant: Tenant,
    read: Read,
    operator: Actor,
) -> None:
    template(tenant, entries={"A": "1"})
    read(A="2")
    ask(operator, charge_point, "A", "1", status)
    assert states(charge_point) == {"A": state}
    assert words in notes(charge_point)["A"]


def test_drift_of_another_try_tells_nothing(
    charge_point: ChargePoint, tenant: Tenant, read: Read, operator: Actor
) -> None:
    template(tenant, entries={"A": "1"})
    read(A="2")
    ask(operator, charge_point, "A", "3", CommandStatus.REJECTED)
    assert notes(charge_point) == {"A": ""}


def test_drift_of_a_value_that_waits_for_a_reboot_is_no_difference_to_send(
    charge_point: ChargePoint, tenant: Tenant, read: Read
) -> None:
    template(tenant, entries={"A": "1"})
    read(A="2")
    store_value(charge_point.pk, "A", "1", reboot_required=True, at=T0)
    assert states(charge_point) == {"A": DriftState.REBOOT}
    ChargePoint.objects.update(last_boot_at=T0 + timedelta(minutes=1))
    read(A="1")
    assert states(charge_point) == {}


def test_drift_of_a_secret_ends_when_the_charger_has_taken_it(
    charge_point: ChargePoint, tenant: Tenant, read: Read, operator: Actor
) -> None:
    templates.create_template(
        actor=operator, tenant=tenant, name="W", entries=[Given(key="WifiPassword", value="hunter2")]
    )
    read(WifiPassword="something")
    (row,) = drift.wanted_of(charge_point)[1]
    assert (row.state, row.shown_wanted, row.shown_actual) == (DriftState.HIDDEN, "***", "***")

    ask(operator, charge_point, "WifiPassword", "hunter2", CommandStatus.ACCEPTED)
    assert states(charge_point) == {}
    ask(operator, charge_point, "WifiPassword", "hunter3", CommandStatus.ACCEPTED)
    assert states(charge_point) == {"WifiPassword": DriftState.HIDDEN}


def test_drift_leaves_out_a_secret_whose_encryption_key_is_gone(
    charge_point: ChargePoint, tenant: Tenant, read: Read
) -> None:
    made = template(tenant)
    made.entries.create(tenant=tenant, key="WifiPassword", is_secret=True, secret_value="gone")
    read(WifiPassword="something")
    assert drift.wanted_of(charge_point) == ({}, [])


def test_drift_knows_no_template_out_of_use_or_of_another_tenant(
    charge_point: ChargePoint, tenant: Tenant, other_tenant: Tenant, read: Read
) -> None:
    template(tenant, entries={"A": "1"}, is_active=False)
    template(other_tenant, entries={"A": "1"})
    read(A="2")
    assert drift.wanted_of(charge_point) == ({}, [])


def test_report_counts_and_is_narrowed(
    charge_point: ChargePoint, other_charge_point: ChargePoint, location: Location, tenant: Tenant, read: Read
) -> None:
    first = template(tenant, entries={"A": "1"})
    template(tenant, entries={"B": "1"}, model="Wall*")
    read(A="1")
    wall = ChargePointFactory(tenant=tenant, identity="WALL", model="Wall 22", name="Yard")
    store_snapshot(wall.pk, [Entry(key="A", value="2"), Entry(key="B", value="2")], is_complete=True)
    ChargePointFactory(tenant=tenant, identity="OLD", archived_at=T0)

    report = drift.report(drift.Scope(tenant=tenant))
    assert (report.covered, report.in_line) == (2, 1)
    assert [(row.charger.identity, row.key) for row in report.rows] == [("WALL", "A"), ("WALL", "B")]
    assert report.by_state == {DriftState.DIFFERS: 2}

    def keys(**scope: Any) -> list[str]:
        return [row.key for row in drift.differences(drift.Scope(tenant=tenant, **scope))]

    assert keys(template_id=first.pk) == ["A"]
    assert keys(model="wall 22", search="yard") == ["A", "B"]
    assert keys(location_id=location.pk) == []
    assert keys(states=frozenset({DriftState.UNKNOWN})) == []
    assert keys(charge_points=[charge_point.pk]) == []


def test_report_of_all_tenants_keeps_their_templates_apart(
    charge_point: ChargePoint, other_charge_point: ChargePoint, tenant: Tenant, other_tenant: Tenant
) -> None:
    for owner, row in ((tenant, charge_point), (other_tenant, other_charge_point)):
        template(owner, entries={owner.slug: "1"})
        store_snapshot(row.pk, [Entry(key=owner.slug, value="2")], is_complete=True)
    rows = drift.report(drift.Scope(tenant=None)).rows
    assert [(row.charger.identity, row.key) for row in rows] == [("CP-A", "acme"), ("CP-B", "rival")]


def test_report_takes_the_same_statements_for_any_number_of_chargers(
    tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    template(tenant, entries={"A": "1", "B": "1"})
    counts = []
    for number in (1, 12):
        for _ in range(number):
            row = ChargePointFactory(tenant=tenant)
            store_snapshot(row.pk, [Entry(key="A", value="2"), Entry(key="B", value="2")], is_complete=True)
        # Templates, entries, profiles; chargers and the end of them; values, states, requests, their commands.
        with django_assert_num_queries(8):
            counts.append(len(drift.report(drift.Scope(tenant=tenant)).rows))
    assert counts == [2, 26]


def test_report_goes_through_the_chargers_in_pieces(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "CHUNK", 2)
    template(tenant, entries={"A": "1"})
    for identity in ("b", "A", "c", "D", "e"):
        row = ChargePointFactory(tenant=tenant, identity=identity)
        store_snapshot(row.pk, [Entry(key="A", value="2")], is_complete=True)
    found = [row.charger.identity for row in drift.differences(drift.Scope(tenant=tenant))]
    assert sorted(found) == ["A", "D", "b", "c", "e"]


def test_other_sources_give_way_to_templates(
    charge_point: ChargePoint, tenant: Tenant, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (Value(key="A", text="9"), Value(key="C", text="9"))
    profile = Source(label="Model profile", values=values, layer=PROFILE)
    monkeypatch.setattr(drift, "_loaders", [])
    drift.register_sources(lambda tenants: {pk: [profile] for pk in tenants})
    template(tenant, entries={"A": "1"})
    read(A="2", C="3")
    rows = drift.wanted_of(charge_point)[1]
    assert [(row.key, row.shown_wanted) for row in rows] == [("A", "1"), ("C", "9")]


# --- sending ---


@pytest.fixture
def planned(charge_point: ChargePoint, connection: Connection, tenant: Tenant, read: Read) -> applying.Plan:
    template(tenant, entries={"A": "1", "B": "1", "Gone": "1"})
    read(A="2", B="2")
    return applying.plan(drift.Scope(tenant=tenant), charge_points=None)


def test_plan_sends_what_differs_and_names_the_rest(planned: applying.Plan) -> None:
    assert [row.key for row in planned.sent] == ["A", "B"]
    assert [(row.key, row.state) for row in planned.left] == [("Gone", DriftState.UNKNOWN)]
    assert planned.chargers == 1


def test_plan_sends_refused_values_only_when_asked(
    charge_point: ChargePoint, tenant: Tenant, read: Read, operator: Actor
) -> None:
    template(tenant, entries={"A": "1"})
    read(A="2")
    ask(operator, charge_point, "A", "1", CommandStatus.REJECTED)
    scope = drift.Scope(tenant=tenant)
    assert applying.plan(scope, charge_points=None).sent == ()
    assert len(applying.plan(scope, charge_points=None, with_refused=True).sent) == 1


def test_plan_changes_its_fingerprint_with_a_value(
    planned: applying.Plan, charge_point: ChargePoint, tenant: Tenant
) -> None:
    again = applying.plan(drift.Scope(tenant=tenant), charge_points=None)
    assert again.fingerprint == planned.fingerprint
    store_value(charge_point.pk, "A", "1")
    assert applying.plan(drift.Scope(tenant=tenant), charge_points=None).fingerprint != planned.fingerprint


def test_apply_starts_a_task_with_one_order_for_each_key_and_a_reset(
    planned: applying.Plan, operator: Actor, tenant: Tenant
) -> None:
    task = applying.apply(actor=operator, tenant=tenant, planned=planned, title="Set", reset=True)
    orders = list(task.items.order_by("pk").values_list("action", "payload"))
    assert orders == [
        ("change_configuration", {"key": "A", "value": "1"}),
        ("change_configuration", {"key": "B", "value": "1"}),
        ("reset", {"kind": "Soft"}),
    ]


def test_apply_hides_secrets(charge_point: ChargePoint, tenant: Tenant, operator: Actor, read: Read) -> None:
    templates.create_template(
        actor=operator, tenant=tenant, name="W", entries=[Given(key="WifiPassword", value="hunter2")]
    )
    read(WifiPassword="x")
    planned = applying.plan(drift.Scope(tenant=tenant), charge_points=None)
    task = applying.apply(actor=operator, tenant=tenant, planned=planned, title="Set", expires_in=60)
    item = task.items.get()
    assert item.payload == {"key": "WifiPassword", "value": "***"}
    assert "hunter2" not in item.secret_payload


def test_apply_as_support_or_from_another_tenant_is_refused(
    planned: applying.Plan, support: Actor, stranger: Actor, tenant: Tenant
) -> None:
    for actor in (support, stranger):
        with pytest.raises(PermissionRefused):
            applying.apply(actor=actor, tenant=tenant, planned=planned, title="Set")


def test_apply_of_nothing_is_refused(operator: Actor, tenant: Tenant) -> None:
    nothing = applying.plan(drift.Scope(tenant=tenant), charge_points=None)
    with pytest.raises(NothingDiffers):
        applying.apply(actor=operator, tenant=tenant, planned=nothing, title="Set")
