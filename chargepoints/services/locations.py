"""Sites."""

from __future__ import annotations

from typing import Any

from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from chargepoints.models import Location

_CHANGE = "locations.change"


def create_location(*, actor: Actor, tenant: Tenant, name: str, **fields: Any) -> Location:
    """Make a site.  Raises PermissionRefused, Duplicate, Invalid."""
    return rows.create_row(actor=actor, row=Location(tenant=tenant, name=name, **fields), permission=_CHANGE)


def update_location(*, actor: Actor, location: Location, **changes: Any) -> Location:
    """Change a site.  Raises PermissionRefused, Duplicate, Invalid."""
    return rows.update_row(actor=actor, row=location, permission=_CHANGE, changes=changes)


def delete_location(*, actor: Actor, location: Location) -> None:
    """Delete a site without charge points.  Raises PermissionRefused, InUse."""
    rows.delete_row(actor=actor, row=location, permission=_CHANGE)
