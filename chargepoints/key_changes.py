"""A new authorization key on its way to a charger: when the old one stops working.

From the moment the new key is sent both work, because the answer may be lost and the charger may come back
with either.  Accepted ends the old key at once; a refusal ends the new one; RebootRequired or a lost answer
leave both until the first login decides.  Spec: OCPP 1.6 security whitepaper A01.FR.02–05.
"""

from __future__ import annotations

from typing import Any

from django.db.models import F

from chargepoints import keys
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command

_ACTIONS = frozenset({"change_configuration", "ChangeConfiguration"})
_KEY = "authorizationkey"


def find_new_key(action: str, payload: dict[str, Any]) -> str | None:
    """The authorization key that a command would set."""
    if action not in _ACTIONS or str(payload.get("key", "")).casefold() != _KEY:
        return None
    value = payload.get("value")
    return value if isinstance(value, str) else None


def sent(command: Command, new_key: str) -> None:
    """The new key leaves for the charger: from now on both work."""
    ChargePoint.objects.filter(pk=command.charge_point_id).update(pending_key_hash=keys.hash_key(new_key))


def ended(command: Command) -> None:
    """The command that set the key has ended as its status and response say."""
    rows = ChargePoint.objects.filter(pk=command.charge_point_id).exclude(pending_key_hash="")
    if command.status == CommandStatus.ACCEPTED and not _waits_for_reboot(command.response):
        rows.update(key_hash=F("pending_key_hash"), pending_key_hash="")
    elif command.status in (CommandStatus.REJECTED, CommandStatus.NOT_SUPPORTED):
        rows.update(pending_key_hash="")


def _waits_for_reboot(response: Any) -> bool:
    return isinstance(response, dict) and response.get("status") == "RebootRequired"
