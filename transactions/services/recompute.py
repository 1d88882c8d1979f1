"""Computing the figures of a session again from what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from csms_project.common import audit
from transactions import errors
from transactions.choices import EndKind, LedgerKind
from transactions.models import Transaction
from transactions.selectors import readings_of
from transactions.services.settling import (
    SETTLED_FIELDS,
    explain,
    explain_settled,
    settle,
    tell,
    write_ledger,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """field → [old, new] as text; empty when the figures were right."""

    transaction: Transaction
    changed: dict[str, list[Any]]


@atomic
def recompute(*, actor: Actor, transaction: Transaction) -> Recomputed:
    """Compute energy, anomalies and cost of a session again; the tariff stays the one of its start.

    The same rows give the same result: a second call changes nothing.

    Raises  PermissionRefused, NotRecomputable
    """
    require(actor, "transactions.recompute", transaction)
    rows = Transaction.objects.select_related("charge_point")
    row = rows.select_for_update(no_key=True, of=("self",)).get(pk=transaction.pk)
    _check(row)
    before = {name: getattr(row, name) for name in SETTLED_FIELDS}
    settled = settle(row, readings_of([row.pk])[row.pk])
    changed = {
        name: [_shown(old), _shown(getattr(row, name))]
        for name, old in before.items()
        if old != getattr(row, name)
    }
    now = timezone.now()
    summary = "; ".join(
        f"{name} {old} → {new}" for name, (old, new) in changed.items() if name != "cost_lines"
    )
    text = f"Recomputed by {actor.name}: {summary or 'nothing changed'}."
    lines = [explain(row, LedgerKind.RECOMPUTED, text, at=now, data=changed)]
    if changed:
        row.save(update_fields=list(changed))
        lines += explain_settled(row, settled, at=now)
        tell("transaction.recomputed", row, at=now, by=actor.name, changed=sorted(changed))
    write_ledger(lines)
    audit.record(actor, "transactions.recompute", row, changes=changed)
    transaction.refresh_from_db()
    return Recomputed(transaction=transaction, changed=changed)


def _check(row: Transaction) -> None:
    if row.end_kind == EndKind.ORPHAN:
        raise errors.NotRecomputable("A stop without a start has no figures to compute from.")
    days = settings.RETENTION_METER_VALUES_DAYS
    if days and row.start_received_at < timezone.now() - timedelta(days=days):
        raise errors.NotRecomputable("Samples of this age have been deleted: the figures stay as they are.")


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else str(value)
