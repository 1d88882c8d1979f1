"""What chargers calculate themselves by tariffs that they hold (OCPP 2.1 I12), beside our own figures.

A session is billed by our figures. Those of the charger are kept, shown and compared: where both differ somebody should
look, for the driver has seen the charger's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from transactions.choices import Flag
from transactions.models import Transaction
from transactions.price_now import money
from transactions.pricing import minor_units

#: Lines of a bill may each be rounded otherwise.
TOLERANCE_STEPS = 2


def keep(row: Transaction, *, tariff_id: str = "", details: Mapping[str, Any] | None = None) -> bool:
    """Keep what an event tells: the tariff in use, the charger's calculation; true where something is new."""
    kept = dict(row.local_cost or {})
    if tariff_id:
        kept["tariff_id"] = tariff_id
    if details is not None:
        kept["details"] = dict(details)
    if kept == (row.local_cost or {}):
        return False
    row.local_cost = kept
    return True


def total_of(row: Transaction) -> Decimal | None:
    """The charger's total including tax, without what it charges for a reservation; None: it has told none."""
    details = (row.local_cost or {}).get("details") or {}
    total = _amount(details.get("total_incl"), details.get("total_excl"))
    if total is None or details.get("failed"):
        return None
    parts = [part for part in details.get("parts", ()) if str(part.get("name", "")).startswith("reservation")]
    return total - sum(
        (_amount(part.get("incl"), part.get("excl")) or Decimal(0) for part in parts), Decimal(0)
    )


def _amount(*texts: object) -> Decimal | None:
    return next((Decimal(str(text)) for text in texts if text is not None), None)


def compare(row: Transaction) -> str:
    """Flag an ended session whose cost is another by the charger's calculation; returns the ledger's sentence."""
    details = (row.local_cost or {}).get("details") or {}
    row.remove_flag(Flag.COST_DIFFERS)
    if details.get("failed"):
        return f"The charger could not calculate the cost: {details.get('reason') or 'it gives no reason'}"
    theirs = total_of(row)
    if theirs is None or row.cost is None:
        return ""
    currency = str(details.get("currency") or row.currency)
    told = f"The charger calculated {money(theirs, currency)}"
    if currency != row.currency and row.currency and not row.is_free:
        row.add_flag(Flag.COST_DIFFERS)
        return f"{told}, in another currency than ours ({row.currency})."
    step = Decimal(1).scaleb(-minor_units(currency))
    if abs(theirs - row.cost) <= TOLERANCE_STEPS * step:
        return f"{told}, as we do."
    row.add_flag(Flag.COST_DIFFERS)
    changed = " Its tariff was changed while it ran." if (row.local_cost or {}).get("changes") else ""
    return f"{told}, we {money(row.cost, row.currency or currency)}.{changed}"
