"""Ending sessions at limits that their chargers do not know (OCPP 1.6, and 2.x without TxCtrlr/SupportedLimits)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef

from accounts.permissions import Actor
from chargepoints.errors import ChargePointsError
from chargepoints.selectors import live_connections
from transactions import errors, session_limits
from transactions.choices import TransactionState
from transactions.energy import Reading
from transactions.models import Transaction
from transactions.pricing import TariffError
from transactions.selectors import readings_of
from transactions.services.control import RETRY_AFTER, request_stop, stop_commands
from transactions.session_price import needs_readings, price_until

logger = logging.getLogger(__name__)

NAME = "limits of sessions"
BATCH = 500


def stop_at_limits(now: datetime) -> int:
    """Ask for the end of running sessions that have reached a limit which the charger cannot keep to by itself.

    Returns how many were asked.  A job: it finds its work in the rows. Chargers that are offline are asked when they
    are back.
    """
    online = live_connections().filter(charge_point=OuterRef("charge_point"))
    rows = Transaction.objects.filter(
        Exists(online), state=TransactionState.ACTIVE, limits__isnull=False
    ).select_related("charge_point")
    limited = [row for row in rows.order_by("pk")[:BATCH] if row.limits and row.limits.get("unknown")]
    needing = [row.pk for row in limited if needs_readings(row.tariff_snapshot)]
    readings = readings_of(needing)
    return sum(_stop(row, now) for row in limited if reached(row, readings.get(row.pk, ()), now) is not None)


def reached(row: Transaction, readings: Sequence[Reading], now: datetime) -> str | None:
    """The kind of limit that a session has reached, of those that its charger does not know."""
    limits = row.limits or {}
    for kind in limits.get("unknown", ()):
        limit, used = limits.get("wanted", {}).get(kind), _used(row, kind, readings, now)
        if limit is not None and used is not None and used >= Decimal(limit):
            return str(kind)
    return None


def _used(row: Transaction, kind: str, readings: Sequence[Reading], now: datetime) -> Decimal | None:
    match kind:
        case session_limits.MAX_ENERGY:
            return Decimal(row.energy_wh)
        case session_limits.MAX_TIME:
            return Decimal(int((now - row.started_at).total_seconds()))
        case session_limits.MAX_SOC:
            charged: Decimal | None = row.soc_percent
            return charged
    if row.is_free:
        return None
    try:
        return price_until(row, readings, now).total
    except TariffError:
        return None


def _stop(row: Transaction, now: datetime) -> bool:
    recent = stop_commands(row.charge_point_id, row.ocpp_id).filter(created_at__gt=now - RETRY_AFTER)
    if recent.exists():
        return False
    try:
        request_stop(actor=Actor.system(NAME), transaction=row)
    except (ChargePointsError, errors.TransactionsError) as error:
        logger.info("transaction.limit_stop_skipped", extra={"transaction_id": row.pk, "reason": str(error)})
        return False
    return True
