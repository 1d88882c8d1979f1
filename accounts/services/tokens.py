"""RFID tags and other tokens: make, change, block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models.functions import Lower
from django.db.transaction import atomic
from django.utils import timezone

from accounts import errors
from accounts.actors import require
from accounts.choices import TokenStatus, TokenType
from accounts.models import Driver, IdToken, Tenant, TokenGroup
from accounts.permissions import Actor
from accounts.services import token_changes
from csms_project.common import audit, events

_MASK = "***"
#: What may be set on a token; its status has its own acts as well.
CHANGEABLE = frozenset(
    {
        "value",
        "type",
        "status",
        "expires_at",
        "group",
        "driver",
        "tariff",
        "max_active_sessions",
        "balance",
        "language1",
        "language2",
        "personal_message",
        "charging_priority",
        "note",
    }
)


def get_or_create_group(*, actor: Actor, tenant: Tenant, name: str) -> TokenGroup:
    """The tenant's group of this name, without regard to case; an unknown one is made.

    Raises  PermissionRefused, Invalid
    """
    require(actor, "id_tokens.change", tenant)
    found = _find_group(tenant, name)
    if found is not None:
        return found
    group = TokenGroup(tenant=tenant, name=name)
    _validate(group)
    try:
        with atomic():
            group.save(force_insert=True)
            audit.record(actor, "id_tokens.create_group", group)
    except IntegrityError:
        # Somebody made it at the same time.
        found = _find_group(tenant, name)
        if found is None:
            raise
        return found
    return group


@atomic
def create_token(
    *,
    actor: Actor,
    tenant: Tenant,
    value: str,
    type: str = TokenType.ISO14443,
    group: TokenGroup | None = None,
    driver: Driver | None = None,
    **fields: Any,
) -> IdToken:
    """Make a token; values differ by more than case.

    Raises  PermissionRefused, TokenExists, Invalid
    """
    require(actor, "id_tokens.change", tenant)
    _check_names(fields)
    token = IdToken(tenant=tenant, value=value, type=type, group=group, driver=driver, **fields)
    _check(token)
    _write(token)
    token_changes.note(tenant.pk)
    audit.record(actor, "id_tokens.create", token)
    if token.status == TokenStatus.BLOCKED:
        _tell_blocked(actor, [token], tenant)
    return token


@atomic
def update_token(*, actor: Actor, token: IdToken, **changes: Any) -> IdToken:
    """Change a token; only real changes are written and audited.  Setting Blocked is the same as blocking it.

    Raises  PermissionRefused, TokenExists, Invalid
    """
    require(actor, "id_tokens.change", token)
    _check_names(changes)
    row: IdToken = IdToken.objects.select_for_update(no_key=True, of=("self",)).get(pk=token.pk)
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not changed:
        return token
    if row.is_secret and "type" in changed and "value" not in changed:
        raise errors.Invalid({"type": "A key code stays one, or its value would be shown: make a new tag."})
    hidden = {"value"} if row.is_secret or changed.get("type") == TokenType.KEY_CODE else set()
    diff = {
        name: [_MASK, _MASK] if name in hidden else [_shown(getattr(row, name)), _shown(value)]
        for name, value in changed.items()
    }
    for name, value in changed.items():
        setattr(row, name, value)
    _check(row)
    _write(row, list(changed))
    if token_changes.MATTERING & changed.keys():
        token_changes.note(row.tenant_id)
    audit.record(actor, "id_tokens.change", row, changes=diff)
    if "status" in changed:
        tell = _tell_blocked if row.status == TokenStatus.BLOCKED else _tell_unblocked
        tell(actor, [row], row.tenant)
    token.refresh_from_db()
    return token


def block_tokens(*, actor: Actor, tokens: Iterable[IdToken]) -> int:
    """Block tokens and say so in the outbox; returns how many were not blocked before.

    The event carries `stop_sessions`, the tenant's wish that running sessions of the token end.

    Raises  PermissionRefused  for any of them, and then none is blocked
    """
    return _set_status(actor, tokens, TokenStatus.BLOCKED)


def unblock_tokens(*, actor: Actor, tokens: Iterable[IdToken]) -> int:
    """Accept blocked tokens again; returns how many were blocked before.  Raises PermissionRefused."""
    return _set_status(actor, tokens, TokenStatus.ACCEPTED)


@atomic
def set_group_status(*, actor: Actor, group: TokenGroup, status: str) -> TokenGroup:
    """Block or accept a whole group; what that means for its tokens is the tenant's setting.

    Raises  PermissionRefused
    """
    require(actor, "id_tokens.change", group)
    status = TokenStatus(status)
    if (
        TokenGroup.objects.filter(pk=group.pk)
        .exclude(status=status)
        .update(status=status, updated_at=timezone.now())
    ):
        token_changes.note(group.tenant_id)
        audit.record(actor, "id_tokens.change_group", group, changes={"status": [group.status, status.value]})
        if status == TokenStatus.BLOCKED and group.tenant.group_block_applies:
            _tell_blocked(actor, list(group.tokens.all()), group.tenant)
    group.status = status
    return group


# --- steps ---


@atomic
def _set_status(actor: Actor, tokens: Iterable[IdToken], status: TokenStatus) -> int:
    asked = list(tokens)
    for token in asked:
        require(actor, "id_tokens.change", token)
    rows = list(
        IdToken.objects.filter(pk__in=[token.pk for token in asked])
        .exclude(status=status)
        .select_related("tenant")
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    IdToken.objects.filter(pk__in=[row.pk for row in rows]).update(status=status, updated_at=timezone.now())
    for tenant_id in sorted({row.tenant_id for row in rows}):
        token_changes.note(tenant_id)
    action = "id_tokens.block" if status == TokenStatus.BLOCKED else "id_tokens.unblock"
    tell = _tell_blocked if status == TokenStatus.BLOCKED else _tell_unblocked
    for row in rows:
        audit.record(actor, action, row, changes={"status": [row.status, status.value]})
        tell(actor, [row], row.tenant)
    for token in asked:
        token.status = status
    return len(rows)


def _tell_blocked(actor: Actor, tokens: list[IdToken], tenant: Tenant) -> None:
    _tell("id_token.blocked", tokens, {"by": actor.name, "stop_sessions": tenant.stop_on_block})


def _tell_unblocked(actor: Actor, tokens: list[IdToken], tenant: Tenant) -> None:
    _tell("id_token.unblocked", tokens, {"by": actor.name})


def _tell(kind: str, tokens: list[IdToken], data: dict[str, Any]) -> None:
    events.record_all(
        [
            events.event(
                kind,
                tenant_id=token.tenant_id,
                object_type="id_token",
                object_id=token.pk,
                data={"value": token.shown_value, **data},
            )
            for token in tokens
        ]
    )


def _find_group(tenant: Tenant, name: str) -> TokenGroup | None:
    groups = TokenGroup.objects.for_tenant(tenant).annotate(lower=Lower("name"))
    found: TokenGroup | None = groups.filter(lower=name.lower()).first()
    return found


def _check_names(fields: dict[str, Any]) -> None:
    unknown = sorted(fields.keys() - CHANGEABLE)
    if unknown:
        raise errors.Invalid(dict.fromkeys(unknown, "This cannot be set."))


def _check(token: IdToken) -> None:
    problems = {
        name: "There is no such object."
        for name in ("group", "driver", "tariff")
        if (other := getattr(token, name)) is not None and other.tenant_id != token.tenant_id
    }
    if not token.value.isprintable() or token.value != token.value.strip():
        problems["value"] = "Must be printable, without spaces around it."
    if token.is_secret and token.value == _MASK:
        problems["value"] = "This stands for a key code that is not shown: give the code itself."
    if not token.type.isprintable() or token.type != token.type.strip():
        problems["type"] = "Must be printable, without spaces around it."
    if problems:
        raise errors.Invalid(problems)
    _validate(token)
    same = IdToken.objects.filter(
        tenant_id=token.tenant_id, value_key=token.value.casefold(), type=token.type
    ).exclude(pk=token.pk)
    if same.exists():
        raise errors.TokenExists({"value": "A tag with this value and type exists already."})


def _validate(row: IdToken | TokenGroup) -> None:
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise errors.Invalid({name: " ".join(texts) for name, texts in error.message_dict.items()}) from error


def _write(token: IdToken, columns: list[str] | None = None) -> None:
    try:
        with atomic():
            if columns is None:
                token.save(force_insert=True)
            else:
                token.save(update_fields=[*columns, "updated_at"])
    except IntegrityError as error:
        raise errors.TokenExists({"value": "A tag with this value and type exists already."}) from error


def _shown(value: Any) -> Any:
    if hasattr(value, "_meta") or hasattr(value, "isoformat"):
        return str(value)
    return value
