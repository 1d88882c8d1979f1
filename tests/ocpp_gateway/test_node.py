"""What a gateway process does every few seconds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from chargepoints.models import ChargePoint, Connection, GatewayNode
from ocpp_gateway.connection import Connection as ConnectionState
from ocpp_gateway.node import Node
from tests import factories
from tests.factories import T0
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

    def take_clock_offset(self) -> None:
        """The clock of the charger is right."""

    def replace(self) -> None:
        self.was_replaced = True


def lines(charge_point: ChargePoint) -> tuple[Any, Any]:
    return Line(charge_point), Line(charge_point)


def play(main: Callable[[], None]) -> None:
    """Run the scene within a loop, and let happen what is ready then."""

    async def run() -> None:
        main()
        await asyncio.sleep(0)

    asyncio.run(run())


def test_attach_in_another_order_than_decided_keeps_the_newest_socket(
    node: Node, charge_point: ChargePoint
) -> None:
    older, newer = lines(charge_point)

    def main() -> None:
        for line in (older, newer):
            node.decided(charge_point.pk, line.token)
        node.attach(newer)
        node.attach(older)

    play(main)
    assert (older.was_replaced, newer.was_replaced) == (True, False)
    assert node.sockets == {charge_point.pk: newer}
    node.detach(older)
    assert node.sockets == {charge_point.pk: newer}


def test_attach_in_the_order_decided_replaces_the_older_socket(node: Node, charge_point: ChargePoint) -> None:
    older, newer = lines(charge_point)

    def main() -> None:
        for line in (older, newer):
            node.decided(charge_point.pk, line.token)
            node.attach(line)

    play(main)
    assert (older.was_replaced, newer.was_replaced) == (True, False)
    assert node.sockets == {charge_point.pk: newer}


def test_attach_of_many_at_once_looks_for_their_commands_once(
    node: Node, charge_point: ChargePoint, other_charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[list[Any]] = []
    monkeypatch.setattr(node.dispatcher, "look", lambda wires: looks.append(list(wires)))
    mine, theirs = lines(charge_point)[0], lines(other_charge_point)[0]

    def main() -> None:
        node.attach(mine)
        node.attach(theirs)

    play(main)
    assert looks == [[mine, theirs]]


def test_signs_of_life_are_written_at_once_and_then_now_and_again(
    node: Node, charge_point: ChargePoint
) -> None:
    connect(charge_point, node.id, minutes_ago=5)
    line: Any = Line(charge_point)
    line.token, line.seen_at = Connection.objects.get().token, 0.0
    written = []
    for second in (100, 101, 105, 111):
        line.last_frame_at = T0 + timedelta(seconds=second)
        node.saw(line)
        node._flush_seen(second)
        written.append((Connection.objects.get().last_frame_at - T0).seconds)
    assert written == [100, 100, 100, 111]
    charge_point.refresh_from_db()
    assert charge_point.last_seen_at == T0 + timedelta(seconds=111)


def test_sign_of_life_that_was_not_written_yet_is_not_forgotten(
    node: Node, charge_point: ChargePoint
) -> None:
    connect(charge_point, node.id, minutes_ago=5)
    line: Any = Line(charge_point)
    line.token, line.seen_at, line.last_frame_at = Connection.objects.get().token, 100.0, T0
    node.saw(line)
    node._flush_seen(105.0)
    assert Connection.objects.get().last_frame_at != T0
    node._flush_seen(110.0)
    assert Connection.objects.get().last_frame_at == T0


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
