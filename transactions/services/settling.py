"""Energy and cost of a session from its stored rows: the same rows always give the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from csms_project.common import events
from csms_project.common.models import Event
from transactions.choices import Flag, LedgerKind
from transactions.energy import Reading, live_energy, session_energy
from transactions.models import LedgerEntry, Transaction
from transactions.services.tariffs import price_transaction

#: What settling may change.
SETTLED_FIELDS = ("energy_wh", "flags", "currency", "cost", "cost_excl_vat", "cost_vat", "cost_lines")

#: Flags that follow from registers and readings alone.
METER_FLAGS = (Flag.METER_ANOMALY, Flag.METER_START_PLACEHOLDER, Flag.METER_STOP_IMPLAUSIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Sentences for the ledger; `cost` is empty while the session runs."""

    energy: str
    anomalies: tuple[str, ...]
    cost: str


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
    row: Transaction, kind: LedgerKind, text: str, *, at: datetime, data: dict[str, Any] | None = None
) -> LedgerEntry:
    """An unsaved line of the ledger."""
    return LedgerEntry(
        tenant_id=row.tenant_id, transaction=row, kind=kind, text=text[:400], data=data or {}, at=at
    )


def explain_settled(row: Transaction, settled: Settled, *, at: datetime) -> list[LedgerEntry]:
    """Unsaved lines of the ledger for energy, anomalies and cost."""
    lines = [explain(row, LedgerKind.ENERGY, settled.energy, at=at, data={"energy_wh": row.energy_wh})]
    lines += [explain(row, LedgerKind.ANOMALY, text, at=at) for text in settled.anomalies]
    if settled.cost:
        lines.append(explain(row, LedgerKind.COST, settled.cost, at=at, data={"lines": row.cost_lines}))
    return lines


def transaction_event(kind: str, row: Transaction, *, identity: str, at: datetime, **data: Any) -> Event:
    """An unsaved event about a session."""
    return events.event(
        kind,
        tenant_id=row.tenant_id,
        object_type="transaction",
        object_id=row.pk,
        charge_point=identity,
        data={
            "ocpp_id": row.ocpp_id,
            "connector": row.connector_number,
            "id_token": row.id_token_value,
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
    transaction_event(kind, row, identity=row.charge_point.identity, at=at, **data).save()
