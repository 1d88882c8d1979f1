"""The one permission table: which role may do what. Used by admin, API and command line, shown in docs/security.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.choices import Role

if TYPE_CHECKING:
    from accounts.models import Tenant, User

ALL = frozenset(Role)
_OWNER = frozenset({Role.OWNER})
_MANAGE = frozenset({Role.OWNER, Role.OPERATOR})
_FIELD = _MANAGE | {Role.TECHNICIAN}
_CARE = _MANAGE | {Role.SUPPORT}

# action → roles. An action is area.verb; areas without their own line do not exist.
PERMISSIONS: dict[str, frozenset[Role]] = {
    "tenant.view": ALL,
    "tenant.change": _OWNER,
    "users.view": _MANAGE,
    "users.change": _OWNER,
    "api_keys.view": _OWNER,
    "api_keys.change": _OWNER,
    "audit.view": _MANAGE,
    "drivers.view": _CARE | {Role.VIEWER},
    "drivers.change": _CARE,
    "id_tokens.view": ALL,
    "id_tokens.change": _CARE,
    "locations.view": ALL,
    "locations.change": _FIELD,
    "charge_points.view": ALL,
    "charge_points.change": _FIELD,
    "charge_points.archive": _MANAGE,
    "model_profiles.view": ALL,
    # Corrections of registers change what sessions cost.
    "model_profiles.change": _MANAGE,
    "connections.view": ALL,
    "refusals.view": _FIELD | {Role.SUPPORT},
    "refusals.change": _FIELD,
    "messages.view": _FIELD | {Role.SUPPORT},
    "security_events.acknowledge": _FIELD,
    "monitors.view": ALL,
    "charger_events.view": ALL,
    "charger_events.acknowledge": _FIELD,
    # What chargers know of customers is personal data.
    "customer_information.view": _MANAGE,
    "customer_information.change": _MANAGE,
    "certificates.view": ALL,
    "certificates.change": _MANAGE,
    "authorities.view": ALL,
    # The keys of the installation: for its administrators only.
    "authorities.change": frozenset(),
    "variables.view": _FIELD | {Role.SUPPORT, Role.VIEWER},
    "configuration_templates.view": _FIELD | {Role.SUPPORT, Role.VIEWER},
    "configuration_templates.change": _FIELD,
    "commands.view": ALL,
    # What a help desk needs for a driver at the charger …
    "commands.send": _FIELD | {Role.SUPPORT},
    # … and what can cut power, change settings or send anything at all.
    "commands.send_dangerous": _FIELD,
    "firmware.view": ALL,
    "firmware.change": _FIELD,
    # Diagnostics and logs may name people's tags.
    "logs.view": _FIELD | {Role.SUPPORT},
    "logs.change": _FIELD,
    "transactions.view": ALL,
    "transactions.stop": _FIELD | {Role.SUPPORT},
    "transactions.close": _MANAGE,
    "transactions.recompute": _MANAGE,
    # Amounts, receipts and who they are made out to.
    "settlements.view": _CARE | {Role.VIEWER},
    "tariffs.view": ALL,
    "tariffs.change": _MANAGE,
    "reservations.view": ALL,
    "local_lists.view": ALL,
    "local_lists.change": _FIELD,
    # Setting them on chargers is `commands.send_dangerous`.
    "charging_profiles.view": ALL,
    "charging_profiles.change": _FIELD,
    # Setting controls is `commands.send_dangerous`.
    "der.view": ALL,
    "battery_swaps.view": ALL,
    "display_messages.view": ALL,
    "display_messages.change": _FIELD,
    "events.view": ALL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, for permission checks and the audit trail.

    `tenant` None means every tenant and is for superusers and jobs only.
    """

    name: str
    via: str
    tenant: Tenant | None = None
    role: Role | None = None
    user: User | None = None
    is_superuser: bool = False
    address: str = ""

    @classmethod
    def system(cls, name: str, *, via: str = "job") -> Actor:
        """A job, the gateway or the command line: may everything, is named in the audit trail."""
        return cls(name=name, via=via, is_superuser=True)


def may(actor: Actor, action: str, obj: object | None = None) -> bool:
    """Whether the actor may do this, to this object if one is given.

    The object's tenant must be the actor's; rows without a tenant belong to the installation and are for
    superusers. Raises KeyError for an action that is not in the table.
    """
    roles = PERMISSIONS[action]
    if actor.tenant is not None and obj is not None and _tenant_id(obj) != actor.tenant.pk:
        return False
    if actor.is_superuser:
        return True
    return actor.tenant is not None and actor.role in roles


def _tenant_id(obj: object) -> int | None:
    from accounts.models import Tenant

    if isinstance(obj, Tenant):
        return obj.pk
    return getattr(obj, "tenant_id", None)
