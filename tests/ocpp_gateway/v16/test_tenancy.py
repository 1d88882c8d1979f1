"""A charger reaches its own rows only, whatever numbers it sends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint, StatusEvent
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, meter, moment, session, start, status, stop
from transactions.choices import EndKind
from transactions.models import LedgerEntry, MeterValue, Transaction

MINUTE = timedelta(minutes=1)


@pytest.fixture
def neighbour(tenant: Tenant) -> ChargePoint:
    """A second charger of the same tenant."""
    row: ChargePoint = factories.ChargePointFactory(tenant=tenant, identity="CP-A2", connectors=2)
    return row


@pytest.fixture
def victim(csms: Csms, charge_point: ChargePoint, token: IdToken) -> int:
    """A running session of the first charger."""
    ocpp_id: int = csms.send(charge_point, "StartTransaction", start(tag=token.value))["transactionId"]
    return ocpp_id


@pytest.fixture(params=["same tenant", "other tenant"])
def attacker(
    request: pytest.FixtureRequest, neighbour: ChargePoint, other_charge_point: ChargePoint
) -> ChargePoint:
    return neighbour if request.param == "same tenant" else other_charge_point


def test_stop_with_another_chargers_id_is_an_orphan_and_ends_nothing(
    csms: Csms, attacker: ChargePoint, victim: int
) -> None:
    assert csms.send(attacker, "StopTransaction", stop(victim, 5)) == {}

    orphan = Transaction.objects.get(end_kind=EndKind.ORPHAN)
    assert session(victim).is_active
    assert (orphan.charge_point, orphan.tenant_id) == (attacker, attacker.tenant_id)


def test_samples_with_another_chargers_id_stay_with_the_sender(
    csms: Csms, attacker: ChargePoint, victim: int
) -> None:
    csms.send(attacker, "MeterValues", meter(moment("99000", T0 + MINUTE), transaction=victim))

    stored = MeterValue.objects.get()
    assert (stored.transaction, stored.charge_point, stored.tenant_id) == (None, attacker, attacker.tenant_id)
    assert session(victim).energy_wh == 0


def test_stop_of_both_in_one_batch_ends_only_the_owners(
    csms: Csms, charge_point: ChargePoint, attacker: ChargePoint, victim: int
) -> None:
    own = csms.send(attacker, "StartTransaction", start(2))["transactionId"]
    csms.batch(
        [
            (attacker, "StopTransaction", stop(victim, 5)),
            (charge_point, "StopTransaction", stop(own, 5)),
            (charge_point, "MeterValues", meter(moment("2000", T0 + MINUTE), transaction=own)),
        ]
    )

    assert session(victim).is_active
    assert (session(own).is_active, session(own).energy_wh) == (True, 0)


def test_start_on_one_charger_never_supersedes_a_session_of_another(
    csms: Csms, attacker: ChargePoint, victim: int
) -> None:
    csms.send(attacker, "StartTransaction", start(1, at=T0 + MINUTE))

    assert session(victim).is_active


def test_equal_starts_of_two_chargers_are_two_sessions(
    csms: Csms, attacker: ChargePoint, victim: int
) -> None:
    assert csms.send(attacker, "StartTransaction", start())["transactionId"] != victim


def test_equal_tags_of_two_tenants_are_two_tokens(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint, token: IdToken
) -> None:
    rival = factories.IdTokenFactory(tenant=other_charge_point.tenant, value=token.value, status="Blocked")
    answers = csms.batch(
        [(row, "StartTransaction", start(tag=token.value)) for row in (charge_point, other_charge_point)]
    )

    assert [answer["idTagInfo"]["status"] for answer in answers] == ["Accepted", "Blocked"]
    assert [session(answer["transactionId"]).id_token for answer in answers] == [token, rival]


def test_rows_of_a_session_all_carry_the_tenant_of_its_charger(
    csms: Csms, other_charge_point: ChargePoint
) -> None:
    csms.send(other_charge_point, "StatusNotification", status(5, "Charging"))
    ocpp_id = csms.send(other_charge_point, "StartTransaction", start(5))["transactionId"]
    csms.send(other_charge_point, "MeterValues", meter(moment("2000", T0 + MINUTE), transaction=ocpp_id))
    csms.send(other_charge_point, "StopTransaction", stop(ocpp_id))
    csms.send(other_charge_point, "StopTransaction", stop(-1))

    own = other_charge_point.tenant_id
    for model in (Transaction, MeterValue, LedgerEntry, Event, StatusEvent):
        tenants = set(model.objects.values_list("tenant_id", flat=True))
        assert tenants == {own}, model.__name__
    assert set(other_charge_point.connectors.values_list("tenant_id", flat=True)) == {own}
