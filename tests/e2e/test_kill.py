"""Kill -9 during sessions: what was acknowledged is in the books, once, whatever the chargers send again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from ocpp_gateway.simulator import ChargePoint16 as SimulatedChargePoint
from ocpp_gateway.simulator.faults import Faults, RandomFaults
from ocpp_gateway.simulator.journal import Journal
from ocpp_gateway.simulator.rpc import NoAnswer
from ocpp_gateway.simulator.station import HandshakeFailed, Station
from ocpp_gateway.wire.timestamps import parse_timestamp
from tests.e2e.conftest import MakeProduct, register, register_tag
from tests.e2e.product import Product
from tests.factories import CHARGER_KEY
from transactions.choices import TransactionState
from transactions.models import MeterValue, Transaction

pytestmark = pytest.mark.server

ROUNDS = 5
CHARGERS = 6


class RestlessCharger:
    """Starts, meters and stops without a pause, and connects again as soon as somebody listens."""

    def __init__(self, product: Product, identity: str, journal: Journal, faults: Faults, seed: int) -> None:
        self._rng = random.Random(seed)
        station = Station(url=product.url, identity=identity, key=CHARGER_KEY, answer_timeout_s=5)
        self.cp = SimulatedChargePoint(
            station, journal=journal, faults=faults, rng=self._rng, registers_wh=[self._rng.randrange(10**6)]
        )
        self.sessions = 0

    async def keep_connected(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(HandshakeFailed, NoAnswer):
                await self.cp.connect()
                await (self.cp.resume(booted=False) if self.cp.accepted else self.cp.boot())
                await self.cp.disconnected()
            await asyncio.sleep(0.1)

    async def charge(self, stop: asyncio.Event) -> None:
        """Session after session until told to stop, then deliver what is left."""
        while not stop.is_set():
            with suppress(NoAnswer):
                await self.cp.start(1, self.cp.station.identity)
                for _ in range(self._rng.randrange(4)):
                    await self.cp.meter(1, wh=self._rng.randrange(1, 2000))
                await self.cp.stop(1)
            await self.cp.outbox.drained()  # offline everything is queued without waiting
            self.sessions += 1
        await self.cp.stop(1)
        await self.cp.outbox.drained()


async def charge_and_kill(product: Product, chargers: list[RestlessCharger]) -> None:
    stop = asyncio.Event()
    connections = [asyncio.create_task(charger.keep_connected()) for charger in chargers]
    drivers = [asyncio.create_task(charger.charge(stop)) for charger in chargers]
    try:
        for _ in range(ROUNDS):
            await all_advance(chargers)
            product.kill()
            await asyncio.to_thread(product.start)
        await all_advance(chargers)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*drivers), 20)
    finally:
        for task in [*drivers, *connections]:
            task.cancel()
        await asyncio.gather(*(charger.cp.close() for charger in chargers), return_exceptions=True)


async def all_advance(chargers: list[RestlessCharger]) -> None:
    """Wait until every charger has finished a session since now: the server serves and is in the midst of it."""
    goals = [charger.sessions + 1 for charger in chargers]
    async with asyncio.timeout(20):
        while any(charger.sessions < goal for charger, goal in zip(chargers, goals, strict=True)):
            await asyncio.sleep(0.02)


def read_journal(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def check_books(journal: list[dict[str, Any]]) -> None:
    """Compare what was acknowledged with what is stored."""
    rows = {row.ocpp_id: row for row in Transaction.objects.select_related("charge_point")}
    starts = [record for record in journal if record["message"] == "StartTransaction"]
    stops = [record for record in journal if record["message"] == "StopTransaction"]
    assert len(rows) == Transaction.objects.count()
    assert Counter(str(record["transaction_id"]) for record in starts) == Counter(rows.keys())
    assert len(stops) == len(starts)
    for record in stops:
        row = rows[str(record["transaction_id"])]
        assert row.charge_point.identity == record["identity"]
        assert row.state == TransactionState.ENDED
        assert row.started_at == parse_timestamp(record["started_at"])
        assert row.ended_at == parse_timestamp(record["stopped_at"])
        assert row.energy_wh == Decimal(record["energy_wh"])
        stored = MeterValue.objects.filter(transaction_id=row.pk).values_list("sampled_at", "register_wh")
        assert len(set(stored)) == len(stored) == record["samples"]


def test_kill_during_sessions_loses_and_doubles_nothing(make_product: MakeProduct, tmp_path: Path) -> None:
    product = make_product()
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    chargers = []
    for number in range(CHARGERS):
        identity = f"KILL-{number}"
        register(identity)
        register_tag(identity)
        faults = RandomFaults(random.Random(number), duplicates=0.1)
        chargers.append(RestlessCharger(product, identity, journal, faults, seed=number))
    asyncio.run(charge_and_kill(product, chargers))
    journal.close()
    records = read_journal(path)
    assert len(records) > CHARGERS * ROUNDS * 2
    check_books(records)
    assert sum(charger.cp.stats.errors["transaction_id_changed"] for charger in chargers) == 0
    assert not [
        line for line in product.log.splitlines() if '"level": "error"' in line or "Traceback" in line
    ]
