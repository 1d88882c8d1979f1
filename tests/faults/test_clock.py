"""The clock of a gateway's machine jumps by an hour, forwards and backwards: sessions, sockets and commands stay."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ocpp_gateway.wire.timestamps import parse_timestamp
from tests.faults.charger import Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.site import Server, Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

HOUR = timedelta(hours=1)
NEAR = timedelta(seconds=10)


class WrongClock:
    """A gateway whose wall clock can be set."""

    def __init__(self, site: Site) -> None:
        self._file = site.directory / "clock"
        self._replaced = site.directory / "clock.new"
        self.set(timedelta())
        here = Path(__file__).parent / "clock"
        self.gateway: Server = site.make_server(
            "gateway", "gateway-clock", PYTHONPATH=str(here), FAULTS_CLOCK=str(self._file)
        )

    def set(self, offset: timedelta) -> None:
        """Let the clock be wrong by this much from now on."""
        self._replaced.write_text(str(offset.total_seconds()))
        self._replaced.replace(self._file)


def test_clock_jumps_under_load_change_nothing_but_the_time(site: Site) -> None:
    clock = WrongClock(site)
    clock.gateway.start()
    fleet = Fleet(site, habits=Habits(beat_s=0.5), urls=[clock.gateway.url])
    first = fleet.chargers[0]

    async def jump(offset: timedelta) -> None:
        clock.set(offset)
        await fleet.advance(2)
        answer = await first.tell("Heartbeat", {})
        assert answer is not None
        said = parse_timestamp(answer["currentTime"])
        assert said is not None
        assert abs(said - datetime.now(UTC) - offset) < NEAR
        # Longer than a lease: it is renewed by the clock that does not jump, and judged by the database's.
        await asyncio.sleep(FORM.lease_s + 2)
        assert await asyncio.to_thread(site.is_online, first.identity)
        command = await asyncio.to_thread(site.order, first.identity)
        assert command["status"] == "accepted", command

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            for offset in (HOUR, -HOUR):
                await jump(offset)

    asyncio.run(scenario())
    assert fleet.journal.closed == {1000: len(fleet.chargers)}
    check(fleet)
