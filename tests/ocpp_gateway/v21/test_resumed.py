"""Sessions that go on after a restart of the charging station (OCPP 2.1 B13, E17)."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import IdToken
from chargepoints.models import ChargePoint, Command
from tests import factories
from tests.ocpp_gateway.v201.helpers import Csms21, event, moment, session, token

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def running(csms: Csms21, charge_point: ChargePoint) -> Any:
    """A session with a limit of its own."""
    csms.connect(charge_point)
    start = event("Started", 0, moment(1000), evse=1, idToken=token(), info={"chargingState": "Charging"})
    csms.send(charge_point, "TransactionEvent", start)
    return factories.ChargingProfileAssignmentFactory(
        charge_point=charge_point,
        purpose="TxProfile",
        transaction_number="tx-1",
        connector_number=1,
        state="active",
    )


def resume(csms: Csms21, charge_point: ChargePoint) -> None:
    info = {"chargingState": "Charging"}
    csms.send(charge_point, "TransactionEvent", event("Updated", 1, trigger="TxResumed", info=info))


def test_resumed_session_gets_its_profile_again(
    csms: Csms21, charge_point: ChargePoint, running: Any
) -> None:
    """E17.FR.15: a station forgets the profiles of its sessions with its power, unless it says otherwise."""
    resume(csms, charge_point)
    sent = Command.objects.get(action="set_charging_profile")
    assert sent.payload["transaction_id"] == "tx-1"
    assert session().state == "active"
    resume(csms, charge_point)  # the same event again
    assert Command.objects.filter(action="set_charging_profile").count() == 1


def test_station_that_keeps_profiles_gets_none(csms: Csms21, charge_point: ChargePoint, running: Any) -> None:
    """K01.FR.55"""
    factories.VariableFactory(
        charge_point=charge_point,
        component="SmartChargingCtrlr",
        name="ChargingProfilePersistence",
        instance="TxProfile",
        value="true",
    )
    resume(csms, charge_point)
    assert not Command.objects.filter(action="set_charging_profile").exists()


def test_session_without_a_profile_just_goes_on(
    csms: Csms21, charge_point: ChargePoint, token: IdToken
) -> None:
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, moment(1000), evse=1))
    resume(csms, charge_point)
    assert not Command.objects.exists()
    assert session().event_count == 2
