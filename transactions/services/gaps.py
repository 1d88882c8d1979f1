"""Asking chargers about sessions of which events are missing (2.0.1 E14).

A charger that was offline sends what it has queued when it is back.  Where numbers are missing after that, it is asked
once whether it still holds messages of the session; what it answers stands with the command.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.errors import ChargePointsError
from chargepoints.models import Command
from chargepoints.selectors import live_connections, may_be_told_unasked
from transactions.choices import Flag, TransactionState
from transactions.models import Transaction

logger = logging.getLogger(__name__)

ACTION = "get_transaction_status"
#: So long a charger that is back may take to send what it has queued.
PATIENCE = timedelta(minutes=2)
#: Sessions that began earlier are not asked about.
WINDOW = timedelta(days=7)
#: Asked in one go.
BATCH = 100


def ask_about_gaps(now: datetime) -> int:
    """Ask about each session once in each connection; returns how many were asked about.  A job."""
    return sum(_ask(row) for row in _with_gaps(now))


def _with_gaps(now: datetime) -> list[Transaction]:
    back = live_connections().filter(charge_point=OuterRef("charge_point"), connected_at__lt=now - PATIENCE)
    rows = Transaction.objects.filter(
        Exists(back),
        may_be_told_unasked("charge_point__"),
        first_seq_no__isnull=False,
        started_at__gte=now - WINDOW,
    ).exclude(Exists(_asked_in_this_connection()))
    missing = Q(start_digest="") | Q(event_count__lte=F("last_seq_no") - F("first_seq_no"))
    running = rows.filter(missing, state=TransactionState.ACTIVE)
    # The index of flagged sessions is small; which flags they have is seen here.
    ended = rows.filter(missing, state=TransactionState.ENDED).exclude(flags=[])
    found = [*running.order_by("pk")[:BATCH], *ended.order_by("pk")[:BATCH]]
    return [row for row in found if row.is_active or Flag.EVENTS_MISSING in row.flags]


def _asked_in_this_connection() -> QuerySet[Command]:
    asked: QuerySet[Command] = Command.objects.alias(about=KT("payload__transaction_id")).filter(
        charge_point=OuterRef("charge_point"),
        action=ACTION,
        about=OuterRef("ocpp_id"),
        created_at__gte=OuterRef("charge_point__connection__connected_at"),
    )
    return asked


def _ask(row: Transaction) -> int:
    try:
        commands.queue(
            actor=Actor.system("missing events"),
            charge_point=row.charge_point,
            action=ACTION,
            payload={"transaction_id": row.ocpp_id},
        )
    except ChargePointsError as error:
        # Gone offline just now; one charger must not keep the others waiting.
        logger.info("transaction.not_asked", extra={"transaction_id": row.pk, "reason": str(error)})
        return 0
    return 1
