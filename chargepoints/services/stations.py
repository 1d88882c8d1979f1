"""Charge points as operators manage them: register, change, accept, archive, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import errors, keys, profile_changes
from chargepoints.choices import RegistrationStatus, RevocationReason, SecurityProfile, UpgradeStatus
from chargepoints.models import ChargePoint, Connector, Evse, Location, RefusedConnection
from chargepoints.selectors import refusals_for
from chargepoints.services import certificates
from csms_project.common import audit, events

#: What an operator may change; everything else is written by the charger or has its own act.
CHANGEABLE = frozenset(
    {
        "identity",
        "name",
        "location",
        "note",
        "security_profile",
        "certificate_name",
        "auto_configure",
        "heartbeat_interval_s",
        "strict_schema",
        "accepted_vendor_ids",
        "authorization_mode",
        "pricing_mode",
        "cost_display",
        "tariff",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new charge point; `key` is its generated authorization key, to be shown once, or None."""

    charge_point: ChargePoint
    key: str | None


@atomic
def register_charge_point(
    *,
    actor: Actor,
    tenant: Tenant,
    identity: str,
    authorization_key: str | None = None,
    security_profile: int = SecurityProfile.BASIC,
    location: Location | None = None,
    connectors: int = 1,
    registration_status: str = RegistrationStatus.ACCEPTED,
    ocpp_version: str = "ocpp1.6",
    **fields: Any,
) -> Registered:
    """Make a charge point with EVSEs 1 to `connectors`, one connector each.

    Without an authorization key one is generated, unless the security profile needs none (0 and 3).

    ocpp_version  decides the form of a generated key
    Raises        PermissionRefused, IdentityTaken, Invalid
    """
    require(actor, "charge_points.change", tenant)
    _check_names(fields)
    if not 0 <= connectors <= settings.OCPP_MAX_CONNECTORS:
        raise errors.Invalid({"connectors": f"Must be from 0 to {settings.OCPP_MAX_CONNECTORS}."})
    key = authorization_key
    if key is None and security_profile in (SecurityProfile.BASIC, SecurityProfile.TLS_BASIC):
        key = keys.generate_key(ocpp_version)
    charge_point = ChargePoint(
        tenant=tenant,
        identity=identity,
        security_profile=security_profile,
        location=location,
        registration_status=registration_status,
        key_hash=_hashed(key) if key is not None else "",
        **fields,
    )
    _validate(charge_point)
    _insert(charge_point)
    _make_connectors(charge_point, connectors)
    _note(actor, "charge_points.register", charge_point, "charge_point.registered")
    return Registered(charge_point=charge_point, key=key if authorization_key is None else None)


@atomic
def register_refused(
    *, actor: Actor, refused: RefusedConnection, tenant: Tenant, connectors: int = 1, **fields: Any
) -> Registered:
    """Register the charger that was refused as unknown, and take it off the list of refusals.

    Raises  PermissionRefused, AlreadyRegistered, IdentityTaken, Invalid
    """
    require(actor, "refusals.change", tenant)
    if not refusals_for(actor).filter(pk=refused.pk).exists():
        raise errors.Invalid({"refused": "There is no such refused connection."})
    if refused.charge_point_id is not None:
        raise errors.AlreadyRegistered
    registered = register_charge_point(
        actor=actor, tenant=tenant, identity=refused.identity, connectors=connectors, **fields
    )
    RefusedConnection.objects.filter(identity=refused.identity, charge_point=None).delete()
    return registered


@atomic
def update_charge_point(
    *, actor: Actor, charge_point: ChargePoint, authorization_key: str | None = None, **changes: Any
) -> ChargePoint:
    """Change what an operator may change; only real changes are written and audited.

    A new authorization key replaces the old one at once: the charger must know it already.

    Raises  PermissionRefused, IdentityTaken, Invalid
    """
    require(actor, "charge_points.change", charge_point)
    _check_names(changes)
    row = _locked(charge_point)
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    diff = {name: [_shown(getattr(row, name)), _shown(value)] for name, value in changed.items()}
    for name, value in changed.items():
        setattr(row, name, value)
    columns = list(changed)
    if authorization_key is not None:
        row.key_hash, row.pending_key_hash = _hashed(authorization_key), ""
        columns += ["key_hash", "pending_key_hash"]
        diff["authorization_key"] = ["***", "***"]
    if columns:
        _validate(row)
        _save(row, columns)
        audit.record(actor, "charge_points.change", row, changes=diff)
    if "security_profile" in diff:
        _set_profile_by_hand(actor, row, diff["security_profile"])
    charge_point.refresh_from_db()
    return charge_point


@atomic
def rotate_key(*, actor: Actor, charge_point: ChargePoint) -> str:
    """Give a charge point a new generated key and return it, to be shown once; the old one ends at once.

    For a charger that is to be set up by hand.  A connected one gets its key by `change_configuration`.

    Raises  PermissionRefused
    """
    require(actor, "charge_points.change", charge_point)
    key = keys.generate_key(charge_point.ocpp_version or "ocpp1.6")
    update_charge_point(actor=actor, charge_point=charge_point, authorization_key=key)
    return key


def accept(*, actor: Actor, charge_point: ChargePoint) -> ChargePoint:
    """Let a charge point serve: its next boot is answered Accepted.  Raises PermissionRefused."""
    return _set_registration(actor, charge_point, RegistrationStatus.ACCEPTED, "charge_point.accepted")


def reject(*, actor: Actor, charge_point: ChargePoint) -> ChargePoint:
    """Turn a charge point away: its next boot is answered Rejected.  Raises PermissionRefused."""
    return _set_registration(actor, charge_point, RegistrationStatus.REJECTED, "charge_point.rejected")


def hold(*, actor: Actor, charge_point: ChargePoint) -> ChargePoint:
    """Put a charge point back among those to be looked at: its next boot is answered Pending.

    Raises  PermissionRefused
    """
    return _set_registration(actor, charge_point, RegistrationStatus.PENDING, "charge_point.held")


@atomic
def archive(*, actor: Actor, charge_point: ChargePoint) -> ChargePoint:
    """Take a charge point out of use; its sessions stay, it can no longer connect.

    Raises  PermissionRefused
    """
    require(actor, "charge_points.archive", charge_point)
    row = _locked(charge_point)
    if row.archived_at is None:
        row.archived_at = timezone.now()
        row.save(update_fields=["archived_at", "updated_at"])
        _note(actor, "charge_points.archive", row, "charge_point.archived")
    charge_point.archived_at = row.archived_at
    return charge_point


@atomic
def unarchive(*, actor: Actor, charge_point: ChargePoint) -> ChargePoint:
    """Take an archived charge point back into use.  Raises PermissionRefused."""
    require(actor, "charge_points.archive", charge_point)
    row = _locked(charge_point)
    if row.archived_at is not None:
        row.archived_at = None
        row.save(update_fields=["archived_at", "updated_at"])
        _note(actor, "charge_points.unarchive", row, "charge_point.unarchived")
    charge_point.archived_at = None
    return charge_point


@atomic
def delete_charge_point(*, actor: Actor, charge_point: ChargePoint) -> None:
    """Delete a charge point that never had a session, with all that it reported; its certificates are revoked.

    Raises  PermissionRefused, HasSessions
    """
    require(actor, "charge_points.archive", charge_point)
    audit.record(actor, "charge_points.delete", charge_point)
    try:
        with atomic():
            for row in certificates.good_of(charge_point):
                certificates.revoke(actor=actor, certificate=row, reason=RevocationReason.CESSATION)
            ChargePoint.objects.get(pk=charge_point.pk).delete()
    except ProtectedError as error:
        raise errors.HasSessions from error


# --- steps ---


def _set_profile_by_hand(actor: Actor, row: ChargePoint, change: list[Any]) -> None:
    """A human decision, the only way down (whitepaper A00.FR.005); it ends an upgrade that is under way."""
    upgrade = profile_changes.open_of(row)
    if upgrade is not None:
        profile_changes.close(upgrade, UpgradeStatus.CANCELLED, f"{actor.name} set the profile by hand.")
    before, after = change
    if after < before:
        _tell(row, "charge_point.security_profile_lowered", {"from": before, "to": after, "by": actor.name})


def _set_registration(
    actor: Actor, charge_point: ChargePoint, status: RegistrationStatus, kind: str
) -> ChargePoint:
    require(actor, "charge_points.change", charge_point)
    with atomic():
        row = _locked(charge_point)
        if row.registration_status != status:
            before = row.registration_status
            row.registration_status = status
            row.save(update_fields=["registration_status", "updated_at"])
            _note(actor, "charge_points.change", row, kind, {"registration_status": [before, status.value]})
    charge_point.registration_status = status
    return charge_point


def _locked(charge_point: ChargePoint) -> ChargePoint:
    row: ChargePoint = ChargePoint.objects.select_for_update(no_key=True, of=("self",)).get(
        pk=charge_point.pk
    )
    return row


def _check_names(fields: dict[str, Any]) -> None:
    unknown = sorted(fields.keys() - CHANGEABLE)
    if unknown:
        raise errors.Invalid(dict.fromkeys(unknown, "This cannot be set."))


def _hashed(key: str) -> str:
    try:
        keys.check_key(key)
    except keys.UnusableKey as error:
        raise errors.Invalid({"authorization_key": str(error)}) from error
    return keys.hash_key(key)


def _validate(charge_point: ChargePoint) -> None:
    """Rules across rows and fields that no column can state."""
    problems: dict[str, str] = {}
    for name in ("location", "tariff"):
        other = getattr(charge_point, name)
        if other is not None and other.tenant_id != charge_point.tenant_id:
            problems[name] = "There is no such object."
    needs_key = charge_point.security_profile in (SecurityProfile.BASIC, SecurityProfile.TLS_BASIC)
    if needs_key and not charge_point.key_hash:
        problems["authorization_key"] = "This security profile needs an authorization key."
    if problems:
        raise errors.Invalid(problems)
    try:
        charge_point.full_clean(validate_constraints=False)
    except ValidationError as error:
        messages = {name: " ".join(texts) for name, texts in error.message_dict.items()}
        if "taken" in messages.get("identity", ""):
            raise errors.IdentityTaken({"identity": messages["identity"]}) from error
        raise errors.Invalid(messages) from error


def _insert(charge_point: ChargePoint) -> None:
    try:
        with atomic():
            charge_point.save(force_insert=True)
    except IntegrityError as error:
        raise errors.IdentityTaken({"identity": "This identity is taken."}) from error


def _save(charge_point: ChargePoint, columns: list[str]) -> None:
    try:
        with atomic():
            charge_point.save(update_fields=[*columns, "updated_at"])
    except IntegrityError as error:
        raise errors.IdentityTaken({"identity": "This identity is taken."}) from error


def _make_connectors(charge_point: ChargePoint, count: int) -> None:
    tenant_id = charge_point.tenant_id
    evses = Evse.objects.bulk_create(
        Evse(tenant_id=tenant_id, charge_point=charge_point, number=number) for number in range(1, count + 1)
    )
    Connector.objects.bulk_create(
        Connector(
            tenant_id=tenant_id, charge_point=charge_point, evse=evse, number=1, ocpp_number=evse.number
        )
        for evse in evses
    )


def _note(
    actor: Actor,
    action: str,
    charge_point: ChargePoint,
    kind: str,
    changes: dict[str, Any] | None = None,
) -> None:
    audit.record(actor, action, charge_point, changes=changes)
    _tell(charge_point, kind, {"by": actor.name})


def _tell(charge_point: ChargePoint, kind: str, data: dict[str, Any]) -> None:
    events.record(
        kind,
        tenant_id=charge_point.tenant_id,
        object_type="charge_point",
        object_id=charge_point.pk,
        charge_point=charge_point.identity,
        data=data,
    )


def _shown(value: Any) -> Any:
    return str(value) if hasattr(value, "_meta") else value
