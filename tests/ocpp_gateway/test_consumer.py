"""The ASGI side of a charger's socket, with a server and a writer that do as they are told."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.utils import timezone

from chargepoints.choices import RefusalReason
from chargepoints.models import (
    ChargePoint,
    Connection,
    FrameAnomaly,
    GatewayNode,
    OcppMessage,
    RefusedConnection,
)
from chargepoints.services import ownership
from csms_project.asgi import application
from ocpp_gateway import consumers
from ocpp_gateway.consumers import ChargerConsumer
from ocpp_gateway.node import get_node, set_node
from ocpp_gateway.v16.actions import ACTIONS as V16_ACTIONS
from ocpp_gateway.wire import schemas
from ocpp_gateway.writer import Work
from tests.e2e.sockets import BOOT, basic
from tests.factories import CHARGER_KEY
from tests.ocpp_gateway.inline import InlineNode

pytestmark = pytest.mark.django_db

Sent = list[dict[str, Any]]


@pytest.fixture
def node(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[InlineNode]:
    """The node of this process, with a lease."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the writer runs inline, on the loop
    schemas.warm("ocpp1.6")
    node = InlineNode()
    now = timezone.now()
    ownership.renew_lease(node_id=node.id, host="h", pid=1, version="0", started_at=now)
    set_node(node)
    yield node
    set_node(None)


def scope_of(identity: str, *, can_refuse: bool = True, **changes: Any) -> dict[str, Any]:
    headers = [(b"authorization", basic(identity, CHARGER_KEY).encode()), (b"user-agent", b"wallbox/1.0")]
    return {
        "type": "websocket",
        "scheme": "ws",
        "path": f"/ocpp/{identity}",
        "raw_path": f"/ocpp/{identity}".encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.7", 40000),
        "subprotocols": ["ocpp1.6"],
        "extensions": {"websocket.http.response": {}} if can_refuse else {},
    } | changes


def talk(
    scope: dict[str, Any], *frames: str | bytes, on_send: Callable[[dict[str, Any]], None] | None = None
) -> Sent:
    """Connect, send the frames, leave; returns what the server was told to send."""
    messages: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    for frame in frames:
        messages.append({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})
    messages.append({"type": "websocket.disconnect", "code": 1000})
    sent: Sent = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if on_send is not None:
            on_send(message)

    async def main() -> None:
        await application(scope, receive, send)
        await asyncio.sleep(0)

    asyncio.run(main())
    return sent


def call(action: str, payload: dict[str, Any], message_id: str = "m") -> str:
    return orjson.dumps([2, message_id, action, payload]).decode()


def status_of(sent: Sent) -> int:
    assert [message["type"] for message in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    return int(sent[0]["status"])


# ---------------------------------------------------------------- what is relied on
def test_channels_consumer_without_an_alias_has_no_layer() -> None:
    assert get_channel_layer() is not None
    assert get_channel_layer(None) is None
    assert ChargerConsumer.channel_layer_alias is None


def test_channels_consumer_accepts_and_closes_as_we_call_it() -> None:
    accept = inspect.signature(AsyncWebsocketConsumer.accept)
    assert list(accept.parameters) == ["self", "subprotocol", "headers"]
    close = inspect.signature(AsyncWebsocketConsumer.close)
    assert list(close.parameters) == ["self", "code", "reason"]


def test_channels_consumer_sends_through_base_send() -> None:
    sent: Sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    consumer = AsyncWebsocketConsumer()
    consumer.base_send = send
    asyncio.run(consumer.accept(subprotocol="ocpp1.6"))
    asyncio.run(consumer.close(4000, "why"))
    assert sent == [
        {"type": "websocket.accept", "subprotocol": "ocpp1.6"},
        {"type": "websocket.close", "code": 4000, "reason": "why"},
    ]


# ---------------------------------------------------------------- handshake
def test_connect_known_charger_is_accepted_and_forgotten_when_it_leaves(
    node: InlineNode, charge_point: ChargePoint
) -> None:
    seen = []

    def look(message: dict[str, Any]) -> None:
        node.writer.use_connection()
        seen.append(Connection.objects.get().remote_address)

    sent = talk(scope_of("CP-A"), on_send=look)
    assert sent == [{"type": "websocket.accept", "subprotocol": "ocpp1.6"}]
    assert seen == ["192.0.2.7"]
    assert not Connection.objects.exists()
    assert node.sockets == {}


def test_connect_unknown_charger_is_not_found_and_listed(node: InlineNode) -> None:
    assert status_of(talk(scope_of("NOBODY"))) == 404
    assert RefusedConnection.objects.get().reason == RefusalReason.UNKNOWN_IDENTITY


def test_connect_wrong_key_is_asked_for_basic(node: InlineNode, charge_point: ChargePoint) -> None:
    sent = talk(scope_of("CP-A", headers=[(b"authorization", basic("CP-A", "0" * 40).encode())]))
    assert status_of(sent) == 401
    assert (b"www-authenticate", b'Basic realm="OCPP"') in sent[0]["headers"]


def test_connect_server_that_cannot_refuse_with_a_status_closes(node: InlineNode) -> None:
    assert talk(scope_of("NOBODY", can_refuse=False)) == [{"type": "websocket.close"}]
    assert RefusedConnection.objects.count() == 1


def test_connect_outside_the_path_is_not_found(node: InlineNode) -> None:
    assert status_of(talk(scope_of("x", path="/chat/x", raw_path=b"/chat/x"))) == 404
    assert talk(scope_of("x", can_refuse=False, path="/chat/x", raw_path=b"/chat/x")) == [
        {"type": "websocket.close"}
    ]


def test_connect_server_without_raw_path_uses_the_path(node: InlineNode, charge_point: ChargePoint) -> None:
    assert talk(scope_of("CP-A", raw_path=None))[0]["type"] == "websocket.accept"


def test_connect_while_the_node_stops_is_put_off(node: InlineNode, charge_point: ChargePoint) -> None:
    node.is_stopping = True
    sent = talk(scope_of("CP-A"))
    assert status_of(sent) == 503
    assert (b"retry-after", b"10") in sent[0]["headers"]


def test_connect_while_storage_is_away_is_put_off(node: InlineNode, charge_point: ChargePoint) -> None:
    node.writer.storage_ok = False
    assert status_of(talk(scope_of("CP-A"))) == 503
    node.writer.storage_ok, node.writer.is_away = True, True
    assert status_of(talk(scope_of("CP-A"))) == 503
    assert not Connection.objects.exists()


def test_connect_stored_after_the_handshake_was_given_up_is_forgotten(
    node: InlineNode, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Work] = []

    async def never(work: Work) -> None:
        late.append(work)
        await asyncio.Event().wait()

    monkeypatch.setattr(consumers, "HANDSHAKE_HOLD_S", 0.01)
    monkeypatch.setattr(node.writer, "call", never)
    assert status_of(talk(scope_of("CP-A"))) == 503
    node.writer.submit(late[0])
    assert not Connection.objects.exists()


def test_connect_client_that_left_before_the_answer_is_forgotten(
    node: InlineNode, charge_point: ChargePoint
) -> None:
    def is_gone(message: dict[str, Any]) -> None:
        raise ConnectionResetError

    assert talk(scope_of("CP-A"), on_send=is_gone)[0]["type"] == "websocket.accept"
    assert not Connection.objects.exists()
    assert node.sockets == {}


# ---------------------------------------------------------------- frames
def texts(sent: Sent) -> list[list[Any]]:
    return [orjson.loads(message["text"]) for message in sent if message["type"] == "websocket.send"]


def test_frames_are_answered_in_order(node: InlineNode, charge_point: ChargePoint) -> None:
    sent = talk(
        scope_of("CP-A"), call("BootNotification", BOOT, "1"), call("Heartbeat", {}, "2"), call("No", {}, "3")
    )
    assert [(frame[0], frame[1]) for frame in texts(sent)] == [(3, "1"), (3, "2"), (4, "3")]


def test_frame_in_binary_is_ignored(node: InlineNode, charge_point: ChargePoint) -> None:
    sent = talk(scope_of("CP-A"), call("Heartbeat", {}).encode(), call("BootNotification", BOOT, "boot"))
    assert [frame[1] for frame in texts(sent)] == ["boot"]


def test_frame_that_we_fail_on_is_an_internal_error_and_the_socket_lives(
    node: InlineNode, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(done: object) -> dict[str, Any]:
        raise ValueError("SELECT secret FROM table")

    broken = replace(V16_ACTIONS["BootNotification"], write=explode)
    monkeypatch.setitem(V16_ACTIONS, "BootNotification", broken)
    sent = talk(scope_of("CP-A"), call("BootNotification", BOOT, "1"), call("BootNotification", BOOT, "2"))
    assert [(frame[0], frame[1], frame[2]) for frame in texts(sent)] == [
        (4, "1", "InternalError"),
        (4, "2", "InternalError"),
    ]
    assert "SELECT" not in str(sent)
    assert FrameAnomaly.objects.filter(was_served=False).count() == 2


def test_frame_while_storage_is_away_is_not_answered_and_closes_the_socket(
    node: InlineNode, charge_point: ChargePoint
) -> None:
    def goes_away(message: dict[str, Any]) -> None:
        node.writer.is_away = True

    sent = talk(
        scope_of("CP-A"), call("BootNotification", BOOT), call("BootNotification", BOOT), on_send=goes_away
    )
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1013


def test_transaction_message_that_we_fail_on_is_not_answered_and_closes_the_socket(
    node: InlineNode, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def explode(*args: object) -> object:
        raise KeyError("a bug of ours")

    monkeypatch.setitem(V16_ACTIONS, "StopTransaction", replace(V16_ACTIONS["StopTransaction"], read=explode))
    settings.OCPP_WRITER_HOLD_S = 0
    stop = {"transactionId": 7, "meterStop": 1, "timestamp": "2026-03-02T11:00:00Z"}
    rest = [call("Heartbeat", {}, f"h{number}") for number in range(5)]
    sent = talk(scope_of("CP-A"), call("BootNotification", BOOT), call("StopTransaction", stop, "s"), *rest)
    assert sent[-1] == {"type": "websocket.close", "code": 1013, "reason": "try again later"}
    assert "s" not in [answer[1] for answer in texts(sent)]
    assert FrameAnomaly.objects.get().attempts == 1


def test_frames_after_the_node_began_to_stop_stay_with_the_charger(
    node: InlineNode, charge_point: ChargePoint
) -> None:
    def stops(message: dict[str, Any]) -> None:
        node.is_stopping = True

    sent = talk(scope_of("CP-A"), call("BootNotification", BOOT), on_send=stops)
    assert texts(sent) == []
    assert not OcppMessage.objects.exists()


def test_connect_again_closes_the_old_socket_and_its_close_changes_nothing(
    node: InlineNode, charge_point: ChargePoint
) -> None:
    outer: Sent = []

    async def main() -> None:
        closed = asyncio.Event()

        async def send_old(message: dict[str, Any]) -> None:
            outer.append(message)
            if message["type"] == "websocket.close":
                closed.set()

        async def send_new(message: dict[str, Any]) -> None:
            pass

        old, new = asyncio.Queue[dict[str, Any]](), asyncio.Queue[dict[str, Any]]()
        tasks = []
        for queue, send in ((old, send_old), (new, send_new)):
            queue.put_nowait({"type": "websocket.connect"})
            tasks.append(asyncio.create_task(application(scope_of("CP-A"), queue.get, send)))
            await asyncio.sleep(0.01)
        await asyncio.wait_for(closed.wait(), 5)
        old.put_nowait({"type": "websocket.disconnect", "code": 4000})
        await tasks[0]
        node.writer.use_connection()
        assert Connection.objects.get().token == node.sockets[charge_point.pk].token
        new.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await tasks[1]

    asyncio.run(main())
    assert outer[-1] == {"type": "websocket.close", "code": 4000, "reason": "replaced by a newer connection"}
    assert not Connection.objects.exists()


def test_node_is_made_once_and_can_be_replaced(node: InlineNode) -> None:
    assert get_node() is node
    assert GatewayNode.objects.get().pk == node.id


# ---------------------------------------------------------------- lifespan
def test_lifespan_is_completed() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: Sent = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
