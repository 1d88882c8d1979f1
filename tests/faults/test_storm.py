"""Everybody at once: boots, starts, and reconnects after the line of a whole site was cut."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.charger import Charger, Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.journal import START, STOP
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

STARTS = 100
#: Two seconds are the promise, measured by `manage.py bench boot-storm`; here the client is as busy as the server.
HEARTBEAT_S = 10.0
BEATS = 200
RETRY_S = 1.0
CONNECTORS = (0, 1, 2)
#: Everything is answered within this time; who waits for longer is not counted, he fails.
STORM = Habits(answer_s=60.0)


def test_boot_storm_accepts_every_charger(site: Site) -> None:
    """All connect, boot and send the state of each connector; once they have, heartbeats are answered at once."""
    fleet = Fleet(site, chargers=FORM.storm, habits=STORM)

    async def arrive(charger: Charger) -> asyncio.Task[None]:
        while not await charger.connect():
            await asyncio.sleep(RETRY_S)
        listener = asyncio.create_task(charger.listen())
        assert await charger.boot()
        for connector in CONNECTORS:
            assert await charger.report(connector, "Available") == {}
        return listener

    async def beat(charger: Charger) -> float:
        began = time.monotonic()
        assert await charger.tell("Heartbeat", {}) is not None
        return time.monotonic() - began

    async def scenario() -> None:
        try:
            listeners = await asyncio.gather(*(arrive(charger) for charger in fleet.chargers))
            assert max(await asyncio.gather(*map(beat, fleet.chargers[:BEATS]))) < HEARTBEAT_S
            await asyncio.gather(*(charger.hang_up() for charger in fleet.chargers))
            await asyncio.gather(*listeners)
        finally:
            fleet.drop()

    asyncio.run(scenario())
    # A client that has so many lines to open may be too slow for some of them (0); none is refused.
    assert fleet.journal.handshakes.keys() <= {0, 101}
    assert fleet.journal.handshakes[101] == FORM.storm
    assert fleet.journal.closed == {1000: FORM.storm}
    assert fleet.journal.other_errors == []
    names = [charger.identity for charger in fleet.chargers]
    with site.postgresql.connect("csms") as connection:
        rows = connection.execute(
            "SELECT count(DISTINCT c.id), count(*) FROM chargepoints_chargepoint c"
            " JOIN chargepoints_connector p ON p.charge_point_id = c.id"
            " WHERE c.identity = ANY(%s) AND c.last_boot_at IS NOT NULL AND p.status = 'Available'",
            [names],
        ).fetchall()
    assert rows == [(FORM.storm, 2 * FORM.storm)]


def test_starts_at_the_same_instant_get_a_session_each(site: Site) -> None:
    fleet = Fleet(site, chargers=STARTS, endless=False)
    gate = asyncio.Event()

    async def begin(charger: Charger) -> None:
        [session] = charger.plan()
        charger.take_back()
        await gate.wait()
        assert await charger.deliver_one(session, START)

    async def scenario() -> None:
        async with fleet:
            await fleet.wait(lambda: all(charger.has_booted for charger in fleet.chargers), "all have booted")
            starts = [asyncio.create_task(begin(charger)) for charger in fleet.chargers]
            await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(*starts)

    asyncio.run(scenario())
    ids = [session.transaction_id for session in fleet.journal.sessions]
    assert len(set(ids)) == STARTS
    check(fleet)


def test_crowd_that_was_cut_off_is_back_and_goes_on(site: Site) -> None:
    """In the midst of their sessions all lines break; within a second everybody connects again."""
    fleet = Fleet(site, chargers=FORM.crowd, endless=False, habits=Habits(answer_s=60.0, retry_s=0.5))

    async def scenario() -> None:
        async with fleet:
            for charger in fleet.chargers:
                charger.plan()
            half = FORM.crowd * 2
            await fleet.wait(
                lambda: len(fleet.journal.acknowledged) > half, "the sessions are under way", FORM.timeout_s
            )
            for charger in fleet.chargers:
                charger.drop()
            await fleet.finish(FORM.timeout_s)

    asyncio.run(scenario())
    assert fleet.journal.closed[1006] >= FORM.crowd * 0.9
    assert all(STOP in session.acknowledged for session in fleet.journal.sessions)
    check(fleet)
