"""Reads of charge points."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import selectors
from chargepoints.models import ChargePoint, Connection
from tests import factories
from tests.factories import T0


def test_charge_points_with_status_takes_the_same_queries_for_any_number(
    tenant: Tenant, connection: Connection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        factories.ChargePointFactory(tenant=tenant, identity=f"MORE-{number}", connectors=2)

    # charge points, connectors, their EVSEs, EVSEs, their connectors
    with django_assert_num_queries(5):
        rows = list(selectors.charge_points_with_status(tenant))
        for row in rows:
            assert [connector.evse.number for connector in row.connectors.all()] == [1, 2]
            assert all(evse.connectors.all() for evse in row.evses.all())

    online = [row.identity for row in rows if row.is_online]  # type: ignore[attr-defined]
    assert (len(rows), online) == (5, ["CP-A"])


def test_online_is_a_connection_on_a_living_node(
    tenant: Tenant, connection: Connection, other_charge_point: ChargePoint
) -> None:
    factories.ConnectionFactory(charge_point=other_charge_point)
    assert list(selectors.list_connections(tenant)) == [connection]
    assert selectors.online_counts(tenant).online == 1

    connection.node.lease_until = timezone.now() - timedelta(seconds=1)
    connection.node.save()

    assert not selectors.list_connections(tenant)
    assert selectors.find_live_connection(connection.charge_point) is None
    assert not selectors.charge_points_with_status(tenant).get().is_online  # type: ignore[attr-defined]


def test_online_counts_leave_out_the_archived(tenant: Tenant, connection: Connection) -> None:
    factories.ChargePointFactory(tenant=tenant, registration_status="Pending", status="Faulted")
    factories.ChargePointFactory(tenant=tenant, archived_at=T0)

    counts = selectors.online_counts(tenant)

    assert (counts.total, counts.online, counts.offline) == (2, 1, 1)
    assert (counts.pending, counts.faulted) == (1, 1)


@pytest.mark.parametrize("is_default", [True, False])
def test_refusals_of_strangers_are_seen_in_the_default_tenant(
    tenant: Tenant,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    technician: Actor,
    settings: Settings,
    is_default: bool,
) -> None:
    settings.DEFAULT_TENANT = tenant.slug if is_default else "default"
    unknown = factories.RefusedConnectionFactory()
    own = factories.RefusedConnectionFactory(identity="CP-A", tenant=tenant, charge_point=charge_point)
    foreign = factories.RefusedConnectionFactory(
        identity="CP-B", tenant=other_charge_point.tenant, charge_point=other_charge_point
    )

    assert set(selectors.refusals_for(technician)) == ({unknown, own} if is_default else {own})
    assert set(selectors.refusals_for(Actor.system("test"))) == {unknown, own, foreign}
    assert not selectors.refusals_for(Actor(name="nobody", via="api"))
