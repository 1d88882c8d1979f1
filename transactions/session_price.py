"""The price of a session from its own row: energy, times and the tariff's snapshot.  Reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from csms_project.common.fields import dumps
from transactions import pricing
from transactions.energy import Reading
from transactions.models import Transaction

#: The columns hold 10 digits before the point.
MAX_COST = Decimal(10) ** 10


def price_until(row: Transaction, readings: Sequence[Reading], until: datetime) -> pricing.Priced:
    """The bill of a session if it ended at this moment, with the energy that it has.

    Raises  TariffError  no snapshot, or one that cannot be read, or a total that no column holds
    """
    if row.tariff_snapshot is None:
        raise pricing.TariffError("tariff", "The session has no tariff.")
    tariff = parsed(row.tariff_snapshot)
    usage = pricing.Usage(
        started_at=row.started_at,
        # An end before the start is a clock that was set: no time was used.
        ended_at=max(until, row.started_at),
        time_zone=row.time_zone,
        meter_start_wh=row.meter_start_wh,
        energy_wh=row.energy_wh,
        # Cutting the session at each of them is most of the work, and most tariffs do not look at them.
        readings=readings if pricing.needs_readings(tariff) else (),
    )
    priced = pricing.price(tariff, usage)
    if priced.total >= MAX_COST:
        raise pricing.TariffError("total", f"{priced.total} {priced.currency} is too large.")
    return priced


def parsed(snapshot: dict[str, Any]) -> pricing.Tariff:
    """The tariff of a snapshot; those that many sessions share are read once.  Raises TariffError."""
    return _parsed(dumps(snapshot))


@lru_cache(maxsize=500)
def _parsed(snapshot: str) -> pricing.Tariff:
    return pricing.Tariff.parse(orjson.loads(snapshot))


def needs_readings(snapshot: dict[str, Any] | None) -> bool:
    """Whether readings change the cost under this tariff; an unreadable one needs none, it has no cost."""
    if snapshot is None:
        return False
    try:
        return pricing.needs_readings(parsed(snapshot))
    except pricing.TariffError:
        return False
