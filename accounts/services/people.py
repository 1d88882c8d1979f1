"""Users, their roles in tenants, and drivers."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.transaction import atomic

from accounts import errors
from accounts.actors import require
from accounts.choices import Role
from accounts.models import ApiKey, Driver, Membership, Tenant, User
from accounts.permissions import Actor
from csms_project.common import audit

DRIVER_FIELDS = frozenset({"name", "email", "phone", "external_id", "is_active", "note"})


@atomic
def create_user(
    *,
    actor: Actor,
    tenant: Tenant,
    username: str,
    email: str = "",
    password: str | None = None,
    role: str = Role.VIEWER,
    first_name: str = "",
    last_name: str = "",
) -> User:
    """Make a user and a member of the tenant; without a password it cannot sign in until one is set.

    Raises  PermissionRefused, UserExists, Invalid
    """
    require(actor, "users.change", tenant)
    user = User(username=username, email=email, first_name=first_name, last_name=last_name, is_staff=True)
    _set_password(user, password)
    _validate(user, exclude={"password"})
    try:
        with atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise errors.UserExists({"username": "A user of this name exists already."}) from error
    Membership.objects.create(tenant=tenant, user=user, role=_role(role))
    _audit(actor, "users.create", tenant, user, {"role": [None, role]})
    return user


@atomic
def update_user(*, actor: Actor, tenant: Tenant, user: User, **changes: Any) -> User:
    """Change name, e-mail address, password or `is_active` of a member.

    A person who is also a member elsewhere, or a superuser, is no single tenant's to change.

    Raises  PermissionRefused, Invalid
    """
    require(actor, "users.change", tenant)
    _require_own(actor, tenant, user)
    unknown = changes.keys() - {"email", "first_name", "last_name", "is_active", "password"}
    if unknown:
        raise errors.Invalid(dict.fromkeys(sorted(unknown), "This cannot be set."))
    password = changes.pop("password", None)
    row = User.objects.get(pk=user.pk)
    diff = {
        name: [getattr(row, name), value] for name, value in changes.items() if getattr(row, name) != value
    }
    if changes.get("is_active") is False and _role_of(tenant, user) == Role.OWNER:
        _require_other_owner(tenant, user)
    for name, value in changes.items():
        setattr(row, name, value)
    columns = list(changes)
    if password is not None:
        _set_password(row, password)
        columns.append("password")
        diff["password"] = ["***", "***"]
    _validate(row, exclude={"password"})
    if columns:
        row.save(update_fields=columns)
        _audit(actor, "users.change", tenant, row, diff)
        user.refresh_from_db()
    return user


@atomic
def set_role(*, actor: Actor, tenant: Tenant, user: User, role: str) -> Membership:
    """Give a user a role in a tenant; who is no member becomes one.

    Raises  PermissionRefused, LastOwner, Invalid
    """
    require(actor, "users.change", tenant)
    role = _role(role)
    members = Membership.objects.select_for_update(no_key=True, of=("self",))
    membership = members.filter(tenant=tenant, user=user).first()
    before = membership.role if membership is not None else None
    if before == Role.OWNER and role != Role.OWNER:
        _require_other_owner(tenant, user)
    if membership is None:
        membership = Membership.objects.create(tenant=tenant, user=user, role=role)
    elif before != role:
        membership.role = role
        membership.save(update_fields=["role", "updated_at"])
    if before != role:
        _audit(actor, "users.set_role", tenant, user, {"role": [before, role]})
    return membership


@atomic
def remove_member(*, actor: Actor, tenant: Tenant, user: User) -> None:
    """End a membership; the user stays, because the books name it.

    Raises  PermissionRefused, NoMembership, LastOwner
    """
    require(actor, "users.change", tenant)
    role = _role_of(tenant, user)
    if role is None:
        raise errors.NoMembership(f"{user} is not a member of {tenant}.")
    if role == Role.OWNER:
        _require_other_owner(tenant, user)
    Membership.objects.filter(tenant=tenant, user=user).delete()
    _audit(actor, "users.remove", tenant, user, {"role": [role, None]})


@atomic
def create_driver(*, actor: Actor, tenant: Tenant, name: str, **fields: Any) -> Driver:
    """Make a customer.  Raises PermissionRefused, Invalid."""
    require(actor, "drivers.change", tenant)
    _check_driver_fields(fields)
    driver = Driver(tenant=tenant, name=name, **fields)
    _validate(driver)
    driver.save(force_insert=True)
    audit.record(actor, "drivers.create", driver)
    return driver


@atomic
def update_driver(*, actor: Actor, driver: Driver, **changes: Any) -> Driver:
    """Change a customer; the audit trail names the fields and keeps no personal data.

    Raises  PermissionRefused, Invalid
    """
    require(actor, "drivers.change", driver)
    _check_driver_fields(changes)
    changed = {name: value for name, value in changes.items() if getattr(driver, name) != value}
    if changed:
        row = Driver.objects.get(pk=driver.pk)
        for name, value in changed.items():
            setattr(row, name, value)
        _validate(row)
        row.save(update_fields=[*changed, "updated_at"])
        audit.record(actor, "drivers.change", row, changes={name: ["", "changed"] for name in changed})
        driver.refresh_from_db()
    return driver


@atomic
def create_api_key(*, actor: Actor, tenant: Tenant, name: str, role: str) -> tuple[ApiKey, str]:
    """Make a key for a program and return it with its text, to be shown once.

    Raises  PermissionRefused, Invalid
    """
    require(actor, "api_keys.change", tenant)
    if not name or len(name) > 50:
        raise errors.Invalid({"name": "Must have 1 to 50 characters."})
    key = ApiKey(tenant=tenant, name=name, role=_role(role), created_by=actor.user)
    text = ApiKey.objects.assign_key(key)
    key.save(force_insert=True)
    _audit_key(actor, "api_keys.create", key)
    return key, text


@atomic
def revoke_api_key(*, actor: Actor, key: ApiKey) -> None:
    """End a key for good.  Raises PermissionRefused."""
    require(actor, "api_keys.change", key)
    if not key.revoked:
        key.revoked = True
        key.save(update_fields=["revoked"])
        _audit_key(actor, "api_keys.revoke", key)


# --- steps ---


def _role(value: str) -> Role:
    try:
        return Role(value)
    except ValueError as error:
        raise errors.Invalid({"role": f"Must be one of {', '.join(Role.values)}."}) from error


def _role_of(tenant: Tenant, user: User) -> str | None:
    return Membership.objects.filter(tenant=tenant, user=user).values_list("role", flat=True).first()


def _require_other_owner(tenant: Tenant, user: User) -> None:
    # Locked, so that two owners cannot demote each other at the same moment.
    owners = Membership.objects.select_for_update(no_key=True, of=("self",)).filter(
        tenant=tenant, role=Role.OWNER, user__is_active=True
    )
    if all(owner.user_id == user.pk for owner in owners):
        raise errors.LastOwner


def _require_own(actor: Actor, tenant: Tenant, user: User) -> None:
    if actor.is_superuser and actor.tenant is None:
        return
    tenants = set(Membership.objects.filter(user=user).values_list("tenant_id", flat=True))
    if user.is_superuser or tenants != {tenant.pk}:
        raise errors.PermissionRefused("This user also belongs elsewhere and changes their own data.")


def _set_password(user: User, password: str | None) -> None:
    if password is None:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise errors.Invalid({"password": " ".join(error.messages)}) from error
    user.set_password(password)


def _validate(row: User | Driver, exclude: set[str] | None = None) -> None:
    try:
        row.full_clean(exclude=exclude)
    except ValidationError as error:
        messages = {
            "email" if name == "__all__" else name: " ".join(texts)
            for name, texts in error.message_dict.items()
        }
        if isinstance(row, User) and User.objects.filter(username=row.username).exclude(pk=row.pk).exists():
            raise errors.UserExists(messages) from error
        raise errors.Invalid(messages) from error


def _check_driver_fields(fields: dict[str, Any]) -> None:
    unknown = sorted(fields.keys() - DRIVER_FIELDS)
    if unknown:
        raise errors.Invalid(dict.fromkeys(unknown, "This cannot be set."))


def _audit(actor: Actor, action: str, tenant: Tenant, user: User, changes: dict[str, Any]) -> None:
    """Users have no tenant of their own: the entry is kept with the tenant that they are a member of."""
    audit.record(actor, action, tenant, changes={"user": [None, user.username], **changes})


def _audit_key(actor: Actor, action: str, key: ApiKey) -> None:
    """A key's primary key holds its hash: the entry is kept with the tenant and names the public prefix."""
    changes = {"name": [None, key.name], "prefix": [None, key.prefix], "role": [None, key.role]}
    audit.record(actor, action, key.tenant, changes=changes)
