"""Orders about what a charger knows of a customer: each has a row, whoever has given it (2.x N09, N10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chargepoints.models import Command, CustomerInformation
from chargepoints.redaction import MASK

ACTIONS = ("customer_information", "CustomerInformation")


def asked(command: Command, order: Mapping[str, Any]) -> None:
    """A customer's data was ordered to be reported or deleted."""
    if command.action not in ACTIONS:
        return
    raw = command.action[:1].isupper()
    CustomerInformation.objects.create(
        tenant_id=command.tenant_id,
        charge_point_id=command.charge_point_id,
        command=command,
        request_id=order["requestId" if raw else "request_id"],
        customer=_customer(order, raw=raw)[:300],
        report=bool(order.get("report")),
        clear=bool(order.get("clear")),
        requested_by_name=command.requested_by_name,
    )


def tag_of(order: Mapping[str, Any], *, raw: bool) -> str:
    """The tag that an order names, if any."""
    token = order.get("idToken" if raw else "id_token")
    return str((token.get("idToken") if isinstance(token, Mapping) else token) or "")


def _customer(order: Mapping[str, Any], *, raw: bool) -> str:
    """Whom an order is about, as people read it; codes that people type are secrets (C04.FR.04)."""
    if tag := tag_of(order, raw=raw):
        token = order.get("idToken")
        kind = token.get("type") if isinstance(token, Mapping) else order.get("id_token_type")
        return f"Tag {MASK if str(kind).casefold() == 'keycode' else tag}"
    if name := order.get("customerIdentifier" if raw else "customer_identifier"):
        return f"Identifier {name}"
    hashes = order.get("customerCertificate") if raw else order
    number = hashes.get("serialNumber" if raw else "serial_number") if isinstance(hashes, Mapping) else ""
    return f"Certificate {number}"
