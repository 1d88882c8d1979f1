"""The month of the demo: its sessions and what the meters showed. Pure: the same seed, the same month."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from csms_project.demo import catalog
from ocpp_gateway.simulator.meter import EnergyMeter, PowerCurve

DAYS = 30
SEED = 2026
SAMPLE_S = 900
_STEP_S = 60
#: When sessions begin: share of each hour of the day (UTC).
_HOURS = (1, 1, 1, 1, 1, 2, 5, 9, 10, 8, 6, 6, 7, 6, 5, 6, 8, 10, 9, 6, 4, 3, 2, 1)
_REASONS = {"EVDisconnected": 60, "Local": 30, "Remote": 8, "PowerLoss": 2}


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """What the meter showed at a moment; `soc` only where the vehicle tells."""

    at: datetime
    register_wh: int
    power_w: int
    soc: int | None


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """One session of the month."""

    identity: str
    connector: int
    tag: str
    started_at: datetime
    ended_at: datetime
    meter_start_wh: int
    meter_stop_wh: int
    reason: str
    samples: tuple[PlannedSample, ...]


def plan_month(*, until: datetime, seed: int = SEED, days: int = DAYS) -> list[PlannedSession]:
    """The sessions of the days before `until`, in the order of their starts; none reaches beyond it."""
    start = (until - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    found = [
        session
        for charger in catalog.CHARGERS
        for connector in range(1, catalog.CONNECTORS + 1)
        for session in _plan_connector(charger, connector, start, until, seed)
    ]
    return sorted(found, key=lambda session: (session.started_at, session.identity, session.connector))


def _plan_connector(
    charger: catalog.ChargerSpec, connector: int, start: datetime, until: datetime, seed: int
) -> Iterator[PlannedSession]:
    rng = random.Random(f"{seed}/{charger.identity}/{connector}")
    tags = [tag.value for tag in catalog.TAGS if tag.is_usable]
    meter = EnergyMeter(rng.randrange(200_000, 9_000_000))
    free_from = start
    for begin in _starts(charger, start, until, rng):
        session = _plan_session(charger, connector, rng.choice(tags), begin, meter, rng)
        if begin < free_from or session.ended_at > until:
            meter.register_wh = session.meter_start_wh  # it did not take place
            continue
        free_from = session.ended_at + timedelta(minutes=5)
        yield session


def _starts(
    charger: catalog.ChargerSpec, start: datetime, until: datetime, rng: random.Random
) -> Iterator[datetime]:
    day = start
    while day < until:
        quiet = 0.7 if day.weekday() >= 5 and not charger.is_fast else 1.0
        mean = charger.busy / catalog.CONNECTORS * quiet
        count = int(mean) + (rng.random() < mean % 1)
        moments = [
            day + timedelta(hours=rng.choices(range(24), _HOURS)[0], seconds=rng.randrange(3600))
            for _ in range(count)
        ]
        yield from sorted(moments)
        day += timedelta(days=1)


def _plan_session(
    charger: catalog.ChargerSpec,
    connector: int,
    tag: str,
    begin: datetime,
    meter: EnergyMeter,
    rng: random.Random,
) -> PlannedSession:
    length_s = rng.randrange(12, 40) * 60 if charger.is_fast else rng.randrange(40, 420) * 60
    curve = PowerCurve(
        power_w=int(charger.power_w * rng.uniform(0.45, 0.97)),
        length_s=length_s,
        taper_from=rng.uniform(0.4, 0.8),
        full_after=rng.choice((2.0, 2.0, rng.uniform(0.6, 0.95))),
    )
    soc = rng.randrange(8, 55) if charger.is_fast else None
    meter_start = meter.register_wh
    samples: list[PlannedSample] = []
    interval = 300 if charger.is_fast else SAMPLE_S
    for second in range(0, length_s, _STEP_S):
        if second and second % interval == 0:
            gained = None if soc is None else min(100, soc + (meter.register_wh - meter_start) // 700)
            at = begin + timedelta(seconds=second)
            samples.append(PlannedSample(at, meter.register_wh, curve.power_at(second), gained))
        meter.run(power_w=curve.power_at(second), milliseconds=_STEP_S * 1000)
    return PlannedSession(
        identity=charger.identity,
        connector=connector,
        tag=tag,
        started_at=begin,
        ended_at=begin + timedelta(seconds=length_s),
        meter_start_wh=meter_start,
        meter_stop_wh=meter.register_wh,
        reason=rng.choices(list(_REASONS), list(_REASONS.values()))[0],
        samples=tuple(samples),
    )
