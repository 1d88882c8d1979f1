"""Charge points: registered, changed, accepted, archived, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import errors, keys
from chargepoints.choices import RegistrationStatus, SecurityProfile
from chargepoints.models import ChargePoint, Connection, Evse, Location, RefusedConnection
from chargepoints.services import stations
from csms_project.common.models import AuditEntry, Event
from tests import factories

KEY = "0123456789abcdef0123"


def test_register_without_key_generates_one_that_opens(technician: Actor, tenant: Tenant) -> None:
    registered = stations.register_charge_point(actor=technician, tenant=tenant, identity="RDAM|1")

    assert registered.key is not None
    assert keys.verify_key(bytes.fromhex(registered.key), registered.charge_point.key_hash)
    assert registered.key not in str(list(AuditEntry.objects.values_list("changes", flat=True)))


def test_register_with_key_stores_it_and_shows_none(technician: Actor, tenant: Tenant) -> None:
    registered = stations.register_charge_point(
        actor=technician, tenant=tenant, identity="CP 1", authorization_key=KEY
    )

    assert registered.key is None
    assert keys.verify_key(KEY.encode(), registered.charge_point.key_hash)


@pytest.mark.parametrize("profile", [SecurityProfile.NONE, SecurityProfile.TLS_CERTIFICATE])
def test_register_with_a_profile_without_key_generates_none(
    technician: Actor, tenant: Tenant, profile: int
) -> None:
    registered = stations.register_charge_point(
        actor=technician, tenant=tenant, identity="CP 1", security_profile=profile
    )

    assert (registered.key, registered.charge_point.key_hash) == (None, "")


def test_register_makes_evses_with_one_connector_each(
    technician: Actor, tenant: Tenant, location: Location
) -> None:
    charge_point = stations.register_charge_point(
        actor=technician, tenant=tenant, identity="CP 1", location=location, connectors=3, name="Gate"
    ).charge_point

    numbers = charge_point.connectors.values_list("evse__number", "number", "ocpp_number", "tenant")
    assert list(numbers) == [(n, 1, n, tenant.pk) for n in (1, 2, 3)]
    assert (charge_point.location, charge_point.name) == (location, "Gate")
    assert Event.objects.get().kind == "charge_point.registered"
    assert AuditEntry.objects.get().action == "charge_points.register"


@pytest.mark.parametrize("identity", ["CP-B", "cp-b"])
def test_register_identity_of_any_tenant_in_any_case_is_taken(
    technician: Actor, tenant: Tenant, other_charge_point: ChargePoint, identity: str
) -> None:
    with pytest.raises(errors.IdentityTaken) as caught:
        stations.register_charge_point(actor=technician, tenant=tenant, identity=identity)

    assert caught.value.errors == {"identity": "This identity is taken."}
    assert ChargePoint.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"identity": ""}, "identity"),
        ({"identity": "a:b"}, "identity"),
        ({"identity": "a/b"}, "identity"),
        ({"identity": "x" * 49}, "identity"),
        ({"authorization_key": "short"}, "authorization_key"),
        ({"security_profile": 7}, "security_profile"),
        ({"connectors": -1}, "connectors"),
        ({"connectors": 101}, "connectors"),
        ({"pricing_mode": "barter"}, "pricing_mode"),
        ({"key_hash": "v1$"}, "key_hash"),
        ({"archived_at": None}, "archived_at"),
    ],
)
def test_register_with_wrong_values_names_the_field_and_makes_nothing(
    technician: Actor, tenant: Tenant, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        stations.register_charge_point(actor=technician, tenant=tenant, **{"identity": "CP 1", **fields})

    assert field in caught.value.errors
    assert not ChargePoint.objects.exists()


def test_register_at_a_foreign_site_or_tariff_is_refused(
    technician: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        stations.register_charge_point(
            actor=technician,
            tenant=tenant,
            identity="CP 1",
            location=factories.LocationFactory(tenant=other_tenant),
            tariff=factories.TariffFactory(tenant=other_tenant),
        )

    assert caught.value.errors.keys() == {"location", "tariff"}


def test_register_by_support_or_stranger_is_refused(support: Actor, stranger: Actor, tenant: Tenant) -> None:
    for actor in (support, stranger):
        with pytest.raises(PermissionRefused):
            stations.register_charge_point(actor=actor, tenant=tenant, identity="CP 1")


def test_update_writes_and_audits_only_real_changes(technician: Actor, charge_point: ChargePoint) -> None:
    stations.update_charge_point(
        actor=technician, charge_point=charge_point, name="Gate", security_profile=SecurityProfile.BASIC
    )

    assert ChargePoint.objects.get().name == "Gate"
    assert AuditEntry.objects.get().changes == {"name": ["", "Gate"]}


def test_update_identity_changes_how_it_is_found(technician: Actor, charge_point: ChargePoint) -> None:
    stations.update_charge_point(actor=technician, charge_point=charge_point, identity="New Name")

    assert ChargePoint.objects.get(identity_key="new name") == charge_point


def test_update_identity_to_a_taken_one_is_refused(
    technician: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    with pytest.raises(errors.IdentityTaken):
        stations.update_charge_point(actor=technician, charge_point=charge_point, identity="cp-b")

    charge_point.refresh_from_db()
    assert charge_point.identity == "CP-A"


def test_update_key_replaces_both_keys_and_is_not_shown(technician: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(pending_key_hash=keys.hash_key("f" * 40))

    stations.update_charge_point(actor=technician, charge_point=charge_point, authorization_key=KEY)

    assert keys.verify_key(KEY.encode(), charge_point.key_hash)
    assert charge_point.pending_key_hash == ""
    assert AuditEntry.objects.get().changes == {"authorization_key": ["***", "***"]}


def test_update_to_a_profile_with_key_without_having_one_is_refused(
    technician: Actor, tenant: Tenant
) -> None:
    open_one = factories.ChargePointFactory(tenant=tenant, security_profile=0, key_hash="")

    with pytest.raises(errors.Invalid) as caught:
        stations.update_charge_point(actor=technician, charge_point=open_one, security_profile=1)

    assert "authorization_key" in caught.value.errors


def test_update_what_the_charger_writes_is_refused(technician: Actor, charge_point: ChargePoint) -> None:
    with pytest.raises(errors.Invalid):
        stations.update_charge_point(actor=technician, charge_point=charge_point, vendor="Acme")


def test_rotate_key_ends_the_old_one(technician: Actor, charge_point: ChargePoint) -> None:
    key = stations.rotate_key(actor=technician, charge_point=charge_point)

    assert keys.verify_key(key.encode(), charge_point.key_hash)
    assert not keys.verify_key(factories.CHARGER_KEY.encode(), charge_point.key_hash)


def test_accept_and_reject_are_told_once(technician: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(registration_status=RegistrationStatus.PENDING)

    stations.accept(actor=technician, charge_point=charge_point)
    stations.accept(actor=technician, charge_point=charge_point)
    assert ChargePoint.objects.get().registration_status == RegistrationStatus.ACCEPTED
    stations.reject(actor=technician, charge_point=charge_point)

    kinds = Event.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["charge_point.accepted", "charge_point.rejected"]
    assert charge_point.registration_status == RegistrationStatus.REJECTED


def test_archive_and_unarchive_keep_everything_else(operator: Actor, charge_point: ChargePoint) -> None:
    stations.archive(actor=operator, charge_point=charge_point)
    assert ChargePoint.objects.get().archived_at is not None

    stations.unarchive(actor=operator, charge_point=charge_point)
    assert ChargePoint.objects.get().archived_at is None
    assert Evse.objects.count() == 2


def test_delete_without_sessions_takes_what_it_reported(
    operator: Actor, charge_point: ChargePoint, connection: Connection
) -> None:
    factories.StatusEventFactory(charge_point=charge_point)
    factories.CommandFactory(charge_point=charge_point)

    stations.delete_charge_point(actor=operator, charge_point=charge_point)

    assert not ChargePoint.objects.exists()
    assert AuditEntry.objects.get().action == "charge_points.delete"


def test_delete_with_sessions_is_refused(operator: Actor, charge_point: ChargePoint) -> None:
    factories.TransactionFactory(connector=charge_point.connectors.first(), ended=True)

    with pytest.raises(errors.HasSessions):
        stations.delete_charge_point(actor=operator, charge_point=charge_point)

    assert ChargePoint.objects.filter(pk=charge_point.pk).exists()
    assert charge_point.connectors.count() == 2


def test_acts_by_support_or_stranger_are_refused(
    support: Actor, stranger: Actor, charge_point: ChargePoint
) -> None:
    acts = (
        stations.update_charge_point,
        stations.rotate_key,
        stations.accept,
        stations.reject,
        stations.archive,
        stations.unarchive,
        stations.delete_charge_point,
    )
    for actor in (support, stranger):
        for act in acts:
            with pytest.raises(PermissionRefused):
                act(actor=actor, charge_point=charge_point)


def test_archive_by_technician_is_refused(technician: Actor, charge_point: ChargePoint) -> None:
    with pytest.raises(PermissionRefused):
        stations.archive(actor=technician, charge_point=charge_point)


def test_register_refused_stranger_takes_it_off_the_list(
    technician: Actor, tenant: Tenant, settings: Settings
) -> None:
    settings.DEFAULT_TENANT = tenant.slug
    refused = factories.RefusedConnectionFactory(identity="NEW-1")
    factories.RefusedConnectionFactory(identity="NEW-2")

    registered = stations.register_refused(actor=technician, refused=refused, tenant=tenant)

    assert registered.charge_point.identity == "NEW-1"
    assert registered.key is not None
    assert list(RefusedConnection.objects.values_list("identity", flat=True)) == ["NEW-2"]


def test_register_refused_that_the_actor_may_not_see_is_refused(technician: Actor, tenant: Tenant) -> None:
    refused = factories.RefusedConnectionFactory(identity="NEW-1")

    with pytest.raises(errors.Invalid):
        stations.register_refused(actor=technician, refused=refused, tenant=tenant)

    assert not ChargePoint.objects.exists()


def test_register_refused_that_is_registered_is_refused(
    technician: Actor, tenant: Tenant, charge_point: ChargePoint
) -> None:
    refused = factories.RefusedConnectionFactory(
        identity="CP-A", charge_point=charge_point, tenant=tenant, reason="wrong_key"
    )

    with pytest.raises(errors.AlreadyRegistered):
        stations.register_refused(actor=technician, refused=refused, tenant=tenant)


def test_register_refused_by_support_or_stranger_is_refused(
    support: Actor, stranger: Actor, tenant: Tenant, settings: Settings
) -> None:
    settings.DEFAULT_TENANT = tenant.slug
    refused = factories.RefusedConnectionFactory(identity="NEW-1")

    for actor in (support, stranger):
        with pytest.raises(PermissionRefused):
            stations.register_refused(actor=actor, refused=refused, tenant=tenant)
