"""Reads of sessions across models."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Upper
from django.utils import timezone

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from chargepoints.selectors import find_charge_point
from transactions.choices import TransactionState
from transactions.energy import ENERGY_REGISTER, Reading
from transactions.models import LedgerEntry, MeterLayout, MeterValue, Transaction
from transactions.pricing import TariffError
from transactions.session_price import needs_readings, price_until

#: Charge points whose sessions are looked up one by one.
MAX_KEYS = 200
_COLUMNS = ("measurand", "unit", "phase", "context", "location", "format")


def list_transactions(tenant: Tenant | None) -> QuerySet[Transaction]:
    """Sessions with what a list shows, the newest first."""
    rows: QuerySet[Transaction] = Transaction.objects.for_tenant(tenant).select_related(
        "tenant", "charge_point", "evse", "connector", "id_token"
    )
    return rows


def with_active_session(charge_point_ids: Collection[int]) -> set[int]:
    """Those of these charge points where a session runs."""
    rows = Transaction.objects.filter(charge_point_id__in=charge_point_ids, state=TransactionState.ACTIVE)
    return set(rows.order_by().values_list("charge_point_id", flat=True).distinct())


def search_transactions(
    rows: QuerySet[Transaction], tenant: Tenant | None, text: str
) -> QuerySet[Transaction]:
    """Those of the sessions with this id on the wire, or whose tag or charge point begins so.

    Every part of the condition has an index.  The whole identity of a charge point is a condition of its own, whose
    index has the sessions in their order.
    """
    text = text.strip()
    if not text:
        return rows
    if (station := find_charge_point(tenant, text)) is not None:
        return rows.filter(charge_point=station)
    stations = ChargePoint.objects.for_tenant(tenant).filter(identity_key__startswith=text.casefold())
    # A prefix as a range, which the index `transaction_token` serves whatever the collation.
    token = Q(token__gte=text.upper(), token__lte=text.upper() + chr(sys.maxunicode))
    return rows.alias(token=Upper("id_token_value")).filter(
        Q(ocpp_id=text) | token | Q(charge_point__in=_few(stations))
    )


def _few(rows: QuerySet[Any]) -> Any:
    """Their keys while they are few, for an index; else the query, for a walk through the newest sessions."""
    keys = list(rows.order_by().values_list("pk", flat=True)[: MAX_KEYS + 1])
    return keys if len(keys) <= MAX_KEYS else rows.order_by().values("pk")


def active_transactions(tenant: Tenant | None) -> QuerySet[Transaction]:
    """Sessions that run."""
    return list_transactions(tenant).filter(state=TransactionState.ACTIVE)


def readings_of(transaction_ids: Iterable[int]) -> dict[int, list[Reading]]:
    """The energy registers of sessions in time order; one query.  A session without any has an empty list."""
    found: dict[int, list[Reading]] = {pk: [] for pk in transaction_ids}
    rows = MeterValue.objects.filter(transaction_id__in=list(found), register_wh__isnull=False)
    values = rows.order_by("sampled_at", "id").values_list("transaction_id", "sampled_at", "register_wh")
    for transaction_id, at, wh in values:
        if wh is not None:
            found[transaction_id].append(Reading(at=at, wh=wh))
    return found


def running_costs(transactions: Iterable[Transaction], *, now: datetime | None = None) -> None:
    """Set `running_cost` on sessions: what an active one would cost if it ended now, else its cost.

    None where there is no tariff that can be priced.  At most one query, and only for tariffs that depend on
    when the energy flowed.
    """
    now = now or timezone.now()
    rows = list(transactions)
    active = [row for row in rows if row.is_active and not row.is_free]
    readings = readings_of(row.pk for row in active if needs_readings(row.tariff_snapshot))
    for row in rows:
        if not row.is_active:
            cost = row.cost
        elif row.is_free:
            cost = Decimal(0)
        else:
            cost = _cost_now(row, readings.get(row.pk, []), now)
        row.running_cost = cost  # type: ignore[attr-defined]


def _cost_now(row: Transaction, readings: Sequence[Reading], now: datetime) -> Decimal | None:
    try:
        return price_until(row, readings, now).total
    except TariffError:
        return None


def ledger_of(transaction: Transaction) -> QuerySet[LedgerEntry]:
    """What explains the figures of a session, in order."""
    rows: QuerySet[LedgerEntry] = LedgerEntry.objects.filter(transaction=transaction).order_by("id")
    return rows


def expand_meter_values(rows: Iterable[MeterValue]) -> list[dict[str, Any]]:
    """Meter values in full: the values as received, with the meaning that an absent field has by default.

    One query for all layouts.  Spec: OCPP 1.6 §7.43, errata 3.86.
    """
    rows = list(rows)
    layouts = MeterLayout.objects.in_bulk({row.layout_id for row in rows})
    samples = {pk: [_meaning(column) for column in layout.columns] for pk, layout in layouts.items()}
    return [
        {
            "sampled_at": row.sampled_at,
            "received_at": row.received_at,
            "samples": [
                {"value": value, **meaning}
                for value, meaning in zip(row.values, samples.get(row.layout_id, ()), strict=False)
            ],
        }
        for row in rows
    ]


def _meaning(column: Sequence[str | None]) -> dict[str, str | None]:
    meaning = dict(zip(_COLUMNS, column, strict=False))
    measurand = meaning.get("measurand") or ENERGY_REGISTER
    return {
        "measurand": measurand,
        "unit": meaning.get("unit") or _default_unit(measurand),
        "phase": meaning.get("phase"),
        "context": meaning.get("context") or "Sample.Periodic",
        "location": meaning.get("location") or "Outlet",
        "format": meaning.get("format") or "Raw",
    }


def _default_unit(measurand: str) -> str | None:
    """Wh is the default of energies only; a frequency has no other unit than Hertz."""
    if measurand == "Frequency":
        return "Hertz"
    return "Wh" if measurand.startswith("Energy.") else None


def open_sessions(charge_point_id: int) -> list[tuple[int, str]]:
    """Connector and id on the wire of the sessions that are open at a charge point."""
    rows = Transaction.objects.filter(charge_point=charge_point_id, state=TransactionState.ACTIVE)
    return list(rows.order_by("pk").values_list("connector_number", "ocpp_id")[:100])
