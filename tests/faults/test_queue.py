"""Queues of chargers that were offline, delivered back to back, and sessions that follow without a gap."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.charger import Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

AT_ONCE = 0.0


def deliver(site: Site, habits: Habits, *, sessions: int) -> Fleet:
    """Plan sessions while offline, then deliver all."""
    fleet = Fleet(site, habits=habits, endless=False)
    for charger in fleet.chargers:
        charger.plan(sessions)

    async def scenario() -> None:
        async with fleet:
            await fleet.finish(FORM.timeout_s)

    asyncio.run(scenario())
    messages = (habits.samples + 2) * sessions * len(fleet.chargers)
    assert len(fleet.journal.acknowledged) == messages
    assert fleet.journal.closed == {1000: len(fleet.chargers)}
    return fleet


@pytest.mark.parametrize("window", [1, 20], ids=["one by one", "without waiting"])
def test_offline_queue_back_to_back_is_stored_in_order(site: Site, window: int) -> None:
    check(deliver(site, Habits(think_s=AT_ONCE, window=window, samples=10), sessions=FORM.backlog))


@pytest.mark.parametrize("window", [1, 2], ids=["one by one", "without waiting"])
def test_stop_and_start_with_no_gap_are_two_sessions(site: Site, window: int) -> None:
    """The next session begins in the very moment and at the very register at which the one before has ended."""
    check(
        deliver(site, Habits(think_s=AT_ONCE, window=window, samples=0, gapless=True), sessions=FORM.backlog)
    )
