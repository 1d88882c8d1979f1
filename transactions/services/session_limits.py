"""Limits of a running session in cost, energy, time or charge, set by people (OCPP 2.1 E16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from csms_project.common import audit
from transactions import errors, session_limits
from transactions.choices import LedgerKind
from transactions.cost_features import TARIFFS, has_feature, supported_limits
from transactions.models import CostDisplay, Transaction
from transactions.services.settling import explain, write_ledger

#: Who may end a session may also limit it.
PERMISSION = "transactions.stop"
_WORDS = {
    "maxCost": ("cost", "{} {currency}"),
    "maxEnergy": ("energy", "{} Wh"),
    "maxTime": ("time", "{} s"),
    "maxSoC": ("state of charge", "{} %"),
}


@atomic
def set_limits(*, actor: Actor, transaction: Transaction, limits: Mapping[str, Any]) -> Transaction:
    """Limit a running session, or change its limits; the charger is told with the answer to its next event.

    A limit that was told cannot be taken back, only be raised (E16.FR.17).

    limits  kind (maxCost, maxEnergy in Wh, maxTime in s from the start, maxSoC in %) → number
    Raises  PermissionRefused, TransactionNotActive, Invalid (no number above 0, a kind that the charger does not know)
    """
    require(actor, PERMISSION, transaction)
    rows = Transaction.objects.select_related("charge_point").select_for_update(no_key=True, of=("self",))
    row: Transaction = rows.get(pk=transaction.pk)
    if not row.is_active:
        raise errors.TransactionNotActive
    wanted = _checked(row, limits)
    before = dict((row.limits or {}).get("wanted", {}))
    row.limits = session_limits.wanting(row.limits, wanted)
    row.save(update_fields=["limits"])
    if session_limits.MAX_COST in wanted and not has_feature(row.charge_point, TARIFFS):
        # The charger can keep to a cost only while it is told the cost (E16.FR.11).
        CostDisplay.objects.update_or_create(
            transaction=row,
            defaults={"tenant_id": row.tenant_id, "charge_point_id": row.charge_point_id, "closed_at": None},
        )
    text = f"Limited by {actor.name}: {', '.join(in_words(wanted, row.currency))}."
    write_ledger([explain(row, LedgerKind.NOTE, text, at=timezone.now())])
    audit.record(actor, "transactions.limit", row, changes={"limits": [before, {**before, **wanted}]})
    return row


def _checked(row: Transaction, limits: Mapping[str, Any]) -> dict[str, str]:
    known = supported_limits(row.charge_point)
    read, problems = session_limits.read(limits), {}
    for kind in limits:
        if kind not in session_limits.KINDS:
            problems[kind] = "There is no such limit."
        elif kind not in read or float(read[kind]) <= 0:
            problems[kind] = "Must be a number above 0."
        elif kind not in known:
            problems[kind] = (
                f"The charger knows limits of: {', '.join(known) or 'nothing'} (TxCtrlr/SupportedLimits)."
            )
    if problems:
        raise errors.Invalid(problems)
    if not read:
        raise errors.Invalid({"limits": "Give a limit."})
    return read


def in_words(limits: Mapping[str, str], currency: str) -> list[str]:
    """Limits for people."""
    return [
        f"{_WORDS[kind][0]} {_WORDS[kind][1].format(text, currency=currency)}"
        for kind, text in limits.items()
        if kind in _WORDS
    ]
