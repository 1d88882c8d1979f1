"""A new authorization key on its way to a charger: when the old one stops working.

From the moment the new key is sent both work, because the answer may be lost and the charger may come back
with either.  Accepted ends the old key at once; a refusal ends the new one; RebootRequired or a lost answer
leave both until the first login decides.  Spec: OCPP 1.6 security whitepaper and 2.0.1, A01.FR.02–05.
"""

from __future__ import annotations

from typing import Any

from django.db.models import F

from chargepoints import keys
from chargepoints.choices import CommandStatus
from chargepoints.configuring import wanted_values
from chargepoints.models import ChargePoint, Command
from chargepoints.variable_names import canonical

_KEY = canonical("AuthorizationKey")
#: Every other status of a variable means that the charger has kept the old key (2.0.1 A01.FR.04).
_WAITS = "RebootRequired"


def find_new_key(action: str, payload: dict[str, Any]) -> str | None:
    """The authorization key that a command would set: AuthorizationKey of 1.6, BasicAuthPassword of 2.x."""
    for key, value in wanted_values(action, payload):
        if canonical(key) == _KEY:
            return value
    return None


def sent(command: Command, new_key: str) -> None:
    """The new key leaves for the charger: from now on both work."""
    ChargePoint.objects.filter(pk=command.charge_point_id).update(pending_key_hash=keys.hash_key(new_key))


def ended(command: Command) -> None:
    """The command that set the key has ended as its status and response say."""
    rows = ChargePoint.objects.filter(pk=command.charge_point_id).exclude(pending_key_hash="")
    said = _said_of_key(command.response)
    if said is None:
        taken = command.status == CommandStatus.ACCEPTED
        refused = command.status in (CommandStatus.REJECTED, CommandStatus.NOT_SUPPORTED)
    else:
        taken, refused = said == "Accepted", said not in ("Accepted", _WAITS)
    if taken and not _waits_for_reboot(command.response):
        rows.update(key_hash=F("pending_key_hash"), pending_key_hash="")
    elif refused:
        rows.update(pending_key_hash="")


def _said_of_key(response: Any) -> str | None:
    """The answer about the key among those about other variables; None: the answer is about the key alone."""
    results = response.get("setVariableResult") if isinstance(response, dict) else None
    if not isinstance(results, list):
        return None
    for result in results:
        if isinstance(result, dict) and _name_in(result) == ("securityctrlr", "basicauthpassword"):
            return str(result.get("attributeStatus"))
    return "Rejected"  # it says nothing of it: the charger cannot have taken it


def _name_in(result: dict[str, Any]) -> tuple[str, ...]:
    parts = (result.get("component"), result.get("variable"))
    return tuple(str(part.get("name")).casefold() for part in parts if isinstance(part, dict))


def _waits_for_reboot(response: Any) -> bool:
    return isinstance(response, dict) and response.get("status") == _WAITS
