"""Asking chargers to end sessions."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from accounts.actors import require
from accounts.choices import TokenStatus
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.errors import ChargePointsError
from chargepoints.models import Command
from chargepoints.selectors import live_connections
from transactions import errors
from transactions.choices import TransactionState
from transactions.models import Transaction

logger = logging.getLogger(__name__)

#: A charger that did not end a blocked token's session is asked again after this time.
RETRY_AFTER = timedelta(minutes=10)

_ACTION = "remote_stop"


def request_stop(
    *, actor: Actor, transaction: Transaction, expires_in: int | None = None, idempotency_key: str = ""
) -> Command:
    """Ask the charger to end a session; the session ends when its stop arrives, not before.

    While such a command is open, it is returned instead of a second one.

    Raises  PermissionRefused, TransactionNotActive, and what `commands.queue` raises (ChargePointOffline …)
    """
    require(actor, "transactions.stop", transaction)
    row = Transaction.objects.select_related("charge_point").get(pk=transaction.pk)
    if not row.is_active or not row.ocpp_id:
        raise errors.TransactionNotActive
    open_command = stop_commands(row.charge_point_id, row.ocpp_id).filter(
        status__in=(CommandStatus.QUEUED, CommandStatus.SENT)
    )
    if (waiting := open_command.first()) is not None:
        return waiting
    return commands.queue(
        actor=actor,
        charge_point=row.charge_point,
        action=_ACTION,
        payload={"transaction_id": row.ocpp_id},
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )


def stop_blocked(now: datetime) -> int:
    """Ask for the end of running sessions of blocked tokens where the tenant wants that; returns how many.

    Chargers that are offline are asked when they are back.  A job: it finds its work in the rows.
    """
    online = live_connections().filter(charge_point=OuterRef("charge_point"))
    running = Transaction.objects.filter(
        Exists(online),
        state=TransactionState.ACTIVE,
        tenant__stop_on_block=True,
        id_token__status=TokenStatus.BLOCKED,
    ).select_related("charge_point")
    asked = 0
    for row in running.order_by("pk"):
        recent = stop_commands(row.charge_point_id, row.ocpp_id).filter(created_at__gt=now - RETRY_AFTER)
        if recent.exists():
            continue
        try:
            request_stop(actor=Actor.system("stop sessions of blocked tokens"), transaction=row)
        except (ChargePointsError, errors.TransactionsError) as error:
            # Gone offline or ended just now; one session must not keep the others running.
            logger.info("transaction.stop_skipped", extra={"transaction_id": row.pk, "reason": str(error)})
            continue
        asked += 1
    return asked


def stop_commands(charge_point_id: int, ocpp_id: str) -> QuerySet[Command]:
    """Orders to end a session, the newest first."""
    rows: QuerySet[Command] = Command.objects.filter(
        charge_point_id=charge_point_id, action=_ACTION, payload__transaction_id=ocpp_id
    ).order_by("-id")
    return rows
