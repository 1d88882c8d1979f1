"""What a load test is asked to do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from ocpp_gateway.simulator.bench.catalog import SCENARIOS
from ocpp_gateway.simulator.bench.messages import MAX_SAMPLES
from ocpp_gateway.simulator.bench.pace import Pace
from ocpp_gateway.simulator.bench.scenarios import HEARTBEATS, REPORTING_STORM, Charger, Scenario
from ocpp_gateway.simulator.register import Registration, new_key


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """One load test. Times in seconds.

    urls          of all servers; the charge points are dealt out among them
    keys          authorization key by identity; its identities are the charge points when given
    concurrency   handshakes at once, except in a boot storm, where all come at once
    rate          messages per second of all charge points together at most; 0: as fast as answers come
    samples       in a reading
    connectors    of a charge point
    statuses      in a boot storm, report the states of all connectors as well
    bystanders    in a boot storm, further charge points that have been connected before and send one heartbeat a second
    deflate       offer permessage-deflate
    commands      in a soak, commands per second through the REST API of `registration`
    pids          processes of the servers; without any those that listen on the URLs' ports
    database      URL or conninfo of the servers' PostgreSQL: its WAL is measured
    postgres      count the CPU of that database's cluster, or of the one whose postmaster is postgres_pid
    """

    scenario: str
    urls: tuple[str, ...]
    chargers: int = 100
    duration_s: float = 10.0
    prefix: str = "BENCH"
    key: str = field(default="", repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = ()
    concurrency: int = 50
    answer_timeout_s: float = 30.0
    rate: float = 0.0
    samples: int = MAX_SAMPLES
    connectors: int = 1
    statuses: bool = False
    bystanders: int = 0
    deflate: bool = False
    commands: float = 0.0
    pids: tuple[int, ...] = ()
    database: str = field(default="", repr=False)
    postgres: bool = False
    postgres_pid: int | None = None
    registration: Registration | None = None

    def make_chargers(self) -> list[Charger]:
        """The charge points, each with a tag of its own as far as there are enough; the bystanders come last."""
        names = self._names()
        tags = self.tags or tuple(f"{self.prefix[:10]}TAG{n:05d}" for n in range(1, len(names) + 1))
        pace = Pace(self.rate, time.monotonic) if self.rate else None
        made = [
            Charger(
                identity=name,
                tag=tags[number % len(tags)].encode(),
                url=self.urls[number % len(self.urls)],
                key=self.keys.get(name) or self.key or (new_key() if self.registration else ""),
                scenario=self._scenario(),
                samples=self.samples,
                connectors=self.connectors,
                pace=pace,
            )
            for number, name in enumerate(names)
        ]
        at = len(made) - self.bystanders
        return [*made[:at], *self._bystanders(made[at:])]

    def _names(self) -> list[str]:
        count = self.chargers + self.bystanders
        return list(self.keys)[:count] or [f"{self.prefix}{n:05d}" for n in range(1, count + 1)]

    def _scenario(self) -> Scenario:
        return REPORTING_STORM if self.statuses else SCENARIOS[self.scenario]

    def _bystanders(self, chargers: list[Charger]) -> list[Charger]:
        pace = Pace(self.bystanders, time.monotonic) if self.bystanders else None
        return [replace(charger, scenario=HEARTBEATS, pace=pace) for charger in chargers]
