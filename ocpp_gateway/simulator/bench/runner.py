"""Runs a load test: connect, prepare, measure for a while, finish."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from urllib.parse import urlsplit

from ocpp_gateway.simulator.bench.catalog import SCENARIOS
from ocpp_gateway.simulator.bench.commander import Commander
from ocpp_gateway.simulator.bench.config import BenchConfig
from ocpp_gateway.simulator.bench.database import Database
from ocpp_gateway.simulator.bench.gauges import Gauges, Reading
from ocpp_gateway.simulator.bench.growth import Sample
from ocpp_gateway.simulator.bench.processes import find_listeners
from ocpp_gateway.simulator.bench.report import BenchResult, Phase
from ocpp_gateway.simulator.bench.scenarios import Charger
from ocpp_gateway.simulator.bench.socket import Failed, LoadSocket, Refused, Script, Tally
from ocpp_gateway.simulator.register import register

SETTLE_S = 1.0
RETRY_S = 1.0
SAMPLES = 240  # of a soak
MIN_SAMPLE_S = 0.25
WARM_UP = 20  # connections before memory is weighed

Say = Callable[[str], None]


async def bench(
    config: BenchConfig, *, stop: asyncio.Event | None = None, progress: Say | None = None
) -> BenchResult:
    """Run a load test until its time is over or `stop` is set. Raises RegistrationFailed, DatabaseUnusable."""
    chargers = config.make_chargers()
    if config.registration is not None:
        keys = {charger.identity: charger.key for charger in chargers}
        tags = sorted({charger.tag.decode() for charger in chargers})
        await asyncio.to_thread(register, config.registration, keys=keys, tags=tags)
    commander = await _commander(config, chargers)
    database = await asyncio.to_thread(Database, config.database) if config.database else None
    try:
        gauges = Gauges(
            set(config.pids) or _listeners(config.urls),
            database=database,
            count_postgres=config.postgres,
            postmaster=config.postgres_pid,
        )
        test = LoadTest(config, chargers, gauges, commander, progress or (lambda line: None))
        try:
            return await test.run(stop or asyncio.Event())
        finally:
            test.close()
    finally:
        if database is not None:
            database.close()


async def _commander(config: BenchConfig, chargers: list[Charger]) -> Commander | None:
    if config.registration is None or not config.commands:
        return None
    identities = [charger.identity for charger in chargers]
    return await asyncio.to_thread(Commander, config.registration, identities, config.commands)


def _listeners(urls: Iterable[str]) -> set[int]:
    found: set[int] = set()
    for url in urls:
        found |= find_listeners(urlsplit(url).port or (443 if url.startswith("wss") else 80))
    return found


class LoadTest:
    """The state of one load test."""

    def __init__(
        self,
        config: BenchConfig,
        chargers: list[Charger],
        gauges: Gauges,
        commander: Commander | None,
        say: Say,
    ) -> None:
        self._config = config
        self._scenario = SCENARIOS[config.scenario]
        self._chargers = chargers
        self._steady = [charger for charger in chargers if not charger.scenario.reconnect]
        self._storming = [charger for charger in chargers if charger.scenario.reconnect]
        self._gauges = gauges
        self._commander = commander
        self._say = say
        self._tally = Tally()
        self._sockets: dict[str, LoadSocket] = {}
        self._turn = asyncio.Semaphore(config.concurrency)
        self._booted = 0
        self._samples: list[Sample] = []
        self._phases: dict[str, Phase] = {}

    async def run(self, stop: asyncio.Event) -> BenchResult:
        """Prepare, measure, finish."""
        watch = asyncio.create_task(self._watch())
        try:
            if self._scenario.weighs:
                await self._warm_up(stop)
            unloaded = self._gauges.server()
            if self._steady:
                self._say(f"connecting {len(self._steady)} charge points …")
                await asyncio.gather(*(self._connect(charger) for charger in self._steady))
                await self._wait(stop, SETTLE_S)
            connected, self._booted = len(self._sockets), 0
            self._say(f"measuring for {self._config.duration_s:g} s …")
            before, after = await self._measure(stop)
            await self._finish()
        finally:
            watch.cancel()
        return BenchResult(
            scenario=self._config.scenario,
            chargers=len(self._storming or self._steady),
            connected=self._booted if self._storming else connected,
            tally=self._tally,
            unloaded=unloaded,
            before=before,
            after=after,
            samples=tuple(self._samples),
            phases=self._phases,
            commands=self._commander.outcomes if self._commander is not None else None,
            sessions={charger.identity: charger.sessions for charger in self._chargers},
        )

    async def _measure(self, stop: asyncio.Event) -> tuple[Reading, Reading]:
        before = self._gauges.read()
        self._tally.measuring = True
        work = [asyncio.create_task(act) for act in self._work()]
        storm = [asyncio.create_task(self._storm(charger)) for charger in self._storming]
        helpers = self._start_helpers()
        if self._config.duration_s > 0:
            await self._wait(stop, self._config.duration_s)
        self._end(self._storming)
        if storm:
            await asyncio.wait(storm)  # each boots at least once
        self._tally.measuring = False
        after = self._gauges.read()
        self._end(self._steady)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*work, *storm)
        await asyncio.gather(*helpers, return_exceptions=True)
        return before, after

    def _work(self) -> list[Coroutine[None, None, None]]:
        if self._scenario.phases:
            return [self._in_phases()]
        return [self._live(charger) for charger in self._steady]

    async def _in_phases(self) -> None:
        """All do the one thing, then all the other; what each costs is read off in between."""
        while any(charger.running for charger in self._steady):
            for name, act in self._scenario.phases:
                before, answered = self._gauges.exact_cpu_s(), self._tally.answered[name]
                await asyncio.gather(*(self._once(charger, act) for charger in self._steady))
                server, postgres = self._gauges.exact_cpu_s()
                if self._tally.measuring:
                    phase = self._phases.setdefault(name, Phase())
                    phase.messages += self._tally.answered[name] - answered
                    phase.server_cpu_s += server - before[0]
                    phase.postgres_cpu_s += postgres - before[1]

    async def _once(self, charger: Charger, act: Callable[[Charger], Script]) -> None:
        """Play one act; a socket that is lost (which has been counted) comes back for the next."""
        socket = self._sockets.get(charger.identity)
        if socket is None:
            await self._connect(charger)
            return
        try:
            await socket.play(act(charger), charger.pace)
        except Failed:
            self._disconnect(charger)

    def _end(self, chargers: Iterable[Charger]) -> None:
        for charger in chargers:
            charger.running = False
            if charger.identity in self._sockets:
                self._sockets[charger.identity].hurry()

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()

    # ---------------------------------------------------------------- beside the load
    def _start_helpers(self) -> list[asyncio.Task[None]]:
        helpers = [self._commander.run()] if self._commander is not None else []
        if self._scenario.soaks:
            helpers.append(self._sample())
        return [asyncio.create_task(helper) for helper in helpers]

    async def _sample(self) -> None:
        """Weigh the server again and again."""
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(max(MIN_SAMPLE_S, self._config.duration_s / SAMPLES))
            self._samples.append(
                Sample(
                    at_s=asyncio.get_running_loop().time() - began,
                    rss_bytes=self._gauges.server().rss_bytes,
                    files=self._gauges.server_files() - self._tally.open,
                )
            )

    async def _warm_up(self, stop: asyncio.Event) -> None:
        """Let the server load and allocate what it needs once, so that no connection is charged with it."""
        first = self._chargers[:WARM_UP]
        await asyncio.gather(*(self._connect(charger) for charger in first))
        for charger in first:
            self._disconnect(charger)
        await self._wait(stop, SETTLE_S)

    async def _watch(self) -> None:
        """Drop sockets whose answer does not come."""
        while True:
            await asyncio.sleep(1)
            for socket in list(self._sockets.values()):
                if socket.overdue(self._config.answer_timeout_s):
                    socket.fail("timeout")

    # ---------------------------------------------------------------- one charge point
    async def _connect(self, charger: Charger) -> bool:
        """Open, upgrade and prepare; failures are counted, not raised."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            is_load = charger.scenario.reconnect
            async with contextlib.nullcontext() if is_load else self._turn:
                socket = await self._open(charger)
                self._tally.record("handshake", loop.time() - began)
                self._sockets[charger.identity] = socket
                await socket.play(charger.scenario.prepare(charger), charger.pace if is_load else None)
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

    async def _open(self, charger: Charger) -> LoadSocket:
        return await LoadSocket.open(
            self._tally,
            url=charger.url,
            identity=charger.identity,
            key=charger.key,
            timeout_s=self._config.answer_timeout_s,
            deflate=self._config.deflate,
            protocol=charger.scenario.protocol,
        )

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
                    await socket.play(charger.scenario.load(charger), charger.pace)
                    return
                except Failed:
                    self._disconnect(charger)
            if not charger.running:
                return
            await asyncio.sleep(RETRY_S)
            await self._connect(charger)

    async def _finish(self) -> None:
        scripts = [
            socket.play(charger.scenario.finish(charger))
            for charger in self._chargers
            if (socket := self._sockets.get(charger.identity)) is not None
        ]
        for outcome in await asyncio.gather(*scripts, return_exceptions=True):
            if isinstance(outcome, Failed):
                self._tally.errors["finish"] += 1

    def close(self) -> None:
        """Drop all sockets."""
        for socket in self._sockets.values():
            socket.close()
