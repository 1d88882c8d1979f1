"""Answers are lost, lines die without a word, messages come twice and in the wrong order."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.charger import Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.proxy import Proxy
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

#: Half-open lines are found within two intervals of the server's pings, then the books say so.
HALF_OPEN_S = 2 * FORM.ping_s + FORM.pong_s + 10


def run(fleet: Fleet, sessions: int) -> None:
    """Let every charger end so many sessions."""

    async def scenario() -> None:
        async with fleet:
            await fleet.advance(sessions, timeout_s=60)

    asyncio.run(scenario())


def test_lost_answers_and_broken_lines_lose_and_double_nothing(site: Site) -> None:
    """A third of all messages meets a mishap, on two gateways."""
    habits = Habits(lose=0.12, cut=0.12, double=0.12, hop=True)
    fleet = Fleet(site, habits=habits)
    run(fleet, FORM.rounds)
    assert fleet.journal.closed[1006] > 0
    check(fleet)


def test_doubled_and_reordered_messages_count_once(site: Site) -> None:
    """Samples come in any order, some after the stop, several at once, and every third message twice."""
    fleet = Fleet(site, habits=Habits(double=0.35, shuffle=True, window=4, samples=8))
    run(fleet, FORM.rounds)
    check(fleet)


class Swallowed:
    """A fleet whose lines die in one direction or in both, while nobody is told; some never come back."""

    def __init__(self, site: Site, *, up: bool, down: bool) -> None:
        self._up, self._down = up, down
        self.proxy = Proxy(site.gateways[0].port)
        urls = [f"ws://127.0.0.1:{self.proxy.port}/ocpp"]
        self.fleet = Fleet(site, chargers=9, habits=Habits(answer_s=1.5, leave_after=2), urls=urls)
        self.silent = self.fleet.chargers[:3]

    async def play(self) -> None:
        """Until every charger has ended a session over a new line."""
        fleet = self.fleet
        async with self.proxy, fleet:
            await fleet.advance()
            for charger in self.silent:
                charger.is_wanted = False
            self.proxy.swallow(up=self._up, down=self._down)
            await fleet.wait_online(self.silent, online=False, timeout_s=HALF_OPEN_S)
            for charger in self.silent:
                charger.is_wanted = True
            await fleet.advance()


def test_half_open_lines_are_left_by_chargers_and_found_by_the_gateway(site: Site) -> None:
    swallowed = [
        Swallowed(site, up=up, down=down) for up, down in ((True, True), (True, False), (False, True))
    ]

    async def scenario() -> None:
        await asyncio.gather(*(item.play() for item in swallowed))

    asyncio.run(scenario())
    for item in swallowed:
        check(item.fleet)
