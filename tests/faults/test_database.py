"""The database goes away, comes back read-only, is full, locked or slow: held, never acknowledged, never refused."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from tests.faults.charger import Habits
from tests.faults.checker import check
from tests.faults.disk import Disk, small_disk
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.proxy import LosesCommits, Proxy
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

BACK_S = 5
EXIT_S = 30
TRY_AGAIN_LATER = 1013
#: Answers to what was stored before may still be on their way when the database has gone.
ON_THE_WAY_S = 1.0
LONG_HOLD_S = 60
DEADLOCKS = 3
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


def test_database_away_for_less_than_works_are_held_only_delays_the_answers(site: Site) -> None:
    gateway = site.make_server("gateway", "gateway-patient", OCPP_WRITER_HOLD_S=str(LONG_HOLD_S))
    gateway.start()
    fleet = Fleet(site, habits=Habits(answer_s=LONG_HOLD_S), urls=[gateway.url])

    async def scenario() -> None:
        async with fleet:
            for _ in range(FORM.rounds):
                await away_and_back(
                    fleet,
                    away=lambda: asyncio.to_thread(site.postgresql.stop),
                    back=lambda: asyncio.to_thread(site.postgresql.start),
                    away_s=1,
                )

    asyncio.run(scenario())
    assert fleet.journal.closed == {1000: len(fleet.chargers)}, fleet.tell()
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
        """One round; returns how many deadlocks PostgreSQL has ended meanwhile, on our side or on the gateways'."""
        before = site.postgresql.log.count("deadlock detected")
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
                    client.execute("SELECT pg_sleep(0.05)")
                    client.execute(
                        "SELECT id FROM chargepoints_chargepoint WHERE identity = ANY(%s)"
                        " ORDER BY id DESC FOR UPDATE",
                        [names],
                    )
            except psycopg.errors.DeadlockDetected:
                pass
        return site.postgresql.log.count("deadlock detected") - before

    async def scenario() -> None:
        nonlocal met
        async with fleet:
            await fleet.advance()
            until = time.monotonic() + FORM.timeout_s / 2
            while met < DEADLOCKS and time.monotonic() < until:
                met += await asyncio.to_thread(quarrel)
            await fleet.advance()

    asyncio.run(scenario())
    assert met >= DEADLOCKS
    check(fleet)


def test_commit_whose_outcome_is_unknown_takes_place_once(site: Site) -> None:
    """The connection breaks during COMMIT, before or after the server has done it: the receipt tells."""
    proxy = Proxy(site.postgresql.port)
    gateway = site.make_server("gateway", "gateway-commit", database_url=site.postgresql.url(port=proxy.port))
    fleet = Fleet(site, habits=PATIENT, urls=[gateway.url])

    async def scenario() -> LosesCommits:
        async with proxy:
            await asyncio.to_thread(gateway.start)
            async with fleet:
                await fleet.advance()
                commits = LosesCommits(proxy, every=7)
                await fleet.wait(lambda: commits.lost + commits.done >= 8, "enough commits are lost", 60)
                await fleet.advance()
            await asyncio.to_thread(gateway.end)
        return commits

    commits = asyncio.run(scenario())
    assert min(commits.lost, commits.done) >= 3
    assert fleet.journal.closed == {1000: len(fleet.chargers)}
    check(fleet)
    with site.postgresql.connect("csms") as connection:
        doubled = connection.execute(
            "SELECT c.identity, m.message_id, count(*) FROM chargepoints_ocppmessage m"
            " JOIN chargepoints_chargepoint c ON c.id = m.charge_point_id"
            " WHERE c.identity = ANY(%s) GROUP BY 1, 2 HAVING count(*) > 1",
            [[charger.identity for charger in fleet.chargers]],
        ).fetchall()
    assert doubled == [], "no charger has sent a message twice"


def freeze(site: Site) -> list[int]:
    """Stop PostgreSQL's processes where they are; returns which."""
    rows = site.postgresql.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    frozen = [int(pid) for (pid,) in rows] + [site.postgresql.process.pid]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    return frozen


def thaw(frozen: list[int]) -> None:
    """Let them go on."""
    for pid in reversed(frozen):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_database_frozen_as_a_whole_counts_as_away(site: Site) -> None:
    """Nothing fails: connections stay, and new ones are taken by the system, but nobody ever answers."""
    fleet = Fleet(site, habits=PATIENT)
    frozen: list[int] = []

    async def stand_still() -> None:
        frozen.extend(await asyncio.to_thread(freeze, site))

    async def go_on() -> None:
        thaw(frozen)

    async def scenario() -> None:
        async with fleet:
            await away_and_back(fleet, away=stand_still, back=go_on, away_s=FORM.hold_s + 5)

    try:
        asyncio.run(scenario())
    finally:
        thaw(frozen)
    held_then_refused(fleet)


def test_gateway_terminated_while_the_database_hangs_ends_in_time(site: Site) -> None:
    gateway = site.make_server("gateway", "gateway-hung")
    gateway.start()
    fleet = Fleet(site, habits=PATIENT, urls=[gateway.url, site.gateways[0].url])
    for charger in fleet.chargers:
        charger.gateway = 0
    frozen: list[int] = []

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            frozen.extend(await asyncio.to_thread(freeze, site))
            await asyncio.sleep(ON_THE_WAY_S)
            assert await asyncio.to_thread(gateway.end) < EXIT_S
            thaw(frozen)
            await fleet.advance()

    try:
        asyncio.run(scenario())
    finally:
        thaw(frozen)
    check(fleet)


def test_connection_that_swallows_everything_is_given_up_for_a_new_one(site: Site) -> None:
    """A half-open line to the database: what is sent seems to arrive, and nothing ever comes back."""
    proxy = Proxy(site.postgresql.port)
    gateway = site.make_server("gateway", "gateway-half", database_url=site.postgresql.url(port=proxy.port))
    fleet = Fleet(site, habits=PATIENT, urls=[gateway.url])

    async def scenario() -> None:
        async with proxy:
            await asyncio.to_thread(gateway.start)
            async with fleet:
                await fleet.advance()
                proxy.swallow()
                since = time.monotonic() + ON_THE_WAY_S
                await fleet.wait(
                    lambda: fleet.journal.first_after(since) < float("inf"),
                    "messages are acknowledged over a new connection",
                    FORM.hold_s + 10,
                )
                await fleet.advance()
            await asyncio.to_thread(gateway.end)

    asyncio.run(scenario())
    assert "writer.connection_cut" in gateway.log
    check(fleet)


def test_disk_full_counts_as_away(site: Site) -> None:
    fleet = Fleet(site, habits=PATIENT)

    async def scenario(disk: Disk) -> None:
        async def fill() -> None:
            before = site.gateways_say("writer.storage_away")
            await asyncio.to_thread(disk.fill)
            # What still fits on the last page is stored, and may be acknowledged.
            await fleet.wait(
                lambda: all(
                    now > then
                    for now, then in zip(site.gateways_say("writer.storage_away"), before, strict=True)
                ),
                "both gateways have noticed",
            )

        async with fleet:
            await away_and_back(
                fleet, away=fill, back=lambda: asyncio.to_thread(disk.empty), away_s=FORM.hold_s + 3
            )

    with small_disk(site) as disk:
        asyncio.run(scenario(disk))
    held_then_refused(fleet)
