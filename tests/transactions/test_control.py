"""Asking chargers to end sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.choices import TokenStatus
from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.choices import CommandStatus
from chargepoints.errors import ChargePointOffline
from chargepoints.models import Command, Connection, Connector
from tests import factories
from transactions import errors
from transactions.models import Transaction
from transactions.services.control import request_stop, stop_blocked


@pytest.fixture
def running(connector: Connector) -> Transaction:
    token = factories.IdTokenFactory(tenant=connector.tenant, status=TokenStatus.BLOCKED)
    row: Transaction = factories.TransactionFactory(connector=connector, ocpp_id="4711", id_token=token)
    return row


def test_request_stop_queues_a_remote_stop_with_the_id_on_the_wire(
    support: Actor, running: Transaction, connection: Connection
) -> None:
    command = request_stop(actor=support, transaction=running)

    assert (command.action, command.payload) == ("remote_stop", {"transaction_id": "4711"})
    running.refresh_from_db()
    assert running.is_active


def test_request_stop_again_returns_the_open_command(
    support: Actor, running: Transaction, connection: Connection
) -> None:
    first = request_stop(actor=support, transaction=running)
    assert request_stop(actor=support, transaction=running) == first

    Command.objects.update(status=CommandStatus.REJECTED)
    assert request_stop(actor=support, transaction=running) != first


def test_request_stop_of_an_ended_session_is_refused(support: Actor, connector: Connector) -> None:
    with pytest.raises(errors.TransactionNotActive):
        request_stop(actor=support, transaction=factories.TransactionFactory(connector=connector, ended=True))


def test_request_stop_of_an_offline_charger_is_refused_unless_it_may_wait(
    support: Actor, running: Transaction
) -> None:
    with pytest.raises(ChargePointOffline):
        request_stop(actor=support, transaction=running)

    assert request_stop(actor=support, transaction=running, expires_in=60).waits_for_connection


def test_request_stop_by_viewer_or_stranger_is_refused(
    viewer: Actor, stranger: Actor, running: Transaction, connection: Connection
) -> None:
    for actor in (viewer, stranger):
        with pytest.raises(PermissionRefused):
            request_stop(actor=actor, transaction=running)


def test_stop_blocked_asks_once_and_again_after_a_while(
    tenant: Tenant, running: Transaction, connection: Connection
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(stop_on_block=True)
    now = timezone.now()

    assert stop_blocked(now) == 1
    Command.objects.update(status=CommandStatus.REJECTED)
    assert stop_blocked(now + timedelta(minutes=5)) == 0
    assert stop_blocked(now + timedelta(minutes=11)) == 1

    assert Command.objects.latest("id").requested_via == "job"


def test_stop_blocked_spares_tenants_that_do_not_want_it(
    running: Transaction, connection: Connection
) -> None:
    assert stop_blocked(timezone.now()) == 0


def test_stop_blocked_waits_for_chargers_that_are_offline(tenant: Tenant, running: Transaction) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(stop_on_block=True)

    assert stop_blocked(timezone.now()) == 0
    assert not Command.objects.exists()
