"""What is measured: a PostgreSQL cluster of its own, our gateways and the plain design as processes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.e2e.product import ROOT, free_port, wait_until
from tests.faults.services import PostgreSQL

START_S = 60
STOP_S = 30
PREPARE_S = 300
PREFIX = "LOAD"
ADMIN = ("admin", "of a measurement only")
#: Room for 5,000 sockets is the process's own affair; this is what a production server is given.
CLUSTER = {"shared_buffers": "512MB", "max_wal_size": "2GB"}


@dataclass(kw_only=True)
class Server:
    """A process that listens on a loopback port."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The OCPP endpoint, without an identity."""
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def stop(self) -> None:
        """End it in good order, else hard."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)


@dataclass(kw_only=True)
class Site:
    """Everything on one PostgreSQL cluster: `cluster_url` names its maintenance database."""

    directory: Path
    cluster_url: str
    key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    servers: list[Server] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)

    # ---------------------------------------------------------------- databases
    def create_database(self, name: str) -> str:
        """An empty database; returns its URL."""
        unique = f"bench_{name}_{secrets.token_hex(3)}"
        self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unique)))
        self.databases.append(unique)
        parts = conninfo_to_dict(self.cluster_url)
        login = f"{parts['user']}:{parts['password']}" if parts.get("password") else str(parts["user"])
        return f"postgresql://{login}@{parts['host']}:{parts.get('port', 5432)}/{unique}"

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.cluster_url, autocommit=True) as admin:
            admin.execute(statement)

    def close(self) -> None:
        """Stop the servers, drop the databases."""
        for server in self.servers:
            server.stop()
        for name in self.databases:
            self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    # ---------------------------------------------------------------- processes
    def product(self, *, chargers: int, connectors: int = 2) -> Product:
        """Our product with a database of its own and so many charge points."""
        return Product(self, self.create_database("csms"), chargers=chargers, connectors=connectors)

    def plain(self, *, chargers: int) -> Server:
        """The plain design, running."""
        environment = {**os.environ, "PLAIN_DATABASE_URL": self.create_database("plain")}
        run(["-m", "tests.bench.plain.prepare", str(chargers), PREFIX, self.key], environment)
        command = ["-m", "uvicorn", "tests.bench.plain.asgi:application", "--log-level", "warning"]
        command += [
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--ws",
            "websockets-sansio",
            "--port",
            "{port}",
        ]
        return self.start(command, environment, name="plain")

    def start(self, command: list[str], environment: Mapping[str, str], *, name: str) -> Server:
        """Start a Python process on a free port (`{port}` in its arguments) and wait until it listens."""
        port = free_port()
        log = self.directory / f"{name}-{port}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *(part.format(port=port) for part in command)],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        server = Server(port=port, process=process, log=log)
        self.servers.append(server)
        wait_until(lambda: self._listens(server), f"{name} listens", START_S)
        return server

    def _listens(self, server: Server) -> bool:
        import socket

        if server.process.poll() is not None:
            raise RuntimeError(f"the server has ended:\n{server.log.read_text(errors='replace')[-3000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", server.port)) == 0


class Product:
    """Our product on a migrated database with charge points; its processes are started fresh for each measurement."""

    def __init__(self, site: Site, database_url: str, *, chargers: int, connectors: int) -> None:
        self.site = site
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "DATA_DIR": str(site.directory / "data"),
            "DJANGO_SETTINGS_MODULE": "csms_project.settings",
            "ALLOWED_HOSTS": "127.0.0.1",
            "CSMS_ADMIN_USERNAME": ADMIN[0],
            "CSMS_ADMIN_PASSWORD": ADMIN[1],
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "WARNING",
        }
        run(["manage.py", "prepare"], self.environment)
        arguments = ["--chargers", str(chargers), "--connectors", str(connectors), "--prefix", PREFIX]
        run(["manage.py", "bench", "prepare", *arguments, "--key", site.key], self.environment)

    def start(self, kind: str = "gateway") -> Server:
        """A process of the product: `gateway`, or `up` with everything in it."""
        return self.site.start(["manage.py", kind, "--port", "{port}"], self.environment, name=kind)

    def load(self, scenario: str, *servers: Server, **options: Any) -> dict[str, Any]:
        """Run `manage.py bench` against servers of the product; returns its result."""
        return load(self.site, self.environment, scenario, *servers, **options)


def load(
    site: Site, environment: Mapping[str, str], scenario: str, *servers: Server, **options: Any
) -> dict[str, Any]:
    """Run `manage.py bench` and return its result. `True` as a value stands for an option without one."""
    command = [sys.executable, "manage.py", "bench", scenario, *(server.url for server in servers)]
    command += ["--prefix", PREFIX, "--key", site.key, "--postgres", "--json"]
    for name, value in options.items():
        if value is not False:
            command += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"bench {scenario} could not run: {done.stdout.decode(errors='replace')}")
    result: dict[str, Any] = orjson.loads(done.stdout)
    return result


def run(arguments: list[str], environment: Mapping[str, str]) -> None:
    """Run a Python command to its end. Raises RuntimeError with what it said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        timeout=PREPARE_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} failed:\n{done.stderr.decode(errors='replace')[-3000:]}")


@contextmanager
def open_site(cluster_url: str = "", *, durable: bool = True) -> Iterator[Site]:
    """A site on the given cluster, else on a throw-away one with the durability of a production server.

    cluster_url  URL of a maintenance database whose user may make databases
    durable      False: without fsync, for a test of the measuring itself
    """
    directory = Path(tempfile.mkdtemp(prefix="csms-bench-"))
    directory.chmod(0o755)  # the user that PostgreSQL runs as must get through
    cluster = None
    try:
        if not cluster_url:
            cluster = PostgreSQL(directory / "postgresql", options={**CLUSTER, **({} if durable else _FAST)})
            cluster.start()
            cluster_url = cluster.url("postgres")
        site = Site(directory=directory, cluster_url=cluster_url)
        try:
            yield site
        finally:
            site.close()
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)


_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
