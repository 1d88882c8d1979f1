"""What orders to swap batteries need, and what they mean for the row of the swap.

Spec: OCPP 2.1 part 2, S02.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, authorize, load_tokens, token_key
from chargepoints.choices import BatterySwapState, CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import BatterySwap, ChargePoint, Command

ACTIONS = {"request_battery_swap": False, "RequestBatterySwap": True}
_REFUSED = (
    CommandStatus.REJECTED,
    CommandStatus.NOT_SUPPORTED,
    CommandStatus.FAILED,
    CommandStatus.EXPIRED,
    CommandStatus.CANCELLED,
)
_WORDS = {
    AuthorizationStatus.BLOCKED: "The tag is blocked.",
    AuthorizationStatus.EXPIRED: "The tag has expired.",
    AuthorizationStatus.INVALID: "There is no such tag.",
}


def known_token(charge_point: ChargePoint, value: str, kind: str) -> Authorization:
    """What is known of a tag at this charger (C01)."""
    tenant = charge_point.tenant
    key = token_key(tenant.pk, value)
    return authorize(
        tenant=tenant,
        mode=charge_point.authorization_mode or tenant.authorization_mode,
        candidates=load_tokens([key])[key],
        now=timezone.now(),
        type=kind or TokenType.ISO14443,
    )


def check(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """A swap is asked for only for a tag that may charge (S02.FR.03).

    Raises  InvalidPayload
    """
    if action not in ACTIONS:
        return
    value, kind = _token(ACTIONS[action], payload)
    status = known_token(charge_point, value, kind).status
    if status != AuthorizationStatus.ACCEPTED:
        words = _WORDS.get(status, "The tag may not charge.")
        raise InvalidPayload({"payload" if ACTIONS[action] else "id_token": words})


def asked(charge_point: ChargePoint, command: Command, payload: Mapping[str, Any]) -> None:
    """Make the row of a swap that was ordered."""
    if command.action not in ACTIONS:
        return
    is_raw = ACTIONS[command.action]
    value, kind = _token(is_raw, payload)
    known = known_token(charge_point, value, kind)
    BatterySwap.objects.create(
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        request_id=payload["requestId" if is_raw else "request_id"],
        id_token=known.token,
        id_token_value=value[:255],
        id_token_type=kind or (known.token.type if known.token is not None else ""),
        authorization=str(known.status),
        command=command,
        last_event_at=command.created_at,
    )


def ended(command: Command) -> None:
    """A station that does not take the order swaps nothing."""
    if command.action in ACTIONS and command.status in _REFUSED:
        rows = BatterySwap.objects.filter(command=command, status=BatterySwapState.REQUESTED)
        rows.update(status=BatterySwapState.REFUSED, updated_at=timezone.now())


def _token(is_raw: bool, payload: Mapping[str, Any]) -> tuple[str, str]:
    if not is_raw:
        return str(payload.get("id_token", "")), str(payload.get("token_type", ""))
    token = payload.get("idToken")
    given = token if isinstance(token, Mapping) else {}
    return str(given.get("idToken", "")), str(given.get("type", ""))
