"""What a gateway process does every few seconds."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from chargepoints.models import ChargePoint, Connection
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
