"""Test cases of block G: availability (2.0.1 part 6 §3.8)."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Connector
from tests.ocpp_gateway.v201.helpers import Csms, status

EVSE: dict[str, Any] = {"connector": 1}
STATION: dict[str, Any] = {}
CONNECTOR: dict[str, Any] = {"connector": 1, "within": 2}

# case, place, operative, what names the place, the charger's status afterwards
CASES: list[tuple[str, dict[str, Any], bool, dict[str, Any] | None, str]] = [
    ("TC_G_03_CSMS", EVSE, False, {"id": 1}, "Unavailable"),
    ("TC_G_04_CSMS", EVSE, True, {"id": 1}, "Available"),
    ("TC_G_05_CSMS", STATION, False, None, "Unavailable"),
    ("TC_G_06_CSMS", STATION, True, None, "Available"),
    ("TC_G_07_CSMS", CONNECTOR, False, {"id": 1, "connectorId": 2}, "Unavailable"),
    ("TC_G_08_CSMS", CONNECTOR, True, {"id": 1, "connectorId": 2}, "Available"),
]


@pytest.mark.parametrize(
    ("place", "operative", "evse", "becomes"),
    [pytest.param(*case[1:], marks=pytest.mark.testcase(case[0]), id=case[0]) for case in CASES],
)
def test_tc_g_03_to_08_change_availability(
    csms: Csms,
    charge_point: ChargePoint,
    place: dict[str, Any],
    operative: bool,
    evse: dict[str, Any] | None,
    becomes: str,
) -> None:
    """Change Availability EVSE / Charging Station / Connector (G03, G04)"""
    order = csms.order(charge_point, "change_availability", {**place, "operative": operative})
    said = {"operationalStatus": "Operative" if operative else "Inoperative"}
    assert (order.action, order.payload) == ("ChangeAvailability", said | ({"evse": evse} if evse else {}))
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    within = place.get("within", 1)
    csms.send(charge_point, "StatusNotification", status(1, becomes, connector=within))
    assert Connector.objects.get(charge_point=charge_point, ocpp_number=1, number=within).status == becomes


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(EVSE, marks=pytest.mark.testcase("TC_G_11_CSMS"), id="TC_G_11_CSMS"),
        pytest.param(STATION, marks=pytest.mark.testcase("TC_G_14_CSMS"), id="TC_G_14_CSMS"),
        pytest.param(CONNECTOR, marks=pytest.mark.testcase("TC_G_17_CSMS"), id="TC_G_17_CSMS"),
    ],
)
def test_tc_g_11_14_17_with_a_session(csms: Csms, charge_point: ChargePoint, place: dict[str, Any]) -> None:
    """Change Availability … - With ongoing transaction: Scheduled"""
    order = csms.order(charge_point, "change_availability", {**place, "operative": False})
    command = order.answer(status="Scheduled")
    assert (command.status, command.summary) == (
        CommandStatus.ACCEPTED,
        "It takes effect when the running session has ended.",
    )
    csms.send(charge_point, "StatusNotification", status(1, "Unavailable"))
    assert Connector.objects.get(charge_point=charge_point, ocpp_number=1).status == "Unavailable"


def test_refusal_and_its_reason_are_kept(csms: Csms, charge_point: ChargePoint) -> None:
    """G03.FR.07: a charger that cannot do it rejects"""
    order = csms.order(charge_point, "change_availability", {"connector": 1, "operative": False})
    info = {"reasonCode": "InternalError", "additionalInfo": "relay"}
    command = order.answer(status="Rejected", statusInfo=info)
    assert command.status == CommandStatus.REJECTED
    assert command.summary == "The charger's reason: InternalError: relay."
