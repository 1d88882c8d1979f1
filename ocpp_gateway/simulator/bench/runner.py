"""Runs a load test: connect, prepare, measure for a while, finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ocpp_gateway.simulator.bench.database import Database, DatabaseUnusable
from ocpp_gateway.simulator.bench.processes import Usage, find_listeners, usage
from ocpp_gateway.simulator.bench.report import BenchResult
from ocpp_gateway.simulator.bench.scenarios import SCENARIOS, Charger
from ocpp_gateway.simulator.bench.socket import Failed, LoadSocket, Refused, Tally
from ocpp_gateway.simulator.register import Registration, new_key, register

SETTLE_S = 1.0
RETRY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """One load test. Times in seconds.

    keys          authorization key by identity; its identities are the charge points when given
    concurrency   handshakes at once, except in a boot storm, where all come at once
    pids          processes of the server; without any those that listen on the URL's port
    database      URL or conninfo of the server's PostgreSQL: its WAL is measured
    postgres      count the CPU of that database's cluster, or of the one whose postmaster is postgres_pid
    """

    scenario: str
    url: str
    chargers: int = 100
    duration_s: float = 10.0
    prefix: str = "BENCH"
    key: str = field(default="", repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = ()
    concurrency: int = 50
    answer_timeout_s: float = 30.0
    pids: tuple[int, ...] = ()
    database: str = field(default="", repr=False)
    postgres: bool = False
    postgres_pid: int | None = None
    registration: Registration | None = None

    def make_chargers(self) -> list[Charger]:
        """The charge points, each with a tag of its own as far as there are enough."""
        names = list(self.keys)[: self.chargers]
        names = names or [f"{self.prefix}{number:05d}" for number in range(1, self.chargers + 1)]
        tags = self.tags or tuple(f"{self.prefix[:10]}TAG{n:05d}" for n in range(1, len(names) + 1))
        keys = {name: self.keys.get(name) or self.key for name in names}
        if self.registration is not None:
            keys = {name: key or new_key() for name, key in keys.items()}
        return [
            Charger(identity=name, tag=tags[number % len(tags)].encode(), key=keys[name])
            for number, name in enumerate(names)
        ]


async def bench(
    config: BenchConfig,
    *,
    stop: asyncio.Event | None = None,
    progress: Callable[[str], None] | None = None,
) -> BenchResult:
    """Run a load test until its time is over or `stop` is set. Raises RegistrationFailed."""
    chargers = config.make_chargers()
    if config.registration is not None:
        keys = {charger.identity: charger.key for charger in chargers}
        tags = sorted({charger.tag.decode() for charger in chargers})
        await asyncio.to_thread(register, config.registration, keys=keys, tags=tags)
    database = await asyncio.to_thread(Database, config.database) if config.database else None
    try:
        test = LoadTest(config, chargers, progress or (lambda line: None), database)
        try:
            return await test.run(stop or asyncio.Event())
        finally:
            test.close()
    finally:
        if database is not None:
            database.close()


class LoadTest:
    """The state of one load test."""

    def __init__(
        self,
        config: BenchConfig,
        chargers: list[Charger],
        say: Callable[[str], None],
        database: Database | None = None,
    ) -> None:
        self._config = config
        self._scenario = SCENARIOS[config.scenario]
        self._chargers = chargers
        self._say = say
        self._tally = Tally()
        self._sockets: dict[str, LoadSocket] = {}
        self._turn = asyncio.Semaphore(len(chargers) if self._scenario.reconnect else config.concurrency)
        self._booted = 0
        port = urlsplit(config.url).port or (443 if config.url.startswith("wss") else 80)
        self._pids = set(config.pids) or find_listeners(port)
        self._database = database
        self._postmaster = self._find_postmaster()

    async def run(self, stop: asyncio.Event) -> BenchResult:
        """Prepare, measure, finish."""
        unloaded = self._usage()
        watch = asyncio.create_task(self._watch())
        try:
            if not self._scenario.reconnect:
                self._say(f"connecting {len(self._chargers)} charge points …")
                await asyncio.gather(*(self._connect(charger) for charger in self._chargers))
                await self._wait(stop, SETTLE_S)
            self._say(f"measuring for {self._config.duration_s:g} s …")
            result = await self._measure(stop, unloaded)
            await self._finish()
        finally:
            watch.cancel()
        return result

    async def _measure(self, stop: asyncio.Event, unloaded: Usage) -> BenchResult:
        connected = len(self._sockets)
        wal, server, postgres = self._wal(), self._usage(), self._postgres()
        began, cpu = time.monotonic(), time.process_time()
        self._tally.measuring = True
        live = self._storm if self._scenario.reconnect else self._live
        work = [asyncio.create_task(live(charger)) for charger in self._chargers]
        if self._config.duration_s > 0:
            await self._wait(stop, self._config.duration_s)
        for charger in self._chargers:
            charger.running = False
        if self._scenario.reconnect:
            await asyncio.wait(work)  # each boots at least once
        duration_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
        self._tally.measuring = False
        after = self._usage()
        postgres_after, wal_after = self._postgres(), self._wal()
        await asyncio.gather(*work)
        return BenchResult(
            scenario=self._config.scenario,
            chargers=len(self._chargers),
            connected=self._booted if self._scenario.reconnect else connected,
            duration_s=duration_s,
            tally=self._tally,
            unloaded=unloaded,
            server=(server, after),
            postgres=(postgres, postgres_after) if postgres and postgres_after else None,
            client_cpu_s=cpu_s,
            wal_bytes=None if wal is None or wal_after is None else wal_after - wal,
        )

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            pass

    # ---------------------------------------------------------------- one charge point
    async def _connect(self, charger: Charger) -> bool:
        """Open, upgrade and prepare; failures are counted, not raised."""
        config, began = self._config, time.perf_counter()
        try:
            async with self._turn:
                socket = await LoadSocket.open(
                    self._tally,
                    url=config.url,
                    identity=charger.identity,
                    key=charger.key,
                    timeout_s=config.answer_timeout_s,
                )
                self._tally.record("handshake", time.perf_counter() - began)
                self._sockets[charger.identity] = socket
                await socket.play(self._scenario.prepare(charger))
        except Refused as refused:
            self._tally.errors[f"handshake:{refused}"] += 1
        except (OSError, TimeoutError) as error:
            self._tally.errors[f"connect:{type(error).__name__}"] += 1
        except Failed as error:
            self._tally.errors[f"prepare:{error}"] += 1
            self._disconnect(charger)
        else:
            self._booted += 1
            return True
        return False

    def _disconnect(self, charger: Charger) -> None:
        socket = self._sockets.pop(charger.identity, None)
        if socket is not None:
            socket.close()

    async def _storm(self, charger: Charger) -> None:
        while True:
            if not await self._connect(charger) and charger.running:
                await asyncio.sleep(RETRY_S)
            self._disconnect(charger)
            if not charger.running:
                return

    async def _live(self, charger: Charger) -> None:
        """Play the load; after a failure (which has been counted) come back and go on."""
        while True:
            socket = self._sockets.get(charger.identity)
            if socket is not None:
                try:
                    await socket.play(self._scenario.load(charger))
                    return
                except Failed:
                    self._disconnect(charger)
            if not charger.running:
                return
            await asyncio.sleep(RETRY_S)
            await self._connect(charger)

    async def _finish(self) -> None:
        scripts = [
            socket.play(self._scenario.finish(charger))
            for charger in self._chargers
            if (socket := self._sockets.get(charger.identity)) is not None
        ]
        for outcome in await asyncio.gather(*scripts, return_exceptions=True):
            if isinstance(outcome, Failed):
                self._tally.errors["finish"] += 1

    async def _watch(self) -> None:
        """Drop sockets whose answer does not come."""
        while True:
            await asyncio.sleep(1)
            for socket in list(self._sockets.values()):
                if socket.overdue(self._config.answer_timeout_s):
                    socket.fail("timeout")

    # ---------------------------------------------------------------- the server
    def _usage(self) -> Usage:
        return usage(self._pids)

    def _postgres(self) -> Usage | None:
        return None if self._postmaster is None else usage([self._postmaster])

    def _wal(self) -> int | None:
        return None if self._database is None else self._database.wal_bytes()

    def _find_postmaster(self) -> int | None:
        """The postmaster whose cluster is counted. Processes that end meanwhile are in its own figures."""
        if self._config.postgres_pid is not None:
            if not usage([self._config.postgres_pid]).found:
                raise DatabaseUnusable(f"there is no process {self._config.postgres_pid}")
            return self._config.postgres_pid
        if not self._config.postgres:
            return None
        if self._database is None:
            raise DatabaseUnusable("--postgres needs --database-url (or the server's DATABASE_URL)")
        return self._database.postmaster()

    def close(self) -> None:
        """Drop all sockets."""
        for socket in self._sockets.values():
            socket.close()
