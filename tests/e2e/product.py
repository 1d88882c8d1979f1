"""The product as a child process on a loopback port, with a database of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from django.db import connections
from django.db.utils import load_backend
from psycopg import sql

from csms_project.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
READY_S = 30
POSTGRESQL_URL = os.environ.get("TEST_DATABASE_URL", "")

#: Short enough to be waited for in a test, long enough for a busy machine.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
    "ALLOWED_HOSTS": "127.0.0.1",
    "CSMS_ADMIN_PASSWORD": "only for the tests",
    "LOG_FORMAT": "json",
    "OCPP_CHECK_RESPONSES": "1",
    "OCPP_HANDSHAKE_TIMEOUT_S": "1",
    "OCPP_PING_INTERVAL_S": "1",
    "OCPP_PONG_TIMEOUT_S": "1",
}


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 40.0) -> Any:
    """Wait for a condition and return its value; fail when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)
    return value


# ---------------------------------------------------------------- databases
class Database:
    """A migrated database that nobody else uses: an SQLite file, or one of the PostgreSQL server's."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "csms.sqlite3"
        self.name = f"csms_e2e_{uuid.uuid4().hex[:12]}"
        self.is_postgresql = bool(POSTGRESQL_URL)
        parts = urlsplit(POSTGRESQL_URL)
        self.url = (
            urlunsplit(parts._replace(path=f"/{self.name}")) if POSTGRESQL_URL else f"sqlite:///{self.path}"
        )

    def create(self, template: Database | None = None) -> Database:
        """Make it, as a copy of another one or empty."""
        if self.is_postgresql:
            source = sql.Identifier(template.name if template else "template1")
            administer(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(self.name), source))
        elif template is not None:
            shutil.copyfile(template.path, self.path)
        return self

    def drop(self) -> None:
        """Remove it, whoever is still connected."""
        if self.is_postgresql:
            administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Let the models of this process (and thread) read and write it."""
        ours = connections["default"]
        config = {**connections.settings["default"], **Environment().db_url_config(self.url)}
        config["OPTIONS"] = connections.settings["default"]["OPTIONS"]
        wrapper = load_backend(config["ENGINE"]).DatabaseWrapper(config, "default")
        connections["default"] = wrapper
        try:
            yield
        finally:
            wrapper.close()
            connections["default"] = ours


def administer(statement: sql.Composed) -> None:
    """Run a statement on the PostgreSQL server, outside the database that it is about."""
    with psycopg.connect(
        urlunsplit(urlsplit(POSTGRESQL_URL)._replace(path="/postgres")), autocommit=True
    ) as admin:
        admin.execute(statement)


def migrate(database: Database, directory: Path) -> None:
    """Bring an empty database up to date."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env=environment(database, directory),
        check=True,
        timeout=170,
    )


def environment(
    database: Database, directory: Path, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a child process."""
    values = {**os.environ, **ENVIRONMENT, "DATABASE_URL": database.url, "DATA_DIR": str(directory)}
    # Ours: the tests hash keys of chargers and encrypt commands for the server.
    values["SECRET_KEY"] = settings.SECRET_KEY
    values["CHARGER_KEY_PEPPER"] = ",".join(settings.CHARGER_KEY_PEPPERS)
    values["FIELD_ENCRYPTION_KEYS"] = ",".join(settings.FIELD_ENCRYPTION_KEYS)
    if redis := os.environ.get("TEST_REDIS_URL"):
        values |= {"REDIS_URL": redis, "REDIS_PREFIX": database.name}
    return values | dict(extra or {})


# ---------------------------------------------------------------- the server
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """A server process; it can be ended in several ways and started again on the same port and database."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Path,
        extra: Mapping[str, str] | None = None,
        command: tuple[str, ...] = ("manage.py", "up", "--port", "{port}"),
    ) -> None:
        self.database, self.directory = database, directory
        self.port = free_port()
        self._extra, self._command = extra, [part.format(port=self.port) for part in command]
        self._log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a charger is configured with, without its identity."""
        return f"ws://127.0.0.1:{self.port}/ocpp"

    @property
    def log(self) -> str:
        """All that the server has said so far."""
        return self._log.read_text(errors="replace")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, which must have been started."""
        assert self._process is not None
        return self._process

    def start(self) -> Product:
        """Start the process and wait until its port is open."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Start the process, and do not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                cwd=ROOT,
                env=environment(self.database, self.directory, self._extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> Product:
        """Wait until its port is open."""
        wait_until(self._is_up, "the server opens its port", READY_S)
        return self

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def terminate(self) -> None:
        """Ask it to end in good order, and do not wait."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, without any chance to tidy up."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


# ---------------------------------------------------------------- faults
@contextmanager
def storage_away(database: Database) -> Iterator[None]:
    """While this lasts the server cannot write; the connection of the test keeps reading."""
    if database.is_postgresql:
        with _refused_by_server(database):
            yield
    else:
        with closing(sqlite3.connect(database.path, isolation_level=None, timeout=10)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield
            holder.execute("ROLLBACK")


@contextmanager
def _refused_by_server(database: Database) -> Iterator[None]:
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    administer(allow.format(sql.Identifier(database.name), sql.SQL("false")))
    try:
        ours = connections["default"]
        ours.ensure_connection()
        administer(
            sql.SQL(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> {}"
            ).format(sql.Literal(database.name), sql.Literal(ours.connection.info.backend_pid))
        )
        yield
    finally:
        administer(allow.format(sql.Identifier(database.name), sql.SQL("true")))
