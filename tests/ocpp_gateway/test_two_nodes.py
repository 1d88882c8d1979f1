"""Two gateway processes and one charger, without anything that carries messages between them: Redis is away."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db.models.functions import Now
from django.utils import timezone

from chargepoints import waking
from chargepoints.models import ChargePoint, Connection, GatewayNode, OcppMessage, StatusEvent
from chargepoints.services import connections, ownership
from chargepoints.services.connections import Connect, Connected
from csms_project.common.models import Event
from ocpp_gateway import node as node_module
from ocpp_gateway.consumers import ChargerConsumer
from ocpp_gateway.node import CLOSE_REPLACED, STILL_S
from ocpp_gateway.sockets import Socket
from ocpp_gateway.wire import schemas
from ocpp_gateway.writer import CallableWork
from tests import factories
from tests.factories import CHARGER_KEY
from tests.ocpp_gateway.inline import InlineNode

pytestmark = pytest.mark.django_db

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}


class Line:
    """A charger's socket on a node: what it was sent, and the code that closed it."""

    def __init__(self, node: InlineNode, connected: Connected) -> None:
        self.sent: list[Any] = []
        self.code: int | None = None
        self.node = node
        self.socket = Socket(node=node, connected=connected, version="ocpp1.6", line=self)
        self.consumer = ChargerConsumer()
        self.consumer.socket, self.consumer.node = self.socket, node

    def write(self, text: str) -> bool:
        self.sent.append(orjson.loads(text))
        return True

    async def close(self, code: int, reason: str) -> None:
        self.code = code

    async def frame(self, action: str, payload: dict[str, Any]) -> None:
        """A CALL of the charger arrives."""
        await self.consumer.receive(orjson.dumps([2, "m1", action, payload]).decode())
        await settle()


@pytest.fixture
def nodes(db: None, monkeypatch: pytest.MonkeyPatch) -> tuple[InlineNode, InlineNode]:
    """Two nodes with leases."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the writer runs inline, on the loop
    schemas.warm("ocpp1.6")
    pair = InlineNode(), InlineNode()
    for node in pair:
        node.writer.use_connection()
        node._renew_lease()
    return pair


def play(main: Callable[[], Awaitable[None]]) -> None:
    """Run the scene on a loop."""

    async def run() -> None:
        await main()

    asyncio.run(run())


async def settle() -> None:
    """Let everything happen that is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def connect(node: InlineNode, identity: str = "CP-A") -> Line:
    """The charger connects to this node and nobody tells the other one."""
    request = Connect(
        identity=identity,
        received_at=timezone.now(),
        node_id=node.id,
        ocpp_version="ocpp1.6",
        username=identity.encode(),
        password=bytes.fromhex(CHARGER_KEY),
    )
    connected = await node.writer.call(
        CallableWork(lambda batch: connections.decide_connect(request, batch), owner=identity)
    )
    assert isinstance(connected, Connected)
    line = Line(node, connected)
    node.attach(line.socket)
    return line


def stand_still(node: InlineNode) -> None:
    """The process has not run for a while."""
    node._ticked_at = time.monotonic() - STILL_S - 1


def die(node: InlineNode) -> None:
    node.writer.use_connection()
    GatewayNode.objects.filter(pk=node.id).update(lease_until=Now() - timedelta(seconds=1))


def accept(charge_point: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(accepted_at=timezone.now())


# ---------------------------------------------------------------- newest socket wins
def test_displaced_socket_finds_out_from_the_rows_and_closes(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint
) -> None:
    async def scene() -> None:
        first, second = await connect(nodes[0]), await connect(nodes[1])
        for node in nodes:
            node._look_at_rows()
        await settle()
        assert (first.code, second.code) == (CLOSE_REPLACED, None)
        # Its late close leaves what is the other one's.
        first.consumer.left(CLOSE_REPLACED)
        nodes[1].writer.use_connection()
        row = Connection.objects.get()
        assert (row.node_id, row.token) == (nodes[1].id, second.socket.token)

    play(scene)
    assert not Event.objects.filter(kind="charge_point.disconnected").exists()


@pytest.mark.parametrize(("is_its_token", "code"), [(True, CLOSE_REPLACED), (False, None)])
def test_message_of_another_node_closes_the_socket_that_it_names(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint, is_its_token: bool, code: int | None
) -> None:
    async def scene() -> None:
        line = await connect(nodes[0])
        token = line.socket.token if is_its_token else uuid.uuid4()
        message = {"type": "connection.replaced", "charge_point_id": charge_point.pk, "token": token.hex}
        nodes[0]._hear(message)
        await settle()
        assert line.code == code

    play(scene)


def test_telling_the_other_node_is_not_waited_for(
    nodes: tuple[InlineNode, InlineNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[uuid.UUID] = []

    async def hang(node_id: uuid.UUID, message: dict[str, Any]) -> bool:
        told.append(node_id)
        await asyncio.get_running_loop().create_future()
        return True

    monkeypatch.setattr(waking, "send", hang)

    async def scene() -> None:
        nodes[0].tell_replaced(nodes[1].id, 7, uuid.uuid4())
        nodes[0].tell_replaced(nodes[0].id, 7, uuid.uuid4())
        await settle()
        assert len(nodes[0]._telling) == 1

    play(scene)
    assert told == [nodes[1].id]


def test_command_is_sent_by_the_node_of_the_newest_socket_only(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint
) -> None:
    accept(charge_point)

    async def scene() -> None:
        first, second = await connect(nodes[0]), await connect(nodes[1])
        factories.CommandFactory(charge_point=charge_point)
        for node in nodes:  # as every second, without a wake-up
            node.dispatcher.look(list(node.sockets.values()))
        await settle()
        assert first.sent == []
        assert [frame[0] for frame in second.sent] == [2]

    play(scene)


# ---------------------------------------------------------------- a node that died
def test_other_node_cleans_up_behind_a_dead_one(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    async def scene() -> None:
        await connect(nodes[0])
        await connect(nodes[1], "CP-B")
        die(nodes[0])
        nodes[1]._look_at_rows()

    play(scene)
    assert Connection.objects.get().charge_point == other_charge_point
    assert Event.objects.get(kind="charge_point.disconnected").charge_point == "CP-A"


def test_node_taken_for_dead_takes_its_chargers_again(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint
) -> None:
    async def scene() -> None:
        line = await connect(nodes[0])
        die(nodes[0])
        nodes[1]._look_at_rows()
        assert not Connection.objects.exists()
        nodes[0]._renew_lease()
        nodes[0]._look_at_rows()
        row = Connection.objects.get()
        assert (row.node_id, row.token, line.code) == (nodes[0].id, line.socket.token, None)

    play(scene)


# ---------------------------------------------------------------- a node that stood still
def test_node_that_stood_still_serves_nothing_of_chargers_that_others_own(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint
) -> None:
    accept(charge_point)

    async def scene() -> None:
        line = await connect(nodes[0])
        stand_still(nodes[0])
        die(nodes[0])
        await connect(nodes[1])
        await line.frame("StatusNotification", STATUS)  # has lain in the socket all the time
        assert (line.sent, line.code) == ([], CLOSE_REPLACED)
        assert not nodes[0].stood_still

    play(scene)
    assert not StatusEvent.objects.exists()
    assert not OcppMessage.objects.exists()
    assert ownership.standings([charge_point.pk])[charge_point.pk].token is not None


def test_node_that_stood_still_serves_the_chargers_that_are_still_its_own(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint
) -> None:
    accept(charge_point)

    async def scene() -> None:
        line = await connect(nodes[0])
        stand_still(nodes[0])
        die(nodes[0])
        nodes[1]._look_at_rows()  # they are taken for offline meanwhile
        await line.frame("StatusNotification", STATUS)
        assert (line.sent, line.code) == ([[3, "m1", {}]], None)
        assert Connection.objects.get().token == line.socket.token

    play(scene)
    assert GatewayNode.objects.get(pk=nodes[0].id).lease_until > timezone.now()


def test_node_that_stood_still_waits_for_the_database(
    nodes: tuple[InlineNode, InlineNode], charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(charge_point)
    monkeypatch.setattr(node_module, "TICK_S", 0)

    async def scene() -> None:
        line = await connect(nodes[0])
        stand_still(nodes[0])
        nodes[0].writer.is_away = True
        frame = asyncio.create_task(line.frame("StatusNotification", STATUS))
        await settle()
        assert not frame.done()
        nodes[0].writer.is_away = False
        await frame
        assert line.sent == [[3, "m1", {}]]

    play(scene)


def test_node_that_ticks_is_not_taken_for_still(nodes: tuple[InlineNode, InlineNode]) -> None:
    stand_still(nodes[0])
    assert nodes[0].stood_still
    nodes[0]._tick()
    assert not nodes[0].stood_still


# ---------------------------------------------------------------- the lease
def test_busy_node_renews_its_lease_in_time(
    nodes: tuple[InlineNode, InlineNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = nodes[0]
    monkeypatch.setattr(type(node.writer), "depth", 10**6)
    before = GatewayNode.objects.get(pk=node.id).lease_until
    node._tick()
    assert GatewayNode.objects.get(pk=node.id).lease_until == before  # it was renewed a moment ago
    node.lease_ok_at -= 60
    node._lease_asked_at -= 60
    node._tick()
    assert GatewayNode.objects.get(pk=node.id).lease_until > before


def test_lease_that_cannot_be_stored_is_not_asked_for_every_second(
    nodes: tuple[InlineNode, InlineNode],
) -> None:
    node = nodes[0]
    node.writer.is_away = True
    node.lease_ok_at -= 60
    node._lease_asked_at -= 60
    node._tick()
    asked = node._lease_asked_at
    node._tick()
    assert node._lease_asked_at == asked
