"""One gateway process: its writer, its sockets, its lease, and what it does every second."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket as sockets
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone

from chargepoints import waking
from chargepoints.services import connections, ownership
from csms_project.common import metrics
from ocpp_gateway.dispatcher import Dispatcher
from ocpp_gateway.peers import NO_REVOCATIONS, Revocations
from ocpp_gateway.wire import schemas
from ocpp_gateway.writer import CallableWork, Writer
from transactions.services.batch import SessionBatch

if TYPE_CHECKING:
    from ocpp_gateway.sockets import Socket
    from ocpp_gateway.tls import TlsKeeper

logger = logging.getLogger(__name__)

TICK_S = 1.0
LOOK_S = 3.0
SEEN_GRAIN_S = 10.0
#: The loop ticks every second. After a longer standstill (SIGSTOP, a frozen machine) others may own our chargers.
STILL_S = 3.0
LAYER_RETRY_S = 2.0
GHOST_AGE = timedelta(seconds=60)  # longer than any handshake takes
DRAIN_S = 15  # at the end, for what was received: the process must be gone within 30 seconds
#: A charger waits about half a minute for an answer; what others are asked before it must be sooner.
ASIDE_S = 25.0
ASIDE_THREADS = 8
CLOSE_REPLACED = 4000
CLOSE_RESTART = 1012


class Node:
    """Everything that the sockets of one process share."""

    def __init__(self) -> None:
        self.id = uuid.uuid4()
        self.started_at = timezone.now()
        self.writer = Writer(
            limit=settings.OCPP_WRITER_QUEUE,
            batch=settings.OCPP_WRITER_BATCH,
            hold_s=settings.OCPP_WRITER_HOLD_S,
        )
        self.dispatcher = Dispatcher(self.writer)
        self.writer.on_storage_back = self.dispatcher.store_again
        self.sockets: dict[int, Socket] = {}
        self.is_stopping = False
        self.tls: TlsKeeper | None = None
        self.lease_ok_at = 0.0
        self._lease_asked_at = 0.0
        self._looked_at = 0.0
        self._ticked_at = time.monotonic()
        # What is left of the lease when it is about to be renewed is more than half of it.
        self._still_s: float = min(STILL_S, settings.OCPP_NODE_LEASE_S / 2)
        self._catching_up: asyncio.Task[None] | None = None
        self._seen: dict[int, Socket] = {}
        self._newest: dict[int, uuid.UUID] = {}
        # Messages that have failed here, by charger, whose rows are to say when they succeed.
        self.troubled: dict[int, set[str]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: set[asyncio.Task[bool]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._helpers = ThreadPoolExecutor(max_workers=ASIDE_THREADS, thread_name_prefix="aside")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: asyncio.Task[None] | None = None

    @property
    def revocations(self) -> Revocations:
        """Client certificates that are not believed any more."""
        return self.tls.revocations if self.tls is not None else NO_REVOCATIONS

    # -- life

    async def start(self) -> None:
        """Start the writer and the loops; called by the server, or by the first socket under other servers."""
        if self._started is None:
            self._started = asyncio.get_running_loop().create_task(self._start())
        await asyncio.shield(self._started)

    async def _start(self) -> None:
        for version in settings.OCPP_SUBPROTOCOLS:
            schemas.warm(version)
        self._loop = loop = asyncio.get_running_loop()
        self._ticked_at = time.monotonic()
        waking.register_local_waker(self.wake)
        self.writer.start(loop)
        self._renew_lease()
        self._tasks = [loop.create_task(self._tick_forever()), loop.create_task(self._listen_forever())]

    async def stop(self) -> None:
        """Stop reading, store what was read, send the answers, close the sockets with 1012, end the lease."""
        if self.is_stopping:
            return
        self.is_stopping = True
        deadline = time.monotonic() + min(settings.OCPP_WRITER_HOLD_S, DRAIN_S)
        while self.writer.depth and self.writer.storage_ok and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0)  # the last answers are on their way to the loop
        await asyncio.gather(
            *(socket.shut(CLOSE_RESTART, "server restarts") for socket in self.sockets.values())
        )
        self._flush_seen(math.inf)
        self.writer.submit(CallableWork(self._end_lease, owner="lease"))
        for task in self._tasks:
            task.cancel()
        self._helpers.shutdown(wait=False, cancel_futures=True)
        await self.writer.stop()

    def _end_lease(self, batch: SessionBatch) -> None:
        ownership.end_lease(node_id=self.id)

    def problem(self) -> str | None:
        """What is wrong with the writer, for the health page; None: nothing, or no charger has come yet."""
        if self._started is None:
            return None
        if not self.writer.is_alive:
            return "cannot store" if not self.writer.storage_ok else "has stopped"
        return None

    def has_ended(self) -> bool:
        """The writer's thread has died although nobody has stopped it: only a restart helps."""
        has_started = self._started is not None and not self.is_stopping
        return has_started and self.writer.storage_ok and not self.writer.is_alive

    # -- sockets

    def decided(self, charge_point_id: int, token: uuid.UUID) -> None:
        """A handshake is stored: called in the order in which they were, whichever is accepted first."""
        self._newest[charge_point_id] = token

    def attach(self, socket: Socket) -> None:
        """A handshake has succeeded: this socket speaks for its charger now, unless a newer one was decided since."""
        metrics.CONNECTIONS.labels(socket.version).inc()
        if self._newest.get(socket.charge_point_id, socket.token) != socket.token:
            socket.replace()
            return
        old = self.sockets.get(socket.charge_point_id)
        self.sockets[socket.charge_point_id] = socket
        if old is not None and old is not socket:
            self.dispatcher.closed(old, replaced=True)
            old.replace()
        self.dispatcher.look_soon(socket)

    def detach(self, socket: Socket) -> None:
        """A socket has ended; only its own traces go."""
        if self.sockets.get(socket.charge_point_id) is socket:
            del self.sockets[socket.charge_point_id]
        if self._newest.get(socket.charge_point_id) == socket.token:
            del self._newest[socket.charge_point_id]
        self._seen.pop(socket.charge_point_id, None)
        metrics.CONNECTIONS.labels(socket.version).dec()
        self.dispatcher.closed(socket, replaced=socket.was_replaced)

    def saw(self, socket: Socket) -> None:
        """A sign of life, written with the next flush."""
        self._seen[socket.charge_point_id] = socket

    def tell_replaced(self, node_id: uuid.UUID, charge_point_id: int, token: uuid.UUID) -> None:
        """Ask the node that held the charger's previous socket to close it; it finds out by looking, too."""
        if node_id == self.id:
            return
        message = {"type": "connection.replaced", "charge_point_id": charge_point_id, "token": token.hex}
        task = asyncio.get_running_loop().create_task(waking.send(node_id, message))
        self._telling.add(task)  # nobody waits for it: the channel layer may be away
        task.add_done_callback(self._telling.discard)

    @staticmethod
    def later(seconds: float, callback: Callable[[], Any]) -> None:
        """Call back on the event loop."""
        asyncio.get_running_loop().call_later(seconds, callback)

    def ask_aside(self, asking: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run what takes long in a thread of its own, without a database; `then` gets its result or its error."""
        task = asyncio.get_running_loop().create_task(self._ask_aside(asking, then))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask_aside(self, asking: Callable[[], Any], then: Callable[[Any], None]) -> None:
        answer: Any
        try:
            loop = asyncio.get_running_loop()
            answer = await asyncio.wait_for(loop.run_in_executor(self._helpers, asking), ASIDE_S)
        except Exception as error:
            logger.warning("gateway.aside_failed", exc_info=True)
            answer = error
        then(answer)

    # -- every second

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                if self.stood_still:
                    await self.catch_up()
                self._tick()
            except Exception:
                logger.exception("node.tick_failed")

    def _tick(self) -> None:
        now = self._ticked_at = time.monotonic()
        metrics.QUEUE_DEPTH.set(self.writer.depth)
        self.writer.watch(TICK_S)
        # However much is queued: a process that is only busy must not be taken for dead.
        self._renew_lease_in_time(now)
        self.dispatcher.time_out(now)
        if self.writer.depth > settings.OCPP_WRITER_QUEUE // 2:
            return
        self._flush_seen(now)
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look_at_rows()
        if self.writer.storage_ok:
            self.dispatcher.store_again()
        self.dispatcher.poll(self.sockets)

    # -- after a standstill

    @property
    def stood_still(self) -> bool:
        """This process did not run for a while: what it holds to be its own may belong to others by now."""
        return time.monotonic() - self._ticked_at > self._still_s

    async def catch_up(self) -> None:
        """Find out which chargers are still ours before anything of them is read, and let go of the others."""
        if self._catching_up is None:
            self._catching_up = asyncio.get_running_loop().create_task(self._catch_up())
        await asyncio.shield(self._catching_up)

    async def _catch_up(self) -> None:
        logger.warning("node.stood_still", extra={"seconds": round(time.monotonic() - self._ticked_at, 1)})
        try:
            while not self.is_stopping:
                self._renew_lease()
                try:
                    await self.writer.call(self._standings_work())
                    break
                except Exception as error:  # the database is away, for instance: without it nobody knows
                    logger.warning("node.cannot_catch_up", extra={"error": str(error)[:300]})
                    await asyncio.sleep(TICK_S)
            self._ticked_at = time.monotonic()
        finally:
            self._catching_up = None

    # -- what is done for the sockets together

    def _renew_lease_in_time(self, now: float) -> None:
        pause = settings.OCPP_NODE_LEASE_S / 3
        if now - self.lease_ok_at > pause and now - self._lease_asked_at > pause / 2:
            self._renew_lease()

    def _renew_lease(self) -> None:
        self._lease_asked_at = time.monotonic()

        def renew(batch: SessionBatch) -> None:
            ownership.renew_lease(
                node_id=self.id,
                host=sockets.gethostname(),
                pid=os.getpid(),
                version=settings.VERSION,
                started_at=self.started_at,
            )

        def renewed(_: Any) -> None:
            self.lease_ok_at = time.monotonic()

        self.writer.submit(CallableWork(renew, owner="lease", then=renewed))

    def _flush_seen(self, now: float) -> None:
        """Write signs of life, those of one charger at most every SEEN_GRAIN_S: it speaks every second at times."""
        due = {pk: socket for pk, socket in self._seen.items() if now - socket.seen_at >= SEEN_GRAIN_S}
        if not due:
            return
        for pk, socket in due.items():
            del self._seen[pk]
            socket.seen_at = now
        request = connections.Seen(
            charge_points={
                pk: (socket.token, socket.last_frame_at, socket.take_clock_offset())
                for pk, socket in due.items()
            }
        )
        self.writer.submit(CallableWork.of(connections.SEEN, request, owner="seen"))

    def _look_at_rows(self) -> None:
        """Whether our sockets still own their chargers, and what operators changed about them meanwhile."""
        self.writer.submit(self._standings_work())

    def _standings_work(self) -> CallableWork:
        held = {pk: socket.token for pk, socket in self.sockets.items()}

        def look(batch: SessionBatch) -> ownership.Review:
            # Nobody else may be there to do it.
            ownership.drop_dead()
            return ownership.review(node_id=self.id, held=held, before=batch.now - GHOST_AGE)

        return CallableWork(look, owner="standings", then=lambda review: self._act(held, review))

    def _act(self, held: dict[int, uuid.UUID], review: ownership.Review) -> None:
        for pk, token in held.items():
            socket = self.sockets.get(pk)
            if socket is None or socket.token != token:
                continue
            if pk in review.lost or pk in review.unusual or not socket.is_usual:
                socket.update(review.standing(pk, token))

    def reclaim(self, socket: Socket) -> None:
        """The row of a live socket is gone (our lease ran out while we were stopped): take it again."""
        request = ownership.Reclaim(
            charge_point_id=socket.charge_point_id,
            tenant_id=socket.tenant_id,
            token=socket.token,
            node_id=self.id,
            ocpp_version=socket.version,
            at=timezone.now(),
        )
        self.writer.submit(
            CallableWork(lambda batch: ownership.reclaim(request), owner=socket.charge_point_id)
        )

    # -- wake-ups from other processes

    async def _listen_forever(self) -> None:
        is_away = False
        while True:
            layer = get_channel_layer()
            try:
                channel = await layer.new_channel()
                await layer.group_add(waking.group_name(self.id), channel)
                if is_away:
                    logger.info("node.layer_back")
                is_away = False
                while True:
                    self._hear(await layer.receive(channel))
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Without the layer commands still flow: the tick looks for them.
                if not is_away:
                    logger.warning("node.layer_away", extra={"error": str(error)[:200]})
                is_away = True
                with suppress(Exception):
                    await layer.flush()  # else each attempt would leave a channel behind
                await asyncio.sleep(LAYER_RETRY_S)

    def wake(self, node_id: uuid.UUID, charge_point_id: int) -> bool:
        """Look for a charger's commands now; called from any thread of this process. False: not our node."""
        loop = self._loop
        if node_id != self.id or loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(self._hear, {"type": "command.wake", "charge_point_id": charge_point_id})
        return True

    def _hear(self, message: dict[str, Any]) -> None:
        socket = self.sockets.get(message.get("charge_point_id", 0))
        if socket is None:
            return
        if message["type"] == "command.wake":
            self.dispatcher.look([socket])
        elif message["type"] == "connection.replaced" and socket.token.hex == message.get("token"):
            self.dispatcher.closed(socket, replaced=True)
            socket.replace()


_node: Node | None = None


def get_node() -> Node:
    """The node of this process, made on first use."""
    global _node
    if _node is None:
        _node = Node()
    return _node


def set_node(node: Node | None) -> None:
    """Replace the node of this process (tests, restarts within a process)."""
    global _node
    _node = node
