"""Model profiles as operators manage them, and which charge points they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.errors import Invalid as AccountsInvalid
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from chargepoints import errors
from chargepoints.model_profiles import NONE, ModelProfile, built_in_profiles, choose, find_built_in
from chargepoints.models import ChargePoint, ChargePointModelProfile
from chargepoints.models.model_profiles import PROFILE_FIELDS
from chargepoints.redaction import is_secret_name

CHANGE = "model_profiles.change"
FORMAT, VERSION = "csms-model-profiles", 1
MAX_PROFILES = 500  # of one file
MAX_ENTRIES = 500
MAX_IGNORED = 20

_KEY_LENGTH, _VALUE_LENGTH, _CODE_LENGTH, _TEXT_LENGTH = 50, 500, 255, 500


class NotAProfileFile(errors.ChargePointsError):
    """This is no file of model profiles."""


@atomic
def create_profile(
    *, actor: Actor, tenant: Tenant, name: str, copied_from: str = "", **fields: Any
) -> ChargePointModelProfile:
    """Make a profile; chargers that it fits best follow it at once.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    row = ChargePointModelProfile(tenant=tenant, name=name, copied_from=copied_from, **fields)
    _check(row)
    made = rows.create_row(actor=actor, row=row, permission=CHANGE)
    resolve(tenant.pk)
    return made


@atomic
def update_profile(
    *, actor: Actor, profile: ChargePointModelProfile, **changes: Any
) -> ChargePointModelProfile:
    """Change a profile; running sessions keep the corrections with which they began.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    changed = ChargePointModelProfile.objects.get(pk=profile.pk)
    for name, value in changes.items():
        setattr(changed, name, value)
    _check(changed)
    done = rows.update_row(actor=actor, row=profile, permission=CHANGE, changes=changes)
    resolve(profile.tenant_id)
    return done


@atomic
def delete_profile(*, actor: Actor, profile: ChargePointModelProfile) -> None:
    """Delete a profile; its chargers follow the next one that fits.  Raises PermissionRefused."""
    tenant_id = profile.tenant_id
    rows.delete_row(actor=actor, row=profile, permission=CHANGE)
    resolve(tenant_id)


@atomic
def copy_built_in(*, actor: Actor, tenant: Tenant, key: str) -> ChargePointModelProfile:
    """Make a tenant's own copy of a built-in profile, to be changed.

    Raises  PermissionRefused, Duplicate, Invalid
    """
    profile = find_built_in(key)
    if profile is NONE:
        raise errors.Invalid({"key": "There is no such built-in profile."})
    return create_profile(actor=actor, tenant=tenant, copied_from=key, **fields_of(profile))


def fields_of(profile: ModelProfile) -> dict[str, Any]:
    """What a profile says, as a row keeps it."""
    fields = {name: getattr(profile, name) for name in PROFILE_FIELDS}
    fields["boot_configuration"] = dict(profile.boot_configuration)
    fields["error_texts"] = dict(profile.error_texts)
    fields["ignored_registers"] = [_plain(value) for value in profile.ignored_registers]
    fields["accepted_vendor_ids"] = "\n".join(profile.accepted_vendor_ids)
    return fields


# --- files ---


def export_profiles(profiles: Iterable[ChargePointModelProfile]) -> dict[str, Any]:
    """A document that `import_profiles` reads, here or in another installation."""
    entries = [row.as_fields() | {"is_active": row.is_active} for row in profiles]
    return {"format": FORMAT, "version": VERSION, "profiles": entries}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How many profiles were made and changed."""

    created: int
    updated: int


@atomic
def import_profiles(*, actor: Actor, tenant: Tenant, document: Any) -> Imported:
    """Take the profiles of a document over, all or none; one of the same name is replaced.

    Raises  PermissionRefused, NotAProfileFile, Invalid (with the place of what is wrong)
    """
    require(actor, CHANGE, tenant)
    created = updated = 0
    known = {row.name: row for row in ChargePointModelProfile.objects.for_tenant(tenant)}
    for number, entry in enumerate(_entries(document), start=1):
        fields = _fields_of_entry(entry, number)
        name = fields.pop("name")
        try:
            if name in known:
                update_profile(actor=actor, profile=known[name], **fields)
                updated += 1
            else:
                known[name] = create_profile(actor=actor, tenant=tenant, name=name, **fields)
                created += 1
        except (errors.Invalid, AccountsInvalid) as error:
            raise errors.Invalid(
                {f"profiles.{number}.{field}": text for field, text in error.errors.items()}
            ) from error
    return Imported(created=created, updated=updated)


def _entries(document: Any) -> Sequence[Any]:
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise NotAProfileFile(f"This is no file of model profiles: “format” must be “{FORMAT}”.")
    if document.get("version") != VERSION:
        raise NotAProfileFile(f"Only version {VERSION} of the format is understood.")
    entries = document.get("profiles")
    if not isinstance(entries, list) or len(entries) > MAX_PROFILES:
        raise NotAProfileFile(f"“profiles” must be a list of at most {MAX_PROFILES}.")
    return entries


def _fields_of_entry(entry: Any, number: int) -> dict[str, Any]:
    where = f"profiles.{number}"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
        raise errors.Invalid({where: "Must be an object with a name."})
    known = {*PROFILE_FIELDS, "is_active", "key"}
    unknown = sorted(str(name) for name in entry if name not in known)
    if unknown:
        raise errors.Invalid({f"{where}.{unknown[0]}": "There is no such field."})
    fields = {name: value for name, value in entry.items() if name != "key" and value is not None}
    fields.setdefault("strict_schema", None)
    vendors = fields.get("accepted_vendor_ids", [])
    if not isinstance(vendors, list) or not all(isinstance(item, str) for item in vendors):
        raise errors.Invalid({f"{where}.accepted_vendor_ids": "Must be a list of texts."})
    fields["accepted_vendor_ids"] = "\n".join(vendors)
    if "register_factor" in fields:
        fields["register_factor"] = _decimal(fields["register_factor"], f"{where}.register_factor")
    return fields


def _decimal(value: Any, where: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise errors.Invalid({where: "Must be a number."}) from error


# --- rules ---


def _check(row: ChargePointModelProfile) -> None:
    """What no column can state."""
    problems: dict[str, str] = {}
    row.name = row.name.strip()
    if not (row.vendor or row.model or row.firmware):
        problems["model"] = "Say which chargers it is for: vendor, model or firmware."
    if problem := _texts_problem(row.boot_configuration, _KEY_LENGTH, _VALUE_LENGTH):
        problems["boot_configuration"] = problem
    elif secret := next((key for key in row.boot_configuration if is_secret_name(key)), None):
        problems["boot_configuration"] = f"“{secret}” is a secret: it is different for each charger."
    if problem := _texts_problem(row.error_texts, _CODE_LENGTH, _TEXT_LENGTH):
        problems["error_texts"] = problem
    if problem := _numbers_problem(row.ignored_registers):
        problems["ignored_registers"] = problem
    if problems:
        raise errors.Invalid(problems)


def _texts_problem(value: Any, key_length: int, text_length: int) -> str:
    if not isinstance(value, dict):
        return "Must be an object of names and texts."
    if len(value) > MAX_ENTRIES:
        return f"Must not have more than {MAX_ENTRIES} entries."
    for key, text in value.items():
        if not key.strip() or len(key) > key_length:
            return f"A name has 1 to {key_length} characters."
        if not isinstance(text, str) or len(text) > text_length:
            return f"“{key}” must be a text of up to {text_length} characters."
    return ""


def _numbers_problem(value: Any) -> str:
    if not isinstance(value, list) or len(value) > MAX_IGNORED:
        return f"Must be a list of at most {MAX_IGNORED} numbers."
    if any(isinstance(item, bool) or not isinstance(item, int | float) for item in value):
        return "Must be a list of numbers."
    return ""


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


# --- which charge points ---


def resolve(tenant_id: int) -> int:
    """Let the charge points of a tenant follow the profiles that fit them best now; returns how many changed.

    Few kinds of chargers, however many chargers: one statement for each kind that changed.
    """
    own = [
        row.as_profile()
        for row in ChargePointModelProfile.objects.filter(tenant_id=tenant_id, is_active=True)
    ]
    stations = ChargePoint.objects.filter(tenant_id=tenant_id)
    names = ("vendor", "model", "firmware_version")
    changed = 0
    for vendor, model, firmware in stations.order_by().values_list(*names).distinct():
        profile = choose(own, built_in_profiles(), vendor=vendor, model=model, firmware=firmware)
        columns = {
            "model_profile_id": profile.pk,
            "built_in_profile": profile.key,
            "profile_flags": profile.flags,
        }
        kind = stations.filter(vendor=vendor, model=model, firmware_version=firmware)
        changed += kind.exclude(**_unchanged(columns)).update(**columns, updated_at=timezone.now())
    return changed


def _unchanged(columns: dict[str, Any]) -> dict[str, Any]:
    key = columns["model_profile_id"]
    same = {name: value for name, value in columns.items() if name != "model_profile_id"}
    return same | ({"model_profile_id": key} if key is not None else {"model_profile_id__isnull": True})


def resolve_all() -> int:
    """As `resolve`, for every tenant: what an update of the product knows better takes effect."""
    tenants = Tenant.objects.order_by("pk").values_list("pk", flat=True)
    return sum(resolve(tenant_id) for tenant_id in tenants)
