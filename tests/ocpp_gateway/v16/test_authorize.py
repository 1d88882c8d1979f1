"""Id tags: OCPP 1.6 §4.1, §7.2, §7.8, §7.28."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.choices import AuthorizationMode, TokenStatus
from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, session, start, stop
from transactions.choices import Flag
from transactions.models import Transaction

HOUR = timedelta(hours=1)


def info(csms: Csms, charge_point: ChargePoint, tag: str) -> Payload:
    """IdTagInfo of an Authorize."""
    answer: Payload = csms.send(charge_point, "Authorize", {"idTag": tag})["idTagInfo"]
    return answer


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("tag", ["04A1B2C3", "04a1b2c3", "04a1B2c3"])
def test_authorize_ignores_case(csms: Csms, charge_point: ChargePoint, tag: str) -> None:
    assert info(csms, charge_point, tag) == {"status": "Accepted"}


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    "tag", [" 04A1B2C3", "04A1B2C3 ", "04A1B2C", "", "%", "04A1B2C_", "*", "' OR 1=1 --", '"']
)
def test_authorize_unknown_tag_is_invalid_and_never_stored(
    csms: Csms, charge_point: ChargePoint, tag: str
) -> None:
    assert info(csms, charge_point, tag) == {"status": "Invalid"}
    assert IdToken.objects.count() == 1


def test_authorize_blocked_tag_is_blocked(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    factories.IdTokenFactory(tenant=tenant, value="LOST", status=TokenStatus.BLOCKED)

    assert info(csms, charge_point, "LOST")["status"] == "Blocked"


def test_authorize_expired_tag_is_expired(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    factories.IdTokenFactory(tenant=tenant, value="OLD", expires_at=T0 - HOUR)

    assert info(csms, charge_point, "OLD")["status"] == "Expired"


def test_authorize_blocked_comes_before_expired(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="BOTH", status=TokenStatus.BLOCKED, expires_at=T0 - HOUR)

    assert info(csms, charge_point, "BOTH")["status"] == "Blocked"


def test_authorize_tells_the_expiry_of_a_tag_that_has_one(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="YEAR", expires_at=T0 + HOUR)

    assert info(csms, charge_point, "YEAR") == {
        "status": "Accepted",
        "expiryDate": "2026-03-02T11:00:00.000Z",
    }


def test_authorize_at_the_moment_of_expiry_is_expired(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    """An expiryDate that is not in the future never goes with Accepted."""
    factories.IdTokenFactory(tenant=tenant, value="NOW", expires_at=T0)

    assert info(csms, charge_point, "NOW")["status"] == "Expired"


def test_authorize_returns_the_parent(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, name="FLEET-7")
    factories.IdTokenFactory(tenant=tenant, value="CAR1", group=group)

    assert info(csms, charge_point, "CAR1") == {"status": "Accepted", "parentIdTag": "FLEET-7"}


@pytest.mark.parametrize(("applies", "status"), [(True, "Blocked"), (False, "Accepted")])
def test_authorize_with_a_blocked_parent_follows_the_tenants_rule(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, applies: bool, status: str
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(group_block_applies=applies)
    group = factories.TokenGroupFactory(tenant=tenant, name="FLEET", status=TokenStatus.BLOCKED)
    factories.IdTokenFactory(tenant=tenant, value="CAR1", group=group)

    assert info(csms, charge_point, "CAR1")["status"] == status


def test_authorize_where_any_token_may_charge_still_refuses_the_blocked(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(authorization_mode=AuthorizationMode.ANY_TOKEN)
    factories.IdTokenFactory(tenant=tenant, value="LOST", status=TokenStatus.BLOCKED)

    assert info(csms, charge_point, "NEVER-SEEN") == {"status": "Accepted"}
    assert info(csms, charge_point, "LOST")["status"] == "Blocked"
    assert IdToken.objects.count() == 1


def test_authorize_with_a_tag_of_another_tenant_is_invalid(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=other_tenant, value="RIVAL")

    assert info(csms, charge_point, "RIVAL") == {"status": "Invalid"}


def test_authorize_of_two_thousand_unknown_tags_fills_no_table(csms: Csms, charge_point: ChargePoint) -> None:
    for first in range(0, 2000, 200):
        numbers = range(first, first + 200)
        answers = csms.batch([(charge_point, "Authorize", {"idTag": f"X{n}"}) for n in numbers])
        assert {answer["idTagInfo"]["status"] for answer in answers} == {"Invalid"}

    assert not IdToken.objects.exists()
    assert not Transaction.objects.exists()


# ------------------------------------------------------------------ sessions at a time


@pytest.fixture
def single(tenant: Tenant) -> IdToken:
    """A token that may have one session at a time."""
    row: IdToken = factories.IdTokenFactory(tenant=tenant, value="ONCE", max_active_sessions=1)
    return row


def begin(csms: Csms, charge_point: ChargePoint, connector: int, at: int = 0, tag: str = "ONCE") -> Payload:
    payload = start(connector, tag, at=T0 + timedelta(seconds=at))
    return csms.send(charge_point, "StartTransaction", payload)


@pytest.mark.usefixtures("single")
def test_second_session_of_a_token_is_concurrent_and_recorded(csms: Csms, charge_point: ChargePoint) -> None:
    charge_point.connectors.update(status="Charging")
    begin(csms, charge_point, 1)

    second = begin(csms, charge_point, 2, at=60)

    assert second["idTagInfo"] == {"status": "ConcurrentTx"}
    row = session(second["transactionId"])
    assert (row.authorization_status, row.flags) == ("ConcurrentTx", [Flag.REFUSED_TOKEN])


@pytest.mark.usefixtures("single")
def test_repeat_of_a_start_is_never_concurrent(csms: Csms, charge_point: ChargePoint) -> None:
    charge_point.connectors.update(status="Charging")
    first = begin(csms, charge_point, 1)

    csms.reconnect(charge_point)

    assert begin(csms, charge_point, 1) == first
    assert first["idTagInfo"]["status"] == "Accepted"


@pytest.mark.usefixtures("single")
def test_authorize_and_stop_during_a_session_are_never_concurrent(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Else nobody could stop his own session (OCPP 1.6 §7.2)."""
    charge_point.connectors.update(status="Charging")
    ocpp_id = begin(csms, charge_point, 1)["transactionId"]
    begin(csms, charge_point, 2, at=60)

    assert info(csms, charge_point, "ONCE")["status"] == "Accepted"
    stopped = csms.send(charge_point, "StopTransaction", stop(ocpp_id, idTag="ONCE"))
    assert stopped["idTagInfo"]["status"] == "Accepted"


@pytest.mark.usefixtures("single")
def test_next_session_after_a_stop_is_accepted(csms: Csms, charge_point: ChargePoint) -> None:
    charge_point.connectors.update(status="Charging")
    ocpp_id = begin(csms, charge_point, 1)["transactionId"]
    csms.send(charge_point, "StopTransaction", stop(ocpp_id))

    assert begin(csms, charge_point, 2, at=4000)["idTagInfo"]["status"] == "Accepted"


@pytest.mark.usefixtures("single")
def test_stop_and_next_start_in_one_batch_are_not_concurrent(csms: Csms, charge_point: ChargePoint) -> None:
    charge_point.connectors.update(status="Charging")
    ocpp_id = begin(csms, charge_point, 1)["transactionId"]
    later = start(2, "ONCE", at=T0 + 2 * HOUR)

    answers = csms.batch(
        [
            (charge_point, "StopTransaction", stop(ocpp_id)),
            (charge_point, "StartTransaction", later),
        ]
    )

    assert answers[1]["idTagInfo"]["status"] == "Accepted"


@pytest.mark.usefixtures("single")
def test_starts_at_two_chargers_in_one_batch_are_concurrent(csms: Csms, charge_point: ChargePoint) -> None:
    neighbour = factories.ChargePointFactory(tenant=charge_point.tenant, identity="CP-A2", connectors=1)

    answers = csms.batch(
        [
            (charge_point, "StartTransaction", start(1, "ONCE")),
            (neighbour, "StartTransaction", start(1, "ONCE")),
        ]
    )

    assert [answer["idTagInfo"]["status"] for answer in answers] == ["Accepted", "ConcurrentTx"]


@pytest.mark.usefixtures("single")
def test_new_start_on_the_same_connector_is_not_concurrent(csms: Csms, charge_point: ChargePoint) -> None:
    """The charger knows that its connector is free; the lost stop must not lock the driver out."""
    charge_point.connectors.update(status="Charging")
    begin(csms, charge_point, 1)

    assert begin(csms, charge_point, 1, at=60)["idTagInfo"]["status"] == "Accepted"


@pytest.mark.usefixtures("single")
def test_session_left_open_on_a_free_connector_does_not_count(csms: Csms, charge_point: ChargePoint) -> None:
    begin(csms, charge_point, 1)
    charge_point.connectors.update(status="Available")

    assert begin(csms, charge_point, 2, at=60)["idTagInfo"]["status"] == "Accepted"


def test_limit_of_the_tenant_holds_for_tokens_without_their_own(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(max_active_sessions=1)
    factories.IdTokenFactory(tenant=tenant, value="FLEET", max_active_sessions=5)
    charge_point.connectors.update(status="Charging")
    begin(csms, charge_point, 1, tag=token.value)

    assert begin(csms, charge_point, 2, 60, token.value)["idTagInfo"]["status"] == "ConcurrentTx"
    assert begin(csms, charge_point, 1, 120, "FLEET")["idTagInfo"]["status"] == "Accepted"
    assert begin(csms, charge_point, 2, 180, "FLEET")["idTagInfo"]["status"] == "Accepted"


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"status": TokenStatus.BLOCKED}, "Blocked"), ({"expires_at": T0 - HOUR}, "Expired")],
)
def test_refused_token_is_not_called_concurrent(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, fields: dict[str, object], status: str
) -> None:
    row = factories.IdTokenFactory(tenant=tenant, value="ONCE", max_active_sessions=1, **fields)
    charge_point.connectors.update(status="Charging")
    factories.TransactionFactory(connector=charge_point.connectors.get(ocpp_number=2), id_token=row)

    assert begin(csms, charge_point, 1)["idTagInfo"]["status"] == status
