"""Redis is away or stands still: messages are acknowledged all the time, commands flow by polling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.faults.charger import Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.services import Redis
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

#: Nobody may wait longer for an answer because of Redis.
LONGEST_SILENCE_S = 2.0


@pytest.mark.parametrize(
    ("away", "back"),
    [
        pytest.param(Redis.stop, Redis.start, id="stopped"),
        pytest.param(Redis.freeze, Redis.thaw, id="frozen"),
    ],
)
def test_redis_away_under_load_delays_no_message_and_loses_no_command(
    site: Site, away: Callable[[Redis], object], back: Callable[[Redis], object]
) -> None:
    fleet = Fleet(site, habits=Habits(beat_s=0.5))
    ordered: dict[str, int] = {}

    async def command_all() -> None:
        """A command to every charger; each arrives, whoever holds the socket."""
        for charger in fleet.chargers[:6]:
            command = await asyncio.to_thread(site.order, charger.identity)
            assert command["status"] == "accepted", command
            ordered[charger.identity] = ordered.get(charger.identity, 0) + 1

    async def scenario() -> tuple[float, float]:
        async with fleet:
            await fleet.advance()
            await command_all()
            began = time.monotonic()
            await asyncio.to_thread(away, site.redis)
            try:
                await command_all()
                await asyncio.sleep(max(0.0, began + FORM.away_s - time.monotonic()))
                await fleet.advance()
            finally:
                await asyncio.to_thread(back, site.redis)
            ended = time.monotonic()
            await command_all()
            await fleet.advance()
        return began, ended

    began, ended = asyncio.run(scenario())
    times = [began, *(at for at, _, _ in fleet.journal.acknowledged_between(began, ended)), ended]
    assert max(later - earlier for earlier, later in pairwise(times)) < LONGEST_SILENCE_S
    assert fleet.journal.closed == {1000: len(fleet.chargers)}
    assert {charger.identity: len(charger.commands) for charger in fleet.chargers[:6]} == ordered
    check(fleet)
