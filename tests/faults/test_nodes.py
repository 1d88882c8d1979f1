"""Two gateways: chargers change from one to the other, with and without a word, and one of the two dies."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.charger import Charger, Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.journal import STOP
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

REPLACED = 4000
#: A gateway looks every three seconds for chargers that have gone to another one.
NOTICED_S = 8
AT_ONCE_S = 5
OFFLINE_AFTER_LEASE_S = 10


def test_chargers_hopping_between_gateways_are_served_wherever_they_are(site: Site) -> None:
    """The line breaks every second, and the next socket is opened at any gateway."""
    fleet = Fleet(site, habits=Habits(hop=True, stay_s=1.0))
    ended: list[str] = []

    async def command_them(until: float) -> None:
        number = 0
        while time.monotonic() < until:
            charger = fleet.chargers[number % len(fleet.chargers)]
            command = await asyncio.to_thread(site.order, charger.identity, expires_in=60)
            ended.append(command["status"])
            assert command["status"] in ("accepted", "failed"), command
            number += 1

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            await command_them(time.monotonic() + FORM.away_s)
            await fleet.advance(2)

    asyncio.run(scenario())
    # A command fails, visibly, when the line breaks between it and its answer; most get through.
    assert ended.count("accepted") > len(ended) / 2, ended
    assert {gateway for _, _, gateway in fleet.journal.connected} == {0, 1}
    check(fleet)


def test_both_sockets_alive_the_newest_one_speaks_for_the_charger(site: Site) -> None:
    """Each charger has a second socket at the other gateway and sends everything over both.

    Without Redis the first gateway learns of it only by looking.
    """
    fleet = Fleet(site, chargers=6, endless=False)
    older = fleet.chargers
    newer = fleet.doubles(gateway=1)
    for charger in older:
        charger.gateway = 0

    twice: list[bool] = []

    async def twin(first: Charger, second: Charger) -> None:
        """Send one session over both sockets at once, message by message."""
        [session] = first.plan()
        first.take_back()
        for message in (0, *range(1, len(session.samples) + 1), STOP):
            both = (first.deliver_one(session, message), second.deliver_one(session, message))
            delivered = await asyncio.gather(*both)
            assert delivered[1]
            twice.append(delivered[0])

    async def scenario() -> None:
        async with fleet:
            await fleet.wait(lambda: all(charger.has_booted for charger in older), "all have booted")
            for charger in older:
                charger.is_wanted = False  # it does not come back once its socket has ended
            await asyncio.to_thread(site.redis.stop)
            listeners = []
            for pair in zip(older, newer, strict=True):
                assert await pair[1].connect()
                listeners.append(asyncio.create_task(pair[1].listen()))
                await twin(*pair)
            await fleet.wait(
                lambda: fleet.journal.closed[REPLACED] == len(older), "older ones end", NOTICED_S
            )
            # The late end of the older socket neither takes the charger offline nor its commands away.
            for charger in newer:
                assert await asyncio.to_thread(site.is_online, charger.identity)
                command = await asyncio.to_thread(site.order, charger.identity)
                assert command["status"] == "accepted", command
            assert [len(charger.commands) for charger in newer] == [1] * len(newer)
            for charger in newer:
                await charger.hang_up()
            await asyncio.gather(*listeners)

    asyncio.run(scenario())
    assert twice.count(True) >= len(older), "both sockets were alive for a while"
    check(fleet)


def test_killed_gateway_leaves_chargers_offline_and_free_for_the_other(site: Site) -> None:
    """Those that come back are served by the other gateway at once, those that do not are offline soon."""
    dead, other = site.gateways
    fleet = Fleet(site, urls=[dead.url, other.url])
    for charger in fleet.chargers:
        charger.gateway = 0
    staying_away, coming_back = fleet.chargers[:3], fleet.chargers[3:]

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            for charger in staying_away:
                charger.is_wanted = False
            dead.kill()
            died = time.monotonic()
            goals = {charger.identity for charger in coming_back}
            await fleet.wait(
                lambda: goals <= {name for at, name, _ in fleet.journal.acknowledged if at > died + 0.5},
                "the other gateway serves all that have come back",
            )
            await fleet.wait_online(coming_back, online=True, timeout_s=AT_ONCE_S)
            left = died + FORM.lease_s + OFFLINE_AFTER_LEASE_S - time.monotonic()
            await fleet.wait_online(staying_away, online=False, timeout_s=left)
            for charger in staying_away:
                charger.is_wanted = True
            await fleet.advance()

    asyncio.run(scenario())
    check(fleet)
