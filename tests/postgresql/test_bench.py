"""The comparison with the plain design still runs, and both sides store what they acknowledge."""

from __future__ import annotations

import os

import psycopg
import pytest

from tests.bench.compare import compare
from tests.bench.site import Site, open_site


def count(site: Site, database: str, table: str) -> int:
    """Rows of a table."""
    name = next(name for name in site.databases if name.startswith(f"bench_{database}_"))
    with psycopg.connect(site.cluster_url, dbname=name) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.server
@pytest.mark.timeout(180)
def test_bench_measures_both_designs_in_one_run() -> None:
    with open_site(os.environ["TEST_DATABASE_URL"]) as site:
        result = compare(site, scenario="sessions", chargers=3, rounds=1, duration_s=0.5)
        assert result["messages_per_s"]["ours"] > 0
        assert result["messages_per_s"]["plain"] > 0
        # Of each session begun by the plain design everything is there, as far as it was answered.
        sessions = count(site, "plain", "plain_transaction")
        assert sessions >= 3
        assert count(site, "plain", "plain_transaction WHERE meter_stop = meter_start + 70") == sessions
        assert count(site, "plain", "plain_metervalue") == sessions * 100
        messages = {"StartTransaction": 1, "MeterValues": 10, "StopTransaction": 1, "Authorize": 1}
        for action, each in messages.items():
            assert count(site, "plain", f"plain_message WHERE action = '{action}'") == sessions * each
        assert count(site, "csms", "transactions_transaction WHERE state = 'ended'") >= 3
