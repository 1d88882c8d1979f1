"""Simulated fleets of 2.x against the product: nothing that was acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from ocpp_gateway.simulator import SimulationConfig, Summary, run
from ocpp_gateway.simulator.autopilot import Traffic
from ocpp_gateway.wire.timestamps import parse_timestamp
from tests.e2e.conftest import MakeProduct, register, register_tag
from tests.e2e.product import Product
from tests.factories import CHARGER_KEY
from transactions.choices import TransactionState
from transactions.models import MeterValue, Transaction

pytestmark = pytest.mark.server

CHARGERS = 4
SESSIONS = 8

Rows = list[dict[str, Any]]


def configured(product: Product, prefix: str, journal: Path, **more: Any) -> SimulationConfig:
    config = SimulationConfig(
        url=product.url,
        chargers=CHARGERS,
        prefix=prefix,
        connectors=2,
        cables=(1, 2),
        key=CHARGER_KEY,
        seed=7,
        journal=journal,
        speed=60,
        meter_interval_s=15,
        answer_timeout_s=10,
        grace_s=60,
        traffic=Traffic(gap_s=20, session_s=(60, 120), offline_rate=more.pop("offline_rate", 0)),
        tags=tuple(f"{prefix}{number}" for number in range(CHARGERS * 2)),
        **more,
    )
    journal.touch()
    for identity in config.identities:
        register(identity)
    for tag in config.tag_values:
        register_tag(tag)
    return config


def read(journal: Path) -> Rows:
    return [orjson.loads(line) for line in journal.read_bytes().splitlines()]


async def simulate(config: SimulationConfig, journal: Path) -> Summary:
    """Until enough sessions have ended, then to a proper end of all."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    async with asyncio.timeout(60):
        while (
            not running.done() and sum(row.get("event_type") == "Ended" for row in read(journal)) < SESSIONS
        ):
            await asyncio.sleep(0.2)
    stop.set()
    return await running


def check_books(rows: Rows, prefix: str) -> None:
    """Compare the journals of the chargers with what is stored: sessions, events, readings, energy."""
    stored = {
        (row.charge_point.identity, row.ocpp_id): row
        for row in Transaction.objects.filter(charge_point__identity__startswith=prefix).select_related(
            "charge_point"
        )
    }
    told: dict[tuple[str, str], Rows] = {}
    for row in rows:
        told.setdefault((row["identity"], row["transaction_id"]), []).append(row)
    assert set(stored) == set(told)
    for place, events in told.items():
        session = stored[place]
        kept = Counter(session.events.values_list("kind", "seq_no", "is_offline"))
        assert kept == Counter((row["event_type"], row["seq_no"], row["offline"]) for row in events)
        (ended,) = [row for row in events if row["event_type"] == "Ended"]
        assert session.state == TransactionState.ENDED
        assert session.started_at == parse_timestamp(ended["started_at"])
        assert session.ended_at == parse_timestamp(ended["stopped_at"])
        assert session.energy_wh == Decimal(ended["energy_wh"])
        assert session.connector.ocpp_number == ended["connector"]
        readings = sum(row["readings"] for row in events)
        values = MeterValue.objects.filter(transaction_id=session.pk).values_list("sampled_at", "register_wh")
        assert len(values) == readings


def test_fleet_without_faults_is_in_the_books_exactly(product: Product, tmp_path: Path) -> None:
    prefix, journal = "CALM-", tmp_path / "journal.jsonl"
    config = configured(product, prefix, journal, ocpp=("2.0.1", "2.1"))
    summary = asyncio.run(simulate(config, journal))
    assert (summary.as_dict()["errors"], summary.undelivered) == ({}, 0)
    rows = read(journal)
    assert sum(row["event_type"] == "Ended" for row in rows) >= SESSIONS
    check_books(rows, prefix)


@pytest.mark.parametrize(
    ("ocpp", "quirks"),
    [("2.0.1", ("seq-zero", "sparse", "signed", "status-events")), ("2.1", ())],
)
def test_fleet_with_every_fault_loses_and_doubles_nothing(
    make_product: MakeProduct, tmp_path: Path, ocpp: str, quirks: tuple[str, ...]
) -> None:
    """Lost answers, repeats, offline periods, events out of order, lost ones, frames that are none."""
    product = make_product()
    prefix, journal = "STORM-", tmp_path / "journal.jsonl"
    config = configured(
        product,
        prefix,
        journal,
        ocpp=(ocpp,),
        quirks=frozenset(quirks),
        lost_answers=0.1,
        duplicates=0.1,
        malformed=0.1,
        late=0.15,
        gaps=0.2,
        offline_rate=40,
        tolerate_outages=True,
    )
    summary = asyncio.run(simulate(config, journal))
    assert (summary.failures, summary.undelivered) == (0, 0), summary.as_dict()["errors"]
    assert {"lost_events", "duplicates", "offline_periods"} <= set(summary.stats.faults)
    check_books(read(journal), prefix)
    assert not [line for line in product.log.splitlines() if "Traceback" in line]
