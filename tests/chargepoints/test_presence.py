"""Handshakes and ends of many sockets in one batch: the same as one by one, in a few statements."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.choices import OnboardingMode
from accounts.models import Tenant
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.keys import hash_key
from chargepoints.models import ChargePoint, Connection, GatewayNode, RefusedConnection
from chargepoints.services import connections, ownership
from chargepoints.services.batch import Act, StationBatch
from chargepoints.services.connections import Connect, Connected, Disconnect, Refused
from csms_project.common.models import Event
from tests import factories
from tests.chargepoints.sending import send
from tests.factories import CHARGER_KEY, T0

KEY = bytes.fromhex(CHARGER_KEY)
NEW_KEY = "ffeeddccbbaa99887766554433221100ffeeddcc"
SECOND = timedelta(seconds=1)
SMALL, LARGE = 20, 60

Step = tuple[Act[Any, StationBatch], Any]


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(lease_until=T0 + SECOND)
    return row


def run(*steps: Step) -> list[Any]:
    """Acts in one batch, as the writer does it; returns what they decided."""
    batch = StationBatch(now=T0)
    for act, request in steps:
        act.want(request, batch)
    batch.load()
    outcomes = [act.decide(request, batch) for act, request in steps]
    batch.store()
    return outcomes


def connect(node: GatewayNode, identity: str = "CP-A", **fields: Any) -> Step:
    given: dict[str, Any] = {"username": identity.encode(), "password": KEY, "received_at": T0}
    given |= {"ocpp_version": "ocpp1.6"}
    return connections.CONNECT, Connect(identity=identity, node_id=node.pk, **given | fields)


def end(charge_point: ChargePoint, token: uuid.UUID) -> Step:
    request = Disconnect(charge_point_id=charge_point.pk, token=token, at=T0 + SECOND, close_code=1006)
    return connections.DISCONNECT, request


def one(*steps: Step) -> Any:
    (outcome,) = run(*steps)
    return outcome


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


# ---------------------------------------------------------------- order within a batch
def test_connect_twice_the_second_displaces_the_first(node: GatewayNode, charge_point: ChargePoint) -> None:
    first, second = run(connect(node), connect(node, "cp-a"))

    assert (first.replaced, second.replaced) == (None, (node.pk, first.token))
    assert Connection.objects.get().token == second.token


def test_connect_over_a_stored_row_takes_it(node: GatewayNode, charge_point: ChargePoint) -> None:
    first = one(connect(node))
    other = factories.GatewayNodeFactory()

    second = one(connect(other, remote_address="192.0.2.9", received_at=T0 + SECOND))

    row = Connection.objects.get()
    assert second.replaced == (node.pk, first.token)
    assert (row.token, row.node_id, row.remote_address) == (second.token, other.pk, "192.0.2.9")
    assert (row.connected_at, row.tenant_id) == (T0 + SECOND, charge_point.tenant_id)


def test_end_and_connect_leave_the_new_socket(node: GatewayNode, charge_point: ChargePoint) -> None:
    old = one(connect(node))
    lost = send(factories.CommandFactory(charge_point=charge_point), Connection.objects.get())

    had_ended, new = run(end(charge_point, old.token), connect(node))

    lost.refresh_from_db()
    assert (had_ended, new.replaced) == (True, None)
    assert Connection.objects.get().token == new.token
    assert (lost.status, lost.error["code"]) == (CommandStatus.FAILED, commands.CONNECTION_LOST)
    assert kinds()[-3:] == [
        "command.completed",
        "charge_point.disconnected",
        "charge_point.connected",
    ]


def test_connect_and_late_end_of_the_old_socket_leave_the_new_one(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    old = one(connect(node))

    new, had_ended = run(connect(node), end(charge_point, old.token))

    assert had_ended is False
    assert Connection.objects.get().token == new.token


def test_end_of_a_socket_of_the_same_batch_leaves_none(node: GatewayNode, charge_point: ChargePoint) -> None:
    batch = StationBatch(now=T0)
    made = connections.decide_connect(connect(node)[1], batch)
    assert isinstance(made, Connected)
    assert connections.decide_disconnect(end(charge_point, made.token)[1], batch) is True
    batch.store()

    assert not Connection.objects.exists()
    assert kinds() == ["charge_point.connected", "charge_point.disconnected"]
    charge_point.refresh_from_db()
    assert charge_point.last_seen_at == T0 + SECOND


def test_end_of_a_charger_that_was_deleted_is_no_error(node: GatewayNode, charge_point: ChargePoint) -> None:
    token = one(connect(node)).token
    charge_point.delete()

    assert one(end(charge_point, token)) is False


def test_key_that_lost_in_the_batch_is_refused_in_it(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(pending_key_hash=hash_key(NEW_KEY))

    new, old = run(connect(node, password=NEW_KEY.encode()), connect(node))

    assert isinstance(new, Connected)
    assert isinstance(old, Refused)
    assert Connection.objects.get().token == new.token


# ---------------------------------------------------------------- works that use the tables themselves
def test_settle_shows_others_what_was_decided(node: GatewayNode, charge_point: ChargePoint) -> None:
    batch = StationBatch(now=T0)
    made = connections.decide_connect(connect(node)[1], batch)
    assert isinstance(made, Connected)
    batch.settle()
    assert ownership.standings([charge_point.pk])[charge_point.pk].token == made.token

    ownership.end_lease(node_id=node.pk)
    assert connections.decide_disconnect(end(charge_point, made.token)[1], batch) is False
    batch.store()

    assert not Connection.objects.exists()
    assert kinds() == ["charge_point.connected"]


# ---------------------------------------------------------------- refusals and strangers
def test_refusals_are_added_up(node: GatewayNode, charge_point: ChargePoint) -> None:
    wrong = [connect(node, password=b"guess", received_at=T0 + number * SECOND) for number in range(3)]

    run(*wrong[:1])
    run(*wrong[1:])

    row = RefusedConnection.objects.get()
    assert (row.count, row.first_at, row.last_at) == (3, T0, T0 + 2 * SECOND)
    assert (row.charge_point, row.tenant) == (charge_point, charge_point.tenant)


def test_stranger_that_comes_twice_is_registered_once(
    node: GatewayNode, tenant: Tenant, settings: Any
) -> None:
    settings.DEFAULT_TENANT = tenant.slug
    Tenant.objects.filter(pk=tenant.pk).update(onboarding_mode=OnboardingMode.ACCEPT)

    first, second = run(connect(node, "NEW-1"), connect(node, "new-1"))

    assert ChargePoint.objects.get().pk == first.charge_point_id == second.charge_point_id
    assert second.replaced == (node.pk, first.token)


# ---------------------------------------------------------------- cost
def statements(*steps: Step) -> int:
    with CaptureQueriesContext(connection) as queries:
        run(*steps)
    return len([query for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))])


def test_batch_of_handshakes_costs_the_same_for_20_and_60_chargers(node: GatewayNode, tenant: Tenant) -> None:
    rows = [factories.ChargePointFactory(tenant=tenant) for _ in range(LARGE)]
    steps = [connect(node, row.identity) for row in rows]

    few, many = statements(*steps[:SMALL]), statements(*steps)

    assert few == many <= 5
    assert Connection.objects.count() == LARGE


def test_batch_of_ends_costs_the_same_for_20_and_60_chargers(node: GatewayNode, tenant: Tenant) -> None:
    rows = [factories.ChargePointFactory(tenant=tenant) for _ in range(SMALL + LARGE)]
    made = run(*(connect(node, row.identity) for row in rows))
    steps = [end(row, outcome.token) for row, outcome in zip(rows, made, strict=True)]

    few, many = statements(*steps[:SMALL]), statements(*steps[SMALL:])

    assert few == many <= 6
    assert not Connection.objects.exists()


def test_batch_of_refusals_costs_the_same_for_20_and_60_strangers(node: GatewayNode, tenant: Tenant) -> None:
    steps = [connect(node, f"NOBODY-{number}") for number in range(LARGE)]

    few, many = statements(*steps[:SMALL]), statements(*steps)

    assert few == many <= 5
    assert RefusedConnection.objects.count() == LARGE
