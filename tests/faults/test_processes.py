"""A gateway is killed, ended, frozen: its chargers go on where they were."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.site import Server, Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

FIRST_ACKNOWLEDGEMENT_S = 5
SERVICE_RESTART = 1012
EXIT_S = 30


async def serves_again(fleet: Fleet, since: float) -> float:
    """Wait for the first acknowledgement after a moment; returns the seconds to it."""
    journal = fleet.journal
    await fleet.wait(lambda: journal.first_after(since) < float("inf"), "a message is acknowledged")
    return journal.first_after(since)


def test_gateway_killed_under_load_loses_and_doubles_nothing(site: Site) -> None:
    gateway = site.gateways[0]
    fleet = Fleet(site, urls=[gateway.url])

    async def scenario() -> None:
        async with fleet:
            for _ in range(FORM.rounds):
                await fleet.advance()
                gateway.kill()
                await asyncio.to_thread(gateway.start)
                assert await serves_again(fleet, time.monotonic()) < FIRST_ACKNOWLEDGEMENT_S
            await fleet.advance()

    asyncio.run(scenario())
    assert fleet.journal.closed[1006] >= FORM.rounds * len(fleet.chargers)
    check(fleet)


def test_gateway_terminated_under_load_answers_what_it_stores_and_says_restart(site: Site) -> None:
    gateway = site.gateways[0]
    fleet = Fleet(site, urls=[gateway.url])

    async def scenario() -> None:
        async with fleet:
            for _ in range(FORM.rounds):
                await fleet.advance()
                assert await asyncio.to_thread(gateway.end) < EXIT_S
                await asyncio.to_thread(gateway.start)
                assert await serves_again(fleet, time.monotonic()) < FIRST_ACKNOWLEDGEMENT_S
            await fleet.advance()

    asyncio.run(scenario())
    assert fleet.journal.closed[SERVICE_RESTART] == FORM.rounds * len(fleet.chargers)
    assert fleet.journal.closed[1006] == 0
    check(fleet)


async def frozen(server: Server, seconds: float) -> None:
    """Stop a process for a while."""
    server.freeze()
    await asyncio.sleep(seconds)
    server.thaw()


@pytest.mark.parametrize("seconds", FORM.freeze_s)
def test_gateway_frozen_under_load_goes_on_as_if_nothing_had_been(site: Site, seconds: float) -> None:
    """For less than its lease, and for longer: then its chargers count as offline until it takes them again."""
    gateway = site.gateways[0]
    fleet = Fleet(site, urls=[gateway.url])

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            await frozen(gateway, seconds)
            assert await serves_again(fleet, time.monotonic()) < FIRST_ACKNOWLEDGEMENT_S
            await fleet.advance()
            await fleet.wait_online(fleet.chargers[:3], online=True, timeout_s=FORM.lease_s + 5)

    asyncio.run(scenario())
    check(fleet)


def test_gateway_frozen_for_longer_than_its_lease_gives_its_chargers_to_the_other(site: Site) -> None:
    """Chargers without an answer go to the other gateway; then the frozen one wakes up with their old sockets."""
    frozen_gateway, other = site.gateways
    fleet = Fleet(site, urls=[frozen_gateway.url, other.url])
    for charger in fleet.chargers:
        charger.gateway = 0

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            frozen_gateway.freeze()
            for charger in fleet.chargers:
                charger.leave()
            await fleet.advance(timeout_s=FORM.lease_s + 20)
            frozen_gateway.thaw()
            await fleet.advance()

    asyncio.run(scenario())
    check(fleet)
