"""What a gateway process does every few seconds."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from chargepoints.models import ChargePoint, Connection, GatewayNode
from ocpp_gateway.connection import Connection as ConnectionState
from ocpp_gateway.node import Node
from tests import factories
from tests.ocpp_gateway.inline import InlineWriter


@pytest.fixture
def node(db: None) -> Node:
    node = Node()
    node.writer = InlineWriter()
    node.writer.use_connection()
    return node


def connect(charge_point: ChargePoint, node_id: uuid.UUID, *, minutes_ago: int) -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    row = factories.GatewayNodeFactory(id=node_id)
    factories.ConnectionFactory(charge_point=charge_point, node=row, connected_at=at)


class Line:
    """A charger's socket, as far as the node looks at it."""

    version = "ocpp1.6"

    def __init__(self, charge_point: ChargePoint) -> None:
        self.charge_point_id, self.tenant_id = charge_point.pk, charge_point.tenant_id
        self.token = uuid.uuid4()
        self.state = ConnectionState(clock=lambda: 0.0)
        self.is_closed = self.was_replaced = False

    def replace(self) -> None:
        self.was_replaced = True


def lines(charge_point: ChargePoint) -> tuple[Any, Any]:
    return Line(charge_point), Line(charge_point)


def test_attach_in_another_order_than_decided_keeps_the_newest_socket(
    node: Node, charge_point: ChargePoint
) -> None:
    older, newer = lines(charge_point)
    for line in (older, newer):
        node.decided(charge_point.pk, line.token)
    node.attach(newer)
    node.attach(older)
    assert (older.was_replaced, newer.was_replaced) == (True, False)
    assert node.sockets == {charge_point.pk: newer}
    node.detach(older)
    assert node.sockets == {charge_point.pk: newer}


def test_attach_in_the_order_decided_replaces_the_older_socket(node: Node, charge_point: ChargePoint) -> None:
    older, newer = lines(charge_point)
    for line in (older, newer):
        node.decided(charge_point.pk, line.token)
        node.attach(line)
    assert (older.was_replaced, newer.was_replaced) == (True, False)
    assert node.sockets == {charge_point.pk: newer}


def test_tick_renews_the_lease_however_much_is_queued(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InlineWriter, "depth", settings.OCPP_WRITER_QUEUE)
    node._tick()
    assert GatewayNode.objects.filter(pk=node.id).exists()


def test_look_forgets_a_charger_whose_disconnect_was_lost(node: Node, charge_point: ChargePoint) -> None:
    connect(charge_point, node.id, minutes_ago=5)
    node._look_at_rows()
    assert not Connection.objects.exists()


def test_look_leaves_a_handshake_that_is_under_way(node: Node, charge_point: ChargePoint) -> None:
    connect(charge_point, node.id, minutes_ago=0)
    node._look_at_rows()
    assert Connection.objects.exists()


def test_look_leaves_the_chargers_of_other_nodes(node: Node, charge_point: ChargePoint) -> None:
    connect(charge_point, uuid.uuid4(), minutes_ago=5)
    node._look_at_rows()
    assert Connection.objects.exists()
