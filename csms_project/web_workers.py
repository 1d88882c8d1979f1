"""Several web processes behind one port: `manage.py web --workers N`.

The parent listens, starts the children with its socket, replaces those that die, and ends them all. Parent and child
hold the two ends of a socket pair: the child says on it that it serves, and sees on it that its parent has died.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType

from django.conf import settings
from prometheus_client.multiprocess import mark_process_dead

from csms_project.common.systemd import notify

logger = logging.getLogger(__name__)

PARENT_FD = "CSMS_PARENT_FD"
METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
LOOK_S = 0.2
RESTART_S = 1.0
STOP_S = 28.0
BACKLOG = 4096


@dataclass(slots=True)
class Child:
    """One web process."""

    process: subprocess.Popen[bytes]
    link: socket.socket
    started_at: float
    is_ready: bool = False

    def look(self) -> None:
        """Whether it has said that it serves."""
        if not self.is_ready:
            try:
                self.is_ready = self.link.recv(1) == b"R"
            except BlockingIOError:
                return


class Supervisor:
    """Keeps a number of children running until SIGTERM or SIGINT; a second signal kills them.

    Raises  OSError  the address cannot be listened on
    """

    def __init__(self, *, host: str, port: int, workers: int, ready: Callable[[], None]) -> None:
        self._host, self._port, self._workers, self._ready = host, port, workers, ready
        self._socket = _listen(host, port)
        self._children: list[Child] = []
        self._stop = threading.Event()
        self._own_metrics = "" if os.environ.get(METRICS_DIR) else tempfile.mkdtemp(prefix="csms-metrics-")
        self._metrics = self._own_metrics or os.environ[METRICS_DIR]

    def run(self) -> int:
        """Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take_signal)
        try:
            self._children = [self._start() for _ in range(self._workers)]
            code = self._watch()
            return self._end() or code
        finally:
            self._socket.close()
            if self._own_metrics:
                shutil.rmtree(self._own_metrics, ignore_errors=True)

    def _take_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            for child in self._children:
                child.process.kill()
            os._exit(128 + number)
        self._stop.set()

    def _start(self) -> Child:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        listen = self._socket.fileno()
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        address = ["--host", self._host, "--port", str(self._port)]
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "web", *address]
        process = subprocess.Popen(  # noqa: S603  our own program
            [*command, "--listen-fd", str(listen)],
            env={**environment, PARENT_FD: str(theirs.fileno()), METRICS_DIR: self._metrics},
            pass_fds=[listen, theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # Ctrl+C is for the parent, which ends its children itself.
            start_new_session=True,
        )
        theirs.close()
        return Child(process=process, link=ours, started_at=time.monotonic())

    def _watch(self) -> int:
        """Look after the children until told to stop; 1 when one of them cannot start."""
        has_told = False
        while not self._stop.wait(LOOK_S):
            for index, child in enumerate(self._children):
                child.look()
                if child.process.poll() is None:
                    continue
                if not child.is_ready:
                    logger.error("web.worker_cannot_start", extra={"exit_code": child.process.returncode})
                    return 1
                self._bury(child)
                if not self._stop.wait(max(0.0, child.started_at + RESTART_S - time.monotonic())):
                    self._children[index] = self._start()
            if not has_told and all(child.is_ready for child in self._children):
                has_told = True
                self._ready()
                notify("READY=1")
        return 0

    def _bury(self, child: Child) -> None:
        code = child.process.returncode
        logger.error("web.worker_died", extra={"pid": child.process.pid, "exit_code": code})
        child.link.close()
        mark_process_dead(child.process.pid, self._metrics)  # type: ignore[no-untyped-call]

    def _end(self) -> int:
        """End all children in good order; returns 1 when one of them has not."""
        notify("STOPPING=1")
        self._stop.set()
        self._socket.close()
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_S
        for child in self._children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            child.link.close()
        # One that has just been started does not know the signal yet.
        return int(any(child.process.returncode not in (0, -signal.SIGTERM) for child in self._children))


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener


# ---------------------------------------------------------------- in the child


def socket_of(fd: int) -> socket.socket:
    """The socket that the parent listens on."""
    return socket.socket(fileno=fd)


def parent_link() -> socket.socket:
    """Our end of the pair."""
    return socket.socket(fileno=int(os.environ[PARENT_FD]))


def watch_parent(link: socket.socket) -> Callable[[asyncio.Event], Awaitable[None]]:
    """A background task: say that we serve, and end when the parent has died."""

    async def watch(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        link.setblocking(False)
        await loop.sock_sendall(link, b"R")
        gone = asyncio.ensure_future(loop.sock_recv(link, 1))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            logger.error("web.parent_died")
            signal.raise_signal(signal.SIGTERM)
        for task in (gone, stopped):
            task.cancel()

    return watch
