"""The WebSocket of a charger: handshake, receive, send, close."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone

from chargepoints.choices import RefusalReason
from chargepoints.services import connections
from chargepoints.services.connections import Connected, Refused
from csms_project.common import metrics
from ocpp_gateway import calls, peers
from ocpp_gateway.dialects import dialect_for
from ocpp_gateway.lines import DIRECT, AsgiLine, DirectLine
from ocpp_gateway.node import get_node
from ocpp_gateway.sockets import Socket
from ocpp_gateway.wire import handshake
from ocpp_gateway.writer import CallableWork, StorageAway

logger = logging.getLogger(__name__)

HANDSHAKE_HOLD_S = 15
ABNORMAL = 1006

_PROTOCOL_ERROR = 1002


class ChargerConsumer(AsyncWebsocketConsumer):
    """One socket of one charger.

    Without a channel layer of its own and with a lean loop: the stock consumer makes a task for every message and
    hops to a process-wide thread for every frame, four times the cost of handling it.
    """

    channel_layer_alias = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.base_send = scope, send
        self.socket: Socket | None = None
        self.node = get_node()
        self._is_handed_over = False
        code = ABNORMAL
        try:
            while True:
                message = await receive()
                kind = message["type"]
                if kind == "websocket.receive":
                    await self.receive(message.get("text"), message.get("bytes"))
                elif kind == "websocket.connect":
                    if not await self._shake_hands() or self._is_handed_over:
                        return
                elif kind == "websocket.disconnect":
                    code = message.get("code", ABNORMAL)
                    return
        finally:
            if not self._is_handed_over:
                # Whatever ended the loop: the charger must not stay online.
                self.left(code)

    # -- handshake

    async def _shake_hands(self) -> bool:
        """Accept or refuse; false when the socket is finished."""
        if self.node.is_stopping:
            return await self._refuse_with(503, "stopping")
        await self.node.start()
        try:
            identity = handshake.parse_identity(_last_segment(self.scope))
        except handshake.BadIdentity as error:
            return await self._refuse(
                Refused(reason=RefusalReason.BAD_IDENTITY, http_status=400, detail=str(error))
            )
        offered = list(self.scope.get("subprotocols", ()))
        version = handshake.choose_subprotocol(offered, settings.OCPP_SUBPROTOCOLS)
        if version is None:
            return await self._refuse_version(identity, offered)
        if not self.node.writer.storage_ok:
            return await self._refuse_with(503, "storage_away")
        try:
            outcome = await self._connect(identity, version)
        except (StorageAway, TimeoutError):
            return await self._refuse_with(503, "storage_away")
        if isinstance(outcome, Refused):
            metrics.count_handshake(outcome.reason)
            return await self._refuse_with(outcome.http_status, None)
        return await self._accept(outcome, version)

    async def _connect(self, identity: str, version: str) -> Connected | Refused:
        headers = dict(self.scope["headers"])
        basic = handshake.parse_basic(headers.get(b"authorization"))
        request = connections.Connect(
            identity=identity,
            received_at=timezone.now(),
            node_id=self.node.id,
            ocpp_version=version,
            username=basic.username if basic else None,
            password=basic.password if basic else None,
            password_is_text=dialect_for(version).text_passwords,
            is_secure=self.scope.get("scheme") == "wss",
            certificate=peers.certificate_of(self.scope, revocations=self.node.revocations),
            remote_address=self._address(),
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
        )
        return await self._decide(request)

    async def _decide(self, request: connections.Connect) -> Connected | Refused:
        settled: list[Connected | Refused] = []
        has_given_up = False

        def settle(outcome: Connected | Refused) -> None:
            settled.append(outcome)
            if not isinstance(outcome, Connected):
                return
            self.node.decided(outcome.charge_point_id, outcome.token)
            if has_given_up:
                self._forget(outcome.charge_point_id, outcome.token)

        owner = ("connect", request.identity)
        work = CallableWork.of(connections.CONNECT, request, owner=owner, then=settle)
        try:
            async with asyncio.timeout(HANDSHAKE_HOLD_S):  # `wait_for` would make a task of its own
                outcome: Connected | Refused = await self.node.writer.call(work)
        except TimeoutError:
            # It may be stored yet, or is already: the charger must not seem connected on a socket that is not there.
            has_given_up = True
            for late in settled:
                if isinstance(late, Connected):
                    self._forget(late.charge_point_id, late.token)
            raise
        return outcome

    async def _accept(self, outcome: Connected, version: str) -> bool:
        try:
            await self.accept(subprotocol=version)
        except OSError:  # the client has gone during the handshake
            self._forget(outcome.charge_point_id, outcome.token)
            return False
        metrics.count_handshake("accepted")
        direct: DirectLine | None = self.scope.get("extensions", {}).get(DIRECT, {}).get("line")
        line = direct or AsgiLine(self.base_send, self.close)
        self.socket = Socket(node=self.node, connected=outcome, version=version, line=line)
        self.node.attach(self.socket)
        if direct is not None:
            self._hand_over_to(direct)
        if outcome.replaced is not None:
            self.node.tell_replaced(outcome.replaced[0], outcome.charge_point_id, outcome.replaced[1])
        logger.info("charger.connected", extra={"charge_point": outcome.identity, "ocpp_version": version})
        return True

    def _hand_over_to(self, line: DirectLine) -> None:
        """Let the server call `take` and `left`; nothing of the handshake is kept while the socket lives."""
        line.hand_over(self)
        self._is_handed_over = True
        del self.scope, self.base_send

    async def _refuse_version(self, identity: str, offered: list[str]) -> bool:
        detail = "offered: " + (", ".join(offered) or "none")
        refused = Refused(reason=RefusalReason.SUBPROTOCOL, http_status=400, detail=detail)
        if not settings.OCPP_ACCEPT_THEN_CLOSE:
            return await self._refuse(refused, identity, offered)
        self._note_refusal(refused, identity, offered)
        await self.accept()
        await self.close(_PROTOCOL_ERROR, "no common OCPP version")
        return False

    async def _refuse(self, refused: Refused, identity: str = "", offered: list[str] | None = None) -> bool:
        self._note_refusal(refused, identity, offered or [])
        return await self._refuse_with(refused.http_status, None)

    def _note_refusal(self, refused: Refused, identity: str, offered: list[str]) -> None:
        metrics.count_handshake(refused.reason)
        headers = dict(self.scope["headers"])
        request = connections.Refusal(
            identity=calls.storable(identity or _last_segment(self.scope).decode("latin-1"))[:100],
            refused=refused,
            at=timezone.now(),
            remote_address=self._address(),
            user_agent=calls.storable(headers.get(b"user-agent", b"").decode("latin-1")),
            subprotocols=calls.storable(", ".join(offered)),
        )
        self.node.writer.submit(CallableWork.of(connections.REFUSAL, request))

    async def _refuse_with(self, status: int, outcome: str | None) -> bool:
        """Answer the handshake with an HTTP status where the server can, else close (403)."""
        if outcome is not None:
            metrics.count_handshake(outcome)
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.base_send({"type": "websocket.close"})
            return False
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if status == 401:
            headers.append((b"www-authenticate", b'Basic realm="OCPP"'))
        if status == 503:
            headers.append((b"retry-after", b"10"))
        await self.base_send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self.base_send(
            {"type": "websocket.http.response.body", "body": _REASONS.get(status, b"Refused\n")}
        )
        return False

    def _address(self) -> str:
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    # -- frames

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle one frame, then hold back reading while the charger or the writer is too fast for us."""
        hold = self.take(text_data)
        if hold is not None:
            await hold

    def take(self, text: str | None) -> Awaitable[None] | None:
        """Handle one frame (None: a binary one); returns what to wait for before the next is read."""
        socket = self.socket
        if socket is None:
            return None
        if self.node.stood_still:
            return self._take_later(text)
        wait = socket.take(text)
        if wait or socket.is_held_back or self.node.writer.is_full:
            return self._hold_back(socket, wait)
        return None

    async def _take_later(self, text: str | None) -> None:
        """Others may own the charger by now: ask first."""
        await self.node.catch_up()
        await self.receive(text)

    async def _hold_back(self, socket: Socket, wait: float) -> None:
        if wait:
            await asyncio.sleep(wait)
        while socket.is_held_back and not socket.is_closed:
            await socket.wait_for_answer()
        if self.node.writer.is_full:
            await self.node.writer.wait_for_room()

    def left(self, code: int) -> None:
        """The socket has ended: forget it, unless a newer one has taken its place."""
        socket = self.socket
        if socket is None:
            return
        socket.is_closed = True
        self.node.detach(socket)
        self._forget(socket.charge_point_id, socket.token, code)
        logger.info("charger.disconnected", extra={"charge_point": socket.identity, "code": code})

    def _forget(self, charge_point_id: int, token: uuid.UUID, code: int | None = None) -> None:
        request = connections.Disconnect(
            charge_point_id=charge_point_id, token=token, at=timezone.now(), close_code=code
        )
        self.node.writer.submit(CallableWork.of(connections.DISCONNECT, request, owner=charge_point_id))


_REASONS = {
    400: b"The identity or the OCPP version cannot be used.\n",
    401: b"Authorization required.\n",
    403: b"Refused.\n",
    404: b"Unknown charge point.\n",
    503: b"Try again in a moment.\n",
}


def _last_segment(scope: Any) -> bytes:
    """What stands behind the OCPP path, one trailing slash forgiven; still percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    rest = raw.partition(b"?")[0].removeprefix(settings.OCPP_PATH.encode())
    return rest.removesuffix(b"/") if len(rest) > 1 else rest
