"""Charging profiles of tests, in few words."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from chargepoints.charging.composite import Standing
from chargepoints.charging.plan import RELATIVE, TX_DEFAULT, Period, Plan
from tests.factories import T0


def plan(*limits: Any, **fields: Any) -> Plan:
    """A plan of limits: numbers, or pairs of start and limit, or triples with phases."""
    rows = [limit if isinstance(limit, tuple) else (0, limit) for limit in limits or (16,)]
    periods = tuple(
        Period(
            start_period=row[0],
            limit=Decimal(str(row[1])),
            number_phases=row[2] if len(row) > 2 else None,
        )
        for row in rows
    )
    values: dict[str, Any] = {"purpose": TX_DEFAULT, "kind": RELATIVE, "charging_rate_unit": "A"}
    return Plan(**{**values, **fields, "periods": periods})


def standing(
    *limits: Any, connector: int = 1, since: datetime = T0, name: str = "", **fields: Any
) -> Standing:
    """A plan that stands on a connector."""
    return Standing(plan=plan(*limits, **fields), connector=connector, since=since, name=name)
