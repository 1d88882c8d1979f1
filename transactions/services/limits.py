"""Limits of one running session (OCPP 1.6 §5.16.3)."""

from __future__ import annotations

from accounts.actors import require
from accounts.permissions import Actor
from chargepoints.charging.plan import Plan
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.errors import NothingToLimit, ProfileNotStanding
from chargepoints.models import ChargingProfileAssignment, Command
from chargepoints.services import charging_profiles
from transactions.models import Transaction


def limit(
    *,
    actor: Actor,
    transaction: Transaction,
    plan: Plan,
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> charging_profiles.Assigned:
    """Ask the charger to keep a session below limits of its own; they end with the session.

    Raises  PermissionRefused, NothingToLimit, InvalidProfile, and what `commands.queue` raises
    """
    row = _limitable(actor, transaction)
    return charging_profiles.limit_session(
        actor=actor,
        charge_point=row.charge_point,
        connector=row.connector_number,
        transaction_id=row.ocpp_id,
        plan=plan,
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )


def remove_limit(
    *, actor: Actor, transaction: Transaction, expires_in: int | None = None, idempotency_key: str = ""
) -> Command:
    """Ask the charger to take a session's own limit back; that of every session holds again.

    Raises  PermissionRefused, NothingToLimit, ProfileNotStanding, and what `commands.queue` raises
    """
    row = _limitable(actor, transaction)
    assignment = limit_of(row)
    if assignment is None:
        raise ProfileNotStanding("The session has no limit of its own.")
    return charging_profiles.clear(
        actor=actor, assignment=assignment, expires_in=expires_in, idempotency_key=idempotency_key
    )


def limit_of(transaction: Transaction) -> ChargingProfileAssignment | None:
    """The limit that a running session has of its own, or is to have."""
    if not transaction.is_active or not transaction.ocpp_id:
        return None
    return charging_profiles.find_session_limit(transaction.charge_point, transaction.ocpp_id)


def _limitable(actor: Actor, transaction: Transaction) -> Transaction:
    require(actor, SEND_DANGEROUS, transaction)
    row: Transaction = Transaction.objects.select_related("charge_point").get(pk=transaction.pk)
    if not row.is_active or not row.ocpp_id or row.connector_number == 0:
        raise NothingToLimit
    return row
