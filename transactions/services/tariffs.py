"""Which tariff a session gets, and what the session costs.

On the path of every start and stop: nothing here reads the database when the related rows are loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings

from accounts.choices import PricingMode
from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint, Location
from transactions import pricing
from transactions.choices import Flag
from transactions.energy import Reading
from transactions.models import Tariff, Transaction
from transactions.session_price import price_until

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a session is priced by; `snapshot` None and `is_free` set: nothing is charged."""

    tariff: Tariff | None
    snapshot: dict[str, Any] | None
    currency: str
    is_free: bool


def choose(
    *,
    tenant: Tenant,
    charge_point: ChargePoint,
    location: Location | None = None,
    id_token: IdToken | None = None,
    default: dict[str, Any] | None = None,
) -> Chosen:
    """The tariff of a session that starts: token, charge point, location, tenant, then the settings.

    Tariffs that are not active are passed over.

    default  snapshot to use when nobody names a tariff; None: that of the settings
    """
    if (charge_point.pricing_mode or tenant.pricing_mode) == PricingMode.FREE:
        return Chosen(tariff=None, snapshot=None, currency=tenant.currency, is_free=True)
    owners = (id_token, charge_point, location)
    # To look at a related row costs more than at its key.
    named = [owner.tariff for owner in owners if owner is not None and owner.tariff_id is not None]
    named.append(tenant.default_tariff)
    tariff = next((tariff for tariff in named if tariff is not None and tariff.is_active), None)
    snapshot = _snapshot(tariff) if tariff is not None else default or default_tariff()
    return Chosen(tariff=tariff, snapshot=snapshot, currency=str(snapshot["currency"]), is_free=False)


def _snapshot(tariff: Tariff) -> dict[str, Any]:
    """One object for all sessions that start while the row is remembered: it is written as text once for a batch."""
    kept: dict[str, Any] = tariff.__dict__.setdefault("_kept_snapshot", {})
    if not kept:
        kept.update(tariff.snapshot())
    return kept


def default_tariff() -> dict[str, Any]:
    """Snapshot of the tariff of the settings: TARIFF_PRICE_PER_KWH, TARIFF_CURRENCY, TARIFF_VAT_PERCENT.

    The same object for everybody: never change it.
    """
    price, vat = settings.TARIFF_PRICE_PER_KWH, settings.TARIFF_VAT_PERCENT
    return _default_tariff(str(price), settings.TARIFF_CURRENCY, str(vat) if vat else None)


@lru_cache(maxsize=8)
def _default_tariff(price: str, currency: str, vat: str | None) -> dict[str, Any]:
    tariff = pricing.Tariff.flat_energy(price, currency, vat)
    return {"id": None, "name": "Default", **tariff.as_snapshot()}


def price_transaction(row: Transaction, readings: Sequence[Reading]) -> str:
    """Set the cost fields of a session from its energy, times and snapshot; return the ledger's sentence.

    Nothing is saved.  A session that cannot be priced has `cost` None and is flagged: a bill can wait, a
    stop cannot.
    """
    row.remove_flag(Flag.PRICING_FAILED)
    if row.is_free:
        _set_cost(row, Decimal(0), Decimal(0), [])
        return "Free of charge."
    try:
        priced = price_until(row, readings, row.ended_at or row.started_at)
    except Exception as error:  # whatever is wrong with a tariff must not block the end of a session
        logger.warning("transaction.pricing_failed", exc_info=True, extra={"transaction_id": row.pk})
        row.add_flag(Flag.PRICING_FAILED)
        row.cost = row.cost_excl_vat = row.cost_vat = None
        row.cost_lines = []
        return f"Could not be priced: {error}"[:400]
    row.currency = priced.currency
    _set_cost(row, priced.total_excl_vat, priced.total_vat, [line.as_json() for line in priced.lines])
    return _sentence(row, priced)


def _set_cost(row: Transaction, excl_vat: Decimal, vat: Decimal, lines: list[Any]) -> None:
    row.cost_excl_vat, row.cost_vat, row.cost = excl_vat, vat, excl_vat + vat
    row.cost_lines = lines


def _sentence(row: Transaction, priced: pricing.Priced) -> str:
    name = str((row.tariff_snapshot or {}).get("name") or "without a name")
    total = f"{priced.total} {priced.currency}"
    parts = [f"{line.description} {line.amount}" for line in priced.lines]
    text = (
        f"{total} by tariff “{name}”, of which VAT {priced.total_vat}: {'; '.join(parts) or 'nothing used'}."
    )
    return " ".join([text, *priced.notes])[:400]
