"""The server: uvicorn with our protocols, and an orderly shutdown."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings

from csms_project.common.systemd import notify
from ocpp_gateway.door import Door
from ocpp_gateway.node import Node, get_node
from ocpp_gateway.protocols import ChargerWebSocketProtocol
from ocpp_gateway.tls import TlsKeeper
from ocpp_gateway.upgrades import ChargerHttpProtocol

logger = logging.getLogger(__name__)

Background = Callable[[asyncio.Event], Awaitable[None]]

#: An orderly end takes a second; one that takes longer than this is cut: nothing that was acknowledged is lost by it.
STOP_S = 28.0
TASKS_STOP_S = 20.0


class Server(uvicorn.Server):
    """uvicorn that stores and answers what was received before it closes sockets.

    node        the gateway of this process; None where it serves no chargers
    ready       called once the port is open
    background  coroutines that run beside; they end when their event is set
    tls         looks for new files and authorities, and reads its files anew at a SIGHUP
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        node: Node | None = None,
        ready: Callable[[], None] | None = None,
        background: Sequence[Background] = (),
        tls: TlsKeeper | None = None,
    ):
        super().__init__(config)
        self._node, self._ready, self._background, self._tls = node, ready, background, tls
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: Any = None) -> None:
        if self._node is not None:
            await self._node.start()
        if self._tls is not None:
            await asyncio.to_thread(self._tls.look)
        await super().startup(sockets=sockets)
        if not self.started:
            return
        tune_garbage_collection()
        if self._tls is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._tls.reload)
        for start in self._background:
            self._tasks.append(asyncio.ensure_future(_guard(start, self._stop)))
        if self._ready is not None:
            self._ready()
        notify("READY=1")

    async def shutdown(self, sockets: Any = None) -> None:
        notify("STOPPING=1")
        for server in self.servers:
            server.close()
        self._stop.set()
        if self._node is not None:
            await self._node.stop()
        await super().shutdown(sockets=sockets)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TASKS_STOP_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the process in good order, the second one at once."""
        if self.should_exit:
            end_at_once(128 + sig)
        self.should_exit = True
        end_in_time()


def end_at_once(code: int) -> None:
    """End the process without tidying up."""
    logger.error("process.ended_at_once")
    os._exit(code)


def end_in_time(seconds: float = STOP_S) -> None:
    """See to it that a process which is asked to end does so, whatever hangs."""
    timer = threading.Timer(seconds, end_at_once, [1])
    timer.daemon = True
    timer.start()


async def _guard(start: Background, stop: asyncio.Event) -> None:
    try:
        await start(stop)
    except asyncio.CancelledError:
        raise
    except Exception:
        logger.exception("server.background_failed")


def make_config(app: Any, *, host: str, port: int, tls: TlsKeeper | None = None) -> uvicorn.Config:
    """uvicorn as we run it; with TLS behind a door of ours."""
    http: Any = ChargerHttpProtocol
    if tls is not None and tls.files.certificates:
        http = partial(Door, tls, ChargerHttpProtocol)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=http,
        ws=ChargerWebSocketProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES or None,
        ws_max_size=settings.OCPP_MAX_MESSAGE_BYTES,
        ws_ping_interval=settings.OCPP_PING_INTERVAL_S,
        ws_ping_timeout=settings.OCPP_PONG_TIMEOUT_S,
        ws_per_message_deflate=settings.OCPP_PERMESSAGE_DEFLATE,
        backlog=4096,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=15,
    )


def serve(
    app: Any,
    *,
    host: str,
    port: int,
    with_gateway: bool = True,
    sockets: list[socket.socket] | None = None,
    ready: Callable[[], None] | None = None,
    background: Sequence[Background] = (),
    tls: TlsKeeper | None = None,
) -> None:
    """Serve an ASGI application in this process until SIGINT or SIGTERM.

    with_gateway  run this process's gateway node: its writer, its lease
    sockets       listen on these instead of on host and port
    ready         called once the port is open
    background    coroutines that run beside; they end when their event is set
    tls           certificates to serve with, client certificates to believe; None: no TLS here
    """
    raise_file_limit()
    quiet_uvicorn()
    node = get_node() if with_gateway else None
    if tls is not None:
        background = [*background, tls.watch]
        if node is not None:
            node.tls = tls
    config = make_config(app, host=host, port=port, tls=tls)
    Server(config, node=node, ready=ready, background=background, tls=tls).run(sockets)


def tune_garbage_collection() -> None:
    """Leave what was imported alone, and look for cycles less often.

    A batch makes thousands of objects that die without the collector; at its defaults it took a tenth of the time
    of a loaded gateway, most of it for the half a million objects of the imported modules.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def quiet_uvicorn() -> None:
    """Its line per handshake would name every charger at every reconnect; we log our own."""
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.WARNING)
    log.addFilter(_is_worth_a_line)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    # A traceback for every text that is not UTF-8: we log the close with its code 1007. And an error for every
    # handshake that we have refused with an HTTP answer.
    return not str(record.msg).startswith(("Invalid UTF-8", "ASGI callable returned without completing"))


def raise_file_limit() -> None:
    """One file descriptor per charger: take as many as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
