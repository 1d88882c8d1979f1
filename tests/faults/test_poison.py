"""A message that the database refuses for good: no error, no harm to others, and no end of the charger's queue."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.charger import Charger, Habits
from tests.faults.checker import check
from tests.faults.fleet import OCPP16, Fleet
from tests.faults.form import FORM
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

TRY_AGAIN_LATER = 1013
PATIENT = Habits(answer_s=FORM.hold_s * 3)


@contextmanager
def refused(site: Site, charger: Charger) -> Iterator[None]:
    """While this lasts the database takes no session with the charger's tag."""
    site.postgresql.execute(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'poison' USING ERRCODE = 'check_violation'; END $$",
        "csms",
    )
    site.postgresql.execute(
        "CREATE TRIGGER poison BEFORE INSERT ON transactions_transaction FOR EACH ROW"
        f" WHEN (NEW.id_token_value = '{charger.id_tag}') EXECUTE FUNCTION refuse()",
        "csms",
    )
    try:
        yield
    finally:
        site.postgresql.execute("DROP TRIGGER poison ON transactions_transaction", "csms")


def anomalies(site: Site, charger: Charger) -> list[tuple[int, bool, str]]:
    """Attempts, whether it was stored after all, and answer, of each failed message of a charger."""
    with site.postgresql.connect("csms") as connection:
        return connection.execute(
            "SELECT a.attempts, a.was_served, a.answer FROM chargepoints_frameanomaly a"
            " JOIN chargepoints_chargepoint c ON c.id = a.charge_point_id WHERE c.identity = %s",
            [charger.identity],
        ).fetchall()


def test_message_refused_for_a_while_is_repeated_and_stored_in_the_end(site: Site) -> None:
    fleet = Fleet(site, habits=PATIENT)
    victim, *others = fleet.chargers

    async def scenario() -> None:
        async with fleet:
            await fleet.advance()
            with refused(site, victim):
                await fleet.wait(
                    lambda: fleet.journal.closed[TRY_AGAIN_LATER] >= 2,
                    "it was sent back",
                    FORM.hold_s * 3 + 10,
                )
                await fleet.advance(chargers=others)
            await fleet.advance()

    asyncio.run(scenario())
    assert [(served, answer) for _, served, answer in anomalies(site, victim)] == [(True, "")]
    check(fleet)


def test_message_refused_for_good_is_put_aside_and_the_queue_goes_on(site: Site) -> None:
    gateway = site.make_server("gateway", "gateway-aside", OCPP_PUT_ASIDE_AFTER_S="1", OCPP_WRITER_HOLD_S="1")
    gateway.start()
    fleet = Fleet(site, chargers=4, habits=PATIENT, urls=[gateway.url], endless=False, versions=OCPP16)
    victim = fleet.chargers[0]
    for charger in fleet.chargers:
        charger.plan(2)

    async def scenario() -> None:
        with refused(site, victim):
            async with fleet:
                await fleet.wait(lambda: victim.undelivered < 10, "the start was put aside", 30)
                await fleet.finish()

    asyncio.run(scenario())
    lost = [session for session in fleet.journal.sessions if session.identity == victim.identity]
    kept = anomalies(site, victim)
    assert all(attempts >= 3 and not served for attempts, served, _ in kept)
    # The orphans that the stops would make are refused as well.
    answers = Counter(json.loads(answer).get("transactionId") for _, _, answer in kept)
    assert answers == {**{session.transaction_id: 1 for session in lost}, None: len(lost)}
    assert all(session.acknowledged == {0, 1, 2, 3, -1} for session in lost)
    fleet.journal.sessions = [session for session in fleet.journal.sessions if session not in lost]
    fleet.chargers.remove(victim)
    check(fleet)
