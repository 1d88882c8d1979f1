"""Tenants, and the first start of an installation."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.transaction import atomic

from accounts import errors
from accounts.actors import require
from accounts.models import Tenant, User
from accounts.permissions import Actor
from accounts.services import token_changes
from csms_project.common import audit, events

#: What an owner may change of a tenant.
CHANGEABLE = frozenset(
    {
        "name",
        "currency",
        "time_zone",
        "country_code",
        "party_id",
        "brand_color",
        "support_contact",
        "onboarding_mode",
        "auto_configure",
        "heartbeat_interval_s",
        "keep_local_lists",
        "authorization_mode",
        "group_block_applies",
        "max_active_sessions",
        "stop_on_block",
        "accepted_vendor_ids",
        "pricing_mode",
        "cost_display",
        "cost_interval_s",
        "local_tariffs",
        "accepts_direct_payment",
        "default_tariff",
        "stale_after_days",
        "close_stale_after_days",
        "cpo_name",
        "signing_policy",
        "certificate_days",
        "renew_certificate_days",
        "alert_severity",
        "alert_types",
        "quiet_types",
        "alert_event_severity",
    }
)


def ensure_default_tenant() -> Tenant:
    """The tenant that every installation has, made on the first start with the currency of the settings."""
    tenant, _ = Tenant.objects.get_or_create(
        slug=settings.DEFAULT_TENANT,
        defaults={"name": settings.DEFAULT_TENANT.title(), "currency": settings.TARIFF_CURRENCY},
    )
    return tenant


@atomic
def ensure_first_admin(username: str, password: str | None) -> tuple[User, str | None]:
    """The superuser of an installation; on the first start it is made.

    password  None: generate one
    Returns   the user and the generated password, or None where the user exists or a password was given;
              an existing user's password is never changed
    """
    existing = User.objects.filter(username=username).first()
    if existing is not None:
        return existing, None
    generated = None if password else secrets.token_urlsafe(12)
    user = User.objects.create_superuser(username=username, password=password or generated)
    audit.record(Actor.system("first start", via="cli"), "users.create", user)
    return user, generated


@atomic
def create_tenant(*, actor: Actor, slug: str, name: str, **fields: Any) -> Tenant:
    """Make a CPO organisation; only superusers may.

    Raises  PermissionRefused, Invalid
    """
    if not actor.is_superuser or actor.tenant is not None:
        raise errors.PermissionRefused("Only an administrator of the installation makes tenants.")
    _check_names(fields)
    tenant = Tenant(slug=slug, name=name, **fields)
    _validate(tenant)
    tenant.save(force_insert=True)
    audit.record(actor, "tenant.create", tenant)
    events.record("tenant.created", tenant_id=tenant.pk, object_type="tenant", object_id=tenant.pk)
    return tenant


@atomic
def update_tenant(*, actor: Actor, tenant: Tenant, **changes: Any) -> Tenant:
    """Change the settings of a tenant; only real changes are written and audited.

    Raises  PermissionRefused, Invalid
    """
    require(actor, "tenant.change", tenant)
    _check_names(changes)
    changed = {name: value for name, value in changes.items() if getattr(tenant, name) != value}
    if not changed:
        return tenant
    diff = {name: [_shown(getattr(tenant, name)), _shown(value)] for name, value in changed.items()}
    row = Tenant.objects.get(pk=tenant.pk)
    for name, value in changed.items():
        setattr(row, name, value)
    _validate(row)
    row.save(update_fields=[*changed, "updated_at"])
    if "group_block_applies" in changed:
        token_changes.note(row.pk)
    audit.record(actor, "tenant.change", row, changes=diff)
    tenant.refresh_from_db()
    return tenant


def _check_names(fields: dict[str, Any]) -> None:
    unknown = sorted(fields.keys() - CHANGEABLE)
    if unknown:
        raise errors.Invalid(dict.fromkeys(unknown, "This cannot be set."))


def _validate(tenant: Tenant) -> None:
    tariff = tenant.default_tariff
    if tariff is not None and tariff.tenant_id != tenant.pk:
        raise errors.Invalid({"default_tariff": "There is no such tariff."})
    try:
        tenant.full_clean()
    except ValidationError as error:
        raise errors.Invalid({name: " ".join(texts) for name, texts in error.message_dict.items()}) from error


def _shown(value: Any) -> Any:
    return str(value) if hasattr(value, "_meta") else value
