"""Ending sessions whose stop never came: by hand, or by the tenant's rule; silence alone never ends one.

The end is found as for a superseded session (`settling.known_end`).  A real stop that arrives later wins (see
`stops`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db.models import QuerySet
from django.db.transaction import atomic, on_commit
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from csms_project.common import audit, metrics
from transactions import errors
from transactions.choices import EndKind, Flag, LedgerKind, TransactionState
from transactions.models import MeterValue, Transaction
from transactions.selectors import readings_of
from transactions.services.settling import (
    SETTLED_FIELDS,
    explain,
    explain_settled,
    known_end,
    settle,
    tell,
    write_ledger,
)

_CHUNK = 200
_CLOSED_FIELDS = (
    "state",
    "ended_at",
    "end_received_at",
    "end_kind",
    "end_note",
    "closed_by",
    "power_w",
    *SETTLED_FIELDS,
)


@atomic
def close_transaction(*, actor: Actor, transaction: Transaction, reason: str) -> Transaction:
    """Close an open session by hand, with its energy from samples, priced.

    reason  why, for the books; kept with the session and in its ledger
    Raises  PermissionRefused, Invalid, TransactionNotActive
    """
    require(actor, "transactions.close", transaction)
    reason = " ".join(reason.split())
    if not reason or len(reason) > 300:
        raise errors.Invalid({"reason": "Give a reason of up to 300 characters."})
    row = _locked([transaction.pk]).get()
    if not row.is_active:
        raise errors.TransactionNotActive
    _close(row, actor=actor, kind=EndKind.OPERATOR, reason=reason, now=timezone.now())
    transaction.refresh_from_db()
    return transaction


def flag_stale(now: datetime) -> int:
    """Flag sessions from which nothing was heard for as long as their tenant says; returns how many.

    A session is flagged once.  The last sign is our clock's: the charger's may stand still.
    """
    flagged = 0
    for days in Tenant.objects.order_by().values_list("stale_after_days", flat=True).distinct():
        old = Transaction.objects.filter(tenant__stale_after_days=days)
        for chunk in _chunks(_silent_since(old, now - timedelta(days=days))):
            flagged += _flag(chunk, days, now)
    return flagged


def close_stale(now: datetime) -> int:
    """Close sessions of tenants that have a rule for it; returns how many."""
    closed = 0
    rules = Tenant.objects.exclude(close_stale_after_days=None).order_by()
    for days in rules.values_list("close_stale_after_days", flat=True).distinct():
        if days is None:
            continue
        old = Transaction.objects.filter(tenant__close_stale_after_days=days)
        for pk in _silent_since(old, now - timedelta(days=days)):
            closed += _close_by_rule(pk, days, now)
    return closed


# --- steps ---


def _locked(ids: Iterable[int]) -> QuerySet[Transaction]:
    rows: QuerySet[Transaction] = (
        Transaction.objects.select_related("charge_point")
        .select_for_update(no_key=True, of=("self",))
        .filter(pk__in=list(ids))
        .order_by("pk")
    )
    return rows


def _silent_since(rows: QuerySet[Transaction], cutoff: datetime) -> list[int]:
    """Ids of open sessions that began before a moment and of which no sample arrived since."""
    old = rows.filter(state=TransactionState.ACTIVE, start_received_at__lt=cutoff)
    ids = list(old.order_by("pk").values_list("pk", flat=True))
    heard: set[int] = set()
    for chunk in _chunks(ids):
        samples = MeterValue.objects.filter(transaction_id__in=chunk, received_at__gte=cutoff)
        heard.update(pk for pk in samples.values_list("transaction_id", flat=True).distinct() if pk)
    return [pk for pk in ids if pk not in heard]


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]


@atomic
def _flag(ids: Sequence[int], days: int, now: datetime) -> int:
    rows = [row for row in _locked(ids) if row.is_active and row.add_flag(Flag.STALE)]
    Transaction.objects.bulk_update(rows, ["flags"])
    text = f"Nothing was heard for more than {days} days."
    write_ledger(explain(row, LedgerKind.ANOMALY, text, at=now) for row in rows)
    for row in rows:
        tell("transaction.stale", row, at=now)
    return len(rows)


@atomic
def _close_by_rule(pk: int, days: int, now: datetime) -> int:
    row = _locked([pk]).first()
    if row is None or not row.is_active:
        return 0
    reason = f"Nothing was heard for more than {days} days."
    _close(row, actor=Actor.system("stale-session rule"), kind=EndKind.RULE, reason=reason, now=now)
    return 1


def _close(row: Transaction, *, actor: Actor, kind: EndKind, reason: str, now: datetime) -> None:
    readings = readings_of([row.pk])[row.pk]
    row.state = TransactionState.ENDED
    row.ended_at, basis = known_end(
        row,
        [reading.at for reading in readings],
        latest=now,
        otherwise="now, because the charger's clock is ahead",
    )
    row.end_received_at = now
    row.end_kind = kind
    row.end_note = reason
    row.closed_by = actor.user
    row.power_w = None
    row.remove_flag(Flag.STALE)
    settled = settle(row, readings)
    row.save(update_fields=_CLOSED_FIELDS)
    closed = f"Closed by {actor.name} without a stop: {reason} The end is {basis}."
    lines = [explain(row, LedgerKind.CLOSED, closed, at=now), *explain_settled(row, settled, at=now)]
    write_ledger(lines)
    audit.record(
        actor, "transactions.close", row, changes={"state": ["active", "ended"], "reason": [None, reason]}
    )
    tell("transaction.closed", row, at=now, reason=reason, by=actor.name, end_kind=kind.value)
    on_commit(partial(metrics.add_energy, row.energy_wh))
