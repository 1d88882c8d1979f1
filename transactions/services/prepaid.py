"""Prepaid balances: what sessions take from them, once (OCPP 2.1 C17).

A job does it, for the row of a token is shared by all sessions of it and must not be written where chargers wait.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q
from django.db.transaction import atomic

from accounts.models import IdToken
from csms_project.common import events
from transactions.choices import LedgerKind, TransactionState
from transactions.models import PrepaidDebit, Transaction
from transactions.price_now import money
from transactions.services.settling import explain, write_ledger

BATCH = 200


def debit_due(now: datetime) -> int:
    """Take the cost of ended sessions from the balances of their tokens; a cost that was corrected is corrected.

    Returns how many balances were changed.  A job: it finds its work in the rows.
    """
    prepaid = IdToken.objects.filter(pk=OuterRef("id_token"), balance__isnull=False)
    due = Q(prepaid_debit=None) | ~Q(prepaid_debit__amount=F("cost"))
    rows = Transaction.objects.filter(
        due, Exists(prepaid), state=TransactionState.ENDED, cost__isnull=False, limits__prepaid=True
    )
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
    return sum(_debit(pk, now) for pk in keys)


@atomic
def _debit(pk: int, now: datetime) -> bool:
    session = Transaction.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)
    debit = PrepaidDebit.objects.filter(transaction=session).first()
    if session.cost is None or session.id_token_id is None or session.is_active:
        return False
    before = debit.amount if debit is not None else 0
    change = session.cost - before
    if debit is not None and not change:
        return False
    IdToken.objects.filter(pk=session.id_token_id).update(balance=F("balance") - change)
    token = IdToken.objects.get(pk=session.id_token_id)
    balance = token.balance if token.balance is not None else -change
    PrepaidDebit.objects.update_or_create(
        transaction=session,
        defaults={
            "tenant_id": session.tenant_id,
            "id_token": token,
            "amount": session.cost,
            "balance_after": balance,
            "at": now,
        },
    )
    text = f"{money(change, session.currency)} taken from the prepaid balance, which is {balance:.2f} now."
    write_ledger([explain(session, LedgerKind.NOTE, text, at=now)])
    events.record(
        "id_token.debited",
        tenant_id=session.tenant_id,
        object_type="id_token",
        object_id=token.pk,
        data={"amount": f"{change:f}", "balance": f"{balance:f}", "transaction": session.pk},
        at=now,
    )
    return True
