"""What happens to a charge point by itself: drivers come and go, the network fails now and then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.meter import Load, PowerCurve
from ocpp_gateway.simulator.outbox import Session
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """How busy a charge point is. Simulated seconds; a rate of 0 means never.

    gap_s          mean time between two arrivals at a charge point
    session_s      shortest and longest session
    offline_rate   offline periods per charger-hour
    """

    gap_s: float = 60.0
    session_s: tuple[float, float] = (60.0, 180.0)
    power_w: int = 11_000
    offline_rate: float = 0.0
    offline_s: tuple[float, float] = (30.0, 120.0)


class TagPool:
    """Id tags, each used by one session at a time (OCPP 1.6 §7.2, ConcurrentTx)."""

    def __init__(self, tags: Sequence[str], rng: random.Random) -> None:
        self._free = list(tags)
        self._taken: set[str] = set()
        self._rng = rng

    def take(self) -> str | None:
        """A free tag, or None when all are in use."""
        if not self._free:
            return None
        index = self._rng.randrange(len(self._free))
        self._free[index], self._free[-1] = self._free[-1], self._free[index]
        tag = self._free.pop()
        self._taken.add(tag)
        return tag

    def give_back(self, tag: str) -> None:
        """Free a tag; one that came from elsewhere is none of ours."""
        if tag in self._taken:
            self._taken.remove(tag)
            self._free.append(tag)


class Autopilot:
    """Drives one charge point until `finish`."""

    def __init__(self, cp: ChargePoint, *, traffic: Traffic, tags: TagPool, rng: random.Random) -> None:
        self.cp = cp
        self._traffic = traffic
        self._tags = tags
        self._rng = rng
        self._ending = False
        self._loops: list[asyncio.Task[None]] = []
        cp.on_started = self._on_started

    def begin(self) -> None:
        """Switch the charge point on."""
        self._loop(self.cp.keep_connected())
        if self._traffic.gap_s > 0:
            self._loop(self._arrivals())
        if self._traffic.offline_rate > 0:
            self._loop(self._outages())

    def _loop(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self.cp.watch)
        self._loops.append(task)

    async def _arrivals(self) -> None:
        while True:
            await self.cp.clock.sleep(self._rng.expovariate(1 / self._traffic.gap_s), name="arrival")
            free = [plug for plug in self.cp.connectors[1:] if plug.is_free]
            if free and self.cp.accepted and not self.cp.rebooting:
                self.cp.spawn(self._visit(self._rng.choice(free)))

    async def _visit(self, plug: Connector) -> None:
        tag = self._tags.take()
        if tag is None:
            return
        plug.claimed = True
        session = None
        try:
            if await self.cp.authorize(tag) != "Accepted":
                self.cp.stats.refused_tags += 1
                return
            await self.cp.set_status(plug.number, "Preparing")
            await self.cp.clock.sleep(self.cp.station.plug_in_s, name="plug_in")
            if not self._ending and not self.cp.rebooting:
                session = await self.cp.start(plug.number, tag, wait=False)
        except (CallFailed, NoAnswer):
            return
        finally:
            plug.claimed = False
            if session is None:
                self._tags.give_back(tag)
                await self.cp.release(plug)

    def _on_started(self, session: Session) -> None:
        plug = self.cp.connectors[session.connector]
        length_s = self._rng.uniform(*self._traffic.session_s)
        curve = PowerCurve(
            power_w=int(self._traffic.power_w * self._rng.uniform(0.6, 1.0)),
            length_s=length_s,
            full_after=0.9 if self._rng.random() < 0.5 else 2.0,
        )
        plug.load = Load(
            curve=curve,
            since=session.started_at,
            soc_start=self._rng.randint(5, 60),
            capacity_wh=self._rng.choice((40_000, 58_000, 77_000)),
            metered_until=session.started_at,
        )
        self.cp.spawn(self._charge(session, curve))

    async def _charge(self, session: Session, curve: PowerCurve) -> None:
        try:
            await self._sample(session, curve)
            if not session.ended.is_set():
                reason = "Local" if self._rng.random() < 0.5 else "EVDisconnected"
                tag = session.id_tag if reason == "Local" else None
                await self.cp.stop(session.connector, reason=reason, id_tag=tag, wait=False)
            await session.settled.wait()
        finally:
            self._tags.give_back(session.id_tag)

    async def _sample(self, session: Session, curve: PowerCurve) -> None:
        """Meter readings at their interval until the driver leaves or somebody stops the session."""
        suspended = False
        while not session.ended.is_set():
            elapsed = (self.cp.clock.now() - session.started_at).total_seconds()
            if elapsed >= curve.length_s:
                return
            if not suspended and elapsed >= curve.full_s:
                suspended = True
                self.cp.draw(self.cp.connectors[session.connector])
                await self.cp.set_status(session.connector, "SuspendedEV")
            interval = self.cp.sample_interval_s or curve.length_s
            step = min(interval, curve.length_s - elapsed)
            if not suspended:
                step = min(step, curve.full_s - elapsed)
            await self.cp.clock.sleep(max(step, 0.05), name="sample")
            if not session.ended.is_set() and step == interval:
                self.cp.queue_meter_values(session.connector)

    async def _outages(self) -> None:
        while True:
            await self.cp.clock.sleep(self._rng.expovariate(self._traffic.offline_rate / 3600), name="outage")
            self.cp.stats.faults["offline_periods"] += 1
            await self.cp.go_offline(cut=self._rng.random() < 0.7)
            await self.cp.clock.sleep(self._rng.uniform(*self._traffic.offline_s), name="outage")
            self.cp.go_online()

    def stop_arrivals(self) -> None:
        """No new drivers and no more outages; the connection is kept."""
        self._ending = True
        for task in self._loops[1:]:
            task.cancel()
        self.cp.go_online()

    async def finish(self) -> None:
        """End the running sessions in good order and wait until all is acknowledged."""
        self.stop_arrivals()
        for plug in self.cp.connectors[1:]:
            await self.cp.stop(plug.number, reason="Local", wait=False)
        self.cp.outbox.wake()
        await self.cp.outbox.drained()
        for plug in self.cp.connectors[1:]:
            if plug.status == "Finishing":
                await self.cp.release(plug)

    async def switch_off(self) -> None:
        """Drop everything."""
        for task in self._loops:
            task.cancel()
        await self.cp.close()
