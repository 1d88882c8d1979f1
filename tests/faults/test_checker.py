"""The checker finds what it is there to find: books that were tampered with do not pass."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

OURS = "charge_point_id = (SELECT id FROM chargepoints_chargepoint WHERE identity = '{identity}')"
OF_SESSION = f"transaction_id IN (SELECT id FROM transactions_transaction WHERE {OURS})"


@pytest.fixture(scope="module")
def fleet(whole_site: Site) -> Fleet:
    """Chargers whose books are in order."""
    whole_site.mend()
    fleet = Fleet(whole_site, chargers=8, endless=False)
    for charger in fleet.chargers:
        charger.plan()

    async def scenario() -> None:
        async with fleet:
            await fleet.finish()

    asyncio.run(scenario())
    check(fleet)
    return fleet


@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        (f"DELETE FROM transactions_metervalue WHERE {OURS}", "samples"),
        (
            "INSERT INTO transactions_metervalue (tenant_id, charge_point_id, connector_number, transaction_id,"
            " sampled_at, received_at, layout_id, values, register_wh) SELECT tenant_id, charge_point_id,"
            " connector_number, transaction_id, sampled_at, received_at, layout_id, values, register_wh"
            f" FROM transactions_metervalue WHERE {OURS} LIMIT 1",
            "samples",
        ),
        (f"UPDATE transactions_transaction SET energy_wh = energy_wh + 0.001 WHERE {OURS}", "energy_wh"),
        (
            f"UPDATE transactions_transaction SET ended_at = ended_at + interval '1 ms' WHERE {OURS}",
            "ended_at",
        ),
        (f"UPDATE transactions_transaction SET state = 'active', ended_at = NULL WHERE {OURS}", "status"),
        (
            f"UPDATE transactions_transaction SET started_at = started_at + interval '1 s' WHERE {OURS}",
            "lost sessions",
        ),
        (
            f"INSERT INTO transactions_ledgerentry (tenant_id, transaction_id, kind, text, data, message_id, at)"
            f" SELECT tenant_id, transaction_id, kind, text, data, message_id, at FROM transactions_ledgerentry"
            f" WHERE {OF_SESSION} AND kind = 'stop'",
            "took place twice",
        ),
        (f"UPDATE transactions_transaction SET flags = '[\"meter_anomaly\"]' WHERE {OURS}", "flags"),
    ],
    ids=["lost sample", "doubled sample", "energy", "time", "lost stop", "lost start", "doubled act", "flag"],
)
def test_tampering_with_the_books_is_found(site: Site, fleet: Fleet, tampering: str, complaint: str) -> None:
    victim = fleet.chargers.pop()
    mine = [session for session in fleet.journal.sessions if session.identity == victim.identity]
    site.postgresql.execute(tampering.format(identity=victim.identity), "csms")
    with pytest.raises(AssertionError, match=complaint):
        check(fleet.only(victim, mine))
