"""Plain rows that an operator edits and that have no rules beyond their fields: sites, groups, tariffs.

One audited way to make, change and delete them; the named services of each app call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError
from django.db.transaction import atomic

from accounts import errors
from accounts.actors import require
from accounts.permissions import Actor
from accounts.services import token_changes
from csms_project.common import audit
from csms_project.common.models import TenantOwned

Row = TypeVar("Row", bound=TenantOwned)


@atomic
def create_row(*, actor: Actor, row: Row, permission: str) -> Row:
    """Store a new row of its tenant.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    require(actor, permission, row)
    _validate(row)
    _write(row, None)
    token_changes.note_row(row)
    audit.record(actor, f"{_area(permission)}.create", row)
    return row


@atomic
def update_row(*, actor: Actor, row: Row, permission: str, changes: Mapping[str, Any]) -> Row:
    """Change fields of a row; only real changes are written and audited.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    require(actor, permission, row)
    fresh: Row = type(row)._default_manager.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)
    changed = {name: value for name, value in changes.items() if getattr(fresh, name) != value}
    if not changed:
        return row
    diff = {name: [_shown(getattr(fresh, name)), _shown(value)] for name, value in changed.items()}
    for name, value in changed.items():
        setattr(fresh, name, value)
    _validate(fresh)
    _write(fresh, [*changed, "updated_at"])
    token_changes.note_row(fresh)
    audit.record(actor, permission, fresh, changes=diff)
    row.refresh_from_db()
    return row


@atomic
def delete_row(*, actor: Actor, row: TenantOwned, permission: str) -> None:
    """Delete a row that nothing refers to.

    Raises  PermissionRefused, InUse
    """
    require(actor, permission, row)
    audit.record(actor, f"{_area(permission)}.delete", row)
    try:
        with atomic():
            type(row)._default_manager.get(pk=row.pk).delete()
            token_changes.note_row(row)
    except ProtectedError as error:
        kinds = sorted({str(other._meta.verbose_name_plural) for other in error.protected_objects})
        raise InUse(f"It is in use by {', '.join(kinds)} and cannot be deleted.") from error


class Duplicate(errors.Invalid):
    """There is such a row already."""


class InUse(errors.AccountsError):
    """It is in use and cannot be deleted."""


def _validate(row: TenantOwned) -> None:
    foreign = {
        field.name: "There is no such object."
        for field in row._meta.concrete_fields
        if field.is_relation
        and (other := getattr(row, field.name)) is not None
        and getattr(other, "tenant_id", row.tenant_id) != row.tenant_id
    }
    if foreign:
        raise errors.Invalid(foreign)
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise errors.Invalid(_messages(error)) from error
    try:
        row.validate_unique()
        row.validate_constraints()
    except ValidationError as error:
        raise Duplicate(_messages(error)) from error


def _messages(error: ValidationError) -> dict[str, str]:
    return {
        "name" if field == "__all__" else field: " ".join(texts)
        for field, texts in error.message_dict.items()
    }


def _write(row: TenantOwned, columns: list[str] | None) -> None:
    try:
        with atomic():
            if columns is None:
                row.save(force_insert=True)
            else:
                row.save(update_fields=columns)
    except IntegrityError as error:
        raise Duplicate({"name": "It exists already."}) from error


def _area(permission: str) -> str:
    return permission.partition(".")[0]


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | int | bool | list | dict | None) else str(value)
