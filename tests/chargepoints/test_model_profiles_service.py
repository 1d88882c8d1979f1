"""Model profiles as operators manage them, and which charge points follow them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import Invalid as AccountsInvalid
from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.errors import Invalid
from chargepoints.model_profiles import NONE, find_built_in
from chargepoints.models import ChargePoint, ChargePointModelProfile
from chargepoints.selectors import profile_of, profiles_of
from chargepoints.services import model_profiles
from csms_project.common.models import AuditEntry
from tests import factories

Make = Callable[..., ChargePoint]


@pytest.fixture
def make(tenant: Tenant) -> Make:
    def one(vendor: str = "Amperia", model: str = "Duo 22", **more: Any) -> ChargePoint:
        more.setdefault("tenant", tenant)
        row: ChargePoint = factories.ChargePointFactory(vendor=vendor, model=model, **more)
        return row

    return one


def of(row: ChargePoint) -> str:
    row.refresh_from_db()
    return profile_of(row).name


def test_charge_points_follow_a_profile_from_when_it_is_made_to_when_it_goes(
    operator: Actor, tenant: Tenant, make: Make
) -> None:
    row, other = make(), make("Else", "Other")

    first = model_profiles.create_profile(actor=operator, tenant=tenant, name="All", vendor="Amp*")
    second = model_profiles.create_profile(
        actor=operator, tenant=tenant, name="Duo", model="duo*", record_repairs=False
    )

    assert (of(row), of(other), row.profile_flags) == ("Duo", "", "quiet")
    model_profiles.update_profile(actor=operator, profile=second, is_active=False)
    assert (of(row), row.profile_flags) == ("All", "")
    model_profiles.delete_profile(actor=operator, profile=first)
    assert (of(row), row.model_profile_id) == ("", None)


def test_profiles_never_reach_another_tenants_charge_points(
    operator: Actor, tenant: Tenant, other_tenant: Tenant, make: Make
) -> None:
    foreign = make(tenant=other_tenant)

    model_profiles.create_profile(actor=operator, tenant=tenant, name="All", vendor="*")

    foreign.refresh_from_db()
    assert profile_of(foreign) is NONE


def test_built_in_profile_applies_until_the_tenant_has_its_copy(
    operator: Actor, tenant: Tenant, make: Make
) -> None:
    row = make("Keba AG", "KC-P30-X")

    assert model_profiles.resolve_all() == 1
    row.refresh_from_db()
    assert (row.built_in_profile, profile_of(row)) == ("keba-p30", find_built_in("keba-p30"))
    copy = model_profiles.copy_built_in(actor=operator, tenant=tenant, key="keba-p30")
    row.refresh_from_db()
    assert (row.model_profile_id, row.built_in_profile, copy.copied_from) == (copy.pk, "", "keba-p30")
    assert copy.as_fields() == ChargePointModelProfile.objects.get().as_fields()
    assert model_profiles.resolve_all() == 0


def test_resolve_costs_by_kinds_of_chargers_and_not_by_chargers(tenant: Tenant, make: Make) -> None:
    factories.ModelProfileFactory(tenant=tenant, vendor="Amperia")

    def cost() -> int:
        ChargePoint.objects.update(model_profile=None)
        with CaptureQueriesContext(connection) as queries:
            model_profiles.resolve(tenant.pk)
        return len(queries)

    make()
    one = cost()
    for _ in range(10):
        make()
    assert cost() == one


def test_profiles_of_many_take_one_query(tenant: Tenant, make: Make) -> None:
    mine = factories.ModelProfileFactory(tenant=tenant)
    rows = [make(model_profile=mine), make(built_in_profile="keba-p30"), make(built_in_profile="gone")]

    with CaptureQueriesContext(connection) as queries:
        found = profiles_of(ChargePoint.objects.order_by("pk"))

    assert [found[row.pk].name for row in rows] == [mine.name, find_built_in("keba-p30").name, ""]
    assert len(queries) == 2


WRONG = {
    "model": {"vendor": ""},
    "boot_configuration": {"boot_configuration": {"A": 1}},
    "error_texts": {"error_texts": {"": "x"}},
    "ignored_registers": {"ignored_registers": ["0"]},
}


@pytest.mark.parametrize(("field", "values"), WRONG.items())
def test_wrong_values_are_named(operator: Actor, tenant: Tenant, field: str, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        model_profiles.create_profile(actor=operator, tenant=tenant, **{"name": "N", "vendor": "V", **values})

    assert list(caught.value.errors) == [field]
    assert not ChargePointModelProfile.objects.exists()


def test_secret_has_no_place_in_a_profile(operator: Actor, tenant: Tenant) -> None:
    with pytest.raises(Invalid, match="different for each charger"):
        model_profiles.create_profile(
            actor=operator,
            tenant=tenant,
            name="N",
            vendor="V",
            boot_configuration={"AuthorizationKey": "geheim"},
        )


@pytest.mark.parametrize("values", [{"register_factor": 0}, {"register_unit": "MWh"}, {"rate_unit": "V"}])
def test_values_that_no_column_takes_are_refused(
    operator: Actor, tenant: Tenant, values: dict[str, Any]
) -> None:
    with pytest.raises(AccountsInvalid):
        model_profiles.create_profile(actor=operator, tenant=tenant, name="N", vendor="V", **values)


def test_only_managers_change_profiles(technician: Actor, stranger: Actor, tenant: Tenant) -> None:
    row = factories.ModelProfileFactory(tenant=tenant)
    for actor in (technician, stranger):
        with pytest.raises(PermissionRefused):
            model_profiles.update_profile(actor=actor, profile=row, note="x")
        with pytest.raises(PermissionRefused):
            model_profiles.delete_profile(actor=actor, profile=row)
        with pytest.raises(PermissionRefused):
            model_profiles.copy_built_in(actor=actor, tenant=tenant, key="keba-p30")
        with pytest.raises(PermissionRefused):
            model_profiles.import_profiles(actor=actor, tenant=tenant, document={})


def test_change_is_audited_with_its_values(operator: Actor, tenant: Tenant) -> None:
    row = factories.ModelProfileFactory(tenant=tenant)

    model_profiles.update_profile(actor=operator, profile=row, register_unit="kWh")

    entry = AuditEntry.objects.get(action="model_profiles.change")
    assert entry.changes == {"register_unit": ["", "kWh"]}


# --- files ---


def test_export_can_be_imported_elsewhere(
    operator: Actor, tenant: Tenant, actor_for: Callable[..., Actor], other_tenant: Tenant
) -> None:
    model_profiles.copy_built_in(actor=operator, tenant=tenant, key="bender-cc")
    factories.ModelProfileFactory(
        tenant=tenant,
        boot_configuration={"A": "1"},
        register_factor="0.5",
        ignored_registers=[-1, 0.5],
        accepted_vendor_ids="a b\nc",
        is_active=False,
    )
    document = model_profiles.export_profiles(ChargePointModelProfile.objects.for_tenant(tenant))

    done = model_profiles.import_profiles(
        actor=actor_for(other_tenant), tenant=other_tenant, document=document
    )

    assert (done.created, done.updated) == (2, 0)
    again = model_profiles.export_profiles(ChargePointModelProfile.objects.for_tenant(other_tenant))
    assert again == document


def test_import_replaces_the_profile_of_the_same_name(operator: Actor, tenant: Tenant) -> None:
    row = factories.ModelProfileFactory(tenant=tenant, name="Duo", note="old")
    document = model_profiles.export_profiles([row])
    document["profiles"][0] |= {"note": "new", "model": "Duo*"}

    done = model_profiles.import_profiles(actor=operator, tenant=tenant, document=document)

    row.refresh_from_db()
    assert (done.created, done.updated, row.note, row.model) == (0, 1, "new", "Duo*")


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"name": "B", "vendor": "V", "register_factor": "x"}, "profiles.2.register_factor"),
        ({"name": "B", "vendor": "V", "speed": 1}, "profiles.2.speed"),
        ({"name": "B"}, "profiles.2.model"),
        ({"vendor": "V"}, "profiles.2"),
        ({"name": "B", "vendor": "V", "rate_unit": "V"}, "profiles.2.rate_unit"),
        ({"name": "B", "vendor": "V", "accepted_vendor_ids": "x"}, "profiles.2.accepted_vendor_ids"),
        ({"name": "B", "vendor": "V", "boot_configuration": []}, "profiles.2.boot_configuration"),
        ("B", "profiles.2"),
    ],
)
def test_import_with_a_wrong_entry_takes_nothing_over(
    operator: Actor, tenant: Tenant, entry: Any, field: str
) -> None:
    document = {
        "format": "csms-model-profiles",
        "version": 1,
        "profiles": [{"name": "A", "vendor": "V"}, entry],
    }

    with pytest.raises(Invalid) as caught:
        model_profiles.import_profiles(actor=operator, tenant=tenant, document=document)

    assert list(caught.value.errors) == [field]
    assert not ChargePointModelProfile.objects.exists()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"format": "other"},
        {"format": "csms-model-profiles", "version": 2},
        {"format": "csms-model-profiles", "version": 1, "profiles": 7},
        {"format": "csms-model-profiles", "version": 1, "profiles": [{}] * 501},
    ],
)
def test_other_files_are_told_what_they_lack(operator: Actor, tenant: Tenant, document: Any) -> None:
    with pytest.raises(model_profiles.NotAProfileFile):
        model_profiles.import_profiles(actor=operator, tenant=tenant, document=document)
