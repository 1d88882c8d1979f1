"""Test cases of block C within a session: cache, groups, master pass (2.0.1 part 6 §3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint
from tests import factories
from tests.ocpp_gateway.v201.helpers import Csms, event, session
from tests.ocpp_gateway.v201.helpers import token as said

GROUP = {"idToken": "FAMILY", "type": "Central"}


@pytest.fixture
def family(tenant: Tenant) -> tuple[IdToken, IdToken]:
    """Two tokens of one group."""
    group = factories.TokenGroupFactory(tenant=tenant, name="FAMILY")
    first, second = (
        factories.IdTokenFactory(tenant=tenant, value=value, group=group) for value in ("04A", "04B")
    )
    return first, second


@pytest.fixture
def master(tenant: Tenant) -> IdToken:
    group = factories.TokenGroupFactory(tenant=tenant, name="POLICE", is_master_pass=True)
    row: IdToken = factories.IdTokenFactory(tenant=tenant, value="04C", group=group)
    return row


def info(csms: Csms, charge_point: ChargePoint, payload: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = csms.send(charge_point, "TransactionEvent", payload)["idTokenInfo"]
    return answer


def authorized(value: str, seq: int = 1, tx: str = "tx-1", **more: Any) -> dict[str, Any]:
    return event("Updated", seq, tx=tx, trigger="Authorized", idToken=said(value), **more)


def begin(csms: Csms, charge_point: ChargePoint, *, tx: str = "tx-1", evse: int = 1) -> None:
    """State EVConnectedPreSession"""
    csms.send(charge_point, "TransactionEvent", event("Started", 0, tx=tx, evse=evse))


@pytest.mark.testcase("TC_C_08_CSMS")
def test_tc_c_08_token_of_the_cache_is_accepted(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """Authorization through authorization cache - Accepted (C12.FR.03)"""
    begin(csms, charge_point)
    assert info(csms, charge_point, authorized(token.value)) == {"status": "Accepted"}


@pytest.mark.testcase("TC_C_20_CSMS")
def test_tc_c_20_token_of_the_cache_is_not_known_here(csms: Csms, charge_point: ChargePoint) -> None:
    """Authorization through authorization cache - Invalid (C12.FR.03)"""
    begin(csms, charge_point)
    assert info(csms, charge_point, authorized("04F")) == {"status": "Unknown"}


@pytest.mark.testcase("TC_C_39_CSMS", "TC_C_43_CSMS")
def test_tc_c_39_tc_c_43_one_of_the_group_stops(
    csms: Csms, charge_point: ChargePoint, family: tuple[IdToken, IdToken]
) -> None:
    """Authorization by GroupId - Success; - Invalid status with Local Authorization List (C09.FR.02, .03, .09, .12)"""
    first, second = family
    accepted = {"status": "Accepted", "groupIdToken": GROUP}
    asked = csms.send(charge_point, "Authorize", {"idToken": said(second.value)})
    assert asked["idTokenInfo"] == accepted
    begin(csms, charge_point)
    assert info(csms, charge_point, authorized(first.value)) == accepted
    assert csms.send(charge_point, "Authorize", {"idToken": said(second.value)})["idTokenInfo"] == accepted
    stop = event("Updated", 2, trigger="StopAuthorized", idToken=said(second.value))
    assert info(csms, charge_point, stop) == accepted
    csms.send(charge_point, "TransactionEvent", event("Ended", 3))
    assert session().id_token == first


@pytest.mark.testcase("TC_C_40_CSMS")
def test_tc_c_40_one_of_the_group_stops_by_the_local_list(
    csms: Csms, charge_point: ChargePoint, family: tuple[IdToken, IdToken]
) -> None:
    """Authorization by GroupId - Success with Local Authorization List: the charger asks nobody first"""
    accepted = {"status": "Accepted", "groupIdToken": GROUP}
    start = event("Started", 0, trigger="Authorized", evse=1, idToken=said(family[0].value))
    assert info(csms, charge_point, start) == accepted
    stop = event("Updated", 1, trigger="StopAuthorized", idToken=said(family[1].value))
    assert info(csms, charge_point, stop) == accepted


@pytest.mark.testcase("TC_C_47_CSMS", "TC_C_48_CSMS", "TC_C_49_CSMS")
@pytest.mark.parametrize("ended", [("tx-1", "tx-2"), ("tx-1",)], ids=["all", "one"])
def test_tc_c_47_to_49_master_pass_ends_sessions(
    csms: Csms, charge_point: ChargePoint, token: IdToken, master: IdToken, ended: tuple[str, ...]
) -> None:
    """Stop Transaction with a Master Pass - With UI, all or specific transactions; - Without UI (C16.FR.01, .02)"""
    named = {"status": "Accepted", "groupIdToken": {"idToken": "POLICE", "type": "Central"}}
    for evse, tx in enumerate(("tx-1", "tx-2"), start=1):
        begin(csms, charge_point, tx=tx, evse=evse)
        assert info(csms, charge_point, authorized(token.value, tx=tx))["status"] == "Accepted"
    assert csms.send(charge_point, "Authorize", {"idToken": said(master.value)})["idTokenInfo"] == named
    for tx in ended:
        stop = event(
            "Ended", 2, tx=tx, trigger="StopAuthorized", info={"stoppedReason": "MasterPass"},
            idToken=said(master.value),
        )  # fmt: skip
        assert info(csms, charge_point, stop) == named
    for tx in ("tx-1", "tx-2"):
        row = session(tx)
        assert (row.id_token, row.is_active) == (token, tx not in ended)


def test_master_pass_starts_nothing(csms: Csms, charge_point: ChargePoint, master: IdToken) -> None:
    """C16.FR.03: neither a session, nor charging within one"""
    start = event("Started", 0, trigger="Authorized", evse=1, idToken=said(master.value))
    assert info(csms, charge_point, start)["status"] == "Invalid"
    begin(csms, charge_point, tx="tx-2", evse=2)
    assert info(csms, charge_point, authorized(master.value, tx="tx-2"))["status"] == "Invalid"
