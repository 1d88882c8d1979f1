"""Runs many simulated charge points on one event loop."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ocpp_gateway.simulator.autopilot import Autopilot, TagPool
from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.simulator.config import SimulationConfig
from ocpp_gateway.simulator.faults import RandomFaults
from ocpp_gateway.simulator.journal import Journal
from ocpp_gateway.simulator.register import new_key, register
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.stats import Stats, Summary
from ocpp_gateway.simulator.versions import new_charge_point

PROGRESS_S = 5.0
_MODELS = (("Simulated", "Sim-11"), ("Simulated", "Sim-22"), ("Volta Works", "AC-Duo"), ("Gridline", "GL-50"))


async def run(
    config: SimulationConfig,
    *,
    stop: asyncio.Event | None = None,
    progress: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> Summary:
    """Simulate until the duration is over or `stop` is set, then end all sessions properly.

    progress   called with a line of text every few seconds
    Raises     RegistrationFailed, OSError (journal or keys file)
    """
    stop = stop or asyncio.Event()
    config = await _registered(config)
    fleet = Fleet(config, clock=clock or _clock(config))
    began, cpu = time.monotonic(), time.process_time()
    try:
        await fleet.work(stop, progress)
    finally:
        await fleet.switch_off()
    return Summary(
        stats=fleet.stats,
        chargers=config.chargers,
        duration_s=time.monotonic() - began,
        cpu_s=time.process_time() - cpu,
        undelivered=fleet.undelivered,
        tolerate_outages=config.tolerate_outages,
    )


def _clock(config: SimulationConfig) -> Clock:
    """With a compressed clock the simulated time starts in the past and reaches the present at the end."""
    ahead_s = (config.duration_s or 0.0) * max(config.speed - 1, 0.0)
    return Clock(speed=config.speed, origin=datetime.now(UTC) - timedelta(seconds=ahead_s))


async def _registered(config: SimulationConfig) -> SimulationConfig:
    if config.registration is None:
        return config
    keys = {identity: config.keys.get(identity) or config.key or new_key() for identity in config.identities}
    profile = Station(url=config.url, identity="", key="a key", tls=config.tls).profile
    await asyncio.to_thread(register, config.registration, keys=keys, tags=config.tag_values, profile=profile)
    if config.keys_file is not None and not config.keys_file.exists():
        _write_keys(config.keys_file, keys)
    return replace(config, keys=keys)


def _write_keys(path: Path, keys: dict[str, str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{identity},{key}\n" for identity, key in keys.items())


class Fleet:
    """The charge points of one run."""

    def __init__(self, config: SimulationConfig, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.stats = Stats()
        self._rng = random.Random(config.seed)
        self._journal = Journal(config.journal)
        self._tags = TagPool(config.tag_values, self._rng)
        self._pilots = [
            self._pilot(identity, config.ocpp[position % len(config.ocpp)])
            for position, identity in enumerate(config.identities)
        ]

    def _pilot(self, identity: str, ocpp: str) -> Autopilot:
        config, rng = self._config, random.Random(self._rng.getrandbits(64))
        vendor, model = rng.choice(_MODELS)
        station = Station(
            url=config.url,
            identity=identity,
            key=config.keys.get(identity) or config.key,
            connectors=config.connectors,
            cables=config.cables,
            start_points=config.start_points,
            stop_points=config.stop_points,
            quirks=config.quirks,
            user_agent=config.user_agent,
            vendor=vendor,
            model=model,
            power_w=config.traffic.power_w,
            meter_interval_s=config.meter_interval_s,
            transaction_data=config.transaction_data,
            answer_timeout_s=config.answer_timeout_s,
            plug_in_s=2.0,
            unplug_s=3.0,
            tls=config.tls,
        )
        cp = new_charge_point(
            station,
            ocpp=ocpp,
            clock=self._clock,
            stats=self.stats,
            faults=RandomFaults(
                rng,
                lost_answers=config.lost_answers,
                duplicates=config.duplicates,
                malformed=config.malformed,
                late=config.late,
                gaps=config.gaps,
            ),
            journal=self._journal,
            rng=rng,
            registers_wh=[rng.randrange(5_000_000) for _ in range(config.connectors)],
        )
        return Autopilot(cp, traffic=config.traffic, tags=self._tags, rng=rng)

    @property
    def undelivered(self) -> int:
        """Transaction-related messages that nobody has acknowledged."""
        return sum(len(pilot.cp.outbox) for pilot in self._pilots)

    async def work(self, stop: asyncio.Event, progress: Callable[[str], None] | None) -> None:
        """Connect all, let them live, then end their sessions within the grace period."""
        reporter = asyncio.create_task(self._report(progress)) if progress is not None else None
        starter = asyncio.create_task(self._begin())
        try:
            async with asyncio.timeout(self._config.duration_s):
                await stop.wait()
        except TimeoutError:
            pass
        finally:
            starter.cancel()
            if reporter is not None:
                reporter.cancel()
        await self._finish()

    async def _begin(self) -> None:
        for pilot in self._pilots:
            pilot.begin()
            await self._clock.sleep(1 / self._config.connect_rate, name="connect", real=True)

    async def _report(self, progress: Callable[[str], None]) -> None:
        began = time.monotonic()
        while True:
            await self._clock.sleep(PROGRESS_S, name="progress", real=True)
            progress(self.stats.progress(elapsed_s=time.monotonic() - began, chargers=self._config.chargers))

    async def _finish(self) -> None:
        for pilot in self._pilots:
            pilot.stop_arrivals()
        work = [asyncio.create_task(pilot.finish()) for pilot in self._pilots]
        _, late = await asyncio.wait(work, timeout=self._config.grace_s)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, Exception):
                self.stats.errors["internal"] += 1
        if self.undelivered:
            self.stats.errors["undelivered"] += self.undelivered

    async def switch_off(self) -> None:
        """Close all sockets and the journal."""
        await asyncio.gather(*(pilot.switch_off() for pilot in self._pilots), return_exceptions=True)
        self._journal.close()
