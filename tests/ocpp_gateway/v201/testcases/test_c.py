"""Test cases of block C: who may charge (2.0.1 part 6 §3.3); those within a transaction stand with block E."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.choices import AuthorizationMode
from accounts.models import IdToken, Tenant, TokenGroup
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint
from tests import factories
from tests.ocpp_gateway.csms import Csms as AnyCsms
from tests.ocpp_gateway.v16.helpers import Csms as Csms16
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, clock
from tests.ocpp_gateway.v201.helpers import token as said


def authorize(csms: AnyCsms, charge_point: ChargePoint, value: str, kind: str = "ISO14443") -> dict[str, Any]:
    """The charger's question, and idTokenInfo of the answer."""
    answer = csms.send(charge_point, "Authorize", {"idToken": said(value, kind)})
    info: dict[str, Any] = answer["idTokenInfo"]
    return info


@pytest.mark.testcase("TC_C_02_CSMS")
@pytest.mark.parametrize(
    ("kind", "status"), [("ISO14443", "Unknown"), ("Local", "Unknown"), ("KeyCode", "Invalid")]
)
def test_tc_c_02_unknown(csms: Csms, charge_point: ChargePoint, kind: str, status: str) -> None:
    """Local start transaction - Authorization Invalid/Unknown (C01.FR.07, C04.FR.01, C06.FR.04)"""
    assert authorize(csms, charge_point, "F00", kind) == {"status": status}
    assert IdToken.objects.count() == 0


@pytest.mark.testcase("TC_C_06_CSMS")
def test_tc_c_06_blocked(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    """Local start transaction - Authorization Blocked"""
    factories.IdTokenFactory(tenant=tenant, value="04B", status="Blocked")
    assert authorize(csms, charge_point, "04B") == {"status": "Blocked"}


@pytest.mark.testcase("TC_C_07_CSMS")
def test_tc_c_07_expired(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    """Local start transaction - Authorization Expired"""
    factories.IdTokenFactory(tenant=tenant, value="04E", expires_at=csms.now - timedelta(seconds=1))
    assert authorize(csms, charge_point, "04E")["status"] == "Expired"


@pytest.mark.testcase("TC_C_37_CSMS", "TC_C_38_CSMS")
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param("Accepted", CommandStatus.ACCEPTED, id="TC_C_37_CSMS"),
        pytest.param("Rejected", CommandStatus.REJECTED, id="TC_C_38_CSMS"),
    ],
)
def test_tc_c_37_tc_c_38_clear_cache(
    csms: Csms, charge_point: ChargePoint, answer: str, status: CommandStatus
) -> None:
    """Clear Authorization Data in Authorization Cache - Accepted; - Rejected (C11)"""
    order = csms.order(charge_point, "clear_cache")
    assert (order.action, order.payload) == ("ClearCache", {})
    assert order.answer(status=answer).status == status


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Central", "central-1"),
        ("eMAID", "DE8AAA1B2C3D4E5"),
        ("ISO14443", "04A1"),
        ("ISO15693", "E00401"),
        ("KeyCode", "1234"),
        ("Local", "local-1"),
        ("MacAddress", "00:11:22:33:44:55"),
    ],
)
def test_every_type_of_token_may_charge(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, kind: str, value: str
) -> None:
    """C01.FR.07, C04.FR.02, C05, C06.FR.04"""
    factories.IdTokenFactory(tenant=tenant, value=value, type=kind)
    assert authorize(csms, charge_point, value, kind) == {"status": "Accepted"}


def test_types_of_2_1_are_any_text(csms21: Csms21, charge_point: ChargePoint, tenant: Tenant) -> None:
    """2.1: VIN, EVCCID … and words that nobody knows yet; up to 255 characters"""
    for kind, value in (("VIN", "WVWZZZ1JZ3W386752"), ("HouseNumber", "x" * 255)):
        factories.IdTokenFactory(tenant=tenant, value=value, type=kind)
        assert authorize(csms21, charge_point, value, kind) == {"status": "Accepted"}


def test_start_button_needs_no_token(csms: Csms, charge_point: ChargePoint) -> None:
    """C02.FR.01, .02: an empty value of the type NoAuthorization, and nothing else"""
    assert authorize(csms, charge_point, "", "NoAuthorization") == {"status": "Accepted"}
    assert authorize(csms, charge_point, "04F", "NoAuthorization")["status"] == "Unknown"
    assert authorize(csms, charge_point, "", "Central")["status"] == "Unknown"


def test_group_is_named_with_its_type(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    """C01.FR.06, C09.FR.02, .09; of a refused token as well"""
    group = factories.TokenGroupFactory(tenant=tenant, name="FLEET", type="ISO14443")
    factories.IdTokenFactory(tenant=tenant, value="04A", group=group)
    factories.IdTokenFactory(tenant=tenant, value="04B", group=group, status="Blocked")
    for value, status in (("04A", "Accepted"), ("04B", "Blocked")):
        named = {"idToken": "FLEET", "type": "ISO14443"}
        assert authorize(csms, charge_point, value) == {"status": status, "groupIdToken": named}


def test_master_pass_is_accepted_with_its_group(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    """C16: the first step of TC_C_47 to TC_C_49; the charger compares the group with its MasterPassGroupId"""
    group = factories.TokenGroupFactory(tenant=tenant, name="POLICE", is_master_pass=True)
    factories.IdTokenFactory(tenant=tenant, value="04C", group=group)
    named = {"idToken": "POLICE", "type": "Central"}
    assert authorize(csms, charge_point, "04C") == {"status": "Accepted", "groupIdToken": named}


def test_driver_is_spoken_to(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    """C01.FR.08 to .11, .17: languages, a message, a priority"""
    factories.IdTokenFactory(
        tenant=tenant,
        value="04D",
        language1="de-CH",
        language2="en",
        personal_message="Guten Tag",
        charging_priority=-3,
        expires_at=csms.now + timedelta(days=1),
    )
    info = authorize(csms, charge_point, "04D")
    assert info.pop("cacheExpiryDateTime")
    assert info == {
        "status": "Accepted",
        "language1": "de-CH",
        "language2": "en",
        "chargingPriority": -3,
        "personalMessage": {"format": "UTF8", "content": "Guten Tag", "language": "de-CH"},
    }


@pytest.mark.parametrize(("balance", "status"), [("0", "NoCredit"), ("-1", "NoCredit"), ("0.01", "Accepted")])
def test_prepaid_token_without_credit(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, balance: str, status: str
) -> None:
    """2.1 C17: the charger remembers no prepaid token"""
    factories.IdTokenFactory(tenant=tenant, value="04P", balance=Decimal(balance))
    info = authorize(csms, charge_point, "04P")
    assert info == {"status": status, "cacheExpiryDateTime": clock(csms.now)}


def test_1_6_hears_what_it_has_words_for(
    monkeypatch: pytest.MonkeyPatch, charge_point: ChargePoint, tenant: Tenant
) -> None:
    """NoCredit is Blocked there."""
    factories.IdTokenFactory(tenant=tenant, value="04P", balance=Decimal(0), language1="de")
    answer = Csms16(monkeypatch).send(charge_point, "Authorize", {"idTag": "04P"})
    assert answer == {"idTagInfo": {"status": "Blocked"}}


def test_any_token_where_the_tenant_wants_it(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    """A setting of ours: unknown tokens charge, blocked ones do not."""
    Tenant.objects.filter(pk=tenant.pk).update(authorization_mode=AuthorizationMode.ANY_TOKEN)
    factories.IdTokenFactory(tenant=tenant, value="04B", status="Blocked")
    assert authorize(csms, charge_point, "04X") == {"status": "Accepted"}
    assert authorize(csms, charge_point, "04B") == {"status": "Blocked"}


def test_tokens_and_groups_of_others_mean_nothing(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    group = TokenGroup.objects.create(tenant=other_tenant, name="G")
    factories.IdTokenFactory(tenant=other_tenant, value="04A", group=group)
    assert authorize(csms, charge_point, "04A") == {"status": "Unknown"}
