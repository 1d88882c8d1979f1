"""Which gateway process owns a charger, and what becomes of the chargers of one that died."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Connection, GatewayNode
from chargepoints.selectors import find_live_connection, list_connections, live_connections, online_counts
from chargepoints.services import connections, ownership
from chargepoints.services.connections import Connected, Disconnect
from chargepoints.services.ownership import Reclaim
from csms_project.common.models import Event
from tests import factories
from tests.chargepoints.handshakes import accepted, connect, run
from tests.chargepoints.sending import send
from tests.factories import T0

MINUTE = timedelta(minutes=1)


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory()
    return row


@pytest.fixture
def other_node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(host="gateway-2")
    return row


def renew(node_id: uuid.UUID) -> None:
    ownership.renew_lease(node_id=node_id, host="gw", pid=7, version="0.1", started_at=T0)


def die(node: GatewayNode) -> None:
    """The process was killed and its lease has just run out."""
    GatewayNode.objects.filter(pk=node.pk).update(lease_until=Now() - timedelta(seconds=1))


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    """Let this machine's clock differ from the database's."""
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + ahead)


# ------------------------------------------------------------------ two nodes, one charger


def test_newest_socket_wins_on_any_node_and_names_the_one_it_displaced(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint
) -> None:
    first = accepted(connect(node))
    second = accepted(connect(other_node))
    third = accepted(connect(node))

    assert second.replaced == (node.pk, first.token)
    assert third.replaced == (other_node.pk, second.token)
    row = Connection.objects.get()
    assert (row.node_id, row.token) == (node.pk, third.token)


@pytest.mark.parametrize("is_late_node_dead", [False, True])
def test_late_close_on_another_node_leaves_the_newer_row(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint, is_late_node_dead: bool
) -> None:
    first, second = accepted(connect(node)), accepted(connect(other_node))
    if is_late_node_dead:
        die(node)

    late = Disconnect(charge_point_id=charge_point.pk, token=first.token, at=T0 + MINUTE)
    assert run(connections.decide_disconnect, late) is False

    assert find_live_connection(charge_point).token == second.token  # type: ignore[union-attr]
    assert not Event.objects.filter(kind="charge_point.disconnected").exists()


def test_old_node_sees_in_the_rows_that_its_socket_was_displaced(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint
) -> None:
    first, second = accepted(connect(node)), accepted(connect(other_node))

    assert ownership.standings([charge_point.pk])[charge_point.pk].token == second.token != first.token


def test_command_is_for_the_node_that_holds_the_newest_socket(
    node: GatewayNode,
    other_node: GatewayNode,
    charge_point: ChargePoint,
    operator: Actor,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    woken: list[uuid.UUID] = []
    monkeypatch.setattr(commands, "wake_node", lambda node_id, charge_point_id: woken.append(node_id))
    connect(node)
    connect(other_node)

    with django_capture_on_commit_callbacks(execute=True):
        commands.queue(actor=operator, charge_point=charge_point, action="reset", payload={"kind": "Soft"})

    assert woken == [other_node.pk]


def test_command_sent_on_the_displaced_socket_fails_and_frees_the_charger(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint
) -> None:
    connect(node)
    lost = send(factories.CommandFactory(charge_point=charge_point), Connection.objects.get())
    waiting = factories.CommandFactory(charge_point=charge_point)

    connect(other_node)

    lost.refresh_from_db()
    assert (lost.status, lost.error["code"]) == (CommandStatus.FAILED, commands.CONNECTION_REPLACED)
    assert commands.due_for([charge_point.pk]) == [waiting]


# ------------------------------------------------------------------ leases


def test_lease_is_renewed_in_one_row(settings: Any, db: None) -> None:
    settings.OCPP_NODE_LEASE_S = 15
    node_id = uuid.uuid4()
    renew(node_id)
    first = GatewayNode.objects.get().lease_until
    renew(node_id)

    row = GatewayNode.objects.get()
    assert (row.pk, row.stopped_at) == (node_id, None)
    assert first <= row.lease_until
    left = row.lease_until - timezone.now()
    assert timedelta(seconds=5) < left < timedelta(seconds=16)


def test_charger_is_offline_from_the_end_of_the_lease_though_nobody_has_cleaned_up(
    node: GatewayNode, charge_point: ChargePoint, tenant: Tenant
) -> None:
    connect(node)
    assert online_counts(tenant).online == 1
    die(node)

    assert Connection.objects.count() == 1
    assert online_counts(tenant).online == 0
    assert not list_connections(tenant).exists()
    assert find_live_connection(charge_point) is None


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1)])
def test_clock_of_a_machine_decides_nothing_about_leases(
    node: GatewayNode,
    other_node: GatewayNode,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    monkeypatch: pytest.MonkeyPatch,
    ahead: timedelta,
) -> None:
    connect(node)
    connect(other_node, "CP-B")
    set_clock(monkeypatch, ahead)
    renew(node.pk)
    die(other_node)

    assert [row.charge_point for row in live_connections()] == [charge_point]
    assert ownership.drop_dead() == 1
    assert Connection.objects.get().charge_point == charge_point


def test_node_that_stops_in_good_order_takes_its_connections_along(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    connect(node)
    connect(other_node, "CP-B")

    ownership.end_lease(node_id=node.pk)

    assert Connection.objects.get().charge_point == other_charge_point
    node.refresh_from_db()
    assert node.stopped_at == node.lease_until


# ------------------------------------------------------------------ nodes that died


def test_any_node_cleans_up_behind_a_dead_one_and_tells_it(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    connect(node)
    connect(other_node, "CP-B")
    lost = send(
        factories.CommandFactory(charge_point=charge_point), Connection.objects.get(charge_point=charge_point)
    )
    die(node)

    assert ownership.drop_dead() == 1
    assert ownership.drop_dead() == 0

    assert Connection.objects.get().charge_point == other_charge_point
    assert Event.objects.get(kind="charge_point.disconnected").charge_point == "CP-A"
    lost.refresh_from_db()
    assert (lost.status, lost.error["code"]) == (CommandStatus.FAILED, commands.CONNECTION_LOST)


def test_cleaning_up_without_anything_to_do_asks_once(
    node: GatewayNode, charge_point: ChargePoint, django_assert_num_queries: Any
) -> None:
    connect(node)
    factories.GatewayNodeFactory(lease_until=T0)

    with django_assert_num_queries(1):
        assert ownership.drop_dead() == 0


def test_cleaning_up_is_done_in_bounded_pieces(node: GatewayNode, tenant: Tenant) -> None:
    factories.ConnectionFactory.create_batch(3, node=node)
    die(node)

    assert [ownership.drop_dead(limit=2) for _ in range(3)] == [2, 1, 0]
    assert Event.objects.filter(kind="charge_point.disconnected").count() == 3


def test_connect_after_its_node_died_frees_the_charger_for_the_next_command(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint
) -> None:
    connect(node)
    lost = send(factories.CommandFactory(charge_point=charge_point), Connection.objects.get())
    die(node)
    waiting = factories.CommandFactory(charge_point=charge_point)

    assert accepted(connect(other_node)).replaced is not None

    lost.refresh_from_db()
    assert (lost.status, lost.error["code"]) == (CommandStatus.FAILED, commands.CONNECTION_REPLACED)
    assert commands.due_for([charge_point.pk]) == [waiting]
    assert ownership.drop_dead() == 0


def test_rows_of_nodes_go_after_a_week(node: GatewayNode) -> None:
    for days in (6, 8):
        factories.GatewayNodeFactory(lease_until=timezone.now() - timedelta(days=days))

    assert ownership.forget_old_nodes() == 1
    assert GatewayNode.objects.count() == 2


# ------------------------------------------------------------------ standings, take-backs


def test_standing_tells_what_operators_changed(node: GatewayNode, charge_point: ChargePoint) -> None:
    token = accepted(connect(node)).token
    ChargePoint.objects.update(registration_status="Rejected", strict_schema=True)

    standing = ownership.standings([charge_point.pk, 10**9])

    assert set(standing) == {charge_point.pk}
    found = standing[charge_point.pk]
    assert (found.token, found.registration, found.strict_schema) == (token, "Rejected", True)


@pytest.mark.parametrize(("taken", "outcome"), [(False, True), (True, False)])
def test_reclaim_gives_way_to_a_newer_socket(
    node: GatewayNode, charge_point: ChargePoint, taken: bool, outcome: bool
) -> None:
    if taken:
        factories.ConnectionFactory(charge_point=charge_point)
    request = Reclaim(
        charge_point_id=charge_point.pk,
        tenant_id=charge_point.tenant_id,
        token=uuid.uuid4(),
        node_id=node.pk,
        ocpp_version="ocpp1.6",
        at=T0,
    )

    assert ownership.reclaim(request) is outcome
    assert Connection.objects.filter(token=request.token).exists() is outcome


# ------------------------------------------------------------------ what a node must know


def review(node: GatewayNode, *sockets: Connected) -> ownership.Review:
    held = {socket.charge_point_id: socket.token for socket in sockets}
    return ownership.review(node_id=node.pk, held=held, before=T0)


def test_review_of_accepted_chargers_says_nothing_in_two_statements(
    node: GatewayNode, charge_point: ChargePoint, django_assert_num_queries: Any
) -> None:
    ChargePoint.objects.update(accepted_at=T0)
    socket = accepted(connect(node))

    with django_assert_num_queries(2):
        found = review(node, socket)

    assert (found.lost, found.unusual) == ({}, {})
    standing = found.standing(charge_point.pk, socket.token)
    assert standing is not None
    assert (standing.token, standing.registration, standing.was_accepted) == (socket.token, "Accepted", True)
    assert (standing.strict_schema, standing.is_archived) == (False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"registration_status": "Pending"},
        {"registration_status": "Rejected"},
        {"accepted_at": None},
        {"strict_schema": True},
        {"archived_at": T0},
    ],
)
def test_review_tells_what_operators_changed(
    node: GatewayNode, charge_point: ChargePoint, change: dict[str, Any]
) -> None:
    ChargePoint.objects.update(accepted_at=T0)
    socket = accepted(connect(node))
    ChargePoint.objects.update(**change)

    found = review(node, socket)

    standing = found.standing(charge_point.pk, socket.token)
    assert standing == replace(
        ownership.standings([charge_point.pk])[charge_point.pk],
        read_at=found.unusual[charge_point.pk].read_at,
    )
    assert found.lost == {}


def test_review_tells_which_chargers_are_lost(
    node: GatewayNode, other_node: GatewayNode, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    taken, deleted = accepted(connect(node)), accepted(connect(node, "CP-B"))
    newer = accepted(connect(other_node))
    other_charge_point.delete()

    found = review(node, taken, deleted)

    standing = found.standing(charge_point.pk, taken.token)
    assert standing is not None
    assert standing.token == newer.token
    assert found.standing(deleted.charge_point_id, deleted.token) is None


def test_review_tells_of_a_row_that_has_gone(node: GatewayNode, charge_point: ChargePoint) -> None:
    socket = accepted(connect(node))
    Connection.objects.all().delete()

    standing = review(node, socket).standing(charge_point.pk, socket.token)

    assert standing is not None
    assert standing.token is None


# ------------------------------------------------------------------ connections that nobody holds


def test_ghosts_of_a_node_are_dropped_and_told(
    node: GatewayNode, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    ghost, held = accepted(connect(node)), accepted(connect(node, "CP-B"))
    lost = send(
        factories.CommandFactory(charge_point=charge_point), Connection.objects.get(token=ghost.token)
    )

    ownership.review(node_id=node.pk, held={other_charge_point.pk: held.token}, before=T0 + MINUTE)

    assert Connection.objects.get().token == held.token
    told = Event.objects.get(kind="charge_point.disconnected")
    assert (told.charge_point, told.object_id) == ("CP-A", str(charge_point.pk))
    lost.refresh_from_db()
    assert (lost.status, lost.error["code"]) == (CommandStatus.FAILED, commands.CONNECTION_LOST)


def test_ghost_whose_charger_came_back_by_another_socket_is_dropped_by_its_token(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    connect(node)

    ownership.review(node_id=node.pk, held={charge_point.pk: uuid.uuid4()}, before=T0 + MINUTE)

    assert not Connection.objects.exists()


@pytest.mark.usefixtures("charge_point", "other_charge_point")
def test_young_and_foreign_connections_are_no_ghosts(
    node: GatewayNode, django_assert_num_queries: Any
) -> None:
    connect(node, received_at=T0 + MINUTE)
    connect(factories.GatewayNodeFactory(), "CP-B")

    with django_assert_num_queries(1):
        ownership.review(node_id=node.pk, held={}, before=T0 + MINUTE)

    assert Connection.objects.count() == 2


def test_ghosts_in_any_number_take_the_same_statements(
    node: GatewayNode, tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    factories.ConnectionFactory.create_batch(30, node=node, connected_at=T0)

    with django_assert_max_num_queries(8):
        ownership.review(node_id=node.pk, held={}, before=T0 + MINUTE)

    assert not Connection.objects.exists()
    assert Event.objects.filter(kind="charge_point.disconnected").count() == 30
