"""Energy and cost of a session from its stored rows: the same rows always give the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from csms_project.common import bulk, events
from transactions.choices import Flag, LedgerKind
from transactions.energy import Reading, live_energy, session_energy
from transactions.local_costs import compare
from transactions.models import Transaction
from transactions.rows import LedgerRow
from transactions.services.tariffs import price_transaction

#: What settling may change.
SETTLED_FIELDS = ("energy_wh", "flags", "currency", "cost", "cost_excl_vat", "cost_vat", "cost_lines")

#: Flags that follow from registers and readings alone.
METER_FLAGS = (Flag.METER_ANOMALY, Flag.METER_START_PLACEHOLDER, Flag.METER_STOP_IMPLAUSIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Sentences for the ledger; `cost` is empty while the session runs.

    told  what the charger has calculated itself, beside ours; empty where it has not
    """

    energy: str
    anomalies: tuple[str, ...]
    cost: str
    told: str = ""


def settle(row: Transaction, readings: Sequence[Reading]) -> Settled:
    """Set energy, flags and cost of a session; nothing is saved.  A running session has no cost yet.

    Spec: OCPP 1.6 §4.10, §7.31
    """
    if row.ended_at is None:
        energy = live_energy(row.meter_start_wh, readings, started_at=row.started_at)
    else:
        energy = session_energy(
            row.meter_start_wh,
            row.meter_stop_wh,
            readings,
            started_at=row.started_at,
            ended_at=max(row.ended_at, row.started_at),
        )
    row.energy_wh = energy.energy_wh
    for flag in METER_FLAGS:
        row.remove_flag(flag)
    for name in energy.anomalies:
        row.add_flag(Flag(name))
    return Settled(
        energy="; ".join([f"{energy.energy_wh} Wh from {energy.basis}", *energy.notes]),
        anomalies=tuple(Flag(name).label for name in energy.anomalies),
        cost=price_transaction(row, readings) if row.ended_at is not None else "",
        told=compare(row) if row.ended_at is not None else "",
    )


def known_end(
    row: Transaction, times: Iterable[datetime], *, latest: datetime, otherwise: str
) -> tuple[datetime, str]:
    """When a session without a stop ended as far as is known, and the words for it.

    Its last sample, for nothing is known after it; without any its start, so that silence is never charged.

    times      of its readings (charger's clock)
    latest     it cannot have ended later; `otherwise` says so where samples claim it
    """
    known = [at for at in (row.last_sample_at, *times) if at is not None and at >= row.started_at]
    if not known:
        return row.started_at, "its start, because no sample of it is known"
    last = max(known)
    if last > latest >= row.started_at:
        return latest, otherwise
    return last, "the time of its last sample"


def explain(
    row: Transaction,
    kind: LedgerKind,
    text: str,
    *,
    at: datetime,
    data: dict[str, Any] | None = None,
    message_id: str = "",
) -> LedgerRow:
    """A line for the ledger."""
    return LedgerRow(row.tenant_id, row.pk, kind.value, text[:400], data or {}, message_id, at)


def explain_settled(
    row: Transaction, settled: Settled, *, at: datetime, message_id: str = ""
) -> list[LedgerRow]:
    """Lines for the ledger about energy, anomalies and cost."""
    note = partial(explain, row, at=at, message_id=message_id)
    lines = [note(LedgerKind.ENERGY, settled.energy, data={"energy_wh": row.energy_wh})]
    lines += [note(LedgerKind.ANOMALY, text) for text in settled.anomalies]
    if settled.cost:
        lines.append(note(LedgerKind.COST, settled.cost, data={"lines": row.cost_lines}))
    if settled.told:
        lines.append(note(LedgerKind.COST, settled.told))
    return lines


def write_ledger(lines: Iterable[LedgerRow]) -> None:
    """Write lines in the caller's transaction."""
    bulk.insert(list(lines))


def transaction_event(
    kind: str, row: Transaction, *, identity: str, at: datetime, **data: Any
) -> events.EventRow:
    """A row for the outbox about a session."""
    return events.event(
        kind,
        tenant_id=row.tenant_id,
        object_type="transaction",
        object_id=row.pk,
        charge_point=identity,
        data={
            "ocpp_id": row.ocpp_id,
            "connector": row.connector_number,
            "id_token": row.shown_token,
            "energy_wh": str(row.energy_wh),
            "cost": None if row.cost is None else str(row.cost),
            "currency": row.currency,
            "flags": row.flags,
            **data,
        },
        at=at,
    )


def tell(kind: str, row: Transaction, *, at: datetime, **data: Any) -> None:
    """Write an event about a session in the caller's transaction."""
    events.record_all([transaction_event(kind, row, identity=row.charge_point.identity, at=at, **data)])
