"""Test cases of block D: the local list of tokens (2.0.1 part 6 §3.4)."""

from __future__ import annotations

import pytest

from accounts.models import IdToken, Tenant, TokenGroup
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Variable
from tests import factories
from tests.ocpp_gateway.v201.helpers import Csms

LATER = "2099-03-02T10:00:00.000Z"


def held(charge_point: ChargePoint) -> str | None:
    """The version that we know the charger to hold."""
    row = Variable.objects.get(charge_point=charge_point, component="LocalAuthListCtrlr", name="ListVersion")
    return row.value


@pytest.mark.testcase("TC_D_01_CSMS")
def test_tc_d_01_full_list(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    """Send Local Authorization List - Full (D01.FR.01, .05, .06, .18; errata 6.3.10: idTokenInfo in every entry)"""
    group = factories.TokenGroupFactory(tenant=tenant, name="FAMILY", type="Central")
    factories.IdTokenFactory(tenant=tenant, value="1234", type="KeyCode", group=group)
    version = csms.order(charge_point, "get_local_list_version")
    assert version.action == "GetLocalListVersion"
    assert version.answer(versionNumber=1).summary == "The local list has version 1."
    entries = [
        {"id_token": "04A1", "status": "Accepted", "expires_at": LATER},
        {"id_token": "1234", "status": "Accepted", "parent_id_token": "FAMILY"},
    ]
    order = csms.order(charge_point, "send_local_list", {"update_type": "Full", "entries": entries})
    assert order.action == "SendLocalList"
    assert order.payload == {
        "updateType": "Full",
        "versionNumber": 2,
        "localAuthorizationList": [
            {
                "idToken": {"idToken": "04A1", "type": "ISO14443"},
                "idTokenInfo": {"status": "Accepted", "cacheExpiryDateTime": LATER},
            },
            {
                "idToken": {"idToken": "1234", "type": "KeyCode"},
                "idTokenInfo": {
                    "status": "Accepted",
                    "groupIdToken": {"idToken": "FAMILY", "type": "Central"},
                },
            },
        ],
    }
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    assert held(charge_point) == "2"


@pytest.mark.testcase("TC_D_02_CSMS")
def test_tc_d_02_differential_update(csms: Csms, charge_point: ChargePoint) -> None:
    """Send Local Authorization List - Differential Update: a version above the one that the charger told"""
    csms.order(charge_point, "get_local_list_version").answer(versionNumber=7)
    entries = [{"id_token": "04A1", "status": "Blocked"}]
    order = csms.order(charge_point, "send_local_list", {"update_type": "Differential", "entries": entries})
    assert (order.payload["updateType"], order.payload["versionNumber"]) == ("Differential", 8)
    assert order.payload["localAuthorizationList"][0]["idTokenInfo"] == {"status": "Blocked"}
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED


@pytest.mark.testcase("TC_D_03_CSMS")
def test_tc_d_03_differential_remove(csms: Csms, charge_point: ChargePoint) -> None:
    """Send Local Authorization List - Differential Remove: no idTokenInfo (D01.FR.17)"""
    entries = [{"id_token": "04A1"}, {"id_token": "04A2"}]
    order = csms.order(charge_point, "send_local_list", {"update_type": "Differential", "entries": entries})
    assert order.payload["localAuthorizationList"] == [
        {"idToken": {"idToken": value, "type": "ISO14443"}} for value in ("04A1", "04A2")
    ]
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED


@pytest.mark.testcase("TC_D_04_CSMS")
def test_tc_d_04_full_with_an_empty_list(csms: Csms, charge_point: ChargePoint) -> None:
    """Send Local Authorization List - Full with empty list; the version is 0 afterwards (D01.FR.16)"""
    order = csms.order(charge_point, "send_local_list", {"update_type": "Full"})
    assert order.payload["updateType"] == "Full"
    assert "localAuthorizationList" not in order.payload
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    assert held(charge_point) == "0"


@pytest.mark.testcase("TC_D_08_CSMS")
def test_tc_d_08_version_of_the_list(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Local List Version - Success"""
    command = csms.order(charge_point, "get_local_list_version").answer(versionNumber=5)
    assert (command.status, command.summary) == (CommandStatus.ACCEPTED, "The local list has version 5.")
    assert held(charge_point) == "5"


@pytest.mark.testcase("TC_D_09_CSMS")
def test_tc_d_09_no_list_available(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Local List Version - No list available: 0"""
    command = csms.order(charge_point, "get_local_list_version").answer(versionNumber=0)
    assert (command.status, command.summary) == (CommandStatus.ACCEPTED, "The local list is empty.")
    assert held(charge_point) == "0"


@pytest.mark.parametrize("status", ["VersionMismatch", "Failed"])
def test_refused_changes_want_a_full_list(csms: Csms, charge_point: ChargePoint, status: str) -> None:
    """D01.FR.03"""
    entries = [{"id_token": "04A1"}]
    order = csms.order(charge_point, "send_local_list", {"update_type": "Differential", "entries": entries})
    command = order.answer(status=status, statusInfo={"reasonCode": "NoReason"})
    assert command.status == CommandStatus.REJECTED
    assert command.summary.endswith("send it a full list. The charger's reason: NoReason.")


def test_types_are_those_of_our_tags_and_groups_of_this_tenant(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, other_tenant: Tenant
) -> None:
    """An order that names a type itself keeps it."""
    factories.IdTokenFactory(tenant=other_tenant, value="04A1", type="KeyCode")
    factories.IdTokenFactory(tenant=tenant, value="04A1", type="ISO15693")
    TokenGroup.objects.create(tenant=other_tenant, name="G", type="Local")
    TokenGroup.objects.create(tenant=tenant, name="G", type="ISO14443")
    entries = [
        {"id_token": "04a1", "status": "Accepted", "parent_id_token": "G"},
        {"id_token": "DE-ABC-C1", "status": "Accepted", "id_token_type": "eMAID", "parent_id_token": "none"},
    ]
    order = csms.order(charge_point, "send_local_list", {"update_type": "Full", "entries": entries})
    said = order.payload["localAuthorizationList"]
    assert [entry["idToken"]["type"] for entry in said] == ["ISO15693", "eMAID"]
    assert [entry["idTokenInfo"]["groupIdToken"]["type"] for entry in said] == ["ISO14443", "Central"]
    assert IdToken.objects.filter(value="DE-ABC-C1").exists() is False
