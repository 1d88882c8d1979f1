"""Private PostgreSQL and Redis servers: durable, on free ports, ended in any way that a machine knows."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from tests.e2e.product import free_port, wait_until

START_S = 60
UNPRIVILEGED = "postgres"  # PostgreSQL refuses to run as root


class MissingProgram(Exception):
    """A server program is not installed: these tests need the real ones."""


def find_postgresql() -> Path:
    """The directory of the newest PostgreSQL's programs; Debian does not put them on PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if not versions:
        raise MissingProgram("PostgreSQL's initdb was not found: install the package postgresql")
    return versions[-1].parent


def _version(path: Path) -> int:
    return int(path.parents[1].name)


def run_as() -> dict[str, Any]:
    """Arguments of subprocess that keep a server from running as root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise MissingProgram(
            f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED}"
        ) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def hand_over(path: Path) -> None:
    """Give a directory to the user that PostgreSQL runs as."""
    if os.geteuid() == 0:
        shutil.chown(path, UNPRIVILEGED, UNPRIVILEGED)


class PostgreSQL:
    """A cluster of its own, with the durability of a production server.

    options   settings of the server beyond those
    wal       where its WAL lies, if not in the data directory
    """

    def __init__(
        self, directory: Path, *, options: dict[str, str] | None = None, wal: Path | None = None
    ) -> None:
        self.data = directory / "data"
        self.log_path = directory / "postgresql.log"
        self.port = free_port()
        self._bin = find_postgresql()
        self._options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(directory),
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "max_connections": "60",
            "log_lock_waits": "on",
            **(options or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        hand_over(directory)
        self._initialise(wal)

    def _initialise(self, wal: Path | None) -> None:
        command = [str(self._bin / "initdb"), "-D", str(self.data), "-U", "csms", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", *(["--waldir", str(wal)] if wal is not None else [])]
        done = subprocess.run(command, capture_output=True, timeout=START_S, cwd="/", check=False, **run_as())
        if done.returncode:
            raise AssertionError(f"initdb failed:\n{done.stderr!r}")

    # -- life

    def start(self) -> PostgreSQL:
        """Start the server and wait until it takes connections."""
        self.launch()
        wait_until(self._is_ready, "PostgreSQL takes connections", START_S)
        return self

    def launch(self, **options: str) -> None:
        """Start the server and do not wait; `options` hold for this run only."""
        command = [str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in {**self._options, **options}.items():
            command += ["-c", f"{name}={value}"]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **run_as()
            )

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL ended with {self.process.returncode}:\n{self.log[-3000:]}")
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The postmaster, which must have been started."""
        assert self._process is not None
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that the server has said so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: SIGQUIT is an immediate stop (recovery at the next start), SIGINT a fast one."""
        if self.is_running:
            self.process.send_signal(how)
            self.process.wait(START_S)

    # -- use

    def url(self, database: str = "csms", port: int | None = None) -> str:
        """The URL of a database; `port`, where a proxy stands before the server."""
        return f"postgresql://csms@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of the test's own, which commits each statement."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own and return its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Make a database as a copy of another one."""
        with self.connect() as connection:
            names = (sql.Identifier(name), sql.Identifier(template))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))


class Redis:
    """A Redis server without persistence: what it forgets must not matter."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise MissingProgram("redis-server was not found: install the package redis-server")
        self._program, self._directory = program, directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """What the product is configured with."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Redis:
        """Start it and wait until it answers."""
        command = [
            self._program,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--dir", str(self._directory)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._is_ready, "Redis answers", START_S)
        return self

    def _is_ready(self) -> bool:
        assert self.is_running, (self._directory / "redis.log").read_text(errors="replace")
        try:
            with redis.Redis(port=self.port, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def freeze(self) -> None:
        """Let it stand still: connections stay, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None and self.is_running:
            self._process.kill()
            self._process.wait(10)
