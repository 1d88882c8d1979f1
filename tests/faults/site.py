"""A site: PostgreSQL, Redis, gateways and a web process, each of which can be broken and mended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.e2e.product import ROOT, Product, environment
from tests.faults.form import FORM
from tests.faults.rest import Rest
from tests.faults.seed import ADMIN
from tests.faults.services import PostgreSQL, Redis

STOP_S = 30
WAIT_S = 20
#: Faults of our own code, whatever happens around it.
NO_EXCUSE = (
    "writer.batch_failed",
    "writer.deliver_failed",
    "node.tick_failed",
    "dispatcher.call_in_progress",
    "server.background_failed",
    "exception was never retrieved",
    "Exception in callback",
    "Exception in ASGI application",
)
#: Lines of a log that say nothing about a fault.
TOO_MANY = ("request_started", "request_finished", '"charger.connected"', '"charger.disconnected"')
SETTINGS = {
    "CSMS_ADMIN_PASSWORD": ADMIN[1],
    "OCPP_WRITER_HOLD_S": str(FORM.hold_s),
    "OCPP_NODE_LEASE_S": str(FORM.lease_s),
    "OCPP_PING_INTERVAL_S": str(FORM.ping_s),
    "OCPP_PONG_TIMEOUT_S": str(FORM.pong_s),
    "OCPP_HANDSHAKE_TIMEOUT_S": "10",
}


class Address:
    """A database of a server, as the environment of a process wants it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = "csms_faults"


class Server(Product):
    """A gateway or web process with a directory of its own."""

    def __init__(self, kind: str, *, directory: Path, database_url: str, extra: dict[str, str]) -> None:
        directory.mkdir(parents=True)
        super().__init__(
            database=Address(database_url),  # type: ignore[arg-type]
            directory=directory,
            extra=extra,
            command=("manage.py", kind, "--port", "{port}"),
        )
        self.name = directory.name

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def has_log(self) -> bool:
        """Whether it was ever started."""
        return self._log.exists()

    def freeze(self) -> None:
        """Stop it where it is, in the middle of whatever it does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> float:
        """Ask it to end in good order; returns the seconds that it took. Its exit code must be 0."""
        began = time.monotonic()
        self.terminate()
        code = self.process.wait(STOP_S)
        assert code == 0, f"{self.name} ended with {code}:\n{self.log[-3000:]}"
        return time.monotonic() - began


class Site:
    """Everything that one installation consists of; `close` ends and removes it."""

    def __init__(self) -> None:
        # Not pytest's directory: the user that PostgreSQL runs as could not enter it.
        self.directory = Path(tempfile.mkdtemp(prefix="csms-faults-"))
        self.directory.chmod(0o755)
        self.servers: list[Server] = []
        self.clusters: list[PostgreSQL] = []
        self.caches: list[Redis] = []
        self._taken = 0
        self._complaints: list[str] = []
        try:
            self.postgresql = self.make_postgresql("postgresql")
            self.redis = self.make_redis()
            self.prepare(self.postgresql, chargers=FORM.registered)
            self.web = self.make_server("web", "web")
            self.rest = Rest(self.web.port)
            self.gateways = [self.make_server("gateway", f"gateway-{name}") for name in "ab"]
            self.mend()
        except BaseException:
            self.close()
            raise

    # -- parts

    def make_postgresql(self, name: str, **options: object) -> PostgreSQL:
        """A running cluster."""
        cluster = PostgreSQL(self.directory / name, **options)  # type: ignore[arg-type]
        self.clusters.append(cluster)
        return cluster.start()

    def make_redis(self) -> Redis:
        """A running Redis."""
        self.caches.append(Redis(self.directory / "redis"))
        return self.caches[-1].start()

    def prepare(self, cluster: PostgreSQL, *, chargers: int) -> None:
        """Make the database of an installation with its chargers."""
        cluster.create_database("csms")
        directory = self.directory / f"seed-{cluster.port}"
        directory.mkdir()
        values = environment(Address(cluster.url()), directory, SETTINGS)  # type: ignore[arg-type]
        for command in (
            ["manage.py", "prepare"],
            ["-m", "tests.faults.seed", str(chargers)],
        ):
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=values,
                capture_output=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr.decode(errors="replace")

    def make_server(
        self, kind: str, name: str, *, database_url: str = "", redis_url: str | None = None, **extra: str
    ) -> Server:
        """A process of the product, not started yet."""
        values = {
            **SETTINGS,
            "REDIS_URL": self.redis.url if redis_url is None else redis_url,
            "REDIS_PREFIX": "faults",
            **extra,
        }
        url = database_url or self.postgresql.url()
        self.servers.append(Server(kind, directory=self.directory / name, database_url=url, extra=values))
        return self.servers[-1]

    def is_online(self, identity: str) -> bool:
        """Whether the product says that a charger is online."""
        return bool(self.rest.get(f"charge-points/{identity}/")["online"])

    def order(self, identity: str, **extra: object) -> dict[str, Any]:
        """Give a charger a command and wait for its end; returns the command."""
        body = {"action": "ClearCache", "payload": {}, **extra}
        command: dict[str, Any] = self.rest.post(f"charge-points/{identity}/commands/?wait={WAIT_S}", body)
        return command

    def gateways_say(self, word: str) -> list[int]:
        """How often each gateway has said this in its log so far."""
        return [gateway.log.count(word) for gateway in self.gateways]

    def take_numbers(self, count: int) -> range:
        """Numbers of registered chargers that no other test uses."""
        first = self._taken + 1
        assert first + count - 1 <= FORM.registered, "register more chargers"
        self._taken += count
        return range(first, first + count)

    # -- whole again

    def mend(self) -> None:
        """Start whatever does not run, thaw what is frozen."""
        if not self.postgresql.is_running:
            self.postgresql.start()
        self.redis.thaw()
        if not self.redis.is_running:
            self.redis.start()
        own = [self.web, *self.gateways]
        for server in own:
            if server.is_running:
                server.thaw()
        down = [server for server in own if not server.is_running]
        for server in down:
            server.launch()
        for server in down:
            server.wait_ready()

    def complaints(self) -> list[str]:
        """New lines in the logs of all servers that no fault of their surroundings excuses."""
        found = [
            f"{server.name}: {line[:1500]}"
            for server in self.servers
            if server.has_log
            for line in server.log.splitlines()
            if any(word in line for word in NO_EXCUSE)
        ]
        new = [line for line in found if line not in self._complaints]
        self._complaints += new
        return new

    def remove_extra_servers(self) -> None:
        """End what a test has started for itself."""
        for server in self.servers[:]:
            if server not in (self.web, *self.gateways):
                server.thaw()
                server.kill()
                self.servers.remove(server)

    def close(self) -> None:
        """End every process, whatever state it is in, and remove all files."""
        for server in self.servers:
            if server.is_running:
                server.thaw()
                server.kill()
        for cluster in self.clusters:
            cluster.stop()
        for cache in self.caches:
            cache.stop()
        if not os.environ.get("FAULTS_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def tell(self, lines: int = 40) -> str:
        """The ends of all logs, for the report of a test that has failed."""
        logs = [(server.name, server.log) for server in self.servers if server.has_log]
        logs += [(f"postgresql-{cluster.port}", cluster.log) for cluster in self.clusters]
        return "\n".join(f"--- {name}\n{_end_of(text, lines)}" for name, text in logs)


def _end_of(text: str, lines: int) -> str:
    told = [line for line in text.splitlines() if not any(word in line for word in TOO_MANY)]
    return "\n".join(line[:400] for line in told[-lines:])
