"""Tariffs as operators edit them; sessions keep a snapshot, so that a change never touches the past."""

from __future__ import annotations

from typing import Any

from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from transactions import errors
from transactions.models import Tariff
from transactions.pricing import Tariff as PricingTariff
from transactions.pricing import TariffError

_CHANGE = "tariffs.change"


def create_tariff(*, actor: Actor, tenant: Tenant, name: str, **fields: Any) -> Tariff:
    """Make a tariff that can be priced.

    Raises  PermissionRefused, Duplicate, Invalid (with the path of the wrong value in its elements)
    """
    tariff = Tariff(tenant=tenant, name=name, **fields)
    _check(tariff)
    return rows.create_row(actor=actor, row=tariff, permission=_CHANGE)


def update_tariff(*, actor: Actor, tariff: Tariff, **changes: Any) -> Tariff:
    """Change a tariff; running sessions keep what they started with.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    changed = Tariff.objects.get(pk=tariff.pk)
    for name, value in changes.items():
        setattr(changed, name, value)
    _check(changed)
    return rows.update_row(actor=actor, row=tariff, permission=_CHANGE, changes=changes)


def delete_tariff(*, actor: Actor, tariff: Tariff) -> None:
    """Delete a tariff that nothing names; its sessions keep their snapshot.  Raises PermissionRefused, InUse."""
    rows.delete_row(actor=actor, row=tariff, permission=_CHANGE)


def _check(tariff: Tariff) -> None:
    try:
        PricingTariff.parse(tariff.snapshot())
    except TariffError as error:
        raise errors.Invalid({error.field: error.message}) from error
