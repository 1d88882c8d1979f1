"""Templates of configurations as people and programs handle them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.transaction import atomic
from django.utils import timezone

from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services import rows
from chargepoints.configuration_keys import doubt, refusal_in_template
from chargepoints.errors import InvalidTemplate
from chargepoints.models import ChargePoint, ConfigurationEntry, ConfigurationTemplate
from chargepoints.redaction import MASK, is_secret_name, redact_url
from chargepoints.selectors import variables_of
from chargepoints.variable_names import MAX_KEY, canonical
from csms_project.common import audit, crypto

CHANGE = "configuration_templates.change"
MAX_ENTRIES = 500
#: What a template says of itself, in the order of its file.
FIELDS = ("name", "note", "vendor", "model", "firmware", "priority", "apply_at_boot", "is_active")
FORMAT = "csms-configuration-template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One entry as somebody gives it.

    value  None: the secret that is stored already stays
    """

    key: str
    value: str | None = ""
    is_secret: bool = False


@atomic
def create_template(
    *, actor: Actor, tenant: Tenant, entries: Sequence[Given] = (), **fields: Any
) -> ConfigurationTemplate:
    """Make a template.

    Raises  PermissionRefused, Duplicate, Invalid, InvalidTemplate
    """
    made = ConfigurationTemplate(tenant=tenant, **fields)
    rows.create_row(actor=actor, row=made, permission=CHANGE)
    _write_entries(actor, made, entries, {})
    return made


@atomic
def update_template(
    *, actor: Actor, template: ConfigurationTemplate, entries: Sequence[Given] | None = None, **changes: Any
) -> ConfigurationTemplate:
    """Change a template; `entries` replaces all of its values, None leaves them.

    Raises  PermissionRefused, Duplicate, Invalid, InvalidTemplate
    """
    rows.update_row(actor=actor, row=template, permission=CHANGE, changes=changes)
    if entries is not None:
        stored = {entry.name_key: entry for entry in template.entries.all()}
        _write_entries(actor, template, entries, stored)
        template.refresh_from_db()
    return template


def delete_template(*, actor: Actor, template: ConfigurationTemplate) -> None:
    """Delete a template; the chargers keep what they have.

    Raises  PermissionRefused
    """
    rows.delete_row(actor=actor, row=template, permission=CHANGE)


def entries_of(charge_point: ChargePoint) -> list[Given]:
    """What a template from a charger's present configuration would hold.

    Left out: what is read-only, secret, unknown or no longer listed, without a value, or has a procedure of its own.
    """
    return [
        Given(key=row.key, value=row.value)
        for row in variables_of(charge_point)
        if (not row.component or row.read_at is not None)
        and row.may_change
        and not (row.is_secret or row.gone_at)
        and row.value is not None
        and MASK not in row.value
        and not refusal_in_template(row.key)
    ]


def doubts(template: ConfigurationTemplate) -> list[str]:
    """Values that chargers will probably refuse, in sentences."""
    found = (doubt(entry.key, entry.value) for entry in template.entries.all() if not entry.is_secret)
    return [text for text in found if text]


# --- files ---


def to_document(template: ConfigurationTemplate) -> dict[str, Any]:
    """A template as a JSON file; secrets are named, but not in it."""
    return {
        "format": FORMAT,
        **{name: getattr(template, name) for name in FIELDS},
        "location": template.location.name if template.location is not None else None,
        "entries": [
            {
                "key": entry.key,
                "value": None if entry.is_secret else entry.value,
                "is_secret": entry.is_secret,
            }
            for entry in template.entries.all()
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A template from a file, and what is not in it, in sentences."""

    template: ConfigurationTemplate
    left_out: list[str]


@atomic
def import_document(*, actor: Actor, tenant: Tenant, document: Any) -> Imported:
    """Make a template from a file that `to_document` has made, here or elsewhere.

    It does not apply at boot, and it is not in use, until somebody has looked at it.

    Raises  PermissionRefused, Duplicate, Invalid, InvalidTemplate
    """
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InvalidTemplate({"document": f"This is no template: its “format” must be “{FORMAT}”."})
    fields = {name: document[name] for name in FIELDS if document.get(name) is not None}
    _check_types(fields)
    left_out = ["It is not in use yet: check it first."]
    if fields.pop("apply_at_boot", False):
        left_out.append("It does not apply at boot: turn that on when you have checked it.")
    fields["is_active"] = False
    location = _find_location(tenant, document.get("location"), left_out)
    entries, secrets = _read_entries(document.get("entries"))
    left_out += [f"The secret {key} is not in the file: type it in." for key in secrets]
    made = create_template(actor=actor, tenant=tenant, entries=entries, location=location, **fields)
    return Imported(template=made, left_out=left_out)


def _check_types(fields: Mapping[str, Any]) -> None:
    kinds = {"priority": int, "apply_at_boot": bool, "is_active": bool}
    wrong = {
        name: "Has the wrong type."
        for name, value in fields.items()
        if type(value) is not kinds.get(name, str)
    }
    if wrong:
        raise InvalidTemplate(wrong)


def _find_location(tenant: Tenant, name: Any, left_out: list[str]) -> Any:
    from chargepoints.models import Location

    if name is None:
        return None
    found = Location.objects.for_tenant(tenant).filter(name=str(name)).first()
    if found is None:
        raise InvalidTemplate(
            {"location": f"There is no site “{str(name)[:100]}” here: make it, or empty the field."}
        )
    return found


def _read_entries(given: Any) -> tuple[list[Given], list[str]]:
    if not isinstance(given, list):
        raise InvalidTemplate({"entries": "Must be a list of keys and values."})
    entries, secrets = [], []
    for row in given:
        key = row.get("key") if isinstance(row, Mapping) else None
        value = row.get("value") if isinstance(row, Mapping) else None
        if not isinstance(key, str) or not isinstance(value, str | None):
            raise InvalidTemplate({"entries": "Each entry needs a “key” and a “value”, both texts."})
        if value is None:
            secrets.append(key)
        else:
            entries.append(Given(key=key, value=value, is_secret=row.get("is_secret") is True))
    return entries, secrets


# --- entries ---


def _write_entries(
    actor: Actor,
    template: ConfigurationTemplate,
    given: Sequence[Given],
    stored: Mapping[str, ConfigurationEntry],
) -> None:
    """Replace the entries; only real changes are written and audited."""
    if len(given) > MAX_ENTRIES:
        raise InvalidTemplate({"entries": f"A template takes up to {MAX_ENTRIES} keys."})
    wanted: dict[str, ConfigurationEntry] = {}
    for item in given:
        row = _entry(template, item, stored.get(canonical(item.key)[:MAX_KEY]))
        if row.name_key in wanted:
            raise InvalidTemplate({"entries": f"{item.key} is in the template twice."})
        wanted[row.name_key] = row
    changed = {
        key: row for key, row in wanted.items() if key not in stored or _content(stored[key]) != _content(row)
    }
    gone = [entry for key, entry in stored.items() if key not in wanted or key in changed]
    if not changed and not gone:
        return
    ConfigurationEntry.objects.filter(pk__in=[entry.pk for entry in gone]).delete()
    ConfigurationEntry.objects.bulk_create(changed.values())
    ConfigurationTemplate.objects.filter(pk=template.pk).update(updated_at=timezone.now())
    trail = {
        key: [_shown(stored.get(key)), _shown(wanted.get(key))]
        for key in sorted({*changed, *(entry.name_key for entry in gone)})
    }
    audit.record(actor, CHANGE, template, changes=trail)


def _entry(
    template: ConfigurationTemplate, given: Given, stored: ConfigurationEntry | None
) -> ConfigurationEntry:
    row = ConfigurationEntry(tenant_id=template.tenant_id, template=template, key=given.key)
    if given.value is None:
        if stored is None or not stored.is_secret:
            raise InvalidTemplate({"entries": f"{given.key[:MAX_KEY]} needs a value."})
        row.is_secret, row.secret_value = True, stored.secret_value
    elif given.is_secret or is_secret_name(given.key) or redact_url(given.value) != given.value:
        _check_value(given.key, given.value)
        row.is_secret, row.secret_value = True, crypto.encrypt(given.value)
    else:
        row.value = given.value
    try:
        row.full_clean(
            exclude=["template", "tenant", "secret_value"], validate_unique=False, validate_constraints=False
        )
    except ValidationError as error:
        text = " ".join(text for texts in error.message_dict.values() for text in texts)
        raise InvalidTemplate(
            {"entries": f"{given.key[:MAX_KEY] or 'A row without a key'}: {text}"}
        ) from error
    return row


def _check_value(key: str, value: str) -> None:
    limit = ConfigurationEntry._meta.get_field("value").max_length or 0
    if len(value) > limit or "\0" in value:
        raise InvalidTemplate({"entries": f"{key[:MAX_KEY]}: a value has up to {limit} characters."})


def _content(row: ConfigurationEntry) -> tuple[str, str, bool, str]:
    return (row.key, row.value, row.is_secret, row.secret_value)


def _shown(row: ConfigurationEntry | None) -> str | None:
    return None if row is None else row.shown_value
