"""Writing to the audit trail."""

from __future__ import annotations

from typing import Any, Protocol

from django.db import models

from csms_project.common.models import AuditEntry


class ActorLike(Protocol):
    """What the trail keeps of an actor (see `accounts.permissions.Actor`)."""

    @property
    def name(self) -> str: ...
    @property
    def via(self) -> str: ...
    @property
    def user(self) -> Any: ...
    @property
    def address(self) -> str: ...


def record(
    actor: ActorLike, action: str, obj: models.Model | None = None, *, changes: dict[str, Any] | None = None
) -> AuditEntry:
    """Append one entry in the caller's transaction. Never pass secrets in `changes`.

    changes  field → [old, new]
    """
    tenant_id = None
    if obj is not None:
        tenant_id = obj.pk if obj._meta.label == "accounts.Tenant" else getattr(obj, "tenant_id", None)
    return AuditEntry.objects.create(
        tenant_id=tenant_id,
        actor=actor.user,
        actor_name=actor.name[:150],
        via=actor.via,
        action=action,
        object_type=obj._meta.model_name or "" if obj is not None else "",
        object_id=str(obj.pk) if obj is not None else "",
        object_name=str(obj)[:200] if obj is not None else "",
        changes=changes or {},
        source_address=actor.address[:64],
    )
