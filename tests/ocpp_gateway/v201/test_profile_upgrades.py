"""A05: charging stations of 2.x are led to a higher security profile by a network profile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import CommandStatus
from chargepoints.keys import hash_key
from chargepoints.models import ChargePoint, Command, GatewayNode, SecurityProfileUpgrade, Variable
from chargepoints.services import profile_upgrades
from chargepoints.services.connections import Refused
from tests import factories
from tests.chargepoints.handshakes import accepted, connect
from tests.factories import T0
from tests.ocpp_gateway.csms import Order
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Payload, boot

case = pytest.mark.testcase
PASSWORD = "Correct-Horse_Battery.Staple:2026*x"
TEXT: dict[str, Any] = {
    "ocpp_version": "ocpp2.0.1",
    "password_is_text": True,
    "password": PASSWORD.encode(),
}
URL = "wss://csms.example.com/ocpp"


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(lease_until=T0 + timedelta(minutes=1))
    return row


@pytest.fixture
def station(charge_point: ChargePoint, settings: Settings) -> ChargePoint:
    """Of profile 1, with slots 1 to 3, of which it uses the first."""
    settings.PUBLIC_URL = "https://csms.example.com"
    ChargePoint.objects.filter(pk=charge_point.pk).update(key_hash=hash_key(PASSWORD))
    Variable.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        component="OCPPCommCtrlr",
        name="NetworkConfigurationPriority",
        name_key="networkconfigurationpriority",
        value="1",
        values_list="1,2,3",
        updated_at=T0,
    )
    return charge_point


def start(csms: Csms | Csms21, row: ChargePoint, actor: Actor, target: int = 2, **more: Any) -> Order:
    """The first order."""
    csms.connect(row)
    row.refresh_from_db()
    profile_upgrades.start(actor=actor, charge_point=row, target_profile=target, **more)
    return current(csms, row)


def current(csms: Csms | Csms21, row: ChargePoint) -> Order:
    """The order that is given next."""
    profile_upgrades.go_on(csms.now)
    command = upgrade(row).command
    assert command is not None
    ((message_id, action, payload),) = csms.due(row)
    return Order(csms, row, command, message_id, action, payload)


def upgrade(row: ChargePoint) -> SecurityProfileUpgrade:
    return SecurityProfileUpgrade.objects.filter(charge_point=row).latest("pk")


def standing(row: ChargePoint) -> tuple[int, int | None, str]:
    row.refresh_from_db()
    return row.security_profile, row.pending_security_profile, str(upgrade(row).status)


def priority(status: str) -> Payload:
    entry = {
        "attributeStatus": status,
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "NetworkConfigurationPriority"},
    }
    return {"setVariableResult": [entry]}


@case("TC_A_19_CSMS")
def test_tc_a_19_upgrade_of_the_security_profile(
    csms: Csms, station: ChargePoint, node: GatewayNode, technician: Actor
) -> None:
    """Upgrade Charging Station Security Profile - Accepted (A05.FR.04, .07; errata 6.3.4–6.3.6)"""
    first = start(csms, station, technician)
    assert first.action == "SetNetworkProfile"
    assert first.payload == {
        "configurationSlot": 2,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": URL,
            "messageTimeout": 30,
            "securityProfile": 2,
            "ocppInterface": "Wired0",
        },
    }
    first.answer(status="Accepted")
    assert standing(station) == (1, None, "requested")
    second = current(csms, station)
    assert second.action == "SetVariables"
    (data,) = second.payload["setVariableData"]
    assert data["attributeValue"] == "2,1"
    assert (data["component"]["name"], data["variable"]["name"]) == (
        "OCPPCommCtrlr",
        "NetworkConfigurationPriority",
    )
    assert standing(station) == (1, 2, "requested"), "from now on both work"
    second.answer(priority("RebootRequired"))
    third = current(csms, station)
    assert (third.action, third.payload) == ("Reset", {"type": "OnIdle"})
    third.answer(status="Accepted")
    assert standing(station) == (1, 2, "waiting")
    accepted(connect(node, is_secure=True, **TEXT))
    assert csms.send(station, "BootNotification", boot())["status"] == "Accepted"
    assert standing(station) == (2, None, "done")
    lower = connect(node, **TEXT)
    assert isinstance(lower, Refused), "the lower profile never works again"
    accepted(connect(node, is_secure=True, **TEXT))


def test_charger_that_refuses_the_new_priority_keeps_its_profile(
    csms: Csms, station: ChargePoint, node: GatewayNode, technician: Actor
) -> None:
    """A05.FR.02, .03: a certificate is missing there."""
    start(csms, station, technician).answer(status="Accepted")
    current(csms, station).answer(priority("Rejected"))
    assert standing(station) == (1, None, "rejected")
    assert "certificate" in upgrade(station).detail
    assert isinstance(connect(node, is_secure=True, **TEXT), Refused)
    accepted(connect(node, **TEXT))


def test_charger_that_refuses_the_network_profile_is_asked_nothing_more(
    csms: Csms, station: ChargePoint, technician: Actor
) -> None:
    start(csms, station, technician).answer(status="Rejected")
    assert standing(station) == (1, None, "rejected")
    assert not profile_upgrades.go_on(csms.now)


def test_order_without_an_answer_can_be_given_again(
    csms: Csms, station: ChargePoint, technician: Actor
) -> None:
    order = start(csms, station, technician)
    order.refuse("GenericError", "busy")
    assert standing(station) == (1, None, "waiting")
    assert "(busy): try again" in upgrade(station).detail
    profile_upgrades.retry(actor=technician, charge_point=station)
    again = current(csms, station)
    assert again.action == "SetNetworkProfile"
    again.answer(status="Accepted")
    assert current(csms, station).action == "SetVariables"


def test_lost_answer_about_the_priority_leaves_both_profiles(
    csms: Csms, station: ChargePoint, node: GatewayNode, technician: Actor
) -> None:
    start(csms, station, technician).answer(status="Accepted")
    order = current(csms, station)
    commands.complete(order.command.pk, status=CommandStatus.TIMED_OUT)
    assert standing(station) == (1, 2, "waiting")
    assert "did not answer" in upgrade(station).detail
    accepted(connect(node, is_secure=True, **TEXT))
    assert standing(station) == (2, None, "done")


def test_charger_that_does_not_restart_waits_for_a_person(
    csms: Csms, station: ChargePoint, technician: Actor
) -> None:
    start(csms, station, technician).answer(status="Accepted")
    current(csms, station).answer(priority("Accepted"))
    current(csms, station).answer(status="Rejected")
    assert standing(station) == (1, 2, "waiting")
    assert "restart it" in upgrade(station).detail
    profile_upgrades.retry(actor=technician, charge_point=station)
    assert current(csms, station).action == "Reset"


def test_cancelled_upgrade_gives_no_more_orders(csms: Csms, station: ChargePoint, technician: Actor) -> None:
    start(csms, station, technician).answer(status="Accepted")
    profile_upgrades.cancel(actor=technician, charge_point=station)
    assert not profile_upgrades.go_on(csms.now)
    assert standing(station) == (1, None, "cancelled")
    assert Command.objects.count() == 1


def test_address_and_slot_may_be_chosen(csms: Csms, station: ChargePoint, technician: Actor) -> None:
    more: Payload = {
        "network_slot": 3,
        "network_url": "wss://other.example.com",
        "network_interface": "Wireless0",
    }
    payload = start(csms, station, technician, **more).payload
    assert payload["configurationSlot"] == 3
    data = payload["connectionData"]
    assert (data["ocppCsmsUrl"], data["ocppInterface"]) == ("wss://other.example.com", "Wireless0")
    assert upgrade(station).network["priority"] == "3,1"


def test_without_an_address_one_has_to_be_named(
    csms: Csms, station: ChargePoint, technician: Actor, settings: Settings
) -> None:
    settings.PUBLIC_URL = ""
    with pytest.raises(errors.Invalid, match="address"):
        start(csms, station, technician)
    assert not SecurityProfileUpgrade.objects.exists()


def test_charger_whose_slots_are_not_known_has_to_tell_them_first(
    csms: Csms, station: ChargePoint, technician: Actor
) -> None:
    """It could not fall back: the slot that it uses now would be missing in the new order."""
    Variable.objects.all().delete()
    with pytest.raises(errors.Invalid, match="report of all variables"):
        start(csms, station, technician)
    assert not SecurityProfileUpgrade.objects.exists()
    found = {step.name: step for step in profile_upgrades.steps(station, 2)}
    assert (found["supported"].state, found["supported"].action) == ("missing", "get_base_report")


def test_in_21_the_network_profile_names_its_version(
    csms21: Csms21, station: ChargePoint, technician: Actor
) -> None:
    data = start(csms21, station, technician).payload["connectionData"]
    assert data["securityProfile"] == 2
    assert data.get("ocppVersion", "OCPP21") == "OCPP21"


# ---------------------------------------------------------------- never lower
@pytest.mark.parametrize(
    ("present", "target", "allows", "is_fine"),
    [
        (2, 1, "true", False),
        (3, 1, "true", False),
        (3, 2, "", False),
        (3, 2, "false", False),
        (3, 2, "true", True),
        (2, 2, "", True),
    ],
)
def test_lower_profile_is_never_ordered_but_where_the_charger_allows_it(
    csms: Csms,
    station: ChargePoint,
    technician: Actor,
    present: int,
    target: int,
    allows: str,
    is_fine: bool,
) -> None:
    """A00.FR.005 (errata 2.5), A05.FR.08–10: only from 3 to 2."""
    ChargePoint.objects.filter(pk=station.pk).update(security_profile=present)
    if allows:
        Variable.objects.create(
            tenant=station.tenant,
            charge_point=station,
            component="SecurityCtrlr",
            name="AllowSecurityProfileDowngrade",
            name_key="allowsecurityprofiledowngrade",
            value=allows,
            updated_at=T0,
        )
    scheme = "wss" if target > 1 else "ws"
    neutral = {
        "slot": 2,
        "url": f"{scheme}://csms.example.com",
        "security_profile": str(target),
        "interface": "Wired0",
    }
    if is_fine:
        assert csms.order(station, "set_network_profile", neutral).action == "SetNetworkProfile"
        return
    with pytest.raises(errors.InvalidPayload, match="must not be lowered"):
        csms.order(station, "set_network_profile", neutral)
    raw = {
        "configurationSlot": 2,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": neutral["url"],
            "messageTimeout": 30,
            "securityProfile": target,
            "ocppInterface": "Wired0",
        },
    }
    with pytest.raises(errors.InvalidPayload, match="must not be lowered"):
        csms.order(station, "SetNetworkProfile", raw)


def test_what_the_charger_needs_names_the_slot(csms: Csms, station: ChargePoint) -> None:
    csms.connect(station)
    station.refresh_from_db()
    found = {step.name: step for step in profile_upgrades.steps(station, 3)}
    assert "Slot 2" in found["supported"].detail
    assert found["supported"].state == profile_upgrades.OK
    assert "OrganizationName" in found["cpo_name"].detail
