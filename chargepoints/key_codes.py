"""Key codes in orders: whoever reads one may charge with it, so an order keeps it as a secret (2.0.1 C04.FR.04)."""

from __future__ import annotations

from typing import Any

from accounts.choices import TokenType
from accounts.models import IdToken
from chargepoints.models import ChargePoint

_ORDERS = frozenset({"remote_start", "reserve_now", "customer_information"})


def marked(charge_point: ChargePoint, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The order, with the type of its tag where that is a key code: then it is stored without the code."""
    if action not in _ORDERS or "id_token_type" in payload or "id_token" not in payload:
        return payload
    rows = IdToken.objects.for_tenant(charge_point.tenant_id).filter(value_key=payload["id_token"].casefold())
    types = set(rows.values_list("type", flat=True))
    return (
        {**payload, "id_token_type": TokenType.KEY_CODE.value} if types == {TokenType.KEY_CODE} else payload
    )
