"""The database goes away, comes back read-only, is full, locked or slow: held, never acknowledged, never refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from tests.faults.charger import Habits
from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

BACK_S = 5
TRY_AGAIN_LATER = 1013
#: Answers to what was stored before may still be on their way when the database has gone.
ON_THE_WAY_S = 1.0
PATIENT = Habits(answer_s=FORM.hold_s * 3)

Act = Callable[[], Awaitable[Any]]


async def away_and_back(fleet: Fleet, *, away: Act, back: Act, away_s: float = FORM.away_s) -> None:
    """Take the database away under load; nothing may be acknowledged until it is back, then it must go on soon."""
    await fleet.advance()
    await away()
    gone = time.monotonic()
    await asyncio.sleep(away_s)
    assert fleet.journal.acknowledged_between(gone + ON_THE_WAY_S, time.monotonic()) == []
    await back()
    returned = time.monotonic()
    await fleet.wait(lambda: fleet.journal.first_after(returned) < BACK_S, "it serves again", BACK_S)
    await fleet.advance()


def held_then_refused(fleet: Fleet) -> None:
    """Sockets with messages in hand were closed, new ones refused while it lasted; no message was refused."""
    journal = fleet.journal
    assert journal.closed[TRY_AGAIN_LATER] >= len(fleet.chargers) // 2, fleet.tell()
    assert journal.handshakes[503] > 0, fleet.tell()
    check(fleet)


def test_database_stopped_immediately_under_load_holds_closes_and_recovers(site: Site) -> None:
    fleet = Fleet(site, habits=PATIENT)

    async def scenario() -> None:
        async with fleet:
            await away_and_back(
                fleet,
                away=lambda: asyncio.to_thread(site.postgresql.stop),
                back=lambda: asyncio.to_thread(site.postgresql.start),
                away_s=max(FORM.away_s, FORM.hold_s + 3),
            )

    asyncio.run(scenario())
    held_then_refused(fleet)


def test_database_away_for_a_moment_only_delays_the_answers(site: Site) -> None:
    fleet = Fleet(site, habits=PATIENT)

    async def scenario() -> None:
        async with fleet:
            for _ in range(FORM.rounds):
                await away_and_back(
                    fleet,
                    away=lambda: asyncio.to_thread(site.postgresql.stop),
                    back=lambda: asyncio.to_thread(site.postgresql.start),
                    away_s=FORM.hold_s / 4,
                )

    asyncio.run(scenario())
    assert fleet.journal.closed[TRY_AGAIN_LATER] == 0, fleet.tell()
    assert fleet.journal.closed[1006] == 0, fleet.tell()
    check(fleet)


def test_database_back_read_only_first_counts_as_away(site: Site) -> None:
    """As after a failover: connections reach a server that cannot write yet."""
    fleet = Fleet(site, habits=PATIENT)
    execute = site.postgresql.execute

    async def fail_over() -> None:
        await asyncio.to_thread(execute, "ALTER SYSTEM SET default_transaction_read_only = on")
        await asyncio.to_thread(site.postgresql.stop)
        await asyncio.to_thread(site.postgresql.start)

    async def promote() -> None:
        await asyncio.to_thread(execute, "ALTER SYSTEM RESET default_transaction_read_only")
        await asyncio.to_thread(execute, "SELECT pg_reload_conf()")

    async def scenario() -> None:
        async with fleet:
            await away_and_back(fleet, away=fail_over, back=promote, away_s=FORM.hold_s + 3)

    try:
        asyncio.run(scenario())
    finally:
        asyncio.run(promote())
    held_then_refused(fleet)


def test_database_out_of_connections_counts_as_away(site: Site) -> None:
    """Another client has taken every connection, and ours were cut."""
    fleet = Fleet(site, habits=PATIENT)
    taken: list[psycopg.Connection] = []

    def take_all() -> None:
        admin = site.postgresql.connect()
        taken.append(admin)
        try:
            while True:
                taken.append(site.postgresql.connect())
        except psycopg.OperationalError:
            pass
        # Whoever loses its connection now finds none, unless it is quicker than we are.
        for _ in range(20):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'csms' AND backend_type = 'client backend'"
            )
            try:
                while True:
                    taken.append(site.postgresql.connect())
            except psycopg.OperationalError:
                pass

    def give_back() -> None:
        while taken:
            taken.pop().close()

    async def scenario() -> None:
        async with fleet:
            await away_and_back(
                fleet,
                away=lambda: asyncio.to_thread(take_all),
                back=lambda: asyncio.to_thread(give_back),
                away_s=FORM.hold_s + 3,
            )

    try:
        asyncio.run(scenario())
    finally:
        give_back()
    held_then_refused(fleet)


def test_table_locked_by_another_client_delays_the_answers(site: Site) -> None:
    fleet = Fleet(site, habits=PATIENT)
    holder = site.postgresql.connect("csms")

    async def lock() -> None:
        await asyncio.to_thread(holder.execute, "BEGIN")
        await asyncio.to_thread(
            holder.execute, "LOCK TABLE transactions_transaction IN ACCESS EXCLUSIVE MODE"
        )

    async def scenario() -> None:
        async with fleet:
            await away_and_back(
                fleet,
                away=lock,
                back=lambda: asyncio.to_thread(holder.execute, "COMMIT"),
                away_s=FORM.table_lock_s,
            )

    with holder:
        asyncio.run(scenario())
    assert fleet.journal.closed[TRY_AGAIN_LATER] == 0, fleet.tell()
    check(fleet)


def test_deadlocks_with_another_client_fail_no_message(site: Site) -> None:
    """It locks sessions before their chargers, against our order, all the time."""
    fleet = Fleet(site, habits=PATIENT)
    names = [charger.identity for charger in fleet.chargers]
    met = 0

    def quarrel() -> int:
        """One round; returns 1 when PostgreSQL ended it as a deadlock."""
        with site.postgresql.connect("csms") as client:
            try:
                with client.transaction():
                    client.execute("SET LOCAL deadlock_timeout = '20ms'")
                    client.execute(
                        "SELECT t.id FROM transactions_transaction t JOIN chargepoints_chargepoint c"
                        " ON c.id = t.charge_point_id WHERE c.identity = ANY(%s) AND t.state = 'active'"
                        " FOR UPDATE OF t",
                        [names],
                    )
                    client.execute("SELECT pg_sleep(0.1)")
                    client.execute(
                        "SELECT id FROM chargepoints_chargepoint WHERE identity = ANY(%s)"
                        " ORDER BY id DESC FOR UPDATE",
                        [names],
                    )
            except psycopg.errors.DeadlockDetected:
                return 1
        return 0

    async def scenario() -> None:
        nonlocal met
        async with fleet:
            await fleet.advance()
            until = time.monotonic() + FORM.table_lock_s * 2
            while time.monotonic() < until:
                met += await asyncio.to_thread(quarrel)
            await fleet.advance()

    asyncio.run(scenario())
    assert met + site.postgresql.log.count("deadlock detected") > 0
    check(fleet)
