"""Templates of configurations: made, changed, from a charger, as files."""

from __future__ import annotations

from typing import Any

import pytest

from accounts import errors as accounts_errors
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.services.rows import Duplicate
from chargepoints.errors import InvalidTemplate
from chargepoints.models import ChargePoint, ConfigurationEntry, ConfigurationTemplate, Location
from chargepoints.services import drift, templates
from chargepoints.services.templates import Given
from chargepoints.services.variables import Entry, store_snapshot
from csms_project.common.models import AuditEntry
from tests.factories import LocationFactory


def make(actor: Actor, tenant: Tenant, *entries: Given, **fields: Any) -> ConfigurationTemplate:
    return templates.create_template(
        actor=actor, tenant=tenant, entries=entries, **{"name": "Wall boxes", **fields}
    )


def values(template: ConfigurationTemplate) -> dict[str, str | None]:
    """Entries in the clear."""
    found = {entry.key: drift.value_of(entry) for entry in template.entries.all()}
    return {key: value.text if value is not None else None for key, value in found.items()}


def test_create_keeps_values_and_encrypts_secrets(operator: Actor, tenant: Tenant) -> None:
    made = make(
        operator,
        tenant,
        Given(key="HeartbeatInterval", value="300"),
        Given(key="WifiPassword", value="hunter2"),
        Given(key="Own", value="quiet", is_secret=True),
        Given(key="Server", value="ftp://u:p@files.example.org/"),
    )
    assert values(made) == {
        "HeartbeatInterval": "300",
        "Own": "quiet",
        "Server": "ftp://u:p@files.example.org/",
        "WifiPassword": "hunter2",
    }
    stored = list(ConfigurationEntry.objects.filter(is_secret=True).values_list("value", "secret_value"))
    assert len(stored) == 3
    assert all(value == "" and "hunter2" not in secret for value, secret in stored)
    trail = str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert "hunter2" not in trail
    assert "'heartbeatinterval': [None, '300']" in trail


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Given(key="AuthorizationKey", value="x"), "a secret of each charger"),
        (Given(key="securityProfile", value="2"), "raised step by step"),
        (Given(key="", value="x"), "Give the name"),
        (Given(key=" A", value="x"), "spaces"),
        (Given(key="K" * 256, value="x"), "255"),
        (Given(key="A", value="x" * 2501), "2500"),
        (Given(key="Password", value="x" * 2501), "2500"),
        (Given(key="A", value=None), "needs a value"),
    ],
)
def test_entry_that_cannot_be_is_refused_with_a_sentence(
    entry: Given, words: str, operator: Actor, tenant: Tenant
) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        make(operator, tenant, entry)
    assert words in caught.value.errors["entries"]
    assert not ConfigurationTemplate.objects.exists()


def test_key_twice_is_refused(operator: Actor, tenant: Tenant) -> None:
    with pytest.raises(InvalidTemplate, match="twice"):
        make(operator, tenant, Given(key="A", value="1"), Given(key="a", value="2"))


def test_name_twice_is_refused(operator: Actor, tenant: Tenant) -> None:
    make(operator, tenant)
    with pytest.raises(Duplicate):
        make(operator, tenant)


def test_location_of_another_tenant_is_refused(operator: Actor, tenant: Tenant, other_tenant: Tenant) -> None:
    with pytest.raises(accounts_errors.Invalid):
        make(operator, tenant, location=LocationFactory(tenant=other_tenant))


def test_update_replaces_entries_and_keeps_a_secret_that_is_not_given(
    operator: Actor, tenant: Tenant
) -> None:
    made = make(operator, tenant, Given(key="A", value="1"), Given(key="WifiPassword", value="hunter2"))
    before = made.updated_at
    templates.update_template(
        actor=operator,
        template=made,
        note="New",
        entries=[Given(key="B", value="2"), Given(key="WifiPassword", value=None)],
    )
    assert values(made) == {"B": "2", "WifiPassword": "hunter2"}
    assert made.note == "New"
    assert made.updated_at > before
    entry = AuditEntry.objects.filter(action="configuration_templates.change").latest("id")
    assert entry.changes == {"a": ["1", None], "b": [None, "2"]}


def test_update_without_a_change_leaves_the_moment_of_the_last_one(operator: Actor, tenant: Tenant) -> None:
    made = make(operator, tenant, Given(key="A", value="1"))
    count, before = AuditEntry.objects.count(), ConfigurationTemplate.objects.get().updated_at
    templates.update_template(
        actor=operator, template=made, name=made.name, entries=[Given(key="A", value="1")]
    )
    assert ConfigurationTemplate.objects.get().updated_at == before
    assert AuditEntry.objects.count() == count


def test_who_may_not_change_templates_is_refused(
    operator: Actor, viewer: Actor, stranger: Actor, tenant: Tenant
) -> None:
    made = make(operator, tenant)
    document = {**templates.to_document(made), "name": "Other"}
    for actor in (viewer, stranger):
        with pytest.raises(accounts_errors.PermissionRefused):
            make(actor, tenant, name="Other")
        with pytest.raises(accounts_errors.PermissionRefused):
            templates.update_template(actor=actor, template=made, entries=[])
        with pytest.raises(accounts_errors.PermissionRefused):
            templates.delete_template(actor=actor, template=made)
        with pytest.raises(accounts_errors.PermissionRefused):
            templates.import_document(actor=actor, tenant=tenant, document=document)
    assert ConfigurationTemplate.objects.count() == 1


def test_entries_of_a_charger_leave_out_what_others_cannot_take(charge_point: ChargePoint) -> None:
    store_snapshot(
        charge_point.pk,
        [Entry(key="Old", value="1"), Entry(key="HeartbeatInterval", value="1")],
        is_complete=True,
    )
    store_snapshot(
        charge_point.pk,
        [
            Entry(key="HeartbeatInterval", value="300"),
            Entry(key="NumberOfConnectors", value="2", is_readonly=True),
            Entry(key="WifiPassword", value="hunter2"),
            Entry(key="SecurityProfile", value="2"),
            Entry(key="Empty", value=""),
            Entry(key="Silent"),
            Entry(key="Server", value="ftp://u:p@files.example.org/"),
        ],
        unknown=["Strange"],
        is_complete=True,
    )
    assert [(entry.key, entry.value) for entry in templates.entries_of(charge_point)] == [
        ("Empty", ""),
        ("HeartbeatInterval", "300"),
    ]


def test_doubtful_values_are_named(operator: Actor, tenant: Tenant) -> None:
    made = make(
        operator, tenant, Given(key="HeartbeatInterval", value="soon"), Given(key="Own", value="soon")
    )
    assert templates.doubts(made) == ["HeartbeatInterval should be a whole number (s), not “soon”."]


# --- files ---


def test_template_comes_back_from_its_file(operator: Actor, tenant: Tenant, location: Location) -> None:
    made = make(
        operator,
        tenant,
        Given(key="A", value="1"),
        Given(key="WifiPassword", value="hunter2"),
        vendor="Acme",
        model="Wall*",
        firmware="2.*",
        location=location,
        priority=3,
        apply_at_boot=True,
    )
    document = templates.to_document(made)
    assert "hunter2" not in str(document)
    templates.delete_template(actor=operator, template=made)

    found = templates.import_document(actor=operator, tenant=tenant, document=document)
    again = found.template
    assert values(again) == {"A": "1"}
    assert (again.vendor, again.model, again.firmware, again.priority) == ("Acme", "Wall*", "2.*", 3)
    assert again.location == location
    assert (again.is_active, again.apply_at_boot) == (False, False)
    assert any("WifiPassword" in text for text in found.left_out)
    assert any("at boot" in text for text in found.left_out)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "other"}, "document"),
        ({"priority": "high"}, "priority"),
        ({"priority": True}, "priority"),
        ({"name": 5}, "name"),
        ({"location": "Nowhere"}, "location"),
        ({"entries": "A=1"}, "entries"),
        ({"entries": ["A"]}, "entries"),
        ({"entries": [{"key": "A", "value": 1}]}, "entries"),
        ({"entries": [{"value": "1"}]}, "entries"),
        ({"entries": [{"key": "AuthorizationKey", "value": "1"}]}, "entries"),
    ],
)
def test_file_that_is_no_template_is_refused(
    change: dict[str, Any], field: str, operator: Actor, tenant: Tenant
) -> None:
    document = {"format": templates.FORMAT, "name": "X", "entries": [], **change}
    with pytest.raises(InvalidTemplate) as caught:
        templates.import_document(actor=operator, tenant=tenant, document=document)
    assert field in caught.value.errors
    assert not ConfigurationTemplate.objects.exists()


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_file_that_is_no_object_is_refused(document: Any, operator: Actor, tenant: Tenant) -> None:
    with pytest.raises(InvalidTemplate):
        templates.import_document(actor=operator, tenant=tenant, document=document)
