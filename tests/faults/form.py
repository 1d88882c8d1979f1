"""How long and how large: `FAULTS=long` takes the durations that are promised, everything else a few minutes."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The measures of one run; times in seconds.

    hold_s, lease_s, ping_s, pong_s   settings of the gateways
    chargers, rounds                  of the tests that kill and restart
    restarts                          of each of two gateways in turn
    away_s                            how long database and Redis stay away
    storm, crowd                      chargers that boot at once, that come back within a second
    backlog                           sessions of a charger that was offline
    registered                        chargers that exist
    """

    hold_s: int
    lease_s: int
    ping_s: int
    pong_s: int
    chargers: int
    rounds: int
    restarts: int
    freeze_s: tuple[float, ...]
    away_s: float
    table_lock_s: float
    storm: int
    crowd: int
    backlog: int
    registered: int
    timeout_s: int


SHORT = Form(
    hold_s=3,
    lease_s=4,
    ping_s=2,
    pong_s=2,
    chargers=16,
    rounds=2,
    restarts=1,
    freeze_s=(1.0, 5.5),
    away_s=4.0,
    table_lock_s=2.0,
    storm=300,
    crowd=200,
    backlog=5,
    registered=1500,
    timeout_s=150,
)
LONG = Form(
    hold_s=20,
    lease_s=15,
    ping_s=30,
    pong_s=20,
    chargers=24,
    rounds=5,
    restarts=5,
    freeze_s=(5.0, 20.0),
    away_s=30.0,
    table_lock_s=5.0,
    storm=5000,
    crowd=1000,
    backlog=20,
    registered=9000,
    timeout_s=300,
)

FORM = LONG if os.environ.get("FAULTS", "short") == "long" else SHORT
