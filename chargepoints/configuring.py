"""Orders to set a configuration key: what was asked for last, so that a refusal is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import salted_hmac

from chargepoints.models import ChargePoint, Command, VariableRequest

#: Who ordered a read that nobody asked for (`Command.requested_by_name`).
AFTER_BOOT = "after boot"
BOOT_SETTINGS = "boot settings"
_ACTIONS = frozenset({"change_configuration", "ChangeConfiguration"})


def digest_of(value: str) -> str:
    """Tells whether a value is one that was asked for before, and nothing else of it."""
    return salted_hmac("chargepoints.configuration", value, algorithm="sha256").hexdigest()


def asked(charge_point: ChargePoint, command: Command, payload: Mapping[str, Any]) -> None:
    """Remember which value a charger is asked to take; how it went is the command's status.

    payload  of the order, secrets in the clear
    """
    key, value = payload.get("key"), payload.get("value")
    if command.action not in _ACTIONS or not isinstance(key, str) or not isinstance(value, str):
        return
    VariableRequest.objects.bulk_create(
        [
            VariableRequest(
                tenant_id=charge_point.tenant_id,
                charge_point=charge_point,
                name_key=key.casefold()[:50],
                value_digest=digest_of(value),
                firmware_version=charge_point.firmware_version,
                command_id=command.pk,
                requested_at=command.created_at,
            )
        ],
        update_conflicts=True,
        unique_fields=["charge_point", "name_key"],
        update_fields=["value_digest", "firmware_version", "command_id", "requested_at"],
    )
