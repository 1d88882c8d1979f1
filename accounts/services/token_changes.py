"""Telling upper apps that tokens have changed, by a row: chargers may hold them in a list of their own."""

from __future__ import annotations

from typing import Any, Final

from django.db import models

from accounts.models import IdToken, TokenChange, TokenGroup

#: What a charger's list says of a token.
MATTERING: Final = frozenset({"value", "type", "status", "expires_at", "group"})


def note(tenant_id: int) -> None:
    """Something about the tokens of a tenant has changed; in the transaction of the change."""
    TokenChange.objects.create(tenant_id=tenant_id)


def note_row(row: models.Model) -> None:
    """As `note`, for any row that was written: others than tokens and their groups do not matter."""
    if isinstance(row, IdToken | TokenGroup):
        note(row.tenant_id)


def take() -> set[int]:
    """The tenants whose tokens have changed since the last call; in the transaction that draws the consequences."""
    changes: Any = TokenChange.objects.order_by("pk").values_list("pk", "tenant_id")[:10_000]
    found = dict(changes)
    if found:
        TokenChange.objects.filter(pk__in=found).delete()
    return set(found.values())
