"""Official test cases of functional block E (transactions), as a charging station plays them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import IdToken
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms, Payload, event, moment, session, status, token
from transactions.choices import TransactionState

pytestmark = pytest.mark.usefixtures("token")
case = pytest.mark.testcase
MINUTE = timedelta(minutes=1)


class Station:
    """A charging station that plays one session; events are numbered by themselves."""

    def __init__(self, csms: Csms, row: ChargePoint, tx: str = "tx-1") -> None:
        self.csms, self.row, self.tx = csms, row, tx
        self.seq = 0

    def authorize(self, value: str = "04A1B2C3") -> str:
        answer = self.csms.send(self.row, "Authorize", {"idToken": token(value)})
        return str(answer["idTokenInfo"]["status"])

    def occupied(self) -> None:
        at = T0 + self.seq * MINUTE
        self.csms.send(self.row, "StatusNotification", status(1, "Occupied", at=at))

    def event(self, kind: str, trigger: str, state: str = "", *moments: Payload, **more: Any) -> Payload:
        info = {**({"chargingState": state} if state else {}), **more.pop("info", {})}
        at = T0 + self.seq * MINUTE
        payload = event(kind, self.seq, *moments, tx=self.tx, at=at, trigger=trigger, info=info, **more)
        self.seq += 1
        return self.csms.send(self.row, "TransactionEvent", payload, at=max(at, self.csms.now))

    # -- reusable states of part 6

    def authorized(self) -> Payload:
        self.authorize()
        return self.event("Started", "Authorized", idToken=token())

    def connected(self) -> None:
        self.occupied()
        self.event("Updated", "CablePluggedIn", "EVConnected", evse=1)

    def transferring(self) -> None:
        self.authorized()
        self.connected()
        self.event("Updated", "ChargingStateChanged", "Charging", moment(1000))

    def suspended(self) -> None:
        self.transferring()
        self.event("Updated", "ChargingStateChanged", "SuspendedEV")

    def ends(self, trigger: str, reason: str, state: str = "", *moments: Payload, **more: Any) -> None:
        self.event("Ended", trigger, state, *moments, info={"stoppedReason": reason}, **more)
        row = session(self.tx)
        assert (row.state, row.stop_reason) == (TransactionState.ENDED, reason)


@pytest.fixture
def station(csms: Csms, charge_point: ChargePoint) -> Station:
    return Station(csms, charge_point)


START_OPTIONS = {
    "TC_E_01_CSMS power path closed": ("ChargingStateChanged", "SuspendedEVSE"),
    "TC_E_02_CSMS energy transfer": ("ChargingStateChanged", "Charging"),
    "TC_E_11_CSMS data signed": ("SignedDataReceived", "EVConnected"),
    "TC_E_10_CSMS authorized": ("Authorized", ""),
}


@case("TC_E_01_CSMS", "TC_E_02_CSMS", "TC_E_10_CSMS", "TC_E_11_CSMS")
@pytest.mark.parametrize(("trigger", "state"), START_OPTIONS.values(), ids=START_OPTIONS)
def test_start_options_after_authorization(station: Station, trigger: str, state: str) -> None:
    """E01.FR.03 to .06: a session may start at any of the configured points, with the driver known."""
    assert station.authorize() == "Accepted"
    station.occupied()
    answer = station.event("Started", trigger, state, idToken=token(), evse=1)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert station.event("Updated", "ChargingStateChanged", "Charging") == {}
    assert (session().state, session().charging_state) == (TransactionState.ACTIVE, "Charging")


@case("TC_E_09_CSMS")
def test_start_option_ev_connected(station: Station) -> None:
    """TC_E_09: the session starts with the cable, the driver comes later (E01.FR.02)"""
    station.occupied()
    assert station.event("Started", "CablePluggedIn", "EVConnected", evse=1) == {}
    assert session().id_token_value == ""


@case("TC_E_12_CSMS", "TC_E_19_CSMS")
def test_parking_bay_starts_and_ends_the_session(station: Station) -> None:
    """TC_E_12, TC_E_19: E01.FR.01, E06.FR.01"""
    assert station.event("Started", "EVDetected") == {}
    station.ends("EVDeparted", "Local")


@case("TC_E_03_CSMS")
def test_local_start_with_the_cable_first(station: Station) -> None:
    """TC_E_03: E02.FR.02"""
    station.occupied()
    station.event("Started", "CablePluggedIn", "EVConnected", evse=1)
    assert station.authorize() == "Accepted"
    answer = station.event("Updated", "Authorized", idToken=token())
    assert answer["idTokenInfo"]["status"] == "Accepted"
    station.event("Updated", "ChargingStateChanged", "Charging")
    assert (session().id_token_value, session().connector_number) == ("04A1B2C3", 1)


@case("TC_E_04_CSMS")
def test_local_start_with_the_token_first(station: Station) -> None:
    """TC_E_04: E03.FR.02"""
    assert station.authorized()["idTokenInfo"]["status"] == "Accepted"
    station.connected()
    station.event("Updated", "ChargingStateChanged", "Charging")
    assert (session().id_token_value, session().connector_number) == ("04A1B2C3", 1)


@case("TC_E_38_CSMS")
def test_local_start_with_a_vehicle_that_is_not_ready(station: Station) -> None:
    """TC_E_38: E03"""
    station.authorized()
    station.connected()
    station.event("Updated", "ChargingStateChanged", "SuspendedEV")
    assert session().charging_state == "SuspendedEV"


@case("TC_E_39_CSMS")
def test_stop_when_nobody_plugs_in(station: Station) -> None:
    """TC_E_39: E03.FR.05, E06.FR.04"""
    station.authorized()
    station.ends("EVConnectTimeout", "Timeout")


STOP_OPTIONS = {
    "TC_E_07_CSMS power path": ("StopAuthorized", "Local", "EVConnected"),
    "TC_E_08_CSMS energy transfer": ("StopAuthorized", "Local", "EVConnected"),
    "TC_E_14_CSMS station side": ("EVCommunicationLost", "EVDisconnected", "Idle"),
    "TC_E_15_CSMS local": ("StopAuthorized", "Local", ""),
}


@case("TC_E_07_CSMS", "TC_E_08_CSMS", "TC_E_14_CSMS", "TC_E_15_CSMS")
@pytest.mark.parametrize(("trigger", "reason", "state"), STOP_OPTIONS.values(), ids=STOP_OPTIONS)
def test_stop_options_while_charging(station: Station, trigger: str, reason: str, state: str) -> None:
    """E06.FR.02, .03, .05, .06"""
    station.transferring()
    station.ends(trigger, reason, state, moment(5000, at=T0 + 9 * MINUTE))
    assert session().energy_wh == 4000


@case("TC_E_17_CSMS", "TC_E_20_CSMS", "TC_E_22_CSMS")
@pytest.mark.parametrize(
    ("trigger", "reason", "state"),
    [
        pytest.param("EVCommunicationLost", "EVDisconnected", "Idle", id="TC_E_17_CSMS TC_E_20_CSMS"),
        pytest.param("ChargingStateChanged", "StoppedByEV", "SuspendedEV", id="TC_E_22_CSMS"),
    ],
)
def test_stop_options_while_suspended(station: Station, trigger: str, reason: str, state: str) -> None:
    """E06.FR.02, .04, .06"""
    station.suspended()
    station.ends(trigger, reason, state)


@case("TC_E_21_CSMS")
def test_remote_stop_names_the_chargers_own_id(station: Station) -> None:
    """TC_E_21: F03.FR.01, .09, .10"""
    station.transferring()
    order = station.csms.order(station.row, "RequestStopTransaction", {"transactionId": "tx-1"})
    assert order.payload == {"transactionId": "tx-1"}
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    assert session().state == TransactionState.ACTIVE  # Accepted is not yet an end
    station.ends("RemoteStop", "Remote")


@case("TC_E_16_CSMS")
def test_unknown_token_is_refused_in_the_event(station: Station) -> None:
    """TC_E_16: E01.FR.11, .12, E06.FR.04"""
    answer = station.event("Started", "Authorized", idToken=token("NOBODY"))
    assert answer["idTokenInfo"]["status"] in ("Invalid", "Unknown")
    station.ends("Deauthorized", "DeAuthorized")


@case("TC_E_26_CSMS")
def test_cable_is_pulled_and_put_back_within_the_session(station: Station) -> None:
    """TC_E_26: E10.FR.01"""
    station.suspended()
    station.event("Updated", "EVCommunicationLost", "Idle")
    at = T0 + station.seq * MINUTE
    station.csms.send(station.row, "StatusNotification", status(1, "Available", at=at))
    assert session().state == TransactionState.ACTIVE
    station.event("Updated", "CablePluggedIn", "EVConnected")
    station.event("Updated", "ChargingStateChanged", "Charging")
    assert session().charging_state == "Charging"


@case("TC_E_29_CSMS", "TC_E_30_CSMS", "TC_E_31_CSMS")
@pytest.mark.parametrize(
    ("ongoing", "queued"),
    [
        pytest.param(True, True, id="TC_E_29_CSMS"),
        pytest.param(True, False, id="TC_E_30_CSMS"),
        pytest.param(False, True, id="TC_E_31_CSMS"),
    ],
)
def test_status_of_a_transaction_is_asked_for(station: Station, ongoing: bool, queued: bool) -> None:
    """E14.FR.02 to .05: asked by the charger's id; queued events that follow are taken."""
    station.transferring()
    station.csms.reconnect(station.row)
    order = station.csms.order(station.row, "GetTransactionStatus", {"transactionId": "tx-1"})
    assert order.payload == {"transactionId": "tx-1"}
    answered = order.answer(ongoingIndicator=ongoing, messagesInQueue=queued)
    assert answered.status == CommandStatus.ACCEPTED
    if queued:
        late = moment(3000, at=T0 + 4 * MINUTE)
        kind, info = ("Updated", {}) if ongoing else ("Ended", {"stoppedReason": "Local"})
        station.event(kind, "MeterValuePeriodic", "", late, offline=True, info=info)
        assert session().energy_wh == 2000
        assert (session().state == TransactionState.ACTIVE) == ongoing


@case("TC_E_33_CSMS", "TC_E_34_CSMS")
@pytest.mark.parametrize(
    "queued", [pytest.param(True, id="TC_E_33_CSMS"), pytest.param(False, id="TC_E_34_CSMS")]
)
def test_status_of_all_transactions_is_asked_for(station: Station, queued: bool) -> None:
    """E14.FR.06 to .08: without an id."""
    station.transferring()
    station.csms.reconnect(station.row)
    order = station.csms.order(station.row, "GetTransactionStatus", {})
    assert order.payload == {}
    assert order.answer(messagesInQueue=queued).status == CommandStatus.ACCEPTED


@case("TC_E_53_CSMS")
def test_numbers_begin_at_0_with_each_session(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """TC_E_53: E01.FR.07"""
    for tx in ("tx-1", "tx-2"):
        station = Station(csms, charge_point, tx)
        station.transferring()
        station.ends("EVCommunicationLost", "EVDisconnected", "Idle")
        assert (session(tx).first_seq_no, session(tx).last_seq_no) == (0, 3)
